#include "providers/zero_retention.h"

#include <gtest/gtest.h>

#include <random>

#include "providers/internal/openai_path_table.h"

namespace tg {
namespace {

constexpr std::string_view kResponses = "/responses", kChat = "/chat/completions";

OpenAiCall call_of(std::string_view path) {
    if (path == kChat) return OpenAiCall::chat;
    if (path == kResponses) return OpenAiCall::responses;
    return OpenAiCall::other_json;
}

Result<RequestFacts> inspect(std::string_view path, const std::string& text) {
    std::string padded = text;
    padded.append(kJsonPadding, '\0');
    return inspect_request(call_of(path), std::string_view(padded).substr(0, text.size()));
}

/// What goes upstream; "refused PARAM" when nothing does.
std::string sent(std::string_view path, const std::string& body, RetentionOptions options = {}) {
    auto facts = inspect(path, body);
    EXPECT_TRUE(facts.ok()) << body;
    if (!facts.ok()) return facts.error().detail;
    auto verdict = zero_retention_body(path, body, options);
    if (!verdict.ok()) return verdict.error().detail;
    if (!verdict->is_allowed()) return "refused " + verdict->param;
    for (MemberEdit& edit : verdict->edits) facts->policy_edits.push_back(std::move(edit));
    std::string out;
    std::size_t at = 0;
    for (const Splice& splice : rewrite_request(call_of(path), *facts, body, {})) {
        EXPECT_GE(splice.offset, at);
        out.append(body, at, splice.offset - at).append(splice.insert);
        at = splice.offset + splice.remove;
    }
    out.append(body, at);
    EXPECT_TRUE(inspect(path, out).ok()) << out;
    return out;
}

std::string explanation(std::string_view path, std::string_view body) {
    const auto verdict = zero_retention_body(path, body, {});
    return verdict.ok() ? verdict->explanation : verdict.error().detail;
}

TEST(ZeroRetentionPathTest, only_endpoints_that_are_known_to_keep_nothing_pass) {
    for (const char* path :
         {"/chat/completions", "/responses", "/responses/input_tokens", "/responses/compact",
          "/completions", "/embeddings", "/decisions", "/moderations", "/images/generations",
          "/images/edits", "/audio/speech", "/audio/transcriptions", "/audio/translations"}) {
        EXPECT_TRUE(zero_retention_path("POST", path).is_allowed()) << path;
        EXPECT_FALSE(zero_retention_path("GET", path).is_allowed()) << path;
        EXPECT_FALSE(zero_retention_path("POST", std::string(path) + "/x").is_allowed()) << path;
    }
    EXPECT_EQ(zero_retention_path("POST", "/audio/transcriptions").body, RetentionBody::opaque);
    EXPECT_EQ(zero_retention_path("POST", "/images/edits").body, RetentionBody::json);
}

TEST(ZeroRetentionPathTest, no_path_that_the_gate_knows_to_retain_passes) {
    int retaining = 0;
    for (const OpenAiPathRow& row : openai_path_table()) {
        if (!row.retains) continue;
        ++retaining;
        std::string path = "/" + std::string(row.pattern);
        for (std::size_t at = 0; (at = path.find("{}")) != std::string::npos;)
            path.replace(at, 2, "x_1");
        if (const std::size_t at = path.find("**"); at != std::string::npos)
            path.replace(at, 2, "x/y");
        for (const char* method : {"GET", "POST", "DELETE"}) {
            const RetentionPath verdict = zero_retention_path(method, path);
            EXPECT_FALSE(verdict.is_allowed() && path != "/responses" &&
                         path != "/chat/completions")
                << method << " " << path;
        }
        const char* method = (row.methods & kGet) != 0      ? "GET"
                             : (row.methods & kDelete) != 0 ? "DELETE"
                                                            : "POST";
        const RetentionPath verdict = zero_retention_path(method, path);
        ASSERT_FALSE(verdict.is_allowed()) << path;
        EXPECT_EQ(verdict.explanation.find("not in the list"), std::string::npos)
            << path << " deserves an explanation of its own";
    }
    EXPECT_GT(retaining, 80);
}

TEST(ZeroRetentionPathTest, a_refusal_names_the_path_the_reason_and_what_to_do) {
    EXPECT_EQ(zero_retention_path("POST", "/files").explanation,
              "zero data retention: POST /v1/files is refused, because uploaded files are kept "
              "until they are deleted; send the content in the request itself (text, base64 images "
              "or file_data)");
    EXPECT_EQ(zero_retention_path("GET", "/responses/resp_1").explanation,
              "zero data retention: GET /v1/responses/resp_1 is refused, because stored responses "
              "are not made under zero retention; keep the conversation on your side and send it "
              "with each request (store: false, include: [\"reasoning.encrypted_content\"])");
    EXPECT_NE(zero_retention_path("POST", "/new_thing").explanation.find("not in the list"),
              std::string::npos);
    EXPECT_NE(zero_retention_path("GET", "/filesystem").explanation.find("not in the list"),
              std::string::npos);
}

TEST(ZeroRetentionBodyTest, responses_say_store_false_whatever_they_said) {
    EXPECT_EQ(sent(kResponses, R"({"model":"m","input":"x"})"),
              R"({"model":"m","input":"x","store":false})");
    EXPECT_EQ(sent(kResponses, R"({"model":"m","store":true,"input":"x"})"),
              R"({"model":"m","store":false,"input":"x"})");
    EXPECT_EQ(sent(kResponses, R"({"model":"m","store" : null ,"input":"x"})"),
              R"({"model":"m","store" : false ,"input":"x"})");
    EXPECT_EQ(sent(kResponses, R"({"model":"m","\u0073tore":true,"input":"x"})"),
              R"({"model":"m","\u0073tore":false,"input":"x"})");
    EXPECT_EQ(sent(kResponses, R"( {"store":false,"model":"m","input":"store"}  )"),
              R"( {"store":false,"model":"m","input":"store"}  )");
}

TEST(ZeroRetentionBodyTest, chat_passes_byte_for_byte_unless_it_asks_to_be_stored) {
    const std::string plain =
        "{ \"messages\" : [ {\"role\":\"user\",\"content\":\"store\\u0000: true\"} ],\n \"model\":"
        "\"m\" }\n";
    EXPECT_EQ(sent(kChat, plain), plain);
    EXPECT_EQ(sent(kChat, R"({"model":"m","store":true,"messages":[]})"),
              R"({"model":"m","store":false,"messages":[]})");
    EXPECT_EQ(sent(kChat, R"({"model":"m","store":false,"messages":[]})"),
              R"({"model":"m","store":false,"messages":[]})");
}

TEST(ZeroRetentionBodyTest, members_that_would_be_kept_are_left_out) {
    EXPECT_EQ(sent(kChat, R"({"model":"m","metadata":{"a":"b"},"messages":[]})"),
              R"({"model":"m","messages":[]})");
    EXPECT_EQ(sent(kResponses, R"({"metadata":{"a":"b"},"model":"m","input":"x"})"),
              R"({"model":"m","input":"x","store":false})");
    EXPECT_EQ(sent(kChat, R"({"model":"m","prompt_cache_retention":"24h"})"), R"({"model":"m"})");
    EXPECT_EQ(sent(kChat, R"({"model":"m","prompt_cache_retention":"in_memory"})"),
              R"({"model":"m","prompt_cache_retention":"in_memory"})");
    EXPECT_EQ(
        sent(kChat, R"({"model":"m","prompt_cache_options":{"ttl":"12h","mode":"explicit"}})"),
        R"({"model":"m"})");
    EXPECT_EQ(sent(kChat, R"({"model":"m","prompt_cache_options":{"ttl":"30m"}})"),
              R"({"model":"m","prompt_cache_options":{"ttl":"30m"}})");
    EXPECT_EQ(sent(kChat, R"({"model":"m","prompt_cache_options":{"mode":"explicit"}})"),
              R"({"model":"m","prompt_cache_options":{"mode":"explicit"}})");
}

TEST(ZeroRetentionBodyTest, members_go_with_one_comma_wherever_they_stand) {
    EXPECT_EQ(sent(kChat, R"({"metadata":{},"prompt_cache_retention":"24h","model":"m"})"),
              R"({"model":"m"})");
    EXPECT_EQ(sent(kChat, R"({"model":"m" , "metadata":{} , "prompt_cache_retention":"24h" })"),
              R"({"model":"m"   })");
    EXPECT_EQ(sent(kResponses,
                   R"({"metadata":{},"model":"m","deployment_type":"dedicated","input":"x"})"),
              R"({"model":"m","input":"x","store":false})");
    EXPECT_EQ(sent(kResponses, R"({"metadata":{},"deployment_type":"dedicated"})"),
              R"({"store":false})");
    EXPECT_EQ(sent(kResponses, R"({ "metadata":{} , "input":"x" , "deployment_type":null })"),
              R"({  "input":"x"  ,"store":false})");
}

TEST(ZeroRetentionBodyTest, what_needs_stored_state_is_refused) {
    struct Case {
        std::string_view path;
        const char *body, *param;
    };
    const Case cases[] = {
        {kResponses, R"({"background":true})", "background"},
        {kResponses, R"({"previous_response_id":"resp_1"})", "previous_response_id"},
        {kResponses, R"({"previous_response_id":null,"previous_response_id":"resp_1"})",
         "previous_response_id"},
        {kResponses, R"({"conversation":"conv_1"})", "conversation"},
        {kResponses, R"({"conversation":{"id":"conv_1"}})", "conversation"},
        {kResponses, R"({"prompt":{"id":"pmpt_1"}})", "prompt"},
        {kResponses, R"({"input":[{"type":"item_reference","id":"msg_1"}]})", "input"},
        {kResponses, R"({"input":[{"id":"msg_1"}]})", "input"},
        {kResponses, R"({"input":[{"type":null,"id":"msg_1"}]})", "input"},
        {kResponses,
         R"({"input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}]})", "input"},
        {kResponses, R"({"input":[{"output":[[{"fil\u0065_id":"f"}]]}]})", "input"},
        {"/responses/compact", R"({"previous_response_id":"resp_1"})", "previous_response_id"},
        {"/responses/input_tokens", R"({"conversation":"conv_1"})", "conversation"},
        {kChat, R"({"messages":[{"content":[{"type":"file","file":{"file_id":"f"}}]}]})",
         "messages"},
        {kChat, R"({"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]})", "messages"},
        {kChat, R"({"modalities":["text","audio"]})", "modalities"},
        {kChat, R"({"audio":{"voice":"alloy"}})", "audio"},
        {kChat, R"({"web_search_options":{}})", "web_search_options"},
        {"/audio/speech", R"({"model":"tts-1","voice":{"id":"voice_1"}})", "voice"},
        {"/images/generations", R"({"model":"dall-e-3"})", "model"},
        {"/images/generations", R"({"prompt":"a cat"})", "model"},
        {"/images/generations", R"({"model":"gpt-image-1.5","response_format":"url"})",
         "response_format"},
        {"/images/edits", R"({"model":"gpt-image-1.5","images":[{"file_id":"f"}]})", "images"},
        {"/images/edits", R"({"model":"gpt-image-1.5","mask":{"file_id":"f"}})", "mask"},
    };
    for (const Case& each : cases) {
        EXPECT_EQ(sent(each.path, each.body), "refused " + std::string(each.param)) << each.body;
        const std::string text = explanation(each.path, each.body);
        EXPECT_TRUE(text.starts_with("zero data retention: '")) << text;
        EXPECT_NE(text.find(" is refused, because "), std::string::npos) << text;
        EXPECT_NE(text.find("; "), std::string::npos) << "says how to do it: " << text;
    }
}

