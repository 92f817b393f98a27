#pragma once
// What a journal directory holds when it is opened.
#include <string>
#include <vector>

#include "metering/internal/segment.h"

namespace tg::journal {

/// A reservation without an end, as it stands in the journal.
struct OpenReservation {
    Lsn at;
    std::vector<std::uint8_t> frame;
};

struct Recovered {
    /// The segment to go on with; 0 when a new one has to be made (its number is then
    /// `next_segment`).
    std::uint32_t current = 0;
    SegmentHeader header{};
    std::uint32_t end = kHeaderBytes;
    std::uint32_t next_segment = 1;
    std::uint64_t next_sequence = 1;
    UtcMicros last_recorded_at;
    std::uint64_t cut_bytes = 0;
    std::vector<OpenReservation> open;  ///< in the order they were made
};

/// Reads the journal from the first open reservation on, cuts the torn tail, removes segments
/// allocated ahead, and puts everything that is kept on stable storage. The caller holds the
/// journal's lock. Errors: io_error; corrupt_data when anything but the tail is damaged.
Result<Recovered> recover(JournalFs& fs, const std::string& directory);

}  // namespace tg::journal
