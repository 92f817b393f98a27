#include "gateway/latency_estimate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000'000'000;

TEST(LatencyEstimate, JumpsUpAtOnceAndFadesDown) {
    LatencyEstimate latency;
    EXPECT_DOUBLE_EQ(latency.peak_ns(0), 1e9);
    std::int64_t now = 0;
    for (int i = 0; i < 200; ++i) latency.on_first_byte(now += kSecond / 10, 400 * kMs);
    EXPECT_NEAR(latency.peak_ns(now), 400e6, 1e6);
    latency.on_first_byte(now, 5 * kSecond);
    EXPECT_NEAR(latency.peak_ns(now), 5e9, 1e6);
    EXPECT_LT(latency.mean_ns(now), 500e6);
    const double after = latency.peak_ns(now + 10 * kSecond);
    EXPECT_NEAR(after, 446e6 + (5e9 - 446e6) / std::exp(1.0), 20e6);
    EXPECT_NEAR(latency.peak_ns(now + 100 * kSecond), latency.mean_ns(now + 100 * kSecond), 1e6);
}

TEST(LatencyEstimate, IdleLongEnoughItIsTriedAgain) {
    LatencyEstimate latency;
    latency.on_first_byte(0, 8 * kSecond);
    EXPECT_GT(latency.peak_ns(120 * kSecond), 7e9);
    EXPECT_LT(latency.peak_ns(7'200 * kSecond), 0.1e9);
}

TEST(LatencyEstimate, LoadCountsCallsUnderWay) {
    LatencyEstimate latency;
    latency.on_first_byte(0, kSecond);
    EXPECT_DOUBLE_EQ(latency.load_ns(0), 1e9);
    latency.on_start();
    latency.on_start();
    EXPECT_DOUBLE_EQ(latency.load_ns(0), 3e9);
    latency.on_end();
    latency.on_end();
    latency.on_end();
    EXPECT_EQ(latency.in_flight(), 0);
}

/// given latencies of a heavy tail / then quantiles agree with the sorted list within a bin's
/// width.
TEST(LatencyEstimate, QuantilesAgreeWithASortedList) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        Rng rng(seed);
        LatencyEstimate latency;
        std::vector<std::int64_t> all;
        for (int i = 0; i < 2'000; ++i) {
            const double u = (static_cast<double>(rng.below(1'000'000)) + 1) / 1'000'001;
            all.push_back(static_cast<std::int64_t>(0.4e9 * std::pow(u, -0.7)));
            latency.on_first_byte(kSecond + i, all.back());
        }
        std::ranges::sort(all);
        for (const double share : {0.5, 0.9, 0.95, 0.99}) {
            const double exact = static_cast<double>(all[static_cast<std::size_t>(share * 2'000)]);
            const auto got = latency.quantile_ns(kSecond, share);
            ASSERT_TRUE(got);
            EXPECT_NEAR(static_cast<double>(*got), exact, exact * 0.1) << seed << " " << share;
        }
    }
}

TEST(LatencyEstimate, QuantilesForget) {
    LatencyEstimate latency;
    EXPECT_EQ(latency.quantile_ns(0, 0.95), std::nullopt);
    for (int i = 0; i < 100; ++i) latency.on_first_byte(kSecond, 10 * kSecond);
    // Many half-lives later, through several rescalings.
    std::int64_t now = kSecond;
    for (int i = 0; i < 100; ++i) latency.on_first_byte(now += 120 * kSecond, 100 * kMs);
    EXPECT_EQ(latency.quantile_ns(now, 0.5), std::nullopt);  // too few that still count
    for (int i = 0; i < 200; ++i) latency.on_first_byte(now += kSecond, 100 * kMs);
    EXPECT_LT(*latency.quantile_ns(now, 0.99), 120 * kMs);
    EXPECT_EQ(latency.quantile_ns(now + 3'600 * kSecond, 0.95), std::nullopt);
}

}  // namespace
}  // namespace tg
