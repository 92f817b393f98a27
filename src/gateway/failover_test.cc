// Which upstream is asked, how often, and what a change of the routes does to calls under way.
#include "gateway/test_gateway.h"

namespace tg {
namespace {

/// A port of ours at which nobody listens.
class RefusingPort {
  public:
    RefusingPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const SocketAddress any = parse_address("127.0.0.1:0").value();
        TG_ASSERT(::bind(fd_, reinterpret_cast<const sockaddr*>(&any.storage), any.size) == 0);
    }
    ~RefusingPort() { ::close(fd_); }
    RefusingPort(const RefusingPort&) = delete;
    RefusingPort& operator=(const RefusingPort&) = delete;
    std::uint16_t port() const { return local_address(fd_).port(); }

  private:
    int fd_;
};

struct TwoUpstreams {
    explicit TwoUpstreams(void (*change)(GatewayOptions*) = nullptr)
        : gate(options(change)), client(gate.connect()) {}
    RawSocket pass(std::string_view request) {
        EXPECT_TRUE(client.send(request));
        RawSocket out = east.accept();
        body = read_request(&out).body;
        return out;
    }

    RawListener east, west;
    TestGate gate;
    RawSocket client;
    std::string body;

  private:
    GatewayOptions options(void (*change)(GatewayOptions*)) const {
        GatewayOptions out =
            gate_options({upstream_at(east.port()), upstream_at(west.port(), "west")});
        if (change != nullptr) change(&out);
        return out;
    }
};

TEST(FailoverTest, a_status_that_another_may_better_goes_to_the_second_deployment) {
    for (const int status : {429, 500, 502, 503, 504}) {
        TwoUpstreams it([](GatewayOptions* o) {
            o->upstreams[1].models = {{"*", "deployed"}};
            o->upstreams[1].api_key = "sk-west";
        });
        RawSocket east = it.pass(chat());
        EXPECT_EQ(it.body, kChatBody);
        east.send(json_reply("{}", status, "x-request-id: up-east\r\n"));
        RawSocket west = it.west.accept();
        const SeenRequest seen = read_request(&west);
        EXPECT_EQ(seen.body, R"({"model":"deployed","messages":[{"role":"user","content":"Hi"}]})");
        EXPECT_EQ(seen.value("authorization"), "Bearer sk-west");
        west.send(json_reply(kChatReply));
        const RawAnswer answer = read_answer(&it.client);
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, kChatReply);
        EXPECT_TRUE(answer.has("x-tollgate-upstream: west"));
        EXPECT_EQ(answer.head.find("up-east"), std::string::npos);
        EXPECT_EQ(it.gate.records(2)[1],
                  "settled ok provider 200 x2 west gpt-4o input=1000 output=100");
        EXPECT_EQ(it.gate.metrics.upstream_retries->value(), 1U);
        EXPECT_EQ(it.gate.metrics.upstream_failures->value(), 0U);
    }
}

TEST(FailoverTest, a_status_that_is_the_requests_own_fault_stays) {
    for (const int status : {400, 403, 404, 408, 413, 422, 501}) {
        TwoUpstreams it;
        RawSocket east = it.pass(chat());
        east.send(json_reply("{}", status));
        EXPECT_EQ(read_answer(&it.client).status, status);
        EXPECT_FALSE(it.west.has_waiting());
        EXPECT_EQ(it.gate.records(2)[1],
                  "settled upstream_error none " + std::to_string(status) + " x1 east gpt-4o");
    }
}

TEST(FailoverTest, the_last_deployments_answer_is_the_answer) {
    TwoUpstreams it;
    RawSocket east = it.pass(chat());
    east.send(json_reply("{}", 503));
    RawSocket west = it.west.accept();
    read_request(&west);
    west.send(json_reply("{\"a\":1}", 429, "retry-after: 3\r\n"));
    const RawAnswer answer = read_answer(&it.client);
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(answer.body, "{\"a\":1}");
    EXPECT_TRUE(answer.has("retry-after: 3"));
    EXPECT_EQ(it.gate.records(2)[1], "settled upstream_error none 429 x2 west gpt-4o");
}

TEST(FailoverTest, no_more_attempts_than_are_allowed) {
    TwoUpstreams it([](GatewayOptions* o) { o->attempts_max = 1; });
    RawSocket east = it.pass(chat());
    east.send(json_reply("{}", 503));
    EXPECT_EQ(read_answer(&it.client).status, 503);
    EXPECT_FALSE(it.west.has_waiting());
}

TEST(FailoverTest, the_price_is_that_of_the_provider_that_served) {
    TwoUpstreams it([](GatewayOptions* o) { o->upstreams[1].provider = "azure"; });
    RawSocket east = it.pass(chat());
    east.send(json_reply("{}", 503));
    RawSocket west = it.west.accept();
    read_request(&west);
    west.send(json_reply(kChatReply));
    EXPECT_TRUE(read_answer(&it.client).has("x-tollgate-cost: 0.007 USD"));
}

