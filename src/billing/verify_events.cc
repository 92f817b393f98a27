#include <algorithm>
#include <array>
#include <atomic>
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

/// One thread's part: walks chunks, the journal and the table side by side.
class EventChecker {
  public:
    EventChecker(const VerifyOptions* options, const ZoneHistory* zones,
                 SharedCatalogues* catalogues, Problems* problems)
        : options_(options),
          zones_(zones),
          problems_(problems),
          rater_([catalogues](PriceVersionId version) { return catalogues->get(version); }) {}

    Status start(SqlConnection& store) {
        store_ = &store;
        return dimensions_.load(store);
    }
    /// Errors: of the store and of the catalogues.
    Status check(const Chunk& chunk);
    EventsChecked& checked() { return checked_; }

  private:
    /// The journal's next event of the chunk into record_ and expected_; false at its end.
    Result<bool> advance(const Chunk& chunk);
    Result<bool> read_event(const Chunk& chunk);
    Status expect();
    void compare(const BulkRow& row);
    void report_differences(const BulkRow& row);
    void report_missing();
    std::string title() const;

    const VerifyOptions* options_;
    const ZoneHistory* zones_;
    Problems* problems_;
    EventRater rater_;
    SqlConnection* store_ = nullptr;
    DimensionTable dimensions_;
    EventsChecked checked_;

    std::unique_ptr<JournalReader> reader_;
    JournalRecord record_;
    std::int64_t sequence_ = 0;
    std::array<std::int64_t, kIntegerCount> expected_{};
    std::array<std::string_view, kTextCount> expected_texts_;
    std::string usage_, end_user_, request_id_, asked_model_;
};

std::string EventChecker::title() const {
    return "event " + std::to_string(sequence_) + " (" + record_.event.id.text() + ", journal " +
           place(record_.at) + ")";
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

Result<bool> EventChecker::read_event(const Chunk& chunk) {
    for (;;) {
        TG_TRY(const bool has_record, reader_->next(&record_, chunk.to));
        if (!has_record) return false;
        ++checked_.records;
        if (record_.kind == RecordKind::settled) return true;
    }
}

Result<bool> EventChecker::advance(const Chunk& chunk) {
    if (!reader_) return false;
    const Result<bool> has_event = read_event(chunk);
    if (!has_event.ok()) {
        problems_->add("journal", has_event.error().detail);
        checked_.is_complete = false;
        reader_.reset();
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

Status EventChecker::check(const Chunk& chunk) {
    Result<std::unique_ptr<JournalReader>> opened =
        JournalReader::open(options_->journal_directory, chunk.from);
    if (opened.ok()) {
        reader_ = std::move(*opened);
    } else {
        problems_->add("journal", opened.error().detail);
        checked_.is_complete = false;
    }
    sequence_ = chunk.first_sequence - 1;
    Status status;
    bool has_event = true;
    const Status read = store_->bulk_read(
        "usage_events", kColumns, chunk.first_sequence, chunk.last_sequence,
        [&](const BulkRow& row) {
            const std::int64_t stored = row.integers[0];
            while (has_event && sequence_ < stored) {
                const Result<bool> next = advance(chunk);
                if (!next.ok()) status = fail(next.error());
                has_event = next.ok() && *next;
                if (has_event && sequence_ < stored) report_missing();
            }
            if (!status.ok()) return false;
            if (has_event) {
                compare(row);
            } else if (reader_) {
                problems_->add("events", "event " + std::to_string(stored) +
                                             ": has a row in usage_events, but the "
                                             "journal has no such event");
            }
            return true;
        });
    TG_CHECK_OK(read);
    TG_CHECK_OK(status);
    while (has_event) {
        TG_TRY(has_event, advance(chunk));
        if (has_event) report_missing();
    }
    if (reader_ && sequence_ != chunk.last_sequence) {
        problems_->add("chunks",
                       "the journal has " + std::to_string(sequence_ - chunk.first_sequence + 1) +
                           " events from " + place(chunk.from) + " to " + place(chunk.to) +
                           ", usage_chunks says " + std::to_string(chunk.events()));
    }
    return {};
}

}  // namespace

Result<EventsChecked> check_events(SqlConnection& store, const VerifyOptions& options,
                                   const std::vector<Chunk>& chunks, const ZoneHistory& zones,
                                   Problems* problems) {
    SharedCatalogues catalogues(options.catalogue_of);
    const std::size_t cores = std::max(std::thread::hardware_concurrency(), 1U);
    const std::size_t count =
        options.store_url.empty()
            ? 1
            : std::clamp<std::size_t>(chunks.size(), 1, std::min<std::size_t>(cores, 16));
    std::vector<EventChecker> checkers;
    for (std::size_t i = 0; i < count; ++i)
        checkers.emplace_back(&options, &zones, &catalogues, problems);
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
        for (std::size_t at = next++; at < chunks.size() && !has_failed; at = next++)
            TG_CHECK_OK(checkers[i].check(chunks[at]));
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
