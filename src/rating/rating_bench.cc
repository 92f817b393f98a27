// rate(), worst_case() and Catalogue::find() over the shipped price book; one iteration is one
// call.
#include <benchmark/benchmark.h>

#include "rating/default_prices.h"
#include "rating/litellm_import.h"
#include "rating/rate.h"

namespace tg {
namespace {

constexpr UtcMicros kNow{1'790'000'000'000'000};

const Catalogue& book() {
    static const auto kBook = [] {
        const auto rules = parse_price_rules(embedded_default_price_rules());
        auto report = import_litellm(embedded_default_prices(), {UtcMicros{0}, "bench", *rules});
        return *Catalogue::build(PriceVersionId{1}, std::move(report->prices), {});
    }();
    return *kBook;
}

void BM_rate(benchmark::State& state) {
    const CompiledPrice& price = *book().find("gpt-5.6", "openai", kNow)->price;
    Usage usage;
    usage[Meter::input] = 1200;
    usage[Meter::cache_read] = 800;
    usage[Meter::output] = 300;
    usage[Meter::reasoning] = 150;
    for (auto _ : state) {
        ++usage[Meter::input];
        benchmark::DoNotOptimize(rate(usage, price, ServiceTier::standard, "eu"));
    }
}
BENCHMARK(BM_rate);

void BM_worst_case(benchmark::State& state) {
    const CompiledPrice& price = *book().find("gpt-5.6", "openai", kNow)->price;
    std::int64_t input = 1200;
    for (auto _ : state)
        benchmark::DoNotOptimize(worst_case(++input, 4096, price, ServiceTier::standard, "eu"));
}
BENCHMARK(BM_worst_case);

void find_each(benchmark::State& state, std::string_view model, std::string_view provider) {
    const Catalogue& catalogue = book();
    for (auto _ : state) {
        benchmark::DoNotOptimize(model);
        benchmark::DoNotOptimize(catalogue.find(model, provider, kNow));
    }
}
void BM_find_exact(benchmark::State& state) {
    find_each(state, "gpt-4o-mini", "openai");
}
BENCHMARK(BM_find_exact);
void BM_find_prefixed(benchmark::State& state) {
    find_each(state, "gpt-4o-mini", "azure");
}
BENCHMARK(BM_find_prefixed);
void BM_find_without_date(benchmark::State& state) {
    find_each(state, "gpt-4o-mini-2031-01-01", "openai");
}
BENCHMARK(BM_find_without_date);

void BM_import_shipped_list(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(
            import_litellm(embedded_default_prices(), {UtcMicros{0}, "bench", {}}));
    }
}
BENCHMARK(BM_import_shipped_list)->Unit(benchmark::kMillisecond);

void BM_build_catalogue(benchmark::State& state) {
    const std::vector<ModelPrice> prices = book().prices();
    for (auto _ : state) benchmark::DoNotOptimize(Catalogue::build(PriceVersionId{1}, prices, {}));
}
BENCHMARK(BM_build_catalogue)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tg

BENCHMARK_MAIN();