TEST(FailoverTest, a_refused_connection_goes_on_to_the_second_deployment) {
    RefusingPort nobody;
    RawListener west;
    TestGate gate(gate_options({upstream_at(nobody.port()), upstream_at(west.port(), "west")}));
    RawSocket client = gate.connect();
    client.send(chat());
    RawSocket up = west.accept();
    read_request(&up);
    up.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&client).body, kChatReply);
    EXPECT_EQ(gate.records(2)[1], "settled ok provider 200 x2 west gpt-4o input=1000 output=100");
    EXPECT_EQ(gate.metrics.upstream_failures->value(), 1U);
}

TEST(FailoverTest, a_call_that_reached_nobody_is_abandoned) {
    RefusingPort nobody;
    TestGate gate(gate_options({upstream_at(nobody.port()), upstream_at(nobody.port(), "west")}));
    const RawAnswer answer = gate.ask(chat());
    EXPECT_EQ(answer.status, 502);
    EXPECT_TRUE(answer.has("x-tollgate-error: upstream_unreachable"));
    EXPECT_EQ(answer.body, R"({"error":{"message":"upstream 'west': cannot connect to 127.0.0.1:)" +
                               std::to_string(nobody.port()) +
                               R"(: Connection refused","type":"server_error","param":null,)"
                               R"("code":"upstream_unreachable"}})");
    EXPECT_EQ(gate.records(2), (std::vector<std::string>{"reserved gpt-4o", "abandoned"}));
}

TEST(FailoverTest, what_an_earlier_attempt_learned_is_not_said_of_a_later_one) {
    RawListener east;
    RefusingPort nobody;
    TestGate gate(gate_options({upstream_at(east.port()), upstream_at(nobody.port(), "west")}));
    RawSocket client = gate.connect();
    client.send(chat());
    RawSocket up = east.accept();
    read_request(&up);
    up.send(json_reply("{}", 503, "x-request-id: up-east\r\n"));
    EXPECT_EQ(read_answer(&client).status, 502);
    EXPECT_EQ(gate.records(2)[1], "settled unreachable none 0 x2 west gpt-4o");
    const LastEvent event(gate.journal_directory());
    EXPECT_EQ(event.upstream_request_id, "");
    EXPECT_EQ(event.first_byte_ms, 0U);
}

TEST(FailoverTest, a_connection_that_is_closed_without_an_answer_goes_on_to_the_second) {
    TwoUpstreams it;
    it.pass(chat());  // and closes
    RawSocket west = it.west.accept();
    EXPECT_EQ(read_request(&west).body, kChatBody);
    west.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).body, kChatReply);
    EXPECT_EQ(it.gate.records(2)[1],
              "settled ok provider 200 x2 west gpt-4o input=1000 output=100");
}

TEST(FailoverTest, no_failover_after_the_first_byte) {
    TwoUpstreams it;
    {
        RawSocket east = it.pass(chat(kStreamBody));
        east.send(stream_head() + chunk(delta("one")));
        it.client.read_until(delta("one"));
    }
    EXPECT_NE(it.client.read_to_end().find("upstream_broken"), std::string::npos);
    EXPECT_FALSE(it.west.has_waiting());
    EXPECT_EQ(it.gate.records(2)[1],
              "settled upstream_broken estimated 200 x1 east gpt-4o input=8 output=1 stream");
}

TEST(FailoverTest, after_a_time_out_the_provider_may_be_at_work_and_nobody_else_is_asked) {
    TwoUpstreams it([](GatewayOptions* o) { o->first_byte_timeout_ms = 300; });
    RawSocket east = it.pass(chat());
    const RawAnswer answer = read_answer(&it.client);
    EXPECT_EQ(answer.status, 504);
    EXPECT_EQ(answer.body, R"({"error":{"message":"upstream 'east': no answer in time",)"
                           R"("type":"server_error","param":null,"code":"upstream_timeout"}})");
    EXPECT_EQ(east.read_to_end(), "");
    EXPECT_FALSE(it.west.has_waiting());
    EXPECT_EQ(it.gate.records(2)[1], "settled unreachable none 0 x1 east gpt-4o");
}

TEST(FailoverTest, a_stale_connection_is_replaced_once_and_not_counted) {
    OneUpstream it;
    {
        RawSocket up = it.pass(chat());
        up.send(json_reply(kChatReply));
        EXPECT_EQ(read_answer(&it.client).status, 200);
        it.client.send(chat());
        EXPECT_EQ(read_request(&up).body, kChatBody) << "the connection was kept";
    }
    {
        RawSocket up = it.upstream.accept();
        EXPECT_EQ(read_request(&up).body, kChatBody);
        up.send(json_reply(kChatReply));
        EXPECT_EQ(read_answer(&it.client).status, 200);
        EXPECT_EQ(it.gate.records(4)[3],
                  "settled ok provider 200 x1 east gpt-4o input=1000 output=100");
        it.client.send(chat());
        EXPECT_EQ(read_request(&up).body, kChatBody);
    }
    // The second time in a row it is no matter of an old connection.
    {
        RawSocket up = it.upstream.accept();
        EXPECT_EQ(read_request(&up).body, kChatBody);
    }
    const RawAnswer answer = read_answer(&it.client);
    EXPECT_EQ(answer.status, 502);
    EXPECT_TRUE(answer.has("x-tollgate-error: upstream_broken"));
    EXPECT_FALSE(it.upstream.has_waiting());
    EXPECT_EQ(it.gate.records(6)[5], "settled upstream_broken none 0 x1 east gpt-4o");
}

