#include "gateway/rate_limit_headers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000'000'000;
const UtcMicros kNow = from_civil({2026, 11, 25, 12, 0, 0});

RateLimitReport read(const std::vector<std::pair<std::string, std::string>>& headers) {
    RateLimitReport report;
    for (const auto& [name, value] : headers) read_rate_limit_header(name, value, kNow, &report);
    return report;
}

TEST(RateLimitHeaders, ReadsOpenAi) {
    const RateLimitReport report = read({{"x-ratelimit-limit-requests", "10000"},
                                         {"X-RateLimit-Remaining-Requests", "9999"},
                                         {"x-ratelimit-reset-requests", "6ms"},
                                         {"x-ratelimit-limit-tokens", "2000000"},
                                         {"x-ratelimit-remaining-tokens", "1999000"},
                                         {"x-ratelimit-reset-tokens", "6m0s"}});
    EXPECT_EQ(report.of(LimitMeter::requests), (MeterReport{10000, 9999, 6 * kMs}));
    EXPECT_EQ(report.of(LimitMeter::total_tokens), (MeterReport{2000000, 1999000, 360 * kSecond}));
    EXPECT_EQ(report.of(LimitMeter::input_tokens), MeterReport{});
}

TEST(RateLimitHeaders, ReadsAnthropic) {
    const RateLimitReport report =
        read({{"anthropic-ratelimit-requests-limit", "4000"},
              {"anthropic-ratelimit-requests-remaining", "3999"},
              {"anthropic-ratelimit-requests-reset", "2026-11-25T12:00:30Z"},
              {"Anthropic-RateLimit-Input-Tokens-Limit", "400000"},
              {"anthropic-ratelimit-input-tokens-remaining", "399000"},
              {"anthropic-ratelimit-input-tokens-reset", "2026-11-25T11:59:59Z"},
              {"anthropic-ratelimit-output-tokens-limit", "80000"}});
    EXPECT_EQ(report.of(LimitMeter::requests), (MeterReport{4000, 3999, 30 * kSecond}));
    EXPECT_EQ(report.of(LimitMeter::input_tokens), (MeterReport{400000, 399000, 0}));
    EXPECT_EQ(report.of(LimitMeter::output_tokens).limit, 80000);
}

TEST(RateLimitHeaders, AzureUnknownIsNotALimit) {
    const RateLimitReport report = read({{"x-ratelimit-limit-tokens", "-1"},
                                         {"x-ratelimit-remaining-tokens", "-1"},
                                         {"x-ratelimit-reset-tokens", "0"},
                                         {"x-ratelimit-limit-requests", "0"},
                                         {"x-ratelimit-reset-requests", "10"}});
    EXPECT_EQ(report.of(LimitMeter::total_tokens), (MeterReport{-1, -1, 0}));
    EXPECT_EQ(report.of(LimitMeter::requests), (MeterReport{-1, -1, 10 * kSecond}));
}

TEST(RateLimitHeaders, RetryAfterForms) {
    const std::vector<std::pair<std::string, std::int64_t>> cases = {
        {"2", 2 * kSecond},
        {" 1.5 ", 1500 * kMs},
        {"Wed, 25 Nov 2026 12:00:20 GMT", 20 * kSecond},
        {"Wednesday, 25-Nov-26 12:00:21 GMT", 21 * kSecond},
        {"Wed Nov 25 12:00:22 2026", 22 * kSecond},
        {"Wed, 25 Nov 2026 11:00:00 GMT", 0},
        {"9999999", kRetryAfterMaxNs},
        {"-1", -1},
        {"soon", -1},
        {"Wed, 31 Feb 2026 11:00:00 GMT", -1},
        {"", -1}};
    for (const auto& [text, ns] : cases)
        EXPECT_EQ(read({{"Retry-After", text}}).retry_after_ns, ns) << text;
}

TEST(RateLimitHeaders, MillisecondsWinOverSecondsInAnyOrder) {
    EXPECT_EQ(read({{"retry-after-ms", "120"}, {"retry-after", "1"}}).retry_after_ns, 120 * kMs);
    EXPECT_EQ(read({{"retry-after", "1"}, {"retry-after-ms", "120.5"}}).retry_after_ns,
              120'500'000);
    EXPECT_EQ(read({{"x-ms-retry-after-ms", "7"}}).retry_after_ns, 7 * kMs);
}

TEST(RateLimitHeaders, ShouldRetry) {
    EXPECT_EQ(read({{"x-should-retry", "false"}}).should_retry, false);
    EXPECT_EQ(read({{"X-Should-Retry", "true"}}).should_retry, true);
    EXPECT_EQ(read({{"x-should-retry", "maybe"}}).should_retry, std::nullopt);
}

TEST(RateLimitHeaders, Resets) {
    const std::vector<std::pair<std::string, std::int64_t>> cases = {
        {"6m0s", 360 * kSecond},
        {"1h2m3.5s", 3723 * kSecond + 500 * kMs},
        {"17ms", 17 * kMs},
        {"0s", 0},
        {"250us", 250'000},
        {"1.000000001s", kSecond + 1},
        {"12", 12 * kSecond},
        {"0.25", 250 * kMs},
        {"1795608010", 10 * kSecond},  // 2026-11-25T12:00:10Z
        {"1795608010500", 10'500 * kMs},
        {"2026-11-25T20:00:05+08:00", 5 * kSecond},
        {"2026-11-25T12:00:05.5Z", 5'500 * kMs},
        {"2020-01-01T00:00:00Z", 0}};
    for (const auto& [text, ns] : cases) EXPECT_EQ(parse_reset(text, kNow), ns) << text;
    for (const char* text : {"", "s", "5x", "1m1", "-5s", "99999999999999999999", "1h-",
                             "2026-11-25", "..", "9000000000h", "5 s"}) {
        EXPECT_EQ(parse_reset(text, kNow), std::nullopt) << text;
    }
}

TEST(RateLimitHeaders, NonsenseChangesNothing) {
    RateLimitReport report;
    for (const char* header :
         {"x-ratelimit-limit-pigeons", "x-ratelimit-limits-requests", "x-ratelimit-",
          "anthropic-ratelimit-", "anthropic-ratelimit-limit", "anthropic-ratelimit-requests-",
          "retry-afterwards", "content-length", "x-ratelimit-limit-"}) {
        EXPECT_FALSE(read_rate_limit_header(header, "5", kNow, &report)) << header;
    }
    for (const char* value : {"", "abc", "1e9", "0x10", "12 34", "99999999999999999999"}) {
        EXPECT_FALSE(read_rate_limit_header("x-ratelimit-limit-requests", value, kNow, &report));
    }
    EXPECT_EQ(report.meters, RateLimitReport{}.meters);
}

}  // namespace
}  // namespace tg
