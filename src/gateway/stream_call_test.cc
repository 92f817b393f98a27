// Server-sent events: usage that is asked for and taken out again, and streams that do not end
// well.
#include "gateway/test_gateway.h"

namespace tg {
namespace {

const std::string kSettled = "settled ok provider 200 x1 east gpt-4o input=12 output=34 stream";

std::string cut_event(std::string_view message, std::string_view code) {
    return R"(data: {"error":{"message":")" + std::string(message) +
           R"(","type":"server_error","param":null,"code":")" + std::string(code) + "\"}}\n\n";
}

TEST(StreamCallTest, usage_is_asked_for_and_taken_out_when_the_client_did_not_ask) {
    OneUpstream it;
    SeenRequest seen;
    const std::string nulled = R"(,"usage":null)";
    const RawAnswer answer =
        it.call(chat(kStreamBody),
                stream_head("x-request-id: up-1\r\nset-cookie: a=b\r\n") +
                    chunk(delta("one", nulled) + ": ping\n\n" + delta(" two", nulled)) +
                    chunk(usage_event(12, 34) + std::string(kDone)) + std::string(kLastChunk),
                &seen);
    EXPECT_EQ(seen.body, R"({"model":"gpt-4o","stream":true,"messages":[{"role":"user",)"
                         R"("content":"Hi"}],"stream_options":{"include_usage":true}})");
    EXPECT_EQ(seen.value("content-length"), std::to_string(seen.body.size()));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, delta("one") + ": ping\n\n" + delta(" two") + std::string(kDone));
    EXPECT_TRUE(answer.has("content-type: text/event-stream"));
    EXPECT_TRUE(answer.has("transfer-encoding: chunked"));
    EXPECT_TRUE(answer.has("x-tollgate-upstream: east"));
    EXPECT_TRUE(answer.has("x-tollgate-upstream-request-id: up-1"));
    EXPECT_EQ(answer.head.find("set-cookie"), std::string::npos);
    EXPECT_EQ(it.gate.records(), (std::vector<std::string>{"reserved gpt-4o", kSettled}));
}

TEST(StreamCallTest, usage_stays_when_the_client_asked) {
    OneUpstream it;
    SeenRequest seen;
    const std::string body = R"({"model":"gpt-4o","stream":true,)"
                             R"("stream_options":{"include_usage":true},"messages":[]})";
    const std::string events =
        delta("one", R"(,"usage":null)") + usage_event(12, 34) + std::string(kDone);
    const RawAnswer answer =
        it.call(chat(body), stream_head() + chunk(events) + std::string(kLastChunk), &seen);
    EXPECT_EQ(seen.body, body);
    EXPECT_EQ(answer.body, events);
    EXPECT_EQ(it.gate.records(2)[1], kSettled);
}

TEST(StreamCallTest, a_refused_include_usage_is_overridden_and_still_taken_out) {
    OneUpstream it;
    SeenRequest seen;
    const RawAnswer answer = it.call(
        chat(R"({"model":"gpt-4o","stream":true,"stream_options":{"include_usage": false,"x":1}})"),
        stream_head() + chunk(delta("one") + usage_event(12, 34) + std::string(kDone)) +
            std::string(kLastChunk),
        &seen);
    EXPECT_EQ(seen.body,
              R"({"model":"gpt-4o","stream":true,"stream_options":{"include_usage": true,"x":1}})");
    EXPECT_EQ(answer.body, delta("one") + std::string(kDone));
    EXPECT_EQ(it.gate.records(2)[1], kSettled);
}

TEST(StreamCallTest, an_upstream_that_knows_no_stream_options_is_counted) {
    OneUpstream it([](GatewayOptions* o) { o->upstreams[0].inject_usage = false; });
    SeenRequest seen;
    const std::string events = delta("one") + delta(" two") + std::string(kDone);
    const RawAnswer answer =
        it.call(chat(kStreamBody), stream_head() + chunk(events) + std::string(kLastChunk), &seen);
    EXPECT_EQ(seen.body, kStreamBody);
    EXPECT_EQ(answer.body, events);
    EXPECT_EQ(it.gate.records(2)[1],
              "settled ok estimated 200 x1 east gpt-4o input=8 output=2 stream");
}

