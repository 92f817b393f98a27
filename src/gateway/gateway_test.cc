// What the gate answers by itself: refusals, models, health.
#include "gateway/gateway.h"

#include "gateway/test_gateway.h"

namespace tg {
namespace {

std::string error_text(std::string_view message, std::string_view type, std::string_view code,
                       std::string_view param = "null") {
    return R"({"error":{"message":")" + std::string(message) + R"(","type":")" + std::string(type) +
           R"(","param":)" + std::string(param) + R"(,"code":)" + std::string(code) + "}}";
}

std::string bare(std::string_view lines) {
    return "GET /v1/models HTTP/1.1\r\nhost: gate\r\n" + std::string(lines) + "\r\n";
}

TEST(GatewayTest, a_key_is_taken_from_wherever_a_dialect_puts_it) {
    TestGate gate(gate_options({upstream_at(1)}));
    for (const char* lines :
         {"authorization: Bearer sk-tg-good\r\n", "Authorization: bearer   sk-tg-good\r\n",
          "api-key: sk-tg-good\r\n", "X-Api-Key: sk-tg-good\r\n",
          "authorization: Basic eDp5\r\napi-key: sk-tg-good\r\n"}) {
        EXPECT_EQ(gate.ask(bare(lines)).status, 200) << lines;
    }
    for (const char* lines :
         {"authorization: sk-tg-good\r\n", "authorization: Bearer\r\n", "cookie: sk-tg-good\r\n",
          "authorization: Bearer sk-wrong\r\napi-key: sk-tg-good\r\n"}) {
        EXPECT_EQ(gate.ask(bare(lines)).status, 401) << lines;
    }
    EXPECT_EQ(gate.metrics.refused_auth->value(), 4U);
}

TEST(GatewayTest, a_refused_key_is_told_so_in_openais_form_and_leaves_no_record) {
    RawListener upstream;
    TestGate gate(gate_options({upstream_at(upstream.port())}));
    struct Case {
        const char* lines;
        int status;
        const char* code;     // ours, in a header
        std::string in_body;  // OpenAI's form
    };
    const Case cases[] = {
        {"", 401, "unauthenticated",
         R"("type":"authentication_error","param":null,)"
         R"("code":"invalid_api_key"}})"},
        {"authorization: Bearer sk-unknown\r\n", 401, "unauthenticated",
         R"("type":"authentication_error","param":null,"code":"invalid_api_key"}})"},
        {"authorization: Bearer sk-tg-off\r\n", 401, "key_disabled",
         error_text("API key sk-tg-101 is disabled; use another or have it enabled",
                    "authentication_error", "\"key_disabled\"")},
        {"api-key: sk-tg-old\r\n", 401, "key_expired",
         error_text(
             "API key sk-tg-102 expired at " + format_rfc3339(kGateTime) + "; use a newer one",
             "authentication_error", "\"key_expired\"")},
        {"x-api-key: sk-tg-nobody\r\n", 403, "key_without_project",
         R"("type":"permission_error","param":null,"code":"key_without_project"}})"},
    };
    for (const Case& each : cases) {
        RawSocket client = gate.connect();
        client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: gate\r\n" +
                    std::string(each.lines) + "content-length: " +
                    std::to_string(kChatBody.size()) + "\r\n\r\n" + std::string(kChatBody));
        const RawAnswer answer = read_answer(&client);
        EXPECT_EQ(answer.status, each.status) << each.lines;
        EXPECT_TRUE(answer.body.ends_with(each.in_body)) << answer.body;
        EXPECT_TRUE(answer.has("x-tollgate-error: " + std::string(each.code))) << answer.head;
        EXPECT_TRUE(answer.has("x-should-retry: false")) << answer.head;
        EXPECT_EQ(answer.has("www-authenticate: Bearer"), each.status == 401) << answer.head;
        EXPECT_TRUE(answer.has("content-type: application/json"));
        EXPECT_NE(answer.head.find("\r\nx-request-id: req_"), std::string::npos);
        EXPECT_EQ(answer.body.find("sk-unknown"), std::string::npos);
    }
    EXPECT_TRUE(gate.records().empty());
    EXPECT_FALSE(upstream.has_waiting());
}

TEST(GatewayTest, a_key_expires_at_its_moment) {
    TestGate gate(gate_options({upstream_at(1)}));
    gate.advance_clock(-1);
    EXPECT_EQ(gate.ask(bare("api-key: sk-tg-old\r\n")).status, 200);
    gate.advance_clock(1);
    EXPECT_EQ(gate.ask(bare("api-key: sk-tg-old\r\n")).status, 401);
}

TEST(GatewayTest, paths_that_are_not_served_are_refused_as_openai_does) {
    TestGate gate(gate_options({upstream_at(1)}));
    struct Case {
        std::string request;
        int status;
        std::string body;
    };
    const Case cases[] = {
        {get("/v1/nothing/here?x=1"), 404,
         error_text("Invalid URL (GET /v1/nothing/here)", "invalid_request_error", "null")},
        {get("/chat/completions"), 404,
         error_text("Invalid URL (GET /chat/completions)", "invalid_request_error", "null")},
        {get("/v1/files/../models"), 404,
         error_text("Invalid URL (GET /v1/files/../models)", "invalid_request_error", "null")},
        {get("/v1/embeddings"), 405,
         error_text("Invalid URL (GET /v1/embeddings)", "invalid_request_error", "null")},
    };
    for (const Case& each : cases) {
        const RawAnswer answer = gate.ask(each.request);
        EXPECT_EQ(answer.status, each.status);
        EXPECT_EQ(answer.body, each.body);
    }
    const RawAnswer admin = gate.ask(get("/v1/organization/usage/costs"));
    EXPECT_EQ(admin.status, 403);
    EXPECT_TRUE(admin.has("x-tollgate-error: forbidden"));
    const RawAnswer realtime = gate.ask(get("/v1/realtime"));
    EXPECT_EQ(realtime.status, 400);
    EXPECT_TRUE(realtime.has("x-tollgate-error: unsupported"));
    // Without a key nobody learns which paths there are.
    EXPECT_EQ(gate.ask("GET /v1/nothing HTTP/1.1\r\nhost: gate\r\n\r\n").status, 401);
    EXPECT_TRUE(gate.records().empty());
}