TEST(ZeroRetentionBodyTest, what_keeps_nothing_passes) {
    for (
        const char* body :
        {R"({"background":false,"store":false})", R"({"previous_response_id":null,"store":false})",
         R"({"input":[{"id":"rs_1","type":"reasoning","encrypted_content":"e"}],"store":false})",
         R"({"input":[{"id":"msg_1","role":"user","content":"x"}],"store":false})",
         R"({"input":[{"content":[{"type":"input_file","file_data":"d","file_id":null}]}],"store":false})",
         R"({"input":"file_id: f","store":false})",
         R"({"tools":null,"tool_choice":"auto","store":false})"}) {
        EXPECT_EQ(sent(kResponses, body), body);
    }
    EXPECT_EQ(sent("/images/generations",
                   R"({"model":"gpt-image-1","background":"transparent","prompt":"a"})"),
              R"({"model":"gpt-image-1","background":"transparent","prompt":"a"})");
    EXPECT_EQ(sent("/embeddings", R"({"model":"e","input":[[1,2],[3]]})"),
              R"({"model":"e","input":[[1,2],[3]]})");
}

TEST(ZeroRetentionBodyTest, tools_that_run_at_the_provider_are_refused) {
    for (const char* tool :
         {R"({"type":"code_interpreter","container":{"type":"auto"}})", R"({"type":"file_search"})",
          R"({"type":"mcp","server_url":"https://x"})", R"({"type":"shell"})",
          R"({"type":"shell","environment":null})",
          R"({"type":"shell","environment":{"type":"container_auto"}})",
          R"({"type":"shell","environment":{"type":"local","type":"container_auto"}})",
          R"({"type":"web_search"})", R"({"type":"web_search_preview"})",
          R"({"type":"web_search","external_web_access":true})",
          R"({"type":"web_search","external_web_access":false,"external_web_access":true})",
          R"({"type":"programmatic_tool_calling"})", R"({"type":"time_machine"})",
          R"({"name":"f"})", R"({"type":7})", R"({"type":"function","type":"mcp"})",
          R"({"type":"\u006dcp"})",
          R"({"type":"namespace","tools":[{"type":"function"},{"type":"mcp"}]})",
          R"({"type":"image_generation","input_image_mask":{"file_id":"f"}})"}) {
        const std::string body = R"({"tools":[{"type":"function"},)" + std::string(tool) + "]}";
        EXPECT_EQ(sent(kResponses, body), "refused tools") << body;
        EXPECT_EQ(sent(kChat, body), "refused tools") << body;
    }
}

