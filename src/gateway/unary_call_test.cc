// Whole answers: what goes up, what comes down, what is written.
#include "gateway/test_gateway.h"

namespace tg {
namespace {

constexpr std::string_view kOk = "settled ok provider 200 x1 east gpt-4o input=1000 output=100";

std::string id_of(const RawAnswer& answer) {
    const std::size_t at = answer.head.find("\r\nx-request-id: ");
    return at == std::string::npos ? "" : answer.head.substr(at + 16, RequestId::kTextSize);
}

TEST(UnaryCallTest, bytes_pass_untouched_with_the_accounts_credentials_and_a_price) {
    OneUpstream it;
    const std::string body =
        "  {\"messages\" : [ {\"role\":\"user\",\"content\":\"\\u4e2d \"} ],\n"
        "\"model\":\"gpt-4o\" , \"odd\":1.50 }\t";
    SeenRequest seen;
    const RawAnswer answer = it.call(
        chat(body,
             "X-Custom: kept\r\nx-tollgate-tag: ours\r\nconnection: keep-alive, X-Hop\r\n"
             "x-hop: 1\r\nkeep-alive: timeout=5\r\nte: trailers\r\ncookie: a=b\r\n"
             "openai-organization: org-client\r\nopenai-project: proj-client\r\n"
             "x-forwarded-for: 10.0.0.1\r\nx-client-request-id: mine\r\n"
             "api-key: sk-tg-good\r\nx-api-key: sk-tg-good\r\naccept-encoding: gzip\r\n"
             "user-agent: OpenAI/JS 4\r\n"),
        json_reply(kChatReply, 200,
                   "date: today\r\nopenai-processing-ms: 12\r\nx-request-id: up-1\r\n"
                   "set-cookie: a=b\r\nopenai-organization: org-account\r\n"
                   "openai-project: proj-account\r\nx-ratelimit-limit-requests: 5\r\n"
                   "x-tollgate-cost: 0\r\ncf-ray: 1\r\nalt-svc: h3\r\nserver: cloudflare\r\n"
                   "keep-alive: timeout=5\r\nconnection: keep-alive, X-Hop\r\nx-hop: 2\r\n"),
        &seen);
    const std::string id = id_of(answer);
    EXPECT_TRUE(RequestId::parse(id).ok()) << id;
    EXPECT_EQ(seen.head, "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:" +
                             std::to_string(it.upstream.port()) +
                             "\r\nauthorization: Bearer sk-account\r\nX-Custom: kept\r\n"
                             "user-agent: OpenAI/JS 4\r\ncontent-type: application/json\r\n"
                             "accept-encoding: identity\r\nx-client-request-id: " +
                             id + "\r\ncontent-length: " + std::to_string(body.size()) +
                             "\r\n\r\n");
    EXPECT_EQ(seen.body, body);
    EXPECT_EQ(answer.head,
              "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: today\r\n"
              "openai-processing-ms: 12\r\nx-request-id: " +
                  id +
                  "\r\nx-tollgate-upstream: east\r\nx-tollgate-upstream-request-id: up-1\r\n"
                  "x-tollgate-cost: 0.0035 USD\r\ncontent-length: " +
                  std::to_string(kChatReply.size()) + "\r\n\r\n");
    EXPECT_EQ(answer.body, kChatReply);
    EXPECT_EQ(it.gate.records(), (std::vector<std::string>{"reserved gpt-4o", std::string(kOk)}));
}

TEST(UnaryCallTest, both_records_say_everything_about_the_call) {
    OneUpstream it;
    RawSocket up = it.pass(chat(R"({"model":"gpt-4o","max_tokens":77,"n":2,"user":"u-1",)"
                                R"("service_tier":"flex","messages":[]})"));
    it.gate.advance_clock(1'500'000);
    up.send(json_reply(
        R"({"model":"gpt-4o-2024-08-06","service_tier":"priority","usage":{"prompt_tokens":50,)"
        R"("prompt_tokens_details":{"cached_tokens":20},"completion_tokens":9,)"
        R"("completion_tokens_details":{"reasoning_tokens":4},"total_tokens":59}})",
        200, "x-request-id: up-1\r\n"));
    const std::string id = id_of(read_answer(&it.client));

    auto reader = JournalReader::open(it.gate.journal_directory(), {}).value();
    JournalRecord record;
    ASSERT_TRUE(reader->next(&record, kNoLimit).value());
    ASSERT_EQ(record.kind, RecordKind::reserved);
    const ReservedRecord& reserved = record.reserved;
    EXPECT_EQ(reserved.id.text(), id);
    EXPECT_EQ(reserved.payer.customer, CustomerId(1));
    EXPECT_EQ(reserved.payer.project, ProjectId(10));
    EXPECT_EQ(reserved.payer.key, KeyId(100));
    EXPECT_EQ(reserved.started_at, kGateTime);
    EXPECT_EQ(reserved.endpoint, Endpoint::chat_completions);
    EXPECT_EQ(reserved.tier, ServiceTier::flex);
    EXPECT_EQ(reserved.flags, 0);
    EXPECT_EQ(reserved.price_version, PriceVersionId(7));
    EXPECT_EQ(reserved.estimated_output_tokens, 77 * 2);
    EXPECT_GT(reserved.estimated_input_tokens, 0);
    EXPECT_EQ(reserved.model, "gpt-4o");
    EXPECT_EQ(reserved.deployment, "east");
    EXPECT_EQ(reserved.provider, "openai");
    EXPECT_EQ(reserved.region, "eu");
    EXPECT_EQ(reserved.end_user, "u-1");

    ASSERT_TRUE(reader->next(&record, kNoLimit).value());
    ASSERT_EQ(record.kind, RecordKind::settled);
    const UsageEvent& event = record.event;
    EXPECT_EQ(event.id.text(), id);
    EXPECT_EQ(event.payer.customer, CustomerId(1));
    EXPECT_EQ(event.payer.project, ProjectId(10));
    EXPECT_EQ(event.payer.key, KeyId(100));
    EXPECT_EQ(event.started_at, kGateTime);
    EXPECT_EQ(event.ended_at.micros, kGateTime.micros + 1'500'000);
    EXPECT_EQ(event.endpoint, Endpoint::chat_completions);
    EXPECT_EQ(event.tier, ServiceTier::priority) << "what the provider says it served";
    EXPECT_EQ(event.price_version, PriceVersionId(7));
    EXPECT_EQ(event.upstream_model, "gpt-4o-2024-08-06");
    EXPECT_EQ(event.provider, "openai");
    EXPECT_EQ(event.region, "eu");
    EXPECT_EQ(event.end_user, "u-1");
    EXPECT_EQ(event.upstream_request_id, "up-1");
    EXPECT_EQ(text_of(event),
              "ok provider 200 x1 east gpt-4o input=30 cache_read=20 output=5 reasoning=4 "
              "unpriced");
    EXPECT_FALSE(reader->next(&record, kNoLimit).value());
}

TEST(UnaryCallTest, only_what_the_deployment_needs_is_spliced_in) {
    OneUpstream it(
        [](GatewayOptions* o) { o->upstreams[0].models = {{"gpt-4o", "deployed"}, {"*", ""}}; });
    SeenRequest seen;
    RawSocket up = it.pass(chat(R"({ "model": "gpt-4o","messages":[]})"), &seen);
    EXPECT_EQ(seen.body, R"({ "model": "deployed","messages":[]})");
    up.send(json_reply(kChatReply));
    EXPECT_TRUE(read_answer(&it.client).has("x-tollgate-cost: 0.0035 USD"));
    EXPECT_EQ(it.gate.records(2)[1], kOk) << "billed as asked for";
    // The query goes along.
    it.client.send(chat(kChatBody).replace(5, 20, "/v1/chat/completions?api-version=1&a=%20"));
    EXPECT_TRUE(read_request(&up).head.starts_with(
        "POST /v1/chat/completions?api-version=1&a=%20 HTTP/1.1\r\n"));
}

TEST(UnaryCallTest, a_model_that_stands_in_the_path_reaches_the_provider_in_the_body) {
    OneUpstream it;
    SeenRequest seen;
    const RawAnswer answer =
        it.call(post("/v1/engines/gpt-4o/chat/completions", R"({"messages":[]})"),
                json_reply(kChatReply), &seen);
    EXPECT_TRUE(seen.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n")) << seen.head;
    EXPECT_EQ(seen.body, R"({"messages":[],"model":"gpt-4o"})");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(it.gate.records(2)[1], kOk);
}

TEST(UnaryCallTest, the_cost_in_the_head_is_that_of_the_tier_that_is_billed) {
    OneUpstream it;
    // The provider does not say which tier it served: the one that was asked for is billed.
    const RawAnswer answer = it.call(
        chat(R"({"model":"gpt-4o","service_tier":"flex","messages":[]})"), json_reply(kChatReply));
    EXPECT_TRUE(answer.has("x-tollgate-cost: 0.00175 USD")) << answer.head;
    const LastEvent event(it.gate.journal_directory());
    EXPECT_EQ(event.tier, ServiceTier::flex);
}

TEST(UnaryCallTest, an_answer_in_pieces_is_joined_and_one_too_large_to_hold_streams) {
    OneUpstream it;
    RawSocket up = it.pass(chat());
    up.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
    up.send(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        "transfer-encoding: chunked\r\n\r\n");
    for (const char byte : kChatReply) up.send(chunk({&byte, 1}));
    up.send(kLastChunk);
    RawAnswer answer = read_answer(&it.client);
    EXPECT_EQ(answer.body, kChatReply);
    EXPECT_TRUE(answer.has("content-length: " + std::to_string(kChatReply.size())));
    EXPECT_TRUE(answer.has("x-tollgate-cost: 0.0035 USD"));

    const std::string large =
        R"({"padding":")" + std::string(300'000, 'x') + "\"," + std::string(kChatReply.substr(1));
    it.client.send(chat());
    read_request(&up);
    up.send(json_reply(large));
    answer = read_answer(&it.client);
    EXPECT_EQ(answer.body, large);
    EXPECT_FALSE(answer.has("x-tollgate-cost: 0.0035 USD")) << "its head went out before the end";
    EXPECT_TRUE(answer.has("content-length: " + std::to_string(large.size())));
    EXPECT_EQ(it.gate.records(4)[3], kOk);
}

TEST(UnaryCallTest, an_answer_without_usage_is_billed_by_a_count_of_the_prompt) {
    OneUpstream it;
    const RawAnswer answer = it.call(chat(), json_reply(R"({"choices":[]})"));
    EXPECT_EQ(answer.head.find("x-tollgate-cost"), std::string::npos);
    EXPECT_EQ(it.gate.records(2)[1],
              "settled ok estimated 200 x1 east gpt-4o input=" + std::to_string(kHiTokens));
    EXPECT_EQ(it.gate.metrics.usage_estimated->value(), 1U);
}

TEST(UnaryCallTest, a_provider_whose_numbers_do_not_add_up_is_flagged) {
    OneUpstream it;
    it.call(chat(), json_reply(R"({"usage":{"prompt_tokens":5,"completion_tokens":5,)"
                               R"("total_tokens":11}})"));
    EXPECT_EQ(it.gate.records(2)[1],
              "settled ok provider 200 x1 east gpt-4o input=5 output=5 mismatch");
}

TEST(UnaryCallTest, the_providers_refusal_passes_as_it_is_and_costs_nothing) {
    OneUpstream it;
    const std::string refusal = R"({"error":{"message":"no","usage":{"prompt_tokens":9}}})";
    const RawAnswer answer =
        it.call(chat(), json_reply(refusal, 429, "retry-after: 7\r\nx-ratelimit-reset: 1\r\n"));
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(answer.body, refusal);
    EXPECT_TRUE(answer.has("retry-after: 7"));
    EXPECT_EQ(answer.head.find("x-ratelimit"), std::string::npos);
    EXPECT_EQ(answer.head.find("x-tollgate-cost"), std::string::npos);
    EXPECT_EQ(it.gate.records(2)[1], "settled upstream_error none 429 x1 east gpt-4o");
    EXPECT_FALSE(it.upstream.has_waiting()) << "one deployment is asked once";
}

TEST(UnaryCallTest, the_accounts_own_401_is_hidden) {
    OneUpstream it;
    const RawAnswer answer =
        it.call(chat(), json_reply(R"({"error":{"message":"Incorrect API key sk-account"}})", 401,
                                   "www-authenticate: Bearer realm=provider\r\n"));
    EXPECT_EQ(answer.status, 502);
    EXPECT_EQ(answer.body, R"({"error":{"message":"upstream 'east' does not accept this gateway's )"
                           R"(credentials; whoever runs the gateway must check its api_key",)"
                           R"("type":"server_error","param":null,"code":"upstream_rejected"}})");
    EXPECT_TRUE(answer.has("x-tollgate-error: upstream_rejected"));
    EXPECT_TRUE(answer.has("x-should-retry: false"));
    EXPECT_EQ(answer.head.find("provider"), std::string::npos);
    EXPECT_EQ(it.gate.records(2)[1], "settled upstream_error none 401 x1 east gpt-4o");
}

TEST(UnaryCallTest, what_cannot_be_forwarded_is_refused_before_anything_is_sent) {
    OneUpstream it([](GatewayOptions* o) {
        o->json_body_bytes = 200;
        o->upstreams[0].models = {{"gpt-4o", ""}, {"unpriced", ""}};
    });
    struct Case {
        std::string request;
        int status;
        const char* error;
        const char* in_body;
    };
    const Case cases[] = {
        {chat(kChatBody, "content-encoding: gzip\r\n"), 400, "unsupported",
         "content-encoding 'gzip' is not supported on this endpoint; send the JSON uncompressed"},
        {chat(R"({"model":"gpt-4o","messages":")" + std::string(200, 'x') + "\"}"), 413,
         "request_too_large", "larger than 200 bytes"},
        {chat("{"), 400, "invalid_request", "\"type\":\"invalid_request_error\""},
        {chat(R"({"messages":[]})"), 400, "invalid_request",
         "\"you must provide a model parameter\",\"type\":\"invalid_request_error\","
         "\"param\":\"model\""},
        {chat(R"({"model":"nobody-has-it","messages":[]})"), 404, "model_unknown",
         "\"message\":\"The model 'nobody-has-it' does not exist or you do not have access to "
         "it.\",\"type\":\"invalid_request_error\",\"param\":\"model\","
         "\"code\":\"model_not_found\""},
        {chat(R"({"model":"unpriced","messages":[]})"), 404, "model_unknown",
         "\"code\":\"model_not_found\""},
        {chat(R"({"model":"gpt-4o","model":"unpriced","messages":[]})"), 400, "invalid_request",
         "\"type\":\"invalid_request_error\""},
    };
    for (const Case& each : cases) {
        const RawAnswer answer = it.gate.ask(each.request);
        EXPECT_EQ(answer.status, each.status) << each.request;
        EXPECT_TRUE(answer.has("x-tollgate-error: " + std::string(each.error))) << answer.head;
        EXPECT_NE(answer.body.find(each.in_body), std::string::npos) << answer.body;
    }
    EXPECT_EQ(it.gate.metrics.refused_model->value(), 2U);
    EXPECT_TRUE(it.gate.records().empty());
    EXPECT_FALSE(it.upstream.has_waiting());
    // "identity" is no coding.
    EXPECT_EQ(
        it.call(chat(kChatBody, "content-encoding: identity\r\n"), json_reply(kChatReply)).status,
        200);
}

