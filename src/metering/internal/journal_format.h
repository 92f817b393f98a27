#pragma once
// The bytes of a segment file. docs/formats.md describes the same for people.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "metering/usage_journal.h"

namespace tg::journal {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian and copied as it is");

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::uint32_t kHeaderBytes = 4096;
inline constexpr std::uint32_t kSegmentBytesMin = 64U << 10;
inline constexpr std::uint32_t kSegmentBytesMax = 1U << 30;

/// First bytes of a segment; never changes. On stable storage before the file gets its name.
struct SegmentIdentity {
    std::array<char, 8> magic;
    std::uint32_t format_version;
    std::uint32_t segment;
    std::int64_t created_at;
    std::uint32_t reserved;
    std::uint32_t crc;  ///< of the bytes before it
};
static_assert(sizeof(SegmentIdentity) == 32, "on-disk format v1");
inline constexpr std::array<char, 8> kMagic = {'T', 'G', 'J', 'R', 'N', 'L', '\r', '\n'};

/// Changes after every sync. Kept in two copies in sectors of their own that are written in turn,
/// so that a torn write leaves the older one. All zero: nothing was ever written to the segment.
struct SegmentState {
    std::uint64_t generation;      ///< the copy with the higher one counts
    std::uint64_t first_sequence;  ///< of the segment's first record
    std::uint32_t
        first_open;  ///< no reservation of an earlier segment was open: recovery scans from here
    std::uint32_t
        durable_end;  ///< everything before this offset is on stable storage; 0: nothing is
    std::uint32_t reserved;
    std::uint32_t crc;  ///< of the bytes before it, seeded with the segment number
};
static_assert(sizeof(SegmentState) == 32, "on-disk format v1");
inline constexpr std::array<std::uint32_t, 2> kStateOffsets = {1024, 2048};

struct SegmentHeader {
    SegmentIdentity identity{};
    SegmentState state{};  ///< generation 0: not started
    bool is_started() const { return state.generation != 0; }
};

std::uint32_t crc_of(const SegmentIdentity& identity);
std::uint32_t crc_of(const SegmentState& state, std::uint32_t segment);
/// Fills a header page for a new segment.
void write_identity(std::uint8_t* page, std::uint32_t segment, UtcMicros created_at);
/// Null when the page is a header of `segment`; else what is wrong, and where in `offset`.
const char* parse_header(const std::uint8_t* page, std::uint32_t segment, SegmentHeader* header,
                         std::uint32_t* offset);

/// In front of every record. `length` counts the whole record with this header and padding, a
/// multiple of 8, and is written last; 0 is the end of the written data.
struct FrameHeader {
    std::uint32_t length;
    std::uint32_t crc;   ///< of the payload, continued over length, meta and recorded_at
    std::uint64_t meta;  ///< kind (8 bits), record version (8), sequence number (48)
    std::int64_t recorded_at;

    std::uint8_t kind() const { return static_cast<std::uint8_t>(meta); }
    std::uint8_t version() const { return static_cast<std::uint8_t>(meta >> 8); }
    std::uint64_t sequence() const { return meta >> 16; }
};
static_assert(sizeof(FrameHeader) == 24, "on-disk format v1");
inline constexpr std::uint32_t kFrameBytes = sizeof(FrameHeader);
inline constexpr std::uint32_t kFrameBytesMax = 64U << 10;

inline constexpr std::uint8_t kRecordVersion = 1;
/// SETTLED with one text more, the model that was asked for. Written only where there is one, so
/// that a journal without fallbacks can still be read by programs that know version 1 alone.
inline constexpr std::uint8_t kRecordVersionAskedModel = 2;
/// Last record of a full segment; no payload. The next record is in the next segment.
inline constexpr std::uint8_t kKindSegmentEnd = 255;

inline constexpr std::uint32_t align8(std::uint32_t n) {
    return (n + 7U) & ~7U;
}
inline constexpr std::uint32_t kTextBytesMax = 1 + static_cast<std::uint32_t>(kEventTextMax);
inline constexpr std::uint32_t kReservedFixedBytes = 60;
inline constexpr std::uint32_t kSettledFixedBytes = 62;
inline constexpr std::uint32_t kReservedBytesMax =
    align8(kFrameBytes + kReservedFixedBytes + 5 * kTextBytesMax);
inline constexpr std::uint32_t kSettledBytesMax =
    align8(kFrameBytes + kSettledFixedBytes + 1 + kMeterCount * 11 + 8 * kTextBytesMax);
inline constexpr std::uint32_t kRecordBytesMax = kSettledBytesMax;
static_assert(kReservedBytesMax <= kRecordBytesMax && kRecordBytesMax < kFrameBytesMax);

FrameHeader frame_header(const std::uint8_t* frame);

/// A record being built: the payload outside the journal's lock, sequence and time once its place
/// is known.
class RecordBuffer {
  public:
    // The bytes stay uninitialised: zeroing 2 KB would cost more than the record.
    RecordBuffer() {}  // NOLINT(modernize-use-equals-default)
    void encode(const ReservedRecord& record);
    void encode(const UsageEvent& event);
    void encode_abandoned(const RequestId& id, UtcMicros at);
    void encode_segment_end();

    void seal(std::uint64_t sequence, UtcMicros recorded_at);
    std::uint32_t length() const { return length_; }
    const std::uint8_t* data() const { return bytes_.data(); }

  private:
    void finish(std::uint8_t kind, std::uint8_t* end);

    alignas(8) std::array<std::uint8_t, kRecordBytesMax> bytes_;
    std::uint32_t length_ = 0;
    std::uint32_t payload_crc_ = 0;
    std::uint8_t kind_ = 0;
    std::uint8_t version_ = kRecordVersion;
};

/// Makes the checksum of a record with an altered header or payload right again; for tests and
/// fuzzing.
void fix_frame_crc(std::uint8_t* frame);
/// Null when the first bytes of `frame` are a whole record with a right checksum; else what is
/// wrong.
const char* check_frame(const std::uint8_t* frame, std::uint64_t available);
/// Decodes a checked record that is no segment end; null, or what is wrong. Sets all but `at` and
/// `end`.
const char* decode_record(const std::uint8_t* frame, JournalRecord* record);

}  // namespace tg::journal
