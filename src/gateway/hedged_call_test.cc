// A second call beside a slow one: who wins, what each costs, and where it may go.
#include "gateway/test_gateway.h"

namespace tg {
namespace {

/// Two upstreams, of which the first is known to be quick, and hedging after 20 ms.
struct Hedged {
    explicit Hedged(DataPolicy policy = {}, void (*change)(GatewayOptions*) = nullptr)
        : gate(options(change)), client(gate.connect()), quick(first_call()) {
        if (policy != DataPolicy{}) {
            gate.snapshot.directory = gate_directory(std::move(policy));
            gate.publish();
        }
        constexpr int kEnoughToKnow = 25;
        for (int i = 0; i < kEnoughToKnow; ++i) {
            if (i > 0) client.send(chat());
            read_request(&quick);
            quick.send(json_reply(kChatReply));
            EXPECT_EQ(read_answer(&client).status, 200);
        }
        settled = gate.records(2 * kEnoughToKnow).size();
    }
    /// What the journal has got since, in any order.
    std::vector<std::string> events(std::size_t count) const {
        std::vector<std::string> out = gate.records(settled + count);
        out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(settled));
        std::ranges::sort(out);
        return out;
    }

    RawListener east, west;
    TestGate gate;
    RawSocket client;
    RawSocket quick;  ///< the connection to east
    std::size_t settled = 0;

  private:
    RawSocket first_call() {
        client.send(chat());
        return east.accept();
    }
    GatewayOptions options(void (*change)(GatewayOptions*)) const {
        GatewayOptions out =
            gate_options({upstream_at(east.port()), upstream_at(west.port(), "west")});
        out.upstreams[1].region = "us";
        out.routing.hedge = {.is_enabled = true, .delay_min_ms = 20, .delay_max_ms = 100};
        if (change != nullptr) change(&out);
        return out;
    }
};

constexpr std::string_view kOtherReply =
    R"({"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}})";

