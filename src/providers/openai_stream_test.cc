#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "providers/openai_reply.h"

namespace tg {
namespace {

std::string read_fixture(const std::string& name) {
    std::ifstream file(std::string(TG_WIRE_DIR) + "/openai/" + name, std::ios::binary);
    EXPECT_TRUE(file.good()) << name;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// Everything a stream scanner can tell.
struct Seen {
    std::string output, text, model;
    std::int64_t bytes = 0;
    bool has_usage = false, is_mismatch = false, has_tier = false, saw_end = false,
         saw_error = false;
    ServiceTier tier = ServiceTier::standard;
    Usage usage;
    friend bool operator==(const Seen&, const Seen&) = default;
};

std::ostream& operator<<(std::ostream& out, const Seen& s) {
    out << "output: " << s.output << "\ntext: " << s.text << "\nmodel: " << s.model << " bytes "
        << s.bytes << " usage " << s.has_usage << " mismatch " << s.is_mismatch << " tier "
        << s.has_tier << " end " << s.saw_end << " error " << s.saw_error;
    for (int i = 0; i < kMeterCount; ++i) {
        const auto meter = static_cast<Meter>(i);
        if (s.usage[meter] != 0) out << " " << name(meter) << "=" << s.usage[meter];
    }
    return out;
}

Seen scan(OpenAiCall call, bool strip, const std::vector<std::string_view>& feeds) {
    StreamScanner scanner(call, strip);
    Seen seen;
    StreamPieces pieces;
    const auto take = [&] {
        for (const std::string_view piece : pieces) {
            EXPECT_FALSE(piece.empty());
            seen.output.append(piece);
        }
        pieces.clear();
    };
    for (std::size_t i = 0; i < feeds.size(); ++i) {
        // A copy of its own, freed right after: nothing may be read later than the contract says.
        const std::string bytes(feeds[i]);
        EXPECT_TRUE(scanner.feed(bytes, &pieces).ok());
        if (i + 1 < feeds.size()) {
            take();
        } else {
            scanner.finish(&pieces);  // pieces of the last feed stay valid
            take();
        }
    }
    seen.text = scanner.delivered_text();
    seen.bytes = scanner.delivered_bytes();
    seen.saw_end = scanner.saw_end();
    seen.saw_error = scanner.saw_error();
    const ReplyFacts& facts = scanner.facts();
    seen.model = facts.model;
    seen.has_usage = facts.has_usage;
    seen.is_mismatch = facts.is_mismatch;
    seen.has_tier = facts.has_tier;
    seen.tier = facts.tier;
    seen.usage = facts.usage;
    return seen;
}

std::vector<std::string_view> bytewise(std::string_view text) {
    std::vector<std::string_view> out;
    for (std::size_t i = 0; i < text.size(); ++i) out.push_back(text.substr(i, 1));
    return out;
}

Usage usage_of(std::initializer_list<std::pair<Meter, std::int64_t>> values) {
    Usage usage;
    for (const auto& [meter, quantity] : values) usage[meter] = quantity;
    return usage;
}

struct StreamCase {
    std::string name;
    OpenAiCall call;
    std::string text;
    Usage usage;
    std::string model;
    bool saw_end = true;
    bool saw_error = false;
    bool has_usage = true;
    std::optional<ServiceTier> tier{};
};

const Usage kChatUsage = usage_of({{Meter::input, 22},
                                   {Meter::cache_read, 1920},
                                   {Meter::cache_write, 64},
                                   {Meter::output, 108},
                                   {Meter::reasoning, 192}});
const Usage kTools = usage_of(
    {{Meter::web_search_medium, 2}, {Meter::file_search, 1}, {Meter::code_interpreter, 2}});

Usage responses_usage() {
    Usage usage = kTools;
    usage[Meter::input] = 300;
    usage[Meter::cache_read] = 400;
    usage[Meter::cache_write] = 100;
    usage[Meter::cache_write_long] = 200;
    usage[Meter::output] = 56;
    usage[Meter::reasoning] = 64;
    return usage;
}

std::vector<StreamCase> stream_cases() {
    const std::string chat = "gpt-5.4-2026-03-05";
    const std::string text = "Thinking. say \"type\"\xe4\xb8\xad";
    return {
        {"chat_stream_usage", OpenAiCall::chat,
         "Hello \"world\"\n \xe4\xb8\xad\xe6\x96\x87\xf0\x9f\x98\x80 \"usage\":null {\"usage\":{}}",
         kChatUsage, chat, true, false, true, ServiceTier::standard},
        {"chat_stream_crlf", OpenAiCall::chat, "ABC",
         usage_of({{Meter::input, 3}, {Meter::output, 3}}), "compat-1"},
        {"chat_stream_cr", OpenAiCall::chat, "xy", kChatUsage, chat, true, false, true,
         ServiceTier::standard},
        {"chat_stream_tools", OpenAiCall::chat, "get_weather{\"city\":\"Paris\"}thinkno.",
         usage_of({{Meter::input, 50}, {Meter::output, 20}}), chat, true, false, true,
         ServiceTier::standard},
        {"chat_stream_xai", OpenAiCall::chat, "ab",
         usage_of({{Meter::input, 25},
                   {Meter::cache_read, 5},
                   {Meter::output, 2},
                   {Meter::reasoning, 100}}),
         chat, true, false, true, ServiceTier::standard},
        {"chat_stream_error", OpenAiCall::chat, "par", Usage(), chat, false, true, false,
         ServiceTier::standard},
        {"completions_stream", OpenAiCall::completions, "one two\n",
         usage_of({{Meter::input, 4}, {Meter::output, 3}}), "gpt-3.5-turbo-instruct"},
        {"responses_stream", OpenAiCall::responses, text, responses_usage(), "gpt-5.6-sol", true,
         false, true, ServiceTier::priority},
        {"responses_stream_cut", OpenAiCall::responses, text, kTools, "gpt-5.6-sol", false, false,
         false},
        {"responses_stream_failed", OpenAiCall::responses, "", usage_of({{Meter::input, 10}}),
         "gpt-5.6-sol", true, true, true, ServiceTier::standard},
        {"responses_stream_error", OpenAiCall::responses, "", Usage(), "", true, true, false},
        {"speech_stream", OpenAiCall::other_json, "",
         usage_of({{Meter::input, 14}, {Meter::output_audio, 101}}), ""},
        {"transcript_stream", OpenAiCall::other_json, "I see skies",
         usage_of({{Meter::input, 4}, {Meter::input_audio, 10}, {Meter::output, 31}}), ""},
        {"image_stream", OpenAiCall::other_json, "",
         usage_of({{Meter::input, 10}, {Meter::input_image, 40}, {Meter::output_image, 50}}), ""},
    };
}

class StreamFixtures : public testing::TestWithParam<StreamCase> {};

TEST_P(StreamFixtures, AreReadRight) {
    const StreamCase& c = GetParam();
    const std::string stream = read_fixture(c.name + ".sse");
    const Seen seen = scan(c.call, false, {stream});
    EXPECT_EQ(seen.output, stream);
    EXPECT_EQ(seen.text, c.text);
    EXPECT_EQ(seen.bytes, static_cast<std::int64_t>(c.text.size()));
    EXPECT_EQ(seen.usage, c.usage) << seen;
    EXPECT_EQ(seen.has_usage, c.has_usage);
    EXPECT_FALSE(seen.is_mismatch);
    EXPECT_EQ(seen.model, c.model);
    EXPECT_EQ(seen.saw_end, c.saw_end);
    EXPECT_EQ(seen.saw_error, c.saw_error);
    EXPECT_EQ(seen.has_tier, c.tier.has_value());
    EXPECT_EQ(seen.tier, c.tier.value_or(ServiceTier::standard));
}

TEST_P(StreamFixtures, SplitAnywhereGiveTheSame) {
    const StreamCase& c = GetParam();
    const std::string stream = read_fixture(c.name + ".sse");
    const std::string_view view = stream;
    for (const bool strip : {false, true}) {
        const Seen whole = scan(c.call, strip, {view});
        EXPECT_EQ(scan(c.call, strip, bytewise(view)), whole);
        for (std::size_t i = 1; i < view.size(); ++i) {
            ASSERT_EQ(scan(c.call, strip, {view.substr(0, i), view.substr(i)}), whole)
                << "strip " << strip << " split at " << i;
        }
        std::mt19937 random(1);
        for (int round = 0; round < 300; ++round) {
            std::vector<std::string_view> feeds;
            for (std::size_t at = 0; at < view.size();) {
                const std::size_t size = 1 + random() % (1 + random() % 200);
                feeds.push_back(view.substr(at, size));
                at += size;
            }
            ASSERT_EQ(scan(c.call, strip, feeds), whole) << "strip " << strip << " round " << round;
        }
    }
}

/// What was cut off must not change what is passed on, nor what was read before the cut.
TEST_P(StreamFixtures, CutAnywherePassOnABeginning) {
    const StreamCase& c = GetParam();
    const std::string stream = read_fixture(c.name + ".sse");
    // Byte by byte costs the square of the size: of a long stream some cuts are enough.
    const std::size_t step = stream.size() > 1024 ? 13 : 1;
    for (std::size_t size = 0; size <= stream.size(); ++size) {
        const std::string_view cut = std::string_view(stream).substr(0, size);
        EXPECT_EQ(scan(c.call, false, {cut}).output, cut);
        if (size % step == 0)
            EXPECT_EQ(scan(c.call, true, {cut}), scan(c.call, true, bytewise(cut))) << size;
        const std::string text = scan(c.call, false, {cut}).text;
        EXPECT_EQ(text, c.text.substr(0, text.size())) << size;
    }
}

INSTANTIATE_TEST_SUITE_P(All, StreamFixtures, testing::ValuesIn(stream_cases()),
                         [](const auto& param) { return param.param.name; });

TEST(StreamStrip, GivesWhatAClientThatDidNotAskWouldGet) {
    for (const std::string name :
         {"chat_stream_usage", "chat_stream_crlf", "chat_stream_cr", "chat_stream_xai"}) {
        const std::string stream = read_fixture(name + ".sse");
        EXPECT_EQ(scan(OpenAiCall::chat, true, {stream}).output,
                  read_fixture(name + ".stripped.sse"))
            << name;
    }
}

TEST(StreamStrip, IsForChatAndCompletionsOnly) {
    for (const std::string name : {"responses_stream", "transcript_stream"}) {
        const std::string stream = read_fixture(name + ".sse");
        EXPECT_EQ(scan(OpenAiCall::responses, true, {stream}).output, stream);
        EXPECT_EQ(scan(OpenAiCall::other_json, true, {stream}).output, stream);
    }
}

TEST(StreamStrip, TricksWithUsage) {
    struct Case {
        std::string_view data, stripped;
    };
    const Case cases[] = {
        {R"({"a":1})", R"({"a":1})"},
        {R"({"usage":null})", R"({})"},
        {R"( { "usage" : null } )", R"( {  } )"},
        {R"({"a":1 , "usage":null , "choices":[1]})", R"({"a":1 ,  "choices":[1]})"},
        {R"({"us\u0061ge":null,"a":1})", R"({"a":1})"},
        {R"({"usage":null,"usage":null,"a":1})", R"({"a":1})"},
        {R"({"a":1,"usage":{"prompt_tokens":1},"usage":null})", R"({"a":1})"},
        {R"({"choices":[{"text":"\"usage\":null"}]})",
         R"({"choices":[{"text":"\"usage\":null"}]})"},
        {R"({"x":{"usage":null},"y":[{"usage":null}]})",
         R"({"x":{"usage":null},"y":[{"usage":null}]})"},
        {R"({"usage":nul})", R"({"usage":nul})"},
        {R"({"usage":0,"a":1})", R"({"usage":0,"a":1})"},
        {R"({"usage":"null","a":1})", R"({"usage":"null","a":1})"},
        {R"({"usage":[null],"a":1})", R"({"usage":[null],"a":1})"},
        {R"([{"usage":null}])", R"([{"usage":null}])"},
        {R"("usage":null)", R"("usage":null)"},
        {R"({"usage" null})", R"({"usage" null})"},
        {R"({"usage":{"prompt_tokens":1})", R"({"usage":{"prompt_tokens":1})"},
        // Usage beside choices or an error: only the member goes.
        {R"({"choices":[{}],"usage":{"prompt_tokens":1}})", R"({"choices":[{}]})"},
        {R"({"choices":[],"error":{"message":"x"},"usage":{"prompt_tokens":1}})",
         R"({"choices":[],"error":{"message":"x"}})"},
        {R"({"choices":[],"prompt_filter_results":[{}],"usage":null})",
         R"({"choices":[],"prompt_filter_results":[{}]})"},
    };
    for (const Case& c : cases) {
        const std::string event = "data: " + std::string(c.data) + "\n\n";
        EXPECT_EQ(scan(OpenAiCall::chat, true, {event}).output,
                  "data: " + std::string(c.stripped) + "\n\n");
        EXPECT_EQ(scan(OpenAiCall::chat, true, bytewise(event)).output,
                  "data: " + std::string(c.stripped) + "\n\n");
        EXPECT_EQ(scan(OpenAiCall::chat, false, {event}).output, event);
    }
}