TEST(UnaryCallTest, a_model_that_is_priced_as_another_is_flagged_in_both_records) {
    UnknownModelRule rule;
    rule.action = UnknownModelRule::Action::price_as;
    rule.price_as_model = "gpt-4o-mini";
    OneUpstream it(nullptr, Metering::on, gate_catalogue(gate_prices(), rule));
    const RawAnswer answer =
        it.call(chat(R"({"model":"mystery","messages":[]})"), json_reply(kChatReply));
    EXPECT_TRUE(answer.has("x-tollgate-cost: 0.00021 USD")) << answer.head;
    EXPECT_EQ(it.gate.records(2)[1],
              "settled ok provider 200 x1 east mystery input=1000 output=100 fallback");
    auto reader = JournalReader::open(it.gate.journal_directory(), {}).value();
    JournalRecord record;
    ASSERT_TRUE(reader->next(&record, kNoLimit).value());
    EXPECT_EQ(record.reserved.flags, kEventFallbackPrice);
}

TEST(UnaryCallTest, the_cost_is_shown_only_when_it_shall_be) {
    OneUpstream it([](GatewayOptions* o) { o->shows_cost_header = false; });
    EXPECT_EQ(it.call(chat(), json_reply(kChatReply)).head.find("x-tollgate-cost"),
              std::string::npos);
}

