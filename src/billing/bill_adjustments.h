#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/money.h"
#include "base/result.h"
#include "base/strong.h"
#include "billing/bill.h"
#include "identity/identity_store.h"
#include "store/sql.h"

namespace tg {

/// What somebody adds to a bill before it is final: a credit for a missed service level, goodwill,
/// a correction that was agreed. What is final is corrected by notes instead (bill_notes.h).
struct BillAdjustment {
    std::string id;  ///< "ADJ-17"
    CustomerId customer;
    std::string customer_code;
    YearMonth month;  ///< whose bill it is on
    BillItemKind kind = BillItemKind::adjustment;
    std::string project;  ///< empty: shared among projects by what each has to pay
    Currency currency = Currency::cny;
    std::int64_t cents = 0;  ///< without tax; below 0 the customer pays less
    std::string text;        ///< stands on the bill
    std::string reference;
    UtcMicros created_at, cancelled_at;  ///< 0: not cancelled
    std::string created_by, cancelled_by;
    bool is_cancelled() const { return cancelled_at.micros != 0; }
};
/// Errors: invalid_request naming those there are.
Result<BillItemKind> parse_adjustment_kind(std::string_view text);
std::string adjustment_as_json(const BillAdjustment& adjustment);

struct NewAdjustment {
    std::string customer{};  ///< a code
    YearMonth month{};
    BillItemKind kind = BillItemKind::adjustment;
    std::string project{};
    Currency currency = Currency::cny;
    std::int64_t cents = 0;
    std::string text{};
    /// Chosen by who asks: the same request with the same reference again is the same adjustment.
    std::string reference{};
};
/// Adds to the bill of a month that is not final, whether or not there is a draft of it; a reviewed
/// one has to be reviewed anew. An SLA credit is in RMB and is owed from now on (4301 to 2105).
/// Errors: not_found (customer, project); invalid_request (no amount, no text, an SLA credit that
/// charges); conflict (the bill is final; a reference used for something else).
Result<BillAdjustment> add_adjustment(SqlConnection& store, const NewAdjustment& adjustment,
                                      const Change& change);
/// Takes it back; one that was cancelled stays as it is. Errors: not_found; conflict when the bill
/// is final.
Result<BillAdjustment> cancel_adjustment(SqlConnection& store, std::string_view id,
                                         const Change& change);

/// Which; empty fields match all.
struct AdjustmentFilter {
    std::vector<CustomerId> customers{};  ///< any of these
    std::optional<YearMonth> month{};
    bool with_cancelled = true;
};
/// In the order in which they were made. Errors: those of the store.
Result<std::vector<BillAdjustment>> list_adjustments(SqlConnection& store,
                                                     const AdjustmentFilter& filter);

}  // namespace tg
