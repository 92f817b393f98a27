#include <sys/stat.h>

#include <bit>
#include <unordered_set>

#include "metering/internal/segment_cursor.h"
#include "metering/journal_text.h"

namespace tg {
namespace journal {
namespace {

/// Remembers the calls that ended last, by overwriting.
class RecentlyEnded {
  public:
    /// As many slots as the journal can hold ends, within the bound.
    explicit RecentlyEnded(std::uint64_t file_bytes)
        : slots_(
              std::bit_ceil(std::clamp<std::uint64_t>(file_bytes / kFrameBytes, 64, kSlotsMax))) {}
    void add(const RequestId& id) { slots_[at(id)] = id; }
    bool contains(const RequestId& id) const { return slots_[at(id)] == id; }

  private:
    static constexpr std::uint64_t kSlotsMax = 1U << 20;
    std::size_t at(const RequestId& id) const {
        return std::hash<RequestId>{}(id) & (slots_.size() - 1);
    }
    std::vector<std::optional<RequestId>> slots_;
};

class Verifier {
  public:
    explicit Verifier(const std::string& directory) : directory_(directory) {}
    Result<JournalSummary> run();

  private:
    Status read_segment(std::uint32_t number, bool is_last);
    Status segment_stopped(SegmentCursor& cursor, Found found, bool is_last);
    void check_record(const std::string& path, const JournalRecord& record);
    void check_end(const std::string& path, std::uint64_t offset, const RequestId& id);
    void problem(const std::string& file, std::uint64_t offset, std::string what);

    const std::string& directory_;
    JournalSummary out_;
    std::uint64_t sequence_ = 0;  ///< the next segment's first; 0: not known
    /// After damage, or when old segments are not there, ends without a beginning are no news.
    bool has_gap_ = false;
    bool is_over_ = false;  ///< the written data has ended
    std::unordered_set<RequestId> open_;
    RecentlyEnded ended_{0};
};

void Verifier::problem(const std::string& file, std::uint64_t offset, std::string what) {
    if (out_.problems.size() < JournalSummary::kProblemsMax) {
        out_.problems.push_back({file, offset, std::move(what)});
    }
    ++out_.problem_count;
}

void Verifier::check_end(const std::string& path, std::uint64_t offset, const RequestId& id) {
    const bool was_open = open_.erase(id) != 0;
    if (!was_open && ended_.contains(id)) {
        problem(path, offset, id.text() + " is ended a second time");
    } else if (!was_open && !has_gap_) {
        problem(path, offset, id.text() + " is ended without having been reserved");
    }
    ended_.add(id);
}

void Verifier::check_record(const std::string& path, const JournalRecord& record) {
    if (out_.reserved + out_.settled + out_.abandoned == 0)
        out_.first_recorded_at = record.recorded_at;
    out_.last_recorded_at = record.recorded_at;
    const std::uint64_t offset = record.at.offset();
    switch (record.kind) {
        case RecordKind::reserved:
            ++out_.reserved;
            if (!open_.insert(record.reserved.id).second) {
                problem(path, offset,
                        record.reserved.id.text() + " is reserved a second time while it is open");
            } else if (ended_.contains(record.reserved.id)) {
                problem(path, offset,
                        record.reserved.id.text() + " is reserved again after it ended");
            }
            break;
        case RecordKind::settled:
            ++out_.settled;
            out_.unconfirmed += record.event.source == UsageSource::unconfirmed ? 1 : 0;
            check_end(path, offset, record.event.id);
            break;
        case RecordKind::abandoned:
            ++out_.abandoned;
            check_end(path, offset, record.abandoned_id);
            break;
    }
}

/// No further record can be read in this segment.
Status Verifier::segment_stopped(SegmentCursor& cursor, Found found, bool is_last) {
    const std::uint32_t at = cursor.offset();
    TG_CHECK_OK(cursor.refresh_header());
    bool is_tail = at >= cursor.header().state.durable_end;
    if (is_tail && !is_last) {
        TG_TRY(const auto later, SegmentCursor::open(directory_, cursor.number() + 1));
        is_tail = !later->header().is_started();
    }
    is_over_ = is_tail;
    if (found == Found::no_data && is_tail) return {};
    sequence_ = 0;
    has_gap_ = true;
    std::string what = found == Found::damaged ? cursor.reason() : "no record is here";
    what += is_tail
                ? ", after all that was durable: the next start of the server cuts the journal here"
                : "; the rest of this segment cannot be read";
    problem(cursor.path(), at, std::move(what));
    return {};
}

Status Verifier::read_segment(std::uint32_t number, bool is_last) {
    auto opened = SegmentCursor::open(directory_, number);
    if (!opened && opened.error().code != ErrorCode::corrupt_data)
        return fail(std::move(opened).error());
    if (!opened) {
        problem(segment_path(directory_, number), 0, opened.error().detail);
        sequence_ = 0;
        has_gap_ = true;
        return {};
    }
    SegmentCursor& cursor = **opened;
    if (sequence_ != 0) cursor.expect_sequence(sequence_);
    JournalRecord record;
    for (;;) {
        const std::uint32_t at = cursor.offset();
        TG_TRY(const Found found, cursor.next(kNoLimit.value));
        if (found == Found::damaged || found == Found::no_data)
            return segment_stopped(cursor, found, is_last);
        out_.record_bytes += cursor.offset() - at;
        if (found == Found::segment_end) break;
        record.at = Lsn{std::uint64_t{number} << 32 | at};
        if (const char* reason = decode_record(cursor.frame(), &record)) {
            problem(cursor.path(), at, reason);
            has_gap_ = true;
        } else {
            check_record(cursor.path(), record);
        }
    }
    sequence_ = cursor.expected_sequence();
    if (is_last) {
        problem(segment_path(directory_, number + 1), 0,
                "this segment is missing although the one before it is full");
    }
    return {};
}

Result<JournalSummary> Verifier::run() {
    TG_TRY(const auto numbers, list_segments(directory_));
    if (numbers.empty())
        return fail(ErrorCode::not_found, "'" + directory_ + "' holds no journal segments");
    out_.first_segment = numbers.front();
    out_.last_segment = numbers.back();
    out_.segments = numbers.size();
    has_gap_ = numbers.front() != 1;
    for (const std::uint32_t number : numbers) {
        struct stat info{};
        const std::string path = segment_path(directory_, number);
        if (::stat(path.c_str(), &info) == 0)
            out_.file_bytes += static_cast<std::uint64_t>(info.st_size);
    }
    ended_ = RecentlyEnded(out_.file_bytes);
    std::uint32_t expected = numbers.front();
    for (const std::uint32_t number : numbers) {
        for (; expected != number; ++expected) {
            problem(segment_path(directory_, expected), 0,
                    "this segment is missing between its neighbours");
            sequence_ = 0;
            has_gap_ = true;
            if (number - expected > JournalSummary::kProblemsMax) expected = number - 1;
        }
        ++expected;
        struct stat info{};
        const std::string path = segment_path(directory_, number);
        if (::stat(path.c_str(), &info) == 0)
            out_.file_bytes += static_cast<std::uint64_t>(info.st_size);
        if (!is_over_) TG_CHECK_OK(read_segment(number, number == numbers.back()));
    }
    out_.open_reservations = open_.size();
    return std::move(out_);
}

}  // namespace
}  // namespace journal

Result<JournalSummary> verify_journal(const std::string& directory) {
    return journal::Verifier(directory).run();
}

}  // namespace tg
