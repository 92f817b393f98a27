#include "admission/rate_headers.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

TEST(RateHeaders, ResetIsWrittenAsOpenAiDoes) {
    const struct {
        std::int64_t micros;
        const char* text;
    } kCases[] = {
        {0, "0s"},
        {-5, "0s"},
        {1, "1ms"},
        {17'000, "17ms"},
        {17'001, "18ms"},
        {999'000, "999ms"},
        {999'001, "1s"},
        {1'000'000, "1s"},
        {8'640'000, "8.64s"},
        {8'005'000, "8.005s"},
        {10'100'000, "10.1s"},
        {59'999'000, "59.999s"},
        {60'000'000, "1m0s"},
        {360'000'000, "6m0s"},
        {432'000'000, "7m12s"},
        {90'500'000, "1m30.5s"},
        {3'600'000'000, "1h0m0s"},
        {3'661'000'000, "1h1m1s"},
        {90'000'000'000, "25h0m0s"},
    };
    for (const auto& c : kCases) EXPECT_EQ(format_reset(c.micros), c.text) << c.micros;
}

TEST(RateHeaders, RetryAfterIsNeverTooEarly) {
    EXPECT_EQ(retry_after_seconds(0), 1);
    EXPECT_EQ(retry_after_seconds(1'000'000), 1);
    EXPECT_EQ(retry_after_seconds(1'000'001), 2);
    EXPECT_EQ(retry_after_seconds(59'999'999), 60);
}

TEST(RateHeaders, UnlimitedKindsAreNotSent) {
    const auto headers = rate_headers({.requests = {500, 499, 120'000}, .tokens = {}});
    EXPECT_EQ(headers[0].name, "x-ratelimit-limit-requests");
    EXPECT_EQ(headers[0].value, "500");
    EXPECT_EQ(headers[1].value, "499");
    EXPECT_EQ(headers[2].value, "120ms");
    for (std::size_t i = 3; i < headers.size(); ++i) EXPECT_EQ(headers[i].value, "");
}

}  // namespace
}  // namespace tg
