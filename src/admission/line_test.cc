// The line: order, what blocks whom, when waiters hear.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "admission/test_simulation.h"

namespace tg {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;

class LineTest : public testing::Test {
  protected:
    struct Sent {
        std::uint64_t customer = 1;
        std::uint64_t flow = 1;
        Amounts amounts{1, 1, 0};
        PriorityClass priority = PriorityClass::standard;
        std::int64_t max_wait_us = 10 * kMinute;
        std::uint32_t customer_weight = 1;
    };
    /// Sends now; what becomes of it is written to `log` as "name+" or "name-".
    Decision send(const std::string& name, std::vector<LevelHandle> levels, const Sent& sent) {
        return world.send({.levels = levels,
                           .amounts = sent.amounts,
                           .priority = sent.priority,
                           .customer = sent.customer,
                           .flow = sent.flow,
                           .customer_weight = sent.customer_weight,
                           .max_wait_us = sent.max_wait_us},
                          [this, name](const WaitOutcome& outcome) {
                              log.push_back(name + (outcome.is_admitted ? "+" : "-"));
                              last = outcome;
                              if (outcome.is_admitted) tickets.push_back(outcome.ticket);
                          });
    }
    LevelHandle level(LevelKind kind, std::uint64_t id, const Limits& limits) {
        return world.core().intern({kind, id}, limits);
    }
    std::ptrdiff_t count(const std::string& what) { return std::ranges::count(log, what); }

