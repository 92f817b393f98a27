#include "tokens/chat_count.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tokens/internal/media_tokens.h"
#include "tokens/tokenizer.h"

namespace tg {
namespace {

std::int64_t prompt(std::string_view body, std::string_view model = "gpt-4o",
                    PromptKind kind = PromptKind::any) {
    const Result<std::int64_t> counted = count_prompt_tokens(body, model, kind);
    EXPECT_TRUE(counted.ok()) << (counted.ok() ? "" : counted.error().text()) << body;
    return counted.ok() ? *counted : -1;
}

std::int64_t o200k(std::string_view text) {
    return tokenizer(Encoding::o200k_base).count(text);
}

// The two requests of the cookbook's notebook and the prompt tokens that the API itself reported
// for them there.
constexpr std::string_view kCookbookMessages = R"({"messages": [
    {"role": "system", "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
    {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
    {"role": "system", "name": "example_assistant", "content": "Things working well together will increase revenue."},
    {"role": "system", "name": "example_user", "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
    {"role": "system", "name": "example_assistant", "content": "Let's talk later when we're less busy about how to do better."},
    {"role": "user", "content": "This late pivot means we don't have time to boil the ocean for the client deliverable."}]})";

constexpr std::string_view kCookbookTools = R"({"messages": [
    {"role": "system", "content": "You are a helpful assistant that can answer to questions about the weather."},
    {"role": "user", "content": "What's the weather like in San Francisco?"}],
  "tools": [{"type": "function", "function": {"name": "get_current_weather", "description": "Get the current weather in a given location",
    "parameters": {"type": "object", "properties": {
      "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
      "unit": {"type": "string", "description": "The unit of temperature to return", "enum": ["celsius", "fahrenheit"]}},
      "required": ["location"]}}}]})";

TEST(ChatCount, equals_what_the_api_reported_in_the_cookbook) {
    EXPECT_EQ(prompt(kCookbookMessages, "gpt-3.5-turbo"), 129);
    EXPECT_EQ(prompt(kCookbookMessages, "gpt-4"), 129);
    EXPECT_EQ(prompt(kCookbookMessages, "gpt-4o"), 124);
    EXPECT_EQ(prompt(kCookbookMessages, "gpt-4o-mini"), 124);
    EXPECT_EQ(prompt(kCookbookTools, "gpt-3.5-turbo"), 105);
    EXPECT_EQ(prompt(kCookbookTools, "gpt-4"), 105);
    EXPECT_EQ(prompt(kCookbookTools, "gpt-4o"), 101);
    EXPECT_EQ(prompt(kCookbookTools, "gpt-4o-mini"), 101);
}

TEST(ChatCount, counts_the_parts_of_a_message) {
    const std::int64_t empty = prompt(R"({"messages":[]})");
    EXPECT_EQ(empty, 3);
    const std::int64_t plain = prompt(R"({"messages":[{"role":"user","content":"hello world"}]})");
    EXPECT_EQ(plain, 3 + 3 + 1 + 2);
    EXPECT_EQ(
        prompt(
            R"({"messages":[{"role":"user","content":[{"type":"text","text":"hello"},{"type":"text","text":" world"}]}]})"),
        plain);
    EXPECT_EQ(prompt(R"({"messages":[{"role":"user","name":"user","content":"hello world"}]})"),
              plain + 1 + 1);
    EXPECT_EQ(
        prompt(R"({"messages":[{"role":"assistant","content":null,"refusal":"hello world"}]})"),
        plain);
    EXPECT_EQ(prompt(R"({"messages":[{"role":"assistant","content":null,"tool_calls":[
        {"id":"call_1","type":"function","function":{"name":"hello","arguments":" world"}}]}]})"),
              plain + 3);
    EXPECT_EQ(
        prompt(
            R"({"messages":[{"role":"assistant","function_call":{"name":"hello","arguments":" world"}}]})"),
        plain + 3);
    EXPECT_EQ(
        prompt(
            R"({"messages":[{"role":"user","content":"hello world","extra":7,"more":{"content":"x"}}]})"),
        plain);
    EXPECT_EQ(prompt(R"({"messages":[{"role":"user","content":7},"text",null]})"), empty + 3 + 1);
    EXPECT_EQ(prompt(R"({"messages":"hello"})"), 3);
}

