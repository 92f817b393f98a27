// What all loops know of the accounts, in virtual time.
#include "gateway/upstream_set.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000'000'000;
constexpr PacerCost kCall{.requests = 1, .total_tokens = 100, .input_tokens = 100};

UpstreamOptions upstream(std::string name, UpstreamLimits limits = {}) {
    UpstreamOptions out;
    out.name = std::move(name);
    out.base_url = "http://127.0.0.1:1/v1";
    out.models = {{"*", ""}};
    out.limits = limits;
    return out;
}

struct Waiter final : LimitWaiter {
    Waiter() : LimitWaiter(kCall) {}
    void wake() override { ++woken; }
    int woken = 0;
};

struct States {
    explicit States(std::vector<UpstreamOptions> upstreams, RoutingOptions routing = {}) {
        configure(std::move(upstreams), std::move(routing));
    }
    void configure(std::vector<UpstreamOptions> upstreams, RoutingOptions routing = {}) {
        options = std::make_shared<GatewayOptions>();
        options->upstreams = std::move(upstreams);
        options->routing = std::move(routing);
        routes = RouteTable::build(options->upstreams).value();
        set = states.configure(routes, options, &registry, now);
    }
    DeploymentState& at(std::uint32_t index) { return set->state(index); }
    BeginResult begin(std::uint32_t index, UpstreamTicket* ticket, LimitWaiter* waiter = nullptr,
                      std::string_view model = "gpt-4o") {
        return at(index).begin(now, model, kCall, waiter, ticket).result;
    }
    void answer(std::uint32_t index, UpstreamTicket* ticket, int status) {
        PacerAnswer answer;
        answer.status = status;
        set->observe(now, index, at(index).on_answer(now, ticket, answer), 50 * kMs);
        at(index).finish(now, ticket, {}, false);
    }
    void call(std::uint32_t index, int status) {
        UpstreamTicket ticket;
        ASSERT_EQ(begin(index, &ticket), BeginResult::begun);
        answer(index, &ticket, status);
    }
    UpstreamLimitsStatus limits(std::uint32_t index, std::string_view model = "") {
        for (const UpstreamLimitsStatus& each : at(index).status(now).limits) {
            if (each.model == model) return each;
        }
        return {};
    }

    MetricsRegistry registry;
    UpstreamStates states;
    std::int64_t now = 1'000 * kSecond;
    std::shared_ptr<GatewayOptions> options;
    std::shared_ptr<const RouteTable> routes;
    std::shared_ptr<const UpstreamSet> set;
};

TEST(DeploymentStateTest, those_in_line_are_served_in_turn_and_newcomers_go_behind_them) {
    States s({upstream("a", {.concurrency = 1})});
    UpstreamTicket running, first_ticket, second_ticket, new_ticket;
    Waiter first, second;
    ASSERT_EQ(s.begin(0, &running), BeginResult::begun);
    ASSERT_EQ(s.begin(0, &first_ticket), BeginResult::wait);
    ASSERT_TRUE(s.at(0).join_line("gpt-4o", &first));
    ASSERT_TRUE(s.at(0).join_line("gpt-4o", &second));
    EXPECT_EQ(s.limits(0).waiting, 2);
    s.answer(0, &running, 200);
    EXPECT_EQ(first.woken, 1);
    EXPECT_EQ(second.woken, 0);
    EXPECT_EQ(s.begin(0, &new_ticket), BeginResult::wait) << "there is room, but a line";
    EXPECT_EQ(s.begin(0, &second_ticket, &second), BeginResult::wait);
    ASSERT_EQ(s.begin(0, &first_ticket, &first), BeginResult::begun);
    EXPECT_FALSE(first.is_in_line());
    EXPECT_EQ(second.woken, 1);
    EXPECT_EQ(s.begin(0, &second_ticket, &second), BeginResult::wait) << "one at a time";
    s.answer(0, &first_ticket, 200);
    ASSERT_EQ(s.begin(0, &second_ticket, &second), BeginResult::begun);
    s.answer(0, &second_ticket, 200);
    EXPECT_EQ(s.begin(0, &new_ticket), BeginResult::begun);
    s.answer(0, &new_ticket, 200);
}