TEST(StreamCallTest, events_go_down_as_they_come) {
    OneUpstream it;
    RawSocket up = it.pass(chat(kStreamBody));
    up.send(stream_head());
    for (const char* word : {"one", "two", "three"}) {
        up.send(chunk(delta(word)));
        const std::string until = it.client.read_until(delta(word) + "\r\n");
        EXPECT_TRUE(until.ends_with(chunk(delta(word)))) << until;
    }
    EXPECT_EQ(it.gate.records(), (std::vector<std::string>{"reserved gpt-4o"}));
    up.send(chunk(usage_event(12, 34)) + chunk(kDone) + std::string(kLastChunk));
    EXPECT_TRUE(it.client.read_until("0\r\n\r\n").ends_with(std::string(kDone) + "\r\n0\r\n\r\n"));
    EXPECT_EQ(it.gate.records().back(), kSettled);
}

TEST(StreamCallTest, the_last_usage_wins_and_a_byte_at_a_time_is_the_same_stream) {
    OneUpstream it;
    RawSocket up = it.pass(chat(kStreamBody));
    const std::string running = R"(,"usage":{"prompt_tokens":12,"completion_tokens":1})";
    up.send(stream_head());
    for (const char byte :
         delta("one", running) + usage_event(12, 2) + usage_event(12, 34) + std::string(kDone))
        up.send(chunk({&byte, 1}));
    up.send(kLastChunk);
    EXPECT_EQ(read_answer(&it.client).body, delta("one") + std::string(kDone));
    EXPECT_EQ(it.gate.records(2)[1], kSettled);
}

TEST(StreamCallTest, a_stream_without_its_end_mark_was_cut) {
    OneUpstream it;
    RawSocket up = it.pass(chat(kStreamBody));
    up.send(stream_head() + chunk(delta("one") + delta(" two")) + std::string(kLastChunk));
    const std::string down = it.client.read_to_end();
    EXPECT_TRUE(
        down.ends_with(chunk(delta("one") + delta(" two") +
                             cut_event("the upstream's answer was cut", "upstream_broken"))))
        << down;
    EXPECT_TRUE(it.client.was_reset());
    EXPECT_EQ(it.gate.records(2)[1],
              "settled upstream_broken estimated 200 x1 east gpt-4o input=8 output=2 stream");
}

TEST(StreamCallTest, a_stream_that_breaks_off_says_so_and_is_billed_for_what_was_delivered) {
    struct Case {
        const char* what;
        std::string rest;
        const char* settled;
    };
    const Case cases[] = {
        {"closed", "", "estimated 200 x1 east gpt-4o input=8 output=2 stream"},
        {"a bad chunk", "zz\r\n", "estimated 200 x1 east gpt-4o input=8 output=2 stream"},
        {"usage had come", chunk(usage_event(12, 34)),
         "provider 200 x1 east gpt-4o input=12 output=34 stream"},
    };
    for (const Case& each : cases) {
        OneUpstream it;
        {
            RawSocket up = it.pass(chat(kStreamBody));
            up.send(stream_head() + chunk(delta("one") + delta(" two")));
            const std::string down = it.client.read_until(delta(" two") + "\r\n");
            EXPECT_TRUE(down.ends_with(chunk(delta("one") + delta(" two")))) << down;
            up.send(each.rest);
        }
        EXPECT_EQ(it.client.read_to_end(),
                  chunk(cut_event("the upstream's answer was cut", "upstream_broken")))
            << each.what;
        EXPECT_TRUE(it.client.was_reset()) << each.what;
        EXPECT_EQ(it.gate.records(2)[1], "settled upstream_broken " + std::string(each.settled))
            << each.what;
    }
}

TEST(StreamCallTest, a_stream_that_stalls_is_given_up) {
    OneUpstream it([](GatewayOptions* o) { o->stream_idle_timeout_ms = 100; });
    RawSocket up = it.pass(chat(kStreamBody));
    up.send(stream_head() + chunk(delta("one")));
    const std::string down = it.client.read_to_end();
    EXPECT_TRUE(down.ends_with(
        chunk(delta("one")) + chunk(cut_event("the upstream's answer was cut", "upstream_broken"))))
        << down;
    EXPECT_EQ(up.read_to_end(), "") << "the provider is told to stop";
    EXPECT_EQ(it.gate.records(2)[1],
              "settled upstream_broken estimated 200 x1 east gpt-4o input=8 output=1 stream");
}