TEST(UnaryCallTest, with_metering_off_calls_pass_and_nothing_is_priced) {
    OneUpstream it(Metering::off);
    SeenRequest seen;
    const RawAnswer answer = it.call(chat(R"({"model":"nobody-has-a-price","messages":[]})"),
                                     json_reply(kChatReply), &seen);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, kChatReply);
    EXPECT_EQ(answer.head.find("x-tollgate-cost"), std::string::npos);
    EXPECT_EQ(seen.value("accept-encoding"), "");
    EXPECT_EQ(seen.value("authorization"), "Bearer sk-account");
}

TEST(UnaryCallTest, a_cut_answer_is_a_502_while_nothing_has_gone_out_and_a_reset_after_that) {
    OneUpstream it;
    {
        RawSocket up = it.pass(chat());
        up.send(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            "content-length: 1000\r\n\r\n{\"usage\"");
    }
    const RawAnswer answer = read_answer(&it.client);
    EXPECT_EQ(answer.status, 502);
    EXPECT_EQ(answer.body, R"({"error":{"message":"upstream 'east': the answer was cut",)"
                           R"("type":"server_error","param":null,"code":"upstream_broken"}})");
    const std::string settled =
        "settled upstream_broken estimated 200 x1 east gpt-4o input=" + std::to_string(kHiTokens);
    EXPECT_EQ(it.gate.records(2)[1], settled);
    {
        RawSocket up = it.pass(chat());
        up.send(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            "content-length: 200000\r\n\r\n" +
            std::string(100'000, ' '));
        EXPECT_TRUE(it.client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
    }
    EXPECT_LE(it.client.read_to_end().size(), 100'000U);
    EXPECT_TRUE(it.client.was_reset());
    EXPECT_EQ(it.gate.records(4)[3], settled);
}

TEST(UnaryCallTest, pipelined_calls_are_answered_in_their_order) {
    OneUpstream it;
    const std::string mini = R"({"model":"gpt-4o-mini","messages":[]})";
    RawSocket up = it.pass(chat() + chat(mini) + get("/v1/models/gpt-4o"));
    up.send(json_reply(kChatReply));
    EXPECT_EQ(read_answer(&it.client).body, kChatReply);
    EXPECT_EQ(read_request(&up).body, mini);
    up.send(json_reply("{}", 400));
    EXPECT_EQ(read_answer(&it.client).status, 400);
    EXPECT_EQ(read_answer(&it.client).status, 200);
    EXPECT_EQ(it.gate.records(),
              (std::vector<std::string>{"reserved gpt-4o", std::string(kOk), "reserved gpt-4o-mini",
                                        "settled upstream_error none 400 x1 east gpt-4o-mini"}));
}

TEST(UnaryCallTest, a_gate_that_stops_settles_what_reached_the_provider) {
    OneUpstream it;
    RawSocket up = it.pass(chat());
    RawSocket streamed = it.gate.connect();
    streamed.send(chat(kStreamBody));
    RawSocket second = it.upstream.accept();
    read_request(&second);
    second.send(stream_head() + chunk(delta("one")));
    streamed.read_until(chunk(delta("one")));
    it.gate.stop();
    const std::vector<std::string> records = it.gate.records();
    EXPECT_EQ(records.size(), 4U);
    EXPECT_EQ(std::ranges::count(records, "settled unreachable none 0 x1 east gpt-4o"), 1);
    EXPECT_EQ(std::ranges::count(records,
                                 "settled upstream_broken estimated 200 x1 east gpt-4o "
                                 "input=8 output=1 stream"),
              1);
    EXPECT_EQ(it.client.read_to_end(), "");
    EXPECT_TRUE(it.client.was_reset());
    EXPECT_FALSE(streamed.read_to_end().ends_with("0\r\n\r\n"));
    EXPECT_TRUE(streamed.was_reset());
}

TEST(UnaryCallTest, embeddings_completions_and_responses_are_metered_as_what_they_are) {
    OneUpstream it;
    struct Case {
        const char *path, *body, *answer, *usage;
        Endpoint endpoint;
    };
    const Case cases[] = {
        {"/v1/embeddings", R"({"model":"gpt-4o","input":"a"})",
         R"({"usage":{"prompt_tokens":4,"total_tokens":4}})", "input=4", Endpoint::embeddings},
        {"/v1/completions", R"({"model":"gpt-4o","prompt":"a"})",
         R"({"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}})",
         "input=4 output=2", Endpoint::completions},
        {"/v1/responses", R"({"model":"gpt-4o","input":"a"})",
         R"({"usage":{"input_tokens":4,"output_tokens":2,"total_tokens":6}})", "input=4 output=2",
         Endpoint::responses},
    };
    RawSocket up = it.pass(post(cases[0].path, cases[0].body));
    std::size_t count = 0;
    for (const Case& each : cases) {
        if (count > 0) {
            it.client.send(post(each.path, each.body));
            EXPECT_EQ(read_request(&up).body, each.body);
        }
        up.send(json_reply(each.answer));
        EXPECT_EQ(read_answer(&it.client).body, each.answer);
        count += 2;
        EXPECT_EQ(it.gate.records(count)[count - 1],
                  "settled ok provider 200 x1 east gpt-4o " + std::string(each.usage));
    }
    auto reader = JournalReader::open(it.gate.journal_directory(), {}).value();
    JournalRecord record;
    for (const Case& each : cases) {
        ASSERT_TRUE(reader->next(&record, kNoLimit).value());
        EXPECT_EQ(record.reserved.endpoint, each.endpoint);
        ASSERT_TRUE(reader->next(&record, kNoLimit).value());
        EXPECT_EQ(record.event.endpoint, each.endpoint);
    }
}

}  // namespace
}  // namespace tg
