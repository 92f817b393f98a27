// When a call is written: RESERVED before anything goes up, SETTLED before the last byte goes down.
#include "gateway/test_gateway.h"

namespace tg {
namespace {

const std::vector<std::string> kReserved{"reserved gpt-4o"};

TEST(MeteringOrderTest, reserved_is_written_when_the_upstream_hears_of_the_call) {
    OneUpstream it;
    RawSocket up = it.pass(chat());
    EXPECT_EQ(it.gate.records(), kReserved);
    up.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
    EXPECT_EQ(it.gate.records().size(), 2U) << "settled when the client has its answer";
    EXPECT_EQ(it.gate.journal()->stats().open_reservations, 0U);
}

TEST(MeteringOrderTest, a_whole_answer_waits_until_its_record_is_durable) {
    OneUpstream it;
    RawSocket up = it.pass(chat());
    it.gate.fs.hold();
    up.send(json_reply(kChatReply));
    EXPECT_EQ(it.gate.records(2)[1],
              "settled ok provider 200 x1 east gpt-4o input=1000 output=100");
    it.gate.fs.wait_until_held();
    it.gate.settle();
    EXPECT_FALSE(it.client.has_input());
    it.gate.fs.release();
    EXPECT_EQ(read_answer(&it.client).body, kChatReply);
    EXPECT_EQ(it.gate.journal()->stats().open_reservations, 0U);
}

TEST(MeteringOrderTest, the_last_bytes_of_a_large_answer_wait_until_its_record_is_durable) {
    OneUpstream it;
    RawSocket up = it.pass(chat());
    const std::string body =
        R"({"padding":")" + std::string(200'000, 'x') + "\"," + std::string(kChatReply.substr(1));
    const std::string answer = json_reply(body);
    up.send(answer.substr(0, answer.size() - 10));
    const std::string head = it.client.read_until("\r\n\r\n");
    std::string got = it.client.read_bytes(body.size() - 10);
    EXPECT_EQ(got.size(), body.size() - 10);
    it.gate.fs.hold();
    up.send(answer.substr(answer.size() - 10));
    it.gate.records(2);
    it.gate.fs.wait_until_held();
    it.gate.settle();
    EXPECT_FALSE(it.client.has_input());
    it.gate.fs.release();
    got += it.client.read_bytes(10);
    EXPECT_EQ(got, body);
}

TEST(MeteringOrderTest, the_end_of_a_stream_waits_until_its_record_is_durable) {
    OneUpstream it;
    RawSocket up = it.pass(chat(kStreamBody));
    up.send(stream_head() + chunk(delta("one")));
    it.client.read_until(chunk(delta("one")));
    it.gate.fs.hold();
    up.send(chunk(delta(" two") + usage_event(12, 34) + std::string(kDone)) +
            std::string(kLastChunk));
    EXPECT_EQ(it.gate.records(2)[1],
              "settled ok provider 200 x1 east gpt-4o input=12 output=34 stream");
    it.gate.fs.wait_until_held();
    it.gate.settle();
    const bool has_more = it.client.has_input();
    EXPECT_FALSE(has_more);
    it.gate.fs.release();
    EXPECT_EQ(it.client.read_until("\r\n0\r\n\r\n"),
              chunk(delta(" two") + std::string(kDone)) + std::string(kLastChunk));
}

TEST(MeteringOrderTest, a_journal_that_fails_in_mid_call_breaks_the_answer_and_lets_nobody_in) {
    OneUpstream it;
    RawSocket up = it.pass(chat());
    it.gate.fs.sync_error = EIO;
    up.send(json_reply(kChatReply));
    RawAnswer answer = read_answer(&it.client);
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(answer.has("x-tollgate-error: journal_unavailable"));
    EXPECT_TRUE(answer.has("retry-after: 1"));
    EXPECT_EQ(answer.body.find("\"content\":\"Ho\""), std::string::npos);
    EXPECT_NE(answer.body.find("\"code\":\"journal_unavailable\""), std::string::npos);

    it.client.send(chat());
    answer = read_answer(&it.client);
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(answer.has("x-tollgate-error: journal_unavailable"));
    EXPECT_NE(answer.body.find("nothing was sent to the provider"), std::string::npos);
    it.gate.settle();
    EXPECT_FALSE(it.upstream.has_waiting());
    EXPECT_TRUE(!up.has_input() || up.read_to_end().empty());
    EXPECT_EQ(it.gate.metrics.refused_journal->value(), 1U);
    const RawAnswer ready = it.gate.ask("GET /readyz HTTP/1.1\r\nhost: gate\r\n\r\n");
    EXPECT_EQ(ready.status, 503);
    EXPECT_NE(ready.body.find("the usage journal failed"), std::string::npos);
}

TEST(MeteringOrderTest, a_journal_that_fails_in_mid_stream_breaks_the_stream) {
    OneUpstream it;
    RawSocket up = it.pass(chat(kStreamBody));
    up.send(stream_head() + chunk(delta("one")));
    it.client.read_until(chunk(delta("one")));
    it.gate.fs.sync_error = EIO;
    up.send(chunk(delta(" two") + usage_event(12, 34) + std::string(kDone)) +
            std::string(kLastChunk));
    const std::string rest = it.client.read_to_end();
    EXPECT_NE(rest.find(R"("code":"journal_unavailable"}})"), std::string::npos) << rest;
    EXPECT_FALSE(rest.ends_with("0\r\n\r\n"));
    EXPECT_TRUE(it.client.was_reset());
}

TEST(MeteringOrderTest, every_call_is_settled_once_and_the_journal_is_sound) {
    OneUpstream it;
    RawSocket up = it.pass(chat());
    up.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
    for (int i = 0; i < 20; ++i) {
        it.client.send(chat());
        EXPECT_EQ(read_request(&up).body, kChatBody);
        up.send(json_reply(i % 2 == 0 ? kChatReply : "{}", i % 3 == 0 ? 400 : 200));
        read_answer(&it.client);
    }
    const JournalSummary summary = verify_journal(it.gate.journal_directory()).value();
    EXPECT_TRUE(summary.is_sound());
    EXPECT_EQ(summary.reserved, 21U);
    EXPECT_EQ(summary.settled, 21U);
    EXPECT_EQ(summary.abandoned, 0U);
}

}  // namespace
}  // namespace tg
