#include "app/books_keeper.h"

#include "app/proofs.h"
#include "base/log.h"
#include "base/thread_name.h"
#include "billing/bill_register.h"

namespace tg {
namespace {

/// A server that was just started has other things to do.
constexpr std::chrono::minutes kFirstPause{5}, kPause{60};
/// The earliest midnight is 14 hours before that of UTC.
constexpr std::int64_t kEarliestZoneMicros = std::int64_t{14} * 3'600'000'000;

YearMonth month_of(UtcMicros time) {
    const Civil civil = to_civil(time);
    return {civil.year, civil.month};
}

YearMonth before(YearMonth month) {
    return month.month == 1 ? YearMonth{month.year - 1, 12}
                            : YearMonth{month.year, month.month - 1};
}

}  // namespace

Result<KeptBooks> keep_books(SqlConnection& store, const Config& config, UtcMicros now) {
    const BillTerms terms{.usd_cny_e8 = config.usd_cny_e8, .vat_ppm = config.vat_ppm};
    KeptBooks out;
    // The newest month that is over somewhere.
    const YearMonth newest = before(month_of({now.micros + kEarliestZoneMicros}));
    TG_TRY(const BillRunReport report,
           run_bills(store,
                     {.month = newest, .terms = terms, .change = {.actor = "server", .at = now}}));
    for (const BillRunReport::Problem& problem : report.problems)
        log_warn("bill_problem", {{"month", to_string(newest)},
                                  {"customer", problem.customer},
                                  {"detail", problem.reason}});
    out.drafted = report.drafted;
    out.problems = std::ssize(report.problems);
    TG_TRY(out.overdue, book_overdue(store, now));
    TG_TRY(const Sealed sealed, seal_books(store, config, now));
    out.sealed = sealed.ledger_leaves + sealed.audit_leaves;
    return out;
}

void BooksKeeper::start() {
    thread_ = std::thread([this] {
        set_thread_name("tg-books");
        run();
    });
}

void BooksKeeper::stop() {
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

bool BooksKeeper::sleep(std::chrono::minutes time) {
    std::unique_lock lock(mutex_);
    return !wake_.wait_for(lock, time, [this] { return is_stopping_; });
}

Status BooksKeeper::keep() {
    TG_TRY(const auto store, open_store(config_.effective_store_url()));
    TG_TRY(const KeptBooks kept, keep_books(*store, config_, system_clock().now()));
    log_info("books_kept", {{"drafted", kept.drafted},
                            {"overdue", kept.overdue},
                            {"sealed", kept.sealed},
                            {"problems", kept.problems}});
    return {};
}

void BooksKeeper::run() {
    for (std::chrono::minutes pause = kFirstPause; sleep(pause); pause = kPause) {
        if (const Status kept = keep(); !kept.ok())
            log_error("books_not_kept",
                      {{"error", name(kept.error().code)}, {"detail", kept.error().detail}});
    }
}

}  // namespace tg
