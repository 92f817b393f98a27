// Clients that leave: the provider bills all the same, so its usage is waited for.
#include "gateway/test_gateway.h"

namespace tg {
namespace {

TEST(ClientGoneTest, before_the_answers_head_the_exact_usage_is_still_learned) {
    OneUpstream it;
    RawSocket up = it.pass(chat());
    it.client.close();
    it.gate.settle();
    EXPECT_FALSE(up.has_input()) << "the provider is waited for";
    up.send(json_reply(kChatReply));
    EXPECT_EQ(it.gate.records(2)[1],
              "settled client_gone provider 200 x1 east gpt-4o input=1000 output=100");
    EXPECT_TRUE(eventually([&] { return it.gate.metrics.client_gone->value() == 1; }));
}

TEST(ClientGoneTest, in_the_middle_of_a_stream_the_rest_is_read_for_its_usage) {
    for (const bool is_reset : {false, true}) {
        OneUpstream it;
        RawSocket up = it.pass(chat(kStreamBody));
        up.send(stream_head() + chunk(delta("one")));
        it.client.read_until(delta("one"));
        if (is_reset)
            it.client.reset();
        else
            it.client.close();
        it.gate.settle();
        up.send(chunk(delta(" two") + delta(" three")));
        it.gate.settle();
        EXPECT_FALSE(up.has_input());
        up.send(chunk(usage_event(12, 34)) + chunk(kDone) + std::string(kLastChunk));
        EXPECT_EQ(it.gate.records(2)[1],
                  "settled client_gone provider 200 x1 east gpt-4o input=12 output=34 stream");
    }
}

TEST(ClientGoneTest, the_news_and_the_next_event_may_arrive_in_any_order) {
    OneUpstream it;
    RawSocket up = it.pass(chat(kStreamBody));
    up.send(stream_head() + chunk(delta("one")));
    it.client.read_until(delta("one"));
    // The loop is kept busy until both have arrived: the event first, then the end of the client.
    std::promise<void> busy, both;
    it.gate.loop()->post([&] {
        busy.set_value();
        both.get_future().wait();
    });
    busy.get_future().wait();
    up.send(chunk(delta(" two")));
    it.client.reset();
    both.set_value();
    it.gate.settle();
    EXPECT_FALSE(up.has_input());
    up.send(chunk(usage_event(12, 34)) + chunk(kDone) + std::string(kLastChunk));
    EXPECT_EQ(it.gate.records(2)[1],
              "settled client_gone provider 200 x1 east gpt-4o input=12 output=34 stream");
}

/// Fills every buffer between the upstream and a client that does not read; gives what is left of
/// the last chunk.
std::string stuff(const RawSocket& up, TestGate* gate, std::string_view event) {
    std::string block;
    while (block.size() < 60'000) block += event;
    const std::string piece = chunk(block);
    std::string_view rest = piece;
    for (int refused = 0; refused < 20;) {
        const std::size_t sent = up.send_some(rest);
        refused = sent == 0 ? refused + 1 : 0;
        rest.remove_prefix(sent);
        if (rest.empty()) rest = piece;
        gate->settle();
    }
    return std::string(rest);
}

TEST(ClientGoneTest, a_client_that_did_not_read_and_leaves_is_billed_exactly) {
    OneUpstream it;
    RawSocket slow = it.gate.connect(4096);
    slow.send(chat(kStreamBody));
    RawSocket up = it.upstream.accept();
    read_request(&up);
    up.send(stream_head());
    const std::string rest = stuff(up, &it.gate, delta("one"));
    slow.reset();
    EXPECT_TRUE(up.send(rest));
    EXPECT_TRUE(up.send(chunk(usage_event(12, 34)) + chunk(kDone) + std::string(kLastChunk)));
    EXPECT_EQ(it.gate.records(2)[1],
              "settled client_gone provider 200 x1 east gpt-4o input=12 output=34 stream");
}

TEST(ClientGoneTest, in_the_middle_of_a_whole_answer_the_rest_is_read_for_its_usage) {
    OneUpstream it;
    RawSocket up = it.pass(chat());
    const std::string body =
        R"({"padding":")" + std::string(200'000, 'x') + "\"," + std::string(kChatReply.substr(1));
    const std::string answer = json_reply(body);
    up.send(answer.substr(0, 100'000));
    it.client.read_until("xxx");
    it.client.close();
    it.gate.settle();
    up.send(answer.substr(100'000));
    EXPECT_EQ(it.gate.records(2)[1],
              "settled client_gone provider 200 x1 east gpt-4o input=1000 output=100");
}

TEST(ClientGoneTest, a_provider_that_goes_on_too_long_is_stopped_and_estimated) {
    OneUpstream it([](GatewayOptions* o) { o->drain_after_disconnect_ms = 100; });
    RawSocket up = it.pass(chat(kStreamBody));
    up.send(stream_head() + chunk(delta("one") + delta(" two")));
    it.client.read_until(delta(" two"));
    it.client.close();
    it.gate.settle();
    up.send(chunk(delta(" three") + delta(" four")));
    EXPECT_EQ(up.read_to_end(), "");
    EXPECT_EQ(it.gate.records(2)[1],
              "settled client_gone estimated 200 x1 east gpt-4o input=8 output=2 stream")
        << "what came after the client had left was not delivered";
}

TEST(ClientGoneTest, a_provider_that_never_answers_a_client_that_left_is_estimated) {
    OneUpstream it([](GatewayOptions* o) { o->drain_after_disconnect_ms = 100; });
    RawSocket up = it.pass(chat());
    it.client.close();
    EXPECT_EQ(up.read_to_end(), "");
    EXPECT_EQ(it.gate.records(2)[1], "settled client_gone estimated 0 x1 east gpt-4o input=8");
}

TEST(ClientGoneTest, nobody_else_is_asked_for_a_client_that_left) {
    RawListener east, west;
    TestGate gate(gate_options({upstream_at(east.port()), upstream_at(west.port(), "west")}));
    RawSocket client = gate.connect();
    client.send(chat());
    RawSocket up = east.accept();
    read_request(&up);
    client.close();
    gate.settle();
    up.send(json_reply("{}", 503));
    ASSERT_TRUE(eventually([&] { return gate.records().size() == 2 || west.has_waiting(); }));
    EXPECT_FALSE(west.has_waiting());
    EXPECT_EQ(gate.records(2)[1], "settled upstream_error none 503 x1 east gpt-4o");
}

TEST(ClientGoneTest, while_it_uploads) {
    OneUpstream it;
    it.client.send(request_head("POST", "/v1/files", "content-length: 100000\r\n") + "\r\n" +
                   std::string(1000, 'a'));
    RawSocket up = it.upstream.accept();
    up.read_until("\r\n\r\n");
    EXPECT_EQ(up.read_bytes(1000), std::string(1000, 'a'));
    it.client.close();
    EXPECT_EQ(up.read_to_end(), "") << "a cut body must not look whole";
    EXPECT_EQ(it.gate.records(2)[1], "settled client_gone none 0 x1 east -");
    EXPECT_EQ(it.gate.metrics.upstream_failures->value(), 0U);
}

TEST(ClientGoneTest, before_its_body_has_come) {
    OneUpstream it;
    it.client.send(request_head("POST", "/v1/chat/completions", "content-length: 1000\r\n") +
                   "\r\n{");
    it.gate.settle();
    it.client.close();
    EXPECT_TRUE(eventually([&] { return it.gate.metrics.requests_4xx->value() == 1; }));
    EXPECT_TRUE(it.gate.records().empty());
    EXPECT_FALSE(it.upstream.has_waiting());
}

}  // namespace
}  // namespace tg
