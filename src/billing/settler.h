#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "metering/usage_journal.h"
#include "rating/catalogue.h"
#include "store/sql.h"

namespace tg {

struct SettlerOptions {
    std::string journal_directory;
    std::string store_url;
    std::string default_time_zone = "Asia/Shanghai";
    /// Most events of one transaction. 0: what suits the store, which is 50,000 for SQLite, where
    /// other writers wait meanwhile, and 100,000 for PostgreSQL, where a batch costs as many
    /// roll-up rows whatever its size.
    std::size_t batch_events_max = 0;
    /// Shortest time from one batch of the thread to the next, unless a batch was full: the
    /// roll-ups of few events cost almost what those of many do.
    std::int64_t batch_interval_ms = 300;
    Clock* clock = nullptr;  ///< null is system_clock()
    /// The price book of a version, for rating events of the past; asked once a version and kept.
    /// Errors: not_found when there is no such version (its events are unpriced); after any other,
    /// settling stops until it goes away.
    std::function<Result<std::shared_ptr<const Catalogue>>(PriceVersionId)> catalogue_of;
    /// A seam for tests.
    std::function<Result<std::unique_ptr<SqlConnection>>(const std::string&)> open = open_store;
};

struct SettlerStats {
    std::uint64_t events = 0, batches = 0, unpriced = 0;
    /// Everything before it is in the store. Only the store's own position says what a crash of its
    /// machine leaves (docs/decisions/0007-settling-speed.md).
    Lsn position;
    std::string last_error;  ///< empty when the last batch went well
};

/// Moves what is durable in the journal into the store: rates each event and writes events,
/// roll-ups and the journal position in one transaction, so that every event counts exactly once
/// whatever crashes when. One settler a journal; a second one is refused, and what it wrote is
/// rolled back. An event that the price book has no price for is written as unpriced, shown, and
/// keeps a bill from being final; it never stops the events behind it, and neither does one with
/// quantities that cannot be.
class Settler {
  public:
    explicit Settler(SettlerOptions options);
    ~Settler();

    /// Settles until `limit`; returns how many events. Blocking; for tools and tests, and what the
    /// thread runs. Everything before an error is settled. Errors: store_unavailable (try again),
    /// conflict (another settler was faster; the next call goes on from where that one came to),
    /// corrupt_data and io_error from the journal, those of catalogue_of.
    Result<std::int64_t> settle_until(Lsn limit);

    /// Follows `journal` on a thread of its own, at most a second behind; store failures are
    /// retried with back-off.
    void start(UsageJournal* journal);
    /// Settles what is durable, then ends the thread.
    void stop();
    SettlerStats stats() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace tg
