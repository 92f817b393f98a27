#include "gateway/account_pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000'000'000;

PacerOptions requests_only(std::int64_t rpm) {
    PacerOptions options;
    options.limits[0] = rpm;
    return options;
}

PacerAnswer answer_of(int status, std::int64_t limit = -1, std::int64_t remaining = -1,
                      std::int64_t retry_after_ns = -1) {
    PacerAnswer answer;
    answer.status = status;
    answer.report.of(LimitMeter::requests) = {limit, remaining, -1};
    answer.report.retry_after_ns = retry_after_ns;
    return answer;
}

/// Takes calls of `cost` as fast as allowed until `until`; returns when they were sent.
std::vector<std::int64_t> drive(AccountPacer* pacer, std::int64_t from, std::int64_t until,
                                const PacerCost& cost = {}) {
    std::vector<std::int64_t> sent;
    std::int64_t now = from;
    while (now < until) {
        if (auto ticket = pacer->take(now, cost)) {
            pacer->on_end(now, &*ticket, {});
            sent.push_back(now);
        } else {
            now = pacer->earliest_start(now, cost).at_ns;
        }
    }
    return sent;
}

TEST(AccountPacer, NeverMoreThanTheLimitInAnyMinute) {
    AccountPacer pacer(requests_only(600));
    const std::vector<std::int64_t> sent = drive(&pacer, 0, 600 * kSecond);
    for (std::size_t i = 0; i + 600 < sent.size(); ++i)
        ASSERT_GT(sent[i + 600] - sent[i], 60 * kSecond) << i;
    EXPECT_GT(sent.size(), 5'700U);
    // The first second's burst is peak_factor seconds of the limit, and no more.
    const auto first = std::ranges::count_if(sent, [](std::int64_t at) { return at < kMs; });
    EXPECT_NEAR(static_cast<double>(first), 6 * 9.9, 1.0);
}

/// given random costs, answers and idle times / then take() succeeds at the time that
/// earliest_start() gives; and not a microsecond before, unless what was learned is just fading.
TEST(AccountPacer, EarliestStartIsExact) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Rng rng(seed);
        const bool learns = seed > 10;
        PacerOptions options = requests_only(300);
        options.limits[1] = 100'000;
        options.limits[3] = 40'000;
        AccountPacer pacer(options);
        std::int64_t now = kSecond;
        for (int step = 0; step < 3'000; ++step) {
            PacerCost cost;
            cost.input_tokens = static_cast<std::int64_t>(rng.below(600));
            cost.output_tokens = static_cast<std::int64_t>(rng.below(250));
            cost.total_tokens = cost.input_tokens + cost.output_tokens;
            const PacerStart start = pacer.earliest_start(now, cost);
            ASSERT_GE(start.at_ns, now);
            if (start.at_ns > now) {
                ASSERT_NE(start.bound, PacerBound::none);
                // A millionth of a unit is not waited for: that is less than a microsecond here.
                if (!learns && start.at_ns > now + 1'000)
                    ASSERT_FALSE(pacer.take(start.at_ns - 1'000, cost)) << seed << " step " << step;
            }
            now = start.at_ns;
            auto ticket = pacer.take(now, cost);
            ASSERT_TRUE(ticket) << "seed " << seed << " step " << step;
            PacerAnswer answer = answer_of(200);
            if (learns && rng.below(5) == 0) {
                answer.report.of(LimitMeter::total_tokens) = {
                    100'000 - static_cast<std::int64_t>(rng.below(2)) * 10'000,
                    static_cast<std::int64_t>(rng.below(60'000)), -1};
            }
            if (learns && rng.below(200) == 0) answer = answer_of(429);
            pacer.on_answer(now, &*ticket, answer);
            pacer.on_end(now, &*ticket, {.input_tokens = cost.input_tokens * 102 / 100});
            if (rng.below(20) == 0) now += static_cast<std::int64_t>(rng.below(20)) * kSecond;
        }
    }
}

TEST(AccountPacer, RetryAfterStopsTheWholeAccount) {
    AccountPacer pacer(requests_only(6'000));
    auto ticket = pacer.take(kSecond, {});
    pacer.on_answer(kSecond, &*ticket, answer_of(429, -1, -1, 2500 * kMs));
    const PacerStart start = pacer.earliest_start(2 * kSecond, {});
    EXPECT_GE(start.at_ns, 3500 * kMs);
    EXPECT_EQ(start.bound, PacerBound::retry_after);
    // No burst afterwards: a second's worth and a little, not six.
    const auto sent = drive(&pacer, start.at_ns, start.at_ns + kSecond);
    EXPECT_LT(sent.size(), 110U);
    EXPECT_GT(sent.size(), 80U);
}

TEST(AccountPacer, WithoutRetryAfterItBacksOffFurtherEachTime) {
    AccountPacer pacer(requests_only(6'000));
    std::int64_t now = kSecond, last_pause = 0;
    for (int i = 0; i < 4; ++i) {
        auto ticket = pacer.take(now, {});
        ASSERT_TRUE(ticket);
        now += 10 * kMs;
        pacer.on_answer(now, &*ticket, answer_of(429));
        pacer.on_end(now, &*ticket, {});
        const std::int64_t at = pacer.earliest_start(now, {}).at_ns;
        EXPECT_GE(at - now, std::max<std::int64_t>(kSecond, last_pause * 19 / 10));
        last_pause = at - now;
        now = at;
    }
    auto ticket = pacer.take(now, {});
    pacer.on_answer(now + kMs, &*ticket, answer_of(200));
    auto next = pacer.take(pacer.earliest_start(now + kMs, {}).at_ns, {});
    ASSERT_TRUE(next);
    pacer.on_answer(next->sent_ns, &*next, answer_of(429));
    EXPECT_LE(pacer.state(next->sent_ns).blocked_until_ns - next->sent_ns, kSecond);
}

TEST(AccountPacer, CallsUnderWayDoNotMultiplyABackOff) {
    AccountPacer pacer(requests_only(600));
    std::vector<PacerTicket> tickets;
    for (std::int64_t now = 0; tickets.size() < 500;) {
        now = pacer.earliest_start(now, {}).at_ns;
        tickets.push_back(*pacer.take(now, {}));
    }
    const std::int64_t now = tickets.back().sent_ns + kMs;
    for (std::size_t i = 490; i < 500; ++i) pacer.on_answer(now, &tickets[i], answer_of(429));
    EXPECT_DOUBLE_EQ(pacer.state(now).meters[0].share, 0.93);
    EXPECT_EQ(pacer.state(now).refusals, 10);
    EXPECT_EQ(pacer.state(now).blocked_until_ns, now + kSecond);
}

TEST(AccountPacer, TheShareComesBackFlatThenSteep) {
    AccountPacer pacer(requests_only(600));
    std::optional<PacerTicket> last;
    for (std::int64_t now = 0; now < 58 * kSecond;) {
        now = pacer.earliest_start(now, {}).at_ns;
        last = pacer.take(now, {});
    }
    const std::int64_t fell = last->sent_ns + kMs;
    pacer.on_answer(fell, &*last, answer_of(429));
    const auto share = [&](std::int64_t seconds) {
        return pacer.state(fell + seconds * kSecond).meters[0].share;
    };
    EXPECT_NEAR(share(0), 0.93, 1e-9);
    EXPECT_NEAR(share(60), 1 - 0.07 / 27, 1e-9);
    EXPECT_DOUBLE_EQ(share(90), 1);
    EXPECT_DOUBLE_EQ(share(900), 1);
}

TEST(AccountPacer, HeadersLowerTheLimitAtOnceAndRaiseItSlowly) {
    AccountPacer pacer(requests_only(1'000));
    auto early = pacer.take(0, {}), late = pacer.take(10 * kMs, {});
    pacer.on_answer(kSecond, &*late, answer_of(200, 850, 848));
    EXPECT_DOUBLE_EQ(pacer.state(kSecond).meters[0].limit, 850);
    // An answer that was on its way longer does not bring the old limit back.
    pacer.on_answer(2 * kSecond, &*early, answer_of(200, 1'000, 999));
    EXPECT_DOUBLE_EQ(pacer.state(60 * kSecond).meters[0].limit, 850);
    auto after = pacer.take(3 * kSecond, {});
    pacer.on_answer(4 * kSecond, &*after, answer_of(200, 1'000, 997));
    EXPECT_DOUBLE_EQ(pacer.state(9 * kSecond).meters[0].limit, 900);
    EXPECT_DOUBLE_EQ(pacer.state(60 * kSecond).meters[0].limit, 1'000);
    // More than was configured is not ours.
    auto more = pacer.take(60 * kSecond, {});
    pacer.on_answer(61 * kSecond, &*more, answer_of(200, 5'000, 4'990));
    EXPECT_DOUBLE_EQ(pacer.state(90 * kSecond).meters[0].limit, 1'000);
}

TEST(AccountPacer, LearnsALimitThatNobodyConfigured) {
    AccountPacer pacer(PacerOptions{});
    for (int i = 0; i < 5'000; ++i) ASSERT_TRUE(pacer.take(i * kMs, {}));
    auto ticket = pacer.take(5 * kSecond, {});
    pacer.on_answer(5 * kSecond, &*ticket, answer_of(200, 5'100, 99));
    EXPECT_DOUBLE_EQ(pacer.state(5 * kSecond).meters[0].limit, 5'100);
    const auto sent = drive(&pacer, 5 * kSecond, 60 * kSecond);
    EXPECT_LE(sent.size(), 60U);
}

TEST(AccountPacer, SeesOtherConsumersAndForgetsThem) {
    AccountPacer pacer(requests_only(1'000));
    auto ticket = pacer.take(kSecond, {});
    pacer.on_answer(2 * kSecond, &*ticket, answer_of(200, 1'000, 399));
    EXPECT_NEAR(pacer.state(2 * kSecond).meters[0].excess, 600, 20);
    EXPECT_LE(drive(&pacer, 2 * kSecond, 3 * kSecond).size(), 400U);
    EXPECT_LT(pacer.state(122 * kSecond).meters[0].excess, 5);
}

/// Four processes share an account: the headers tell of all, the configuration of one.
TEST(AccountPacer, AShareOfAnAccountIsNotBlockedByTheOthers) {
    AccountPacer pacer(requests_only(250));
    auto ticket = pacer.take(kSecond, {});
    pacer.on_answer(2 * kSecond, &*ticket, answer_of(200, 1'000, 309));
    EXPECT_DOUBLE_EQ(pacer.state(2 * kSecond).meters[0].limit, 250);
    EXPECT_NEAR(static_cast<double>(drive(&pacer, 2 * kSecond, 60 * kSecond).size()), 247, 2);
    // But when the account is nearly empty, it is for all.
    AccountPacer poor(requests_only(250));
    ticket = poor.take(kSecond, {});
    poor.on_answer(2 * kSecond, &*ticket, answer_of(200, 1'000, 50));
    EXPECT_LT(drive(&poor, 2 * kSecond, 3 * kSecond).size(), 50U);
}

TEST(AccountPacer, RemainingShareIsOfTheTightestLimit) {
    PacerOptions options = requests_only(1'000);
    options.limits[1] = 10'000;
    options.concurrency_max = 4;
    AccountPacer pacer(options);
    EXPECT_DOUBLE_EQ(pacer.remaining_share(0), 1);
    auto ticket = pacer.take(0, {.total_tokens = 5'000});
    EXPECT_NEAR(pacer.remaining_share(0), 0.5, 0.01);
    EXPECT_TRUE(pacer.take(0, {}) && pacer.take(0, {}));
    EXPECT_DOUBLE_EQ(pacer.remaining_share(0), 0.25);
    pacer.on_answer(0, &*ticket, answer_of(429, -1, -1, kSecond));
    EXPECT_DOUBLE_EQ(pacer.remaining_share(0), 0);
}

TEST(AccountPacer, AccountEmptiedByOthersIsTriedAgain) {
    AccountPacer pacer(requests_only(100));
    auto ticket = pacer.take(kSecond, {});
    pacer.on_answer(2 * kSecond, &*ticket, answer_of(429, 100, 0));
    const PacerStart start = pacer.earliest_start(4 * kSecond, {});
    EXPECT_LT(start.at_ns, 64 * kSecond);
    EXPECT_TRUE(pacer.take(start.at_ns, {}));
}

TEST(AccountPacer, BurstDepthFallsWhenThereWasHeadroom) {
    AccountPacer pacer(requests_only(600));
    std::optional<PacerTicket> last;
    for (int i = 0; i < 40; ++i) last = pacer.take(kSecond, {});
    pacer.on_answer(2 * kSecond, &*last, answer_of(429, 600, 560, 0));
    const PacerState state = pacer.state(2 * kSecond);
    EXPECT_DOUBLE_EQ(state.meters[0].burst_s, 18);
    EXPECT_DOUBLE_EQ(state.meters[0].share, 1);
    EXPECT_NEAR(pacer.state(1'802 * kSecond).meters[0].burst_s, 24, 1e-9);
}

TEST(AccountPacer, GivesBackWhatWasNotCounted) {
    PacerOptions options = requests_only(100);
    options.limits[3] = 1'000;
    options.refunds_output = true;
    AccountPacer pacer(options);
    auto gone = pacer.take(kSecond, {.output_tokens = 90});
    pacer.on_end(2 * kSecond, &*gone, {.has_reached_upstream = false});
    EXPECT_EQ(pacer.state(2 * kSecond).meters[0].used, 0);
    EXPECT_EQ(pacer.state(2 * kSecond).meters[3].used, 0);
    auto done = pacer.take(2 * kSecond, {.output_tokens = 90});
    pacer.on_end(3 * kSecond, &*done, {.output_tokens = 30});
    pacer.on_end(3 * kSecond, &*done, {.output_tokens = 0});  // a second end changes nothing
    EXPECT_EQ(pacer.state(3 * kSecond).meters[0].used, 1);
    EXPECT_EQ(pacer.state(3 * kSecond).meters[3].used, 30);
    EXPECT_EQ(pacer.state(3 * kSecond).in_flight, 0);
}

/// Where input and output share a limit, what the output did not use is free again; the input
/// stays.
TEST(AccountPacer, GivesUnusedOutputBackToTheTotal) {
    PacerOptions options;
    options.limits[static_cast<std::size_t>(LimitMeter::total_tokens)] = 10'000;
    options.refunds_output = true;
    AccountPacer pacer(options);
    auto done =
        pacer.take(kSecond, {.total_tokens = 1'000, .input_tokens = 600, .output_tokens = 400});
    pacer.on_end(2 * kSecond, &*done, {.input_tokens = 600, .output_tokens = 150});
    EXPECT_EQ(pacer.state(2 * kSecond).meters[1].used, 750);
}

TEST(AccountPacer, ConcurrencyIsALimitToo) {
    PacerOptions options;
    options.concurrency_max = 2;
    AccountPacer pacer(options);
    auto a = pacer.take(0, {}), b = pacer.take(0, {});
    ASSERT_TRUE(a && b);
    EXPECT_FALSE(pacer.take(0, {}));
    EXPECT_EQ(pacer.earliest_start(0, {}).bound, PacerBound::concurrency);
    EXPECT_GT(pacer.earliest_start(0, {}).at_ns, 0);
    pacer.on_end(kSecond, &*a, {});
    EXPECT_TRUE(pacer.take(kSecond, {}));
}

TEST(AccountPacer, WhatIsLargerThanALimitNeverStarts) {
    PacerOptions options;
    options.limits[1] = 10'000;
    AccountPacer pacer(options);
    EXPECT_EQ(pacer.earliest_start(0, {.total_tokens = 10'001}).at_ns, kNeverNs);
    EXPECT_EQ(pacer.earliest_start(0, {.total_tokens = 10'001}).bound, PacerBound::too_large);
    EXPECT_TRUE(pacer.take(0, {.total_tokens = 10'000}));
    EXPECT_GE(pacer.earliest_start(0, {.total_tokens = 10'000}).at_ns, 60 * kSecond);
}

TEST(AccountPacer, AnExhaustedAccountIsLeftAlone) {
    AccountPacer pacer(requests_only(1'000));
    auto ticket = pacer.take(0, {});
    PacerAnswer answer = answer_of(429);
    answer.can_heal = false;
    pacer.on_answer(kSecond, &*ticket, answer);
    EXPECT_EQ(pacer.earliest_start(2 * kSecond, {}).bound, PacerBound::exhausted);
    EXPECT_GE(pacer.earliest_start(2 * kSecond, {}).at_ns, 301 * kSecond);
    EXPECT_LT(pacer.earliest_start(2 * kSecond, {}).at_ns, 302 * kSecond);
    EXPECT_DOUBLE_EQ(pacer.state(2 * kSecond).meters[0].share, 1);
    auto again = pacer.take(pacer.earliest_start(301 * kSecond, {}).at_ns, {});
    pacer.on_answer(302 * kSecond, &*again, answer_of(200));
    EXPECT_FALSE(pacer.state(302 * kSecond).is_exhausted);
}

TEST(AccountPacer, LearnsHowTheProviderCounts) {
    PacerOptions options;
    options.limits[2] = 1'000'000;
    AccountPacer pacer(options);
    for (int i = 0; i < 200; ++i) {
        auto ticket = pacer.take(i * kSecond, {.input_tokens = 1'000});
        pacer.on_end(i * kSecond, &*ticket, {.input_tokens = 1'050});
    }
    EXPECT_NEAR(pacer.state(0).input_ratio, 1.05, 0.002);
    auto ticket = pacer.take(300 * kSecond, {.input_tokens = 1'000});
    EXPECT_NEAR(static_cast<double>(ticket->marks[2].amount), 1'050, 2);
}

}  // namespace
}  // namespace tg
