#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "admission/admission_types.h"

namespace tg {

/// A span of time as OpenAI writes it in x-ratelimit-reset-*: "17ms", "1s", "8.64s", "6m0s",
/// "1h0m0s". Rounded up to whole milliseconds, so that it is never too early; "0s" for none.
/// Source: OpenAI, "Rate limits", headers table (reset "1s", "6m0s"), and replies seen ("17ms").
std::string format_reset(std::int64_t micros);

/// Whole seconds for Retry-After (RFC 9110, 10.2.3), rounded up, at least 1.
std::int64_t retry_after_seconds(std::int64_t micros);

struct RateHeader {
    std::string_view name;
    std::string value;  ///< empty: not sent
};

/// x-ratelimit-{limit,remaining,reset}-{requests,tokens}. A kind without limit has empty values:
/// OpenAI has no word for "unlimited", and clients parse integers.
std::array<RateHeader, 6> rate_headers(const RateStatus& status);

}  // namespace tg
