#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/strong.h"
#include "billing/bill.h"
#include "identity/identity_store.h"
#include "store/sql.h"

namespace tg {

/// Where a bill stands. The first four are steps that somebody takes; of a final bill the
/// others follow from the ledger, its notes and the clock.
enum class BillStatus : std::uint8_t {
    draft,      ///< figures of the last look at the usage
    reviewed,   ///< somebody has looked at these figures
    finalised,  ///< the bill: booked, in the proof log, never changed again
    sent,       ///< handed to the customer
    paid,       ///< nothing of it is owed any more
    overdue,    ///< owed after due_at
    voided,     ///< credit notes have taken all of it back
};
inline constexpr int kBillStatusCount = 7;
std::string_view name(BillStatus status);
/// Errors: invalid_request naming those there are.
Result<BillStatus> parse_bill_status(std::string_view text);

/// A bill in the register. Amounts are fen of RMB, the document's currency.
struct BillHead {
    std::string id;  ///< BILL-{customer}-{YYYYMM}
    CustomerId customer;
    std::string customer_code;
    YearMonth month;
    BillStatus status = BillStatus::draft;
    std::int64_t net_fen = 0, tax_fen = 0, total_fen = 0;
    std::int64_t open_fen = 0;      ///< of a final one: what the ledger has as owed
    std::int64_t credited_fen = 0;  ///< by credit notes, less what debit notes added; with tax
    BillTerms terms;                ///< locked when it was drafted
    UtcMicros drafted_at, reviewed_at, finalised_at, due_at, sent_at;  ///< 0: not yet
    std::string reviewed_by, finalised_by;
    bool is_final() const { return status >= BillStatus::finalised; }
};

/// Which bills; empty fields match all.
struct BillFilter {
    std::optional<CustomerId> customer{};
    std::optional<YearMonth> month{};
    std::optional<BillStatus> status{};
    std::vector<CustomerId> customers{};  ///< any of these
};
/// Newest month first, then by id. `now` decides what is overdue. Errors: those of the store.
Result<std::vector<BillHead>> list_bills(SqlConnection& store, const BillFilter& filter,
                                         UtcMicros now);
/// Errors: not_found, those of the store.
Result<BillHead> find_bill(SqlConnection& store, std::string_view id, UtcMicros now);

/// The bill of a customer and month as it stands: the document of a final one, else what it would
/// be now, with usage of earlier months that came too late for their bills. Errors as
/// draft_bill(); corrupt_data when a document is not what was written.
Result<Bill> current_bill(SqlConnection& store, std::string_view customer, YearMonth month,
                          const BillTerms& terms,
                          std::optional<std::string> project = std::nullopt);

/// Puts a month's bill into the register as a draft, or brings its figures up to date; one that
/// was reviewed with other figures is a draft again. A final one stays as it is. Errors: conflict
/// when the month is not over in the customer's zone, or there is nothing to bill; those of
/// draft_bill().
Result<BillHead> draft_into_register(SqlConnection& store, std::string_view customer,
                                     YearMonth month, const BillTerms& terms, const Change& change);
/// Errors: not_found; conflict when it is final, or when calls on it have no price.
Result<BillHead> review_bill(SqlConnection& store, std::string_view id, const Change& change);

/// Days after the month's end until a bill has to be paid, where no contract says otherwise.
inline constexpr int kDueDays = 7;
/// Who may make a reviewed bill final: anyone, or only somebody else than who reviewed it (the
/// four-eyes principle).
enum class FinalBy : std::uint8_t { anyone, second_person };
/// Makes a reviewed bill final, in one transaction: document, ledger entry, leaf of the proof log
/// and audit record. A final one stays as it is. Errors: not_found; conflict when it was not
/// reviewed, or by the same person where a second one is asked for, when its figures are no longer
/// those that were reviewed (it is a draft again then), or calls on it have no price; corrupt_data
/// when ledger and usage differ.
Result<BillHead> finalise_bill(SqlConnection& store, std::string_view id, const Change& change,
                               FinalBy by = FinalBy::anyone);
/// Errors: not_found; conflict when it is not final.
Result<BillHead> mark_bill_sent(SqlConnection& store, std::string_view id, const Change& change);

/// A month's close: drafts the bills of all customers with something to bill.
struct BillRunOptions {
    YearMonth month;
    BillTerms terms;
    Change change;
};
struct BillRunReport {
    std::int64_t customers = 0, drafted = 0, unchanged = 0, final_before = 0;
    std::int64_t not_over = 0;  ///< customers in whose zone the month goes on
    std::int64_t done = 0;      ///< of review_bills() and finalise_bills()
    struct Problem {
        std::string customer, reason;
    };
    /// Of customers whose bill cannot go on; the others have theirs.
    std::vector<Problem> problems;
};
/// Told how many of all customers or bills are done.
using Progress = std::function<void(std::int64_t done, std::int64_t all)>;
/// A few customers to a transaction: may be stopped and begun again at any point, and done by
/// several at once. Errors: those of the store, as a whole.
Result<BillRunReport> run_bills(SqlConnection& store, const BillRunOptions& options,
                                const Progress& progress = nullptr);
/// review_bill() for every draft of a month, finalise_bill() for all that were reviewed.
Result<BillRunReport> review_bills(SqlConnection& store, YearMonth month, const Change& change,
                                   const Progress& progress = nullptr);
Result<BillRunReport> finalise_bills(SqlConnection& store, YearMonth month, const Change& change,
                                     const Progress& progress = nullptr,
                                     FinalBy by = FinalBy::anyone);

/// Moves what is owed of final bills after their due date from billed to overdue (1202 to 1203).
/// Returns of how many bills. Errors: those of the store.
Result<std::int64_t> book_overdue(SqlConnection& store, UtcMicros now);

}  // namespace tg
