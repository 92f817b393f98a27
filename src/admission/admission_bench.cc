// What admission costs: build/release/src/admission/admission_bench
// Beside it a yardstick: the windows one would write first, a deque of requests for each level
// behind a mutex, which is exact too but neither waits nor corrects in place. `admission_bench
// macro` prints what bench/admission needs, a line a figure: name value.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <deque>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "admission/admission.h"
#include "admission/test_flood.h"
#include "base/rng.h"

namespace tg {
namespace {

constexpr std::size_t kLevels = 5;  // key, project, customer, model, account

/// Exact windows in the plainest way: one entry a request, found again by its number.
class DequeWindows {
  public:
    std::uint32_t add_level(const Limits& limits) {
        levels_.push_back({.limits = limits});
        return static_cast<std::uint32_t>(levels_.size() - 1);
    }
    /// The number of the request, or 0.
    std::uint64_t reserve(std::span<const std::uint32_t> levels, const Amounts& amounts,
                          std::int64_t now_us) {
        const std::lock_guard lock(mutex_);
        for (const std::uint32_t at : levels) {
            Level& level = levels_[at];
            while (!level.taken.empty() && now_us - level.taken.front().at_us > 60'000'000) {
                level.used -= level.taken.front().amounts;
                level.taken.pop_front();
            }
            if (level.in_flight >= level.limits.concurrency ||
                first_above(level.limits, level.used + amounts))
                return 0;
        }
        ++number_;
        for (const std::uint32_t at : levels) {
            Level& level = levels_[at];
            level.taken.push_back({number_, now_us, amounts});
            level.used += amounts;
            ++level.in_flight;
        }
        return number_;
    }
    void settle(std::span<const std::uint32_t> levels, std::uint64_t number,
                const Amounts& actual) {
        const std::lock_guard lock(mutex_);
        for (const std::uint32_t at : levels) {
            Level& level = levels_[at];
            --level.in_flight;
            const auto found = std::ranges::lower_bound(level.taken, number, {}, &Taken::number);
            if (found == level.taken.end() || found->number != number) continue;
            level.used += actual - found->amounts;
            found->amounts = actual;
        }
    }