TEST(ZeroRetentionBodyTest, tools_that_run_at_the_client_pass) {
    for (
        const char* tool :
        {R"({"type":"function","function":{"name":"f","parameters":{"properties":{"file_id":{}}}}})",
         R"({"type":"custom","name":"c"})", R"({"type":"local_shell"})",
         R"({"type":"apply_patch"})", R"({"type":"computer_use_preview"})",
         R"({"type":"image_generation"})", R"({"type":"shell","environment":{"type":"local"}})",
         R"({"type":"tool_search"})", R"({"type":"web_search","external_web_access":false})",
         R"({"type":"namespace","tools":[{"type":"function"}]})"}) {
        const std::string body = R"({"tools":[)" + std::string(tool) + R"(],"store":false})";
        EXPECT_EQ(sent(kResponses, body), body);
    }
}

TEST(ZeroRetentionBodyTest, web_search_passes_where_the_policy_grants_it) {
    const std::string tool = R"({"tools":[{"type":"web_search"}],"store":false})";
    EXPECT_EQ(sent(kResponses, tool, {.allows_web_search = true}), tool);
    const std::string chat = R"({"web_search_options":{}})";
    EXPECT_EQ(sent(kChat, chat, {.allows_web_search = true}), chat);
    EXPECT_EQ(sent(kResponses, R"({"tools":[{"type":"web_search"},{"type":"mcp"}]})",
                   {.allows_web_search = true}),
              "refused tools");
}