    test::Simulation world;
    std::vector<std::string> log;
    std::vector<Ticket> tickets;
    WaitOutcome last{};
};

TEST_F(LineTest, WaitsAndIsAdmittedWhenTheWindowAllows) {
    const LevelHandle key = level(LevelKind::key, 1, {.requests = 1});
    send("a", {key}, {});
    const Decision queued = send("b", {key}, {});
    ASSERT_EQ(queued.verdict, Verdict::queued);
    EXPECT_EQ(queued.position, 1U);
    EXPECT_EQ(queued.expected_wait_us, kMinute + 1'000);
    const Decision next = send("c", {key}, {});
    EXPECT_EQ(next.position, 2U);
    EXPECT_GE(next.expected_wait_us, kMinute);
    world.run_until(kMinute);
    EXPECT_EQ(log, (std::vector<std::string>{"a+"}));
    world.run_until(kMinute + 2'000);
    EXPECT_EQ(log, (std::vector<std::string>{"a+", "b+"}));
    EXPECT_EQ(last.waited_us, kMinute + 1'000);
    world.run_until(3 * kMinute);
    EXPECT_EQ(log, (std::vector<std::string>{"a+", "b+", "c+"}));
}

TEST_F(LineTest, AWaitThatDoesNotFitIsRefusedAtOnce) {
    const LevelHandle key = level(LevelKind::key, 1, {.requests = 1});
    send("a", {key}, {});
    const Decision refused = send("b", {key}, {.max_wait_us = 59 * kSecond});
    ASSERT_EQ(refused.verdict, Verdict::refused);
    EXPECT_EQ(refused.refusal.reason, RefusalReason::limit);
    EXPECT_EQ(refused.refusal.position, 1U);
    EXPECT_EQ(refused.refusal.expected_wait_us, kMinute + 1'000);
    EXPECT_EQ(refused.refusal.retry_after_us, kMinute + 1'000);
    EXPECT_TRUE(refused.refusal.is_promised);
}

TEST_F(LineTest, AWaiterHearsEarlyWhenItsDeadlineCannotBeMet) {
    const LevelHandle key = level(LevelKind::key, 1, {.total_tokens = 100});
    send("a", {key}, {.amounts = {1, 90, 0}});
    world.run_until(30 * kSecond);
    ASSERT_EQ(send("b", {key}, {.amounts = {1, 50, 0}, .max_wait_us = 40 * kSecond}).verdict,
              Verdict::queued);
    world.core().settle(tickets[0], {1, 95, 0}, world.now_us);
    world.run_until(31 * kSecond);
    EXPECT_EQ(log.size(), 1U) << "still time";
    world.core().set_limits(key, {.total_tokens = 40}, world.now_us);
    world.collect();
    EXPECT_EQ(log.back(), "b-") << "can never fit now: told at once, not at its deadline";
    EXPECT_EQ(last.refusal.reason, RefusalReason::too_large);
}

TEST_F(LineTest, WhatACallUsesInExcessIsToldToThoseWhoNowWaitInVain) {
    const LevelHandle key = level(LevelKind::key, 1, {.total_tokens = 100});
    send("a", {key}, {.amounts = {1, 90, 0}});
    world.run_until(30 * kSecond);
    send("c", {key}, {.amounts = {1, 5, 0}});
    const Sent until_70{.amounts = {1, 50, 0}, .max_wait_us = 40 * kSecond};
    ASSERT_EQ(send("b", {key}, until_70).verdict, Verdict::queued);
    ASSERT_EQ(send("behind", {key}, {.amounts = {1, 5, 0}, .max_wait_us = 40 * kSecond}).verdict,
              Verdict::queued);
    ASSERT_EQ(send("patient", {key}, {.amounts = {1, 5, 0}}).verdict, Verdict::queued);
    world.run_until(35 * kSecond);
    world.core().settle(tickets[1], {1, 60, 0}, world.now_us);
    world.collect();
    EXPECT_EQ(log, (std::vector<std::string>{"a+", "c+", "b-"}));
    EXPECT_EQ(last.refusal.reason, RefusalReason::deadline);
    EXPECT_EQ(last.waited_us, 5 * kSecond) << "not at its deadline, 35 s later";
    world.run_until(62 * kSecond);
    EXPECT_EQ(log.back(), "patient+");
    EXPECT_EQ(count("behind+"), 1) << "it fits when the first window ends";
}

TEST_F(LineTest, WhoStandsBehindAHeadThatComesTooLateHearsAtOnce) {
    const LevelHandle key = level(LevelKind::key, 1, {.total_tokens = 100});
    send("a", {key}, {.amounts = {1, 20, 0}});
    world.run_until(20 * kSecond);
    send("b", {key}, {.amounts = {1, 10, 0}});
    send("large", {key}, {.amounts = {1, 80, 0}});  // at 60 s
    ASSERT_EQ(send("behind", {key}, {.amounts = {1, 5, 0}, .max_wait_us = 50 * kSecond}).verdict,
              Verdict::queued);
    world.core().settle(tickets[1], {1, 25, 0}, world.now_us);  // now at 80 s
    world.collect();
    EXPECT_EQ(log.back(), "behind-");
}

TEST_F(LineTest, EveryWaiterHearsByItsDeadline) {
    const LevelHandle key = level(LevelKind::key, 1, {.concurrency = 1});
    send("a", {key}, {});
    ASSERT_EQ(send("b", {key}, {.max_wait_us = 7 * kSecond}).verdict, Verdict::queued);
    world.run_until(7 * kSecond);
    EXPECT_EQ(log.size(), 1U);
    world.run_until(7 * kSecond + 1);
    EXPECT_EQ(log.back(), "b-");
    EXPECT_EQ(last.refusal.reason, RefusalReason::deadline);
    EXPECT_EQ(last.refusal.kind, LimitKind::concurrency);
}

TEST_F(LineTest, AKeysOwnLimitDoesNotBlockTheCustomersOtherKeys) {
    const LevelHandle busy = level(LevelKind::key, 1, {.requests = 1});
    const LevelHandle quiet = level(LevelKind::key, 2, {.requests = 5});
    const LevelHandle customer = level(LevelKind::customer, 1, {.requests = 100});
    const LevelHandle account = level(LevelKind::account, 1, {.requests = 100});
    send("busy", {busy, customer, account}, {.flow = 1});
    for (int i = 0; i < 20; ++i) send("busy", {busy, customer, account}, {.flow = 1});
    const Decision other = send("quiet", {quiet, customer, account}, {.flow = 2});
    EXPECT_EQ(other.verdict, Verdict::admitted);
    EXPECT_EQ(send("third", {customer, account}, {.customer = 2, .flow = 3}).verdict,
              Verdict::admitted);
}

TEST_F(LineTest, SmallRequestsDoNotStarveALargeOne) {
    const LevelHandle account = level(LevelKind::account, 1, {.input_tokens = 1'000});
    for (int i = 0; i < 10; ++i) {
        send("fill", {account}, {.customer = 9, .amounts = {1, 100, 0}});
        world.run_until(world.now_us + 5 * kSecond);
    }
    ASSERT_EQ(send("large", {account}, {.customer = 1, .amounts = {1, 900, 0}}).verdict,
              Verdict::queued);
    const std::int64_t sent_us = world.now_us;
    std::int64_t done_us = 0;
    for (int i = 0; i < 2'000 && done_us == 0; ++i) {
        send("small", {account},
             {.customer = 2 + static_cast<std::uint64_t>(i % 3), .amounts = {1, 20, 0}});
        world.run_until(world.now_us + kSecond / 10);
        if (count("large+") == 1) done_us = world.now_us;
    }
    EXPECT_GT(done_us, 0);
    EXPECT_LE(done_us - sent_us, 61 * kSecond) << "one window";
}

TEST_F(LineTest, SmallRequestsFillWhatTheLargeOneCannotUse) {
    const LevelHandle account = level(LevelKind::account, 1, {.input_tokens = 1'000});
    send("fill", {account}, {.customer = 9, .amounts = {1, 500, 0}});
    world.run_until(kSecond);
    send("large", {account}, {.customer = 1, .amounts = {1, 700, 0}});
    EXPECT_EQ(send("small", {account}, {.customer = 2, .amounts = {1, 250, 0}}).verdict,
              Verdict::admitted)
        << "500 + 250 now, 250 + 700 later: in nobody's way";
    EXPECT_EQ(send("more", {account}, {.customer = 2, .amounts = {1, 100, 0}}).verdict,
              Verdict::queued)
        << "would make the large one wait longer";
}

TEST_F(LineTest, ClassesShareByWeightAndNoneStarves) {
    const LevelHandle account = level(LevelKind::account, 1, {.concurrency = 1});
    send("first", {account}, {});
    for (int i = 0; i < 200; ++i)
        for (const auto& [name, priority] :
             {std::pair{"i", PriorityClass::interactive}, std::pair{"s", PriorityClass::standard},
              std::pair{"d", PriorityClass::deferrable}})
            send(name, {account},
                 {.customer = 10 + static_cast<std::uint64_t>(priority), .priority = priority});
    for (std::size_t i = 0; i < 210; ++i) {
        ASSERT_LT(i, tickets.size());
        world.core().settle(tickets[i], {1, 1, 0}, world.now_us);
        world.collect();
    }
    EXPECT_NEAR(static_cast<double>(count("i+")), 160, 4);
    EXPECT_NEAR(static_cast<double>(count("s+")), 40, 4);
    EXPECT_NEAR(static_cast<double>(count("d+")), 10, 2);
}

TEST_F(LineTest, CustomersAreEqualOrAsTheyWeigh) {
    const LevelHandle account = level(LevelKind::account, 1, {.concurrency = 1});
    send("first", {account}, {});
    for (int i = 0; i < 300; ++i) {  // twice as many, and five times as large
        send("a", {account}, {.customer = 2, .flow = 2, .amounts = {1, 99, 0}});
        send("a", {account}, {.customer = 2, .flow = 3, .amounts = {1, 99, 0}});
        send("b", {account}, {.customer = 3, .flow = 4, .amounts = {1, 19, 0}});
        send("c", {account},
             {.customer = 4, .flow = 5, .amounts = {1, 19, 0}, .customer_weight = 2});
    }
    for (std::size_t i = 0; i < 320; ++i) {
        world.core().settle(tickets[i], {1, 1, 0}, world.now_us);
        world.collect();
    }
    // Tokens are shared 1 : 1 : 2, so requests 1 : 5 : 10.
    EXPECT_NEAR(static_cast<double>(count("a+")), 20, 2);
    EXPECT_NEAR(static_cast<double>(count("b+")), 100, 4);
    EXPECT_NEAR(static_cast<double>(count("c+")), 200, 6);
}

TEST_F(LineTest, TheQueueIsBounded) {
    world.reset({.queue_max = 5, .queue_customer_max = 3});
    const LevelHandle account = level(LevelKind::account, 1, {.concurrency = 1});
    send("first", {account}, {});
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(send("a", {account}, {.customer = 1}).verdict, Verdict::queued);
    const Decision full = send("a", {account}, {.customer = 1});
    ASSERT_EQ(full.verdict, Verdict::refused);
    EXPECT_EQ(full.refusal.reason, RefusalReason::queue_full);
    EXPECT_EQ(full.refusal.kind, LimitKind::concurrency);
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(send("b", {account}, {.customer = 2}).verdict, Verdict::queued);
    EXPECT_EQ(send("c", {account}, {.customer = 3}).refusal.reason, RefusalReason::queue_full);
}

TEST_F(LineTest, ALeavingClientMakesRoomForTheNext) {
    const LevelHandle account = level(LevelKind::account, 1, {.input_tokens = 1'000});
    send("fill", {account}, {.customer = 9, .amounts = {1, 500, 0}});
    world.run_until(kSecond);
    const Decision large = send("large", {account}, {.customer = 1, .amounts = {1, 1'000, 0}});
    ASSERT_EQ(send("small", {account}, {.customer = 2, .amounts = {1, 400, 0}}).verdict,
              Verdict::queued);
    world.core().cancel(large.ticket, world.now_us);
    EXPECT_TRUE(world.core().has_outcomes());
}

// given a reservation far above what calls use / when calls end and give it back / then the
// expected wait has learned it: who can be served in seconds is not refused for a window's length
TEST_F(LineTest, ExpectedWaitKnowsWhatCallsGiveBack) {
    const LevelHandle account = level(LevelKind::account, 1, {.output_tokens = 10'000});
    for (int i = 0; i < 100; ++i) {
        send("warm", {account}, {.amounts = {1, 0, 4'000}, .max_wait_us = 0});
        world.run_until(world.now_us + 2 * kSecond);
        if (log.back() == "warm+") world.core().settle(tickets.back(), {1, 0, 100}, world.now_us);
    }
    world.run_until(world.now_us + 2 * kMinute);
    log.clear();
    send("a", {account}, {.amounts = {1, 0, 5'000}});
    send("b", {account}, {.amounts = {1, 0, 5'000}});
    const Decision third =
        send("c", {account}, {.amounts = {1, 0, 4'000}, .max_wait_us = 5 * kSecond});
    EXPECT_EQ(third.verdict, Verdict::queued);
    EXPECT_LE(third.expected_wait_us, 5 * kSecond);
}

}  // namespace
}  // namespace tg
