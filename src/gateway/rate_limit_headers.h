#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace tg {

/// What a provider limits per minute. `total_tokens` is what OpenAI and Azure call "tokens": what
/// they count for a request before it runs, not what it used.
enum class LimitMeter : std::uint8_t { requests, total_tokens, input_tokens, output_tokens };
inline constexpr std::size_t kLimitMeters = 4;
std::string_view name(LimitMeter meter);

/// What an answer told about one meter. -1: not told, or told as nonsense.
struct MeterReport {
    std::int64_t limit = -1;      ///< per minute
    std::int64_t remaining = -1;  ///< at the moment this request was counted
    std::int64_t reset_ns = -1;   ///< from now until the meter is full again
    friend bool operator==(const MeterReport&, const MeterReport&) = default;
};

/// All that an answer's headers told about limits; durations are relative to the `now` of reading.
struct RateLimitReport {
    std::array<MeterReport, kLimitMeters> meters;
    std::int64_t retry_after_ns = -1;  ///< Retry-After and its variants; at most kRetryAfterMaxNs
    std::optional<bool> should_retry = {};  ///< x-should-retry, the server's last word
    bool is_retry_after_in_ms = false;      ///< the exact form was seen, the rounded one is ignored

    MeterReport& of(LimitMeter meter) { return meters[static_cast<std::size_t>(meter)]; }
    const MeterReport& of(LimitMeter meter) const {
        return meters[static_cast<std::size_t>(meter)];
    }
};

/// No answer stops an account for longer, whatever it says: a day.
inline constexpr std::int64_t kRetryAfterMaxNs = 86'400'000'000'000;
/// Larger limits are refused as nonsense; sums of a minute then never overflow.
inline constexpr std::int64_t kLimitMax = 1'000'000'000'000'000;

/// Reads one header of an answer into `report`; any name and any bytes are welcome, what is not a
/// rate limit header or not well-formed changes nothing. true when the header was used. Pure.
/// `utc_now` turns points in time into durations.
///
/// Families (names in any case):
/// - OpenAI, Azure OpenAI and most compatible servers:
///   x-ratelimit-{limit,remaining,reset}-{requests,tokens,input-tokens,output-tokens}. Reset is a
///   Go duration ("6m0s", "17ms") at OpenAI, whole seconds at Azure; Azure's Responses API tells -1
///   for "not known". Source: OpenAI, Rate limits guide, "Rate limits in headers"; Microsoft Q&A
///   5625878.
/// - x-ratelimit-{limit,remaining,reset} without a meter: requests; reset in epoch seconds or
///   milliseconds (OpenRouter, "Limits").
/// - anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset},
/// reset
///   in RFC 3339. Source: Anthropic, Rate limits, "Response headers".
/// - retry-after (seconds, or an HTTP date: RFC 9110 section 10.2.3), retry-after-ms,
///   x-ms-retry-after-ms, x-should-retry (both SDKs of OpenAI and Anthropic read them).
bool read_rate_limit_header(std::string_view name, std::string_view value, UtcMicros utc_now,
                            RateLimitReport* report);

/// "6m0s", "1h2m3.5s", "17ms", "1.5s", "250us", "0s": Go's time.Duration text without a sign.
/// nullopt when it is anything else or longer than 10 years.
std::optional<std::int64_t> parse_go_duration(std::string_view text);

/// A reset in any of the forms above as nanoseconds from `utc_now`; what is past is 0. A bare
/// number is epoch milliseconds from 10^12 on, epoch seconds from 10^9 on, else seconds from now.
std::optional<std::int64_t> parse_reset(std::string_view text, UtcMicros utc_now);

/// The three date forms that RFC 9110 section 5.6.7 obliges a recipient to read.
std::optional<UtcMicros> parse_http_date(std::string_view text);

}  // namespace tg
