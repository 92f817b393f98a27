// Any bytes as a bank's file: what is read adds up, and is within its bounds.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "billing/bank_statement.h"

namespace {

void check(const tg::BankStatement& statement, bool adds_up) {
    std::int64_t sum = statement.opening_fen.value_or(0);
    for (const tg::StatementRow& row : statement.rows) {
        TG_ASSERT(row.fen >= -100'000'000'000'000 && row.fen <= 100'000'000'000'000);
        TG_ASSERT(row.line >= 0);
        sum += row.fen;
    }
    if (adds_up && statement.opening_fen && statement.closing_fen)
        TG_ASSERT(sum == *statement.closing_fen);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 5) {
        case 0:
            if (const auto read = tg::parse_mt940(bytes); read.ok()) check(*read, true);
            break;
        case 1:
            if (const auto read = tg::parse_camt053(bytes); read.ok()) check(*read, true);
            break;
        default:
            constexpr std::string_view kBanks[] = {"icbc", "cmb", "generic"};
            const auto mapping = tg::csv_mapping(kBanks[data[0] % 5 - 2]);
            if (const auto read = tg::parse_statement_csv(bytes, *mapping); read.ok())
                check(*read, false);
    }
    return 0;
}
