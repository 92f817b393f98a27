// How calls find their account: limits, breakers, policies, retries.
#include "gateway/test_gateway.h"

namespace tg {
namespace {

using Lines = std::vector<std::string>;

/// A gate before two upstreams; `change` mends the options, `policy` is the project's.
struct Two {
    explicit Two(void (*change)(GatewayOptions*) = nullptr, DataPolicy policy = {})
        : gate(options(change)) {
        if (policy != DataPolicy{}) {
            gate.snapshot.directory = gate_directory(std::move(policy));
            gate.publish();
        }
    }
    RawSocket send(std::string_view request = chat()) const {
        RawSocket client = gate.connect();
        EXPECT_TRUE(client.send(request));
        return client;
    }
    /// The upstream's side of a call that goes there.
    static RawSocket accept(RawListener& upstream) {
        RawSocket out = upstream.accept();
        read_request(&out);
        return out;
    }
    static void answer(RawListener& upstream, std::string_view reply) {
        EXPECT_TRUE(accept(upstream).send(reply));
    }
    /// A whole call that must go to `upstream`, on connections of its own.
    RawAnswer pass(RawListener& upstream, std::string_view reply = json_reply(kChatReply)) const {
        RawSocket client = send();
        answer(upstream, reply);
        return read_answer(&client);
    }

    RawListener east, west;
    TestGate gate;

  private:
    GatewayOptions options(void (*change)(GatewayOptions*)) const {
        GatewayOptions out =
            gate_options({upstream_at(east.port()), upstream_at(west.port(), "west")});
        out.upstreams[1].region = "us";
        if (change != nullptr) change(&out);
        return out;
    }
};

TEST(RoutingTest, a_call_goes_past_an_account_that_is_at_its_limit) {
    Two it([](GatewayOptions* o) { o->upstreams[0].limits.concurrency = 1; });
    RawSocket first = it.send();
    RawSocket east = Two::accept(it.east);
    RawSocket second = it.send();
    Two::answer(it.west, json_reply(kChatReply));
    EXPECT_TRUE(read_answer(&second).has("x-tollgate-upstream: west"));
    east.send(json_reply(kChatReply));
    EXPECT_TRUE(read_answer(&first).has("x-tollgate-upstream: east"));
    east.close();
    ASSERT_TRUE(eventually([&] { return it.gate.upstreams()[0].in_flight == 0; }));
    EXPECT_TRUE(it.pass(it.east).has("x-tollgate-upstream: east"));
}

TEST(RoutingTest, a_call_waits_for_the_limit_and_starts_when_there_is_room) {
    OneUpstream it([](GatewayOptions* o) { o->upstreams[0].limits.concurrency = 1; });
    RawSocket up = it.pass(chat());
    RawSocket second = it.gate.connect();
    second.send(chat());
    ASSERT_TRUE(eventually([&] { return it.gate.upstreams()[0].waiting == 1; }));
    EXPECT_FALSE(it.upstream.has_waiting());
    up.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
    read_request(&up);  // on the connection that has become free
    up.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&second).status, 200);
    EXPECT_EQ(it.gate.records(4)[3],
              "settled ok provider 200 x1 east gpt-4o input=1000 output=100");
}

TEST(RoutingTest, a_client_that_leaves_the_line_is_not_called) {
    OneUpstream it([](GatewayOptions* o) { o->upstreams[0].limits.concurrency = 1; });
    RawSocket up = it.pass(chat());
    {
        RawSocket second = it.gate.connect();
        second.send(chat());
        ASSERT_TRUE(eventually([&] { return it.gate.upstreams()[0].waiting == 1; }));
    }
    ASSERT_TRUE(eventually([&] { return it.gate.upstreams()[0].waiting == 0; }));
    EXPECT_EQ(it.gate.records(3)[2], "abandoned");
    up.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
    EXPECT_FALSE(up.has_input());
}

TEST(RoutingTest, a_wait_that_is_too_long_is_refused_at_once_with_the_time_to_come_back) {
    OneUpstream it([](GatewayOptions* o) {
        o->upstreams[0].limits = {.requests_per_minute = 1};
        o->routing.wait_max_ms = 20'000;
    });
    EXPECT_EQ(it.call(chat(), json_reply(kChatReply)).status, 200);
    const RawAnswer answer = it.gate.ask(chat());
    EXPECT_EQ(answer.status, 429);
    EXPECT_TRUE(answer.has("x-tollgate-error: upstream_limited"));
    EXPECT_EQ(answer.head.find("east"), std::string::npos);
    EXPECT_NE(answer.body.find("try again in 6"), std::string::npos) << answer.body;
    const std::size_t at = answer.head.find("\r\nretry-after: ");
    ASSERT_NE(at, std::string::npos);
    EXPECT_NEAR(std::stoi(answer.head.substr(at + 15)), 60, 1);
    EXPECT_EQ(it.gate.records(4)[3], "abandoned");
}

