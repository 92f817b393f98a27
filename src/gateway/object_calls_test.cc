// Calls for what one account keeps: they go where it is, and what is not known is asked for.
#include "gateway/object_homes.h"
#include "gateway/test_gateway.h"
#include "providers/object_key.h"

namespace tg {
namespace {

std::string stored(std::string_view id) {
    return R"({"id":")" + std::string(id) + R"(","model":"gpt-4o","status":"completed",)" +
           R"("usage":{"input_tokens":4,"output_tokens":2,"total_tokens":6}})";
}
std::string responses(std::string_view members) {
    return post("/v1/responses",
                R"({"model":"gpt-4o",)" + std::string(members) + R"("input":"Hi"})");
}
std::string missing_response() {
    return json_reply(
        R"({"error":{"message":"no such response","code":"previous_response_not_found"}})", 400);
}
std::string missing() {
    return json_reply(R"({"error":{"message":"not found","code":null}})", 404);
}

/// Two accounts, of which the one with the lower load, east at first, is taken.
struct Pair {
    explicit Pair(void (*change)(GatewayOptions*) = nullptr) : gate(options(change)) {}

    /// A call that `upstreams` are asked one after the other, each with its answer.
    struct Asked {
        RawListener* upstream;
        std::string reply;
    };
    RawAnswer call(std::string_view request, const std::vector<Asked>& asked) {
        RawSocket client = gate.connect();
        EXPECT_TRUE(client.send(request));
        for (const Asked& one : asked) {
            RawSocket up = one.upstream->accept();
            seen = read_request(&up);
            EXPECT_TRUE(up.send(one.reply));
        }
        return read_answer(&client);
    }

    RawListener east, west;
    TestGate gate;
    SeenRequest seen;

