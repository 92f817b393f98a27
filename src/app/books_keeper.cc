#include "app/books_keeper.h"

#include "app/proofs.h"
#include "base/log.h"
#include "billing/bill_register.h"
#include "billing/credit.h"
#include "billing/payments.h"

namespace tg {
namespace {

/// A server that was just started has other things to do.
constexpr std::chrono::minutes kFirstPause{5}, kPause{60};
/// Credit may be overrun by what is used meanwhile.
constexpr std::chrono::milliseconds kCreditPause{2'000};
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
    TG_TRY(out.from_wallets, pay_from_wallets(store, {.actor = "server", .at = now}));
    TG_TRY(out.overdue, book_overdue(store, now));
    TG_TRY(const Sealed sealed, seal_books(store, config, now));
    out.sealed = sealed.ledger_leaves + sealed.audit_leaves;
    return out;
}

namespace {

void keep(const Config& config) {
    const auto kept = [&]() -> Result<KeptBooks> {
        TG_TRY(const auto store, open_store(config.effective_store_url()));
        return keep_books(*store, config, system_clock().now());
    }();
    if (!kept.ok()) {
        log_error("books_not_kept",
                  {{"error", name(kept.error().code)}, {"detail", kept.error().detail}});
        return;
    }
    log_info("books_kept", {{"drafted", kept->drafted},
                            {"from_wallets", kept->from_wallets},
                            {"overdue", kept->overdue},
                            {"sealed", kept->sealed},
                            {"problems", kept->problems}});
}

/// A connection that is kept, and the standings that were computed.
class CreditKeeper {
  public:
    explicit CreditKeeper(const Config& config)
        : url_(config.effective_store_url()),
          book_({.usd_cny_e8 = config.usd_cny_e8, .vat_ppm = config.vat_ppm}) {}

    void look() {
        const Result<std::int64_t> changed = enforce();
        if (changed.ok() && *changed > 0)
            log_info("customer_holds_changed", {{"changed", *changed}});
        // The connection may be the problem: a database that restarted needs a new one.
        if (!changed.ok()) store_.reset();
        if (!changed.ok() && !was_failing_)
            log_error("credit_not_looked_at",
                      {{"error", name(changed.error().code)}, {"detail", changed.error().detail}});
        was_failing_ = !changed.ok();
    }

  private:
    Result<std::int64_t> enforce() {
        if (!store_) {
            TG_TRY(store_, open_store(url_));
        }
        return book_.enforce(*store_, system_clock().now());
    }

    const std::string url_;
    CreditBook book_;
    std::unique_ptr<SqlConnection> store_;
    bool was_failing_ = false;
};

}  // namespace

std::unique_ptr<PeriodicTask> make_books_keeper(const Config& config) {
    return std::make_unique<PeriodicTask>("tg-books", PeriodicTask::Pauses{kFirstPause, kPause},
                                          [config] { keep(config); });
}

std::unique_ptr<PeriodicTask> make_credit_keeper(const Config& config) {
    const auto keeper = std::make_shared<CreditKeeper>(config);
    return std::make_unique<PeriodicTask>("tg-credit",
                                          PeriodicTask::Pauses{kCreditPause, kCreditPause},
                                          [keeper] { keeper->look(); });
}

}  // namespace tg
