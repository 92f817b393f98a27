// The main path: take, correct, give back, refuse, come back.
#include "admission/admission.h"

#include <gtest/gtest.h>

#include <thread>

#include "admission/rate_headers.h"

namespace tg {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;
/// A window of 60 s ends with the granule in which it is full.
constexpr std::int64_t kWindowEnd = kMinute + 1'000;

class AdmissionTest : public testing::Test {
  protected:
    Decision reserve(std::vector<LevelHandle> levels, Amounts amounts, std::int64_t now_us,
                     std::int64_t max_wait_us = 0) {
        return core.reserve({.levels = levels,
                             .amounts = amounts,
                             .customer = 1,
                             .flow = 1,
                             .max_wait_us = max_wait_us},
                            now_us);
    }
    LevelHandle level(LevelKind kind, const Limits& limits) {
        return core.intern({kind, ++ids_}, limits);
    }
    std::int64_t used(LevelHandle at, LimitKind kind, std::int64_t now_us) {
        return core.used(at, kind, now_us);
    }
    AdmissionCore core;

  private:
    std::uint64_t ids_ = 0;
};

TEST_F(AdmissionTest, TakesAllLevelsOrNone) {
    const LevelHandle key = level(LevelKind::key, {.requests = 10});
    const LevelHandle customer = level(LevelKind::customer, {.total_tokens = 100});
    EXPECT_EQ(reserve({key, customer}, {1, 40, 20}, 0).verdict, Verdict::admitted);
    const Decision refused = reserve({key, customer}, {1, 40, 20}, 0);
    ASSERT_EQ(refused.verdict, Verdict::refused);
    EXPECT_EQ(refused.refusal.reason, RefusalReason::limit);
    EXPECT_EQ(refused.refusal.level.kind, LevelKind::customer);
    EXPECT_EQ(refused.refusal.kind, LimitKind::total_tokens);
    EXPECT_EQ(refused.refusal.limit, 100);
    EXPECT_EQ(refused.refusal.used, 60);
    EXPECT_EQ(used(key, LimitKind::requests, 0), 1) << "the key's part was not taken";
}

TEST_F(AdmissionTest, NoDoubleBurstAtAMinutesEdge) {
    const LevelHandle key = level(LevelKind::key, {.requests = 5});
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(reserve({key}, {}, 59 * kSecond).verdict, Verdict::admitted);
    const Decision refused = reserve({key}, {}, 61 * kSecond);
    ASSERT_EQ(refused.verdict, Verdict::refused);
    EXPECT_TRUE(refused.refusal.is_promised);
    EXPECT_EQ(refused.refusal.retry_after_us, 58 * kSecond + 1'000);
    EXPECT_EQ(reserve({key}, {}, 59 * kSecond + kMinute).verdict, Verdict::refused);
    EXPECT_EQ(reserve({key}, {}, 59 * kSecond + kWindowEnd).verdict, Verdict::admitted);
}

TEST_F(AdmissionTest, SettlingCorrectsTheWindowOfTheReservation) {
    const LevelHandle key = level(LevelKind::key, {.total_tokens = 1'000, .concurrency = 2});
    const Decision first = reserve({key}, {1, 100, 800}, 0);
    EXPECT_EQ(used(key, LimitKind::concurrency, 0), 1);
    core.settle(first.ticket, {1, 100, 50}, 30 * kSecond);
    EXPECT_EQ(used(key, LimitKind::total_tokens, 30 * kSecond), 150);
    EXPECT_EQ(used(key, LimitKind::output_tokens, 30 * kSecond), 50);
    EXPECT_EQ(used(key, LimitKind::concurrency, 30 * kSecond), 0);
    EXPECT_EQ(used(key, LimitKind::total_tokens, kMinute), 150);
    EXPECT_EQ(used(key, LimitKind::total_tokens, kWindowEnd), 0) << "counts from when it began";
}

TEST_F(AdmissionTest, MoreThanReservedIsADebt) {
    const LevelHandle key = level(LevelKind::key, {.total_tokens = 1'000});
    const Decision first = reserve({key}, {1, 100, 100}, 0);
    core.settle(first.ticket, {1, 100, 5'000}, kSecond);
    EXPECT_EQ(used(key, LimitKind::total_tokens, kSecond), 5'100);
    EXPECT_EQ(reserve({key}, {1, 1, 0}, 2 * kSecond).verdict, Verdict::refused);
}

TEST_F(AdmissionTest, ReleasedIsAsIfItHadNeverBeen) {
    const LevelHandle key = level(LevelKind::key, {.requests = 1, .concurrency = 1});
    const Decision first = reserve({key}, {1, 5, 5}, 0);
    core.release(first.ticket, kSecond);
    for (int k = 0; k < kLimitKindCount; ++k)
        EXPECT_EQ(used(key, static_cast<LimitKind>(k), kSecond), 0);
    EXPECT_EQ(reserve({key}, {}, kSecond).verdict, Verdict::admitted);
}

TEST_F(AdmissionTest, SettledAfterTheWindowOnlyTheSlotIsLeft) {
    const LevelHandle key = level(LevelKind::key, {.total_tokens = 100, .concurrency = 1});
    const Decision first = reserve({key}, {1, 10, 10}, 0);
    core.settle(first.ticket, {1, 10, 1'000}, 3 * kMinute);
    EXPECT_EQ(used(key, LimitKind::total_tokens, 3 * kMinute), 0);
    EXPECT_EQ(reserve({key}, {1, 50, 50}, 3 * kMinute).verdict, Verdict::admitted);
}

TEST_F(AdmissionTest, TooLargeIsToldSoAndHasNoTime) {
    const LevelHandle key = level(LevelKind::key, {.output_tokens = 100});
    const Decision refused = reserve({key}, {1, 0, 101}, 0, kMinute);
    ASSERT_EQ(refused.verdict, Verdict::refused);
    EXPECT_EQ(refused.refusal.reason, RefusalReason::too_large);
    EXPECT_EQ(refused.refusal.kind, LimitKind::output_tokens);
    EXPECT_EQ(refused.refusal.retry_after_us, 0);
    EXPECT_FALSE(refused.refusal.is_promised);
    const LevelHandle none = level(LevelKind::key, {.requests = 0});
    EXPECT_EQ(reserve({none}, {}, 0).refusal.reason, RefusalReason::too_large);
    const LevelHandle negative = level(LevelKind::key, {.concurrency = -1});
    EXPECT_EQ(reserve({negative}, {}, 0).refusal.reason, RefusalReason::too_large);
}

TEST_F(AdmissionTest, UnlimitedIsCountedAllTheSame) {
    const LevelHandle key = level(LevelKind::key, {});
    for (int i = 0; i < 1'000; ++i)
        ASSERT_EQ(reserve({key}, {1, std::numeric_limits<std::int64_t>::max(), 1}, 0).verdict,
                  Verdict::admitted);
    EXPECT_EQ(used(key, LimitKind::requests, 0), 1'000);
    EXPECT_EQ(used(key, LimitKind::input_tokens, 0), 1'000 * kAmountMax);
    core.set_limits(key, {.requests = 1'000}, kSecond);
    EXPECT_EQ(reserve({key}, {}, kSecond).verdict, Verdict::refused) << "what ran before counts";
}

TEST_F(AdmissionTest, EditedLimitsMeetTheRunningWindow) {
    const LevelHandle key = level(LevelKind::key, {.requests = 2});
    EXPECT_EQ(reserve({key}, {}, 0).verdict, Verdict::admitted);
    EXPECT_EQ(reserve({key}, {}, 0).verdict, Verdict::admitted);
    const Decision waiting = reserve({key}, {}, kSecond, 2 * kMinute);
    ASSERT_EQ(waiting.verdict, Verdict::queued);
    core.set_limits(key, {.requests = 3}, 2 * kSecond);
    std::vector<WaitOutcome> outcomes;
    EXPECT_TRUE(core.has_outcomes());
    core.poll(2 * kSecond, &outcomes);
    ASSERT_EQ(outcomes.size(), 1U);
    EXPECT_TRUE(outcomes[0].is_admitted);
    EXPECT_EQ(outcomes[0].waited_us, kSecond);
    core.set_limits(key, {.requests = 1}, 3 * kSecond);
    EXPECT_EQ(reserve({key}, {}, kWindowEnd).verdict, Verdict::refused) << "one is left of three";
}

TEST_F(AdmissionTest, TimeThatGoesBackStandsStill) {
    const LevelHandle key = level(LevelKind::key, {.requests = 1});
    EXPECT_EQ(reserve({key}, {}, 10 * kMinute).verdict, Verdict::admitted);
    EXPECT_EQ(reserve({key}, {}, 5 * kMinute).verdict, Verdict::refused);
    EXPECT_EQ(reserve({key}, {}, 10 * kMinute + kWindowEnd).verdict, Verdict::admitted);
}

TEST_F(AdmissionTest, RemainingFiguresAreThoseOfTheTightestLevel) {
    const LevelHandle key = level(LevelKind::key, {.requests = 100, .total_tokens = 10'000});
    const LevelHandle account = level(LevelKind::account, {.requests = 50, .input_tokens = 20'000});
    (void)reserve({key, account}, {1, 1'000, 500}, 0);
    const RateStatus status = core.rate_status(std::array{key, account}, 20 * kSecond);
    EXPECT_EQ(status.requests.limit, 50);
    EXPECT_EQ(status.requests.remaining, 49);
    EXPECT_EQ(status.tokens.limit, 10'000);
    EXPECT_EQ(status.tokens.remaining, 8'500);
    EXPECT_EQ(format_reset(status.requests.reset_us), "40.001s");
    const RateStatus later = core.rate_status(std::array{key, account}, 2 * kMinute);
    EXPECT_EQ(later.requests.remaining, 50);
    EXPECT_EQ(later.requests.reset_us, 0);
}

TEST_F(AdmissionTest, LevelsAreForgottenWhenIdle) {
    const LevelHandle key = core.intern({LevelKind::key, 99}, {.requests = 1});
    EXPECT_EQ(core.intern({LevelKind::key, 99}), key);
    const Decision first = reserve({key}, {}, 0);
    EXPECT_FALSE(core.forget(key, 0));
    core.settle(first.ticket, {}, kSecond);
    EXPECT_FALSE(core.forget(key, kSecond));
    EXPECT_TRUE(core.forget(key, 2 * kMinute));
    const LevelHandle again = core.intern({LevelKind::key, 100}, {.requests = 7});
    EXPECT_EQ(core.limits(again).requests, 7);
}

TEST_F(AdmissionTest, AppointmentsAreBoundedAndExpire) {
    const LevelHandle key = level(LevelKind::key, {.requests = 10});
    for (int i = 0; i < 10; ++i) (void)reserve({key}, {}, 0);
    int promised = 0;
    for (int i = 0; i < 10; ++i)
        if (reserve({key}, {}, kSecond).refusal.is_promised) ++promised;
    EXPECT_EQ(promised, 4) << "a client that only collects gets no more";
    EXPECT_EQ(core.counts().appointments, 4U);
    // Others keep out of what is promised, until nobody comes.
    const auto other = [&](std::int64_t now_us) {
        return core.reserve({.levels = std::array{key}, .customer = 2, .flow = 2}, now_us).verdict;
    };
    for (int i = 0; i < 6; ++i) EXPECT_EQ(other(kWindowEnd), Verdict::admitted);
    EXPECT_EQ(other(kWindowEnd), Verdict::refused);
    std::vector<WaitOutcome> none;
    core.poll(kWindowEnd + 5 * kSecond, &none);
    EXPECT_EQ(core.counts().appointments, 5U) << "within the grace";
    core.poll(kWindowEnd + 5 * kSecond + 1'000, &none);
    EXPECT_EQ(core.counts().appointments, 1U) << "but the one of the other flow";
    EXPECT_EQ(other(kWindowEnd + 5 * kSecond + 1'000), Verdict::admitted);
}

TEST_F(AdmissionTest, CancelKnowsAllStates) {
    const LevelHandle key = level(LevelKind::key, {.requests = 1, .concurrency = 1});
    const Decision first = reserve({key}, {}, 0);
    const Decision waiting = reserve({key}, {}, 0, 2 * kMinute);
    ASSERT_EQ(waiting.verdict, Verdict::queued);
    EXPECT_EQ(core.cancel(waiting.ticket, kSecond), AdmissionCore::Cancelled::waiting);
    EXPECT_EQ(core.waiting(key), 0U);
    const Decision again = reserve({key}, {}, 2 * kSecond, 2 * kMinute);
    core.release(first.ticket, 3 * kSecond);
    EXPECT_TRUE(core.has_outcomes());
    EXPECT_EQ(core.cancel(again.ticket, 3 * kSecond), AdmissionCore::Cancelled::admitted);
    EXPECT_FALSE(core.has_outcomes());
    EXPECT_EQ(core.cancel(again.ticket, 3 * kSecond), AdmissionCore::Cancelled::ended);
    EXPECT_EQ(used(key, LimitKind::concurrency, 3 * kSecond), 0);
}

using AdmissionDeathTest = AdmissionTest;

TEST_F(AdmissionDeathTest, SettlingTwiceIsABug) {
    const LevelHandle key = level(LevelKind::key, {});
    const Decision first = reserve({key}, {}, 0);
    core.settle(first.ticket, {}, 0);
    EXPECT_DEATH(core.settle(first.ticket, {}, 0), "is_alive");
    EXPECT_DEATH(core.release(first.ticket, 0), "is_alive");
}

TEST_F(AdmissionDeathTest, AWaiterIsNotSettled) {
    const LevelHandle key = level(LevelKind::key, {.requests = 1});
    (void)reserve({key}, {}, 0);
    const Decision waiting = reserve({key}, {}, 0, 2 * kMinute);
    ASSERT_EQ(waiting.verdict, Verdict::queued);
    EXPECT_DEATH(core.settle(waiting.ticket, {}, 0), "admitted");
}

TEST_F(AdmissionDeathTest, ALevelIsNamedOnce) {
    const LevelHandle key = level(LevelKind::key, {});
    EXPECT_DEATH((void)reserve({key, key}, {}, 0), "levels");
}

// given several threads on one Admission / when all take and give back / then nothing is lost
TEST(AdmissionLocked, ManyThreads) {
    Admission admission;
    const LevelHandle account = admission.intern({LevelKind::account, 1}, {.concurrency = 3});
    std::atomic<std::int64_t> now_us = 0;
    std::atomic<int> taken = 0;
    const auto work = [&](std::uint64_t customer) {
        for (int i = 0; i < 2'000; ++i) {
            const std::int64_t now = ++now_us;
            const Decision decision = admission.reserve(
                {.levels = std::array{account}, .customer = customer, .max_wait_us = 50}, now);
            if (decision.verdict == Verdict::admitted) {
                ++taken;
                admission.settle(decision.ticket, {}, now);
            }
            if (decision.verdict == Verdict::queued &&
                admission.cancel(decision.ticket, now) == AdmissionCore::Cancelled::admitted)
                ++taken;
        }
    };
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) threads.emplace_back(work, t);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(admission.used(account, LimitKind::concurrency, now_us), 0);
    EXPECT_EQ(admission.waiting(account), 0U);
    EXPECT_EQ(admission.counts().admitted, static_cast<std::uint64_t>(taken.load()));
}

}  // namespace
}  // namespace tg