  private:
    GatewayOptions options(void (*change)(GatewayOptions*)) const {
        GatewayOptions out =
            gate_options({upstream_at(east.port()), upstream_at(west.port(), "west")});
        out.idle_connections_per_upstream = 0;  // a connection for each call
        if (change != nullptr) change(&out);
        return out;
    }
};

/// East is at its limit of calls under way, so that new calls go to west.
struct BusyEast : Pair {
    BusyEast() : Pair([](GatewayOptions* o) { o->upstreams[0].limits.concurrency = 1; }) {
        blocker.emplace(gate.connect());
        blocker->send(chat());
        held.emplace(east.accept());
        read_request(&*held);
    }
    void free_east() {
        held->send(json_reply(kChatReply));
        EXPECT_EQ(read_answer(&*blocker).status, 200);
    }
    std::optional<RawSocket> blocker, held;
};

TEST(ObjectCallsTest, what_follows_a_response_goes_to_the_account_that_stored_it) {
    BusyEast it;
    it.call(responses(""), {{&it.west, json_reply(stored("resp_1"))}});
    it.free_east();
    // By order it would go east.
    const RawAnswer next = it.call(responses(R"("previous_response_id":"resp_1",)"),
                                   {{&it.west, json_reply(stored("resp_2"))}});
    EXPECT_TRUE(next.has("x-tollgate-upstream: west"));
    it.call(responses(R"("previous_response_id":"resp_2",)"),
            {{&it.west, json_reply(stored("resp_3"))}});
    EXPECT_TRUE(it.call(get("/v1/responses/resp_1"), {{&it.west, json_reply(stored("resp_1"))}})
                    .has("x-tollgate-upstream: west"));
    EXPECT_TRUE(it.call(responses(""), {{&it.east, json_reply(stored("resp_4"))}})
                    .has("x-tollgate-upstream: east"));
}

TEST(ObjectCallsTest, a_stream_tells_the_id_too) {
    BusyEast it;
    const std::string events =
        "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_s\"}}"
        "\n\ndata: {\"type\":\"response.completed\",\"response\":" +
        stored("resp_s") + "}\n\n";
    it.call(responses(R"("stream":true,)"),
            {{&it.west, reply(200, "content-type: text/event-stream\r\n", events)}});
    it.free_east();
    it.call(responses(R"("previous_response_id":"resp_s",)"),
            {{&it.west, json_reply(stored("resp_2"))}});
}

TEST(ObjectCallsTest, what_is_not_known_is_asked_for_from_one_account_to_the_next) {
    Pair it;
    const RawAnswer found =
        it.call(responses(R"("previous_response_id":"resp_old",)"),
                {{&it.east, missing_response()}, {&it.west, json_reply(stored("resp_5"))}});
    EXPECT_EQ(found.status, 200);
    EXPECT_TRUE(found.has("x-tollgate-upstream: west"));
    EXPECT_EQ(it.gate.records(2)[1], "settled ok provider 200 x2 west gpt-4o input=4 output=2");
    // Now it is known.
    it.call(responses(R"("previous_response_id":"resp_old",)"),
            {{&it.west, json_reply(stored("resp_6"))}});
    it.call(responses(R"("conversation":{"id":"conv_1"},)"),
            {{&it.east, missing()}, {&it.west, json_reply(stored("resp_7"))}});
    it.call(responses(R"("conversation":"conv_1",)"), {{&it.west, json_reply(stored("resp_8"))}});
}

TEST(ObjectCallsTest, an_object_is_looked_for_on_every_account) {
    Pair it([](GatewayOptions* o) { o->upstreams[1].models = {{"gpt-4o-mini", "gpt-4o-mini"}}; });
    EXPECT_EQ(
        it.call(get("/v1/files/file_1"), {{&it.east, missing()}, {&it.west, json_reply("{}")}})
            .status,
        200);
    EXPECT_EQ(it.call(get("/v1/files/file_1"), {{&it.west, json_reply("{}")}}).status, 200);
    // Nobody has it: the last answer is the client's.
    const RawAnswer none =
        it.call(get("/v1/files/file_2"), {{&it.east, missing()}, {&it.west, missing()}});
    EXPECT_EQ(none.status, 404);
    EXPECT_NE(none.body.find("not found"), std::string::npos);
}

TEST(ObjectCallsTest, a_model_in_the_body_keeps_its_name_at_the_account) {
    Pair it([](GatewayOptions* o) { o->upstreams[1].models = {{"gpt-4o-mini", "deployed"}}; });
    const std::string body = R"({"model":"gpt-4o-mini"})";
    EXPECT_EQ(
        it.call(post("/v1/threads/thread_1/runs", body), {{&it.west, json_reply("{}")}}).status,
        200);
    EXPECT_EQ(it.seen.body, R"({"model":"deployed"})");
}

TEST(ObjectCallsTest, what_has_moved_is_found_again) {
    Pair it;
    it.call(get("/v1/files/file_1"), {{&it.east, json_reply("{}")}});
    EXPECT_EQ(
        it.call(get("/v1/files/file_1"), {{&it.east, missing()}, {&it.west, json_reply("{}")}})
            .status,
        200);
    it.call(get("/v1/files/file_1"), {{&it.west, json_reply("{}")}});
}

TEST(ObjectCallsTest, another_400_or_a_missing_model_is_no_reason_to_ask_elsewhere) {
    Pair it;
    EXPECT_EQ(it.call(responses(R"("previous_response_id":"resp_1",)"),
                      {{&it.east, json_reply(R"({"error":{"code":"invalid_value"}})", 400)}})
                  .status,
              400);
    EXPECT_EQ(it.call(responses(R"("previous_response_id":"resp_1",)"),
                      {{&it.east, json_reply(R"({"error":{"code":"model_not_found"}})", 404)}})
                  .status,
              404);
    EXPECT_EQ(it.call(chat(), {{&it.east, missing()}}).status, 404);
}

TEST(ObjectCallsTest, a_response_that_is_not_stored_binds_nothing) {
    BusyEast it;
    it.call(responses(R"("store":false,)"), {{&it.west, json_reply(stored("resp_1"))}});
    it.free_east();
    it.call(responses(R"("previous_response_id":"resp_1",)"),
            {{&it.east, missing_response()}, {&it.west, missing_response()}});
}

TEST(ObjectCallsTest, a_body_that_went_by_is_not_sent_again) {
    Pair it;
    const std::string part =
        "POST /v1/uploads/upload_1/parts HTTP/1.1\r\nhost: gate\r\n"
        "authorization: Bearer " +
        std::string(kTestKey) +
        "\r\ncontent-type: application/octet-stream\r\n"
        "content-length: 4\r\n\r\nabcd";
    EXPECT_EQ(it.call(part, {{&it.east, missing()}}).status, 404);
}

TEST(ObjectHomesTest, the_newest_of_those_that_share_a_place_are_known) {
    ObjectHomes homes;
    EXPECT_EQ(homes.find(object_key("a")), std::nullopt);
    homes.note(object_key("a"), 7);
    homes.note(object_key("b"), 9);
    EXPECT_EQ(homes.find(object_key("a")), 7);
    EXPECT_EQ(homes.find(object_key("b")), 9);
    homes.note(object_key("a"), 8);
    EXPECT_EQ(homes.find(object_key("a")), 8);
    // Keys that fall on one place: the third drives out the first.
    constexpr std::uint64_t kStep = 1ULL << 40;
    for (std::uint64_t i = 1; i <= 3; ++i) homes.note(i * kStep + 5, static_cast<std::uint16_t>(i));
    EXPECT_EQ(homes.find(kStep + 5), std::nullopt);
    EXPECT_EQ(homes.find(2 * kStep + 5), 2);
    EXPECT_EQ(homes.find(3 * kStep + 5), 3);
}

}  // namespace
}  // namespace tg
