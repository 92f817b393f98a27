#include <algorithm>
#include <array>
#include <atomic>
#include <span>
#include <thread>

#include "billing/internal/dimension_table.h"
#include "billing/internal/usage_text.h"
#include "billing/internal/verify_parts.h"

namespace tg {
namespace {

constexpr std::array<std::string_view, 28> kColumns = {
    "sequence:i",       "id_high:i",      "id_low:i",
    "customer_id:i4",   "project_id:i4",  "key_id:i4",
    "dimension_id:i4",  "started_at:i",   "ended_at:i",
    "local_day:i4",     "endpoint:i2",    "tier:i2",
    "source:i2",        "outcome:i2",     "http_status:i4",
    "flags:i4",         "attempts:i4",    "first_byte_ms:i",
    "price_version:i4", "currency:i2",    "charge_nano:i",
    "charge_femto:i",   "input_tokens:i", "output_tokens:i",
    "usage:t",          "end_user:t",     "upstream_request_id:t",
    "asked_model:t"};
constexpr std::size_t kIntegerCount = 24, kTextCount = kColumns.size() - kIntegerCount;
constexpr std::size_t kDimensionColumn = 6;

std::string column_name(std::size_t column) {
    return std::string(kColumns[column].substr(0, kColumns[column].find(':')));
}

std::string place(Lsn lsn) {
    return "segment " + std::to_string(lsn.segment()) + " offset " + std::to_string(lsn.offset());
}

bool is_below(std::int64_t number, int count) {
    return number >= 0 && number < count;
}

/// The texts of usage_dimensions by id, for events that are rebuilt from their rows.
class StoredDimensions {
  public:
    struct Texts {
        std::string model, upstream_model, deployment, provider, region;
    };
    Status load(SqlConnection& store) {
        return store.query(
            "SELECT id, model, upstream_model, deployment, provider, region FROM usage_dimensions",
            {}, [this](const SqlRow& row) {
                texts_[row.integer(0)] = {std::string(row.text(1)), std::string(row.text(2)),
                                          std::string(row.text(3)), std::string(row.text(4)),
                                          std::string(row.text(5))};
                return true;
            });
    }
    /// Null when there is no such row.
    const Texts* find(std::int64_t id) const {
        const auto found = texts_.find(id);
        return found == texts_.end() ? nullptr : &found->second;
    }

  private:
    std::unordered_map<std::int64_t, Texts> texts_;
};

/// One thread's part: walks chunks, their journals and the table side by side.
class EventChecker {
  public:
    EventChecker(const JournalDirectories* directories, const ZoneHistory* zones,
                 SharedCatalogues* catalogues, Problems* problems)
        : directories_(directories),
          zones_(zones),
          problems_(problems),
          rater_([catalogues](PriceVersionId version) { return catalogues->get(version); }) {}

    Status start(SqlConnection& store) {
        store_ = &store;
        TG_CHECK_OK(stored_dimensions_.load(store));
        return dimensions_.load(store);
    }
    /// Chunks that follow each other. Errors: of the store and of the catalogues.
    Status check(std::span<const Chunk> chunks);
    EventsChecked& checked() { return checked_; }

  private:
    void begin(const Chunk& chunk);
    /// Whatever the journal still has of the chunk.
    Status end();
    Status take(const BulkRow& row);
    /// Of an event of a journal that cannot be read: it is what its row says.
    Status take_unreachable(const BulkRow& row);
    /// False when the row cannot be an event, which is a problem.
    bool rebuild(const BulkRow& row);

    /// The journal's next event of the chunk into record_ and expected_; false at its end.
    Result<bool> advance();
    Result<bool> read_event();
    Status expect();
    void compare(const BulkRow& row);
    void report_differences(const BulkRow& row);
    void report_missing();
    std::string title() const;

    const JournalDirectories* directories_;
    const ZoneHistory* zones_;
    Problems* problems_;
    EventRater rater_;
    SqlConnection* store_ = nullptr;
    DimensionTable dimensions_;
    StoredDimensions stored_dimensions_;
    EventsChecked checked_;

