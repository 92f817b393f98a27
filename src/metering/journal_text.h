#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "metering/usage_journal.h"

namespace tg {

/// One record as one line of JSON without a line end, for `tollgate journal dump`. Every field of
/// the record is there, meters with a quantity of zero excepted.
std::string to_json(const JournalRecord& record);
/// The same, appended; for many records.
void append_json(std::string& out, const JournalRecord& record);

/// "segment:offset", as in dumps.
std::string to_string(Lsn lsn);

struct JournalProblem {
    std::string file;
    std::uint64_t offset = 0;
    std::string what;
};

struct JournalSummary {
    std::uint32_t first_segment = 0, last_segment = 0;  ///< 0: there is none
    std::uint64_t segments = 0;
    std::uint64_t file_bytes = 0;    ///< sizes of the files, with what is allocated ahead
    std::uint64_t record_bytes = 0;  ///< of whole records
    std::uint64_t reserved = 0, settled = 0, abandoned = 0;
    std::uint64_t unconfirmed = 0;  ///< among `settled`: settled by recovery
    std::uint64_t open_reservations =
        0;  ///< without an end: calls under way, or to be settled at the next start
    UtcMicros first_recorded_at, last_recorded_at;  ///< meaningless when there is no record
    std::uint64_t problem_count = 0;
    std::vector<JournalProblem> problems;  ///< the first kProblemsMax

    static constexpr std::size_t kProblemsMax = 100;
    bool is_sound() const { return problem_count == 0; }
};

/// Reads the whole journal, for `tollgate journal verify`: every checksum and sequence number, and
/// that every SETTLED and ABANDONED ends exactly one RESERVED before it. After damage it goes on
/// with the next segment. An id used again is noticed within the last 2^20 calls that ended; memory
/// is bounded by that and by the calls open at once. Changes nothing; may run beside a writer.
/// Errors: io_error, not_found when there is no journal.
Result<JournalSummary> verify_journal(const std::string& directory);

/// The summary as one JSON object.
std::string to_json(const JournalSummary& summary);

}  // namespace tg
