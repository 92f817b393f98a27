// What a call pays for its limits on the way: build/release/src/gateway/admit_bench. Without any
// limit (levels are counted only), and with token limits (the status for the headers besides).
#include <benchmark/benchmark.h>

#include "base/metrics.h"
#include "gateway/caller_levels.h"
#include "gateway/gate_admission.h"

namespace tg {
namespace {

constexpr std::uint32_t kKeys = 10'000;

struct Nobody final : AdmissionWaiter {
    void on_outcome(const WaitOutcome&, bool) noexcept override {}
};

class Bench {
  public:
    explicit Bench(std::shared_ptr<const LimitTable> table)
        : admission_({.clock = &system_clock(), .metrics = &metrics_, .limits = table}),
          cache_(std::move(table), &admission_.levels()) {
        keys_.reserve(kKeys);
        for (std::uint32_t i = 1; i <= kKeys; ++i)
            keys_.push_back({.id = KeyId(i), .created_at = {}});
    }
    void call(std::uint32_t at) {
        const Caller caller{&keys_[at % kKeys], &project_, &customer_};
        const CallerLevels& levels = cache_.find(caller);
        benchmark::DoNotOptimize(cache_.find_model(customer_.id, "gpt-4o"));
        Nobody nobody;
        const auto answer = admission_.reserve({.levels = levels.levels,
                                                .amounts = {1, 500, 500},
                                                .customer = 1,
                                                .flow = keys_[at % kKeys].id.get()},
                                               &nobody);
        if (levels.has_limits) benchmark::DoNotOptimize(admission_.rate_status(levels.levels));
        admission_.settle(answer.decision.ticket, {1, 480, 200});
    }

  private:
    MetricsRegistry metrics_;
    GateAdmission admission_;
    CallerLevelCache cache_;
    std::vector<ApiKey> keys_;
    Project project_{.id = ProjectId(1), .customer = CustomerId(1)};
    Customer customer_{.id = CustomerId(1)};
};

std::shared_ptr<const LimitTable> limited() {
    LimitAssignment customer{.subject = LimitSubject::of(CustomerId(1)), .tier = "unlimited"};
    customer.own.of(LimitKind::total_tokens) = kTierLimitMax;
    const auto tiers = default_tiers();
    return LimitTable::build({tiers.begin(), tiers.end()}, {std::move(customer)}).value();
}

void BM_call(benchmark::State& state) {
    Bench bench(state.range(0) == 0 ? LimitTable::unlimited() : limited());
    std::uint32_t at = 0;
    for (auto _ : state) bench.call(at += 7);
}
BENCHMARK(BM_call)->ArgName("has_limits")->Arg(0)->Arg(1);

}  // namespace
}  // namespace tg

BENCHMARK_MAIN();
