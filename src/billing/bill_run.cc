// What is done for all customers at once.
#include <algorithm>

#include "base/time_zone.h"
#include "billing/bill_register.h"
#include "billing/fx_rates.h"
#include "billing/internal/bill_source.h"
#include "billing/internal/settle_writer.h"
#include "ledger/ledger.h"

namespace tg {

using namespace bill_internal;

namespace {

Result<std::vector<CustomerId>> all_customers(SqlConnection& store) {
    std::vector<CustomerId> out;
    TG_CHECK_OK(store.query("SELECT id FROM customers ORDER BY id", {}, [&out](const SqlRow& row) {
        out.push_back(CustomerId(static_cast<std::uint32_t>(row.integer(0))));
        return true;
    }));
    return out;
}

/// Bills of one transaction: settlers wait for no more than these.
constexpr std::size_t kBatchBills = 50;

/// Calls `each` for the bill of each customer, a batch to a transaction with the books locked.
template <typename Each>
Status in_batches(SqlConnection& store, std::span<const CustomerId> customers, YearMonth month,
                  const Change& change, const Progress& progress, const Each& each) {
    const std::int64_t all = std::ssize(customers);
    for (std::size_t first = 0; first < customers.size(); first += kBatchBills) {
        if (progress) progress(static_cast<std::int64_t>(first), all);
        const auto batch =
            customers.subspan(first, std::min(kBatchBills, customers.size() - first));
        TG_TRY(Transaction transaction, Transaction::begin(store));
        TG_TRY(const std::int64_t locked, lock_books(store));
        (void)locked;
        TG_TRY(const BillSource source, BillSource::load(store, batch, month));
        std::vector<Step> steps;
        for (const CustomerId customer : batch) {
            const BillSource::Of* of = source.find(customer);
            if (of == nullptr) continue;
            TG_TRY(Step step, each(*of));
            steps.push_back(std::move(step));
        }
        TG_CHECK_OK(finish_steps(store, std::move(steps), change.at));
        TG_CHECK_OK(transaction.commit());
    }
    if (progress) progress(all, all);
    return {};
}

void note_problem(const BillSource::Of& of, const std::optional<Error>& error,
                  BillRunReport* report) {
    if (error) report->problems.push_back({of.customer.code, error->detail});
}

Result<Step> draft_one(SqlConnection& store, const BillRunOptions& options,
                       const Result<BillTerms>& dated, const BillSource::Of& of,
                       BillRunReport* report) {
    if (!of.row && of.is_empty()) return Step{};
    ++report->customers;
    if (of.row && of.row->head.is_final()) {
        ++report->final_before;
        return Step{};
    }
    const Result<TimeZone> zone = TimeZone::load(of.customer.time_zone);
    if (!zone.ok()) {
        note_problem(of, zone.error(), report);
        return Step{};
    }
    if (options.change.at < zone->end_of_month(options.month)) {
        ++report->not_over;
        return Step{};
    }
    TG_TRY(Step step, draft_locked(store, of, options.month, dated, options.change));
    note_problem(of, step.refused, report);
    note_problem(of, step.warning, report);
    if (!step.refused) ++(step.has_changed ? report->drafted : report->unchanged);
    return step;
}

/// A step for all bills of a month that are at `status`.
template <typename Take>
Result<BillRunReport> step_all(SqlConnection& store, YearMonth month, BillStatus status,
                               const Change& change, const Progress& progress, const Take& take) {
    std::vector<CustomerId> customers;
    TG_CHECK_OK(read_bill_rows(store, {.month = month}, [&](const BillRow& row) {
        if (row.head.status == status) customers.push_back(row.head.customer);
        return Status{};
    }));
    BillRunReport report;
    report.customers = std::ssize(customers);
    TG_CHECK_OK(in_batches(store, customers, month, change, progress,
                           [&](const BillSource::Of& of) -> Result<Step> {
                               if (!of.row) return Step{};  // somebody has taken it away
                               TG_TRY(Step step, take(of));
                               note_problem(of, step.refused, &report);
                               if (!step.refused)
                                   ++(step.has_changed ? report.done : report.unchanged);
                               return step;
                           }));
    return report;
}

/// One bill's debt, in a transaction of its own; false when nothing of it is in 1202.
Result<bool> move_overdue(SqlConnection& store, const BillHead& head, UtcMicros now) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(const Femto billed, read_balance(store, {AccountCode::billed_receivable, Currency::cny,
                                                    head.customer, ProjectId{}, head.id}));
    if (billed.value <= 0) return false;
    TG_TRY(const Entry entry,
           bill_overdue({.id = head.id + "-" + format_rfc3339(now).substr(0, 10),
                         .bill_id = head.id,
                         .customer = head.customer,
                         .currency = Currency::cny,
                         .occurred_at = now,
                         .cents = static_cast<std::int64_t>(billed.value / kFemtoPerCent)}));
    LedgerWriter ledger(&store);
    TG_TRY(const Booking booking, ledger.append(entry, now));
    (void)booking;
    TG_CHECK_OK(transaction.commit());
    return true;
}

}  // namespace

Result<BillRunReport> run_bills(SqlConnection& store, const BillRunOptions& options,
                                const Progress& progress) {
    TG_TRY(const std::vector<CustomerId> customers, all_customers(store));
    const Result<BillTerms> dated =
        with_fx_rate(store, options.terms, options.month, FxUse::strict);
    BillRunReport report;
    TG_CHECK_OK(in_batches(
        store, customers, options.month, options.change, progress,
        [&](const BillSource::Of& of) { return draft_one(store, options, dated, of, &report); }));
    return report;
}

Result<BillRunReport> review_bills(SqlConnection& store, YearMonth month, const Change& change,
                                   const Progress& progress) {
    return step_all(store, month, BillStatus::draft, change, progress,
                    [&](const BillSource::Of& of) { return review_locked(store, of, change); });
}

Result<BillRunReport> finalise_bills(SqlConnection& store, YearMonth month, const Change& change,
                                     const Progress& progress, FinalBy by) {
    return step_all(
        store, month, BillStatus::reviewed, change, progress,
        [&](const BillSource::Of& of) { return finalise_locked(store, of, change, by); });
}

Result<std::int64_t> book_overdue(SqlConnection& store, UtcMicros now) {
    std::vector<BillHead> due;
    TG_CHECK_OK(read_bill_rows(store, {}, [&](const BillRow& row) {
        if (row.head.is_final() && row.head.due_at <= now) due.push_back(row.head);
        return Status{};
    }));
    std::int64_t moved = 0;
    for (const BillHead& head : due) {
        TG_TRY(const bool has_moved, move_overdue(store, head, now));
        moved += has_moved ? 1 : 0;
    }
    return moved;
}

}  // namespace tg
