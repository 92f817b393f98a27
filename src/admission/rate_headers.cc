#include "admission/rate_headers.h"

namespace tg {
namespace {

constexpr std::int64_t kMicrosPerMilli = 1'000;
constexpr std::int64_t kMillisPerSecond = 1'000;
constexpr std::int64_t kMillisPerMinute = 60 * kMillisPerSecond;
constexpr std::int64_t kMillisPerHour = 60 * kMillisPerMinute;

/// 8640 -> "8.64s", 7000 -> "7s": as Go prints a duration, which is what OpenAI's headers show.
std::string seconds_text(std::int64_t millis) {
    std::string text = std::to_string(millis / kMillisPerSecond);
    if (const std::int64_t rest = millis % kMillisPerSecond; rest != 0) {
        const std::string digits = std::to_string(kMillisPerSecond + rest);
        text += "." + digits.substr(1, digits.find_last_not_of('0'));
    }
    return text + "s";
}

}  // namespace

std::string format_reset(std::int64_t micros) {
    if (micros <= 0) return "0s";
    const std::int64_t millis = (micros - 1) / kMicrosPerMilli + 1;
    if (millis < kMillisPerSecond) return std::to_string(millis) + "ms";
    std::string text;
    if (millis >= kMillisPerHour) text += std::to_string(millis / kMillisPerHour) + "h";
    if (millis >= kMillisPerMinute)
        text += std::to_string(millis % kMillisPerHour / kMillisPerMinute) + "m";
    return text + seconds_text(millis % kMillisPerMinute);
}

std::int64_t retry_after_seconds(std::int64_t micros) {
    constexpr std::int64_t kMicrosPerSecond = kMicrosPerMilli * kMillisPerSecond;
    return micros <= kMicrosPerSecond ? 1 : (micros - 1) / kMicrosPerSecond + 1;
}

std::array<RateHeader, 6> rate_headers(const RateStatus& status) {
    std::array<RateHeader, 6> headers{{{"x-ratelimit-limit-requests", {}},
                                       {"x-ratelimit-remaining-requests", {}},
                                       {"x-ratelimit-reset-requests", {}},
                                       {"x-ratelimit-limit-tokens", {}},
                                       {"x-ratelimit-remaining-tokens", {}},
                                       {"x-ratelimit-reset-tokens", {}}}};
    const auto fill = [&headers](std::size_t first, const LimitStatus& of) {
        if (of.limit == kUnlimited) return;
        headers[first].value = std::to_string(of.limit);
        headers[first + 1].value = std::to_string(of.remaining);
        headers[first + 2].value = format_reset(of.reset_us);
    };
    fill(0, status.requests);
    fill(3, status.tokens);
    return headers;
}

}  // namespace tg
