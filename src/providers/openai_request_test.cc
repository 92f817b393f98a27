#include "providers/openai_request.h"

#include <gtest/gtest.h>

#include "providers/internal/json_cursor.h"
#include "providers/object_key.h"

namespace tg {
namespace {

/// The body with the readable bytes behind it that inspect_request needs. The padding is hostile on
/// purpose.
class Body {
  public:
    explicit Body(std::string_view text) : size_(text.size()), bytes_(text) {
        bytes_.append(kJsonPadding, '"');
    }
    std::string_view view() const { return std::string_view(bytes_).substr(0, size_); }

  private:
    std::size_t size_;
    std::string bytes_;
};

Result<RequestFacts> inspect(std::string_view text, OpenAiCall call = OpenAiCall::chat) {
    const Body body(text);
    return inspect_request(call, body.view());
}

std::string splice_in(std::string_view body, const std::vector<Splice>& splices) {
    std::string out;
    std::size_t at = 0;
    for (const Splice& splice : splices) {
        EXPECT_GE(splice.offset, at);
        out.append(body.substr(at, splice.offset - at)).append(splice.insert);
        at = splice.offset + splice.remove;
    }
    return out.append(body.substr(at));
}

std::string rewrite(std::string_view text, const RewriteOptions& options = {},
                    OpenAiCall call = OpenAiCall::chat) {
    const Body body(text);
    const auto facts = inspect_request(call, body.view());
    EXPECT_TRUE(facts.ok()) << text;
    if (!facts.ok()) return {};
    return splice_in(body.view(), rewrite_request(call, *facts, body.view(), options));
}

TEST(InspectRequest, ReadsWhatTheGateNeeds) {
    const std::string text =
        R"({"model":"gpt-5.4","messages":[{"role":"user","content":"say \"}\" and [{"}],"stream":true,)"
        R"("stream_options":{"include_usage":true,"include_obfuscation":false},"max_completion_tokens":512,"n":3,)"
        R"("store":false,"safety_identifier":"u-17","service_tier":"flex","metadata":{"team":"a\u0062","n":5,"env":"prod"} } )";
    const auto facts = inspect(text);
    ASSERT_TRUE(facts.ok()) << facts.error().text();
    EXPECT_EQ(facts->model, "gpt-5.4");
    EXPECT_TRUE(facts->is_stream);
    EXPECT_TRUE(facts->asks_usage);
    EXPECT_FALSE(facts->is_background);
    EXPECT_EQ(facts->store, std::optional(false));
    EXPECT_EQ(facts->max_output_tokens, std::optional<std::int64_t>(512));
    EXPECT_EQ(facts->choices, 3);
    EXPECT_EQ(facts->end_user, "u-17");
    EXPECT_EQ(facts->service_tier, "flex");
    const std::vector<std::pair<std::string, std::string>> metadata = {{"team", "ab"},
                                                                       {"env", "prod"}};
    EXPECT_EQ(facts->metadata, metadata);
    EXPECT_EQ(text.substr(facts->model_value.offset, facts->model_value.size), "\"gpt-5.4\"");
    EXPECT_EQ(text.substr(facts->stream_options_value.offset, facts->stream_options_value.size),
              R"({"include_usage":true,"include_obfuscation":false})");
    EXPECT_EQ(facts->last_brace, text.rfind('}'));
}

TEST(InspectRequest, DefaultsWhenNothingIsSaid) {
    const auto facts = inspect("{}");
    ASSERT_TRUE(facts.ok());
    EXPECT_EQ(facts->model, "");
    EXPECT_FALSE(facts->is_stream || facts->asks_usage || facts->is_background);
    EXPECT_FALSE(facts->store.has_value() || facts->max_output_tokens.has_value());
    EXPECT_EQ(facts->choices, 1);
    EXPECT_FALSE(facts->model_value.is_set() || facts->stream_options_value.is_set());
    EXPECT_EQ(facts->last_brace, 1U);
}

