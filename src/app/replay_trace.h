#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/rng.h"

namespace tg {

/// One request of a trace: when it came, from whom, and what it used in the end.
struct ReplayRequest {
    std::int64_t at_us = 0;  ///< since the trace's first request
    std::uint32_t tenant = 0;
    std::int64_t input_tokens = 0, output_tokens = 0;

    std::int64_t tokens() const { return input_tokens + output_tokens; }
};

/// Requests in order of time; never empty.
struct ReplayTrace {
    std::vector<ReplayRequest> requests;

    std::int64_t span_us() const { return requests.back().at_us; }
    double minutes() const;
    std::int64_t total_tokens() const;
};

inline constexpr std::size_t kTraceBytesMax = std::size_t{512} << 20;
inline constexpr std::size_t kTraceRequestsMax = 5'000'000;

/// Reads a CSV file of one of two forms, told by its header line:
/// - `TIMESTAMP,ContextTokens,GeneratedTokens`: Azure's public LLM traces (AzurePublicDataset, 2023
///   and 2024), times as `2023-11-16 18:15:46.6805900`;
/// - `t_s,tenant,input_tokens,output_tokens`: seconds, and who sent it.
/// Errors: io_error (cannot be read), request_too_large, invalid_request (naming line and column).
Result<ReplayTrace> read_trace(const std::string& file);
/// The same from memory; `name` is for errors.
Result<ReplayTrace> parse_trace(std::string_view text, const std::string& name);

struct ReplayTarget {
    std::int64_t rpm = 0, tpm = 0;
    double share = 0.85;  ///< of the limit that binds, as the mean over the whole trace
};

/// The trace with its requests multiplied (or thinned out) until its mean load is the target. The
/// time axis stays: bursts keep their length and their ratio to the mean. Copies of a request
/// follow it within kCopySpreadUs, so that a burst of one millisecond does not become the same
/// burst times ten. Errors: invalid_request (shorter than a minute; nothing or too much left).
Result<ReplayTrace> scale_trace(const ReplayTrace& trace, const ReplayTarget& target, Rng* rng);
inline constexpr std::int64_t kCopySpreadUs = 1'000'000;

}  // namespace tg
