#include "billing/settler.h"

#include <condition_variable>
#include <mutex>

#include "base/log.h"
#include "billing/internal/settle_batch.h"
#include "billing/internal/settle_writer.h"

namespace tg {
namespace {

/// Shortest time between two batches: a transaction costs more than a thousand events, and a second of lag is allowed.
constexpr auto kBatchPause = std::chrono::milliseconds(300);
constexpr std::int64_t kFollowTimeoutUs = 200'000;
constexpr std::int64_t kRetryFirstMs = 100, kRetryMaxMs = 10'000;
/// Records without an event (reservations) also take time to read: a batch ends after so many.
constexpr std::size_t kRecordsPerEvent = 4;

}  // namespace

struct Settler::Impl {
    explicit Impl(SettlerOptions o)
        : options(std::move(o)), rater(options.catalogue_of), zones(options.default_time_zone) {}

    Status connect();
    void disconnect();
    Result<std::int64_t> settle_batch(Lsn limit);
    Result<BatchRow> write_events(Lsn limit, std::uint64_t* unpriced);
    void follow();

    SettlerOptions options;
    EventRater rater;
    ZoneTable zones;
    DimensionTable dimensions;
    std::unique_ptr<SqlConnection> store;
    std::unique_ptr<JournalReader> reader;
    UsageSums sums;
    std::map<std::uint32_t, std::vector<std::int64_t>> recent;
    std::int64_t next_sequence = 1;
    Lsn position;