TEST(StreamStrip, TheUsageChunkGoesWithItsBlankLine) {
    const std::string usage =
        R"(data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}})";
    for (const std::string end : {"\n", "\r\n", "\r"}) {
        const std::string stream =
            "data: a" + end + end + ": c" + end + usage + end + end + "data: [DONE]" + end + end;
        const std::string stripped = "data: a" + end + end + "data: [DONE]" + end + end;
        EXPECT_EQ(scan(OpenAiCall::chat, true, {stream}).output, stripped);
        EXPECT_EQ(scan(OpenAiCall::chat, true, bytewise(stream)).output, stripped);
    }
    // Cut right behind it: it is still the usage chunk.
    EXPECT_EQ(scan(OpenAiCall::chat, true, {usage}).output, "");
    EXPECT_TRUE(scan(OpenAiCall::chat, true, {usage}).has_usage);
}

TEST(StreamScanner, TheLastUsageWins) {
    const std::string stream =
        "data: "
        "{\"choices\":[{}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1,\"total_tokens\":"
        "6}}\n\n"
        "data: {\"choices\":[{}],\"usage\":null}\n\n"
        "data: "
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":9,\"total_tokens\":"
        "14}}\n\n"
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":{}}}\n\n"
        "data: {\"choices\":[],\"usage\":{}}\n\n";
    const Seen seen = scan(OpenAiCall::chat, false, {stream});
    EXPECT_EQ(seen.usage, usage_of({{Meter::input, 5}, {Meter::output, 9}}));
}