  private:
    struct Taken {
        std::uint64_t number;
        std::int64_t at_us;
        Amounts amounts;
    };
    struct Level {
        Limits limits;
        Amounts used = kNoAmounts;
        std::int64_t in_flight = 0;
        std::deque<Taken> taken{};
    };
    std::mutex mutex_;
    std::vector<Level> levels_;
    std::uint64_t number_ = 0;
};

constexpr Limits kLimits{1'000'000, kUnlimited, kUnlimited, 1'000'000'000, 10'000};
constexpr Amounts kReserved{1, 1'000, 1'000};
constexpr Amounts kActual{1, 1'000, 300};
/// Requests a second in virtual time, and how many run at a time.
constexpr std::int64_t kGapUs = 500;
constexpr std::size_t kInFlight = 1'000;

/// A population of keys; five to a project, five projects to a customer, a few models and accounts.
template <typename Handle, typename Make>
std::vector<std::array<Handle, kLevels>> make_paths(std::size_t keys, const Make& make) {
    std::vector<Handle> projects;
    std::vector<Handle> customers;
    std::vector<Handle> models;
    std::vector<Handle> accounts;
    for (std::size_t i = 0; i < keys / 5 + 1; ++i) projects.push_back(make(LevelKind::project, i));
    for (std::size_t i = 0; i < keys / 25 + 1; ++i)
        customers.push_back(make(LevelKind::customer, i));
    for (std::size_t i = 0; i < 20; ++i) models.push_back(make(LevelKind::model, i));
    for (std::size_t i = 0; i < 10; ++i) accounts.push_back(make(LevelKind::account, i));
    std::vector<std::array<Handle, kLevels>> paths;
    for (std::size_t i = 0; i < keys; ++i)
        paths.push_back({make(LevelKind::key, i), projects[i / 5], customers[i / 25],
                         models[i % 20], accounts[i % 10]});
    return paths;
}

/// One reserve and, kInFlight requests later, its settle.
class OursLoop {
  public:
    explicit OursLoop(std::size_t keys)
        : paths_(make_paths<LevelHandle>(keys, [this](LevelKind kind, std::size_t id) {
              return admission_.intern({kind, id}, kLimits);
          })) {}
    void step() {
        settle();
        reserve();
    }
    void settle_batch(std::size_t calls) {
        for (std::size_t i = 0; i < calls; ++i) {
            Ticket& ticket = running_[(count_ + i) % kInFlight];
            admission_.settle(std::exchange(ticket, {}), kActual, now_us_);
        }
    }
    void reserve_batch(std::size_t calls) {
        for (std::size_t i = 0; i < calls; ++i) reserve();
    }
    void settle() {
        const Ticket ticket = running_[count_ % kInFlight];
        if (ticket.generation != 0) admission_.settle(ticket, kActual, now_us_);
    }
    void reserve() {
        now_us_ += kGapUs;
        const auto& path = paths_[rng_.below(paths_.size())];
        const Decision decision =
            admission_.reserve({.levels = path, .amounts = kReserved, .customer = 1}, now_us_);
        if (decision.verdict != Verdict::admitted) std::abort();
        running_[count_++ % kInFlight] = decision.ticket;
    }

  private:
    Admission admission_;
    std::vector<std::array<LevelHandle, kLevels>> paths_;
    std::array<Ticket, kInFlight> running_{};
    Rng rng_{1};
    std::int64_t now_us_ = 0;
    std::size_t count_ = 0;
};

class DequeLoop {
  public:
    explicit DequeLoop(std::size_t keys)
        : paths_(make_paths<std::uint32_t>(
              keys, [this](LevelKind, std::size_t) { return windows_.add_level(kLimits); })) {}
    void step() {
        settle();
        reserve();
    }
    void settle_batch(std::size_t calls) {
        for (std::size_t i = 0; i < calls; ++i) {
            auto& [number, path] = running_[(count_ + i) % kInFlight];
            windows_.settle(paths_[path], std::exchange(number, 0), kActual);
        }
    }
    void reserve_batch(std::size_t calls) {
        for (std::size_t i = 0; i < calls; ++i) reserve();
    }
    void settle() {
        const auto& [number, path] = running_[count_ % kInFlight];
        if (number != 0) windows_.settle(paths_[path], number, kActual);
    }
    void reserve() {
        now_us_ += kGapUs;
        auto& [number, path] = running_[count_++ % kInFlight];
        path = rng_.below(paths_.size());
        number = windows_.reserve(paths_[path], kReserved, now_us_);
        if (number == 0) std::abort();
    }

  private:
    DequeWindows windows_;
    std::vector<std::array<std::uint32_t, kLevels>> paths_;
    std::array<std::pair<std::uint64_t, std::size_t>, kInFlight> running_{};
    Rng rng_{1};
    std::int64_t now_us_ = 0;
    std::size_t count_ = 0;
};

template <typename Loop>
void BM_reserve_settle(benchmark::State& state) {
    Loop loop(static_cast<std::size_t>(state.range(0)));
    for (int i = 0; i < 300'000; ++i) loop.step();  // more than a window: the steady state
    for (auto _ : state) loop.step();
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_reserve_settle<OursLoop>)->Arg(100)->Arg(10'000)->Arg(200'000);
BENCHMARK(BM_reserve_settle<DequeLoop>)->Arg(100)->Arg(10'000)->Arg(200'000);

/// The decision alone: five levels, the fifth of which refuses, nothing being taken.
void BM_refuse(benchmark::State& state) {
    AdmissionCore core({.appointments_flow_max = 0});
    std::array<LevelHandle, kLevels> path;
    for (std::size_t i = 0; i < kLevels; ++i)
        path[i] = core.intern({LevelKind::other, i}, {.requests = i + 1 == kLevels ? 1 : 1'000});
    (void)core.reserve({.levels = path}, 0);
    for (auto _ : state) benchmark::DoNotOptimize(core.reserve({.levels = path}, 1));
}
BENCHMARK(BM_refuse);

/// Under contention: `flows` wait for an account; each step one call ends and one arrives.
void BM_contended(benchmark::State& state) {
    AdmissionCore core({.queue_max = 100'000, .queue_customer_max = 100'000});
    const LevelHandle account = core.intern({LevelKind::account, 0}, {.concurrency = 100});
    const auto flows = static_cast<std::uint64_t>(state.range(0));
    std::vector<LevelHandle> keys;
    for (std::uint64_t i = 0; i < flows; ++i) keys.push_back(core.intern({LevelKind::key, i}));
    std::deque<Ticket> running;
    std::vector<WaitOutcome> outcomes;
    std::uint64_t sent = 0;
    std::int64_t now_us = 0;
    const auto send = [&] {
        const std::uint64_t flow = sent++ % flows;
        const Decision decision = core.reserve({.levels = std::array{keys[flow], account},
                                                .amounts = {1, 100, 100},
                                                .customer = flow / 5,
                                                .flow = flow,
                                                .max_wait_us = std::int64_t{1} << 40},
                                               now_us);
        if (decision.verdict == Verdict::admitted) running.push_back(decision.ticket);
    };
    for (std::uint64_t i = 0; i < flows + 100; ++i) send();
    for (auto _ : state) {
        now_us += 1'000;
        core.settle(running.front(), {1, 100, 50}, now_us);
        running.pop_front();
        outcomes.clear();
        core.poll(now_us, &outcomes);
        for (const WaitOutcome& outcome : outcomes) running.push_back(outcome.ticket);
        send();
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_contended)->Arg(10)->Arg(1'000)->Arg(10'000);

std::int64_t resident_kb() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
        if (word == "VmRSS:") {
            std::int64_t kb = 0;
            status >> kb;
            return kb;
        }
    return 0;
}

double cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// Prints the time of the two halves, taken in turns of kBatch so that reading the clock costs
/// nothing, each batch settling calls that began kInFlight requests before.
template <typename Loop>
void print_speed(const char* who, std::size_t keys) {
    constexpr std::size_t kBatch = 100;
    constexpr int kBatches = 20'000;
    Loop loop(keys);
    for (int i = 0; i < 300'000; ++i) loop.step();
    double both = 0;
    double settles = 0;
    for (int batch = 0; batch < kBatches; ++batch) {
        const double start = cpu_ns();
        loop.settle_batch(kBatch);
        const double middle = cpu_ns();
        loop.reserve_batch(kBatch);
        settles += middle - start;
        both += cpu_ns() - start;
    }
    constexpr double kCount = static_cast<double>(kBatch) * kBatches;
    std::printf("%s_reserve_ns %.1f\n%s_settle_ns %.1f\n%s_both_ns %.1f\n", who,
                (both - settles) / kCount, who, settles / kCount, who, both / kCount);
}

/// A million keys that have each sent `requests` calls within the window.
void print_memory(int requests) {
    constexpr std::uint64_t kKeys = 1'000'000;
    const std::int64_t before = resident_kb();
    AdmissionCore core;
    const LevelHandle account = core.intern({LevelKind::account, 0}, kLimits);
    std::vector<LevelHandle> keys;
    for (std::uint64_t i = 0; i < kKeys; ++i)
        keys.push_back(core.intern({LevelKind::key, i}, kLimits));
    core.set_limits(account, {}, 0);
    std::int64_t now_us = 0;
    for (int round = 0; round < requests; ++round)
        for (const LevelHandle key : keys) {
            now_us += 10;
            const Decision decision =
                core.reserve({.levels = std::array{key, account}, .amounts = kReserved}, now_us);
            core.settle(decision.ticket, kActual, now_us);
        }
    std::printf("mb_1m_keys_%d %.1f\n", requests,
                static_cast<double>(resident_kb() - before) / 1024.0);
    std::vector<WaitOutcome> none;
    for (std::uint64_t i = 0; i < kKeys / 32; ++i) core.poll(now_us + 120'000'000, &none);
    std::printf("mb_1m_keys_%d_idle %.1f\n", requests,
                static_cast<double>(resident_kb() - before) / 1024.0);
}

int print_macro(std::string_view what) {
    if (what == "memory") {
        print_memory(3);
    } else if (what == "speed") {
        print_speed<OursLoop>("ours", 10'000);
        print_speed<DequeLoop>("deque", 10'000);
    } else if (what == "fairness") {
        for (const std::int64_t factor : {1, 100}) {
            const test::FloodFigures figures = test::flood({.flood_factor = factor});
            std::printf("p99_us_%ld %ld\n", factor, figures.others_p99_us);
            std::printf("wait_p99_us_%ld %ld\n", factor, figures.others_p99_wait_us);
            std::printf("refused_%ld %lu\n", factor, figures.others_refused);
            std::printf("used_per_mille_%ld %ld\n", factor, figures.account_used_per_mille);
        }
    } else {
        std::fprintf(stderr, "admission_bench: error: macro memory|speed|fairness\n");
        return 2;
    }
    return 0;
}

}  // namespace
}  // namespace tg

int main(int argc, char** argv) {
    if (argc == 3 && std::string_view(argv[1]) == "macro") return tg::print_macro(argv[2]);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
