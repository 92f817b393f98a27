#include "billing/verify.h"

#include <algorithm>
#include <optional>
#include <thread>

#include "billing/internal/verify_parts.h"

namespace tg {
namespace {

/// All reads of a connection see the store as of one moment, while others go on writing. Ends the
/// transaction it began.
class ReadSnapshot {
  public:
    static Result<ReadSnapshot> begin(SqlConnection& store) {
        TG_CHECK_OK(store.execute_script(store.dialect() == Dialect::postgres
                                             ? "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                                             : "BEGIN"));
        return ReadSnapshot(store);
    }
    ReadSnapshot(ReadSnapshot&& other) noexcept : store_(std::exchange(other.store_, nullptr)) {}
    ReadSnapshot& operator=(ReadSnapshot&& other) noexcept {
        std::swap(store_, other.store_);
        return *this;
    }
    ~ReadSnapshot() {
        if (store_ != nullptr) (void)store_->execute_script("ROLLBACK").ok();
    }

  private:
    explicit ReadSnapshot(SqlConnection& store) : store_(&store) {}
    SqlConnection* store_;
};

Result<SettlePosition> stored_position(SqlConnection& store) {
    SettlePosition out;
    TG_CHECK_OK(store.query("SELECT lsn, next_sequence FROM settle_position WHERE id = 1", {},
                            [&out](const SqlRow& row) {
                                out = {Lsn{static_cast<std::uint64_t>(row.integer(0))},
                                       row.integer(1)};
                                return true;
                            }));
    return out;
}

/// The chunks that tile journal and events up to `position`. When those of the store do not, that
/// is a problem, and one chunk of everything takes their place.
Result<std::vector<Chunk>> read_chunks(SqlConnection& store, const SettlePosition& position,
                                       Problems* problems) {
    std::vector<Chunk> out;
    TG_CHECK_OK(store.query(
        "SELECT first_sequence, last_sequence, from_lsn, to_lsn FROM usage_chunks ORDER BY "
        "first_sequence",
        {}, [&out](const SqlRow& row) {
            out.push_back({.first_sequence = row.integer(0),
                           .last_sequence = row.integer(1),
                           .from = Lsn{static_cast<std::uint64_t>(row.integer(2))},
                           .to = Lsn{static_cast<std::uint64_t>(row.integer(3))}});
            return true;
        }));
    SettlePosition end;
    std::string broken;
    for (const Chunk& chunk : out) {
        const bool follows = chunk.first_sequence == end.next_sequence && chunk.from == end.lsn &&
                             chunk.last_sequence >= chunk.first_sequence - 1;
        if (!follows && broken.empty())
            broken = "the one that begins with event " + std::to_string(chunk.first_sequence) +
                     " does not follow the one before it";
        end = {chunk.to, chunk.last_sequence + 1};
    }
    if (broken.empty() && end != position) broken = "they do not end where settle_position does";
    if (broken.empty()) return out;
    problems->add("chunks", "usage_chunks: " + broken);
    return std::vector<Chunk>{{.first_sequence = 1,
                               .last_sequence = position.next_sequence - 1,
                               .from = Lsn{},
                               .to = position.lsn}};
}

Status check_outside(SqlConnection& store, const SettlePosition& position, Problems* problems) {
    // Two statements: SQLite reads the whole table for one with OR.
    for (const std::string_view condition : {"sequence < ?", "sequence >= ?"}) {
        const bool is_before = condition == "sequence < ?";
        TG_CHECK_OK(store.query(
            "SELECT sequence FROM usage_events WHERE " + std::string(condition) +
                " ORDER BY sequence LIMIT 1000",
            {is_before ? std::int64_t{1} : position.next_sequence}, [&](const SqlRow& row) {
                problems->add("events", "event " + std::to_string(row.integer(0)) +
                                            ": has a row in usage_events, but only events 1 to " +
                                            std::to_string(position.next_sequence - 1) +
                                            " are settled");
                return true;
            }));
    }
    return {};
}

/// What the journal has behind `from`.
void count_unsettled(const std::string& directory, Lsn from, VerifyReport* report,
                     Problems* problems) {
    const auto count = [&]() -> Status {
        TG_TRY(const auto reader, JournalReader::open(directory, from));
        JournalRecord record;
        for (;;) {
            TG_TRY(const bool has_record, reader->next(&record, kNoLimit));
            if (!has_record) return {};
            ++report->journal_records;
            report->unsettled_events += record.kind == RecordKind::settled ? 1 : 0;
        }
    };
    if (const Status status = count(); !status.ok())
        problems->add("journal", status.error().detail);
}

}  // namespace

void Problems::add(std::string_view kind, std::string text) {
    const std::lock_guard lock(mutex_);
    auto found = kinds_.find(kind);
    if (found == kinds_.end()) found = kinds_.emplace(kind, Kind{}).first;
    if (found->second.named.size() < kNamedMax)
        found->second.named.push_back(std::move(text));
    else
        ++found->second.more;
}

std::vector<std::string> Problems::take() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (auto& [kind, problems] : kinds_) {
        // Threads report in any order.
        std::ranges::sort(problems.named);
        std::ranges::move(problems.named, std::back_inserter(out));
        if (problems.more > 0)
            out.push_back("and " + std::to_string(problems.more) + " more problems of " + kind);
    }
    kinds_.clear();
    return out;
}

Status ZoneHistory::load(SqlConnection& store) {
    std::map<std::string, std::shared_ptr<const TimeZone>> zones;
    Status bad;
    TG_CHECK_OK(store.query(
        "SELECT customer_id, first_sequence, time_zone FROM usage_zones ORDER BY customer_id, "
        "first_sequence",
        {}, [&](const SqlRow& row) {
            std::shared_ptr<const TimeZone>& zone = zones[std::string(row.text(2))];
            if (!zone) {
                Result<TimeZone> loaded = TimeZone::load(row.text(2));
                if (!loaded.ok()) {
                    bad = fail(loaded.error());
                    return false;
                }
                zone = std::make_shared<const TimeZone>(std::move(*loaded));
            }
            entries_[static_cast<std::uint32_t>(row.integer(0))].push_back({row.integer(1), zone});
            return true;
        }));
    return bad;
}

const TimeZone* ZoneHistory::of(std::uint32_t customer, std::int64_t sequence) const {
    const auto found = entries_.find(customer);
    if (found == entries_.end()) return nullptr;
    const TimeZone* out = nullptr;
    for (const Entry& entry : found->second)
        if (entry.first_sequence <= sequence) out = entry.zone.get();
    return out;
}

Result<std::shared_ptr<const Catalogue>> SharedCatalogues::get(PriceVersionId version) {
    const std::lock_guard lock(mutex_);
    auto found = loaded_.find(version.get());
    if (found == loaded_.end()) found = loaded_.emplace(version.get(), source_(version)).first;
    return found->second;
}

std::string both(std::string_view stored, std::string_view computed) {
    return "'" + std::string(stored) + "' in the store, '" + std::string(computed) +
           "' by the journal";
}
std::string both(std::int64_t stored, std::int64_t computed) {
    return std::to_string(stored) + " in the store, " + std::to_string(computed) +
           " by the journal";
}
std::string both(Femto stored, Femto computed) {
    return format_amount(stored) + " in the store, " + format_amount(computed) + " by the journal";
}
std::string day_text(std::int32_t day) {
    return format_rfc3339({day * std::int64_t{86'400'000'000}}).substr(0, 10);
}

namespace {

/// Roll-ups and bills. Those of end users are compared at the same time through the second
/// connection, if that one sees the same books: whatever the settler writes moves its position.
Status check_what_events_add_up_to(SqlConnection& store, const VerifyOptions& options,
                                   const SettlePosition& position, EventsChecked* events,
                                   VerifyReport* report, Problems* problems) {
    std::optional<ReadSnapshot> snapshot;
    bool is_beside = false;
    if (events->second) {
        TG_TRY(snapshot, ReadSnapshot::begin(*events->second));
        TG_TRY(const SettlePosition seen, stored_position(*events->second));
        is_beside = seen == position;
    }
    Status end_users;
    {
        std::jthread beside;
        if (is_beside) {
            beside = std::jthread(
                [&] { end_users = check_end_users(*events->second, &events->sums, problems); });
        }
        TG_CHECK_OK(check_rollups(store, &events->sums, problems));
        TG_CHECK_OK(check_bills(store, options.terms, events->sums, report, problems));
        TG_CHECK_OK(check_accruals(store, events->sums, problems));
    }
    if (!is_beside) return check_end_users(store, &events->sums, problems);
    return end_users;
}

}  // namespace

Result<VerifyReport> verify_books(SqlConnection& store, const VerifyOptions& options) {
    VerifyReport report;
    Problems problems;
    TG_TRY(const ReadSnapshot snapshot, ReadSnapshot::begin(store));
    TG_TRY(const SettlePosition position, stored_position(store));
    TG_TRY(const std::vector<Chunk> chunks, read_chunks(store, position, &problems));
    ZoneHistory zones;
    TG_CHECK_OK(zones.load(store));
    TG_CHECK_OK(check_outside(store, position, &problems));
    TG_TRY(EventsChecked events, check_events(store, options, chunks, zones, &problems));
    report.journal_records = events.records;
    report.events = events.events;
    if (events.is_complete) {
        TG_CHECK_OK(
            check_what_events_add_up_to(store, options, position, &events, &report, &problems));
    } else {
        problems.add("roll-ups",
                     "roll-ups and bills are not compared: the journal cannot be read to the "
                     "position that has been settled");
    }
    count_unsettled(options.journal_directory, position.lsn, &report, &problems);
    report.problems = problems.take();
    return report;
}

}  // namespace tg
