#include "providers/openai_usage.h"

#include <gtest/gtest.h>

#include <random>

namespace tg {
namespace {

using Values = std::vector<std::pair<Meter, std::int64_t>>;

struct UsageCase {
    std::string_view name;
    std::string_view json;
    Values meters;
    bool is_mismatch = false;
    OpenAiCall call = OpenAiCall::chat;
};

class ParseUsage : public testing::TestWithParam<UsageCase> {};

TEST_P(ParseUsage, GivesDisjointClasses) {
    const UsageCase& c = GetParam();
    const OpenAiUsage parsed = parse_openai_usage(c.call, c.json);
    EXPECT_TRUE(parsed.is_usage);
    EXPECT_EQ(parsed.is_mismatch, c.is_mismatch);
    Usage expected;
    for (const auto& [meter, quantity] : c.meters) expected[meter] = quantity;
    for (int i = 0; i < kMeterCount; ++i) {
        const auto meter = static_cast<Meter>(i);
        EXPECT_EQ(parsed.usage[meter], expected[meter]) << name(meter);
    }
}

const UsageCase kCases[] = {
    {"Plain",
     R"({"prompt_tokens":5,"completion_tokens":7,"total_tokens":12})",
     {{Meter::input, 5}, {Meter::output, 7}}},
    {"Embeddings",
     R"({"prompt_tokens":8,"total_tokens":8})",
     {{Meter::input, 8}},
     false,
     OpenAiCall::embeddings},
    {"NullDetails",
     R"({"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"prompt_tokens_details":null,"completion_tokens_details":null})",
     {{Meter::input, 5}, {Meter::output, 7}}},
    {"EveryChatClass",
     R"({"prompt_tokens":1000,"completion_tokens":500,"total_tokens":1500,
         "prompt_tokens_details":{"cached_tokens":300,"cache_write_tokens":200,"audio_tokens":50,"image_tokens":40,"text_tokens":910},
         "completion_tokens_details":{"reasoning_tokens":100,"audio_tokens":60,"text_tokens":440,"accepted_prediction_tokens":20,"rejected_prediction_tokens":30}})",
     {{Meter::input, 410},
      {Meter::cache_read, 300},
      {Meter::cache_write, 200},
      {Meter::input_audio, 50},
      {Meter::input_image, 40},
      {Meter::output, 340},
      {Meter::reasoning, 100},
      {Meter::output_audio, 60}}},
    {"CachedIsTextFirst",
     R"({"prompt_tokens":100,"completion_tokens":0,"total_tokens":100,"prompt_tokens_details":{"cached_tokens":70,"audio_tokens":50}})",
     {{Meter::cache_read, 50}, {Meter::input_audio_cached, 20}, {Meter::input_audio, 30}}},
    {"CachedThenAudioThenImage",
     R"({"prompt_tokens":100,"completion_tokens":0,"total_tokens":100,"prompt_tokens_details":{"cached_tokens":95,"audio_tokens":30,"image_tokens":20}})",
     {{Meter::cache_read, 50},
      {Meter::input_audio_cached, 30},
      {Meter::input_image_cached, 15},
      {Meter::input_image, 5}}},
    {"CachedDetailsAreExact",
     R"({"input_tokens":100,"output_tokens":10,"total_tokens":110,"input_token_details":{"text_tokens":40,"audio_tokens":50,"image_tokens":10,"cached_tokens":60,
         "cached_tokens_details":{"text_tokens":10,"audio_tokens":45,"image_tokens":5}},"output_token_details":{"text_tokens":4,"audio_tokens":6}})",
     {{Meter::input, 30},
      {Meter::cache_read, 10},
      {Meter::input_audio, 5},
      {Meter::input_audio_cached, 45},
      {Meter::input_image, 5},
      {Meter::input_image_cached, 5},
      {Meter::output, 4},
      {Meter::output_audio, 6}}},
    {"Responses",
     R"({"input_tokens":1000,"input_tokens_details":{"cached_tokens":400,"cache_write_tokens":300},"output_tokens":120,"output_tokens_details":{"reasoning_tokens":64},"total_tokens":1120})",
     {{Meter::input, 300},
      {Meter::cache_read, 400},
      {Meter::cache_write, 300},
      {Meter::output, 56},
      {Meter::reasoning, 64}},
     false,
     OpenAiCall::responses},
    {"CacheWriteLifetimes",
     R"({"input_tokens":1000,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":300,"cache_write_tokens_details":{"ttl_30m_tokens":100,"ttl_12h_tokens":200}},"output_tokens":1,"total_tokens":1001})",
     {{Meter::input, 700},
      {Meter::cache_write, 100},
      {Meter::cache_write_long, 200},
      {Meter::output, 1}},
     false,
     OpenAiCall::responses},
    {"CacheWriteDetailsLeaveSomeOpen",
     R"({"input_tokens":1000,"input_tokens_details":{"cache_write_tokens":300,"cache_write_tokens_details":{"ttl_12h_tokens":200}},"output_tokens":1,"total_tokens":1001})",
     {{Meter::input, 700},
      {Meter::cache_write, 100},
      {Meter::cache_write_long, 200},
      {Meter::output, 1}},
     false,
     OpenAiCall::responses},
    {"DeepSeek",
     R"({"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36,"completion_tokens_details":{"reasoning_tokens":5}})",
     {{Meter::input, 36}, {Meter::cache_read, 64}, {Meter::output, 15}, {Meter::reasoning, 5}}},
    {"DeepSeekSaysItTwice",
     R"({"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"prompt_cache_hit_tokens":64,"prompt_tokens_details":{"cached_tokens":64}})",
     {{Meter::input, 36}, {Meter::cache_read, 64}, {Meter::output, 20}}},
    {"Moonshot",
     R"({"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"cached_tokens":30})",
     {{Meter::input, 70}, {Meter::cache_read, 30}, {Meter::output, 20}}},
    {"ReasoningOutside",
     R"({"prompt_tokens":30,"completion_tokens":2,"total_tokens":132,"completion_tokens_details":{"reasoning_tokens":100}})",
     {{Meter::input, 30}, {Meter::output, 2}, {Meter::reasoning, 100}}},
    {"ReasoningInside",
     R"({"prompt_tokens":30,"completion_tokens":102,"total_tokens":132,"completion_tokens_details":{"reasoning_tokens":100}})",
     {{Meter::input, 30}, {Meter::output, 2}, {Meter::reasoning, 100}}},
    {"ReasoningIsAll",
     R"({"prompt_tokens":1,"completion_tokens":100,"total_tokens":101,"completion_tokens_details":{"reasoning_tokens":100}})",
     {{Meter::input, 1}, {Meter::reasoning, 100}}},
    {"TotalDisagrees",
     R"({"prompt_tokens":5,"completion_tokens":7,"total_tokens":99})",
     {{Meter::input, 5}, {Meter::output, 7}},
     true},
    {"CachedAboveTotal",
     R"({"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":9}})",
     {{Meter::cache_read, 5}, {Meter::output, 7}},
     true},
    {"WrittenAboveRest",
     R"({"prompt_tokens":10,"completion_tokens":0,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":6,"cache_write_tokens":6}})",
     {{Meter::cache_read, 6}, {Meter::cache_write, 4}},
     true},
    {"ReasoningAboveTotal",
     R"({"prompt_tokens":1,"completion_tokens":5,"total_tokens":6,"completion_tokens_details":{"reasoning_tokens":9}})",
     {{Meter::input, 1}, {Meter::reasoning, 5}},
     true},
    {"NegativeIsIgnored",
     R"({"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":-3}})",
     {{Meter::input, 5}, {Meter::output, 7}},
     true},
    {"TooBigIsIgnored",
     R"({"prompt_tokens":99999999999999999999,"completion_tokens":7})",
     {{Meter::output, 7}},
     true},
    {"StringsAreIgnored",
     R"({"prompt_tokens":"5","completion_tokens":7})",
     {{Meter::output, 7}},
     true},
    {"FractionIsIgnored",
     R"({"prompt_tokens":5.5,"completion_tokens":7.0})",
     {{Meter::output, 7}},
     true},
    {"TotalOnly", R"({"total_tokens":9})", {{Meter::input, 9}}},
    {"NoCompletion",
     R"({"prompt_tokens":4,"total_tokens":9})",
     {{Meter::input, 4}, {Meter::output, 5}}},
    {"Images",
     R"({"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}})",
     {{Meter::input, 10}, {Meter::input_image, 40}, {Meter::output_image, 50}},
     false,
     OpenAiCall::other_json},
    {"ImagesSplit",
     R"({"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens_details":{"text_tokens":8,"image_tokens":42}})",
     {{Meter::input, 10}, {Meter::input_image, 40}, {Meter::output, 8}, {Meter::output_image, 42}},
     false,
     OpenAiCall::other_json},
    {"Transcription",
     R"({"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":45,"total_tokens":59})",
     {{Meter::input, 4}, {Meter::input_audio, 10}, {Meter::output, 45}},
     false,
     OpenAiCall::other_json},
    {"Duration",
     R"({"type":"duration","seconds":9.5004})",
     {{Meter::audio_ms, 9500}},
     false,
     OpenAiCall::other_json},
    {"EscapedKeys",
     R"({"prompt\u005ftokens":5,"completion_tokens":7})",
     {{Meter::input, 5}, {Meter::output, 7}}},
    {"UnknownMembers",
     R"({"queue_time":0.1,"cost":{"prompt_tokens":77},"x":[{"prompt_tokens":8}],"prompt_tokens":5,"prompt_tokens_details":{"y":{"cached_tokens":4}}})",
     {{Meter::input, 5}}},
    {"LargestNumbers",
     R"({"prompt_tokens":9223372036854775807,"completion_tokens":9223372036854775807,"total_tokens":9223372036854775807,"prompt_tokens_details":{"cached_tokens":9223372036854775807,"audio_tokens":9223372036854775807,"image_tokens":9223372036854775807,"cache_write_tokens":9223372036854775807},"completion_tokens_details":{"reasoning_tokens":9223372036854775807}})",
     {{Meter::input_audio_cached, 9223372036854775807}, {Meter::reasoning, 9223372036854775807}},
     true},
};