TEST(StreamScanner, PassesWholeEventsAsViewsIntoTheFeed) {
    StreamScanner scanner(OpenAiCall::chat, true);
    const std::string bytes = "data: {\"a\":1}\n\ndata: {\"b\":2}\n\n: c\n\n";
    StreamPieces pieces;
    ASSERT_TRUE(scanner.feed(bytes, &pieces).ok());
    ASSERT_EQ(pieces.size(), 1U);
    EXPECT_EQ(pieces[0].data(), bytes.data());
    EXPECT_EQ(pieces[0].size(), bytes.size());
}

TEST(StreamScanner, HoldsNothingWhenNothingIsStripped) {
    StreamScanner scanner(OpenAiCall::chat, false);
    StreamPieces pieces;
    const std::string bytes = "data: {\"usa";
    ASSERT_TRUE(scanner.feed(bytes, &pieces).ok());
    ASSERT_EQ(pieces.size(), 1U);
    EXPECT_EQ(pieces[0].data(), bytes.data());
}

TEST(StreamScanner, ErrorsAreSeenInEveryForm) {
    struct Case {
        OpenAiCall call;
        std::string_view stream;
        bool is_error;
    };
    const Case cases[] = {
        {OpenAiCall::chat, "data: {\"error\":{\"message\":\"x\"}}\n\n", true},
        {OpenAiCall::chat, "data: {\"error\":\"x\"}\n\n", true},
        {OpenAiCall::chat, "data: {\"error\":null,\"choices\":[]}\n\n", false},
        {OpenAiCall::chat, "data: {\"choices\":[{\"error\":{}}]}\n\n", false},
        {OpenAiCall::chat, "event: error\ndata: {}\n\n", true},
        {OpenAiCall::chat, "event:error\r\rdata: {}\r\r", true},
        {OpenAiCall::chat, "event: errors\ndata: {}\n\n", false},
        {OpenAiCall::responses, "data: {\"type\":\"error\",\"message\":\"x\"}\n\n", true},
        {OpenAiCall::responses, "data: {\"type\":\"response.failed\"}\n\n", true},
        {OpenAiCall::responses, "data: {\"type\":\"response.incomplete\"}\n\n", false},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(scan(c.call, false, {c.stream}).saw_error, c.is_error) << c.stream;
        EXPECT_EQ(scan(c.call, false, bytewise(c.stream)).saw_error, c.is_error) << c.stream;
    }
}

