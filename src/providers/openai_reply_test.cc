#include "providers/openai_reply.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

namespace tg {
namespace {

std::string read_fixture(const std::string& name) {
    std::ifstream file(std::string(TG_WIRE_DIR) + "/openai/" + name, std::ios::binary);
    EXPECT_TRUE(file.good()) << name;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

ReplyFacts scan(OpenAiCall call, const std::vector<std::string_view>& feeds) {
    ReplyScanner scanner(call);
    for (const std::string_view feed : feeds) {
        const std::string bytes(feed);
        scanner.feed(bytes);
    }
    return scanner.finish();
}

bool same(const ReplyFacts& a, const ReplyFacts& b) {
    return a.has_usage == b.has_usage && a.is_mismatch == b.is_mismatch && a.usage == b.usage &&
           a.has_tier == b.has_tier && a.tier == b.tier && a.model == b.model;
}

struct ReplyCase {
    std::string name;
    OpenAiCall call;
    std::vector<std::pair<Meter, std::int64_t>> meters;
    std::string model{};
    std::optional<ServiceTier> tier{};
    bool has_usage = true;
};

class ReplyFixtures : public testing::TestWithParam<ReplyCase> {};

TEST_P(ReplyFixtures, AreReadRightHoweverTheyAreSplit) {
    const ReplyCase& c = GetParam();
    const std::string body = read_fixture(c.name + ".json");
    const std::string_view view = body;
    const ReplyFacts whole = scan(c.call, {view});
    Usage expected;
    for (const auto& [meter, quantity] : c.meters) expected[meter] = quantity;
    for (int i = 0; i < kMeterCount; ++i) {
        const auto meter = static_cast<Meter>(i);
        EXPECT_EQ(whole.usage[meter], expected[meter]) << name(meter);
    }
    EXPECT_EQ(whole.has_usage, c.has_usage);
    EXPECT_FALSE(whole.is_mismatch);
    EXPECT_EQ(whole.model, c.model);
    EXPECT_EQ(whole.has_tier, c.tier.has_value());
    EXPECT_EQ(whole.tier, c.tier.value_or(ServiceTier::standard));
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < view.size(); ++i) {
        bytes.push_back(view.substr(i, 1));
        ASSERT_TRUE(same(scan(c.call, {view.substr(0, i), view.substr(i)}), whole))
            << "split at " << i;
    }
    EXPECT_TRUE(same(scan(c.call, bytes), whole));
}

INSTANTIATE_TEST_SUITE_P(
    All, ReplyFixtures,
    testing::Values(
        ReplyCase{"chat",
                  OpenAiCall::chat,
                  {{Meter::input, 22},
                   {Meter::cache_read, 1920},
                   {Meter::cache_write, 64},
                   {Meter::output, 108},
                   {Meter::reasoning, 192}},
                  "gpt-5.4-2026-03-05",
                  ServiceTier::flex},
        ReplyCase{"completions",
                  OpenAiCall::completions,
                  {{Meter::input, 5}, {Meter::output, 7}},
                  "gpt-3.5-turbo-instruct"},
        ReplyCase{
            "embeddings", OpenAiCall::embeddings, {{Meter::input, 8}}, "text-embedding-3-small"},
        ReplyCase{"responses",
                  OpenAiCall::responses,
                  {{Meter::input, 300},
                   {Meter::cache_read, 400},
                   {Meter::cache_write, 100},
                   {Meter::cache_write_long, 200},
                   {Meter::output, 56},
                   {Meter::reasoning, 64},
                   {Meter::web_search_medium, 2},
                   {Meter::file_search, 1},
                   {Meter::code_interpreter, 2}},
                  "gpt-5.6-sol",
                  ServiceTier::standard},
        ReplyCase{"images",
                  OpenAiCall::other_json,
                  {{Meter::input, 10}, {Meter::input_image, 40}, {Meter::output_image, 50}}},
        ReplyCase{"transcription",
                  OpenAiCall::other_json,
                  {{Meter::input_audio, 14}, {Meter::output, 45}}},
        ReplyCase{"transcription_duration", OpenAiCall::other_json, {{Meter::audio_ms, 9500}}},
        ReplyCase{"error", OpenAiCall::chat, {}, "", std::nullopt, false}),
    [](const auto& param) { return param.param.name; });

TEST(ReplyScanner, OnlyTheTopLevelCountsAndTheLastWins) {
    const ReplyFacts facts =
        scan(OpenAiCall::chat,
             {R"({"x":{"usage":{"prompt_tokens":9},"model":"no"},"usage":{"prompt_tokens":1},)"
              R"("model":"a","y":[{"usage":{"prompt_tokens":9}}],"usage":{"prompt_tokens":2},)"
              R"("mod\u0065l":"b\u0063","usage":null})"});
    EXPECT_EQ(facts.usage[Meter::input], 2);
    EXPECT_EQ(facts.model, "bc");
}

TEST(ReplyScanner, MalformedBodiesSayNothingOrWhatTheySaidBefore) {
    for (const std::string_view body :
         {"", "<html>\"usage\":{\"prompt_tokens\":1}</html>", "[{\"usage\":{\"prompt_tokens\":1}}]",
          "{", "{\"usage\":{\"prompt_tokens\":1", "\"usage\":{\"prompt_tokens\":1}",
          "{\"usage\" {\"prompt_tokens\":1}}", "{\"usage\":[{\"prompt_tokens\":1}]}", "}{]",
          "{\"a\\\":{\"usage\":{\"prompt_tokens\":1}}"}) {
        EXPECT_FALSE(scan(OpenAiCall::chat, {body}).has_usage) << body;
    }
    // A connection that breaks behind the usage: it was said.
    EXPECT_TRUE(scan(OpenAiCall::chat, {"{\"usage\":{\"prompt_tokens\":1},\"cho"}).has_usage);
}

TEST(ReplyScanner, AHugeUsageObjectIsNotKept) {
    const auto body = [](std::size_t pad) {
        return "{\"usage\":{\"prompt_tokens\":1,\"x\":\"" + std::string(pad, 'x') +
               "\"},\"model\":\"m\"}";
    };
    for (const std::size_t pad :
         {std::size_t{1000}, std::size_t{16'000}, std::size_t{17'000}, std::size_t{1} << 20}) {
        const std::string text = body(pad);
        const ReplyFacts whole = scan(OpenAiCall::chat, {text});
        EXPECT_EQ(whole.has_usage, pad < 16'384) << pad;
        EXPECT_EQ(whole.model, "m");
        const std::string_view view = text;
        EXPECT_TRUE(same(
            scan(OpenAiCall::chat, {view.substr(0, 500), view.substr(500, 400), view.substr(900)}),
            whole))
            << pad;
    }
}

TEST(ReplyScanner, DepthAndSizeCostNoMemory) {
    ReplyScanner scanner(OpenAiCall::chat);
    scanner.feed("{\"data\":");
    const std::string deep(1U << 20, '['), shallow(1U << 20, ']'), text(1U << 20, 'a');
    for (int i = 0; i < 8; ++i) scanner.feed(deep);
    scanner.feed("\"");
    for (int i = 0; i < 8; ++i) scanner.feed(text);
    scanner.feed("\"");
    for (int i = 0; i < 8; ++i) scanner.feed(shallow);
    scanner.feed(",\"usage\":{\"prompt_tokens\":3}}");
    EXPECT_EQ(scanner.finish().usage[Meter::input], 3);
}

constexpr std::string_view kUsagePrefix = "{\"prompt_tokens\":";

/// A slow reader of the same grammar, for JSON text that is well formed: members of the top level,
/// by plain recursion.
class Reference {
  public:
    explicit Reference(std::string_view text) : text_(text) {}
    /// The count in the last usage object, and what follows it.
    std::optional<std::string> last_usage() {
        std::optional<std::string> found;
        at_ = 1;
        while (text_[at_] != '}') {
            const std::string key = take();
            ++at_;
            const std::string value = take();
            if (key == "\"usage\"" && value.starts_with(kUsagePrefix))
                found = value.substr(kUsagePrefix.size());
            if (text_[at_] == ',') ++at_;
        }
        return found;
    }

  private:
    std::string take() {
        const std::size_t start = at_;
        if (text_[at_] == '"') {
            for (++at_; text_[at_] != '"'; ++at_) at_ += text_[at_] == '\\' ? 1 : 0;
            ++at_;
        } else if (text_[at_] == '{' || text_[at_] == '[') {
            for (++at_; text_[at_] != '}' && text_[at_] != ']';) {
                if (text_[at_] == ',' || text_[at_] == ':') {
                    ++at_;
                } else {
                    take();
                }
            }
            ++at_;
        } else {
            while (text_[at_] != ',' && text_[at_] != '}' && text_[at_] != ']') ++at_;
        }
        return std::string(text_.substr(start, at_ - start));
    }
    std::string_view text_;
    std::size_t at_ = 0;
};

std::string random_value(std::mt19937& random, int depth) {
    constexpr std::string_view kStrings[] = {
        R"("")",
        R"("a")",
        R"("\"")",
        R"("\\")",
        R"("\\\"{[")",
        R"("}],:")",
        R"("usage")",
        R"("long enough to cross a block of sixty-four bytes, with \\\\ and \" in it")"};
    switch (random() % (depth > 4 ? 3 : 5)) {
        case 0:
            return std::string(kStrings[random() % std::size(kStrings)]);
        case 1:
            return "null";
        case 2:
            return std::to_string(random() % 1000);
        case 3: {
            std::string out = "[";
            for (std::size_t n = random() % 4; n > 0; --n)
                out += random_value(random, depth + 1) + (n > 1 ? "," : "");
            return out + "]";
        }
        default: {
            std::string out = "{";
            for (std::size_t n = random() % 4; n > 0; --n) {
                out += (random() % 3 == 0 ? "\"usage\":" : "\"k\":") +
                       (random() % 4 == 0
                            ? "{\"prompt_tokens\":" + std::to_string(random() % 100) + "}"
                            : random_value(random, depth + 1)) +
                       (n > 1 ? "," : "");
            }
            return out + "}";
        }
    }
}

