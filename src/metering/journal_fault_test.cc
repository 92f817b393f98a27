// A full disk, a failing sync, and who is told what.
#include <sys/resource.h>

#include <cerrno>
#include <csignal>

#include "metering/test_journal.h"

namespace tg {
namespace {

TEST(JournalFault, full_disk_refuses_new_requests_and_keeps_what_was_accepted) {
    const TempDirectory dir;
    TestFs fs;
    JournalOptions options = small_journal(dir);
    options.fs = &fs;
    options.allocation_retry_us = 1000;
    auto journal = must_open(options);
    fs.allocation_error = ENOSPC;
    std::vector<Reservation> open;
    for (std::uint64_t n = 0; journal->accepts_requests(); ++n) {
        auto reservation = journal->reserve(test_reserved(n));
        if (!reservation.ok()) {
            EXPECT_EQ(reservation.error().code, ErrorCode::journal_unavailable);
            continue;
        }
        open.push_back(*reservation);
        if (open.size() > 8) {
            journal->settle(open.front(), test_event(open.front().id.low));
            open.erase(open.begin());
        }
    }
    EXPECT_NE(journal->failure().find("No space left on device"), std::string::npos)
        << journal->failure();
    const auto refused = journal->reserve(test_reserved(1'000'000));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::journal_unavailable);
    EXPECT_EQ(refused.error().detail, journal->failure());
    ASSERT_FALSE(open.empty());
    Lsn last;
    for (const Reservation& reservation : open)
        last = journal->settle(reservation, test_event(reservation.id.low));
    EXPECT_TRUE(wait_durable(*journal, last));