TEST(StreamScanner, DoneIsOnlyTheExactMark) {
    for (const std::string_view done :
         {"data: [DONE]\n\n", "data:[DONE]\r\n\r\n", "data: [DONE]"}) {
        EXPECT_TRUE(scan(OpenAiCall::chat, true, {done}).saw_end) << done;
        EXPECT_TRUE(scan(OpenAiCall::chat, true, bytewise(done)).saw_end) << done;
    }
    for (const std::string_view other :
         {"data:  [DONE]\n\n", "data: [DONE]x\n\n", "id: [DONE]\n\n", "data: [DO\ndata: NE]\n\n"}) {
        EXPECT_FALSE(scan(OpenAiCall::chat, true, {other}).saw_end) << other;
    }
}

TEST(StreamScanner, AHugeEventIsRefused) {
    for (const bool strip : {false, true}) {
        StreamScanner scanner(OpenAiCall::chat, strip);
        const std::string part(1U << 20, 'x');
        StreamPieces pieces;
        ASSERT_TRUE(scanner.feed("data: {\"a\":\"", &pieces).ok());
        Status status;
        for (int i = 0; i < 16 && status.ok(); ++i) status = scanner.feed(part, &pieces);
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().code, ErrorCode::upstream_broken);
        EXPECT_EQ(scanner.feed("\n\n", &pieces).error().code, ErrorCode::upstream_broken);
    }
}

