#include "sim/knobs.h"

namespace tg::sim {
namespace {

constexpr std::int64_t kHour = 3'600'000;
constexpr std::array<KnobInfo, kKnobCount> kInfos{{
    {"rpm", 0, 0, 1'000'000'000, "requests per minute of each API key, 0 is unlimited"},
    {"tpm", 0, 0, 1'000'000'000'000, "tokens per minute of each API key, 0 is unlimited"},
    {"latency_ms", 0, 0, kHour, "wait before the first byte of an answer"},
    {"latency_jitter_ms", 0, 0, kHour, "up to this much is added to latency_ms, by request"},
    {"token_interval_us", 0, 0, 3'600'000'000, "time between two tokens"},
    {"burst", 1, 1, 100'000, "stream events joined into one send"},
    {"tokens_per_event", 1, 1, 100'000, "tokens in one stream event"},
    {"output_median", 100, 1, 1'000'000, "median of the drawn answer length, in tokens"},
    {"output_max", 4096, 1, 10'000'000, "longest drawn answer, in tokens"},
    {"overrun_tokens", 0, 0, 1'000'000,
     "tokens still generated and billed after a client has left a stream"},
    {"cached_per_mille", 300, 0, 1000,
     "how many of a thousand prompts of 1,024 tokens and more were cached before"},
    {"every_class", 0, 0, 1, "1: every usage class is drawn on every chat call"},
    {"slow_ms", 5'000, 0, kHour, "first byte of an answer made slow by fault_slow"},
    {"zero_retention", 0, 0, 1, "1: an account under zero retention, which keeps no response"},
    {"ignore_store_false", 0, 0, 1, "1: responses are kept in spite of store: false"},
    {"fault_429", 0, 0, 1000, "answers per mille that are 429 rate_limit_exceeded"},
    {"fault_500", 0, 0, 1000, "answers per mille that are 500"},
    {"fault_503", 0, 0, 1000, "answers per mille that are 503"},
    {"fault_slow", 0, 0, 1000, "answers per mille whose first byte waits slow_ms"},
    {"fault_stall", 0, 0, 1000, "answers per mille that stop for ever in the middle"},
    {"fault_cut", 0, 0, 1000, "answers per mille that are cut in the middle"},
    {"fault_malformed", 0, 0, 1000, "answers per mille with broken JSON in them"},
    {"fault_wrong_usage", 0, 0, 1000, "answers per mille whose usage does not add up"},
    {"fault_no_usage", 0, 0, 1000, "answers per mille without usage"},
}};

}  // namespace

const KnobInfo& info(Knob knob) {
    return kInfos[static_cast<std::size_t>(knob)];
}

Knobs::Knobs() {
    for (std::size_t i = 0; i < kKnobCount; ++i) values_[i] = kInfos[i].fallback;
    keep_as_start();
}

void Knobs::keep_as_start() {
    for (std::size_t i = 0; i < kKnobCount; ++i) start_[i] = values_[i].load();
}

void Knobs::reset() {
    for (std::size_t i = 0; i < kKnobCount; ++i) values_[i] = start_[i].load();
}

}  // namespace tg::sim
