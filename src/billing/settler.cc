#include "billing/settler.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/thread_name.h"
#include "billing/internal/dimension_table.h"
#include "billing/internal/event_rater.h"
#include "billing/internal/settle_writer.h"
#include "billing/internal/usage_accruals.h"
#include "billing/internal/usage_sums.h"
#include "billing/internal/zone_table.h"
#include "billing/settled_journals.h"
#include "metering/journal_name.h"

namespace tg {
namespace {

constexpr std::int64_t kFollowTimeoutUs = 200'000;
constexpr std::int64_t kRetryFirstMs = 100, kRetryMaxMs = 10'000;
/// Records without an event (reservations) also take time to read: a batch ends after so many.
constexpr std::size_t kRecordsPerEvent = 4;
constexpr std::size_t kSqliteBatchEvents = 50'000, kPostgresBatchEvents = 100'000;

/// The chunk that follows `chunk`, still empty.
Chunk after(const Chunk& chunk) {
    return {.journal = chunk.journal,
            .first_sequence = chunk.last_sequence + 1,
            .last_sequence = chunk.last_sequence,
            .from = chunk.to,
            .to = chunk.to};
}

}  // namespace

struct Settler::Impl {
    explicit Impl(SettlerOptions o)
        : options(std::move(o)),
          clock(options.clock != nullptr ? *options.clock : system_clock()),
          rater(options.catalogue_of),
          zones(options.default_time_zone) {}

    /// What a batch has read so far; `stop` is why it ended early.
    struct Batch {
        std::vector<Chunk> full;  ///< chunks that it filled
        Chunk chunk;              ///< the one it is at
        std::size_t events = 0, records = 0;
        std::uint64_t unpriced = 0;
        UtcMicros last_ended_at;
        Status stop;
    };

    Status connect();
    /// Where the books stand, for a journal that is what it was when it was settled.
    Status find_position(SqlConnection& opened);
    /// A store older than the names of journals does not say whose events it has.
    Status adopt(SqlConnection& opened);
    Status book_earlier(SqlConnection& opened);
    void disconnect();
    /// The position for the transaction that has begun, with what others have settled since.
    Status claim();
    Result<Batch> settle_batch(Lsn limit);
    Status write_batch(Lsn limit, JournalRecord* first, Batch* batch);
    Status write_events(Lsn limit, JournalRecord* record, Batch* batch);
    Status write_event(const UsageEvent& event, const Rated& rated, Batch* batch);
    /// The batch's chunk, with what the store has of it.
    bool is_chunk_full(const Batch& batch) const {
        const bool is_joined = batch.full.empty() && is_joinable(chunk, batch.chunk.journal);
        const std::int64_t stored = is_joined ? chunk.events() : 0;
        return stored + batch.chunk.events() >= kChunkEvents;
    }
    /// Joins the batch's chunks to those of the store; returns the last one.
    Result<Chunk> write_chunks(const Batch& batch);
    std::size_t batch_events_max() const;
    /// Charges of the batch's events as debts of their customers. Last, because other writers of
    /// the ledger wait from here to the commit.
    Status book_charges(const Batch& batch);
    void note(const Batch& batch);
    void follow();
    /// Until the time is over or stop() is called.
    void pause(std::chrono::milliseconds time);

    SettlerOptions options;
    const Clock& clock;
    EventRater rater;
    ZoneTable zones;
    DimensionTable dimensions;
    std::unique_ptr<SqlConnection> store;
    std::optional<LedgerWriter> ledger;
    std::unique_ptr<JournalReader> reader;
    EventWriter writer;
    UsageSums sums;
    RecentSequences recent;
    std::string own_name;  ///< of the journal
    SettlePosition position;
    Chunk chunk;  ///< the last one, of whichever journal
    Lsn own_end;  ///< of this journal's last chunk