    const Chunk* chunk_ = nullptr;
    bool is_reachable_ = true, has_event_ = false;
    /// Of the chunk's journal; null when it cannot be read.
    JournalReader* reader_ = nullptr;
    std::unordered_map<std::int64_t, std::unique_ptr<JournalReader>> readers_;
    JournalRecord record_;
    std::int64_t sequence_ = 0;
    std::array<std::int64_t, kIntegerCount> expected_{};
    std::array<std::string_view, kTextCount> expected_texts_;
    std::string usage_, end_user_, request_id_, asked_model_;
};

std::string EventChecker::title() const {
    const std::string out = "event " + std::to_string(sequence_) + " (" + record_.event.id.text();
    return is_reachable_ ? out + ", journal " + place(record_.at) + ")" : out + ")";
}

/// What the row has to be, computed from the journal's event; adds it to the sums.
Status EventChecker::expect() {
    const UsageEvent& event = record_.event;
    const std::uint32_t customer = event.payer.customer.get();
    const TimeZone* zone = zones_->of(customer, sequence_);
    std::int32_t day = 0;
    if (zone != nullptr) {
        day = zone->local_day(event.ended_at);
    } else {
        problems_->add("zones", title() + ": usage_zones has no zone for customer " +
                                    std::to_string(customer));
    }
    const std::uint32_t dimension = dimensions_.find(event);
    checked_.sums.prefetch(event.payer.key, dimension, day);
    TG_TRY(const Rated* rated, rater_.rate(event));
    const JournalSums::Place& place =
        checked_.sums.locate({customer, day, event.payer.project.get(), event.payer.key.get(),
                              dimension, event.tier, rated->event.currency});
    const int128 charge = rated->event.total.value;
    expected_ = {sequence_,
                 static_cast<std::int64_t>(event.id.high),
                 static_cast<std::int64_t>(event.id.low),
                 std::int64_t{customer},
                 std::int64_t{event.payer.project.get()},
                 std::int64_t{event.payer.key.get()},
                 std::int64_t{dimension},
                 event.started_at.micros,
                 event.ended_at.micros,
                 std::int64_t{day},
                 static_cast<std::int64_t>(event.endpoint),
                 static_cast<std::int64_t>(event.tier),
                 static_cast<std::int64_t>(event.source),
                 static_cast<std::int64_t>(event.outcome),
                 std::int64_t{event.http_status},
                 std::int64_t{rated->flags},
                 std::int64_t{event.attempts},
                 std::int64_t{event.first_byte_ms},
                 std::int64_t{event.price_version.get()},
                 static_cast<std::int64_t>(rated->event.currency),
                 static_cast<std::int64_t>(charge / kFemtoPerNano),
                 static_cast<std::int64_t>(charge % kFemtoPerNano),
                 rated->input_tokens,
                 rated->output_tokens};
    write_usage_text(event.usage, &usage_);
    expected_texts_ = {usage_, storable(event.end_user, &end_user_),
                       storable(event.upstream_request_id, &request_id_),
                       storable(event.asked_model, &asked_model_)};
    checked_.sums.add(place, event, *rated, sequence_);
    ++checked_.events;
    return {};
}

Result<bool> EventChecker::read_event() {
    for (;;) {
        TG_TRY(const bool has_record, reader_->next(&record_, chunk_->to));
        if (!has_record) return false;
        ++checked_.records;
        if (record_.kind == RecordKind::settled) return true;
    }
}

Result<bool> EventChecker::advance() {
    if (reader_ == nullptr) return false;
    const Result<bool> has_event = read_event();
    if (!has_event.ok()) {
        problems_->add("journal", has_event.error().detail);
        checked_.is_complete = false;
        readers_.erase(chunk_->journal);
        reader_ = nullptr;
        return false;
    }
    if (!*has_event) return false;
    ++sequence_;
    TG_CHECK_OK(expect());
    return true;
}

void EventChecker::report_missing() {
    problems_->add("events", title() + ": is in the journal, but its row in usage_events is gone");
}

void EventChecker::compare(const BulkRow& row) {
    if (std::ranges::equal(row.integers, expected_) &&
        std::ranges::equal(row.texts, expected_texts_)) [[likely]] {
        return;
    }
    report_differences(row);
}

void EventChecker::report_differences(const BulkRow& row) {
    for (std::size_t i = 0; i < kIntegerCount; ++i) {
        const std::int64_t stored = row.integers[i];
        if (stored == expected_[i]) continue;
        std::string what = title() + ": " + column_name(i) + " is ";
        if (i == kDimensionColumn && expected_[i] == 0) {
            what += std::to_string(stored) + " in the store, but no row of usage_dimensions has " +
                    "the event's model '" + std::string(record_.event.model) + "' and deployment";
        } else {
            what += both(stored, expected_[i]);
        }
        problems_->add("events", std::move(what));
    }
    for (std::size_t i = 0; i < kTextCount; ++i) {
        if (row.texts[i] == expected_texts_[i]) continue;
        problems_->add("events", title() + ": " + column_name(kIntegerCount + i) + " is " +
                                     both(row.texts[i], expected_texts_[i]));
    }
}

bool EventChecker::rebuild(const BulkRow& row) {
    const auto& v = row.integers;
    const StoredDimensions::Texts* texts = stored_dimensions_.find(v[kDimensionColumn]);
    const Result<Usage> usage = parse_usage_text(row.texts[0]);
    std::string wrong;
    if (texts == nullptr) {
        wrong = "no row of usage_dimensions has its dimension_id " +
                std::to_string(v[kDimensionColumn]);
    } else if (!usage.ok()) {
        wrong = usage.error().detail;
    } else if (!is_below(v[10], kEndpointCount) || !is_below(v[11], kServiceTierCount) ||
               !is_below(v[12], kUsageSourceCount) || !is_below(v[13], kOutcomeCount)) {
        wrong = "endpoint, tier, source or outcome stands for nothing";
    }
    if (!wrong.empty()) {
        problems_->add("events", "event " + std::to_string(sequence_) + ": " + wrong);
        return false;
    }
    UsageEvent& event = record_.event;
    event.id = {static_cast<std::uint64_t>(v[1]), static_cast<std::uint64_t>(v[2])};
    event.payer = {CustomerId(static_cast<std::uint32_t>(v[3])),
                   ProjectId(static_cast<std::uint32_t>(v[4])),
                   KeyId(static_cast<std::uint32_t>(v[5]))};
    event.started_at = {v[7]};
    event.ended_at = {v[8]};
    event.endpoint = static_cast<Endpoint>(v[10]);
    event.tier = static_cast<ServiceTier>(v[11]);
    event.source = static_cast<UsageSource>(v[12]);
    event.outcome = static_cast<Outcome>(v[13]);
    event.http_status = static_cast<std::uint16_t>(v[14]);
    event.flags = static_cast<std::uint16_t>(v[15]);
    event.attempts = static_cast<std::uint16_t>(v[16]);
    event.first_byte_ms = static_cast<std::uint32_t>(v[17]);
    event.price_version = PriceVersionId(static_cast<std::uint32_t>(v[18]));
    event.model = texts->model;
    event.upstream_model = texts->upstream_model;
    event.deployment = texts->deployment;
    event.provider = texts->provider;
    event.region = texts->region;
    event.end_user = row.texts[1];
    event.upstream_request_id = row.texts[2];
    event.asked_model = row.texts[3];
    event.usage = *usage;
    return true;
}

Status EventChecker::take_unreachable(const BulkRow& row) {
    const std::int64_t stored = row.integers[0];
    for (++sequence_; sequence_ < stored; ++sequence_) {
        problems_->add("events",
                       "event " + std::to_string(sequence_) + ": its row in usage_events is gone");
    }
    sequence_ = stored;
    if (!rebuild(row)) {
        checked_.is_complete = false;
        return {};
    }
    TG_CHECK_OK(expect());
    compare(row);
    return {};
}

Status EventChecker::take(const BulkRow& row) {
    if (!is_reachable_) return take_unreachable(row);
    const std::int64_t stored = row.integers[0];
    while (has_event_ && sequence_ < stored) {
        TG_TRY(has_event_, advance());
        if (has_event_ && sequence_ < stored) report_missing();
    }
    if (has_event_) {
        compare(row);
    } else if (reader_ != nullptr) {
        problems_->add("events", "event " + std::to_string(stored) +
                                     ": has a row in usage_events, but the journal has no such "
                                     "event");
    }
    return {};
}

void EventChecker::begin(const Chunk& chunk) {
    chunk_ = &chunk;
    sequence_ = chunk.first_sequence - 1;
    has_event_ = true;
    reader_ = nullptr;
    const auto directory = directories_->find(chunk.journal);
    is_reachable_ = directory != directories_->end();
    if (!is_reachable_) return;
    std::unique_ptr<JournalReader>& reader = readers_[chunk.journal];
    // Chunks of several journals alternate: each is read on where it was left.
    if (!reader || reader->position() != chunk.from) {
        Result<std::unique_ptr<JournalReader>> opened =
            JournalReader::open(directory->second, chunk.from);
        if (!opened.ok()) {
            problems_->add("journal", opened.error().detail);
            checked_.is_complete = false;
            readers_.erase(chunk.journal);
            return;
        }
        reader = std::move(*opened);
    }
    reader_ = reader.get();
}

Status EventChecker::end() {
    if (!is_reachable_) {
        for (++sequence_; sequence_ <= chunk_->last_sequence; ++sequence_) {
            problems_->add("events", "event " + std::to_string(sequence_) +
                                         ": its row in usage_events is gone");
        }
        return {};
    }
    while (has_event_) {
        TG_TRY(has_event_, advance());
        if (has_event_) report_missing();
    }
    if (reader_ == nullptr || sequence_ == chunk_->last_sequence) return {};
    problems_->add("chunks",
                   "the journal has " + std::to_string(sequence_ - chunk_->first_sequence + 1) +
                       " events from " + place(chunk_->from) + " to " + place(chunk_->to) +
                       ", usage_chunks says " + std::to_string(chunk_->events()));
    return {};
}

Status EventChecker::check(std::span<const Chunk> chunks) {
    Status status;
    auto chunk = chunks.begin();
    begin(*chunk);
    TG_CHECK_OK(store_->bulk_read("usage_events", kColumns, chunks.front().first_sequence,
                                  chunks.back().last_sequence, [&](const BulkRow& row) {
                                      while (status.ok() &&
                                             row.integers[0] > chunk->last_sequence) {
                                          status = end();
                                          begin(*++chunk);
                                      }
                                      if (status.ok()) status = take(row);
                                      return status.ok();
                                  }));
    TG_CHECK_OK(status);
    TG_CHECK_OK(end());
    while (++chunk != chunks.end()) {
        begin(*chunk);
        TG_CHECK_OK(end());
    }
    return {};
}

/// Chunks in runs that are worth a statement each. When several gateways settle in turn, chunks
/// are small.
std::vector<std::span<const Chunk>> runs_of(const std::vector<Chunk>& chunks) {
    std::vector<std::span<const Chunk>> out;
    std::size_t first = 0;
    std::int64_t events = 0;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        events += chunks[i].events();
        if (events < kChunkEvents && i + 1 < chunks.size()) continue;
        out.push_back(std::span(chunks).subspan(first, i + 1 - first));
        first = i + 1;
        events = 0;
    }
    return out;
}

}  // namespace