TEST(RoutingTest, a_wait_that_comes_to_nothing_ends_with_the_calls_time) {
    OneUpstream it([](GatewayOptions* o) {
        o->upstreams[0].limits.concurrency = 1;
        o->routing.wait_max_ms = 100;
    });
    RawSocket up = it.pass(chat());
    const RawAnswer answer = it.gate.ask(chat());
    EXPECT_EQ(answer.status, 429);
    EXPECT_TRUE(answer.has("x-tollgate-error: upstream_limited"));
    up.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(RoutingTest, a_request_larger_than_the_limit_is_told_so) {
    OneUpstream it([](GatewayOptions* o) { o->upstreams[0].limits.tokens_per_minute = 50; });
    const RawAnswer answer = it.gate.ask(chat(
        R"({"model":"gpt-4o","max_tokens":5000,"messages":[{"role":"user","content":"Hi"}]})"));
    EXPECT_EQ(answer.status, 413);
    EXPECT_TRUE(answer.has("x-should-retry: false"));
    EXPECT_NE(answer.body.find("lower its max_tokens"), std::string::npos) << answer.body;
}

TEST(RoutingTest, a_strict_provider_is_not_given_more_than_its_rate) {
    // 20 calls a second, two of them at once: the provider would refuse a third.
    OneUpstream it([](GatewayOptions* o) {
        o->upstreams[0].limits = {.requests_per_minute = 1'200, .burst_ms = 100};
    });
    constexpr int kCalls = 8;
    std::vector<RawSocket> clients;
    for (int i = 0; i < kCalls; ++i) {
        clients.push_back(it.gate.connect());
        clients.back().send(chat());
    }
    std::vector<std::int64_t> arrivals;
    std::vector<RawSocket> ups;
    for (int i = 0; i < kCalls; ++i) {
        ups.push_back(it.upstream.accept());
        read_request(&ups.back());
        arrivals.push_back(system_clock().monotonic_ns());
        ups.back().send(json_reply(kChatReply, 200, "connection: close\r\n"));
    }
    for (RawSocket& client : clients) EXPECT_EQ(read_answer(&client).status, 200);
    EXPECT_GE(arrivals.back() - arrivals.front(), 250'000'000) << "six at 20 a second";
}

TEST(RoutingTest, a_429_is_tried_again_after_its_retry_after) {
    OneUpstream it([](GatewayOptions* o) { o->routing.retries_same_upstream = true; });
    RawSocket up = it.pass(chat());
    const std::int64_t refused_ns = system_clock().monotonic_ns();
    up.send(json_reply(R"({"error":{"type":"requests","code":"rate_limit_exceeded"}})", 429,
                       "retry-after-ms: 120\r\n"));
    read_request(&up);  // the refusal was read whole, so its connection is used again
    EXPECT_GE(system_clock().monotonic_ns() - refused_ns, 120'000'000);
    up.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
    EXPECT_EQ(it.gate.records(2)[1],
              "settled ok provider 200 x2 east gpt-4o input=1000 output=100");
}

TEST(RoutingTest, a_429_that_asks_for_too_long_is_passed_on_as_it_is) {
    OneUpstream it([](GatewayOptions* o) { o->routing.retries_same_upstream = true; });
    const std::string body = R"({"error":{"message":"Slow down","type":"tokens"}})";
    const RawAnswer answer = it.call(chat(), json_reply(body, 429, "retry-after: 120\r\n"));
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(answer.body, body);
    EXPECT_TRUE(answer.has("retry-after: 120"));
    EXPECT_EQ(it.gate.records(2)[1], "settled upstream_error none 429 x1 east gpt-4o");
}

TEST(RoutingTest, a_429_that_is_chunked_or_long_is_passed_on_too) {
    OneUpstream it;
    EXPECT_EQ(it.call(chat(),
                      "HTTP/1.1 429 x\r\ncontent-type: application/json\r\n"
                      "transfer-encoding: chunked\r\n\r\n" +
                          chunk("{\"a\":") + chunk("1}") + std::string(kLastChunk))
                  .body,
              "{\"a\":1}");
    OneUpstream other;
    const std::string large(100'000, 'x');
    EXPECT_EQ(other.call(chat(), json_reply(large, 429)).body, large);
}

TEST(RoutingTest, a_used_up_quota_sends_calls_elsewhere_and_the_next_ones_at_once) {
    Two it;
    RawSocket client = it.send();
    Two::answer(it.east, json_reply(R"({"error":{"code":"insufficient_quota"}})", 429));
    Two::answer(it.west, json_reply(kChatReply));
    EXPECT_EQ(read_answer(&client).status, 200);
    EXPECT_TRUE(it.pass(it.west).has("x-tollgate-upstream: west"));
    EXPECT_TRUE(it.gate.upstreams()[0].limits.back().pacer.is_exhausted);
}

TEST(RoutingTest, limits_are_learned_from_the_providers_headers) {
    Two it([](GatewayOptions* o) { o->routing.wait_max_ms = 0; });
    EXPECT_EQ(it.pass(it.east, json_reply(kChatReply, 200,
                                          "x-ratelimit-limit-requests: 1\r\n"
                                          "x-ratelimit-remaining-requests: 0\r\n"
                                          "x-ratelimit-reset-requests: 1m0s\r\n"))
                  .status,
              200);
    EXPECT_TRUE(it.pass(it.west).has("x-tollgate-upstream: west"));
}

TEST(RoutingTest, the_breaker_keeps_calls_away_until_a_probe_succeeds) {
    Two it([](GatewayOptions* o) {
        o->routing.breaker.consecutive_failures = 2;
        o->routing.breaker.open_first_ms = 150;
        o->routing.breaker.probes_to_close = 1;
    });
    for (int i = 0; i < 2; ++i) {
        RawSocket client = it.send();
        Two::answer(it.east, json_reply("{}", 503));
        Two::answer(it.west, json_reply(kChatReply));
        EXPECT_EQ(read_answer(&client).status, 200);
    }
    EXPECT_EQ(it.gate.upstreams()[0].breaker, BreakerState::open);
    EXPECT_TRUE(it.pass(it.west).has("x-tollgate-upstream: west"));
    EXPECT_FALSE(it.east.has_waiting());
    ASSERT_TRUE(
        eventually([&] { return it.gate.upstreams()[0].breaker == BreakerState::half_open; }));
    EXPECT_TRUE(it.pass(it.east).has("x-tollgate-upstream: east"));
    EXPECT_EQ(it.gate.upstreams()[0].breaker, BreakerState::closed);
}

TEST(RoutingTest, when_all_fail_a_call_is_refused_without_being_sent) {
    OneUpstream it([](GatewayOptions* o) { o->routing.breaker.consecutive_failures = 1; });
    EXPECT_EQ(it.call(chat(), json_reply("{}", 503)).status, 503);
    const RawAnswer answer = it.gate.ask(chat());
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(answer.has("x-tollgate-error: upstream_unavailable"));
    EXPECT_NE(answer.body.find("works at present; try again in"), std::string::npos);
    EXPECT_NE(answer.head.find("\r\nretry-after: "), std::string::npos);
    EXPECT_EQ(it.gate.records(4)[3], "abandoned");
}

TEST(RoutingTest, an_account_that_refuses_our_credentials_is_not_the_end) {
    Two it;
    RawSocket client = it.send();
    Two::answer(it.east, json_reply("{}", 401));
    Two::answer(it.west, json_reply(kChatReply));
    EXPECT_EQ(read_answer(&client).status, 200);
    OneUpstream alone([](GatewayOptions* o) { o->routing.retries_same_upstream = true; });
    EXPECT_TRUE(
        alone.call(chat(), json_reply("{}", 401)).has("x-tollgate-error: upstream_rejected"));
}

TEST(RoutingTest, residency_holds_in_failover) {
    Two it(nullptr, {.regions = std::vector<std::string>{"eu"}});
    EXPECT_EQ(it.pass(it.east, json_reply("{}", 503)).status, 503);
    EXPECT_FALSE(it.west.has_waiting());
}

TEST(RoutingTest, a_policy_that_no_account_meets_is_explained) {
    Two it(nullptr, {.is_zero_retention = true, .regions = std::vector<std::string>{"eu", "cn"}});
    const RawAnswer answer = it.gate.ask(chat());
    EXPECT_EQ(answer.status, 403);
    EXPECT_TRUE(answer.has("x-tollgate-error: policy_refused"));
    EXPECT_NE(answer.body.find("(zero retention; regions eu, cn) leaves no account"),
              std::string::npos)
        << answer.body;
    EXPECT_EQ(it.gate.records(2)[1], "abandoned");
}

TEST(RoutingTest, zero_retention_goes_only_where_it_is_covered) {
    Two it([](GatewayOptions* o) { o->upstreams[1].zero_retention = {"contract 7", "2026-01-01"}; },
           {.is_zero_retention = true});
    EXPECT_EQ(it.pass(it.west, json_reply("{}", 503)).status, 503);
    EXPECT_FALSE(it.east.has_waiting());
}

TEST(RoutingTest, a_dedicated_pool_serves_its_own_and_nobody_else) {
    const auto dedicate = [](GatewayOptions* o) { o->upstreams[1].pool = "acme"; };
    Two own(dedicate, {.pool = "acme"});
    EXPECT_EQ(own.pass(own.west, json_reply("{}", 503)).status, 503);
    EXPECT_FALSE(own.east.has_waiting());
    Two others(dedicate);
    EXPECT_EQ(others.pass(others.east, json_reply("{}", 503)).status, 503);
    EXPECT_FALSE(others.west.has_waiting());
}

TEST(RoutingTest, the_cheapest_provider_first_and_one_without_a_price_never) {
    Two it([](GatewayOptions* o) {
        o->upstreams[0].provider = "azure";  // twice as dear
        o->routing.order = RoutingOrder::price;
    });
    EXPECT_TRUE(it.pass(it.west).has("x-tollgate-cost: 0.0035 USD"));

    Two unpriced([](GatewayOptions* o) { o->upstreams[1].provider = "nobody"; });
    EXPECT_EQ(unpriced.pass(unpriced.east, json_reply("{}", 503)).status, 503);
    EXPECT_FALSE(unpriced.west.has_waiting());

    Two second_only([](GatewayOptions* o) { o->upstreams[0].provider = "nobody"; });
    EXPECT_TRUE(second_only.pass(second_only.west).has("x-tollgate-cost: 0.0035 USD"));
}

TEST(RoutingTest, retries_have_a_budget) {
    Two it([](GatewayOptions* o) {
        o->routing.retry_budget_share = 0;
        o->routing.retry_budget_per_second = 0;
        o->routing.retry_budget_max = 1;
    });
    RawSocket client = it.send();
    Two::answer(it.east, json_reply("{}", 503));
    Two::answer(it.west, json_reply(kChatReply));
    EXPECT_EQ(read_answer(&client).status, 200);
    EXPECT_EQ(it.pass(it.east, json_reply("{}", 503)).status, 503);
    EXPECT_FALSE(it.west.has_waiting());
}

TEST(RoutingTest, a_call_for_an_object_goes_to_the_account_that_has_it) {
    Two it([](GatewayOptions* o) {
        o->routing.order = RoutingOrder::remaining;
        o->upstreams[0].limits.concurrency = 2;
    });
    RawSocket first = it.send(), second = it.send();
    RawSocket east = Two::accept(it.east), west = Two::accept(it.west);
    RawSocket client = it.send(get("/v1/files/file-1"));
    Two::answer(it.east, json_reply("{}", 503));
    EXPECT_EQ(read_answer(&client).status, 503) << "the other account does not know the file";
    EXPECT_FALSE(it.west.has_waiting());
    for (RawSocket* up : {&east, &west}) up->send(json_reply(kChatReply));
    for (RawSocket* each : {&first, &second}) EXPECT_EQ(read_answer(each).status, 200);
}

TEST(RoutingTest, a_fallback_model_serves_and_is_billed_when_the_asked_one_cannot) {
    OneUpstream it([](GatewayOptions* o) {
        o->routing.fallbacks = {{"gpt-4o", {"no-price", "gpt-4o-mini"}}};
    });
    RawSocket up = it.pass(chat());
    up.send(json_reply("{}", 503));
    up.close();
    RawSocket again = it.upstream.accept();
    EXPECT_EQ(read_request(&again).body,
              R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]})");
    again.send(json_reply(kChatReply));
    const RawAnswer answer = read_answer(&it.client);
    EXPECT_TRUE(answer.has("x-tollgate-model: gpt-4o-mini"));
    EXPECT_TRUE(answer.has("x-tollgate-cost: 0.00021 USD"));
    EXPECT_EQ(it.gate.records(2)[1],
              "settled ok provider 200 x2 east gpt-4o-mini input=1000 "
              "output=100 instead of gpt-4o");
}

TEST(RoutingTest, a_fallback_model_serves_when_limits_are_reached_but_not_where_policy_forbids) {
    OneUpstream it([](GatewayOptions* o) {
        o->upstreams[0].models = {{"gpt-4o", "", {.concurrency = 1}}, {"gpt-4o-mini", ""}};
        o->routing.fallbacks = {{"gpt-4o", {"gpt-4o-mini"}}};
        o->routing.wait_max_ms = 0;
    });
    RawSocket up = it.pass(chat());
    RawSocket second = it.gate.connect();
    second.send(chat());
    RawSocket other = it.upstream.accept();
    EXPECT_NE(read_request(&other).body.find("gpt-4o-mini"), std::string::npos);
    other.send(json_reply(kChatReply));
    EXPECT_TRUE(read_answer(&second).has("x-tollgate-model: gpt-4o-mini"));
    up.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).head.find("x-tollgate-model"), std::string::npos);

    it.gate.snapshot.directory = gate_directory({.regions = std::vector<std::string>{"us"}});
    it.gate.publish();
    EXPECT_EQ(it.gate.ask(chat()).status, 403);
}