TEST(ReplyProperty, FindsWhatASlowReaderFinds) {
    std::mt19937 random(5);
    for (int round = 0; round < 20'000; ++round) {
        std::string text = "{";
        for (std::size_t n = 1 + random() % 5; n > 0; --n) {
            text += (random() % 2 == 0 ? "\"usage\":" : "\"other\":");
            text += random() % 2 == 0 ? "{\"prompt_tokens\":" + std::to_string(random() % 100) + "}"
                                      : random_value(random, 0);
            text += n > 1 ? "," : "";
        }
        text += "}";
        ReplyScanner all(OpenAiCall::chat);
        all.feed(text);
        const ReplyFacts facts = all.finish();
        if (const auto usage = Reference(text).last_usage()) {
            EXPECT_EQ(facts.usage[Meter::input], std::stoll(*usage)) << text;
        } else {
            EXPECT_FALSE(facts.has_usage) << text;
        }
        const std::string_view view = text;
        const std::size_t a = random() % (view.size() + 1),
                          b = a + random() % (view.size() + 1 - a);
        ASSERT_TRUE(
            same(scan(OpenAiCall::chat, {view.substr(0, a), view.substr(a, b - a), view.substr(b)}),
                 facts))
            << text;
    }
}

TEST(OpenAiError, HasAllFourKeys) {
    EXPECT_EQ(
        openai_error_body("no \"x\"", "requests", "rate_limited"),
        R"({"error":{"message":"no \"x\"","type":"requests","param":null,"code":"rate_limited"}})");
    EXPECT_EQ(
        openai_error_body("m", "invalid_request_error", "", "model"),
        R"({"error":{"message":"m","type":"invalid_request_error","param":"model","code":null}})");
}

TEST(OpenAiError, TypesFollowTheStatus) {
    const std::pair<int, std::string_view> cases[] = {
        {400, "invalid_request_error"}, {401, "authentication_error"},  {403, "permission_error"},
        {404, "invalid_request_error"}, {413, "invalid_request_error"}, {429, "requests"},
        {500, "server_error"},          {503, "server_error"}};
    for (const auto& [status, type] : cases) EXPECT_EQ(openai_error_type(status), type) << status;
}

}  // namespace
}  // namespace tg
