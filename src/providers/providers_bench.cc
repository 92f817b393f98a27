// What the OpenAI dialect costs on the way of a request. One figure a line: `providers_bench
// [--benchmark_filter=...]`.
#include <benchmark/benchmark.h>

#include "providers/openai_paths.h"
#include "providers/openai_reply.h"
#include "providers/openai_request.h"
#include "providers/openai_usage.h"

namespace tg {
namespace {

/// A chat request of about `size` bytes: a short system message and a history.
std::string chat_request(std::size_t size) {
    std::string out =
        R"({"model":"gpt-5.4","temperature":0.2,"stream":true,"max_completion_tokens":512,"user":"user-1234","messages":[)"
        R"({"role":"system","content":"You are a helpful assistant. Answer shortly."})";
    while (out.size() + 120 < size) {
        out +=
            R"(,{"role":"user","content":"What does clause 14.2 of the \"framework\" contract say on late delivery?\nQuote it."})";
    }
    return out + "]}";
}

void BM_InspectRequest(benchmark::State& state) {
    const std::string body = chat_request(static_cast<std::size_t>(state.range(0)));
    std::string padded = body;
    padded.append(kJsonPadding, '\0');
    const std::string_view view = std::string_view(padded).substr(0, body.size());
    for (auto _ : state) benchmark::DoNotOptimize(inspect_request(OpenAiCall::chat, view));
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK(BM_InspectRequest)->Arg(300)->Arg(1024)->Arg(16384)->Arg(1 << 20);

void BM_RewriteRequest(benchmark::State& state) {
    std::string padded = chat_request(1024);
    const std::size_t size = padded.size();
    padded.append(kJsonPadding, '\0');
    const std::string_view view = std::string_view(padded).substr(0, size);
    const auto facts = inspect_request(OpenAiCall::chat, view);
    for (auto _ : state)
        benchmark::DoNotOptimize(rewrite_request(OpenAiCall::chat, *facts, view, {}));
}
BENCHMARK(BM_RewriteRequest);

constexpr std::string_view kUsage =
    R"({"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,"prompt_tokens_details":{"cached_tokens":1920,"audio_tokens":0},)"
    R"("completion_tokens_details":{"reasoning_tokens":192,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}})";

void BM_ParseUsage(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(parse_openai_usage(OpenAiCall::chat, kUsage));
}
BENCHMARK(BM_ParseUsage);

std::string chat_reply(std::size_t content) {
    return R"({"id":"chatcmpl-Bq2","object":"chat.completion","created":1782000000,"model":"gpt-5.4-2026-03-05","choices":[{"index":0,)"
           R"("message":{"role":"assistant","content":")" +
           std::string(content, 'a') +
           R"(","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":)" +
           std::string(kUsage) + R"(,"service_tier":"default","system_fingerprint":null})";
}

void BM_ScanReply(benchmark::State& state) {
    const std::string body = chat_reply(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        ReplyScanner scanner(OpenAiCall::chat);
        scanner.feed(body);
        benchmark::DoNotOptimize(scanner.finish());
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
    state.counters["bytes"] = static_cast<double>(body.size());
}
BENCHMARK(BM_ScanReply)->Arg(20)->Arg(4096)->Arg(1 << 20);

/// Embeddings: numbers in an array, nothing of interest before the end.
void BM_ScanEmbeddings(benchmark::State& state) {
    std::string body = R"({"object":"list","data":[{"object":"embedding","embedding":[0.1)";
    for (int i = 0; i < 1536; ++i) body += ",-0.0069292834";
    body +=
        R"(],"index":0}],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}})";
    for (auto _ : state) {
        ReplyScanner scanner(OpenAiCall::embeddings);
        scanner.feed(body);
        benchmark::DoNotOptimize(scanner.finish());
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK(BM_ScanEmbeddings);

constexpr std::string_view kEvent =
    R"(data: {"id":"chatcmpl-Bq2Kx0aLrQm7nVdZ1","object":"chat.completion.chunk","created":1782000000,"model":"gpt-5.4-2026-03-05",)"
    R"("service_tier":"default","system_fingerprint":"fp_07871e2ad8","choices":[{"index":0,"delta":{"content":" contract"},)"
    R"("logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"Kx0aLrQ"})"
    "\n\n";

/// Events one by one, as they come from a provider; a new stream every 50.
void scan_events(benchmark::State& state, bool strip, std::size_t events_a_feed) {
    std::string feed;
    for (std::size_t i = 0; i < events_a_feed; ++i) feed += kEvent;
    std::size_t events = 0;
    StreamPieces pieces;
    auto scanner = std::make_unique<StreamScanner>(OpenAiCall::chat, strip);
    for (auto _ : state) {
        pieces.clear();
        benchmark::DoNotOptimize(scanner->feed(feed, &pieces).ok());
        events += events_a_feed;
        if (events % 50 == 0) scanner = std::make_unique<StreamScanner>(OpenAiCall::chat, strip);
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(events));
    state.SetBytesProcessed(static_cast<std::int64_t>(events * kEvent.size()));
    state.counters["ns/event"] =
        benchmark::Counter(static_cast<double>(events) * 1e-9,
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
void BM_StreamPass(benchmark::State& state) {
    scan_events(state, false, static_cast<std::size_t>(state.range(0)));
}
BENCHMARK(BM_StreamPass)->Arg(1)->Arg(10);
void BM_StreamStrip(benchmark::State& state) {
    scan_events(state, true, static_cast<std::size_t>(state.range(0)));
}
BENCHMARK(BM_StreamStrip)->Arg(1)->Arg(10);

void BM_ClassifyPath(benchmark::State& state) {
    for (auto _ : state)
        benchmark::DoNotOptimize(classify_openai_path("POST", "/v1/chat/completions"));
}
BENCHMARK(BM_ClassifyPath);

}  // namespace
}  // namespace tg

BENCHMARK_MAIN();
