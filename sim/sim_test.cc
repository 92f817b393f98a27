#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <simdjson.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>

#include "sim/multipart.h"
#include "sim/test_client.h"

namespace tg::sim {
namespace {

namespace dom = simdjson::dom;

/// Set by the test, read by the server's threads.
class TestClock final : public Clock {
  public:
    UtcMicros now() const override { return {micros_.load()}; }
    std::int64_t monotonic_ns() const override { return micros_.load() * 1000; }
    void advance_ms(std::int64_t ms) { micros_ += ms * 1000; }

  private:
    std::atomic<std::int64_t> micros_{1'795'000'000'000'000};
};

/// A JSON text with the parser that keeps it.
class Json {
  public:
    explicit Json(const std::string& text) {
        if (parser_.parse(text).get(root_)) ADD_FAILURE() << "not JSON: " << text;
    }
    /// By JSON pointer; -999 when it is not there.
    std::int64_t number(std::string_view pointer) const {
        std::int64_t n = -999;
        if (root_.at_pointer(pointer).get(n)) return -999;
        return n;
    }
    std::string text(std::string_view pointer) const {
        std::string_view out;
        if (root_.at_pointer(pointer).get(out)) return "(none)";
        return std::string(out);
    }
    bool has(std::string_view pointer) const { return !root_.at_pointer(pointer).error(); }
    bool is_null(std::string_view pointer) const {
        dom::element e;
        return !root_.at_pointer(pointer).get(e) && e.is_null();
    }
    std::size_t size(std::string_view pointer) const {
        dom::array a;
        return root_.at_pointer(pointer).get(a) ? 0 : a.size();
    }

  private:
    dom::parser parser_;
    dom::element root_;
};

bool is_json(const std::string& text) {
    dom::parser parser;
    return !parser.parse(text).error();
}

class SimTest : public testing::Test {
  protected:
    SimTest() {
        std::string pattern = testing::TempDir() + "sim_XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        options_.served_log = directory_ + "/served.ndjson";
    }
    ~SimTest() override {
        if (server_) server_->stop();
        std::filesystem::remove_all(directory_);
    }
    TestClient& start() {
        server_ = std::make_unique<SimServer>(options_, &clock_);
        const Status status = server_->start();
        EXPECT_TRUE(status.ok()) << status.error().text();
        client_ = std::make_unique<TestClient>(server_->port());
        return *client_;
    }
    void set(Knob knob, std::int64_t value) { server_->state().knobs.set(knob, value); }
    /// The lines of the served log, once no call is open.
    std::vector<std::string> served() {
        const Reply reply = TestClient(server_->port()).get("/sim/served?idle_ms=10000");
        std::vector<std::string> lines;
        std::string_view rest = reply.body;
        while (!rest.empty()) {
            const std::size_t end = rest.find('\n');
            lines.emplace_back(rest.substr(0, end));
            rest.remove_prefix(end + 1);
        }
        return lines;
    }