TEST(StreamScanner, ALongEventOfManyPiecesIsReadInLinearTime) {
    StreamScanner scanner(OpenAiCall::chat, true);
    const std::string part = "data: {\"choices\":[{\"delta\":{\"content\":\"" +
                             std::string(1U << 20, 'y') + "\"}}],\"usage\":null}\n\n";
    std::string output;
    for (const char byte : part) {
        StreamPieces pieces;
        ASSERT_TRUE(scanner.feed({&byte, 1}, &pieces).ok());
        for (const std::string_view piece : pieces) output.append(piece);
    }
    EXPECT_EQ(output.size(), part.size() - std::string_view(",\"usage\":null").size());
}

TEST(StreamScanner, KeptTextIsBoundedAndTheRestEstimated) {
    StreamScanner scanner(OpenAiCall::chat, false);
    StreamPieces pieces;
    const std::string event =
        "data: {\"choices\":[{\"delta\":{\"content\":\"ab\\n\\u4e2d\"}}]}\n\n";  // 6 of 10 bytes
    const int count = 100'000;
    for (int i = 0; i < count; ++i) {
        pieces.clear();
        ASSERT_TRUE(scanner.feed(event, &pieces).ok());
    }
    EXPECT_LE(scanner.delivered_text().size(), StreamScanner::kMaxKeptText);
    EXPECT_NEAR(static_cast<double>(scanner.delivered_bytes()), 6.0 * count, 10.0);
}

