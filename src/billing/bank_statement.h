#pragma once
// Account statements of banks as they come: text in, rows out; nothing is stored here.
// Formats: facts/billing-and-vat §5.1.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tg {

struct StatementRow {
    int line = 0;             ///< of the file, for messages
    std::int32_t day = 0;     ///< of booking, since 1970-01-01
    std::int64_t fen = 0;     ///< above 0 came in, below 0 went out
    std::string reference{};  ///< the bank's number of the transaction; "" where it gives none
    std::string payer_name{}, payer_account{};
    std::string text{};  ///< what the payer wrote
    std::optional<std::int64_t> balance_fen{};
};

struct BankStatement {
    std::string account;  ///< "" where the file does not say
    std::optional<std::int64_t> opening_fen{}, closing_fen{};
    std::vector<StatementRow> rows{};  ///< oldest first
};

/// Where a bank's CSV has what. Columns are found by the text of their header, which may be any of
/// several separated by '|'; a column that is "" is not there.
struct CsvMapping {
    std::string day{}, credit{}, debit{};  ///< separate columns for in and out; debit may be ""
    std::string direction{}, incoming{};   ///< or one column and the text that means "in"
    std::string payer_name{}, payer_account{}, text{}, reference{}, balance{};
};
/// "icbc", "cmb", "generic". Errors: invalid_request naming those there are.
Result<CsvMapping> csv_mapping(std::string_view bank);
/// A mapping as JSON: {"day": "交易时间", "credit": "贷方发生额", ...}. Errors: invalid_request.
Result<CsvMapping> parse_csv_mapping(std::string_view json);

/// UTF-8 (with or without byte order mark) or GBK; the header is looked for in the first 20 rows.
/// Rows without an amount are passed over. Where the file has balances they must add up. Errors:
/// invalid_request naming the line.
Result<BankStatement> parse_statement_csv(std::string_view bytes, const CsvMapping& mapping);
/// SWIFT MT940, one or several messages that follow on each other. Errors: invalid_request naming
/// the line; opening balance and rows that do not add up to the closing one.
Result<BankStatement> parse_mt940(std::string_view bytes);
/// ISO 20022 camt.053, any version: booked entries, those over several transactions apart; several
/// statements of one account that follow on each other. Errors as parse_mt940().
Result<BankStatement> parse_camt053(std::string_view bytes);

}  // namespace tg
