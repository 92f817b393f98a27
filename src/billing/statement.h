#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ledger/entry.h"
#include "store/sql.h"

namespace tg {

/// One event of a customer's account, in fen: what it added to what is owed on bills, and to what
/// is paid ahead (the wallet). Below 0 it took from it.
struct StatementLine {
    std::int32_t day = 0;    ///< when it was booked, in the customer's zone
    std::int64_t entry = 0;  ///< of the ledger
    CauseKind cause{};       ///< bill, credit_note, allocation, ...
    std::string document;    ///< its id: "BILL-acme-202611", "PAY-17-1"
    std::string
        reference;  ///< the bill that it concerns, if it is another document's; several: ", "
    std::int64_t owed_fen = 0, prepaid_fen = 0;
    std::int64_t owed_after_fen = 0, prepaid_after_fen = 0;
};

/// A bill of which something is owed at the end.
struct StatementOpenBill {
    std::string bill_id;
    std::int64_t total_fen = 0, open_fen = 0;
    UtcMicros due_at;
    bool is_overdue = false;  ///< at the end of the period
};

/// The account of a customer over whole months of its zone, from the ledger: what was owed, what
/// changed it, what is owed. As of booking, so that the statement of a time that is over never
/// changes; opening balance and lines add up to the closing one by themselves.
struct AccountStatement {
    std::string customer, customer_name, time_zone;
    YearMonth first, last;
    UtcMicros until;  ///< the end, or the moment of the statement when the last month goes on
    std::int64_t opening_owed_fen = 0, opening_prepaid_fen = 0;
    std::vector<StatementLine> lines;
    std::int64_t closing_owed_fen = 0, closing_prepaid_fen = 0;
    std::int64_t deposit_fen = 0;  ///< at the end
    std::vector<StatementOpenBill> open_bills;
    std::string id() const;  ///< "STATEMENT-acme-202609-202611"
};
/// Errors: not_found (customer); invalid_request (first after last); those of the store.
Result<AccountStatement> account_statement(SqlConnection& store, std::string_view customer,
                                           YearMonth first, YearMonth last, UtcMicros now);

std::string statement_as_json(const AccountStatement& statement);

}  // namespace tg
