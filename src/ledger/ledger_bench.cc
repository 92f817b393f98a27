// Measures booking, reading balances and verifying. Prints one line a figure.
//   ledger_bench book STORE ENTRIES BATCH   usage of 1,000 customers into an empty store, so many
//                                           entries a transaction, as the settler books them
//   ledger_bench read STORE                 balances of one customer, now and as of half-way
//   ledger_bench verify STORE               fails unless all is sound
#include <cstdio>
#include <cstdlib>

#include "ledger/balances.h"
#include "ledger/flows.h"
#include "ledger/ledger.h"
#include "ledger/verify.h"

namespace tg {
namespace {

constexpr std::uint32_t kCustomers = 1'000;

[[noreturn]] void give_up(const Error& error) {
    std::fprintf(stderr, "ledger_bench: %s\n", error.text().c_str());
    std::exit(1);
}
template <typename T>
T must(Result<T> result) {
    if (!result.ok()) give_up(result.error());
    return std::move(result).value();
}
void must(Status status) {
    if (!status.ok()) give_up(status.error());
}

class Stopwatch {
  public:
    void print(const char* what, std::int64_t count) const {
        std::printf("%s count=%lld us=%lld\n", what, static_cast<long long>(count),
                    static_cast<long long>((now_ns() - begin_ns_) / 1000));
    }

  private:
    static std::int64_t now_ns() { return system_clock().monotonic_ns(); }
    const std::int64_t begin_ns_ = now_ns();
};

Entry usage(std::int64_t number) {
    return must(
        usage_accrued({.batch_id = std::to_string(number) + "/bench",
                       .customer = CustomerId{1 + static_cast<std::uint32_t>(number) % kCustomers},
                       .currency = Currency::usd,
                       .occurred_at = {number},
                       .parts = {{ProjectId{1}, "2026-11", Femto{35'062'500'001 + number}},
                                 {ProjectId{2}, "2026-11", Femto{7'000'000'000'003}}}}));
}

void book(SqlConnection& store, std::int64_t entries, std::int64_t batch) {
    must(must(migrate(store, all_migrations())) > 0
             ? Status{}
             : fail(ErrorCode::conflict, "the store is not empty"));
    LedgerWriter writer(&store);
    const Stopwatch stopwatch;
    for (std::int64_t made = 0; made < entries;) {
        std::vector<Entry> some;
        for (std::int64_t i = 0; i < batch && made < entries; ++i) some.push_back(usage(++made));
        Transaction transaction = must(Transaction::begin(store));
        (void)must(writer.append(some, system_clock().now()));
        must(transaction.commit());
    }
    stopwatch.print("book", entries);
}

void read(SqlConnection& store) {
    const std::int64_t last = must(number_as_of(store, system_clock().now()));
    constexpr int kReads = 200;
    for (const std::int64_t up_to : {last, last / 2}) {
        const Stopwatch stopwatch;
        for (int i = 0; i < kReads; ++i) {
            (void)must(read_balances(
                store, {.customer = CustomerId{1 + static_cast<std::uint32_t>(i) % kCustomers},
                        .up_to = up_to}));
        }
        stopwatch.print(up_to == last ? "balances_now" : "balances_then", kReads);
    }
}

int verify(SqlConnection& store) {
    const Stopwatch stopwatch;
    const LedgerVerifyReport report = must(verify_ledger(store, {}));
    stopwatch.print("verify_postings", static_cast<std::int64_t>(report.postings));
    for (const std::string& problem : report.problems)
        std::fprintf(stderr, "ledger_bench: %s\n", problem.c_str());
    return report.ok() ? 0 : 1;
}

}  // namespace
}  // namespace tg

int main(int argc, char** argv) {
    const std::string_view command = argc >= 3 ? argv[1] : "";
    const bool is_call = (command == "book" && argc == 5) ||
                         ((command == "read" || command == "verify") && argc == 3);
    if (!is_call) {
        std::fprintf(stderr,
                     "usage: ledger_bench book STORE ENTRIES BATCH | read STORE | verify STORE\n");
        return 2;
    }
    const auto store = tg::must(tg::open_store(argv[2]));
    if (command == "book")
        tg::book(*store, std::strtoll(argv[3], nullptr, 10), std::strtoll(argv[4], nullptr, 10));
    else if (command == "read")
        tg::read(*store);
    else
        return tg::verify(*store);
    return 0;
}