INSTANTIATE_TEST_SUITE_P(Cases, ParseUsage, testing::ValuesIn(kCases),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(ParseUsage, WhatIsNoUsageIsNone) {
    for (const std::string_view json :
         {"", "null", "{}", "[]", "{\"prompt_tokens\":", "{\"prompt_tokens\":5",
          "{\"prompt_tokens\":5,}", "{\"prompt_tokens\" 5}", "{\"prompt_tokens\":null}",
          "{\"images\":3}", "{\"prompt_tokens_details\":{\"cached_tokens\":3}}",
          "{\"prompt_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\" 3}}", "5",
          "\"prompt_tokens\""}) {
        const OpenAiUsage parsed = parse_openai_usage(OpenAiCall::chat, json);
        EXPECT_FALSE(parsed.is_usage) << json;
        EXPECT_TRUE(parsed.usage.is_empty()) << json;
    }
}

/// given any counts / when parsed / then the classes add up to the totals, and no class is
/// negative.
TEST(ParseUsage, ClassesAlwaysAddUpToTheTotals) {
    std::mt19937_64 random(11);
    const auto count = [&] {
        return std::to_string(random() % (random() % 8 == 0 ? 1'000'000 : 50));
    };
    for (int round = 0; round < 50'000; ++round) {
        const std::int64_t input = static_cast<std::int64_t>(random() % 100),
                           output = static_cast<std::int64_t>(random() % 100);
        std::string json = "{\"prompt_tokens\":" + std::to_string(input) +
                           ",\"completion_tokens\":" + std::to_string(output) +
                           ",\"prompt_tokens_details\":{\"x\":0";
        for (const std::string_view field :
             {"cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens"}) {
            if (random() % 2 == 0) json += ",\"" + std::string(field) + "\":" + count();
        }
        if (random() % 4 == 0)
            json += ",\"cached_tokens_details\":{\"audio_tokens\":" + count() +
                    ",\"image_tokens\":" + count() + "}";
        if (random() % 4 == 0) {
            json += ",\"cache_write_tokens_details\":{\"ttl_30m_tokens\":" + count() +
                    ",\"ttl_12h_tokens\":" + count() + "}";
        }
        json += "},\"completion_tokens_details\":{\"reasoning_tokens\":" + count() +
                ",\"audio_tokens\":" + count() + "}}";
        const OpenAiUsage parsed = parse_openai_usage(OpenAiCall::chat, json);
        ASSERT_TRUE(parsed.is_usage);
        ASSERT_EQ(parsed.usage.input_tokens(), input) << json;
        ASSERT_EQ(parsed.usage.output_tokens(), output) << json;
        for (const std::int64_t quantity : parsed.usage.quantity) ASSERT_GE(quantity, 0) << json;
    }
}

}  // namespace
}  // namespace tg