TEST(DeploymentStateTest, who_leaves_the_line_lets_the_next_one_know) {
    States s({upstream("a", {.concurrency = 1})});
    UpstreamTicket running;
    Waiter first, second;
    ASSERT_EQ(s.begin(0, &running), BeginResult::begun);
    s.at(0).join_line("gpt-4o", &first);
    s.at(0).join_line("gpt-4o", &second);
    s.at(0).leave_line(&first);
    EXPECT_EQ(second.woken, 1);
    s.at(0).leave_line(&second);
    EXPECT_EQ(s.limits(0).waiting, 0);
    s.answer(0, &running, 200);
}

TEST(DeploymentStateTest, a_line_has_an_end_and_its_length_is_in_the_forecast) {
    RoutingOptions routing;
    routing.waiting_max = 3;
    States s({upstream("a", {.requests_per_minute = 60, .burst_ms = 1'000})}, routing);
    UpstreamTicket ticket;
    while (s.begin(0, &ticket) == BeginResult::begun) s.answer(0, &ticket, 200);
    RouteOption alone, behind;
    s.at(0).describe(s.now, "gpt-4o", kCall, &alone);
    std::array<Waiter, 4> waiters;
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(s.at(0).join_line("gpt-4o", &waiters[i]));
    EXPECT_FALSE(s.at(0).join_line("gpt-4o", &waiters[3]));
    s.at(0).describe(s.now, "gpt-4o", kCall, &behind);
    EXPECT_GE(behind.start.at_ns - alone.start.at_ns, 2 * kSecond) << "three calls at 1 a second";
    for (int i = 0; i < 3; ++i) s.at(0).leave_line(&waiters[i]);
}

TEST(DeploymentStateTest, limits_of_a_model_are_its_own) {
    UpstreamOptions options = upstream("a", {.requests_per_minute = 600});
    options.models.push_back({"small", "", {.concurrency = 1}});
    States s({options});
    UpstreamTicket small, other, more;
    ASSERT_EQ(s.begin(0, &small, nullptr, "small"), BeginResult::begun);
    EXPECT_EQ(s.begin(0, &other, nullptr, "small"), BeginResult::wait);
    EXPECT_EQ(s.begin(0, &more, nullptr, "gpt-4o"), BeginResult::begun);
    EXPECT_EQ(s.limits(0, "small").pacer.in_flight, 1);
    EXPECT_EQ(s.limits(0, "").pacer.in_flight, 1);
    s.answer(0, &small, 200);
    s.answer(0, &more, 200);
}

TEST(DeploymentStateTest, an_account_without_limits_learns_them_from_headers_by_model) {
    States s({upstream("a")});
    UpstreamTicket ticket;
    ASSERT_EQ(s.begin(0, &ticket), BeginResult::begun);
    PacerAnswer answer;
    answer.report.of(LimitMeter::requests) = {.limit = 500, .remaining = 499};
    s.at(0).on_answer(s.now, &ticket, answer);
    s.at(0).finish(s.now, &ticket, {}, false);
    EXPECT_NEAR(s.limits(0, "gpt-4o").pacer.meters[0].limit, 500, 1);
    EXPECT_EQ(s.limits(0, "gpt-4o-mini").pacer.meters[0].limit, 0);
}

TEST(DeploymentStateTest, how_an_account_counts_holds_for_what_is_learned_too) {
    States s({upstream("a", {.burst_ms = 2'000})});
    UpstreamTicket ticket;
    ASSERT_EQ(s.begin(0, &ticket), BeginResult::begun);
    s.at(0).finish(s.now, &ticket, {}, false);
    EXPECT_NEAR(s.limits(0, "gpt-4o").pacer.meters[0].burst_s, 2, 0.01);
    s.configure({upstream("a", {.burst_ms = 9'000})});
    ASSERT_EQ(s.begin(0, &ticket), BeginResult::begun);
    s.at(0).finish(s.now, &ticket, {}, false);
    EXPECT_NEAR(s.limits(0, "gpt-4o").pacer.meters[0].burst_s, 9, 0.01);
}

TEST(DeploymentStateTest, so_many_models_that_limits_are_not_learned_any_more) {
    States s({upstream("a")});
    for (int i = 0; i < 100; ++i) {
        UpstreamTicket ticket;
        ASSERT_EQ(s.begin(0, &ticket, nullptr, "model-" + std::to_string(i)), BeginResult::begun);
        PacerAnswer answer;
        answer.report.of(LimitMeter::requests) = {.limit = 10 + i, .remaining = 9};
        s.at(0).on_answer(s.now, &ticket, answer);
        s.at(0).finish(s.now, &ticket, {}, false);
    }
    EXPECT_EQ(s.at(0).status(s.now).limits.size(), 65U);
    EXPECT_EQ(s.limits(0, "").pacer.meters[0].limit, 0) << "headers of many models contradict";
}

TEST(DeploymentStateTest, the_breaker_opens_and_a_probe_closes_it) {
    RoutingOptions routing;
    routing.breaker.consecutive_failures = 3;
    routing.breaker.probes_to_close = 1;
    States s({upstream("a")}, routing);
    for (int i = 0; i < 3; ++i) s.call(0, 503);
    UpstreamTicket ticket;
    EXPECT_EQ(s.begin(0, &ticket), BeginResult::breaker_open);
    EXPECT_EQ(s.at(0).status(s.now).breaker, BreakerState::open);
    s.now += 7 * kSecond;
    s.call(0, 200);
    EXPECT_EQ(s.at(0).status(s.now).breaker, BreakerState::closed);
    EXPECT_EQ(s.at(0).status(s.now).failures, 3U);
}

TEST(DeploymentStateTest, a_stream_that_breaks_off_is_a_failure_after_its_success) {
    RoutingOptions routing;
    routing.breaker.consecutive_failures = 2;
    States s({upstream("a")}, routing);
    for (int i = 0; i < 2; ++i) {
        UpstreamTicket ticket;
        ASSERT_EQ(s.begin(0, &ticket), BeginResult::begun);
        s.at(0).on_answer(s.now, &ticket, {});
        s.at(0).finish(s.now, &ticket, {}, true);
    }
    EXPECT_EQ(s.at(0).status(s.now).breaker, BreakerState::closed) << "each began with a success";
    EXPECT_EQ(s.at(0).status(s.now).failures, 2U);
}

TEST(DeploymentStateTest, a_429_stops_the_account_for_as_long_as_it_says) {
    States s({upstream("a")});
    UpstreamTicket ticket;
    ASSERT_EQ(s.begin(0, &ticket), BeginResult::begun);
    PacerAnswer answer;
    answer.status = 429;
    answer.report.retry_after_ns = 5 * kSecond;
    EXPECT_EQ(s.at(0).on_answer(s.now, &ticket, answer), CallVerdict::neutral);
    s.at(0).finish(s.now, &ticket, {}, false);
    const BeginAnswer again = s.at(0).begin(s.now, "gpt-4o", kCall, nullptr, &ticket);
    EXPECT_EQ(again.result, BeginResult::wait);
    EXPECT_EQ(again.start.bound, PacerBound::retry_after);
    EXPECT_GE(again.start.at_ns, s.now + 5 * kSecond);
    EXPECT_EQ(s.at(0).status(s.now).limited, 1U);
}

TEST(UpstreamSetTest, a_reload_keeps_what_was_learned) {
    RoutingOptions routing;
    routing.breaker.consecutive_failures = 1;
    States s({upstream("a", {.requests_per_minute = 100}), upstream("b")}, routing);
    s.call(0, 200);
    s.call(1, 503);
    DeploymentState* const a = &s.at(0);
    // More of it, in another order, with another limit.
    s.configure({upstream("b"), upstream("c"), upstream("a", {.requests_per_minute = 50})},
                routing);
    EXPECT_EQ(&s.at(2), a);
    EXPECT_EQ(s.limits(2).pacer.meters[0].used, 1);
    EXPECT_NEAR(s.limits(2).pacer.meters[0].limit, 50, 0.1);
    EXPECT_EQ(s.at(0).status(s.now).breaker, BreakerState::open);
    // Another address is another account, whatever its name.
    UpstreamOptions moved = upstream("b");
    moved.base_url = "http://127.0.0.1:2/v1";
    s.configure({moved}, routing);
    EXPECT_EQ(s.at(0).status(s.now).breaker, BreakerState::closed);
}

TEST(UpstreamSetTest, a_call_under_way_ends_where_it_began_whatever_is_reloaded) {
    States s({upstream("a", {.concurrency = 2})});
    UpstreamTicket ticket;
    ASSERT_EQ(s.begin(0, &ticket), BeginResult::begun);
    s.configure({upstream("a", {.concurrency = 2, .burst_ms = 1'000})});
    EXPECT_EQ(s.limits(0).pacer.in_flight, 0) << "another way of counting begins anew";
    s.answer(0, &ticket, 200);
    EXPECT_EQ(s.limits(0).pacer.in_flight, 0);
}

TEST(UpstreamSetTest, the_odd_one_out_is_ejected_from_those_that_do_the_same_work) {
    RoutingOptions routing;
    routing.has_breaker = false;
    UpstreamOptions other_work = upstream("d");
    other_work.models = {{"only-this", ""}};
    States s({upstream("a"), upstream("b"), upstream("c"), other_work}, routing);
    for (int i = 0; i < 60; ++i) {
        for (std::uint32_t j = 0; j < 4; ++j) s.call(j, j == 1 || j == 3 ? 503 : 200);
        s.now += 200 * kMs;
    }
    s.now += 11 * kSecond;
    EXPECT_FALSE(s.set->is_ejected(s.now, 0));
    EXPECT_TRUE(s.set->is_ejected(s.now, 1));
    EXPECT_FALSE(s.set->is_ejected(s.now, 3)) << "it has no peers";
    EXPECT_EQ(s.set->status(s.now)[1].ejected, OutlierReason::failures);
}

TEST(UpstreamSetTest, regions_are_ranked_by_what_was_measured) {
    RoutingOptions routing;
    routing.order = RoutingOrder::regions;
    routing.regions = {{"asia", 1'800}, {"us", 3'200}};
    UpstreamOptions us = upstream("us-1"), asia = upstream("asia-1"), nowhere = upstream("x");
    us.region = "us";
    asia.region = "asia";
    States s({us, nowhere, asia}, routing);
    const auto rank = [&](std::uint32_t index) {
        RouteOption option;
        s.set->describe(s.now, *s.routes->deployments()[index], "gpt-4o", kCall, &option);
        return option.rank;
    };
    EXPECT_LT(rank(2), rank(0));
    EXPECT_LT(rank(0), rank(1)) << "a region that is not stated comes last";
    for (int i = 0; i < 200; ++i) {
        s.set->observe(s.now, 0, CallVerdict::success, 300 * kMs);
        s.set->observe(s.now, 2, CallVerdict::failure, -1);
        s.now += 100 * kMs;
    }
    EXPECT_LT(rank(0), rank(2));
}

TEST(UpstreamSetTest, gauges_tell_what_is_believed) {
    States s({upstream("a", {.requests_per_minute = 100})});
    s.call(0, 200);
    s.set->refresh_gauges(s.now);
    std::string text;
    s.registry.write_prometheus(text);
    for (const std::string_view line :
         {R"(tollgate_deployment_attempts_total{deployment="a"} 1)",
          R"(tollgate_deployment_breaker_state{deployment="a"} 0)",
          R"(tollgate_deployment_limit_per_minute{deployment="a",model="",meter="requests"} 100)",
          R"(tollgate_deployment_limit_used{deployment="a",model="",meter="requests"} 1)"}) {
        EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
    }
}

}  // namespace
}  // namespace tg
