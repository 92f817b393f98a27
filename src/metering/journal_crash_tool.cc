// A gate without a network, to be killed: several threads reserve, settle and abandon calls, and
// after each step the number of the call and what became of it goes to standard output. usage:
// journal_crash_tool DIRECTORY FIRST_ID SEED
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <semaphore>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "metering/test_records.h"
#include "metering/usage_journal.h"

namespace tg {
namespace {

class Waiter final : public DurableWaiter {
  public:
    void on_durable(bool is_ok) noexcept override {
        if (!is_ok) std::abort();
        done_.release();
    }
    void wait() { done_.acquire(); }

  private:
    std::binary_semaphore done_{0};
};

/// One line of the protocol with the test: eight bytes, which a pipe takes whole.
void report(char what, std::uint64_t n) {
    const std::uint64_t word = n << 8 | static_cast<unsigned char>(what);
    if (::write(STDOUT_FILENO, &word, sizeof word) != sizeof word) std::_Exit(3);
}

void run_calls(UsageJournal& journal, std::atomic<std::uint64_t>& next_id, std::uint64_t seed) {
    Rng rng(seed);
    std::vector<Reservation> open;
    for (;;) {
        if (open.size() < 1 + rng.below(6)) {
            const std::uint64_t n = next_id.fetch_add(1);
            auto reservation = journal.reserve(test_reserved(n));
            if (!reservation.ok()) {
                std::this_thread::yield();  // the next segment is being allocated; the number stays
                                            // unused
                continue;
            }
            open.push_back(*reservation);
            report('R', n);
            continue;
        }
        const std::size_t at = rng.below(open.size());
        const Reservation reservation = open[at];
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
        const std::uint64_t n = reservation.id.low;
        const bool is_abandoned = rng.chance_per_mille(100);
        const Lsn end = is_abandoned ? journal.abandon(reservation, kTestTime)
                                     : journal.settle(reservation, test_event(n));
        report(is_abandoned ? 'A' : 'S', n);
        if (rng.chance_per_mille(300)) {
            Waiter waiter;
            journal.notify_when_durable(end, &waiter);
            waiter.wait();
            report('D', n);
        }
    }
}

int run(char** arguments) {
    JournalOptions options;
    options.directory = arguments[1];
    options.segment_bytes = 64U << 10;
    options.commit_interval_us = 200;
    auto journal = UsageJournal::open(options);
    if (!journal.ok()) {
        std::fprintf(stderr, "%s\n", journal.error().text().c_str());
        return 1;
    }
    std::atomic<std::uint64_t> next_id{std::strtoull(arguments[2], nullptr, 10)};
    const std::uint64_t seed = std::strtoull(arguments[3], nullptr, 10);
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < 3; ++i) {
        threads.emplace_back([&, i] { run_calls(**journal, next_id, seed * 10 + i); });
    }
    for (std::thread& thread : threads) thread.join();
    return 0;
}

}  // namespace
}  // namespace tg

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: %s DIRECTORY FIRST_ID SEED\n", argv[0]);
        return 2;
    }
    return tg::run(argv);
}