TEST(StreamScanner, TextIsDecodedAnewAsItGrows) {
    StreamScanner scanner(OpenAiCall::chat, false);
    StreamPieces pieces;
    ASSERT_TRUE(
        scanner.feed("data: {\"choices\":[{\"delta\":{\"content\":\"a\\n\"}}]}\n\n", &pieces).ok());
    EXPECT_EQ(scanner.delivered_text(), "a\n");
    ASSERT_TRUE(
        scanner.feed("data: {\"choices\":[{\"delta\":{\"content\":\"\\ud83d\"}}]}\n\n", &pieces)
            .ok());
    ASSERT_TRUE(
        scanner.feed("data: {\"choices\":[{\"delta\":{\"content\":\"\\ude00\"}}]}\n\n", &pieces)
            .ok());
    EXPECT_EQ(scanner.delivered_text(), "a\n\xf0\x9f\x98\x80");
    // A delta that is cut off inside its string was not delivered.
    ASSERT_TRUE(scanner.feed("data: {\"choices\":[{\"delta\":{\"content\":\"cut\\", &pieces).ok());
    scanner.finish(&pieces);
    EXPECT_EQ(scanner.delivered_text(), "a\n\xf0\x9f\x98\x80");
}

TEST(StreamScanner, ModelIsBounded) {
    const std::string stream =
        "data: {\"model\":\"" + std::string(127, 'm') + "\xe4\xb8\xad\"}\n\n";
    EXPECT_EQ(scan(OpenAiCall::chat, false, {stream}).model, std::string(127, 'm'));
    EXPECT_EQ(scan(OpenAiCall::chat, false, bytewise(stream)).model, std::string(127, 'm'));
}

/// Random bytes in the alphabet that matters: whatever the stream, pieces do not change the
/// outcome, and without stripping not a byte is changed.
TEST(StreamProperty, RandomStreamsDoNotDependOnTheirPieces) {
    constexpr std::string_view kParts[] = {"data: ",
                                           "data:",
                                           "data",
                                           "\n",
                                           "\r",
                                           "\r\n",
                                           "\n\n",
                                           "{",
                                           "}",
                                           "[",
                                           "]",
                                           ":",
                                           ",",
                                           "\"",
                                           "\\",
                                           "\"usage\"",
                                           "null",
                                           "{}",
                                           "\"a\":1",
                                           "\"choices\":[{\"delta\":{\"content\":\"x\"}}]",
                                           "\"usage\":null",
                                           "\"usage\":{\"prompt_tokens\":3}",
                                           "\"error\":",
                                           "event: error",
                                           "\xef\xbb\xbf",
                                           " ",
                                           "[DONE]",
                                           "\"choices\":[]",
                                           "\"model\":\"m\"",
                                           ": c",
                                           "\"us\\u0061ge\":null"};
    std::mt19937 random(7);
    for (int round = 0; round < 20'000; ++round) {
        std::string stream = random() % 2 == 0 ? "data: {" : "";
        for (std::size_t n = random() % 24; n > 0; --n)
            stream += kParts[random() % std::size(kParts)];
        const std::string_view view = stream;
        for (const bool strip : {false, true}) {
            const Seen whole = scan(OpenAiCall::chat, strip, {view});
            ASSERT_EQ(scan(OpenAiCall::chat, strip, bytewise(view)), whole)
                << "strip " << strip << " stream: " << stream;
            const std::size_t at = random() % (view.size() + 1);
            ASSERT_EQ(scan(OpenAiCall::chat, strip, {view.substr(0, at), view.substr(at)}), whole)
                << stream;
            if (!strip) ASSERT_EQ(whole.output, view);
        }
    }
}