TEST(ChatCount, counts_tools_beyond_the_documented_ones) {
    const std::int64_t none = prompt(R"({"messages":[]})");
    EXPECT_EQ(prompt(R"({"messages":[],"tools":[]})"), none);
    const std::int64_t bare = none + 12 + 7 + o200k("now:");
    EXPECT_EQ(prompt(R"({"messages":[],"tools":[{"type":"function","function":{"name":"now"}}]})"),
              bare);
    EXPECT_EQ(
        prompt(R"({"messages":[],"functions":[{"name":"now","parameters":{"properties":{}}}]})"),
        bare);
    EXPECT_EQ(prompt(R"({"messages":[],"tools":[{"type":"custom","custom":{"name":"now"}}]})"),
              bare);
    EXPECT_EQ(prompt(R"({"messages":[],"functions":[{"name":"now","description":"Time."}]})"),
              none + 12 + 7 + o200k("now:Time"));
    const std::int64_t nested =
        prompt(R"({"messages":[],"functions":[{"name":"now","parameters":{"properties":{
        "at":{"type":"object","properties":{"zone":{"type":["string","null"],"enum":["utc",null]}}},
        "n":{"type":"array","items":{"enum":[1]}}}}}]})");
    EXPECT_EQ(nested, bare + 3 + 3 + o200k("at:object:") + 3 + 3 + o200k("zone:string|null:") + -3 +
                          3 + o200k("utc") + 3 + o200k("null") + 3 + o200k("n:array:") + -3 + 3 +
                          o200k("1"));
    EXPECT_EQ(
        prompt(
            R"({"messages":[],"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type": "object"}}}})"),
        none + 1 + o200k(R"({"type":"object"})"));
}

TEST(ChatCount, counts_completions_and_embeddings) {
    for (const char* key : {"prompt", "input"}) {
        const std::string model =
            key == std::string("input") ? "text-embedding-3-small" : "davinci-002";
        const std::string open = std::string("{\"") + key + "\":";
        EXPECT_EQ(prompt(open + R"("hello world"})", model), 2);
        EXPECT_EQ(prompt(open + R"(["hello world","hello"]})", model), 3);
        EXPECT_EQ(prompt(open + "[15339,1917,0]}", model), 3);
        EXPECT_EQ(prompt(open + "[[15339,1917],[0]]}", model), 3);
        EXPECT_EQ(prompt(open + "[]}", model), 0);
    }
    EXPECT_EQ(prompt(R"({"prompt":"hello","suffix":" world"})", "davinci-002"), 2);
}

TEST(ChatCount, counts_responses) {
    const std::int64_t text = prompt(R"({"input":"hello world"})");
    EXPECT_EQ(text, 3 + 3 + 1 + 2);
    EXPECT_EQ(prompt(R"({"input":[{"role":"user","content":"hello world"}]})"), text);
    EXPECT_EQ(
        prompt(
            R"({"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hello world"}]}]})"),
        text);
    EXPECT_EQ(prompt(R"({"input":"hello world","instructions":"hello"})"), text + 3 + 1 + 1);
    EXPECT_EQ(prompt(R"({"instructions":"hello"})"), 3 + 3 + 1 + 1);
    EXPECT_EQ(
        prompt(
            R"({"input":[{"type":"function_call","call_id":"c1","name":"hello","arguments":" world"},
        {"type":"function_call_output","call_id":"c1","output":"hello"}]})"),
        3 + 3 + 2 + 3 + 1);
    EXPECT_EQ(
        prompt(
            R"({"input":[{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"hello"}]}]})"),
        3 + 3 + 1);
    EXPECT_EQ(
        prompt(
            R"({"input":[{"type":"function_call_output","output":[{"type":"input_text","text":"hello"}]}]})"),
        3 + 3 + 1);
    EXPECT_EQ(prompt(R"({"input":"hello world","tools":[{"type":"function","name":"now"}]})"),
              text + 12 + 7 + o200k("now:"));
    EXPECT_EQ(prompt(R"({"input":"hello world","tools":[{"type":"web_search"}]})"),
              text + 12 + 7 + o200k(R"({"type":"web_search"})"));
    EXPECT_EQ(
        prompt(
            R"({"input":"hello world","text":{"format":{"type":"json_schema","name":"a","schema":{}}}})"),
        text + 1 + o200k("{}"));
    EXPECT_EQ(prompt(R"({"input":"hello world","text":{"format":{"type":"text"}}})"), text);
    EXPECT_EQ(prompt(R"({"prompt":{"id":"p","variables":{"who":"hello"}}})"), 3 + 1);
}

