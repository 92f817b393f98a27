// Many threads on one journal; the sanitizers' main course.
#include <map>

#include "metering/test_journal.h"

namespace tg {
namespace {

constexpr int kThreads = 4;
#ifdef TG_DEBUG
constexpr std::uint64_t kCallsEach = 1500;
#else
constexpr std::uint64_t kCallsEach = 8000;
#endif

TEST(JournalThreads, writers_waiters_and_a_reader_of_durable_records_at_once) {
    const TempDirectory dir;
    JournalOptions options = small_journal(dir);
    options.segment_bytes = 256U << 10;
    options.commit_interval_us = 100;
    auto journal = must_open(options);
    std::atomic<std::uint64_t> told{0};
    class Counter final : public DurableWaiter {
      public:
        void on_durable(bool is_ok) noexcept override { *told += is_ok ? 1U : 0U; }
        std::atomic<std::uint64_t>* told = nullptr;
    };
    std::vector<std::vector<Counter>> waiters(kThreads, std::vector<Counter>(kCallsEach));
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            std::vector<Reservation> open;
            for (std::uint64_t i = 0; i < kCallsEach; ++i) {
                const std::uint64_t n = static_cast<std::uint64_t>(t) << 32 | i;
                open.push_back(must_reserve(*journal, test_reserved(n)));
                if (open.size() < 5 && i + 1 < kCallsEach) continue;
                for (const Reservation& reservation : open) {
                    const Lsn end =
                        reservation.id.low % 10 == 0
                            ? journal->abandon(reservation, kTestTime)
                            : journal->settle(reservation, test_event(reservation.id.low));
                    Counter& waiter =
                        waiters[static_cast<std::size_t>(t)][reservation.id.low & 0xffffffff];
                    waiter.told = &told;
                    journal->notify_when_durable(end, &waiter);
                }
                open.clear();
            }
        });
    }
    std::map<RequestId, std::pair<int, int>> seen;
    std::uint64_t records = 0;
    auto reader = JournalReader::open(dir.path(), {}).value();
    std::thread settler([&] {
        Lsn durable = journal->durable_end();
        JournalRecord record;
        while (records < 2 * kThreads * kCallsEach) {
            const Lsn more = journal->wait_for_more(durable, 60'000'000);
            ASSERT_GT(more, durable);
            durable = more;
            for (;;) {
                const Result<bool> found = reader->next(&record, durable);
                ASSERT_TRUE(found.ok()) << found.error().text();
                if (!*found) break;
                ++records;
                const OwnedRecord owned = own(record);
                auto& [reserved, ended] = seen[owned.id];
                ++(owned.kind == RecordKind::reserved ? reserved : ended);
                if (owned.kind == RecordKind::settled)
                    ASSERT_EQ(owned.usage, test_event(owned.id.low).usage);
            }
            ASSERT_EQ(reader->position(), durable);
        }
    });
    for (std::thread& thread : threads) thread.join();
    settler.join();
    EXPECT_TRUE(eventually([&] { return told == kThreads * kCallsEach; })) << told;
    ASSERT_EQ(seen.size(), kThreads * kCallsEach);
    for (const auto& [id, counts] : seen)
        ASSERT_EQ(counts, (std::pair<int, int>{1, 1})) << id.text();
    const UsageJournal::Stats stats = journal->stats();
    EXPECT_EQ(stats.records, 2 * kThreads * kCallsEach);
    EXPECT_EQ(stats.open_reservations, 0u);
}

TEST(JournalThreads, reader_of_all_written_records_never_sees_half_of_one) {
    const TempDirectory dir;
    JournalOptions options = small_journal(dir);
    auto journal = must_open(options);
    std::thread writer([&] {
        for (std::uint64_t n = 0; n < kCallsEach; ++n) {
            journal->settle(must_reserve(*journal, test_reserved(n)), test_event(n));
        }
    });
    auto reader = JournalReader::open(dir.path(), {}).value();
    JournalRecord record;
    for (std::uint64_t i = 0; i < 2 * kCallsEach;) {
        const Result<bool> found = reader->next(&record, kNoLimit);
        ASSERT_TRUE(found.ok()) << found.error().text();
        if (!*found) {
            std::this_thread::yield();
            continue;
        }
        ASSERT_EQ(own(record).id, test_id(i / 2));
        ++i;
    }
    writer.join();
}

TEST(JournalThreads, closing_with_waiters_tells_them_all) {
    for (int round = 0; round < 10; ++round) {
        const TempDirectory dir;
        auto journal = must_open(small_journal(dir));
        std::vector<TestWaiter> waiters(100);
        for (std::uint64_t n = 0; n < waiters.size(); ++n) {
            journal->notify_when_durable(
                journal->settle(must_reserve(*journal, test_reserved(n)), test_event(n)),
                &waiters[n]);
        }
        journal->close();
        for (TestWaiter& waiter : waiters) EXPECT_EQ(waiter.calls(), 1);
    }
}

}  // namespace
}  // namespace tg
