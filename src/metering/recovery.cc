#include "metering/internal/recovery.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "metering/internal/segment_cursor.h"

namespace tg::journal {
namespace {

class Recovery {
  public:
    Recovery(JournalFs& fs, const std::string& directory) : fs_(&fs), directory_(directory) {}
    Result<Recovered> run();

  private:
    Status find_segments();
    Status scan();
    Status note_record(const SegmentCursor& cursor);
    Status end_at(SegmentCursor& cursor, Found found);
    Status remove_segments_after(std::uint32_t number);
    Status cut(const std::string& path, std::uint32_t end);
    Status make_durable();

    JournalFs* fs_;
    const std::string& directory_;
    std::vector<std::uint32_t> segments_;
    std::uint32_t scan_from_ = 0;
    /// Everything before it was on stable storage once, so damage there is no torn tail.
    Lsn durable_;
    std::unordered_map<RequestId, OpenReservation> open_;
    Recovered out_;
};

/// Chooses where to scan from. Segments before that hold nothing that is open; `journal verify`
/// reads them.
Status Recovery::find_segments() {
    TG_TRY(segments_, list_segments(directory_));
    if (segments_.empty()) return {};
    for (std::size_t i = 1; i < segments_.size(); ++i) {
        if (segments_[i] == segments_[i - 1] + 1) continue;
        return fail(
            damage(segment_path(directory_, segments_[i - 1] + 1), 0,
                   "this segment is missing between its neighbours; put it back from a copy"));
    }
    scan_from_ = segments_.front();
    for (auto number = segments_.rbegin(); number != segments_.rend(); ++number) {
        TG_TRY(const auto cursor, SegmentCursor::open(directory_, *number));
        const SegmentHeader& header = cursor->header();
        if (!header.is_started()) continue;
        const std::uint32_t first_open = header.state.first_open;
        if (first_open < segments_.front() || first_open > *number) {
            return fail(damage(cursor->path(), kStateOffsets[0],
                               "recovery has to begin at segment " + std::to_string(first_open) +
                                   ", which is not there; put it back from a copy"));
        }
        scan_from_ = first_open;
        break;
    }
    for (const std::uint32_t number : segments_) {
        if (number < scan_from_) continue;
        TG_TRY(const auto cursor, SegmentCursor::open(directory_, number));
        const std::uint32_t end = cursor->header().state.durable_end;
        if (end != 0) durable_ = Lsn{std::uint64_t{number} << 32 | end};
    }
    return {};
}

Status Recovery::note_record(const SegmentCursor& cursor) {
    const FrameHeader header = frame_header(cursor.frame());
    const std::uint32_t at = cursor.offset() - header.length;
    JournalRecord record;
    if (const char* reason = decode_record(cursor.frame(), &record)) {
        return fail(damage(cursor.path(), at, reason));
    }
    out_.last_recorded_at = std::max(out_.last_recorded_at, record.recorded_at);
    if (record.kind == RecordKind::settled) {
        open_.erase(record.event.id);
    } else if (record.kind == RecordKind::abandoned) {
        open_.erase(record.abandoned_id);
    } else {
        OpenReservation reservation{{std::uint64_t{cursor.number()} << 32 | at},
                                    {cursor.frame(), cursor.frame() + header.length}};
        if (!open_.emplace(record.reserved.id, std::move(reservation)).second) {
            log_error("journal_reserved_twice",
                      {{"id", record.reserved.id.text()}, {"file", cursor.path()}});
        }
    }
    return {};
}

Status Recovery::scan() {
    std::uint64_t sequence = 0;
    for (std::uint32_t number = scan_from_; number <= segments_.back(); ++number) {
        TG_TRY(const auto cursor, SegmentCursor::open(directory_, number));
        if (sequence != 0) cursor->expect_sequence(sequence);
        Found found = Found::record;
        while (found == Found::record) {
            TG_TRY(found, cursor->next(kNoLimit.value));
            if (found == Found::record) TG_CHECK_OK(note_record(*cursor));
        }
        if (found != Found::segment_end) return end_at(*cursor, found);
        sequence = cursor->expected_sequence();
    }
    // A segment is there, durably, before the one in front of it gets its end record.
    return fail(damage(
        segment_path(directory_, segments_.back() + 1), 0,
        "this segment is missing although the one before it is full; put it back from a copy"));
}

/// The written data ends at the cursor, by a clean end or by damage.
Status Recovery::end_at(SegmentCursor& cursor, Found found) {
    const std::uint32_t end = cursor.offset();
    const Lsn at{std::uint64_t{cursor.number()} << 32 | end};
    if (at < durable_) {
        const std::string what = found == Found::damaged ? cursor.reason() : "no record is here";
        return fail(damage(
            cursor.path(), end,
            what +
                ", but the journal was durable beyond this point. Records that bills are made of "
                "are damaged: restore this file from a copy; `tollgate journal verify` shows what "
                "can be read"));
    }
    TG_TRY(out_.cut_bytes, cursor.written_bytes(end));
    for (std::uint32_t number = cursor.number() + 1; number <= segments_.back(); ++number) {
        TG_TRY(const auto later, SegmentCursor::open(directory_, number));
        TG_TRY(const std::uint64_t bytes, later->written_bytes(kHeaderBytes));
        out_.cut_bytes += bytes;
    }
    TG_CHECK_OK(remove_segments_after(cursor.number()));
    if (out_.cut_bytes != 0) {
        log_warn("journal_torn_tail_cut",
                 {{"file", cursor.path()},
                  {"offset", end},
                  {"bytes", out_.cut_bytes},
                  {"reason", found == Found::damaged ? cursor.reason() : "unfinished record"}});
        TG_CHECK_OK(cut(cursor.path(), end));
    }
    out_.current = cursor.number();
    out_.header = cursor.header();
    out_.end = end;
    out_.next_segment = cursor.number() + 1;
    if (cursor.expected_sequence() != 0) out_.next_sequence = cursor.expected_sequence();
    return {};
}

Status Recovery::remove_segments_after(std::uint32_t number) {
    if (number == segments_.back()) return {};
    // From the last on, so that an interruption leaves no gap.
    for (; segments_.back() != number; segments_.pop_back()) {
        const std::string path = segment_path(directory_, segments_.back());
        if (::unlink(path.c_str()) != 0) return fail(io_error("cannot remove", path, errno));
    }
    return sync_directory(*fs_, directory_);
}

/// Everything after `end` becomes zero: cut off here, allocated anew when the segment is opened for
/// writing.
Status Recovery::cut(const std::string& path, std::uint32_t end) {
    const int fd = fs_->open(path.c_str(), O_RDWR);
    if (fd < 0) return fail(io_error("cannot open", path, -fd));
    const Fd closer(fd);
    if (const int error = fs_->truncate(fd, end))
        return fail(io_error("cannot shorten", path, error));
    return {};
}

/// Writes what may not be on stable storage once more and syncs it: after a failed sync the kernel
/// may take pages for written that are not.
Status Recovery::make_durable() {
    std::vector<std::uint8_t> chunk(256U << 10);
    for (const std::uint32_t number : segments_) {
        if (number < scan_from_ || number < durable_.segment()) continue;
        const std::string path = segment_path(directory_, number);
        const int fd = fs_->open(path.c_str(), O_RDWR);
        if (fd < 0) return fail(io_error("cannot open", path, -fd));
        const Fd closer(fd);
        std::uint64_t at = number == durable_.segment() ? durable_.offset() : kHeaderBytes;
        const std::uint64_t end = number == out_.current ? out_.end : ~std::uint64_t{0};
        while (at < end) {
            TG_TRY(const std::size_t size,
                   read_at(fd, path, chunk.data(), std::min<std::uint64_t>(chunk.size(), end - at),
                           at));
            if (size == 0) break;
            if (::pwrite(fd, chunk.data(), size, static_cast<off_t>(at)) !=
                static_cast<ssize_t>(size)) {
                return fail(io_error("cannot write", path, errno));
            }
            at += size;
        }
        if (const int error = fs_->sync(fd)) return fail(io_error("cannot sync", path, error));
    }
    return {};
}

Result<Recovered> Recovery::run() {
    TG_CHECK_OK(remove_unfinished_segments(directory_));
    TG_CHECK_OK(find_segments());
    if (segments_.empty()) return std::move(out_);
    TG_CHECK_OK(scan());
    TG_CHECK_OK(make_durable());
    out_.open.reserve(open_.size());
    for (auto& [id, reservation] : open_) out_.open.push_back(std::move(reservation));
    std::ranges::sort(out_.open, {}, &OpenReservation::at);
    return std::move(out_);
}

}  // namespace

Result<Recovered> recover(JournalFs& fs, const std::string& directory) {
    return Recovery(fs, directory).run();
}

}  // namespace tg::journal