/// Events that are nearly alike are compared with the one before instead of read: that must not
/// show.
TEST(StreamProperty, NearlyEqualEventsAreReadAsIfEachWereAlone) {
    struct Form {
        OpenAiCall call;
        std::vector<std::string_view> parts;  // literals; between them one of kFillings
    };
    const Form forms[] = {
        {OpenAiCall::chat,
         {"data: {\"model\":\"m1\",\"choices\":[{\"delta\":{\"content\":\"",
          "\"}}],\"usage\":null,\"obfuscation\":\"", "\"}\n\n"}},
        {OpenAiCall::chat,
         {"data: {\"model\":\"m2\",\"usage\":null,\"choices\":[{\"delta\":{\"reasoning\":\"",
          "\"}}]}\n\n"}},
        {OpenAiCall::chat,
         {"data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"", "\",\"refusal\":\"",
          "\"}}]}\r\n\r\n"}},
        {OpenAiCall::chat, {"data: {\"choices\":[{\"delta\":{\"content\":\"", "\"}}]}\r\r"}},
        {OpenAiCall::completions, {"data:{\"choices\":[{\"text\":\"", "\"}],\"usage\":null}\n\n"}},
        {OpenAiCall::responses,
         {"event: x\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1",
          ",\"delta\":\"", "\"}\n\n"}},
        {OpenAiCall::responses, {"data: {\"sequence_number\":4,\"delta\":\"", "\"}\n\n"}},
        {OpenAiCall::responses,
         {"data: {\"type\":\"response.audio.delta\",\"delta\":\"", "\"}\n\n"}},
        {OpenAiCall::other_json,
         {"data: {\"type\":\"transcript.text.delta\",\"delta\":\"", "\"}\n\n"}},
    };
    constexpr std::string_view kFillings[] = {
        "",
        "a",
        "77",
        "\\n",
        "\\\"",
        "\\\\",
        "\\u4e2d",
        "\xe4\xb8\xad",
        "\\",
        "\n",
        "\r",
        "\\\n",
        "\"",
        "\",\"x\":\"",
        "\",\"error\":{},\"y\":\"",
        "0",
        "1e5",
        "a text that is longer than sixteen bytes, with \\\" in it"};
    std::mt19937 random(3);
    for (int round = 0; round < 4'000; ++round) {
        const OpenAiCall call = forms[random() % std::size(forms)].call;
        std::string stream;
        std::size_t form = random() % std::size(forms);
        for (int event = 0; event < 12; ++event) {
            if (random() % 4 == 0) form = random() % std::size(forms);
            if (random() % 10 == 0) stream += random() % 2 == 0 ? ": ping\n\n" : "event: error\n";
            for (std::size_t i = 0; i < forms[form].parts.size(); ++i) {
                stream += forms[form].parts[i];
                const bool is_wild = random() % 3 == 0;
                if (i + 1 < forms[form].parts.size())
                    stream += kFillings[random() % (is_wild ? std::size(kFillings) : 8)];
            }
        }
        const std::string_view view = stream;
        for (const bool strip : {false, true}) {
            const Seen whole = scan(call, strip, {view});
            ASSERT_EQ(scan(call, strip, bytewise(view)), whole) << "strip " << strip << " stream:\n"
                                                                << stream;
            std::vector<std::string_view> feeds;
            for (std::size_t at = 0; at < view.size();) {
                feeds.push_back(view.substr(at, 1 + random() % 300));
                at += feeds.back().size();
            }
            ASSERT_EQ(scan(call, strip, feeds), whole) << "strip " << strip << " stream:\n"
                                                       << stream;
        }
    }
}

TEST(StreamScanner, TextIsNoLongerKeptWhenNobodyWillAsk) {
    StreamScanner scanner(OpenAiCall::chat, false);
    StreamPieces pieces;
    const std::string_view event = "data: {\"choices\":[{\"delta\":{\"content\":\"ab\"}}]}\n\n";
    ASSERT_TRUE(scanner.feed(event, &pieces).ok());
    scanner.stop_collecting_text();
    ASSERT_TRUE(scanner.feed(event, &pieces).ok());
    EXPECT_EQ(scanner.delivered_text(), "ab");
}

}  // namespace
}  // namespace tg
