#include "gateway/health_schedule.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

struct Fixture {
    Rng rng{3};
    HealthSchedule health{{}, &rng, 0};
    std::int64_t now = 0;
    void probe(bool is_ok) {
        now = health.next_due_ns();
        ASSERT_TRUE(health.begin_probe(now));
        health.on_result(now, is_ok);
    }
};

TEST(HealthSchedule, ProbesAtItsInterval) {
    Fixture f;
    EXPECT_LE(f.health.next_due_ns(), 30 * kSecond);
    f.probe(true);
    EXPECT_GE(f.health.next_due_ns() - f.now, 27 * kSecond);
    EXPECT_LE(f.health.next_due_ns() - f.now, 30 * kSecond);
    EXPECT_FALSE(f.health.begin_probe(f.health.next_due_ns() - 1));
}

TEST(HealthSchedule, UnhealthyAfterThreeAndHealthyAfterTwo) {
    Fixture f;
    f.probe(false);
    f.probe(false);
    EXPECT_TRUE(f.health.is_healthy());
    f.probe(false);
    EXPECT_FALSE(f.health.is_healthy());
    f.probe(true);
    EXPECT_FALSE(f.health.is_healthy());
    EXPECT_LE(f.health.next_due_ns() - f.now, 2 * kSecond);
    f.probe(true);
    EXPECT_TRUE(f.health.is_healthy());
}

TEST(HealthSchedule, FailuresAreRetriedSoonThenLessOften) {
    Fixture f;
    std::int64_t wait = 2 * kSecond;
    for (int i = 0; i < 10; ++i) {
        f.probe(false);
        EXPECT_LE(f.health.next_due_ns() - f.now, wait);
        EXPECT_GE(f.health.next_due_ns() - f.now, wait * 9 / 10);
        wait = std::min(wait * 2, 60 * kSecond);
    }
}

TEST(HealthSchedule, AProbeWithoutResultIsAFailure) {
    Fixture f;
    for (int i = 0; i < 3; ++i) {
        f.now = f.health.next_due_ns();
        ASSERT_TRUE(f.health.begin_probe(f.now));
        EXPECT_EQ(f.health.next_due_ns(), f.now + 10 * kSecond);
        EXPECT_FALSE(f.health.begin_probe(f.now + 10 * kSecond));
        f.health.on_result(f.now + 11 * kSecond, true);  // too late
    }
    EXPECT_FALSE(f.health.is_healthy());
}

TEST(HealthSchedule, TrafficStandsInForProbes) {
    Fixture f;
    for (int i = 0; i < 100; ++i) {
        f.now += 5 * kSecond;
        f.health.on_traffic(f.now, CallVerdict::success);
        EXPECT_GT(f.health.next_due_ns(), f.now + 20 * kSecond);
    }
    f.health.on_traffic(f.now, CallVerdict::failure);
    EXPECT_TRUE(f.health.is_healthy());
}

}  // namespace
}  // namespace tg