    UsageJournal* journal = nullptr;
    std::thread thread;
    std::atomic<bool> is_stopping{false};
    mutable std::mutex mutex;
    std::condition_variable wake;
    SettlerStats stats;
};

Settler::Settler(SettlerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Settler::~Settler() {
    stop();
}

Status Settler::Impl::connect() {
    if (store) return {};
    TG_TRY(std::unique_ptr<SqlConnection> opened, open_store(options.store_url));
    TG_CHECK_OK(opened->query("SELECT lsn, next_sequence FROM settle_position", {},
                              [this](const SqlRow& row) {
                                  position = Lsn{static_cast<std::uint64_t>(row.integer(0))};
                                  next_sequence = row.integer(1);
                                  return false;
                              }));
    TG_CHECK_OK(dimensions.load(*opened));
    TG_CHECK_OK(zones.refresh(*opened));
    TG_TRY(reader, JournalReader::open(options.journal_directory, position));
    store = std::move(opened);
    const std::lock_guard lock(mutex);
    stats.position = position;
    return {};
}

void Settler::Impl::disconnect() {
    reader.reset();
    store.reset();
}

/// Reads and writes one batch of events in the open transaction; sums them up on the way.
Result<BatchRow> Settler::Impl::write_events(Lsn limit, std::uint64_t* unpriced) {
    sums.clear();
    recent.clear();
    BatchRow batch{.first_sequence = next_sequence,
                   .last_sequence = next_sequence - 1,
                   .from = position,
                   .to = position};
    std::unique_ptr<SqlConnection::BulkInsert> insert;
    JournalRecord record;
    std::size_t records = 0, events = 0;
    while (events < options.batch_events_max &&
           records < options.batch_events_max * kRecordsPerEvent) {
        TG_TRY(const bool has_record, reader->next(&record, limit));
        if (!has_record) break;
        ++records;
        batch.to = record.end;
        if (record.kind != RecordKind::settled) continue;
        const UsageEvent& event = record.event;
        TG_TRY(const EventRater::Rated* rated, rater.rate(event));
        if (!zones.knows(event.payer.customer)) TG_CHECK_OK(zones.refresh(*store));
        EventRow row{.sequence = batch.last_sequence + 1, .event = &event, .rated = rated};
        row.day = zones.local_day(event.payer.customer, event.ended_at);
        if (!insert || !dimensions.knows(event)) {
            // COPY owns the connection while it runs: a new dimension is inserted between two of
            // them.
            if (insert) TG_CHECK_OK(insert->finish());
            insert.reset();
            TG_CHECK_OK(dimensions.add(*store, event));
            TG_TRY(insert, begin_events(*store));
        }
        row.dimension = dimensions.id_of(event);
        TG_CHECK_OK(write_event(*insert, row));
        sums.add(event, *rated, row.dimension, row.day);
        recent[event.payer.customer.get()].push_back(row.sequence);
        if (!rated->is_priced) ++*unpriced;
        const std::int64_t started_ms = event.id.time_ms();
        batch.first_started_ms =
            events == 0 ? started_ms : std::min(batch.first_started_ms, started_ms);
        batch.last_started_ms = std::max(batch.last_started_ms, started_ms);
        batch.last_sequence = row.sequence;
        ++events;
    }
    if (insert) TG_CHECK_OK(insert->finish());
    return batch;
}

Result<std::int64_t> Settler::Impl::settle_batch(Lsn limit) {
    TG_CHECK_OK(connect());
    std::uint64_t unpriced = 0;
    BatchRow batch;
    const auto write_all = [&]() -> Status {
        TG_TRY(Transaction transaction, Transaction::begin(*store));
        TG_TRY(batch, write_events(limit, &unpriced));
        if (batch.to == position) return {};
        TG_CHECK_OK(write_sums(*store, sums));
        TG_CHECK_OK(write_recent(*store, recent));
        TG_CHECK_OK(write_batch(*store, batch));
        return transaction.commit();
    };
    if (Status status = write_all(); !status.ok()) {
        disconnect();
        return fail(std::move(status).error());
    }
    position = batch.to;
    next_sequence = batch.last_sequence + 1;
    const std::int64_t events = batch.last_sequence - batch.first_sequence + 1;
    const std::lock_guard lock(mutex);
    stats.position = position;
    stats.events += static_cast<std::uint64_t>(events);
    stats.batches += events > 0 ? 1 : 0;
    stats.unpriced += unpriced;
    stats.last_error.clear();
    return events;
}

Result<std::int64_t> Settler::settle_until(Lsn limit) {
    std::int64_t total = 0;
    for (;;) {
        const Lsn before = impl_->position;
        const bool was_connected = impl_->store != nullptr;
        TG_TRY(const std::int64_t events, impl_->settle_batch(limit));
        total += events;
        if (was_connected && impl_->position == before) return total;
    }
}

void Settler::Impl::follow() {
    std::int64_t pause_ms = kRetryFirstMs;
    for (;;) {
        const bool is_last = is_stopping.load();
        const Lsn limit =
            is_last ? journal->durable_end() : journal->wait_for_more(position, kFollowTimeoutUs);
        const Lsn before = position;
        if (!is_last && store && limit <= position) continue;
        const Result<std::int64_t> settled = settle_batch(limit);
        if (settled.ok()) {
            pause_ms = kRetryFirstMs;
            if (is_last && position == before) return;
            if (is_last || *settled == static_cast<std::int64_t>(options.batch_events_max)) continue;
            std::unique_lock lock(mutex);
            wake.wait_for(lock, kBatchPause, [this] { return is_stopping.load(); });
            continue;
        }
        log_error("settle_failed", {{"error", name(settled.error().code)},
                                    {"detail", settled.error().detail},
                                    {"retry_ms", pause_ms}});
        std::unique_lock lock(mutex);
        stats.last_error = settled.error().text();
        if (is_last) return;
        wake.wait_for(lock, std::chrono::milliseconds(pause_ms),
                      [this] { return is_stopping.load(); });
        pause_ms = std::min(pause_ms * 2, kRetryMaxMs);
    }
}

void Settler::start(UsageJournal* journal) {
    impl_->journal = journal;
    impl_->thread = std::thread([this] { impl_->follow(); });
}

void Settler::stop() {
    if (!impl_->thread.joinable()) return;
    impl_->is_stopping.store(true);
    impl_->wake.notify_all();
    impl_->thread.join();
}

SettlerStats Settler::stats() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->stats;
}

}  // namespace tg
