// What deciding about upstreams costs: `pacer_bench [--benchmark_filter=...]`, one figure a line.
#include <benchmark/benchmark.h>

#include "gateway/account_pacer.h"
#include "gateway/circuit_breaker.h"
#include "gateway/latency_estimate.h"
#include "gateway/rate_limit_headers.h"
#include "gateway/route_choice.h"
#include "gateway/upstream_set.h"

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000'000'000;
constexpr PacerCost kCost{.total_tokens = 2'000, .input_tokens = 1'500, .output_tokens = 500};

PacerOptions tier_five() {
    PacerOptions options;
    options.limits = {5'000, 12'000'000, 0, 0};
    return options;
}

/// The whole life of a call that does not wait, with headers, at 80 calls a second.
void BM_PacerCall(benchmark::State& state) {
    SharedAccountPacer pacer(tier_five());
    PacerAnswer answer;
    answer.report.of(LimitMeter::requests) = {5'000, 1'000, -1};
    answer.report.of(LimitMeter::total_tokens) = {12'000'000, 2'000'000, -1};
    std::int64_t now = 0;
    for (auto _ : state) {
        now += 13 * kMs;
        auto ticket = pacer.take(now, kCost);
        if (!ticket) continue;
        pacer.on_answer(now, &*ticket, answer);
        pacer.on_end(now, &*ticket, {.input_tokens = 1'520});
    }
}
BENCHMARK(BM_PacerCall);

/// A queue's head against a full minute: when may it start?
void BM_PacerEarliestStartSaturated(benchmark::State& state) {
    AccountPacer pacer(tier_five());
    std::int64_t now = 0;
    while (now < 100 * kSecond) {
        if (!pacer.take(now, kCost)) now = pacer.earliest_start(now, kCost).at_ns;
    }
    for (auto _ : state) benchmark::DoNotOptimize(pacer.earliest_start(now, kCost));
}
BENCHMARK(BM_PacerEarliestStartSaturated);

/// The slowest look into the window: half of it has to leave before there is room.
void BM_PacerEarliestStartLargeCost(benchmark::State& state) {
    AccountPacer pacer(tier_five());
    std::int64_t now = 0;
    while (now < 100 * kSecond) {
        if (!pacer.take(now, kCost)) now = pacer.earliest_start(now, kCost).at_ns;
    }
    const PacerCost large{.total_tokens = 6'000'000};
    for (auto _ : state) benchmark::DoNotOptimize(pacer.earliest_start(now, large));
}
BENCHMARK(BM_PacerEarliestStartLargeCost);

void BM_ReadOpenAiHeaders(benchmark::State& state) {
    const UtcMicros now{1'795'000'000'000'000};
    for (auto _ : state) {
        RateLimitReport report;
        read_rate_limit_header("content-type", "application/json", now, &report);
        read_rate_limit_header("x-ratelimit-limit-requests", "10000", now, &report);
        read_rate_limit_header("x-ratelimit-remaining-requests", "9999", now, &report);
        read_rate_limit_header("x-ratelimit-reset-requests", "6ms", now, &report);
        read_rate_limit_header("x-ratelimit-limit-tokens", "2000000", now, &report);
        read_rate_limit_header("x-ratelimit-remaining-tokens", "1999000", now, &report);
        read_rate_limit_header("x-ratelimit-reset-tokens", "6m0s", now, &report);
        read_rate_limit_header("x-request-id", "req_0123456789", now, &report);
        benchmark::DoNotOptimize(report);
    }
}
BENCHMARK(BM_ReadOpenAiHeaders);

void BM_ChooseRoute(benchmark::State& state) {
    const auto count = static_cast<std::size_t>(state.range(0));
    std::vector<DeploymentTraits> traits(count);
    std::vector<RouteOption> options(count);
    for (std::size_t i = 0; i < count; ++i) {
        traits[i] = {.name = "d",
                     .provider = "openai",
                     .region = i % 2 == 0 ? "eu-central" : "us",
                     .pool = ""};
        options[i].traits = &traits[i];
        options[i].load_ns = static_cast<double>(i * 7 % 5) * 1e9;
    }
    const RoutePolicy policy{.regions = std::vector<std::string>{"us", "eu-central"},
                             .order = RouteOrder::latency,
                             .scan = RouteScan::two_choices};
    Rng rng(1);
    RouteChoice choice;
    for (auto _ : state) {
        choose_route(0, policy, options, &rng, &choice);
        benchmark::DoNotOptimize(choice.candidates.data());
    }
}
BENCHMARK(BM_ChooseRoute)->Arg(2)->Arg(8)->Arg(32);

void BM_BreakerCall(benchmark::State& state) {
    Rng rng(1);
    CircuitBreaker breaker({}, &rng);
    std::int64_t now = 0;
    for (auto _ : state) {
        now += kMs;
        if (const auto pass = breaker.begin(now)) breaker.end(now, *pass, CallVerdict::success);
    }
}
BENCHMARK(BM_BreakerCall);

void BM_LatencyObserve(benchmark::State& state) {
    LatencyEstimate latency;
    std::int64_t now = 0;
    for (auto _ : state) {
        now += 12 * kMs;
        latency.on_first_byte(now, 400 * kMs + now % 97 * kMs);
        benchmark::DoNotOptimize(latency.load_ns(now));
    }
}
BENCHMARK(BM_LatencyObserve);

void BM_LatencyQuantile(benchmark::State& state) {
    LatencyEstimate latency;
    for (int i = 0; i < 1'000; ++i) latency.on_first_byte(i * kMs, (200 + i) * kMs);
    for (auto _ : state) benchmark::DoNotOptimize(latency.quantile_ns(kSecond, 0.95));
}
BENCHMARK(BM_LatencyQuantile);

/// All that the upstream side costs a call to one healthy account: begin, answer, end, and what
/// compares deployments.
void run_one_deployment(benchmark::State& state, const UpstreamLimits& limits) {
    auto options = std::make_shared<GatewayOptions>();
    UpstreamOptions upstream;
    upstream.name = "east";
    upstream.models = {{"*", ""}};
    upstream.limits = limits;
    options->upstreams = {upstream};
    UpstreamStates states;
    MetricsRegistry registry;
    const auto set =
        states.configure(RouteTable::build(options->upstreams).value(), options, &registry, 1);
    std::int64_t now = 1'000'000'000;
    for (auto _ : state) {
        now += 1'000'000;
        UpstreamTicket ticket;
        DeploymentState& account = set->state(0);
        benchmark::DoNotOptimize(
            account.begin(now, "gpt-4o", {.total_tokens = 100}, nullptr, &ticket));
        set->observe(now, 0, account.on_answer(now + 500'000, &ticket, {}), 500'000);
        account.finish(now + 600'000, &ticket, {}, false);
    }
}
void BM_unlimited_deployment(benchmark::State& state) {
    run_one_deployment(state, {});
}
void BM_limited_deployment(benchmark::State& state) {
    run_one_deployment(state, {.requests_per_minute = 1'000'000, .tokens_per_minute = 100'000'000});
}
BENCHMARK(BM_unlimited_deployment);
BENCHMARK(BM_limited_deployment);

}  // namespace
}  // namespace tg

BENCHMARK_MAIN();
