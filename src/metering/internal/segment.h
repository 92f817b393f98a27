#pragma once
// Segment files on disk, and the one being written as a mapping.
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "metering/internal/journal_format.h"
#include "metering/journal_fs.h"

namespace tg::journal {

/// "journal-00000001.tgj"
std::string segment_path(const std::string& directory, std::uint32_t number);
/// Numbers of the segments in `directory`, ascending. Errors: io_error.
Result<std::vector<std::uint32_t>> list_segments(const std::string& directory);
/// Removes what an interrupted allocation left. Errors: io_error.
Status remove_unfinished_segments(const std::string& directory);
/// Makes created, renamed and removed files durable. Errors: io_error.
Status sync_directory(JournalFs& fs, const std::string& directory);

/// "what '/path': No such file or directory"
Error io_error(const std::string& what, const std::string& path, int error);
/// corrupt_data: "/path at offset 123: reason".
Error damage(const std::string& path, std::uint64_t offset, const std::string& reason);

class Fd {
  public:
    explicit Fd(int fd = -1) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd();
    int get() const { return fd_; }

  private:
    int fd_;
};

/// pread(2) until `size` bytes or the end of the file; returns how many. Errors: io_error.
Result<std::size_t> read_at(int fd, const std::string& path, void* out, std::size_t size,
                            std::uint64_t offset);

/// A segment that may be written to, mapped. Not thread-safe, but for write_state(), which one
/// thread may call while another appends.
class Segment {
  public:
    /// Allocates `bytes` and puts the empty segment under its name, durably. Errors: io_error.
    static Result<std::unique_ptr<Segment>> create(JournalFs& fs, const std::string& directory,
                                                   std::uint32_t number, std::uint32_t bytes,
                                                   UtcMicros created_at);
    /// Opens the segment to continue at `end`, enlarged to `bytes` when it is shorter. Errors:
    /// io_error.
    static Result<std::unique_ptr<Segment>> reopen(JournalFs& fs, const std::string& directory,
                                                   const SegmentHeader& header, std::uint32_t bytes,
                                                   std::uint32_t end);
    ~Segment();
    Segment(const Segment&) = delete;
    Segment& operator=(const Segment&) = delete;

    std::uint32_t number() const { return number_; }
    int fd() const { return fd_.get(); }
    const std::string& path() const { return path_; }
    std::uint32_t end() const { return end_; }
    Lsn end_lsn() const { return {std::uint64_t{number_} << 32 | end_}; }
    bool is_started() const { return state_.generation != 0; }
    /// Room for records beside the end record.
    std::uint32_t room() const { return bytes_ - end_ - kFrameBytes; }
    /// What is certain to be filled before a record does not fit any more.
    std::uint32_t certain_room() const {
        const std::uint32_t waste = kFrameBytes + kRecordBytesMax;
        return bytes_ - end_ > waste ? bytes_ - end_ - waste : 0;
    }

    /// First record to come has `first_sequence`.
    void start(std::uint64_t first_sequence, std::uint32_t first_open);
    void write_state(std::uint32_t durable_end, std::uint32_t first_open);
    /// A sealed record; a reader sees all of it or nothing. The caller has made sure of the room.
    void append(const RecordBuffer& record);
    /// Gives back what is allocated beyond end(). Nothing may be appended afterwards. Errors:
    /// io_error.
    Status trim(JournalFs& fs);

  private:
    Segment(std::uint32_t number, std::string path, Fd fd)
        : number_(number), path_(std::move(path)), fd_(std::move(fd)) {}
    Status map(std::uint32_t bytes);
    void put_state();

    std::uint32_t number_;
    std::uint32_t bytes_ = 0;
    std::uint32_t end_ = kHeaderBytes;
    SegmentState state_{};
    std::string path_;
    Fd fd_;
    std::uint8_t* base_ = nullptr;
};

}  // namespace tg::journal