Result<EventsChecked> check_events(SqlConnection& store, const VerifyOptions& options,
                                   const JournalDirectories& directories,
                                   const std::vector<Chunk>& chunks, const ZoneHistory& zones,
                                   Problems* problems) {
    const std::vector<std::span<const Chunk>> runs = runs_of(chunks);
    SharedCatalogues catalogues(options.catalogue_of);
    const std::size_t cores = std::max(std::thread::hardware_concurrency(), 1U);
    const std::size_t count =
        options.store_url.empty()
            ? 1
            : std::clamp<std::size_t>(runs.size(), 1, std::min<std::size_t>(cores, 16));
    std::vector<EventChecker> checkers;
    for (std::size_t i = 0; i < count; ++i)
        checkers.emplace_back(&directories, &zones, &catalogues, problems);
    std::vector<std::unique_ptr<SqlConnection>> connections(count);
    std::atomic<std::size_t> next{0};
    std::atomic<bool> has_failed{false};
    std::vector<Status> results(count);
    // A thread opens its connection itself: with PostgreSQL this takes as long as thousands of
    // events, and the first thread need not wait for it.
    const auto work = [&](std::size_t i) -> Status {
        if (i > 0) {
            TG_TRY(connections[i], open_store(options.store_url));
        }
        TG_CHECK_OK(checkers[i].start(i > 0 ? *connections[i] : store));
        for (std::size_t at = next++; at < runs.size() && !has_failed; at = next++)
            TG_CHECK_OK(checkers[i].check(runs[at]));
        return {};
    };
    const auto run = [&](std::size_t i) {
        results[i] = work(i);
        if (!results[i].ok()) has_failed = true;
    };
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < count; ++i) threads.emplace_back(run, i);
        run(0);
    }
    for (const Status& result : results) TG_CHECK_OK(result);
    EventsChecked out = std::move(checkers[0].checked());
    for (std::size_t i = 1; i < count; ++i) {
        const EventsChecked& more = checkers[i].checked();
        out.sums.merge(more.sums);
        out.records += more.records;
        out.events += more.events;
        out.is_complete = out.is_complete && more.is_complete;
    }
    if (count > 1) out.second = std::move(connections[1]);
    return out;
}

}  // namespace tg
