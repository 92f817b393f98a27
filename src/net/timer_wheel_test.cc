#include "net/timer_wheel.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace tg {
namespace {

constexpr std::int64_t kTick = std::int64_t{1} << TimerWheel::kTickShift;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 12'345 * kSecond;

struct TestTimer final : Timer {
    void on_timer() override {
        ++fired;
        if (action) action();
    }
    int fired = 0;
    std::function<void()> action;
};

/// Sleeps as the loop does: to the moment the wheel asks for, at most `limit`; returns when the
/// timer fired, or -1.
std::int64_t run_until_fired(TimerWheel* wheel, const TestTimer& timer, std::int64_t now,
                             std::int64_t limit) {
    while (now < limit) {
        const std::int64_t wait = wheel->ns_to_next(now);
        if (wait < 0) return -1;
        now += std::max<std::int64_t>(wait, 1);
        wheel->advance(now);
        if (timer.fired > 0) return now;
    }
    return -1;
}

TEST(TimerWheel, FiresInTheFirstTickAtOrAfterTheDeadline) {
    for (const std::int64_t after :
         {std::int64_t{1}, kTick - 1, kTick, kTick + 1, 50'000'000L, 16 * kSecond, 17 * kSecond,
          18 * kSecond, 75 * kSecond, 3600 * kSecond, 86'400 * kSecond}) {
        TimerWheel wheel(kStart);
        TestTimer timer;
        wheel.arm(&timer, kStart + after);
        const std::int64_t fired = run_until_fired(&wheel, timer, kStart, kStart + after + kSecond);
        EXPECT_GE(fired, kStart + after) << after;
        EXPECT_LE(fired, kStart + after + 2 * kTick) << after;
        EXPECT_EQ(timer.fired, 1);
        EXPECT_FALSE(timer.is_armed());
        EXPECT_EQ(wheel.ns_to_next(fired), -1);
    }
}

TEST(TimerWheel, PastDeadlineFiresWithTheNextTick) {
    for (const std::int64_t deadline :
         {kStart - kSecond, std::int64_t{0}, std::int64_t{-1}, INT64_MIN}) {
        TimerWheel wheel(kStart);
        TestTimer timer;
        wheel.arm(&timer, deadline);
        wheel.advance(kStart);
        EXPECT_EQ(timer.fired, 0);
        EXPECT_LE(wheel.ns_to_next(kStart), kTick);
        wheel.advance(kStart + kTick);
        EXPECT_EQ(timer.fired, 1) << deadline;
    }
}

TEST(TimerWheel, NeverLosesAFarTimerBehindACancelledNearOne) {
    // given a timer beyond one round of the wheel and a nearer one, when the nearer is cancelled,
    // then the wheel still asks to be woken for the far one
    TimerWheel wheel(kStart);
    TestTimer near, far;
    wheel.arm(&far, kStart + 75 * kSecond);
    wheel.arm(&near, kStart + 16 * kSecond);
    TimerWheel::cancel(&near);
    const std::int64_t fired = run_until_fired(&wheel, far, kStart, kStart + 80 * kSecond);
    EXPECT_GE(fired, kStart + 75 * kSecond);
    EXPECT_LE(fired, kStart + 75 * kSecond + 2 * kTick);
    EXPECT_EQ(near.fired, 0);
}

TEST(TimerWheel, DeadlineAtTheEndOfTimeIsHarmless) {
    TimerWheel wheel(kStart);
    TestTimer never, half, soon;
    wheel.arm(&never, INT64_MAX);
    wheel.arm(&half, INT64_MAX / 2);
    wheel.arm(&soon, kStart + kSecond);
    const std::int64_t fired = run_until_fired(&wheel, soon, kStart, kStart + 2 * kSecond);
    EXPECT_GE(fired, kStart + kSecond);
    for (std::int64_t now = fired; now < fired + 600 * kSecond; now += 7 * kSecond) {
        EXPECT_GE(wheel.ns_to_next(now), 0);
        wheel.advance(now);
    }
    EXPECT_EQ(never.fired, 0);
    EXPECT_EQ(half.fired, 0);
    EXPECT_TRUE(never.is_armed());
}

TEST(TimerWheel, RearmingMovesAndCancelStops) {
    TimerWheel wheel(kStart);
    TestTimer timer;
    wheel.arm(&timer, kStart + kSecond);
    wheel.arm(&timer, kStart + 3 * kSecond);
    wheel.advance(kStart + 2 * kSecond);
    EXPECT_EQ(timer.fired, 0);
    wheel.arm(&timer, kStart + 2 * kSecond + 1);
    wheel.advance(kStart + 2 * kSecond + 2 * kTick);
    EXPECT_EQ(timer.fired, 1);
    wheel.arm(&timer, kStart + 4 * kSecond);
    TimerWheel::cancel(&timer);
    TimerWheel::cancel(&timer);
    wheel.advance(kStart + 10 * kSecond);
    EXPECT_EQ(timer.fired, 1);
    EXPECT_EQ(wheel.ns_to_next(kStart + 10 * kSecond), -1);
}

TEST(TimerWheel, DestroyedTimerIsForgotten) {
    TimerWheel wheel(kStart);
    TestTimer other;
    {
        TestTimer gone;
        wheel.arm(&gone, kStart + kSecond);
        wheel.arm(&other, kStart + kSecond);
    }
    wheel.advance(kStart + 2 * kSecond);
    EXPECT_EQ(other.fired, 1);
}

TEST(TimerWheel, FiresInOrderOfArmingWithinATick) {
    TimerWheel wheel(kStart);
    std::vector<int> order;
    std::vector<std::unique_ptr<TestTimer>> timers;
    for (int i = 0; i < 5; ++i) {
        timers.push_back(std::make_unique<TestTimer>());
        timers.back()->action = [&order, i] { order.push_back(i); };
        wheel.arm(timers.back().get(), kStart + kSecond);
    }
    wheel.advance(kStart + 2 * kSecond);
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(TimerWheel, CallbacksMayArmCancelAndDestroyAnyTimer) {
    TimerWheel wheel(kStart);
    TestTimer again, canceller, victim;
    auto doomed = std::make_unique<TestTimer>();
    again.action = [&] {
        if (again.fired < 3) wheel.arm(&again, 0);  // into the very next tick, never the same pass
    };
    canceller.action = [&] {
        TimerWheel::cancel(&victim);
        doomed.reset();
    };
    wheel.arm(&again, kStart + kSecond);
    wheel.arm(&canceller, kStart + kSecond);
    wheel.arm(&victim, kStart + kSecond);
    wheel.arm(doomed.get(), kStart + kSecond);
    std::int64_t now = kStart + 2 * kSecond;
    wheel.advance(now);
    EXPECT_EQ(again.fired, 1);
    EXPECT_EQ(canceller.fired, 1);
    EXPECT_EQ(victim.fired, 0);
    wheel.advance(now += kTick);
    EXPECT_EQ(again.fired, 2);
    wheel.advance(now += kTick);
    wheel.advance(now + kTick);
    EXPECT_EQ(again.fired, 3);
}

TEST(TimerWheel, LongSleepFiresAllThatIsDueAndNothingElse) {
    TimerWheel wheel(kStart);
    TestTimer early, late, later;
    wheel.arm(&early, kStart + kSecond);
    wheel.arm(&late, kStart + 99 * kSecond);
    wheel.arm(&later, kStart + 200 * kSecond);
    wheel.advance(kStart + 100 * kSecond);
    EXPECT_EQ(early.fired, 1);
    EXPECT_EQ(late.fired, 1);
    EXPECT_EQ(later.fired, 0);
    EXPECT_GT(wheel.ns_to_next(kStart + 100 * kSecond), 0);
}

TEST(TimerWheel, TimeThatDoesNotMoveFiresNothing) {
    TimerWheel wheel(kStart);
    TestTimer timer;
    wheel.arm(&timer, kStart + kTick);
    wheel.advance(kStart);
    wheel.advance(kStart - kSecond);
    EXPECT_EQ(timer.fired, 0);
    wheel.advance(kStart + 2 * kTick);
    EXPECT_EQ(timer.fired, 1);
}

/// Against a model: a random campaign of arming, cancelling and sleeping as the loop does.
TEST(TimerWheel, AgreesWithAModelUnderRandomUse) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        std::mt19937_64 random(seed);
        TimerWheel wheel(kStart);
        std::vector<std::unique_ptr<TestTimer>> timers;
        std::vector<std::int64_t> due(40, -1);
        for (std::size_t i = 0; i < due.size(); ++i)
            timers.push_back(std::make_unique<TestTimer>());
        std::int64_t now = kStart;
        for (int step = 0; step < 2000; ++step) {
            const std::size_t i = random() % due.size();
            switch (random() % 4) {
                case 0:
                    due[i] = now + static_cast<std::int64_t>(random() % (40 * kSecond));
                    wheel.arm(timers[i].get(), due[i]);
                    break;
                case 1:
                    due[i] = -1;
                    TimerWheel::cancel(timers[i].get());
                    break;
                default: {
                    const std::int64_t wait = wheel.ns_to_next(now);
                    const bool has_any =
                        std::any_of(due.begin(), due.end(), [](auto d) { return d >= 0; });
                    ASSERT_EQ(wait >= 0, has_any) << "seed " << seed << " step " << step;
                    if (wait >= 0 && random() % 2 == 0)
                        now += wait;
                    else
                        now += static_cast<std::int64_t>(random() % kSecond);
                    wheel.advance(now);
                }
            }
            for (std::size_t k = 0; k < due.size(); ++k) {
                if (timers[k]->fired > 0) {
                    ASSERT_GE(due[k], 0) << "seed " << seed;
                    ASSERT_LE(due[k], now) << "seed " << seed;
                    due[k] = -1;
                    timers[k]->fired = 0;
                }
                ASSERT_TRUE(due[k] < 0 || due[k] + 2 * kTick > now)
                    << "late; seed " << seed << " step " << step;
            }
        }
    }
}

}  // namespace
}  // namespace tg