    fs.allocation_error = 0;
    EXPECT_TRUE(eventually([&] { return journal->accepts_requests(); }));
    EXPECT_EQ(journal->failure(), "");
    journal->settle(must_reserve(*journal, test_reserved(2'000'000)), test_event(2'000'000));
    const ReadResult read = read_all(dir.path());
    EXPECT_EQ(read.error, "");
    EXPECT_EQ(read.records.size(), journal->stats().records);
    EXPECT_EQ(read.records.back().id, test_id(2'000'000));
}

// The room promise, at its edge: every reservation that was let in gets the largest end there is,
// with no allocation. The next segment stays "being allocated", so that only the room decides.
TEST(JournalFault, every_open_reservation_has_room_for_the_largest_end) {
    const TempDirectory dir;
    TestFs fs;
    JournalOptions options = small_journal(dir);
    options.fs = &fs;
    auto journal = must_open(options);
    fs.is_allocation_held = true;
    const std::string longest(255, 'x');
    std::vector<Reservation> open;
    for (std::uint64_t n = 0;; ++n) {
        ReservedRecord record = test_reserved(n);
        if (n % 2 == 0)
            record.model = record.deployment = record.provider = record.region = longest;
        auto reservation = journal->reserve(record);
        if (!reservation.ok()) break;
        open.push_back(*reservation);
    }
    EXPECT_TRUE(journal->accepts_requests());
    EXPECT_GT(open.size(), 20u);
    for (const Reservation& reservation : open) {
        UsageEvent event = test_event(reservation.id.low);
        event.model = event.upstream_model = event.deployment = event.provider = event.region =
            event.end_user = event.upstream_request_id = event.asked_model = longest;
        event.usage.quantity.fill(-1);
        journal->settle(reservation, event);
    }
    const ReadResult read = read_all(dir.path());
    EXPECT_EQ(read.error, "");
    EXPECT_EQ(read.records.size(), 2 * open.size());
    fs.is_allocation_held = false;
    fs.is_allocation_held.notify_all();
}

TEST(JournalFault, disk_full_at_start_opens_and_says_so) {
    const TempDirectory dir;
    TestFs fs;
    JournalOptions options = small_journal(dir);
    options.fs = &fs;
    options.allocation_retry_us = 1000;
    fs.allocation_error = ENOSPC;
    // Not even the first segment: there is nothing to write to.
    const auto nothing = UsageJournal::open(options);
    ASSERT_FALSE(nothing.ok());
    EXPECT_EQ(nothing.error().code, ErrorCode::io_error);
    EXPECT_NE(nothing.error().detail.find("No space left on device"), std::string::npos);
    fs.allocation_error = 0;
    auto journal = must_open(options);
    EXPECT_TRUE(journal->accepts_requests());
}

// The limit on file sizes makes the kernel itself refuse to allocate.
TEST(JournalFault, refusal_by_the_kernel_is_handled_alike) {
    const TempDirectory dir;
    JournalOptions options = small_journal(dir);
    options.allocation_retry_us = 1000;
    auto journal = must_open(options);
    rlimit old_limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit low{32U << 10, old_limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
    std::uint64_t calls = 0;
    for (; journal->accepts_requests(); ++calls) {
        auto reservation = journal->reserve(test_reserved(calls));
        if (reservation.ok()) journal->settle(*reservation, test_event(calls));
    }
    const std::string failure = journal->failure();
    ::setrlimit(RLIMIT_FSIZE, &old_limit);
    EXPECT_NE(failure.find("File too large"), std::string::npos) << failure;
    EXPECT_TRUE(eventually([&] { return journal->accepts_requests(); }));
    std::signal(SIGXFSZ, old_handler);
    EXPECT_EQ(read_all(dir.path()).records.size(), journal->stats().records);
}

TEST(JournalFault, failed_sync_is_final_until_reopened) {
    const TempDirectory dir;
    TestFs fs;
    JournalOptions options = small_journal(dir);
    options.fs = &fs;
    auto journal = must_open(options);
    const Lsn good = journal->settle(must_reserve(*journal, test_reserved(1)), test_event(1));
    ASSERT_TRUE(wait_durable(*journal, good));
    const Reservation open = must_reserve(*journal, test_reserved(3));

    fs.sync_error = EIO;
    const Lsn lost = journal->settle(must_reserve(*journal, test_reserved(2)), test_event(2));
    EXPECT_FALSE(wait_durable(*journal, lost));
    EXPECT_FALSE(journal->accepts_requests());
    EXPECT_NE(journal->failure().find("Input/output error"), std::string::npos)
        << journal->failure();
    EXPECT_NE(journal->failure().find("restarted"), std::string::npos);
    const auto refused = journal->reserve(test_reserved(4));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::journal_unavailable);

    // A later sync that succeeds would prove nothing, so none is made.
    fs.sync_error = 0;
    const int syncs = fs.syncs;
    const Lsn late = journal->settle(open, test_event(3));
    TestWaiter waiter;
    journal->notify_when_durable(late, &waiter);
    EXPECT_EQ(waiter.calls(), 1);
    EXPECT_FALSE(waiter.wait());
    EXPECT_TRUE(wait_durable(*journal, good));
    EXPECT_EQ(journal->durable_end(), journal->wait_for_more(journal->durable_end(), 1));
    journal->close();
    EXPECT_EQ(fs.syncs, syncs);

    journal = must_open(options);
    EXPECT_TRUE(journal->accepts_requests());
    EXPECT_EQ(journal->stats().recovered_unconfirmed, 0u);
    EXPECT_EQ(read_all(dir.path()).records.size(), 6u);
}

TEST(JournalFault, one_sync_serves_all_who_came_while_the_last_one_ran) {
    const TempDirectory dir;
    TestFs fs;
    JournalOptions options = small_journal(dir);
    options.fs = &fs;
    options.commit_interval_us = 0;
    auto journal = must_open(options);
    class Recorder final : public DurableWaiter {
      public:
        void on_durable(bool is_ok) noexcept override {
            EXPECT_TRUE(is_ok);
            order->push_back(number);
            ++*told;
        }
        std::vector<int>* order = nullptr;
        std::atomic<int>* told = nullptr;
        int number = 0;
    };
    std::vector<int> order;
    std::atomic<int> told{0};
    std::vector<Recorder> waiters(50);
    fs.hold();
    const int before = fs.syncs;
    TestWaiter first;
    journal->notify_when_durable(
        journal->settle(must_reserve(*journal, test_reserved(99)), test_event(99)), &first);
    fs.wait_until_held();
    for (int i = 0; i < 50; ++i) {
        const auto n = static_cast<std::uint64_t>(i);
        waiters[n].order = &order;
        waiters[n].told = &told;
        waiters[n].number = i;
        journal->notify_when_durable(
            journal->settle(must_reserve(*journal, test_reserved(n)), test_event(n)), &waiters[n]);
    }
    EXPECT_EQ(told, 0);
    EXPECT_LT(journal->durable_end(), Lsn{(std::uint64_t{1} << 32) + journal::kHeaderBytes + 1});
    fs.release();
    EXPECT_TRUE(eventually([&] { return told == 50; }));
    // The held sync may have begun with the reservation alone; then its waiter needed one more
    // before the fifty's.
    EXPECT_LE(fs.syncs - before, 3);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
    EXPECT_TRUE(first.wait());
}

TEST(JournalFault, nothing_new_means_no_sync) {
    const TempDirectory dir;
    TestFs fs;
    JournalOptions options = small_journal(dir);
    options.fs = &fs;
    auto journal = must_open(options);
    const Lsn end = journal->settle(must_reserve(*journal, test_reserved(1)), test_event(1));
    ASSERT_TRUE(wait_durable(*journal, end));
    const int syncs = fs.syncs;
    EXPECT_EQ(journal->wait_for_more(end, 100'000), end);
    EXPECT_EQ(fs.syncs, syncs);
}

}  // namespace
}  // namespace tg
