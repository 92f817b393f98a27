#include "gateway/outlier_ejection.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000'000'000;

/// `failures` of 100 calls, each with its first byte after `first_byte_ms`.
void observe(OutlierEjection* pool, std::int64_t now, std::size_t member, int failures,
             std::int64_t first_byte_ms = 500) {
    for (int i = 0; i < 100; ++i) {
        pool->observe(now, member, i < failures ? CallVerdict::failure : CallVerdict::success,
                      first_byte_ms * kMs);
    }
}

TEST(OutlierEjection, TheOddOneOutGoes) {
    OutlierEjection pool({}, 4);
    EXPECT_FALSE(pool.is_ejected(0, 2));
    for (std::size_t i = 0; i < 4; ++i) observe(&pool, kSecond, i, i == 2 ? 30 : 1);
    EXPECT_TRUE(pool.is_ejected(10 * kSecond, 2));
    EXPECT_EQ(pool.reason(2), OutlierReason::failures);
    EXPECT_EQ(pool.ejected_until_ns(2), 40 * kSecond);
    for (const std::size_t i : {0, 1, 3}) EXPECT_FALSE(pool.is_ejected(10 * kSecond, i));
    EXPECT_FALSE(pool.is_ejected(40 * kSecond, 2));
}

TEST(OutlierEjection, WhatAllSufferEjectsNobody) {
    OutlierEjection pool({}, 3);
    pool.is_ejected(0, 0);
    for (std::size_t i = 0; i < 3; ++i) observe(&pool, kSecond, i, 60 + static_cast<int>(i) * 5);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_FALSE(pool.is_ejected(10 * kSecond, i));
}

TEST(OutlierEjection, MuchSlowerThanItsPeers) {
    OutlierEjection pool({}, 3);
    pool.is_ejected(0, 0);
    observe(&pool, kSecond, 0, 0, 400);
    observe(&pool, kSecond, 1, 0, 600);
    observe(&pool, kSecond, 2, 0, 3'000);
    EXPECT_TRUE(pool.is_ejected(10 * kSecond, 2));
    EXPECT_EQ(pool.reason(2), OutlierReason::latency);
}

TEST(OutlierEjection, FewCallsAreNotJudged) {
    OutlierEjection pool({}, 2);
    pool.is_ejected(0, 0);
    observe(&pool, kSecond, 0, 0);
    for (int i = 0; i < 19; ++i) pool.observe(kSecond, 1, CallVerdict::failure, std::nullopt);
    for (int i = 0; i < 50; ++i) pool.observe(kSecond, 1, CallVerdict::neutral, std::nullopt);
    EXPECT_FALSE(pool.is_ejected(10 * kSecond, 1));
}

TEST(OutlierEjection, AgainMeansLonger) {
    OutlierEjection pool({}, 2);
    std::int64_t now = 0;
    for (int round = 1; round <= 12; ++round) {
        pool.is_ejected(now, 1);  // begins an interval
        observe(&pool, now + kSecond, 0, 0);
        observe(&pool, now + kSecond, 1, 50);
        now += 10 * kSecond;
        ASSERT_TRUE(pool.is_ejected(now, 1)) << round;
        EXPECT_EQ(pool.ejected_until_ns(1) - now,
                  std::min<std::int64_t>(30 * round, 300) * kSecond);
        now = pool.ejected_until_ns(1);
    }
}

/// given pools of any size and members that fail at random rates / then never more than the stated
/// share is out, and a pool of one is never emptied.
TEST(OutlierEjection, NeverMoreThanTheStatedShare) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        Rng rng(seed);
        OutlierOptions options;
        options.ejected_share_max = static_cast<double>(rng.below(101)) / 100;
        options.failure_share_over_peers = 0.02;
        options.failure_times_peers = 1.1;
        const std::size_t members = 1 + rng.below(9);
        OutlierEjection pool(options, members);
        if (members == 1) EXPECT_LE(pool.ejected_max(), options.ejected_share_max >= 1 ? 1U : 0U);
        for (std::int64_t now = 0; now < 600 * kSecond; now += 5 * kSecond) {
            for (std::size_t i = 0; i < members; ++i)
                observe(&pool, now, i, static_cast<int>(rng.below(101)), 100 + rng.below(9'000));
            std::size_t out = 0;
            for (std::size_t i = 0; i < members; ++i) out += pool.is_ejected(now, i) ? 1 : 0;
            ASSERT_LE(static_cast<double>(out),
                      static_cast<double>(members) * options.ejected_share_max + 1e-6)
                << "seed " << seed;
        }
    }
}

}  // namespace
}  // namespace tg