TEST(InspectRequest, NullMeansNotGiven) {
    const auto facts = inspect(
        R"({"model":"m","stream":null,"stream_options":null,"max_tokens":null,"n":null,"store":null,"user":null,)"
        R"("service_tier":null,"metadata":null,"background":null})");
    ASSERT_TRUE(facts.ok()) << facts.error().text();
    EXPECT_FALSE(facts->is_stream || facts->asks_usage || facts->store.has_value() ||
                 facts->max_output_tokens.has_value());
    EXPECT_EQ(facts->choices, 1);
}

TEST(InspectRequest, EscapedKeysAreTheSameKeys) {
    const auto facts = inspect(
        R"({"mod\u0065l":"m","\u0073tream":true,"stream\u005foptions":{"include\u005fusage":true}})");
    ASSERT_TRUE(facts.ok()) << facts.error().text();
    EXPECT_EQ(facts->model, "m");
    EXPECT_TRUE(facts->is_stream);
    EXPECT_TRUE(facts->asks_usage);
}

TEST(InspectRequest, OnlyTheTopLevelCounts) {
    const auto facts = inspect(
        R"({"messages":[{"model":"evil","stream":true,"content":"\",\"model\":\"x"}],"model":"good","tools":[{"n":9}]})");
    ASSERT_TRUE(facts.ok());
    EXPECT_EQ(facts->model, "good");
    EXPECT_FALSE(facts->is_stream);
    EXPECT_EQ(facts->choices, 1);
}

TEST(InspectRequest, TheLimitIsThatOfTheCall) {
    const std::string text =
        R"({"max_tokens":10,"max_completion_tokens":30,"max_output_tokens":70})";
    EXPECT_EQ(inspect(text)->max_output_tokens, std::optional<std::int64_t>(30));
    EXPECT_EQ(inspect(text, OpenAiCall::responses)->max_output_tokens,
              std::optional<std::int64_t>(70));
    EXPECT_EQ(inspect(R"({"max_tokens":1e3})")->max_output_tokens,
              std::optional<std::int64_t>(1000));
    EXPECT_EQ(inspect(R"({"max_tokens":5.0})")->max_output_tokens, std::optional<std::int64_t>(5));
}

TEST(InspectRequest, EndUserIsBoundedAtACharacter) {
    std::string name(255, 'x');
    name += "\xe4\xb8\xad";  // three bytes, of which one would fit
    EXPECT_EQ(inspect(R"({"user":")" + name + R"("})")->end_user, std::string(255, 'x'));
    EXPECT_EQ(inspect(R"({"user":"old","safety_identifier":"new"})")->end_user, "new");
    EXPECT_EQ(inspect(R"({"safety_identifier":"new","user":"old"})")->end_user, "new");
}

TEST(InspectRequest, TakesSixteenMetadataPairs) {
    std::string text = R"({"metadata":{)";
    for (int i = 0; i < 20; ++i)
        text += (i == 0 ? "" : ",") + ("\"k" + std::to_string(i) + R"(":"v")");
    EXPECT_EQ(inspect(text + "}}")->metadata.size(), 16U);
}

struct Refusal {
    std::string_view body;
    std::string_view says;
};

class InspectRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(InspectRefuses, WithAReason) {
    const auto facts = inspect(GetParam().body);
    ASSERT_FALSE(facts.ok()) << GetParam().body;
    EXPECT_EQ(facts.error().code, ErrorCode::invalid_request);
    EXPECT_NE(facts.error().detail.find(GetParam().says), std::string::npos)
        << facts.error().detail;
}