// given a plain string input, which two endpoints take, then the members, the model or the caller
// decide
TEST(ChatCount, tells_embeddings_from_responses) {
    constexpr std::string_view kBody = R"({"input":"hello world"})";
    EXPECT_EQ(prompt(kBody, "text-embedding-3-large"), 2);
    EXPECT_EQ(prompt(kBody, "acme-embed"), 2);
    EXPECT_EQ(prompt(R"({"input":"hello world","encoding_format":"base64"})", "bge-m3"), 2);
    EXPECT_EQ(prompt(R"({"input":"hello world","dimensions":256})", "bge-m3"), 2);
    EXPECT_EQ(prompt(kBody, "gpt-4o", PromptKind::embeddings), 2);
    EXPECT_EQ(prompt(kBody, "acme-embed", PromptKind::responses), 9);
    EXPECT_EQ(prompt(kBody, "gpt-4o", PromptKind::completions), 0);
    EXPECT_EQ(prompt(R"({"file":"x"})"), 0);
    EXPECT_EQ(prompt("{}"), 0);
}

TEST(ChatCount, refuses_what_is_no_json_object) {
    for (const std::string_view body :
         {"", " ", "[]", "7", "\"text\"", "{\"messages\":", "{} {}", "{\"a\":\"\\x\"}", "nul"}) {
        const Result<std::int64_t> counted = count_prompt_tokens(body, "gpt-4o");
        ASSERT_FALSE(counted.ok()) << body;
        EXPECT_EQ(counted.error().code, ErrorCode::invalid_request);
        EXPECT_NE(counted.error().detail.find("JSON object"), std::string::npos);
    }
}

// given a body cut inside an emoji, or with bytes that are no UTF-8, then it counts as with
// replacement characters
TEST(ChatCount, reads_broken_characters_as_replacements) {
    const auto body = [](std::string_view content) {
        return std::string(R"({"messages":[{"role":"user","content":")") + std::string(content) +
               "\"}]}";
    };
    const std::int64_t replaced = prompt(body("a\\ufffdz"));
    EXPECT_EQ(prompt(body("a\\ud83dz")), replaced);
    EXPECT_EQ(prompt(body("a\\uDE00z")), replaced);
    EXPECT_EQ(prompt(body("a\xffz")), replaced);
    EXPECT_EQ(prompt(body("\\ud83d\\ude00\\\\ud83d\\ud83d")),
              prompt(body("\xf0\x9f\x98\x80\\\\ud83d\\ufffd")));
}

std::string base64(std::string_view bytes) {
    static constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            bits =
                bits << 8 | (at + i < bytes.size() ? static_cast<std::uint8_t>(bytes[at + i]) : 0U);
        }
        for (int shift = 18; shift >= 0; shift -= 6) out.push_back(kDigits[bits >> shift & 63]);
    }
    return out;
}

