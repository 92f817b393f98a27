#pragma once
// The register's tables, and what a month's bill is made of besides its own usage.
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
Result<std::optional<BillRow>> find_bill_row(SqlConnection& store, CustomerId customer,
                                             YearMonth month);
/// Rows in order of month, newest first, then of id.
Status read_bill_rows(SqlConnection& store, const BillFilter& filter,
                      const std::function<Status(BillRow)>& each);
std::int64_t month_number(YearMonth month);

/// Usage of a customer that the ledger has as not billed: of `month`, and what is late on its bill.
struct UnbilledUsage {
    struct Part {
        ProjectId project;
        std::string project_code;
        YearMonth month;
        Currency currency = Currency::usd;
        Femto exact;
    };
    std::vector<Part> own, late;
};
Result<UnbilledUsage> unbilled_usage(SqlConnection& store, CustomerId customer, YearMonth month);
/// The parts as lines of a bill, one for each project, month and currency.
std::vector<LateUsage> late_lines(const UnbilledUsage& usage);

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

struct CustomerName {
    CustomerId id;
    std::string code;
};
/// Errors: not_found.
Result<CustomerName> customer_by_code(SqlConnection& store, std::string_view code);

/// What a step made of one bill.
struct Step {
    BillHead head{};
    bool has_changed = false;
    /// Why it went no further. What was written until then is to be kept.
    std::optional<Error> refused{};
    std::optional<Error> warning{};  ///< what stands in the way of the next step
};
/// Steps inside the caller's transaction, with the books locked. Errors: those after which the
/// transaction cannot go on.
Result<Step> draft_locked(SqlConnection& store, const CustomerName& customer, YearMonth month,
                          const BillTerms& terms, const Change& change);
Result<Step> review_locked(SqlConnection& store, const BillRow& row, const Change& change);
Result<Step> finalise_locked(SqlConnection& store, const BillRow& row, const Change& change,
                             int due_days, LedgerWriter* ledger);

}  // namespace tg::bill_internal
