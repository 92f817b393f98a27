#include "gateway/circuit_breaker.h"

#include <gtest/gtest.h>

#include <vector>

namespace tg {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

struct Fixture {
    explicit Fixture(BreakerOptions options = {}) : breaker(options, &rng) {}
    Rng rng{7};
    CircuitBreaker breaker;
    std::int64_t now = 0;

    bool call(CallVerdict verdict) {
        const auto pass = breaker.begin(now);
        if (pass) breaker.end(now, *pass, verdict);
        return pass.has_value();
    }
    void fail_until_open() {
        while (breaker.state(now) != BreakerState::open) call(CallVerdict::failure);
    }
};

TEST(CircuitBreaker, VerdictTable) {
    struct Case {
        CallEnd end;
        CallVerdict verdict;
    };
    const std::vector<Case> cases = {
        {{.status = 200, .error = {}}, CallVerdict::success},
        {{.status = 400, .error = {}}, CallVerdict::success},
        {{.status = 401, .error = {}}, CallVerdict::success},
        {{.status = 404, .error = {}}, CallVerdict::success},
        {{.status = 408, .error = {}}, CallVerdict::success},
        {{.status = 429, .error = {}}, CallVerdict::neutral},
        {{.status = 500, .error = {}}, CallVerdict::failure},
        {{.status = 529, .error = {}}, CallVerdict::failure},
        {{.status = 0, .error = ErrorCode::upstream_unreachable}, CallVerdict::failure},
        {{.status = 0, .error = ErrorCode::upstream_timeout}, CallVerdict::failure},
        {{.status = 200, .error = ErrorCode::upstream_broken}, CallVerdict::failure},
        {{.status = 200, .error = ErrorCode::cancelled}, CallVerdict::neutral},
        {{.status = 0, .error = ErrorCode::shutting_down}, CallVerdict::neutral},
        {{.status = 0, .error = {}}, CallVerdict::neutral},
    };
    for (const Case& each : cases) EXPECT_EQ(verdict_of(each.end), each.verdict) << each.end.status;
}

TEST(CircuitBreaker, OpensAfterFailuresInARow) {
    Fixture f;
    for (int i = 0; i < 4; ++i) f.call(CallVerdict::failure);
    f.call(CallVerdict::success);
    for (int i = 0; i < 4; ++i) f.call(CallVerdict::failure);
    EXPECT_EQ(f.breaker.state(f.now), BreakerState::closed);
    f.call(CallVerdict::failure);
    EXPECT_EQ(f.breaker.state(f.now), BreakerState::open);
    EXPECT_FALSE(f.call(CallVerdict::success));
    EXPECT_GE(f.breaker.open_until_ns(), 5 * kSecond);
    EXPECT_LE(f.breaker.open_until_ns(), 6 * kSecond);
}

TEST(CircuitBreaker, OpensAtTheFailureShareOfTheWindow) {
    Fixture f;
    for (int i = 0; i < 19; ++i) f.call(i % 2 == 0 ? CallVerdict::failure : CallVerdict::success);
    EXPECT_EQ(f.breaker.state(f.now), BreakerState::closed);
    f.call(CallVerdict::failure);
    EXPECT_EQ(f.breaker.state(f.now), BreakerState::open);
}

TEST(CircuitBreaker, OldCallsLeaveTheWindow) {
    Fixture f;
    for (int i = 0; i < 19; ++i) f.call(i % 2 == 0 ? CallVerdict::failure : CallVerdict::success);
    f.now += 31 * kSecond;
    f.call(CallVerdict::failure);
    EXPECT_EQ(f.breaker.state(f.now), BreakerState::closed);
}

TEST(CircuitBreaker, RefusalsAndCancelledCallsNeverOpenIt) {
    Fixture f;
    for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(f.call(CallVerdict::neutral));
    EXPECT_EQ(f.breaker.state(f.now), BreakerState::closed);
}

TEST(CircuitBreaker, HalfOpenLetsFewProbesThrough) {
    Fixture f;
    f.fail_until_open();
    f.now = f.breaker.open_until_ns() - 1;
    EXPECT_FALSE(f.breaker.allows(f.now));
    f.now += 1;
    const auto a = f.breaker.begin(f.now), b = f.breaker.begin(f.now);
    ASSERT_TRUE(a && b && a->is_probe);
    EXPECT_FALSE(f.breaker.begin(f.now));
    f.breaker.end(f.now, *a, CallVerdict::success);
    f.breaker.end(f.now, *b, CallVerdict::success);
    EXPECT_EQ(f.breaker.state(f.now), BreakerState::half_open);
    EXPECT_TRUE(f.call(CallVerdict::success));
    EXPECT_EQ(f.breaker.state(f.now), BreakerState::closed);
}

TEST(CircuitBreaker, AFailedProbeOpensItForTwiceAsLong) {
    Fixture f;
    f.fail_until_open();
    std::int64_t expected = 5 * kSecond;
    for (int i = 0; i < 7; ++i) {
        f.now = f.breaker.open_until_ns();
        ASSERT_TRUE(f.call(CallVerdict::failure));
        expected = std::min(expected * 2, 120 * kSecond);
        EXPECT_GE(f.breaker.open_until_ns() - f.now, expected);
        EXPECT_LE(f.breaker.open_until_ns() - f.now, expected * 12 / 10);
    }
    EXPECT_EQ(f.breaker.times_opened(), 8U);
    // Long closed, it starts from the beginning.
    f.now = f.breaker.open_until_ns();
    for (int i = 0; i < 3; ++i) f.call(CallVerdict::success);
    f.now += 301 * kSecond;
    f.fail_until_open();
    EXPECT_LE(f.breaker.open_until_ns() - f.now, 6 * kSecond);
}

TEST(CircuitBreaker, WhatBeganBeforeItOpenedSaysNothing) {
    Fixture f;
    const auto early = f.breaker.begin(f.now);
    f.fail_until_open();
    f.now = f.breaker.open_until_ns();
    EXPECT_EQ(f.breaker.state(f.now), BreakerState::half_open);
    f.breaker.end(f.now, *early, CallVerdict::failure);
    EXPECT_EQ(f.breaker.state(f.now), BreakerState::half_open);
    EXPECT_EQ(f.breaker.times_opened(), 1U);
}

TEST(CircuitBreaker, LostProbesAreReplaced) {
    Fixture f;
    f.fail_until_open();
    f.now = f.breaker.open_until_ns();
    ASSERT_TRUE(f.breaker.begin(f.now) && f.breaker.begin(f.now));
    EXPECT_FALSE(f.breaker.allows(f.now + 59 * kSecond));
    f.now += 60 * kSecond;
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(f.call(CallVerdict::success));
    EXPECT_EQ(f.breaker.state(f.now), BreakerState::closed);
}

TEST(CircuitBreaker, ANeutralProbeGivesItsPlaceBack) {
    Fixture f;
    f.fail_until_open();
    f.now = f.breaker.open_until_ns();
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(f.call(CallVerdict::neutral));
    EXPECT_EQ(f.breaker.state(f.now), BreakerState::half_open);
}

}  // namespace
}  // namespace tg