TEST(MediaTokens, follow_the_documented_formula) {
    using bpe::image_tokens;
    using bpe::PixelSize;
    const auto of = [](std::string_view model, std::uint32_t width, std::uint32_t height,
                       std::string_view detail = "high") {
        return image_tokens(model, PixelSize{width, height}, detail);
    };
    // The examples of the provider's page.
    EXPECT_EQ(of("gpt-4o", 1024, 1024), 765);
    EXPECT_EQ(of("gpt-4o", 2048, 4096), 1105);
    EXPECT_EQ(of("gpt-4o", 4096, 8192, "low"), 85);
    EXPECT_EQ(of("gpt-4.1-mini", 1024, 1024), (1024 * 162 + 99) / 100);
    EXPECT_EQ(of("gpt-4.1-mini", 1800, 2400), (1452 * 162 + 99) / 100);
    // Other models and borders.
    EXPECT_EQ(of("gpt-4o", 512, 512, "auto"), 85 + 170);
    EXPECT_EQ(of("gpt-4o", 513, 512), 85 + 2 * 170);
    EXPECT_EQ(of("gpt-4o", 1, 65535), 85 + 4 * 170);
    EXPECT_EQ(of("gpt-4o-mini", 1024, 1024), 2833 + 4 * 5667);
    EXPECT_EQ(of("gpt-4o-mini", 9, 9, "low"), 2833);
    EXPECT_EQ(of("o3", 1024, 1024), 75 + 4 * 150);
    EXPECT_EQ(of("gpt-5.1", 1024, 1024), 70 + 4 * 140);
    EXPECT_EQ(of("gpt-5-nano", 32, 32), 3);
    EXPECT_EQ(image_tokens("gpt-4o", std::nullopt, "auto"), 85 + 8 * 170);
    EXPECT_EQ(image_tokens("gpt-4.1-nano", std::nullopt, "low"), (1536 * 246 + 99) / 100);
}

TEST(MediaTokens, read_the_size_from_the_image) {
    using namespace std::string_literals;
    const auto size = [](const std::string& bytes) {
        const auto found = bpe::data_url_pixel_size("data:image/x;base64," + base64(bytes));
        return found ? std::to_string(found->width) + "x" + std::to_string(found->height)
                     : "unknown";
    };
    const std::string png = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x07\x80\0\0\x04\x38\x08\x02"s;
    EXPECT_EQ(size(png), "1920x1080");
    EXPECT_EQ(size("GIF89a\x40\x01\xf0\x00\xf7"s), "320x240");
    EXPECT_EQ(
        size(
            "\xff\xd8\xff\xe0\0\x04yz\xff\xff\xc4\0\x02\xff\xc2\0\x11\x08\x02\x58\x03\x20\x03\x01"s),
        "800x600");
    EXPECT_EQ(size("RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x7f\x02\0\xdf\x01\0"s), "640x480");
    EXPECT_EQ(size("RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x7f\xc2\x77\0"s), "640x480");
    EXPECT_EQ(size("RIFF\0\0\0\0WEBPVP8 \0\0\0\0\x10\0\0\x9d\x01\x2a\x80\x02\xe0\x01"s), "640x480");
    for (std::size_t cut = 0; cut < 16; ++cut) EXPECT_EQ(size(png.substr(0, cut)), "unknown");
    EXPECT_EQ(size("\xff\xd8\xff\xe0\xff\xff"s), "unknown");
    EXPECT_EQ(size("plain text"), "unknown");
    for (const std::string_view url : {"https://example.com/a.png", "data:",
                                       "data:image/png;base64", "data:image/png,abc", ""}) {
        EXPECT_FALSE(bpe::data_url_pixel_size(url)) << url;
    }
}

TEST(MediaTokens, count_in_a_message) {
    const std::string body =
        R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y","detail":")";
    const std::int64_t around = 3 + 3 + 1;
    EXPECT_EQ(prompt(body + R"(low"}}]}]})"), around + 85);
    EXPECT_EQ(prompt(body + R"(high"}}]}]})"), around + 1445);
    EXPECT_EQ(
        prompt(
            R"({"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://x/y","detail":"low"}]}]})"),
        around + 85);
    const std::string second(8000, '\0');
    EXPECT_EQ(
        prompt(
            R"({"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"mp3","data":")" +
            base64(second) + R"("}}]}]})"),
        around + 11);
    std::string wav("RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\xc0\x5d\0\0\x80\xbb\0\0\2\0\x10\0data",
                    40);
    wav.resize(48'000 * 2);
    EXPECT_EQ(bpe::audio_tokens(base64(wav)), 20);
    EXPECT_EQ(
        prompt(
            R"({"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a","file_data":")" +
            base64(std::string(4800, 'x')) + R"("}}]}]})"),
        around + 1 + 300);
    EXPECT_EQ(
        prompt(
            R"({"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]})"),
        around);
}

}  // namespace
}  // namespace tg