TEST(RoutingTest, an_interim_answer_does_not_end_an_upload) {
    OneUpstream it;
    it.client.send(request_head("POST", "/v1/files", "content-length: 8\r\n") + "\r\nfour");
    RawSocket up = it.upstream.accept();
    up.read_until("four");
    up.send("HTTP/1.1 100 Continue\r\n\r\n");
    it.gate.settle();
    it.client.send("more");
    EXPECT_EQ(up.read_bytes(4), "more");
    up.send(json_reply("{}"));
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(RoutingTest, a_clients_broken_upload_is_no_failure_of_the_upstream) {
    OneUpstream it;
    it.client.send(request_head("POST", "/v1/files", "transfer-encoding: chunked\r\n") +
                   "\r\n4\r\nfour\r\n");
    RawSocket up = it.upstream.accept();
    EXPECT_NE(up.read_until("four").find("four"), std::string::npos);
    it.client.send("nonsense\r\n");
    EXPECT_EQ(read_answer(&it.client).status, 400);
    EXPECT_EQ(it.gate.records(2)[1], "settled client_gone none 0 x1 east -");
    EXPECT_EQ(it.gate.upstreams()[0].failures, 0U);
}

TEST(RoutingTest, a_reload_gives_connections_their_new_options) {
    OneUpstream it;
    EXPECT_EQ(it.call(chat(), json_reply(kChatReply)).status, 200);
    GatewayOptions next = gate_options({upstream_at(it.upstream.port())});
    next.idle_connections_per_upstream = 0;
    it.gate.publish(next);
    EXPECT_EQ(it.call(chat(), json_reply(kChatReply)).status, 200) << "on a new connection";
    EXPECT_EQ(it.call(chat(), json_reply(kChatReply)).status, 200) << "and none is kept";
    EXPECT_EQ(it.gate.upstreams()[0].attempts, 3U) << "what is known of the account stays";
}

TEST(HealthTest, an_account_that_fails_its_checks_is_the_last_to_be_asked) {
    Two it([](GatewayOptions* o) {
        o->routing.has_health_checks = true;
        o->routing.health = {.interval_ms = 100,
                             .retry_first_ms = 50,
                             .retry_max_ms = 50,
                             .failures_to_unhealthy = 2,
                             .successes_to_healthy = 1};
    });
    const auto check = [](RawListener& upstream, int status) {
        RawSocket up = upstream.accept();
        const SeenRequest seen = read_request(&up);
        EXPECT_TRUE(seen.head.starts_with("GET /v1/models HTTP/1.1\r\n")) << seen.head;
        EXPECT_EQ(seen.value("authorization"), "Bearer sk-account");
        up.send(json_reply("{}", status, "connection: close\r\n"));
    };
    // West answers whenever it is asked; the test drops its connections otherwise.
    check(it.east, 500);
    check(it.east, 401);
    ASSERT_TRUE(eventually([&] { return it.gate.upstreams()[0].is_healthy == false; }));
    check(it.east, 200);
    EXPECT_TRUE(eventually([&] { return it.gate.upstreams()[0].is_healthy == true; }));
    EXPECT_EQ(it.gate.records().size(), 0U) << "a check is no call";
}

}  // namespace
}  // namespace tg