TEST(StreamCallTest, what_is_no_json_passes_as_it_is) {
    OneUpstream it;
    const std::string events = "data: {broken\n\ndata: \n\nevent: x\nid: 7\n\n" + delta("one") +
                               "data: {\"usage\":[]}\n\n" + std::string(kDone);
    const RawAnswer answer =
        it.call(chat(kStreamBody), stream_head() + chunk(events) + std::string(kLastChunk));
    EXPECT_EQ(answer.body, events);
    EXPECT_EQ(it.gate.records(2)[1],
              "settled ok estimated 200 x1 east gpt-4o input=8 output=1 stream");
}

TEST(StreamCallTest, responses_are_complete_with_their_own_end_mark) {
    OneUpstream it;
    const std::string completed =
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{"
        "\"usage\":{\"input_tokens\":12,\"output_tokens\":34,\"total_tokens\":46}}}\n\n";
    SeenRequest seen;
    const std::string body = R"({"model":"gpt-4o","stream":true,"input":"Hi"})";
    const RawAnswer answer =
        it.call(post("/v1/responses", body),
                stream_head() + chunk(completed) + std::string(kLastChunk), &seen);
    EXPECT_EQ(seen.body, body);
    EXPECT_EQ(answer.body, completed);
    EXPECT_EQ(it.gate.records(2)[1], kSettled);
}

TEST(StreamCallTest, a_stream_that_ends_with_the_connection_is_whole_when_it_says_so) {
    OneUpstream it;
    {
        RawSocket up = it.pass(chat(kStreamBody));
        up.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + delta("one") +
                usage_event(12, 34) + std::string(kDone));
    }
    EXPECT_EQ(read_answer(&it.client).body, delta("one") + std::string(kDone));
    EXPECT_EQ(it.gate.records(2)[1], kSettled);
}

TEST(StreamCallTest, for_an_old_client_the_connections_end_is_the_streams) {
    for (const bool is_whole : {true, false}) {
        OneUpstream it;
        std::string request = chat(kStreamBody);
        request.replace(request.find("HTTP/1.1"), 8, "HTTP/1.0");
        RawSocket up = it.pass(request);
        up.send(stream_head() + chunk(delta("one")) +
                (is_whole ? chunk(usage_event(12, 34) + std::string(kDone)) : "") +
                std::string(kLastChunk));
        const std::string down = it.client.read_to_end();
        EXPECT_EQ(down.find("transfer-encoding"), std::string::npos) << down;
        EXPECT_NE(down.find("\r\n\r\n" + delta("one")), std::string::npos) << down;
        EXPECT_EQ(down.ends_with(kDone), is_whole) << down;
        EXPECT_EQ(it.client.was_reset(), !is_whole) << "only a reset tells it of a cut";
    }
}

TEST(StreamCallTest, the_prompt_of_a_large_request_is_counted_before_it_is_let_go) {
    OneUpstream it;
    std::string words;
    for (int i = 0; i < 8000; ++i) words += " word";
    const std::string body =
        R"({"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":")" + words +
        "\"}]}";
    {
        RawSocket up = it.pass(chat(body));
        up.send(stream_head() + chunk(delta("one")));
    }
    it.client.read_to_end();
    EXPECT_EQ(it.gate.records(2)[1],
              "settled upstream_broken estimated 200 x1 east gpt-4o input=8007 output=1 stream");
}

TEST(StreamCallTest, the_upstreams_connection_carries_the_next_call) {
    OneUpstream it;
    RawSocket up = it.pass(chat(kStreamBody));
    const std::string answer = stream_head() +
                               chunk(delta("one") + usage_event(12, 34) + std::string(kDone)) +
                               std::string(kLastChunk);
    up.send(answer);
    EXPECT_EQ(read_answer(&it.client).body, delta("one") + std::string(kDone));
    it.client.send(chat(kStreamBody));
    EXPECT_TRUE(read_request(&up).head.starts_with("POST /v1/chat/completions "));
    up.send(answer);
    EXPECT_EQ(read_answer(&it.client).body, delta("one") + std::string(kDone));
    EXPECT_FALSE(it.upstream.has_waiting());
    EXPECT_EQ(it.gate.records(4)[3], kSettled);
}

}  // namespace
}  // namespace tg