INSTANTIATE_TEST_SUITE_P(
    Malformed, InspectRefuses,
    testing::Values(Refusal{"", "empty"}, Refusal{"  \r\n", "empty"}, Refusal{"[]", "does not end"},
                    Refusal{"null", "no JSON object"}, Refusal{R"("a}")", "does not end"},
                    Refusal{R"([{}, {}}])", "does not end"}, Refusal{"}", "no valid JSON object"},
                    Refusal{"{}}", "follows"}, Refusal{R"({"model":"a"}{"model":"b"})", "follows"},
                    Refusal{R"([1,{"model":"a"})", "no object"},
                    Refusal{R"({"model" "a"})", "no valid JSON"},
                    Refusal{R"({"model":"a":1}})", "follows 'model'"},
                    Refusal{R"({"deployment_type":"a":1}})", "follows 'deployment_type'"},
                    Refusal{R"({"model":"a" "stream":true})", "no valid JSON"},
                    Refusal{R"({model:"a"})", "no valid JSON"},
                    Refusal{R"({"a":"b})", "not closed"}, Refusal{R"({"a":[1,2})", "no valid JSON"},
                    Refusal{R"({"model":"a",})", "no valid JSON"},
                    Refusal{"{\"model\":\"a\xff\"}", "UTF-8"},
                    Refusal{"{\"model\":\"a\nb\"}", "control character"},
                    Refusal{"garbage }", "no valid JSON"}));

INSTANTIATE_TEST_SUITE_P(
    Doubled, InspectRefuses,
    testing::Values(
        Refusal{R"({"model":"a","model":"a"})", "'model' stands twice"},
        Refusal{R"({"model":"a","mod\u0065l":"b"})", "'model' stands twice"},
        Refusal{R"({"stream":false,"stream":true})", "'stream' stands twice"},
        Refusal{R"({"stream_options":{},"stream_options":{}})", "'stream_options' stands twice"},
        Refusal{R"({"stream_options":{"include_usage":true,"include_usage":false}})",
                "include_usage' stands twice"},
        Refusal{R"({"max_tokens":1,"max_tokens":2})", "'max_tokens' stands twice"},
        Refusal{R"({"max_completion_tokens":1,"max_completion_tokens":2})", "stands twice"},
        Refusal{R"({"max_output_tokens":1,"max_output_tokens":2})", "stands twice"},
        Refusal{R"({"store":true,"x":{},"store":false})", "'store' stands twice"},
        Refusal{R"({"user":"a","user":"b"})", "'user' stands twice"}));

INSTANTIATE_TEST_SUITE_P(
    WrongKind, InspectRefuses,
    testing::Values(Refusal{R"({"model":5})", "'model' must be a string"},
                    Refusal{R"({"model":null})", "'model' must be a string"},
                    Refusal{R"({"stream":"yes"})", "'stream' must be true or false"},
                    Refusal{R"({"stream":1})", "'stream'"},
                    Refusal{R"({"stream":truely})", "'stream'"},
                    Refusal{R"({"stream_options":[]})", "must be an object"},
                    Refusal{R"({"stream_options":{"include_usage":1}})", "include_usage' must be"},
                    Refusal{R"({"max_tokens":-1})", "'max_tokens' must be a whole number"},
                    Refusal{R"({"max_tokens":1.5})", "'max_tokens'"},
                    Refusal{R"({"max_tokens":"5"})", "'max_tokens'"},
                    Refusal{R"({"max_tokens":99999999999999999999})", "'max_tokens'"},
                    Refusal{R"({"n":0})", "'n' must be"}, Refusal{R"({"n":[1]})", "'n' must be"},
                    Refusal{R"({"user":7})", "'user' must be a string"},
                    Refusal{R"({"metadata":"x"})", "'metadata' must be an object"},
                    Refusal{R"({"stream_options":{"a"::"b","c":1}})", "well-formed"},
                    Refusal{R"({"metadata":{"a":"b"]}})", "well-formed"},
                    Refusal{R"({"store":0})", "'store'"}));

