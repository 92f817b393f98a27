// What is done for all customers at once.
#include "base/time_zone.h"
#include "billing/bill_register.h"
#include "billing/internal/bill_rows.h"
#include "billing/internal/settle_writer.h"
#include "ledger/ledger.h"

namespace tg {

using namespace bill_internal;

namespace {

struct RunCustomer {
    CustomerId id;
    std::string code, time_zone;
};

Result<std::vector<RunCustomer>> all_customers(SqlConnection& store) {
    std::vector<RunCustomer> out;
    TG_CHECK_OK(store.query(
        "SELECT id, code, time_zone FROM customers ORDER BY id", {}, [&out](const SqlRow& row) {
            out.push_back({CustomerId(static_cast<std::uint32_t>(row.integer(0))),
                           std::string(row.text(1)), std::string(row.text(2))});
            return true;
        }));
    return out;
}

/// Also of calls that cost nothing, or have no price yet.
Result<bool> has_usage(SqlConnection& store, CustomerId customer, YearMonth month) {
    const YearMonth next =
        month.month == 12 ? YearMonth{month.year + 1, 1} : YearMonth{month.year, month.month + 1};
    bool has_any = false;
    TG_CHECK_OK(store.query(
        "SELECT local_day FROM usage_daily WHERE customer_id = ? AND local_day >= ? AND local_day "
        "< ? LIMIT 1",
        {std::int64_t{customer.get()}, days_from_civil(month.year, month.month, 1),
         days_from_civil(next.year, next.month, 1)},
        [&has_any](const SqlRow&) {
            has_any = true;
            return false;
        }));
    return has_any;
}

/// Bills of one transaction: settlers wait for no more than these.
constexpr std::size_t kBatchBills = 50;

/// Calls `each` for all items, a batch to a transaction with the books locked.
template <typename T, typename Each>
Status in_batches(SqlConnection& store, const std::vector<T>& items, const Progress& progress,
                  const Each& each) {
    for (std::size_t first = 0; first < items.size(); first += kBatchBills) {
        if (progress) progress(static_cast<std::int64_t>(first), std::ssize(items));
        TG_TRY(Transaction transaction, Transaction::begin(store));
        TG_TRY(const std::int64_t locked, lock_books(store));
        (void)locked;
        LedgerWriter ledger(&store);
        const std::size_t end = std::min(first + kBatchBills, items.size());
        for (std::size_t i = first; i < end; ++i) TG_CHECK_OK(each(items[i], &ledger));
        TG_CHECK_OK(transaction.commit());
    }
    if (progress) progress(std::ssize(items), std::ssize(items));
    return {};
}

void note_problem(const std::string& customer, const std::optional<Error>& error,
                  BillRunReport* report) {
    if (error) report->problems.push_back({customer, error->detail});
}

Status draft_one(SqlConnection& store, const BillRunOptions& options, const RunCustomer& customer,
                 BillRunReport* report) {
    TG_TRY(const std::optional<BillRow> before, find_bill_row(store, customer.id, options.month));
    if (before && before->head.is_final()) {
        ++report->customers;
        ++report->final_before;
        return {};
    }
    TG_TRY(const bool has_any, has_usage(store, customer.id, options.month));
    if (!before && !has_any) {
        TG_TRY(const UnbilledUsage usage, unbilled_usage(store, customer.id, options.month));
        if (usage.late.empty()) return {};
    }
    ++report->customers;
    const Result<TimeZone> zone = TimeZone::load(customer.time_zone);
    if (!zone.ok()) {
        note_problem(customer.code, zone.error(), report);
        return {};
    }
    if (options.change.at < zone->end_of_month(options.month)) {
        ++report->not_over;
        return {};
    }
    TG_TRY(const Step step, draft_locked(store, {customer.id, customer.code}, options.month,
                                         options.terms, options.change));
    note_problem(customer.code, step.refused, report);
    note_problem(customer.code, step.warning, report);
    if (!step.refused) ++(step.has_changed ? report->drafted : report->unchanged);
    return {};
}

/// A step for all bills of a month that are at `status`.
template <typename Take>
Result<BillRunReport> step_all(SqlConnection& store, YearMonth month, BillStatus status,
                               const Progress& progress, const Take& take) {
    std::vector<BillRow> rows;
    TG_CHECK_OK(read_bill_rows(store, {.month = month}, [&](BillRow row) {
        if (row.head.status == status) rows.push_back(std::move(row));
        return Status{};
    }));
    BillRunReport report;
    report.customers = std::ssize(rows);
    TG_CHECK_OK(
        in_batches(store, rows, progress, [&](const BillRow& seen, LedgerWriter* ledger) -> Status {
            // Somebody may have been faster.
            TG_TRY(const BillRow row, read_bill_row(store, seen.head.id));
            TG_TRY(const Step step, take(row, ledger));
            note_problem(row.head.customer_code, step.refused, &report);
            if (!step.refused) ++(step.has_changed ? report.done : report.unchanged);
            return {};
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
    TG_TRY(const std::vector<RunCustomer> customers, all_customers(store));
    BillRunReport report;
    TG_CHECK_OK(
        in_batches(store, customers, progress, [&](const RunCustomer& customer, LedgerWriter*) {
            return draft_one(store, options, customer, &report);
        }));
    return report;
}

Result<BillRunReport> review_bills(SqlConnection& store, YearMonth month, const Change& change,
                                   const Progress& progress) {
    return step_all(
        store, month, BillStatus::draft, progress,
        [&](const BillRow& row, LedgerWriter*) { return review_locked(store, row, change); });
}

Result<BillRunReport> finalise_bills(SqlConnection& store, YearMonth month, const Change& change,
                                     const Progress& progress) {
    return step_all(store, month, BillStatus::reviewed, progress,
                    [&](const BillRow& row, LedgerWriter* ledger) {
                        return finalise_locked(store, row, change, kDueDays, ledger);
                    });
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