    SimOptions options_;
    TestClock clock_;
    std::string directory_;
    std::unique_ptr<SimServer> server_;
    std::unique_ptr<TestClient> client_;
};

constexpr const char* kChat = "/v1/chat/completions";

std::string chat(const std::string& text, const std::string& more = "") {
    return R"({"model":"gpt-4o","messages":[{"role":"user","content":")" + text + "\"}]" + more +
           "}";
}
const std::string kStream = R"(,"stream":true)";
const std::string kStreamUsage = R"(,"stream":true,"stream_options":{"include_usage":true})";

std::string joined_content(const Reply& reply, int choice = 0) {
    std::string out;
    for (const std::string& event : reply.events()) {
        if (event == "[DONE]") continue;
        const Json json(event);
        if (json.number("/choices/0/index") != choice) continue;
        if (json.has("/choices/0/delta/content") && !json.is_null("/choices/0/delta/content"))
            out += json.text("/choices/0/delta/content");
    }
    return out;
}

TEST_F(SimTest, TextAndUsageFollowFromSeedAndRequestNotFromOrder) {
    TestClient& client = start();
    const Reply a = client.post(kChat, chat("one"));
    const Reply b = client.post(kChat, chat("two"));
    const Reply again = client.post(kChat, chat("one"));
    const Json first(a.body), other(b.body), repeated(again.body);
    const char* content = "/choices/0/message/content";
    EXPECT_EQ(first.text(content), repeated.text(content));
    EXPECT_EQ(first.number("/usage/completion_tokens"),
              repeated.number("/usage/completion_tokens"));
    EXPECT_NE(first.text(content), other.text(content));
    EXPECT_NE(first.text("/id"), repeated.text("/id"));

    SimOptions same = options_, different = options_;
    same.served_log.clear();
    different.served_log.clear();
    different.seed = 2;
    SimServer twin(same, &clock_), stranger(different, &clock_);
    ASSERT_TRUE(twin.start().ok() && stranger.start().ok());
    // Another order than above.
    TestClient(twin.port()).post(kChat, chat("two"));
    const Json of_twin(TestClient(twin.port()).post(kChat, chat("one")).body);
    const Json of_stranger(TestClient(stranger.port()).post(kChat, chat("one")).body);
    EXPECT_EQ(first.text(content), of_twin.text(content));
    EXPECT_NE(first.text(content), of_stranger.text(content));
}

TEST_F(SimTest, StreamedOrNotTheAnswerIsTheSame) {
    TestClient& client = start();
    const Json unary(client.post(kChat, chat("same")).body);
    const Reply stream = client.post(kChat, chat("same", kStreamUsage));
    ASSERT_TRUE(stream.is_whole) << stream.failure;
    EXPECT_EQ(stream.headers.at("content-type"), "text/event-stream; charset=utf-8");
    EXPECT_EQ(joined_content(stream), unary.text("/choices/0/message/content"));
    const std::vector<std::string> events = stream.events();
    ASSERT_GE(events.size(), 4U);
    EXPECT_EQ(events.back(), "[DONE]");
    const Json usage(events[events.size() - 2]);
    for (const char* field : {"/usage/prompt_tokens", "/usage/completion_tokens",
                              "/usage/prompt_tokens_details/cached_tokens"})
        EXPECT_EQ(usage.number(field), unary.number(field)) << field;
}

TEST_F(SimTest, IncludeUsageAddsOneChunkAndNullsElsewhere) {
    TestClient& client = start();
    const std::vector<std::string> events =
        client.post(kChat, chat("x", kStreamUsage), "output_tokens=7").events();
    ASSERT_EQ(events.size(), 1U + 7 + 1 + 1 + 1);  // role, tokens, finish, usage, [DONE]
    for (std::size_t i = 0; i < events.size() - 2; ++i)
        EXPECT_TRUE(Json(events[i]).is_null("/usage")) << events[i];
    const Json last(events[events.size() - 2]);
    EXPECT_EQ(last.size("/choices"), 0U);
    EXPECT_TRUE(last.has("/choices"));
    EXPECT_EQ(last.number("/usage/completion_tokens"), 7);
    EXPECT_EQ(last.number("/usage/total_tokens"), 7 + last.number("/usage/prompt_tokens"));

    const Reply without = client.post(kChat, chat("x", kStream), "output_tokens=7");
    ASSERT_EQ(without.events().size(), 1U + 7 + 1 + 1);
    for (const std::string& event : without.events()) {
        if (event != "[DONE]") EXPECT_FALSE(Json(event).has("/usage")) << event;
    }
}

TEST_F(SimTest, ObfuscationPadsUnlessDeclined) {
    TestClient& client = start();
    EXPECT_TRUE(Json(client.post(kChat, chat("x", kStream)).events()[1]).has("/obfuscation"));
    const std::string declined = R"(,"stream":true,"stream_options":{"include_obfuscation":false})";
    EXPECT_FALSE(Json(client.post(kChat, chat("x", declined)).events()[1]).has("/obfuscation"));
}

TEST_F(SimTest, EveryUsageClassCanBeOrdered) {
    TestClient& client = start();
    const std::string directives =
        "input_tokens=5000 output_tokens=900 cached=1024 cache_write=512 audio_in=30 reasoning=256 "
        "audio_out=40 accepted=20 rejected=10 service_tier=flex finish_reason=length";
    const Json json(client.post(kChat, chat("[[sim " + directives + "]]")).body);
    const struct {
        const char* pointer;
        std::int64_t value;
    } expected[] = {
        {"/usage/prompt_tokens", 5000},
        {"/usage/completion_tokens", 900},
        {"/usage/total_tokens", 5900},
        {"/usage/prompt_tokens_details/cached_tokens", 1024},
        {"/usage/prompt_tokens_details/cache_write_tokens", 512},
        {"/usage/prompt_tokens_details/audio_tokens", 30},
        {"/usage/completion_tokens_details/reasoning_tokens", 256},
        {"/usage/completion_tokens_details/audio_tokens", 40},
        {"/usage/completion_tokens_details/accepted_prediction_tokens", 20},
        {"/usage/completion_tokens_details/rejected_prediction_tokens", 10},
    };
    for (const auto& each : expected)
        EXPECT_EQ(json.number(each.pointer), each.value) << each.pointer;
    EXPECT_EQ(json.text("/service_tier"), "flex");
    EXPECT_EQ(json.text("/choices/0/finish_reason"), "length");
    // 900 billed, of which 256 are thought and 10 rejected: 634 are shown.
    const Reply stream =
        client.post(kChat, chat("x", kStream), "output_tokens=900;reasoning=256;rejected=10");
    EXPECT_EQ(stream.events().size(), 634U + 3);
    const Json line(served().at(0));
    EXPECT_EQ(line.number("/billed/prompt_tokens"), 5000);
    EXPECT_EQ(line.number("/billed/reasoning_tokens"), 256);
    EXPECT_EQ(line.text("/service_tier"), "flex");
}

TEST_F(SimTest, DrawnClassesStayWithinTheirTotals) {
    TestClient& client = start();
    set(Knob::every_class, 1);
    std::int64_t cached = 0, reasoning = 0, audio = 0, rejected = 0;
    for (int i = 0; i < 50; ++i) {
        const Json json(client.post(kChat, chat(std::string(400, 'a') + std::to_string(i))).body);
        const std::int64_t prompt = json.number("/usage/prompt_tokens");
        const std::int64_t completion = json.number("/usage/completion_tokens");
        const std::int64_t in = json.number("/usage/prompt_tokens_details/cached_tokens") +
                                json.number("/usage/prompt_tokens_details/cache_write_tokens") +
                                json.number("/usage/prompt_tokens_details/audio_tokens");
        const std::int64_t out =
            json.number("/usage/completion_tokens_details/reasoning_tokens") +
            json.number("/usage/completion_tokens_details/rejected_prediction_tokens");
        EXPECT_LE(in, prompt);
        EXPECT_LE(out, completion);
        cached += json.number("/usage/prompt_tokens_details/cached_tokens");
        reasoning += json.number("/usage/completion_tokens_details/reasoning_tokens");
        audio += json.number("/usage/completion_tokens_details/audio_tokens");
        rejected += json.number("/usage/completion_tokens_details/rejected_prediction_tokens");
    }
    for (const std::int64_t sum : {cached, reasoning, audio, rejected}) EXPECT_GT(sum, 0);
}

TEST_F(SimTest, PromptTokensFollowTheStatedRule) {
    TestClient& client = start();
    const struct {
        std::string body;
        std::int64_t tokens;
    } cases[] = {
        {chat("abcd"), 3 + 4 + 1},
        {chat("abcde"), 3 + 4 + 2},
        {chat("\\u4f60\\u597d"), 3 + 4 + 2},  // two characters of three bytes
        {R"({"messages":[{"content":[{"type":"text","text":"abcd"},{"type":"image_url",)"
         R"("image_url":{"url":"data:,x"}}],"role":"user"},{"role":"user","content":"a"}],)"
         R"("model":"gpt-4o"})",
         3 + 4 + 1 + 85 + 4 + 1},
    };
    for (const auto& each : cases)
        EXPECT_EQ(Json(client.post(kChat, each.body).body).number("/usage/prompt_tokens"),
                  each.tokens)
            << each.body;
}

TEST_F(SimTest, MaxTokensBoundsTheAnswer) {
    TestClient& client = start();
    set(Knob::output_median, 1000);
    for (const char* name : {"max_tokens", "max_completion_tokens"}) {
        const Json json(client.post(kChat, chat("cap", std::string(",\"") + name + "\":5")).body);
        EXPECT_EQ(json.number("/usage/completion_tokens"), 5);
        EXPECT_EQ(json.text("/choices/0/finish_reason"), "length");
    }
}

TEST_F(SimTest, ChoicesToolsAndJson) {
    TestClient& client = start();
    const Json three(client.post(kChat, chat("n", R"(,"n":3)"), "output_tokens=10").body);
    EXPECT_EQ(three.size("/choices"), 3U);
    EXPECT_EQ(three.number("/choices/2/index"), 2);
    EXPECT_EQ(three.number("/usage/completion_tokens"), 10);
    const Reply streamed =
        client.post(kChat, chat("n", R"(,"n":3,"stream":true)"), "output_tokens=10");
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(joined_content(streamed, i),
                  three.text("/choices/" + std::to_string(i) + "/message/content"));

    const std::string tools =
        R"(,"tools":[{"type":"function","function":{"name":"look_up","parameters":{}}}])";
    const Json called(client.post(kChat, chat("t", tools)).body);
    EXPECT_EQ(called.text("/choices/0/finish_reason"), "tool_calls");
    EXPECT_EQ(called.text("/choices/0/message/tool_calls/0/function/name"), "look_up");
    const std::string arguments = called.text("/choices/0/message/tool_calls/0/function/arguments");
    EXPECT_TRUE(Json(arguments).has("/query")) << arguments;
    std::string pieces;
    for (const std::string& event : client.post(kChat, chat("t", tools + kStream)).events()) {
        if (event == "[DONE]") continue;
        const Json json(event);
        const char* pointer = "/choices/0/delta/tool_calls/0/function/arguments";
        if (json.has(pointer)) pieces += json.text(pointer);
    }
    EXPECT_EQ(pieces, arguments);
    EXPECT_EQ(Json(client.post(kChat, chat("t", tools + R"(,"tool_choice":"none")")).body)
                  .text("/choices/0/finish_reason"),
              "stop");

    const Json object(
        client.post(kChat, chat("j", R"(,"response_format":{"type":"json_object"})")).body);
    EXPECT_TRUE(Json(object.text("/choices/0/message/content")).has("/answer"));
}

TEST_F(SimTest, Completions) {
    TestClient& client = start();
    const std::string body = R"({"model":"gpt-3.5-turbo-instruct","prompt":"abcdefgh")";
    const Json unary(client.post("/v1/completions", body + "}").body);
    EXPECT_EQ(unary.text("/object"), "text_completion");
    EXPECT_EQ(unary.number("/usage/prompt_tokens"), 2);
    std::string text;
    for (const std::string& event :
         client.post("/v1/completions", body + kStreamUsage + "}").events()) {
        if (event != "[DONE]" && Json(event).has("/choices/0/text"))
            text += Json(event).text("/choices/0/text");
    }
    EXPECT_EQ(text, unary.text("/choices/0/text"));
}

TEST_F(SimTest, ResponsesUnaryAndEvents) {
    TestClient& client = start();
    const std::string body = R"({"model":"gpt-5.4","input":"hello","store":false)";
    const std::string how =
        "input_tokens=100;output_tokens=50;reasoning=20;cached=64;cache_write=32";
    const Json unary(client.post("/v1/responses", body + "}", how).body);
    EXPECT_EQ(unary.text("/status"), "completed");
    EXPECT_EQ(unary.number("/usage/input_tokens"), 100);
    EXPECT_EQ(unary.number("/usage/input_tokens_details/cached_tokens"), 64);
    EXPECT_EQ(unary.number("/usage/input_tokens_details/cache_write_tokens_details/ttl_30m_tokens"),
              32);
    EXPECT_EQ(unary.number("/usage/output_tokens_details/reasoning_tokens"), 20);
    EXPECT_EQ(unary.text("/output/0/type"), "reasoning");
    EXPECT_TRUE(unary.has("/store"));

    const Reply stream = client.post("/v1/responses", body + kStream + "}", how);
    ASSERT_TRUE(stream.is_whole) << stream.failure;
    const std::vector<std::string> events = stream.events();
    ASSERT_FALSE(events.empty()) << stream.body;
    std::string text;
    std::int64_t deltas = 0;
    for (std::size_t i = 0; i < events.size(); ++i) {
        const Json event(events[i]);
        EXPECT_EQ(event.number("/sequence_number"), static_cast<std::int64_t>(i));
        EXPECT_NE(stream.body.find("event: " + event.text("/type") + "\ndata: "),
                  std::string::npos);
        if (event.text("/type") != "response.output_text.delta") continue;
        text += event.text("/delta");
        ++deltas;
    }
    EXPECT_EQ(deltas, 30);
    EXPECT_EQ(Json(events.front()).text("/type"), "response.created");
    EXPECT_TRUE(Json(events.front()).is_null("/response/usage"));
    const Json last(events.back());
    EXPECT_EQ(last.text("/type"), "response.completed");
    EXPECT_EQ(last.number("/response/usage/output_tokens"), 50);
    EXPECT_EQ(text, unary.text("/output/1/content/0/text"));
    EXPECT_EQ(last.text("/response/output/1/content/0/text"), text);

    const Json capped(client.post("/v1/responses", body + R"(,"max_output_tokens":16})", "").body);
    EXPECT_LE(capped.number("/usage/output_tokens"), 16);
}

TEST_F(SimTest, ResponsesAreKeptUnlessToldOtherwise) {
    TestClient& client = start();
    const auto make = [&](const std::string& members) {
        const Json made(
            client.post("/v1/responses", R"({"model":"m","input":"x")" + members + "}").body);
        return made.text("/id");
    };
    const auto status = [&](const std::string& id) {
        return client.get("/v1/responses/" + id).status;
    };
    const std::string kept = make("");
    EXPECT_EQ(Json(client.get("/v1/responses/" + kept).body).text("/id"), kept);
    EXPECT_EQ(client.send("DELETE", "/v1/responses/" + kept, "", "").status, 200);
    EXPECT_EQ(status(kept), 404);
    EXPECT_EQ(status(make(R"(,"store":true)")), 200);
    EXPECT_EQ(status(make(R"(,"store":false)")), 404);
    EXPECT_EQ(status("resp_unknown"), 404);
    const std::string base = make("");
    const Json next(client
                        .post("/v1/responses",
                              R"({"model":"m","input":"x","previous_response_id":")" + base + "\"}")
                        .body);
    EXPECT_EQ(next.text("/previous_response_id"), base);
    const Json refused(
        client.post("/v1/responses", R"({"model":"m","input":"x","previous_response_id":"resp_0"})")
            .body);
    EXPECT_EQ(refused.text("/error/code"), "previous_response_not_found");
    set(Knob::ignore_store_false, 1);
    EXPECT_EQ(status(make(R"(,"store":false)")), 200);
    set(Knob::zero_retention, 1);
    EXPECT_EQ(status(make(R"(,"store":true)")), 404);
}

TEST_F(SimTest, Embeddings) {
    TestClient& client = start();
    const auto body = [](const std::string& rest) {
        return R"({"model":"text-embedding-3-small",)" + rest + "}";
    };
    const Json two(client.post("/v1/embeddings", body(R"("input":["abcd","abcdefgh"])")).body);
    EXPECT_EQ(two.size("/data"), 2U);
    EXPECT_EQ(two.size("/data/1/embedding"), 1536U);
    EXPECT_EQ(two.number("/usage/prompt_tokens"), 3);
    const Json numbers(client.post("/v1/embeddings", body(R"("input":[[1,2,3],[4,5]])")).body);
    EXPECT_EQ(numbers.size("/data"), 2U);
    EXPECT_EQ(numbers.number("/usage/prompt_tokens"), 5);
    for (const int dimensions : {1, 2, 3, 256, 1000}) {
        const std::string rest = R"("input":"abcd","dimensions":)" + std::to_string(dimensions);
        const Json plain(client.post("/v1/embeddings", body(rest)).body);
        EXPECT_EQ(plain.size("/data/0/embedding"), static_cast<std::size_t>(dimensions));
        const Json base64(
            client.post("/v1/embeddings", body(rest + R"(,"encoding_format":"base64")")).body);
        EXPECT_EQ(base64.text("/data/0/embedding").size(),
                  static_cast<std::size_t>((dimensions * 4 + 2) / 3 * 4));
    }
    EXPECT_EQ(client.post("/v1/embeddings", body(R"("input":[])")).status, 400);
}

TEST_F(SimTest, ErrorsHaveOpenAisFourKeys) {
    options_.models = {"gpt-4o"};
    options_.keys = {"sk-good-key"};
    TestClient& client = start();
    const std::string good = "authorization: Bearer sk-good-key\r\n";
    const struct {
        const char* method;
        const char* path;
        std::string body, lines;
        int status;
        const char* code;  ///< null: JSON null
    } cases[] = {
        {"POST", kChat, chat("x"), "authorization: Basic abc\r\n", 401, nullptr},
        {"POST", kChat, chat("x"), "", 401, "invalid_api_key"},
        {"GET", "/v1/nothing", "", good, 404, nullptr},
        {"GET", kChat, "", good, 405, "method_not_supported"},
        {"POST", kChat, "{\"model\":", good, 400, nullptr},
        {"POST", kChat, "[]", good, 400, nullptr},
        {"POST", kChat, chat("x") + "x", good, 400, nullptr},
        {"POST", kChat, R"({"messages":[]})", good, 400, nullptr},
        {"POST", kChat, R"({"model":"gpt-4o"})", good, 400, "missing_required_parameter"},
        {"POST", kChat, R"({"model":"gpt-4o","messages":"x"})", good, 400, nullptr},
        {"POST", kChat, chat("x", R"(,"n":0)"), good, 400, "integer_out_of_range"},
        {"POST", kChat, R"({"model":"other","messages":[{"role":"user","content":"x"}]})", good,
         404, "model_not_found"},
        {"POST", kChat, chat("[[sim nonsense=1]]"), good, 400, "bad_sim_directive"},
        {"POST", kChat, chat("[[sim status=200"), good, 400, "bad_sim_directive"},
        {"POST", kChat, chat("x"), good + "x-sim-directives: status=abc\r\n", 400,
         "bad_sim_directive"},
        {"POST", kChat, chat("x"), good + "x-sim-directives: status=429\r\n", 429,
         "rate_limit_exceeded"},
        {"POST", kChat, chat("x"),
         good + "x-sim-directives: status=429;code=insufficient_quota\r\n", 429,
         "insufficient_quota"},
        {"POST", kChat, chat("x"), good + "x-sim-directives: status=500\r\n", 500, nullptr},
        {"POST", kChat, chat("x"), good + "x-sim-directives: status=503\r\n", 503, nullptr},
        {"GET", "/v1/files/file-none", "", good, 404, nullptr},
        {"POST", "/v1/files", "x", good, 400, nullptr},
    };
    for (const auto& each : cases) {
        const Reply reply = client.send(each.method, each.path, each.body, each.lines);
        SCOPED_TRACE(std::string(each.method) + " " + each.path + " " + each.body + " " +
                     each.lines);
        EXPECT_EQ(reply.status, each.status) << reply.body;
        const Json json(reply.body);
        for (const char* key : {"/error/message", "/error/type", "/error/param", "/error/code"})
            EXPECT_TRUE(json.has(key)) << key;
        if (each.code == nullptr)
            EXPECT_TRUE(json.is_null("/error/code")) << reply.body;
        else
            EXPECT_EQ(json.text("/error/code"), each.code);
        EXPECT_FALSE(reply.headers.at("x-request-id").empty());
    }
    EXPECT_EQ(served().size(), std::size(cases));
}

TEST_F(SimTest, RetryAfterIsToldInBothForms) {
    TestClient& client = start();
    const Reply reply = client.post(kChat, chat("x"), "status=429;retry_after_ms=2500");
    EXPECT_EQ(reply.headers.at("retry-after-ms"), "2500");
    EXPECT_EQ(reply.headers.at("retry-after"), "3");
}

TEST_F(SimTest, CutStreamsEndWithoutAnEnd) {
    TestClient& client = start();
    for (const char* how : {"fin", "reset"}) {
        const Reply reply = client.post(kChat, chat("x", kStreamUsage),
                                        std::string("output_tokens=20;cut_after=6;cut_by=") + how);
        EXPECT_EQ(reply.status, 200);
        EXPECT_FALSE(reply.is_whole);
        EXPECT_FALSE(reply.is_timed_out) << reply.failure;
        if (std::string_view(how) == "fin") EXPECT_EQ(reply.events().size(), 6U);
    }
    for (const std::string& line : served()) {
        const Json json(line);
        EXPECT_EQ(json.text("/sent"), "cut");
        EXPECT_EQ(json.text("/reported"), "none");
        // The role and five tokens went out.
        EXPECT_EQ(json.number("/billed/completion_tokens"), 5);
    }
}

TEST_F(SimTest, CutUnaryAnswersAreShort) {
    TestClient& client = start();
    const Reply reply = client.post(kChat, chat("x"), "cut_after=100");
    EXPECT_FALSE(reply.is_whole);
    EXPECT_EQ(reply.body.size(), 100U);
    EXPECT_GT(std::stoul(reply.headers.at("content-length")), 100U);
    const Reply late = client.post(kChat, chat("x"), "cut_after=100000");
    EXPECT_FALSE(late.is_whole);
    EXPECT_EQ(late.body.size() + 1, std::stoul(late.headers.at("content-length")));
    EXPECT_EQ(Json(served().at(0)).text("/sent"), "cut");
}

TEST_F(SimTest, StallsSendNoMore) {
    TestClient& client = start();
    client.timeout_ms = 60;
    const Reply reply = client.post(kChat, chat("x", kStream), "stall_after=4;output_tokens=9");
    EXPECT_TRUE(reply.is_timed_out) << reply.failure;
    EXPECT_EQ(reply.events().size(), 4U);
    const Reply unary = client.post(kChat, chat("x"), "stall_after=4");
    EXPECT_TRUE(unary.is_timed_out) << unary.failure;
    EXPECT_EQ(unary.body.size(), 4U);
    // Both clients have left, so both calls end.
    EXPECT_EQ(served().size(), 2U);
}

TEST_F(SimTest, BrokenEvents) {
    TestClient& client = start();
    const Reply malformed =
        client.post(kChat, chat("x", kStream), "malformed_after=3;output_tokens=9");
    ASSERT_TRUE(malformed.is_whole);
    const std::vector<std::string> events = malformed.events();
    ASSERT_EQ(events.size(), 1U + 9 + 1 + 1);
    for (std::size_t i = 0; i + 1 < events.size(); ++i) EXPECT_EQ(is_json(events[i]), i != 3) << i;
    const Reply unary = client.post(kChat, chat("x"), "malformed_after=50");
    EXPECT_TRUE(unary.is_whole);
    EXPECT_FALSE(is_json(unary.body));
    const Reply error = client.post(kChat, chat("x", kStream), "error_after=3;output_tokens=9");
    ASSERT_TRUE(error.is_whole);
    EXPECT_EQ(error.events().size(), 4U);
    EXPECT_EQ(Json(error.events().back()).text("/error/type"), "server_error");
    const Reply open = client.post(kChat, chat("x", kStream), "no_done=1;output_tokens=2");
    ASSERT_TRUE(open.is_whole);
    EXPECT_NE(open.events().back(), "[DONE]");
}

TEST_F(SimTest, UsageCanBeWrongMissingOrMisplaced) {
    TestClient& client = start();
    const Json wrong(client.post(kChat, chat("x"), "wrong_usage=1").body);
    EXPECT_GT(wrong.number("/usage/prompt_tokens_details/cached_tokens"),
              wrong.number("/usage/prompt_tokens"));
    EXPECT_NE(wrong.number("/usage/total_tokens"),
              wrong.number("/usage/prompt_tokens") + wrong.number("/usage/completion_tokens"));
    EXPECT_FALSE(Json(client.post(kChat, chat("x"), "no_usage=1").body).has("/usage"));
    for (const std::string& event :
         client.post(kChat, chat("x", kStreamUsage), "no_usage=1").events()) {
        if (event != "[DONE]") EXPECT_TRUE(Json(event).is_null("/usage"));
    }
    const std::vector<std::string> misplaced =
        client.post(kChat, chat("x", kStreamUsage), "usage_in_last_choice=1").events();
    const Json last(misplaced[misplaced.size() - 2]);
    EXPECT_EQ(last.size("/choices"), 1U);
    EXPECT_TRUE(last.has("/usage/total_tokens"));
    const std::vector<std::string> lines = served();
    const char* reported[] = {"wrong", "none", "none", "full"};
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(Json(lines.at(i)).text("/reported"), reported[i]);
    // What is billed does not depend on what was reported.
    for (const std::string& line : lines)
        EXPECT_EQ(Json(line).number("/billed/prompt_tokens"), 3 + 4 + 1);
}

TEST_F(SimTest, ShapesOfStreams) {
    TestClient& client = start();
    const std::string reference =
        joined_content(client.post(kChat, chat("x", kStream), "output_tokens=40"));
    for (const char* how :
         {"burst=7", "chunk_bytes=1", "chunk_bytes=13", "chunk_bytes=13;burst=3"}) {
        const Reply reply =
            client.post(kChat, chat("x", kStream), std::string("output_tokens=40;") + how);
        ASSERT_TRUE(reply.is_whole) << how;
        EXPECT_EQ(reply.events().size(), 1U + 40 + 1 + 1) << how;
        EXPECT_EQ(joined_content(reply), reference) << how;
    }
    const Reply wide =
        client.post(kChat, chat("x", kStream), "output_tokens=40;tokens_per_event=8");
    EXPECT_EQ(wide.events().size(), 1U + 5 + 1 + 1);
    EXPECT_EQ(joined_content(wide), reference);
    const Reply big = client.post(kChat, chat("x", kStream), "output_tokens=4;big_event=3000000");
    EXPECT_GT(big.events()[1].size(), 3'000'000U);
    EXPECT_EQ(client.post(kChat, chat("x"), "close=1").headers.at("connection"), "close");
}

TEST_F(SimTest, TokensComeInTime) {
    TestClient& client = start();
    const std::int64_t before = system_clock().monotonic_ns();
    const Reply stream = client.post(kChat, chat("x", kStream),
                                     "output_tokens=11;token_interval_us=10000;first_byte_ms=50");
    const std::int64_t took_ms = (system_clock().monotonic_ns() - before) / 1'000'000;
    EXPECT_TRUE(stream.is_whole);
    EXPECT_GE(took_ms, 150);
    EXPECT_EQ(stream.headers.at("openai-processing-ms"), "50");
}

TEST_F(SimTest, AClientThatLeavesPaysForWhatWasMade) {
    TestClient& client = start();
    set(Knob::overrun_tokens, 3);
    client.leave_after_bytes = 400;  // the role's event and the first token's
    const Reply reply =
        client.post(kChat, chat("x", kStream), "output_tokens=1000;token_interval_us=30000000");
    EXPECT_FALSE(reply.is_whole);
    EXPECT_EQ(reply.events().size(), 2U);
    const Json line(served().at(0));
    EXPECT_EQ(line.text("/sent"), "client_gone");
    EXPECT_EQ(line.number("/billed/completion_tokens"), 1 + 3);
}

TEST_F(SimTest, BucketRefusesAndRefills) {
    TestClient& client = start();
    set(Knob::rpm, 3);
    for (const char* left : {"2", "1", "0"}) {
        const Reply reply = client.post(kChat, chat("x"));
        EXPECT_EQ(reply.status, 200);
        EXPECT_EQ(reply.headers.at("x-ratelimit-limit-requests"), "3");
        EXPECT_EQ(reply.headers.at("x-ratelimit-remaining-requests"), left);
    }
    const Reply refused = client.post(kChat, chat("x"));
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(refused.headers.at("retry-after"), "20");
    EXPECT_EQ(refused.headers.at("retry-after-ms"), "20000");
    EXPECT_EQ(refused.headers.at("x-ratelimit-reset-requests"), "1m0s");
    const Json error(refused.body);
    EXPECT_EQ(error.text("/error/code"), "rate_limit_exceeded");
    EXPECT_EQ(error.text("/error/type"), "requests");
    // Another key has its own minute.
    EXPECT_EQ(client.send("POST", kChat, chat("x"), "authorization: Bearer other\r\n").status, 200);
    clock_.advance_ms(19'999);
    EXPECT_EQ(client.post(kChat, chat("x")).status, 429);
    clock_.advance_ms(1);
    EXPECT_EQ(client.post(kChat, chat("x")).status, 200);
    EXPECT_EQ(client.post(kChat, chat("x")).status, 429);
}

TEST_F(SimTest, TokensPerMinuteCountMaxTokens) {
    TestClient& client = start();
    set(Knob::tpm, 1000);
    EXPECT_EQ(client.post(kChat, chat("x", R"(,"max_tokens":600)")).status, 200);
    const Reply refused = client.post(kChat, chat("x", R"(,"max_tokens":600)"));
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(refused.headers.at("x-ratelimit-remaining-tokens"), "400");
    EXPECT_EQ(refused.headers.at("retry-after-ms"), "12000");
    EXPECT_EQ(Json(refused.body).text("/error/type"), "tokens");
    const Reply too_large = client.post(kChat, chat("x", R"(,"max_tokens":1001)"));
    EXPECT_EQ(too_large.status, 429);
    EXPECT_EQ(too_large.headers.count("retry-after"), 0U);
    EXPECT_EQ(client.post(kChat, chat("x", R"(,"max_tokens":400)")).status, 200);
}

TEST_F(SimTest, WindowLooksAtTheLastMinute) {
    options_.limit_model = LimitModel::window;
    TestClient& client = start();
    set(Knob::rpm, 2);
    EXPECT_EQ(client.post(kChat, chat("x")).status, 200);
    clock_.advance_ms(30'000);
    EXPECT_EQ(client.post(kChat, chat("x")).status, 200);
    const Reply refused = client.post(kChat, chat("x"));
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(refused.headers.at("retry-after"), "30");
    clock_.advance_ms(30'000);
    EXPECT_EQ(client.post(kChat, chat("x")).status, 200);
    EXPECT_EQ(client.post(kChat, chat("x")).status, 429);
}

TEST(SimLimiter, DurationsAreWrittenAsOpenAiDoes) {
    const struct {
        std::int64_t ms;
        const char* text;
    } cases[] = {{0, "0ms"},        {6, "6ms"},         {999, "999ms"},      {1000, "1s"},
                 {1500, "1.5s"},    {1006, "1.006s"},   {59'971, "59.971s"}, {60'000, "1m0s"},
                 {360'000, "6m0s"}, {61'020, "1m1.02s"}};
    for (const auto& each : cases) EXPECT_EQ(go_duration(each.ms * 1'000'000), each.text);
    EXPECT_EQ(go_duration(1), "1ms");
}

TEST_F(SimTest, RatesOfFaultsAddAndRepeat) {
    TestClient& client = start();
    const auto campaign = [&] {
        client.send("POST", "/sim/reset", "", "");
        EXPECT_EQ(client.post("/sim/config", R"({"fault_429":200,"fault_500":200,"fault_cut":200})")
                      .status,
                  200);
        std::string outcome;
        for (int i = 0; i < 200; ++i) {
            const Reply reply = client.post(kChat, chat("x"));
            outcome.push_back(!reply.is_whole       ? 'c'
                              : reply.status == 200 ? '.'
                              : reply.status == 429 ? '4'
                                                    : '5');
        }
        return outcome;
    };
    const std::string first = campaign();
    EXPECT_EQ(first, campaign());
    for (const char kind : {'c', '4', '5'}) {
        const auto count = std::ranges::count(first, kind);
        EXPECT_GT(count, 20) << kind;
        EXPECT_LT(count, 65) << kind;
    }
}

TEST_F(SimTest, OutagesBeginAndEnd) {
    TestClient& client = start();
    EXPECT_EQ(client.post("/sim/outage", R"({"on":true})").status, 200);
    EXPECT_EQ(client.post(kChat, chat("x")).status, 500);
    client.post("/sim/outage", R"({"on":true,"mode":"reset"})");
    EXPECT_EQ(client.post(kChat, chat("x")).status, 0);
    client.post("/sim/outage", R"({"on":false})");
    EXPECT_EQ(client.post(kChat, chat("x")).status, 200);
    EXPECT_EQ(client.post("/sim/outage", R"({"on":true,"mode":"refuse","for_ms":80})").status, 200);
    // The port closes, and opens again by itself.
    bool was_refused = false;
    const std::int64_t until = system_clock().monotonic_ns() + 20'000'000'000;
    while (system_clock().monotonic_ns() < until) {
        const Reply reply = client.post(kChat, chat("x"));
        if (reply.status == 0) was_refused = true;
        if (reply.status == 200 && was_refused) break;
    }
    EXPECT_TRUE(was_refused);
    EXPECT_EQ(client.post(kChat, chat("x")).status, 200);
}

/// Writes a certificate for 127.0.0.1, signed by itself, and its key.
void write_certificate(const std::string& cert_file, const std::string& key_file) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                  EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> cert(X509_new(), X509_free);
    X509_set_version(cert.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
    X509_set_pubkey(cert.get(), key.get());
    X509_NAME* name = X509_get_subject_name(cert.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("sim"), -1, -1, 0);
    X509_set_issuer_name(cert.get(), name);
    X509_EXTENSION* san =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(cert.get(), san, -1);
    X509_EXTENSION_free(san);
    X509_sign(cert.get(), key.get(), EVP_sha256());
    const std::unique_ptr<std::FILE, decltype(&std::fclose)> out(std::fopen(cert_file.c_str(), "w"),
                                                                 std::fclose);
    const std::unique_ptr<std::FILE, decltype(&std::fclose)> key_out(
        std::fopen(key_file.c_str(), "w"), std::fclose);
    ASSERT_EQ(PEM_write_X509(out.get(), cert.get()), 1);
    ASSERT_EQ(PEM_write_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr),
              1);
}

TEST_F(SimTest, SpeaksTls) {
    options_.tls_cert = directory_ + "/cert.pem";
    options_.tls_key = directory_ + "/key.pem";
    write_certificate(options_.tls_cert, options_.tls_key);
    start();
    const Result<std::shared_ptr<TlsContext>> trust = TlsContext::client(options_.tls_cert);
    ASSERT_TRUE(trust.ok()) << trust.error().text();
    TestClient client(server_->port(), *trust);
    const Reply unary = client.post(kChat, chat("x"));
    EXPECT_EQ(unary.status, 200) << unary.failure;
    const Reply stream = client.post(kChat, chat("x", kStream));
    EXPECT_TRUE(stream.is_whole) << stream.failure;
    EXPECT_EQ(joined_content(stream), Json(unary.body).text("/choices/0/message/content"));
    // A plain client is not understood.
    EXPECT_NE(TestClient(server_->port()).post(kChat, chat("x")).status, 200);
}

TEST_F(SimTest, ABadCertificateIsTold) {
    options_.tls_cert = directory_ + "/missing.pem";
    options_.tls_key = options_.tls_cert;
    SimServer server(options_, &clock_);
    const Status status = server.start();
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().detail.find("missing.pem"), std::string::npos)
        << status.error().text();
}

TEST_F(SimTest, APortInUseIsNotShared) {
    start();
    SimOptions second;
    second.port = server_->port();
    SimServer other(second, &clock_);
    const Status status = other.start();
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().detail.find(std::to_string(second.port)), std::string::npos);
}

TEST_F(SimTest, SwitchesRefuseNonsense) {
    TestClient& client = start();
    const struct {
        const char* path;
        const char* body;
        int status;
    } cases[] = {
        {"/sim/config", "{}", 200},
        {"/sim/config", "[]", 400},
        {"/sim/config", R"({"rpm":"x"})", 400},
        {"/sim/config", R"({"rpm":-1})", 400},
        {"/sim/config", R"({"fault_429":1001})", 400},
        {"/sim/config", R"({"rpm":7,"nonsense":1})", 400},
        {"/sim/outage", "{}", 400},
        {"/sim/outage", R"({"on":true,"mode":"sideways"})", 400},
        {"/sim/outage", R"({"on":true,"mode":"refuse"})", 400},
        {"/sim/nothing", "{}", 404},
    };
    for (const auto& each : cases)
        EXPECT_EQ(client.post(each.path, each.body).status, each.status) << each.path << each.body;
    // All of a change or nothing of it.
    EXPECT_EQ(Json(client.get("/sim/config").body).number("/rpm"), 0);
}

TEST_F(SimTest, ServedLogIdentifiesEachCall) {
    TestClient& client = start();
    const Reply reply =
        client.send("POST", kChat, chat("x"), "x-client-request-id: req_gateway_1\r\n");
    client.post(kChat, chat("y", kStream));
    const std::vector<std::string> lines = served();
    ASSERT_EQ(lines.size(), 2U);
    const Json first(lines[0]), second(lines[1]);
    EXPECT_EQ(first.text("/request_id"), reply.headers.at("x-request-id"));
    EXPECT_EQ(first.text("/answer_id"), Json(reply.body).text("/id"));
    EXPECT_EQ(first.text("/client_request_id"), "req_gateway_1");
    EXPECT_EQ(first.text("/key"), "...6789");
    EXPECT_EQ(first.text("/endpoint"), kChat);
    EXPECT_EQ(first.text("/sent"), "complete");
    EXPECT_EQ(first.number("/billed/completion_tokens"),
              Json(reply.body).number("/usage/completion_tokens"));
    EXPECT_EQ(second.text("/reported"), "none");
    const Json stats(client.get("/sim/stats").body);
    EXPECT_EQ(stats.number("/calls"), 2);
    EXPECT_EQ(stats.number("/complete"), 2);
    EXPECT_EQ(stats.number("/by_status/200"), 2);
    EXPECT_EQ(stats.number("/in_flight"), 0);
}

const std::string kFormType = "content-type: multipart/form-data; boundary=XyZ\r\n";
std::string form(const std::string& file, const std::string& more = "") {
    return "--XyZ\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n" + more +
           "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n"
           "Content-Type: application/octet-stream\r\n\r\n" +
           file + "\r\n--XyZ--\r\n";
}
std::string form_field(const std::string& name, const std::string& value) {
    return "--XyZ\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value +
           "\r\n";
}

TEST_F(SimTest, FilesAreCountedKeptAndReturned) {
    TestClient& client = start();
    const std::string content = std::string("line\r\n--Xy\0--XyZ", 16) + std::string(100'000, 'q');
    const Reply up = client.send("POST", "/v1/files", form(content), kFormType);
    ASSERT_EQ(up.status, 200) << up.body;
    const Json file(up.body);
    EXPECT_EQ(file.number("/bytes"), static_cast<std::int64_t>(content.size()));
    EXPECT_EQ(file.text("/filename"), "a.jsonl");
    EXPECT_EQ(file.text("/purpose"), "fine-tune");
    const std::string path = "/v1/files/" + file.text("/id");
    EXPECT_EQ(client.get(path + "/content").body, content);
    EXPECT_EQ(Json(client.get("/v1/files").body).size("/data"), 1U);
    EXPECT_EQ(client.send("DELETE", path, "", "").status, 200);
    EXPECT_EQ(client.get(path).status, 404);

    const Reply large =
        client.send("POST", "/v1/files", form(std::string(3 << 20, 'z')), kFormType);
    EXPECT_EQ(Json(large.body).number("/bytes"), 3 << 20);
    EXPECT_EQ(client.get("/v1/files/" + Json(large.body).text("/id") + "/content").body.size(),
              3U << 20);
    const Reply made_up = client.get("/v1/files/file-bytes-70001/content");
    EXPECT_EQ(made_up.body.size(), 70'001U);
    EXPECT_EQ(made_up.headers.at("content-length"), "70001");
}

TEST(SimMultipart, AnySplitGivesTheSameForm) {
    const std::string body = form("a\r\n--Xy\r\n--XyQ\r\n\r\nb", form_field("model", "m"));
    for (std::size_t step = 1; step <= body.size(); ++step) {
        Result<MultipartReader> reader =
            MultipartReader::make("multipart/form-data; charset=utf-8; boundary=\"XyZ\"");
        ASSERT_TRUE(reader.ok());
        for (std::size_t at = 0; at < body.size(); at += step)
            ASSERT_TRUE(reader->feed(std::string_view(body).substr(at, step)).ok()) << step;
        const Result<Form> done = reader->finish();
        ASSERT_TRUE(done.ok()) << step;
        EXPECT_EQ(done->field("model"), "m");
        EXPECT_EQ(done->field("purpose"), "fine-tune");
        EXPECT_EQ(done->file_head, "a\r\n--Xy\r\n--XyQ\r\n\r\nb");
        EXPECT_EQ(done->file_bytes, done->file_head.size());
    }
}

TEST(SimMultipart, MalformedFormsAreRefused) {
    for (const char* type :
         {"", "application/json", "multipart/form-data", "multipart/form-data; boundary="})
        EXPECT_FALSE(MultipartReader::make(type).ok()) << type;
    for (const std::string& body :
         {std::string(), std::string("--XyZ"), std::string("--XyZ\r\n"), form_field("a", "b"),
          std::string("--XyZ\r\nContent-Type: text/plain\r\n\r\nx\r\n--XyZ--\r\n"),
          std::string("--XyZ**\r\n"), "--XyZ\r\n" + std::string(20'000, 'h'),
          form_field("a", std::string(300'000, 'b')) + "--XyZ--"}) {
        Result<MultipartReader> reader = MultipartReader::make("multipart/form-data; boundary=XyZ");
        ASSERT_TRUE(reader.ok());
        const bool is_fed = reader->feed(body).ok();
        EXPECT_FALSE(is_fed && reader->finish().ok()) << body.substr(0, 60);
    }
}

TEST_F(SimTest, AudioIsMeteredByTokensOrTime) {
    TestClient& client = start();
    const Reply speech = client.post(
        "/v1/audio/speech", R"({"model":"tts-1","input":"hello there, world","voice":"alloy"})");
    EXPECT_EQ(speech.headers.at("content-type"), "audio/mpeg");
    EXPECT_EQ(speech.body.size(), 18U * 1000 / 15 * 16);
    const Reply events = client.post("/v1/audio/speech",
                                     R"({"model":"gpt-4o-mini-tts","input":"hello there, world",)"
                                     R"("voice":"alloy","stream_format":"sse"})");
    const Json done(events.events().back());
    EXPECT_EQ(done.text("/type"), "speech.audio.done");
    EXPECT_EQ(done.number("/usage/input_tokens"), 5);
    EXPECT_EQ(done.number("/usage/output_tokens"), 24);

    const std::string audio(32'000, 'a');  // two seconds
    const Reply whisper = client.send("POST", "/v1/audio/transcriptions",
                                      form(audio, form_field("model", "whisper-1")), kFormType);
    EXPECT_EQ(Json(whisper.body).text("/usage/type"), "duration");
    EXPECT_EQ(Json(whisper.body).number("/usage/seconds"), 2);
    const std::string tokens_form = form_field("model", "gpt-4o-transcribe");
    const Json tokens(
        client.send("POST", "/v1/audio/transcriptions", form(audio, tokens_form), kFormType).body);
    EXPECT_EQ(tokens.number("/usage/input_token_details/audio_tokens"), 20);
    const Reply stream =
        client.send("POST", "/v1/audio/transcriptions",
                    form(audio, tokens_form + form_field("stream", "true")), kFormType);
    const Json last(stream.events().back());
    EXPECT_EQ(last.text("/type"), "transcript.text.done");
    EXPECT_EQ(last.number("/usage/total_tokens"), tokens.number("/usage/total_tokens"));
    EXPECT_EQ(last.text("/text"), tokens.text("/text"));
    const Reply plain =
        client.send("POST", "/v1/audio/transcriptions",
                    form(audio, tokens_form + form_field("response_format", "text")), kFormType);
    EXPECT_EQ(plain.body, tokens.text("/text") + "\n");
    EXPECT_EQ(client.send("POST", "/v1/audio/transcriptions", form(audio), kFormType).status, 400);
    const std::vector<std::string> lines = served();
    EXPECT_EQ(Json(lines.at(0)).number("/billed/characters"), 18);
    EXPECT_EQ(Json(lines.at(2)).number("/billed/audio_ms"), 2000);
}

TEST_F(SimTest, ImagesAndModerations) {
    TestClient& client = start();
    const Json image(client
                         .post("/v1/images/generations",
                               R"({"model":"gpt-image-1","prompt":"a grey dot","n":2,)"
                               R"("quality":"low"})")
                         .body);
    EXPECT_EQ(image.size("/data"), 2U);
    EXPECT_EQ(image.number("/usage/output_tokens"), 544);
    EXPECT_EQ(image.number("/usage/total_tokens"), 547);
    const Json dalle(
        client.post("/v1/images/generations", R"({"model":"dall-e-3","prompt":"a grey dot"})")
            .body);
    EXPECT_FALSE(dalle.has("/usage"));
    EXPECT_TRUE(dalle.has("/data/0/url"));
    const Json edit(
        client
            .send("POST", "/v1/images/edits",
                  form("png", form_field("model", "gpt-image-1") + form_field("prompt", "abcd")),
                  kFormType)
            .body);
    EXPECT_EQ(edit.number("/usage/input_tokens_details/image_tokens"), 323);
    const Json last(
        client
            .post("/v1/images/generations", R"({"model":"gpt-image-1","prompt":"x","stream":true})")
            .events()
            .back());
    EXPECT_EQ(last.text("/type"), "image_generation.completed");
    EXPECT_EQ(last.number("/usage/output_tokens"), 1056);

    const Json moderation(client.post("/v1/moderations", R"({"input":["a","b"]})").body);
    EXPECT_EQ(moderation.size("/results"), 2U);
    EXPECT_TRUE(moderation.has("/results/1/category_scores/violence"));
    EXPECT_EQ(Json(served().at(1)).number("/billed/images"), 1);
}

TEST_F(SimTest, ModelsAreListed) {
    options_.models = {"gpt-4o", "local-model"};
    TestClient& client = start();
    EXPECT_EQ(Json(client.get("/v1/models").body).size("/data"), 2U);
    EXPECT_EQ(Json(client.get("/v1/models/local-model").body).text("/id"), "local-model");
    EXPECT_EQ(client.get("/v1/models/gpt-3").status, 404);
}

TEST_F(SimTest, LoopsShareWhatTheyCount) {
    options_.threads = 2;
    TestClient& client = start();
    set(Knob::rpm, 20);
    int served_calls = 0;
    for (int i = 0; i < 30; ++i) served_calls += client.post(kChat, chat("x")).status == 200;
    EXPECT_EQ(served_calls, 20);
    EXPECT_EQ(served().size(), 30U);
}

}  // namespace
}  // namespace tg::sim
