#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

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
    std::size_t batch_events_max = 20'000;
    Clock* clock = nullptr;
    /// The price book of a version, for rating events of the past; asked once a version and kept.
    std::function<Result<std::shared_ptr<const Catalogue>>(PriceVersionId)> catalogue_of;
};

struct SettlerStats {
    std::uint64_t events = 0, batches = 0, unpriced = 0;
    Lsn position;            ///< everything before it is in the store
    std::string last_error;  ///< empty when the last batch went well
};

/// Moves what is durable in the journal into the store: rates each event and writes events,
/// roll-ups and the journal position in one transaction, so that every event counts exactly once
/// whatever crashes when. One settler a journal. An event that the price book has no price for is
/// written as unpriced, shown, and keeps a bill from being final; it never stops the events behind
/// it.
class Settler {
  public:
    explicit Settler(SettlerOptions options);
    ~Settler();

    /// Settles until `limit`; returns how many events. Blocking; for tools and tests, and what the
    /// thread runs. Errors: store_unavailable (nothing of the batch was written; try again),
    /// corrupt_data from the journal.
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