TEST(FailoverTest, stale_connections_take_no_attempt_from_the_next_deployment) {
    TwoUpstreams it([](GatewayOptions* o) { o->attempts_max = 2; });
    const auto answer = [](RawSocket* up, int status) {
        EXPECT_EQ(read_request(up).body, kChatBody);
        up->send(json_reply(kChatReply, status));
    };
    {
        it.client.send(chat());
        RawSocket first = it.east.accept();
        answer(&first, 503);
        RawSocket west = it.west.accept();
        answer(&west, 200);
        EXPECT_EQ(read_answer(&it.client).status, 200);
        it.client.send(chat());
        RawSocket east = it.east.accept();
        answer(&east, 200);
        EXPECT_EQ(read_answer(&it.client).status, 200);
        // Now both have an idle connection, and both close it when it is used.
        it.client.send(chat());
        read_request(&east);
        east.close();
        RawSocket fresh = it.east.accept();
        answer(&fresh, 503);
        read_request(&west);
    }
    RawSocket west = it.west.accept();
    answer(&west, 200);
    EXPECT_EQ(read_answer(&it.client).status, 200);
    EXPECT_EQ(it.gate.records(6)[5],
              "settled ok provider 200 x2 west gpt-4o input=1000 output=100");
}

TEST(FailoverTest, a_call_without_a_body_survives_a_stale_connection_too) {
    OneUpstream it;
    {
        RawSocket up = it.pass(chat());
        up.send(json_reply(kChatReply));
        EXPECT_EQ(read_answer(&it.client).status, 200);
        it.client.send(get("/v1/files"));
        EXPECT_TRUE(read_request(&up).head.starts_with("GET /v1/files "));
    }
    RawSocket up = it.upstream.accept();
    EXPECT_TRUE(read_request(&up).head.starts_with("GET /v1/files "));
    up.send(json_reply(R"({"object":"list"})"));
    EXPECT_EQ(read_answer(&it.client).body, R"({"object":"list"})");
    EXPECT_EQ(it.gate.records(4)[3], "settled ok none 200 x1 east -");
}

TEST(FailoverTest, new_routes_do_not_split_a_call_under_way) {
    RawListener north;
    TwoUpstreams it;
    RawSocket east = it.pass(chat());
    GatewayOptions next = gate_options({upstream_at(north.port(), "north")});
    next.shows_cost_header = false;
    it.gate.snapshot.directory = std::make_shared<const Directory>(
        std::vector<Customer>{}, std::vector<Project>{}, std::vector<ApiKey>{}, 2);
    it.gate.snapshot.catalogue = gate_catalogue({gate_model("gpt-4o", "1", "1")}, {}, 8);
    it.gate.publish(next);
    // It fails over to where it would have gone, is priced as it would have been, and its key is
    // still known.
    east.send(json_reply("{}", 503));
    RawSocket west = it.west.accept();
    read_request(&west);
    west.send(json_reply(kChatReply));
    EXPECT_TRUE(read_answer(&it.client).has("x-tollgate-cost: 0.0035 USD"));
    EXPECT_EQ(it.gate.records(2)[1],
              "settled ok provider 200 x2 west gpt-4o input=1000 output=100");
    const LastEvent event(it.gate.journal_directory());
    EXPECT_EQ(event.price_version, PriceVersionId(7));

    // The next one, on the same connection, is in the new world.
    it.client.send(chat());
    EXPECT_EQ(read_answer(&it.client).status, 401);
    it.gate.snapshot.directory = gate_directory();
    it.gate.publish();
    it.client.send(chat());
    RawSocket up = north.accept();
    read_request(&up);
    up.send(json_reply(kChatReply));
    const RawAnswer answer = read_answer(&it.client);
    EXPECT_TRUE(answer.has("x-tollgate-upstream: north"));
    EXPECT_EQ(answer.head.find("x-tollgate-cost"), std::string::npos);
    EXPECT_FALSE(it.east.has_waiting());
}

TEST(FailoverTest, an_upstream_that_stays_keeps_its_connections) {
    OneUpstream it;
    RawSocket up = it.pass(chat());
    up.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).status, 200);
    it.gate.publish(gate_options({upstream_at(it.upstream.port(), "renamed")}));
    it.client.send(chat());
    EXPECT_EQ(read_request(&up).body, kChatBody);
    up.send(json_reply(kChatReply));
    EXPECT_TRUE(read_answer(&it.client).has("x-tollgate-upstream: renamed"));
    EXPECT_FALSE(it.upstream.has_waiting());
}

}  // namespace
}  // namespace tg