TEST(ZeroRetentionBodyTest, what_cannot_be_read_cannot_be_checked) {
    // Each passes for JSON as long as only brackets are counted.
    for (const char* body :
         {R"({"tools":[{"type":"function" "x"}]})", R"({"tools":{"type":"mcp"}})",
          R"({"input":[{"a":1,,"b":2}]})", R"({"input":[1 2]})", R"({"input":{"a"}})"}) {
        const auto verdict = zero_retention_body(kResponses, body, {});
        ASSERT_FALSE(verdict.ok()) << body;
        EXPECT_EQ(verdict.error().code, ErrorCode::invalid_request);
    }
    std::string deep = R"({"input":)" + std::string(300, '[') + std::string(300, ']') + "}";
    EXPECT_FALSE(zero_retention_body(kResponses, deep, {}).ok());
}

TEST(ZeroRetentionBodyTest, no_refusal_and_no_error_holds_content) {
    for (const char* body :
         {R"({"input":"kanarienvogel","background":true})",
          R"({"input":[{"file_id":"kanarienvogel"}]})", R"({"tools":[{"type":"kanarienvogel"}]})",
          R"({"kanarienvogel":"kanarienvogel","input":[1 2]})"}) {
        const auto verdict = zero_retention_body(kResponses, body, {});
        const std::string text =
            verdict.ok() ? verdict->explanation + verdict->param : verdict.error().detail;
        EXPECT_FALSE(text.empty());
        EXPECT_EQ(text.find("kanarienvogel"), std::string::npos) << text;
    }
}

