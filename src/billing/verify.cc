#include "billing/verify.h"

#include <algorithm>
#include <optional>
#include <thread>

#include "billing/internal/verify_parts.h"
#include "store/read_snapshot.h"

namespace tg {
namespace {

/// A problem when the store has events of journals, but none of them is in a directory given.
Result<JournalDirectories> find_journals(const VerifyOptions& options,
                                         const BooksPosition& position, Problems* problems) {
    JournalDirectories out;
    for (const std::string& directory : options.journal_directories) {
        const auto found = journal_in(directory, position.journals);
        if (!found.ok()) {
            problems->add("journal", found.error().detail);
        } else if (*found != nullptr) {
            out.emplace((*found)->id, directory);
        }
    }
    if (!out.empty() || position.next_sequence <= 1) return out;
    std::string names;
    for (const SettledJournal& journal : position.journals)
        names += (names.empty() ? "" : ", ") + journal.name;
    problems->add("journal",
                  "no journal given is one that this store was settled from, which are " + names +
                      "; give the directory of at least one of them");
    return out;
}

Status check_outside(SqlConnection& store, const BooksPosition& position, Problems* problems) {
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

/// What a journal has behind `from`.
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

namespace {

/// Roll-ups and bills. Those of end users are compared at the same time through the second
/// connection, if that one sees the same books: whatever the settler writes moves its position.
Status check_what_events_add_up_to(SqlConnection& store, const VerifyOptions& options,
                                   const BooksPosition& position, EventsChecked* events,
                                   VerifyReport* report, Problems* problems) {
    std::optional<ReadSnapshot> snapshot;
    bool is_beside = false;
    if (events->second) {
        TG_TRY(snapshot, ReadSnapshot::begin(*events->second));
        TG_TRY(const BooksPosition seen, books_position(*events->second));
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
        TG_CHECK_OK(check_register(store, report, problems));
        TG_CHECK_OK(check_notes(store, problems));
        TG_CHECK_OK(check_contracts(store, report, problems));
        TG_CHECK_OK(check_payments(store, report, problems));
        TG_CHECK_OK(check_settlements(store, problems));
    }
    if (!is_beside) return check_end_users(store, &events->sums, problems);
    return end_users;
}

void report_unsettled(const VerifyOptions& options, const BooksPosition& position,
                      VerifyReport* report, Problems* problems) {
    for (const std::string& directory : options.journal_directories) {
        const auto found = journal_in(directory, position.journals);
        if (!found.ok()) continue;  // is a problem already
        const Lsn from = *found != nullptr ? (*found)->settled_to : Lsn{};
        count_unsettled(directory, from, report, problems);
    }
}

void report_unreachable(const std::vector<Chunk>& chunks, const BooksPosition& position,
                        const JournalDirectories& directories, VerifyReport* report) {
    for (const SettledJournal& journal : position.journals) {
        if (directories.contains(journal.id)) continue;
        VerifyReport::Unreachable out{.name = journal.name};
        for (const Chunk& chunk : chunks)
            if (chunk.journal == journal.id)
                out.events += static_cast<std::uint64_t>(chunk.events());
        if (out.events > 0) report->unreachable.push_back(std::move(out));
    }
}

}  // namespace

Result<VerifyReport> verify_books(SqlConnection& store, const VerifyOptions& options) {
    VerifyReport report;
    Problems problems;
    TG_TRY(const ReadSnapshot snapshot, ReadSnapshot::begin(store));
    TG_TRY(const BooksPosition position, books_position(store));
    TG_TRY(const JournalDirectories directories, find_journals(options, position, &problems));
    TG_TRY(const std::vector<Chunk> chunks, read_chunks(store, position, &problems));
    ZoneHistory zones;
    TG_CHECK_OK(zones.load(store));
    TG_CHECK_OK(check_outside(store, position, &problems));
    TG_TRY(EventsChecked events,
           check_events(store, options, directories, chunks, zones, &problems));
    report.journal_records = events.records;
    report.events = events.events;
    if (events.is_complete && !(chunks.empty() && position.next_sequence > 1)) {
        TG_CHECK_OK(
            check_what_events_add_up_to(store, options, position, &events, &report, &problems));
    } else {
        problems.add("roll-ups",
                     "roll-ups and bills are not compared: the journal cannot be read to the "
                     "position that has been settled");
    }
    report_unsettled(options, position, &report, &problems);
    report_unreachable(chunks, position, directories, &report);
    report.problems = problems.take();
    return report;
}

}  // namespace tg
