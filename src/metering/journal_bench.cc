// What the journal costs: build/release/src/metering/journal_bench
// The directory is a temporary one; TMPDIR chooses the disk.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>
#include <semaphore>
#include <thread>

#include "metering/journal_text.h"
#include "metering/test_records.h"
#include "metering/usage_journal.h"

namespace tg {
namespace {

/// A journal in a directory of its own, removed at the end.
class BenchJournal {
  public:
    explicit BenchJournal(std::uint32_t segment_bytes, std::int64_t commit_interval_us = 1000) {
        std::string name = (std::filesystem::temp_directory_path() / "tg_journal_XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        options_.directory = name;
        options_.segment_bytes = segment_bytes;
        options_.commit_interval_us = commit_interval_us;
        journal_ = UsageJournal::open(options_).value();
    }
    ~BenchJournal() {
        journal_.reset();
        std::filesystem::remove_all(options_.directory);
    }
    BenchJournal(const BenchJournal&) = delete;
    BenchJournal& operator=(const BenchJournal&) = delete;
    UsageJournal& operator*() { return *journal_; }
    UsageJournal* operator->() { return journal_.get(); }
    const std::string& directory() const { return options_.directory; }

    /// A writer faster than the disk allocates waits here, outside of what is measured.
    Reservation reserve(const ReservedRecord& record) {
        for (;;) {
            if (auto reservation = journal_->reserve(record); reservation.ok()) return *reservation;
            std::this_thread::yield();
        }
    }

  private:
    JournalOptions options_;
    std::unique_ptr<UsageJournal> journal_;
};

/// reserve() and settle() of one call on one thread, syncs going on beside it every 20 ms.
void BM_append_pair(benchmark::State& state) {
    BenchJournal journal(1U << 30);
    const ReservedRecord reserved = test_reserved(1);
    const UsageEvent event = test_event(1);
    for (auto _ : state) {
        const Reservation reservation = journal.reserve(reserved);
        benchmark::DoNotOptimize(journal->settle(reservation, event));
    }
    state.SetItemsProcessed(state.iterations());
    state.counters["record_bytes"] =
        static_cast<double>(journal->stats().bytes) / static_cast<double>(journal->stats().records);
}
BENCHMARK(BM_append_pair)
    ->Iterations(1'000'000)
    ->Repetitions(3)
    ->ReportAggregatesOnly(true)
    ->UseRealTime();

class SemaphoreWaiter final : public DurableWaiter {
  public:
    void on_durable(bool is_ok) noexcept override {
        if (!is_ok) std::abort();
        done_.release();
    }
    void wait() { done_.acquire(); }

  private:
    std::binary_semaphore done_{0};
};

/// Each of the threads waits for every one of its events to be durable.
void BM_durable_settle(benchmark::State& state) {
    static std::unique_ptr<BenchJournal> journal;
    if (state.thread_index() == 0)
        journal = std::make_unique<BenchJournal>(256U << 20, state.range(0));
    const ReservedRecord reserved = test_reserved(1);
    const UsageEvent event = test_event(1);
    for (auto _ : state) {
        SemaphoreWaiter waiter;
        const Lsn end = (*journal)->settle(journal->reserve(reserved), event);
        (*journal)->notify_when_durable(end, &waiter);
        waiter.wait();
    }
    state.SetItemsProcessed(2 * state.iterations());  // records
    if (state.thread_index() == 0) {
        state.counters["syncs"] = static_cast<double>((*journal)->stats().syncs);
        journal.reset();
    }
}
BENCHMARK(BM_durable_settle)->Arg(0)->Arg(1000)->Threads(1)->Threads(64)->UseRealTime();

/// 64 calls wait at any moment on one thread, as on a gate's event loop; the commit thread tells
/// them.
void BM_durable_settle_one_loop(benchmark::State& state) {
    struct Slot final : DurableWaiter {
        void on_durable(bool is_ok) noexcept override {
            if (!is_ok) std::abort();
            is_done.store(true, std::memory_order_release);
            is_done.notify_one();
        }
        std::atomic<bool> is_done{true};
    };
    BenchJournal journal(256U << 20, state.range(0));
    const ReservedRecord reserved = test_reserved(1);
    const UsageEvent event = test_event(1);
    std::array<Slot, 64> slots;
    std::size_t at = 0;
    for (auto _ : state) {
        Slot& slot = slots[at++ % slots.size()];
        slot.is_done.wait(false, std::memory_order_acquire);
        slot.is_done.store(false, std::memory_order_relaxed);
        journal->notify_when_durable(journal->settle(journal.reserve(reserved), event), &slot);
    }
    for (Slot& slot : slots) slot.is_done.wait(false, std::memory_order_acquire);
    state.SetItemsProcessed(2 * state.iterations());
    state.counters["syncs"] = static_cast<double>(journal->stats().syncs);
}
BENCHMARK(BM_durable_settle_one_loop)->Arg(0)->Arg(1000)->UseRealTime();

constexpr std::uint64_t kCallsToRead = 500'000;

BenchJournal& filled_journal() {
    static std::unique_ptr<BenchJournal> journal;
    if (journal == nullptr) {
        journal = std::make_unique<BenchJournal>(64U << 20);
        for (std::uint64_t n = 0; n < kCallsToRead; ++n) {
            (*journal)->settle(journal->reserve(test_reserved(n)), test_event(n));
        }
    }
    return *journal;
}

void BM_read(benchmark::State& state) {
    const BenchJournal& journal = filled_journal();
    std::int64_t records = 0;
    for (auto _ : state) {
        auto reader = JournalReader::open(journal.directory(), {}).value();
        JournalRecord record;
        while (reader->next(&record, kNoLimit).value()) ++records;
    }
    state.SetItemsProcessed(records);
}
BENCHMARK(BM_read)->Unit(benchmark::kMillisecond);

void BM_verify(benchmark::State& state) {
    const BenchJournal& journal = filled_journal();
    for (auto _ : state) {
        if (!verify_journal(journal.directory()).value().is_sound())
            state.SkipWithError("the journal is not sound");
    }
    state.SetItemsProcessed(2 * static_cast<std::int64_t>(kCallsToRead) * state.iterations());
}
BENCHMARK(BM_verify)->Unit(benchmark::kMillisecond);

void BM_dump(benchmark::State& state) {
    const BenchJournal& journal = filled_journal();
    std::int64_t records = 0;
    std::string line;
    for (auto _ : state) {
        auto reader = JournalReader::open(journal.directory(), {}).value();
        for (JournalRecord record; reader->next(&record, kNoLimit).value(); ++records) {
            line.clear();
            append_json(line, record);
            benchmark::DoNotOptimize(line.data());
        }
    }
    state.SetItemsProcessed(records);
}
BENCHMARK(BM_dump)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tg

BENCHMARK_MAIN();
