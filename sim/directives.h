#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tg::sim {

/// What one request asks the simulator to do to it. A number that was not given is kUnset.
struct Directives {
    static constexpr std::int64_t kUnset = -1;

    std::int64_t status = kUnset;
    std::int64_t retry_after = kUnset;
    std::int64_t retry_after_ms = kUnset;
    std::int64_t first_byte_ms = kUnset;
    std::int64_t token_interval_us = kUnset;
    std::int64_t stall_after = kUnset;
    std::int64_t cut_after = kUnset;
    std::int64_t malformed_after = kUnset;
    std::int64_t error_after = kUnset;
    std::int64_t wrong_usage = kUnset;
    std::int64_t no_usage = kUnset;
    std::int64_t usage_in_last_choice = kUnset;
    std::int64_t no_done = kUnset;
    std::int64_t input_tokens = kUnset;
    std::int64_t output_tokens = kUnset;
    std::int64_t cached = kUnset;
    std::int64_t cache_write = kUnset;
    std::int64_t cache_write_long = kUnset;
    std::int64_t reasoning = kUnset;
    std::int64_t accepted = kUnset;
    std::int64_t rejected = kUnset;
    std::int64_t audio_in = kUnset;
    std::int64_t audio_out = kUnset;
    std::int64_t burst = kUnset;
    std::int64_t chunk_bytes = kUnset;
    std::int64_t tokens_per_event = kUnset;
    std::int64_t big_event = kUnset;
    std::int64_t close = kUnset;
    std::string service_tier, finish_reason, code, cut_by;

    /// Reads "key=value;key=value" (blanks separate as well). Errors: invalid_request naming the
    /// key and what is allowed.
    Status read(std::string_view text);
    /// Applies every "[[sim key=value ...]]" found in `body`, in order. Errors as read().
    Status read_marked(std::string_view body);

    static bool is_set(std::int64_t value) { return value != kUnset; }
    static std::int64_t either(std::int64_t value, std::int64_t fallback) {
        return value == kUnset ? fallback : value;
    }
};

}  // namespace tg::sim