TEST(GatewayTest, models_are_those_with_a_route_and_behind_a_wildcard_those_with_a_price) {
    UpstreamOptions named = upstream_at(1);
    named.models = {{"my-model", "gpt-4o"}};
    UpstreamOptions wild = upstream_at(1, "west");
    std::vector<ModelPrice> prices = gate_prices();
    prices.push_back(gate_model("past", "1", "1"));
    prices.back().valid_to = kGateTime;
    prices.push_back(gate_model("future", "1", "1"));
    prices.back().valid_from = {kGateTime.micros + 1};
    prices.push_back(gate_model("claude", "1", "1", "anthropic"));
    prices.push_back(gate_model("any", "1", "1", ""));
    TestGate gate(gate_options({named, wild}), Metering::on, gate_catalogue(prices));
    const auto model = [](const std::string& name) {
        return R"({"id":")" + name + R"(","object":"model","created":0,"owned_by":"openai"})";
    };
    const RawAnswer list = gate.ask(get("/v1/models"));
    EXPECT_EQ(list.status, 200);
    EXPECT_EQ(list.body, R"({"object":"list","data":[)" + model("any") + "," + model("gpt-4o") +
                             "," + model("gpt-4o-mini") + "," + model("my-model") + "]}");
    EXPECT_EQ(gate.ask(get("/v1/models/my-model")).body, model("my-model"));
    const RawAnswer unknown = gate.ask(get("/v1/models/claude"));
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(unknown.body,
              error_text("The model 'claude' does not exist or you do not have access to it.",
                         "invalid_request_error", "\"model_not_found\"", "\"model\""));
    const RawAnswer head = gate.ask(request_head("HEAD", "/v1/models/my-model") + "\r\n");
    EXPECT_EQ(head.status, 200);
    EXPECT_TRUE(head.has("content-length: " + std::to_string(model("my-model").size())));
    EXPECT_TRUE(gate.records().empty());
}

TEST(GatewayTest, health_needs_no_key_and_says_why_it_is_not_ready) {
    const std::string healthz = "GET /healthz HTTP/1.1\r\nhost: gate\r\n\r\n",
                      readyz = "GET /readyz HTTP/1.1\r\nhost: gate\r\n\r\n";
    TestGate gate(gate_options({upstream_at(1)}));
    EXPECT_EQ(gate.ask(healthz).body, R"({"status":"ok"})");
    EXPECT_EQ(gate.ask(readyz).body, R"({"status":"ok"})");
    gate.publish(gate_options({}));
    RawAnswer answer = gate.ask(readyz);
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.body, R"({"status":"unavailable","reason":"no upstream is configured"})");
    gate.set_draining();
    EXPECT_EQ(gate.ask(readyz).body, R"({"status":"unavailable","reason":"shutting down"})");
    EXPECT_EQ(gate.ask(healthz).status, 200);
}

TEST(GatewayTest, a_gate_without_upstreams_says_so) {
    TestGate gate(gate_options({}));
    const RawAnswer files = gate.ask(get("/v1/files"));
    EXPECT_EQ(files.status, 502);
    EXPECT_EQ(files.body,
              error_text("no upstream is configured", "server_error", "\"upstream_unreachable\""));
    EXPECT_EQ(gate.ask(chat()).status, 404) << "no route, so no such model";
    EXPECT_TRUE(gate.records().empty());
}

TEST(GatewayTest, what_the_server_refuses_by_itself_is_in_openais_form_too) {
    TestGate gate(gate_options({upstream_at(1)}));
    const RawAnswer answer = gate.ask("GET /v1/models HTTP/1.1\r\nhost : gate\r\n\r\n");
    EXPECT_EQ(answer.status, 400);
    EXPECT_TRUE(answer.body.starts_with(R"({"error":{"message":")")) << answer.body;
    EXPECT_TRUE(answer.body.ends_with(
        R"("type":"invalid_request_error","param":null,"code":"invalid_request"}})"))
        << answer.body;
}

TEST(GatewayTest, a_draining_gate_answers_and_closes) {
    TestGate gate(gate_options({upstream_at(1)}));
    RawSocket client = gate.connect();
    client.send(get("/v1/models"));
    EXPECT_FALSE(read_answer(&client).has("connection: close"));
    gate.set_draining();
    client.send(get("/v1/models"));
    const RawAnswer last = read_answer(&client);
    EXPECT_EQ(last.status, 200);
    EXPECT_TRUE(last.has("connection: close"));
    EXPECT_EQ(client.read_to_end(), "");
    EXPECT_FALSE(client.was_reset());
}

TEST(GatewayTest, a_call_under_way_ends_well_while_the_server_drains) {
    OneUpstream it;
    RawSocket idle = it.gate.connect();
    it.gate.settle();
    RawSocket up = it.pass(chat());
    it.gate.drain_server();
    EXPECT_EQ(idle.read_to_end(), "");
    up.send(json_reply(kChatReply));
    const RawAnswer answer = read_answer(&it.client);
    EXPECT_EQ(answer.body, kChatReply);
    EXPECT_TRUE(answer.has("connection: close"));
    EXPECT_EQ(it.client.read_to_end(), "");
}

}  // namespace
}  // namespace tg
