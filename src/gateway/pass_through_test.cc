// Paths whose bodies stream through: files, images, audio.
#include "gateway/test_gateway.h"

namespace tg {
namespace {

std::string upload_head(std::string_view framing) {
    return request_head("POST", "/v1/files",
                        "content-type: multipart/form-data; boundary=b\r\n" + std::string(framing) +
                            "\r\n") +
           "\r\n";
}

TEST(PassThroughTest, an_upload_streams_as_it_comes) {
    OneUpstream it;
    it.client.send(upload_head("content-length: 300000"));
    it.client.send(std::string(100'000, 'a'));
    RawSocket up = it.upstream.accept();
    const std::string head = up.read_until("\r\n\r\n");
    EXPECT_EQ(head.substr(0, 25), "POST /v1/files HTTP/1.1\r\n");
    EXPECT_NE(head.find("\r\ncontent-length: 300000\r\n\r\n"), std::string::npos) << head;
    EXPECT_NE(head.find("\r\ncontent-type: multipart/form-data; boundary=b\r\n"),
              std::string::npos);
    EXPECT_EQ(up.read_bytes(100'000), std::string(100'000, 'a'));
    it.client.send(std::string(200'000, 'b'));
    EXPECT_EQ(up.read_bytes(200'000), std::string(200'000, 'b'));
    up.send(json_reply(R"({"id":"file-1"})"));
    EXPECT_EQ(read_answer(&it.client).body, R"({"id":"file-1"})");
    EXPECT_EQ(it.gate.records(),
              (std::vector<std::string>{"reserved ", "settled ok none 200 x1 east -"}));
    auto reader = JournalReader::open(it.gate.journal_directory(), {}).value();
    JournalRecord record;
    ASSERT_TRUE(reader->next(&record, kNoLimit).value());
    EXPECT_EQ(record.reserved.endpoint, Endpoint::files);
    // And the connection carries the next call.
    it.client.send(get("/v1/files?limit=1"));
    EXPECT_TRUE(read_request(&up).head.starts_with("GET /v1/files?limit=1 HTTP/1.1\r\n"));
}

TEST(PassThroughTest, a_chunked_upload_stays_chunked) {
    OneUpstream it;
    SeenRequest seen;
    RawSocket up = it.pass(upload_head("transfer-encoding: chunked") + chunk("first") +
                               chunk(std::string(70'000, 'x')) + std::string(kLastChunk),
                           &seen);
    EXPECT_TRUE(seen.has("transfer-encoding: chunked"));
    EXPECT_EQ(seen.value("content-length"), "");
    EXPECT_EQ(seen.body, "first" + std::string(70'000, 'x'));
    up.send(json_reply("{}"));
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(PassThroughTest, an_upload_is_sent_once) {
    RawListener east, west;
    TestGate gate(gate_options({upstream_at(east.port()), upstream_at(west.port(), "west")}));
    RawSocket client = gate.connect();
    client.send(upload_head("content-length: 2000") + std::string(1000, 'a'));
    {
        RawSocket up = east.accept();
        up.read_until("\r\n\r\n");
        up.read_bytes(1000);
    }
    client.send(std::string(1000, 'b'));
    const RawAnswer answer = read_answer(&client);
    EXPECT_EQ(answer.status, 502);
    EXPECT_TRUE(answer.has("x-tollgate-error: upstream_broken"));
    EXPECT_FALSE(east.has_waiting());
    EXPECT_FALSE(west.has_waiting());
    EXPECT_EQ(gate.records(2)[1], "settled upstream_broken none 0 x1 east -");
    // Nor is a 503 asked about elsewhere.
    RawSocket other = gate.connect();
    other.send(upload_head("content-length: 5") + "abcde");
    RawSocket up = east.accept();
    EXPECT_EQ(read_request(&up).body, "abcde");
    up.send(json_reply("{}", 503));
    EXPECT_EQ(read_answer(&other).status, 503);
    EXPECT_FALSE(west.has_waiting());
}

TEST(PassThroughTest, expect_100_continue_is_answered_by_the_gate) {
    OneUpstream it;
    it.client.send(upload_head("expect: 100-continue\r\ncontent-length: 5"));
    EXPECT_EQ(it.client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    it.client.send("abcde");
    RawSocket up = it.upstream.accept();
    const SeenRequest seen = read_request(&up);
    EXPECT_EQ(seen.body, "abcde");
    EXPECT_EQ(seen.value("expect"), "");
    up.send(json_reply("{}"));
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(PassThroughTest, expect_100_continue_is_not_answered_by_a_gate_that_refuses) {
    OneUpstream it;
    it.client.send(
        "POST /v1/files HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer sk-wrong\r\n"
        "expect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    const RawAnswer answer = read_answer(&it.client);
    EXPECT_EQ(answer.status, 401);
    EXPECT_TRUE(answer.has("connection: close"));
}

TEST(PassThroughTest, an_upstream_that_answers_early_is_heard_and_its_connection_is_not_kept) {
    OneUpstream it;
    it.client.send(upload_head("content-length: 100000") + std::string(1000, 'a'));
    RawSocket up = it.upstream.accept();
    up.read_until("\r\n\r\n");
    up.read_bytes(1000);
    up.send(json_reply(R"({"error":{"message":"too large"}})", 413));
    // The answer waits for the next piece of the body to be looked at.
    it.client.send("a");
    const RawAnswer answer = read_answer(&it.client);
    EXPECT_EQ(answer.status, 413);
    EXPECT_EQ(answer.body, R"({"error":{"message":"too large"}})");
    EXPECT_EQ(it.gate.records(2)[1], "settled upstream_error none 413 x1 east -");
    it.client.send(std::string(98'999, 'a'));
    // The upstream still expects the rest of that body on that connection.
    it.client.send(get("/v1/files"));
    ASSERT_TRUE(eventually([&] { return it.upstream.has_waiting() || up.has_input(); }));
    EXPECT_EQ(up.read_to_end().find("GET"), std::string::npos);
    RawSocket fresh = it.upstream.accept();
    EXPECT_TRUE(read_request(&fresh).head.starts_with("GET /v1/files "));
    fresh.send(json_reply("{}"));
    EXPECT_EQ(read_answer(&it.client).status, 200);
}

TEST(PassThroughTest, head_204_and_304_have_no_body_and_keep_the_connection) {
    OneUpstream it;
    RawSocket up = it.pass(request_head("HEAD", "/v1/files/f/content") + "\r\n");
    up.send("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\netag: \"x\"\r\n\r\n");
    RawAnswer answer = read_answer(&it.client, /*is_head=*/true);
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.has("content-length: 1234")) << answer.head;
    EXPECT_TRUE(answer.has("etag: \"x\""));

    it.client.send(request_head("DELETE", "/v1/files/f") + "\r\n");
    EXPECT_TRUE(read_request(&up).head.starts_with("DELETE /v1/files/f HTTP/1.1\r\n"));
    up.send("HTTP/1.1 204 No Content\r\n\r\n");
    answer = read_answer(&it.client);
    EXPECT_EQ(answer.status, 204);
    EXPECT_EQ(answer.head.find("content-length"), std::string::npos);
    EXPECT_EQ(answer.head.find("transfer-encoding"), std::string::npos);

    it.client.send(get("/v1/files/f/content", "if-none-match: \"x\"\r\n"));
    EXPECT_TRUE(read_request(&up).has("if-none-match: \"x\""));
    up.send("HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\ncontent-length: 1234\r\n\r\n");
    answer = read_answer(&it.client);
    EXPECT_EQ(answer.status, 304);
    EXPECT_TRUE(answer.has("etag: \"x\""));

    it.client.send(get("/v1/files"));
    EXPECT_TRUE(read_request(&up).head.starts_with("GET /v1/files "));
    up.send(json_reply("{}"));
    EXPECT_EQ(read_answer(&it.client).body, "{}");
    EXPECT_FALSE(it.upstream.has_waiting());
    const std::vector<std::string> records = it.gate.records(8);
    EXPECT_EQ(records[1], "settled ok none 200 x1 east -");
    EXPECT_EQ(records[3], "settled ok none 204 x1 east -");
    EXPECT_EQ(records[5], "settled ok none 304 x1 east -");
}

TEST(PassThroughTest, a_large_download_passes_byte_for_byte) {
    OneUpstream it;
    std::string body(1'000'000, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 + i / 256);
    RawSocket up = it.pass(get("/v1/files/f/content"));
    std::thread sender(
        [&] { up.send(reply(200, "content-type: application/octet-stream\r\n", body)); });
    const RawAnswer answer = read_answer(&it.client);
    sender.join();
    EXPECT_TRUE(answer.has("content-length: 1000000"));
    EXPECT_EQ(answer.body, body);
}

TEST(PassThroughTest, reading_an_object_again_does_not_repeat_its_usage) {
    OneUpstream it;
    const std::string stored =
        R"({"model":"gpt-4o","usage":{"input_tokens":4,"output_tokens":2,"total_tokens":6}})";
    const RawAnswer answer = it.call(get("/v1/responses/resp_1"), json_reply(stored));
    EXPECT_EQ(answer.body, stored);
    EXPECT_EQ(answer.head.find("x-tollgate-cost"), std::string::npos);
    EXPECT_EQ(it.gate.records(2)[1], "settled ok none 200 x1 east -");
}

TEST(PassThroughTest, a_small_json_body_tells_its_model_and_is_priced) {
    RawListener east, west;
    UpstreamOptions named = upstream_at(west.port(), "west");
    named.models = {{"gpt-4o-mini", "deployed"}};
    TestGate gate(gate_options({upstream_at(east.port()), named}));
    RawSocket client = gate.connect();
    const std::string usage = R"("usage":{"input_tokens":10,"output_tokens":20,"total_tokens":30})";
    client.send(post("/v1/images/generations", R"({"model":"gpt-4o-mini","prompt":"x"})"));
    RawSocket up = west.accept();
    EXPECT_EQ(read_request(&up).body, R"({"model":"deployed","prompt":"x"})");
    up.send(json_reply("{" + usage + "}"));
    EXPECT_TRUE(read_answer(&client).has("x-tollgate-cost: 0.0000135 USD"));
    EXPECT_EQ(gate.records(2)[1], "settled ok provider 200 x1 west gpt-4o-mini input=10 output=20");

    // Usage of a model that nobody has priced is passed on, and shown.
    client.send(post("/v1/images/generations", R"({"model":"new-image","prompt":"x"})"));
    RawSocket other = east.accept();
    EXPECT_EQ(read_request(&other).body, R"({"model":"new-image","prompt":"x"})");
    other.send(json_reply("{" + usage + "}"));
    EXPECT_EQ(read_answer(&client).head.find("x-tollgate-cost"), std::string::npos);
    EXPECT_EQ(gate.records(4)[3],
              "settled ok provider 200 x1 east new-image input=10 output=20 unpriced");
    EXPECT_EQ(gate.metrics.unpriced->value(), 1U);
}

TEST(PassThroughTest, what_is_no_json_object_is_the_providers_to_refuse) {
    OneUpstream it;
    SeenRequest seen;
    const RawAnswer answer =
        it.call(post("/v1/moderations", "[broken"), json_reply("{}", 400), &seen);
    EXPECT_EQ(seen.body, "[broken");
    EXPECT_EQ(answer.status, 400);
}

}  // namespace
}  // namespace tg
