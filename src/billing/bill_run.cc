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

/// Errors: of the store as a whole.
Status run_one(SqlConnection& store, const BillRunOptions& options, const RunCustomer& customer,
               BillRunReport* report) {
    TG_TRY(const std::optional<BillRow> before, find_bill_row(store, customer.id, options.month));
    if (before && before->head.is_final()) {
        ++report->customers;
        ++report->final_before;
        return {};
    }
    TG_TRY(const UnbilledUsage usage, unbilled_usage(store, customer.id, options.month));
    if (!before && usage.own.empty() && usage.late.empty()) return {};
    ++report->customers;
    const auto note_problem = [&](const Error& error) {
        report->problems.push_back({customer.code, error.detail});
    };
    const Result<TimeZone> zone = TimeZone::load(customer.time_zone);
    if (!zone.ok()) {
        note_problem(zone.error());
        return {};
    }
    if (options.change.at < zone->end_of_month(options.month)) {
        ++report->not_over;
        return {};
    }
    const Result<BillHead> head =
        draft_into_register(store, customer.code, options.month, options.terms, options.change);
    if (!head.ok() && head.error().code == ErrorCode::store_unavailable) return fail(head.error());
    if (!head.ok()) {
        note_problem(head.error());
        return {};
    }
    ++(head->drafted_at == options.change.at ? report->drafted : report->unchanged);
    TG_TRY(const Bill bill, current_bill(store, customer.code, options.month, options.terms));
    if (const Status prices = check_prices(bill); !prices.ok()) note_problem(prices.error());
    return {};
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

Result<BillRunReport> run_bills(
    SqlConnection& store, const BillRunOptions& options,
    const std::function<void(std::int64_t done, std::int64_t all)>& progress) {
    TG_TRY(const std::vector<RunCustomer> customers, all_customers(store));
    const std::int64_t all = std::ssize(customers);
    BillRunReport report;
    for (std::int64_t done = 0; done < all; ++done) {
        if (progress) progress(done, all);
        TG_CHECK_OK(run_one(store, options, customers[static_cast<std::size_t>(done)], &report));
    }
    if (progress) progress(all, all);
    return report;
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
