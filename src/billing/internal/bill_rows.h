#pragma once
// The register's tables.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "billing/bill_notes.h"
#include "billing/bill_register.h"
#include "ledger/balances.h"
#include "ledger/flows.h"
#include "ledger/ledger.h"

namespace tg::bill_internal {

/// A row of `bills`: the head without what follows from ledger and clock, and the document.
struct BillRow {
    BillHead head;
    std::string document;  ///< "" until it is final
};
/// Errors: not_found naming the id.
Result<BillRow> read_bill_row(SqlConnection& store, std::string_view id);
/// Rows in order of month, newest first, then of id.
Status read_bill_rows(SqlConnection& store, const BillFilter& filter,
                      const std::function<Status(BillRow)>& each);
std::int64_t month_number(YearMonth month);
YearMonth month_of_number(std::int64_t number);

/// The bill's debt as the ledger has it, and in which account.
struct OpenDebt {
    std::int64_t fen = 0;
    Debt debt = Debt::billed;
};
Result<OpenDebt> open_debt(SqlConnection& store, const BillHead& head);

/// A row of `bill_notes`.
struct NoteRow {
    BillNote note;
    std::int64_t number = 0;
    std::string document;
};
/// Of one bill, or of all when `bill_id` is empty; by bill, in order of issue.
Status read_notes(SqlConnection& store, std::string_view bill_id,
                  const std::function<Status(NoteRow)>& each);

/// A statement that answers nothing.
Status run(SqlConnection& store, std::string_view sql, std::initializer_list<SqlValue> values);

}  // namespace tg::bill_internal
