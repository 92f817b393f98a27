#pragma once
// Walks the records of one segment file. Reads with pread(2), never through a mapping: an
// unreadable disk is then an error to report, not a signal that ends the server.
#include <memory>
#include <string>
#include <vector>

#include "metering/internal/segment.h"

namespace tg::journal {

enum class Found : std::uint8_t {
    record,       ///< frame() is a whole record with a right checksum and sequence number
    segment_end,  ///< the end record; the journal goes on in the next segment
    no_data,      ///< no record begins here (yet)
    damaged,      ///< reason() says what is wrong
};

class SegmentCursor {
  public:
    /// Errors: io_error; corrupt_data when the header is damaged.
    static Result<std::unique_ptr<SegmentCursor>> open(const std::string& directory,
                                                       std::uint32_t number);

    /// Goes to `offset`, where a record begins.
    void seek(std::uint32_t offset);
    /// The record at offset(), which moves past it on `record` and `segment_end`. Reads ahead up to
    /// `ahead` at most, because what lies beyond may still change. Errors: io_error.
    Result<Found> next(std::uint64_t ahead);
    const std::uint8_t* frame() const { return frame_; }
    const char* reason() const { return reason_; }
    /// Where the next record would begin.
    std::uint32_t offset() const { return offset_; }

    /// The next record must have this sequence number; 0 accepts any.
    void expect_sequence(std::uint64_t sequence) { expected_sequence_ = sequence; }
    std::uint64_t expected_sequence() const { return expected_sequence_; }

    const SegmentHeader& header() const { return header_; }
    Status refresh_header();
    /// Bytes from `offset` on up to and with the last one that is not zero. Errors: io_error.
    Result<std::uint64_t> written_bytes(std::uint64_t offset);

    std::uint32_t number() const { return number_; }
    const std::string& path() const { return path_; }
    int fd() const { return fd_.get(); }

  private:
    SegmentCursor(std::uint32_t number, std::string path, Fd fd);
    Result<Found> inspect(std::uint64_t ahead, bool* is_fresh);
    Status load(std::size_t need, std::uint64_t ahead, bool* is_fresh);
    std::size_t loaded() const {
        return static_cast<std::size_t>(buffer_at_ + buffer_size_ - offset_);
    }

    std::uint32_t number_;
    std::string path_;
    Fd fd_;
    SegmentHeader header_{};
    std::unique_ptr<std::uint8_t[]> buffer_;
    std::uint64_t buffer_at_ = 0;
    std::size_t buffer_size_ = 0;
    std::uint32_t offset_ = kHeaderBytes;
    std::uint64_t expected_sequence_ = 0;
    const std::uint8_t* frame_ = nullptr;
    const char* reason_ = nullptr;
};

}  // namespace tg::journal
