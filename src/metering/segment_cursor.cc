#include "metering/internal/segment_cursor.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

namespace tg::journal {
namespace {

constexpr std::size_t kBufferBytes = 256U << 10;
static_assert(kBufferBytes >= 2 * kFrameBytesMax);
/// Offsets have 32 bits; a file within this never lets one overflow.
constexpr off_t kFileBytesMax = off_t{kSegmentBytesMax} + kFrameBytesMax;

}  // namespace

SegmentCursor::SegmentCursor(std::uint32_t number, std::string path, Fd fd)
    : number_(number),
      path_(std::move(path)),
      fd_(std::move(fd)),
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kBufferBytes)) {}

Result<std::unique_ptr<SegmentCursor>> SegmentCursor::open(const std::string& directory,
                                                           std::uint32_t number) {
    std::string path = segment_path(directory, number);
    const int fd = real_journal_fs().open(path.c_str(), O_RDONLY);
    if (fd < 0) return fail(io_error("cannot open", path, -fd));
    std::unique_ptr<SegmentCursor> cursor(new SegmentCursor(number, std::move(path), Fd(fd)));
    struct stat info{};
    if (::fstat(cursor->fd(), &info) != 0)
        return fail(io_error("cannot stat", cursor->path(), errno));
    if (info.st_size > kFileBytesMax) {
        return fail(
            damage(cursor->path(), kFileBytesMax, "the file is longer than any journal segment"));
    }
    TG_CHECK_OK(cursor->refresh_header());
    cursor->seek(kHeaderBytes);
    return cursor;
}

Status SegmentCursor::refresh_header() {
    std::array<std::uint8_t, kHeaderBytes> page{};
    TG_TRY(const std::size_t size, read_at(fd_.get(), path_, page.data(), page.size(), 0));
    if (size < page.size())
        return fail(damage(path_, size, "the file ends within the segment header"));
    std::uint32_t offset = 0;
    if (const char* reason = parse_header(page.data(), number_, &header_, &offset)) {
        return fail(damage(path_, offset, reason));
    }
    return {};
}

void SegmentCursor::seek(std::uint32_t offset) {
    offset_ = offset;
    buffer_at_ = offset;
    buffer_size_ = 0;
    expected_sequence_ = offset == kHeaderBytes ? header_.state.first_sequence : 0;
}

/// Makes `need` bytes at offset_ available when the file has them.
Status SegmentCursor::load(std::size_t need, std::uint64_t ahead, bool* is_fresh) {
    if (loaded() >= need) return {};
    const std::uint64_t wanted = ahead > offset_ ? ahead - offset_ : 0;
    const std::size_t size = std::clamp<std::uint64_t>(wanted, need, kBufferBytes);
    buffer_size_ = 0;
    buffer_at_ = offset_;
    TG_TRY(buffer_size_, read_at(fd_.get(), path_, buffer_.get(), size, offset_));
    *is_fresh = true;
    return {};
}

Result<Found> SegmentCursor::inspect(std::uint64_t ahead, bool* is_fresh) {
    TG_CHECK_OK(load(kFrameBytes, ahead, is_fresh));
    const auto at = [&] { return buffer_.get() + (offset_ - buffer_at_); };
    std::uint32_t length = 0;
    if (loaded() == 0) return Found::no_data;
    if (loaded() >= kFrameBytes) {
        length = frame_header(at()).length;
        if (length == 0) return Found::no_data;
        if (length <= kFrameBytesMax) TG_CHECK_OK(load(length, ahead, is_fresh));
    } else if (std::all_of(at(), at() + loaded(), [](std::uint8_t b) { return b == 0; })) {
        return Found::no_data;
    }
    frame_ = at();
    reason_ = check_frame(frame_, loaded());
    return reason_ == nullptr ? Found::record : Found::damaged;
}

Result<Found> SegmentCursor::next(std::uint64_t ahead) {
    bool is_fresh = false;
    TG_TRY(Found found, inspect(ahead, &is_fresh));
    // While the file is written, the buffer may be older than the record, and one read may see a
    // record's length but not yet all of its bytes: only what a second look finds, too, is so.
    if (found == Found::damaged || (found == Found::no_data && !is_fresh)) {
        std::atomic_thread_fence(std::memory_order_acquire);
        buffer_at_ = offset_;
        buffer_size_ = 0;
        TG_TRY(found, inspect(ahead, &is_fresh));
    }
    if (found != Found::record) return found;
    const FrameHeader header = frame_header(frame_);
    if (expected_sequence_ != 0 && header.sequence() != expected_sequence_) {
        reason_ =
            "the sequence number of the record is not the one that follows: records are missing or "
            "doubled";
        return Found::damaged;
    }
    expected_sequence_ = header.sequence() + 1;
    offset_ += header.length;
    return header.kind() == kKindSegmentEnd ? Found::segment_end : Found::record;
}

Result<std::uint64_t> SegmentCursor::written_bytes(std::uint64_t offset) {
    std::uint64_t last = offset;
    const auto chunk = std::make_unique_for_overwrite<std::uint8_t[]>(kBufferBytes);
    for (std::uint64_t at = offset;;) {
        TG_TRY(const std::size_t size, read_at(fd_.get(), path_, chunk.get(), kBufferBytes, at));
        for (std::size_t i = size; i > 0; --i) {
            if (chunk[i - 1] == 0) continue;
            last = at + i;
            break;
        }
        at += size;
        if (size < kBufferBytes) return last - offset;
    }
}

}  // namespace tg::journal