/// Whatever stands beside whatever in whatever order: what passes says store: false, and what was
/// made of it needs no further change.
TEST(ZeroRetentionBodyTest, random_bodies_become_ones_that_keep_nothing) {
    const std::vector<std::string> members = {
        R"("model":"m")",          R"("store":true)",
        R"("metadata":{"a":"b"})", R"("prompt_cache_retention":"24h")",
        R"("input":"x")",          R"("stream":true)",
        R"("background":false)",   R"("deployment_type":"dedicated")",
        R"("tools":[])",           R"("prompt_cache_options":{"ttl":"24h"})"};
    std::mt19937 random(7);
    for (int i = 0; i < 5000; ++i) {
        std::vector<std::string> chosen = members;
        std::ranges::shuffle(chosen, random);
        chosen.resize(random() % (members.size() + 1));
        std::string body(random() % 2, ' ');
        body.push_back('{');
        for (std::size_t m = 0; m < chosen.size(); ++m) {
            if (m > 0) body.append(random() % 2, ' ').append(",").append(random() % 2, '\n');
            body.append(chosen[m]);
        }
        body.append(random() % 2, ' ').append("}");
        const std::string out = sent(kResponses, body);
        const auto facts = inspect(kResponses, out);
        ASSERT_TRUE(facts.ok()) << body << " -> " << out;
        ASSERT_EQ(facts->store, false) << body << " -> " << out;
        ASSERT_TRUE(facts->deployment_type.empty() && facts->metadata.empty()) << out;
        ASSERT_EQ(sent(kResponses, out), out) << body;
        const bool had_input = std::ranges::find(chosen, R"("input":"x")") != chosen.end();
        ASSERT_EQ(out.find(R"("input":"x")") != std::string::npos, had_input) << out;
    }
}

TEST(ZeroRetentionTest, the_table_names_every_rule_with_its_reason) {
    const std::vector<RetentionRule> rules = zero_retention_rules();
    EXPECT_GT(rules.size(), 50U);
    for (const RetentionRule& rule : rules) {
        EXPECT_FALSE(rule.where.empty());
        EXPECT_FALSE(rule.reason.empty());
    }
}

TEST(ZeroRetentionTest, a_models_name_is_a_name) {
    EXPECT_TRUE(is_plain_model_name("ft:gpt-4o-mini:acme::abc/2@x+y"));
    EXPECT_FALSE(is_plain_model_name(""));
    EXPECT_FALSE(is_plain_model_name("my secret"));
    EXPECT_FALSE(is_plain_model_name("m\n"));
    EXPECT_FALSE(is_plain_model_name(std::string(129, 'm')));
}

}  // namespace
}  // namespace tg