    UsageJournal* journal = nullptr;
    std::thread thread;
    mutable std::mutex mutex;
    std::condition_variable wake;
    bool is_stopping = false;
    SettlerStats stats;
};

Settler::Settler(SettlerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Settler::~Settler() {
    stop();
}

/// What was settled before there was a ledger.
Status Settler::Impl::book_earlier(SqlConnection& opened) {
    TG_TRY(bool has_any, has_unbooked_usage(opened, position.next_sequence));
    if (!has_any) return {};
    TG_TRY(Transaction transaction, Transaction::begin(opened));
    TG_TRY(position, claim_position(opened, own_name, position));
    TG_TRY(has_any, has_unbooked_usage(opened, position.next_sequence));
    if (!has_any) return {};  // others have been faster
    LedgerWriter opening(&opened);
    TG_CHECK_OK(book_earlier_usage(opened, &opening, position.next_sequence, clock.now()));
    return transaction.commit();
}

Status Settler::Impl::adopt(SqlConnection& opened) {
    TG_TRY(const SettlePosition older, read_position(opened, ""));
    if (older.journal == 0) return {};
    TG_TRY(const Chunk last, last_chunk_of(opened, older.journal));
    if (last.events() == 0) return {};
    TG_TRY(const bool is_it, is_in_journal(opened, options.journal_directory, last));
    if (!is_it) return {};
    TG_CHECK_OK(name_journal(opened, older.journal, own_name));
    position = older;
    return {};
}

Status Settler::Impl::find_position(SqlConnection& opened) {
    TG_TRY(own_name, journal_name(options.journal_directory));
    TG_TRY(position, read_position(opened, own_name));
    if (position.journal == 0) {
        TG_CHECK_OK(adopt(opened));
    }
    TG_TRY(chunk, last_chunk(opened));
    TG_TRY(const Chunk own, last_chunk_of(opened, position.journal));
    own_end = own.to;
    if (own.events() == 0) return {};
    const Result<bool> is_it = is_in_journal(opened, options.journal_directory, own);
    // What is damaged cannot be compared, but what comes after it must be settled all the same;
    // verify_books() names the damage.
    if (!is_it.ok() && is_it.error().code != ErrorCode::corrupt_data) return fail(is_it.error());
    if (!is_it.ok() || *is_it) return {};
    return fail(ErrorCode::conflict,
                "the journal in '" + options.journal_directory + "' is not the one that event " +
                    std::to_string(own.last_sequence) +
                    " of this store was settled from, though both are named " + own_name +
                    ": one is a copy of the other, or the store is of another time; start with the "
                    "journal that belongs to the store, or with an empty journal directory");
}

Status Settler::Impl::connect() {
    if (store) return {};
    TG_TRY(std::unique_ptr<SqlConnection> opened, options.open(options.store_url));
    TG_CHECK_OK(prepare_settling(*opened));
    TG_CHECK_OK(find_position(*opened));
    TG_CHECK_OK(dimensions.load(*opened));
    TG_CHECK_OK(zones.load(*opened));
    TG_TRY(reader, JournalReader::open(options.journal_directory, position.lsn));
    TG_CHECK_OK(book_earlier(*opened));
    store = std::move(opened);
    ledger.emplace(store.get());
    const std::lock_guard lock(mutex);
    stats.position = position.lsn;
    return {};
}

Status Settler::Impl::claim() {
    TG_TRY(const SettlePosition found, claim_position(*store, own_name, position));
    const bool is_alone = found.next_sequence == position.next_sequence;
    position = found;
    if (position.journal == 0) {
        TG_TRY(position.journal, add_journal(*store, own_name));
    }
    if (is_alone) return zones.refresh(*store);
    TG_TRY(chunk, last_chunk(*store));
    TG_CHECK_OK(dimensions.load(*store));
    return zones.load(*store);
}

std::size_t Settler::Impl::batch_events_max() const {
    if (options.batch_events_max != 0) return options.batch_events_max;
    return store->dialect() == Dialect::sqlite ? kSqliteBatchEvents : kPostgresBatchEvents;
}

/// What is kept in memory about the store holds only while all goes well: it is read again.
void Settler::Impl::disconnect() {
    writer = EventWriter();
    reader.reset();
    ledger.reset();
    store.reset();
}

Status Settler::Impl::write_event(const UsageEvent& event, const Rated& rated, Batch* batch) {
    const CustomerId customer = event.payer.customer;
    EventRow row{.sequence = batch->chunk.last_sequence + 1, .dimension = dimensions.find(event)};
    // A bulk insert owns the connection while it runs: what else is needed comes between two.
    if (row.dimension == 0 || !zones.knows(customer)) {
        TG_CHECK_OK(writer.finish());
        if (row.dimension == 0) {
            TG_TRY(row.dimension, dimensions.add(*store, event));
        }
        if (!zones.knows(customer)) TG_CHECK_OK(zones.refresh(*store));
        if (!zones.knows(customer)) zones.add_unknown(customer);
    }
    if (!writer.is_open()) TG_CHECK_OK(writer.open(*store));
    row.day = zones.local_day(customer, row.sequence, event.ended_at);
    TG_CHECK_OK(writer.write(row, event, rated));
    sums.add(event, rated, row.dimension, row.day);
    recent[customer.get()].push_back(row.sequence);
    if (!rated.is_priced) ++batch->unpriced;
    ++batch->events;
    batch->last_ended_at = std::max(batch->last_ended_at, event.ended_at);
    Chunk& written = batch->chunk;
    const std::int64_t started_ms = event.id.time_ms();
    written.first_started_ms =
        written.events() == 0 ? started_ms : std::min(written.first_started_ms, started_ms);
    written.last_started_ms = std::max(written.last_started_ms, started_ms);
    written.last_sequence = row.sequence;
    return {};
}

/// From `record`, which has been read, to the end of the batch. What ends it before its size, such
/// as damage in the journal, is in `batch->stop`, so that the events before it are kept.
Status Settler::Impl::write_events(Lsn limit, JournalRecord* record, Batch* batch) {
    const std::size_t size = batch_events_max();
    for (;;) {
        if (record->kind == RecordKind::settled) {
            const Result<const Rated*> rated = rater.rate(record->event);
            if (!rated.ok()) {
                batch->stop = fail(rated.error());
                break;
            }
            TG_CHECK_OK(write_event(record->event, **rated, batch));
        }
        batch->chunk.to = record->end;
        ++batch->records;
        if (batch->events >= size || batch->records >= size * kRecordsPerEvent) break;
        if (is_chunk_full(*batch)) {
            batch->full.push_back(batch->chunk);
            batch->chunk = after(batch->chunk);
        }
        const Result<bool> has_record = reader->next(record, limit);
        if (!has_record.ok()) batch->stop = fail(has_record.error());
        if (!has_record.ok() || !*has_record) break;
    }
    return writer.finish();
}

Result<Chunk> Settler::Impl::write_chunks(const Batch& batch) {
    Chunk joined = chunk;
    for (const Chunk& full : batch.full) {
        TG_TRY(joined, write_chunk(*store, joined, full));
    }
    return write_chunk(*store, joined, batch.chunk);
}

Status Settler::Impl::book_charges(const Batch& batch) {
    UsageAccruals accruals;
    accruals.add(sums);
    TG_TRY(
        const std::vector<Entry> entries,
        accruals.entries(position.next_sequence, batch.chunk.last_sequence, batch.last_ended_at));
    TG_TRY(const std::vector<Booking> bookings, ledger->append(entries, clock.now()));
    (void)bookings;
    return {};
}

Status Settler::Impl::write_batch(Lsn limit, JournalRecord* first, Batch* batch) {
    TG_TRY(Transaction transaction, Transaction::begin(*store));
    TG_CHECK_OK(claim());
    batch->chunk = {.journal = position.journal,
                    .first_sequence = position.next_sequence,
                    .last_sequence = position.next_sequence - 1,
                    .from = own_end,
                    .to = position.lsn};
    sums.clear();
    recent.clear();
    TG_CHECK_OK(write_events(limit, first, batch));
    if (batch->records == 0) return {};
    if (batch->events > 0) {
        TG_CHECK_OK(write_sums(*store, sums));
        TG_CHECK_OK(write_recent(*store, recent));
        TG_CHECK_OK(zones.record(*store));
    }
    TG_TRY(const Chunk joined, write_chunks(*batch));
    const SettlePosition reached{position.journal, batch->chunk.to, batch->chunk.last_sequence + 1};
    TG_CHECK_OK(write_position(*store, reached));
    if (batch->events > 0) TG_CHECK_OK(book_charges(*batch));
    TG_CHECK_OK(transaction.commit());
    chunk = joined;
    if (joined.journal == reached.journal) own_end = joined.to;
    position = reached;
    return {};
}

/// One transaction, or none when the journal has nothing new.
Result<Settler::Impl::Batch> Settler::Impl::settle_batch(Lsn limit) {
    TG_CHECK_OK(connect());
    Batch batch;
    JournalRecord record;
    const Result<bool> has_record = reader->next(&record, limit);
    Status status = has_record.ok() ? Status{} : fail(has_record.error());
    if (status.ok() && !*has_record) return batch;
    if (status.ok()) status = write_batch(limit, &record, &batch);
    if (status.ok() && batch.records > 0) note(batch);
    if (status.ok()) status = batch.stop;
    if (!status.ok()) {
        disconnect();
        return fail(std::move(status).error());
    }
    return batch;
}

void Settler::Impl::note(const Batch& batch) {
    const std::lock_guard lock(mutex);
    stats.position = position.lsn;
    stats.events += batch.events;
    stats.batches += batch.events > 0 ? 1 : 0;
    stats.unpriced += batch.unpriced;
    stats.last_error.clear();
}

Result<std::int64_t> Settler::settle_until(Lsn limit) {
    std::int64_t total = 0;
    for (;;) {
        TG_TRY(const Impl::Batch batch, impl_->settle_batch(limit));
        total += static_cast<std::int64_t>(batch.events);
        if (batch.records == 0) return total;
    }
}

void Settler::Impl::pause(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex);
    wake.wait_for(lock, time, [this] { return is_stopping; });
}

void Settler::Impl::follow() {
    std::int64_t retry_ms = kRetryFirstMs;
    for (;;) {
        bool is_last = false;
        {
            const std::lock_guard lock(mutex);
            is_last = is_stopping;
        }
        const Lsn limit = is_last ? journal->durable_end()
                                  : journal->wait_for_more(position.lsn, kFollowTimeoutUs);
        const std::int64_t started_ns = clock.monotonic_ns();
        const Result<Batch> settled = settle_batch(limit);
        if (settled.ok()) {
            retry_ms = kRetryFirstMs;
            if (is_last && settled->records == 0) return;
            const bool is_full = settled->events >= batch_events_max();
            if (!is_last && !is_full && settled->records > 0) {
                const std::int64_t took_ms = (clock.monotonic_ns() - started_ns) / 1'000'000;
                pause(std::chrono::milliseconds(options.batch_interval_ms - took_ms));
            }
            continue;
        }
        log_error("settle_failed", {{"error", name(settled.error().code)},
                                    {"detail", settled.error().detail},
                                    {"retry_ms", retry_ms}});
        {
            const std::lock_guard lock(mutex);
            stats.last_error = settled.error().text();
        }
        if (is_last) return;
        pause(std::chrono::milliseconds(retry_ms));
        retry_ms = std::min(retry_ms * 2, kRetryMaxMs);
    }
}

void Settler::start(UsageJournal* journal) {
    impl_->journal = journal;
    impl_->is_stopping = false;
    impl_->thread = std::thread([this] {
        set_thread_name("tg-settler");
        impl_->follow();
    });
}

void Settler::stop() {
    if (!impl_->thread.joinable()) return;
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->is_stopping = true;
    }
    impl_->wake.notify_all();
    impl_->thread.join();
}

SettlerStats Settler::stats() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->stats;
}

}  // namespace tg