TEST(HedgedCallTest, the_second_answers_first_and_both_are_in_the_books) {
    Hedged it;
    it.client.send(chat());
    read_request(&it.quick);
    RawSocket west = it.west.accept();
    EXPECT_EQ(read_request(&west).body, kChatBody);
    west.send(json_reply(kOtherReply));
    const RawAnswer answer = read_answer(&it.client);
    EXPECT_TRUE(answer.has("x-tollgate-upstream: west"));
    EXPECT_EQ(answer.body, kOtherReply);
    it.quick.send(json_reply(kChatReply));
    EXPECT_EQ(it.events(4),
              (std::vector<std::string>{
                  "reserved gpt-4o", "reserved gpt-4o",
                  "settled client_gone provider 200 x1 east gpt-4o input=1000 output=100 hedged",
                  "settled ok provider 200 x1 west gpt-4o input=7 output=3 hedged"}));
    EXPECT_EQ(it.gate.metrics.hedges->value(), 1U);
    EXPECT_EQ(it.gate.metrics.hedges_won->value(), 1U);
    EXPECT_TRUE(eventually([&] {
        const auto now = it.gate.upstreams();
        return now[0].in_flight == 0 && now[1].in_flight == 0;
    }));
    // The loser's connection was read to its end, and serves the next call.
    it.client.send(chat());
    EXPECT_EQ(read_request(&it.quick).body, kChatBody);
    it.quick.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(HedgedCallTest, the_first_answers_first_and_the_second_is_stopped_and_estimated) {
    Hedged it({}, [](GatewayOptions* o) { o->drain_after_disconnect_ms = 50; });
    it.client.send(chat());
    read_request(&it.quick);
    RawSocket west = it.west.accept();
    read_request(&west);
    it.quick.send(json_reply(kChatReply));
    EXPECT_TRUE(read_answer(&it.client).has("x-tollgate-upstream: east"));
    EXPECT_EQ(west.read_to_end(), "") << "it is told to stop";
    EXPECT_EQ(it.events(4),
              (std::vector<std::string>{
                  "reserved gpt-4o", "reserved gpt-4o",
                  "settled client_gone estimated 0 x1 west gpt-4o input=8 hedged",
                  "settled ok provider 200 x1 east gpt-4o input=1000 output=100 hedged"}));
    EXPECT_EQ(it.gate.metrics.hedges_won->value(), 0U);
    EXPECT_EQ(it.gate.upstreams()[1].failures, 0U) << "being given up is no failure";
}

TEST(HedgedCallTest, a_stream_that_lost_is_read_for_its_usage) {
    Hedged it;
    it.client.send(chat(kStreamBody));
    read_request(&it.quick);
    RawSocket west = it.west.accept();
    read_request(&west);
    it.quick.send(stream_head() + chunk(delta("one")));
    it.client.read_until(delta("one"));
    west.send(stream_head() + chunk(delta("uno") + usage_event(7, 3)) + chunk(kDone) +
              std::string(kLastChunk));
    it.quick.send(chunk(usage_event(12, 34)) + chunk(kDone) + std::string(kLastChunk));
    EXPECT_EQ(it.events(4),
              (std::vector<std::string>{
                  "reserved gpt-4o", "reserved gpt-4o",
                  "settled client_gone provider 200 x1 west gpt-4o input=7 output=3 stream hedged",
                  "settled ok provider 200 x1 east gpt-4o input=12 output=34 stream hedged"}));
}

TEST(HedgedCallTest, a_failing_first_leaves_the_call_to_the_second) {
    Hedged it;
    it.client.send(chat());
    read_request(&it.quick);
    RawSocket west = it.west.accept();
    read_request(&west);
    it.quick.send(json_reply("{}", 503));
    it.gate.settle();
    west.send(json_reply(kOtherReply));
    EXPECT_TRUE(read_answer(&it.client).has("x-tollgate-upstream: west"));
    EXPECT_EQ(it.events(4), (std::vector<std::string>{
                                "reserved gpt-4o", "reserved gpt-4o",
                                "settled ok provider 200 x1 west gpt-4o input=7 output=3 hedged",
                                "settled upstream_error none 503 x1 east gpt-4o hedged"}));
}

TEST(HedgedCallTest, a_failing_second_changes_nothing) {
    Hedged it;
    it.client.send(chat());
    read_request(&it.quick);
    RawSocket west = it.west.accept();
    read_request(&west);
    west.send(json_reply("{}", 503));
    it.gate.settle();
    it.quick.send(json_reply(kChatReply));
    EXPECT_TRUE(read_answer(&it.client).has("x-tollgate-upstream: east"));
    EXPECT_EQ(it.events(4),
              (std::vector<std::string>{
                  "reserved gpt-4o", "reserved gpt-4o",
                  "settled ok provider 200 x1 east gpt-4o input=1000 output=100 hedged",
                  "settled upstream_error none 503 x1 west gpt-4o hedged"}));
}

TEST(HedgedCallTest, a_second_that_breaks_off_costs_nothing) {
    Hedged it;
    it.client.send(chat());
    read_request(&it.quick);
    {
        RawSocket west = it.west.accept();
        read_request(&west);
    }
    ASSERT_TRUE(eventually([&] { return it.gate.upstreams()[1].failures == 1; }));
    it.quick.send(json_reply(kChatReply));
    EXPECT_TRUE(read_answer(&it.client).has("x-tollgate-upstream: east"));
    EXPECT_EQ(it.events(4),
              (std::vector<std::string>{
                  "reserved gpt-4o", "reserved gpt-4o",
                  "settled ok provider 200 x1 east gpt-4o input=1000 output=100 hedged",
                  "settled upstream_broken none 0 x1 west gpt-4o hedged"}));
}

TEST(HedgedCallTest, residency_holds) {
    Hedged it({.regions = std::vector<std::string>{"eu"}});
    it.client.send(chat());
    read_request(&it.quick);
    // Long after the hedge would have been sent.
    const std::int64_t until = system_clock().monotonic_ns() + 300'000'000;
    ASSERT_TRUE(eventually([&] { return system_clock().monotonic_ns() > until; }));
    EXPECT_FALSE(it.west.has_waiting());
    it.quick.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
    EXPECT_EQ(it.gate.metrics.hedges->value(), 0U);
}

/// The policy leaves out a third account, so the call's routes are its own and end with it; what
/// lost the race goes on all the same.
TEST(HedgedCallTest, the_loser_outlives_the_call_and_its_routes) {
    Hedged it({.regions = std::vector<std::string>{"eu", "us"}}, [](GatewayOptions* o) {
        o->upstreams.push_back(upstream_at(1, "elsewhere"));
        o->upstreams.back().region = "cn";
        o->upstreams.back().rank = 9;
    });
    it.client.send(chat());
    read_request(&it.quick);
    RawSocket west = it.west.accept();
    read_request(&west);
    it.quick.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
    it.client.send(chat());
    read_request(&it.quick);
    it.quick.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
    west.send(json_reply(kOtherReply));
    const std::vector<std::string> events = it.events(6);
    EXPECT_TRUE(std::ranges::any_of(events, [](const std::string& line) {
        return line.starts_with("settled client_gone provider 200 x1 west gpt-4o input=7 output=3");
    })) << events.front();
}

TEST(HedgedCallTest, a_client_that_leaves_stops_the_race) {
    Hedged it({}, [](GatewayOptions* o) { o->drain_after_disconnect_ms = 50; });
    it.client.send(chat());
    read_request(&it.quick);
    RawSocket west = it.west.accept();
    read_request(&west);
    it.client.close();
    EXPECT_EQ(west.read_to_end(), "");
    EXPECT_EQ(it.events(4), (std::vector<std::string>{
                                "reserved gpt-4o", "reserved gpt-4o",
                                "settled client_gone estimated 0 x1 east gpt-4o input=8 hedged",
                                "settled client_gone estimated 0 x1 west gpt-4o input=8 hedged"}));
}

TEST(HedgedCallTest, the_gate_may_stop_in_the_middle_of_a_race) {
    Hedged it;
    it.client.send(chat());
    read_request(&it.quick);
    RawSocket west = it.west.accept();
    read_request(&west);
    it.gate.stop();
    EXPECT_EQ(it.client.read_to_end(), "");
}

}  // namespace
}  // namespace tg
