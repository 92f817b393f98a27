#include "gateway/hedge_policy.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000'000'000;

HedgeCall slow_call() {
    HedgeCall call;
    call.sent_ns = kSecond;
    call.deadline_ns = 60 * kSecond;
    call.usual_ns = 2 * kSecond;
    call.has_free_candidate = true;
    return call;
}

TEST(HedgePolicy, AfterTheUsualTime) {
    const HedgeOptions options{.is_enabled = true};
    RetryBudget budget(0.05, 0, 2);
    EXPECT_EQ(hedge_time(options, slow_call()), 3 * kSecond);
    EXPECT_EQ(decide_hedge(3 * kSecond - 1, options, slow_call(), &budget).refused,
              NoHedge::too_early);
    EXPECT_EQ(decide_hedge(3 * kSecond - 1, options, slow_call(), &budget).at_ns, 3 * kSecond);
    EXPECT_TRUE(decide_hedge(3 * kSecond, options, slow_call(), &budget).is_hedge());
    EXPECT_TRUE(decide_hedge(3 * kSecond, options, slow_call(), &budget).is_hedge());
    EXPECT_EQ(decide_hedge(3 * kSecond, options, slow_call(), &budget).refused, NoHedge::budget);
}

TEST(HedgePolicy, Refusals) {
    const auto refused = [](auto change) {
        HedgeOptions options{.is_enabled = true};
        HedgeCall call = slow_call();
        change(options, call);
        RetryBudget budget(0.05, 0, 2);
        const NoHedge reason = decide_hedge(10 * kSecond, options, call, &budget).refused;
        EXPECT_DOUBLE_EQ(budget.balance(0), 2) << "a refusal costs nothing";
        return reason;
    };
    EXPECT_EQ(refused([](HedgeOptions& o, HedgeCall&) { o.is_enabled = false; }), NoHedge::off);
    EXPECT_EQ(refused([](HedgeOptions&, HedgeCall& c) { c.has_first_byte = true; }),
              NoHedge::answered);
    EXPECT_EQ(refused([](HedgeOptions&, HedgeCall& c) { c.is_hedged = true; }), NoHedge::hedged);
    EXPECT_EQ(refused([](HedgeOptions&, HedgeCall& c) { c.can_repeat_body = false; }),
              NoHedge::body_gone);
    EXPECT_EQ(refused([](HedgeOptions&, HedgeCall& c) { c.usual_ns.reset(); }),
              NoHedge::unknown_latency);
    EXPECT_EQ(refused([](HedgeOptions&, HedgeCall& c) { c.deadline_ns = 10'900 * kMs; }),
              NoHedge::deadline);
    EXPECT_EQ(refused([](HedgeOptions&, HedgeCall& c) { c.has_free_candidate = false; }),
              NoHedge::no_candidate);
}

TEST(HedgePolicy, TheDelayHasBounds) {
    const HedgeOptions options{.is_enabled = true};
    HedgeCall call = slow_call();
    call.usual_ns = 1 * kMs;
    EXPECT_EQ(hedge_time(options, call), kSecond + 200 * kMs);
    call.usual_ns = 600 * kSecond;
    EXPECT_EQ(hedge_time(options, call), std::nullopt);  // past the deadline
    call.deadline_ns = 3'600 * kSecond;
    EXPECT_EQ(hedge_time(options, call), 61 * kSecond);
    EXPECT_EQ(hedge_time({}, call), std::nullopt);
}

}  // namespace
}  // namespace tg