TEST(InspectRequest, DepthBombsAreRefused) {
    for (const std::size_t depth : {std::size_t{300}, std::size_t{1'000'000}}) {
        const auto facts = inspect(R"({"model":"m","messages":)" + std::string(depth, '[') +
                                   std::string(depth, ']') + "}");
        ASSERT_FALSE(facts.ok());
        EXPECT_NE(facts.error().detail.find("nested deeper than 256"), std::string::npos);
    }
    std::string objects = "{\"m\":";
    for (int i = 0; i < 400; ++i) objects += "{\"a\":";
    EXPECT_FALSE(inspect(objects + "1" + std::string(401, '}')).ok());
    EXPECT_TRUE(
        inspect(R"({"messages":)" + std::string(200, '[') + std::string(200, ']') + "}").ok());
    // Many brackets are no depth, also inside strings.
    std::string flat = R"({"messages":["[[[[{{{{")";
    for (int i = 0; i < 2000; ++i) flat += ",[{}]";
    EXPECT_TRUE(inspect(flat + ",\"" + std::string(500, '[') + "\"]}").ok());
}

TEST(InspectRequest, MessagesHoldNothingOfTheContent) {
    const auto facts = inspect(R"({"messages":"my secret","stream":"my secret"})");
    ASSERT_FALSE(facts.ok());
    EXPECT_EQ(facts.error().detail.find("secret"), std::string::npos);
}

TEST(InspectRequest, EveryPrefixOfABodyIsRefused) {
    const std::string text =
        R"({"model":"m","messages":[{"content":"x"}],"stream":true,"stream_options":{"a":[1]}})";
    for (std::size_t size = 0; size < text.size(); ++size)
        EXPECT_FALSE(inspect(text.substr(0, size)).ok()) << size;
}

TEST(RewriteRequest, AsksForUsageOnChatStreams) {
    struct Case {
        std::string_view body, sent;
    };
    const Case cases[] = {
        {R"({"model":"m","stream":true})",
         R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})"},
        {"{\"stream\":true\n}\n",
         "{\"stream\":true\n,\"stream_options\":{\"include_usage\":true}}\n"},
        {R"({"stream":true,"x":{}})",
         R"({"stream":true,"x":{},"stream_options":{"include_usage":true}})"},
        {R"({"stream":true,"stream_options":null})",
         R"({"stream":true,"stream_options":{"include_usage":true}})"},
        {R"({"stream":true,"stream_options":{}})",
         R"({"stream":true,"stream_options":{"include_usage":true}})"},
        {R"({"stream":true,"stream_options":{ "include_obfuscation":false }})",
         R"({"stream":true,"stream_options":{"include_usage":true, "include_obfuscation":false }})"},
        {R"({"stream_options":{"a":{"include_usage":7},"include_usage": false,"b":1},"stream":true})",
         R"({"stream_options":{"a":{"include_usage":7},"include_usage": true,"b":1},"stream":true})"},
        {R"({"stream":true,"stream_options":{"include\u005fusage":null}})",
         R"({"stream":true,"stream_options":{"include\u005fusage":true}})"},
        // Nothing to do.
        {R"({"stream":true,"stream_options":{"include_usage":true}})",
         R"({"stream":true,"stream_options":{"include_usage":true}})"},
        {R"({"stream":false})", R"({"stream":false})"},
        {R"({"model":"m"})", R"({"model":"m"})"},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(rewrite(c.body), c.sent);
        EXPECT_EQ(rewrite(c.body, {}, OpenAiCall::completions), c.sent);
        EXPECT_EQ(rewrite(c.body, {.inject_usage = false}), c.body);
        EXPECT_EQ(rewrite(c.body, {}, OpenAiCall::responses), c.body);
        EXPECT_EQ(rewrite(c.body, {}, OpenAiCall::embeddings), c.body);
    }
}

TEST(RewriteRequest, ReplacesTheModel) {
    const RewriteOptions to_azure{.inject_usage = true, .upstream_model = "dep\"1\""};
    EXPECT_EQ(rewrite(R"({"model" : "m","x":1})", to_azure), R"({"model" : "dep\"1\"","x":1})");
    EXPECT_EQ(rewrite(R"({"x":1})", to_azure), R"({"x":1,"model":"dep\"1\""})");
    EXPECT_EQ(rewrite("{ }", to_azure), R"({ "model":"dep\"1\""})");
    EXPECT_EQ(rewrite(R"({"model":"m"})", {.upstream_model = "m"}), R"({"model":"m"})");
    EXPECT_EQ(rewrite(R"({"stream_options":{},"stream":true,"model":"m"})", to_azure),
              R"({"stream_options":{"include_usage":true},"stream":true,"model":"dep\"1\""})");
    EXPECT_EQ(rewrite(R"({"stream":true})", to_azure),
              R"({"stream":true,"model":"dep\"1\"","stream_options":{"include_usage":true}})");
}

TEST(JsonDecimal, IsExact) {
    struct Case {
        std::string_view token;
        int scale;
        DecimalStatus status;
        std::int64_t value;
    };
    const Case cases[] = {
        {"0", 0, DecimalStatus::exact, 0},
        {"-0", 0, DecimalStatus::exact, 0},
        {"9223372036854775807", 0, DecimalStatus::exact, 9223372036854775807},
        {"9223372036854775808", 0, DecimalStatus::too_big, 0},
        {"1e400", 0, DecimalStatus::too_big, 0},
        {"99999999999999999999999999e-20", 0, DecimalStatus::rounded, 1000000},
        {"12.3456", 3, DecimalStatus::rounded, 12346},
        {"12.3454", 3, DecimalStatus::rounded, 12345},
        {"0.0005", 3, DecimalStatus::rounded, 1},
        {"0.1", 3, DecimalStatus::exact, 100},
        {"1e-30", 0, DecimalStatus::rounded, 0},
        {"0e99999999999", 0, DecimalStatus::exact, 0},
        {"-1", 0, DecimalStatus::negative, 0},
        {"1.", 0, DecimalStatus::no_number, 0},
        {"1e", 0, DecimalStatus::no_number, 0},
        {"--1", 0, DecimalStatus::no_number, 0},
        {"0x10", 0, DecimalStatus::no_number, 0},
        {"", 0, DecimalStatus::no_number, 0},
        {"true", 0, DecimalStatus::no_number, 0},
    };
    for (const Case& c : cases) {
        std::int64_t value = 0;
        EXPECT_EQ(parse_json_decimal(c.token, c.scale, &value), c.status) << c.token;
        EXPECT_EQ(value, c.value) << c.token;
    }
}

TEST(JsonUnescape, IsLenientAndComplete) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {R"(a\"\\\/\b\f\n\r\tz)", "a\"\\/\b\f\n\r\tz"},
        {R"(\u4e2d\u00e9)", "\xe4\xb8\xad\xc3\xa9"},
        {R"(\ud83d\ude00!)", "\xf0\x9f\x98\x80!"},
        {R"(\ud83dx)", "\xef\xbf\xbdx"},
        {R"(\ude00)", "\xef\xbf\xbd"},
        {R"(\q)", "\xef\xbf\xbd"},
        {R"(a\u12)", "a"},
        {"a\\", "a"},
        {R"(\uzzzzb)", "\xef\xbf\xbdzzzzb"},
    };
    for (const auto& [raw, text] : cases) {
        std::string out;
        append_json_unescaped(out, raw);
        EXPECT_EQ(out, text) << raw;
    }
}

TEST(OpenAiRequestTest, WhatAResponseFollowsIsKnownByItsKey) {
    const auto key = [](std::string_view members, OpenAiCall call = OpenAiCall::responses) {
        const std::string body = R"({"model":"m")" + std::string(members) + "}";
        const auto facts = inspect(body, call);
        EXPECT_TRUE(facts.ok()) << members;
        return facts.ok() ? facts->stored_object : 1;
    };
    EXPECT_EQ(key(R"(,"previous_response_id":"resp_1")"), object_key("resp_1"));
    EXPECT_EQ(key(R"(,"conversation":"conv_1")"), object_key("conv_1"));
    EXPECT_EQ(key(R"(,"conversation":{"a":[1],"id":"conv_1"},"store":false)"),
              object_key("conv_1"));
    EXPECT_EQ(key(R"(,"previous_response_id":null,"conversation":null)"), 0U);
    EXPECT_EQ(key(R"(,"previous_response_id":7,"conversation":[])"), 0U);
    EXPECT_EQ(key(R"(,"previous_response_id":"resp_1","conversation":{"id":1})", OpenAiCall::chat),
              0U);
}

}  // namespace
}  // namespace tg
