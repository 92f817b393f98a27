#pragma once
// The journal that writes. One lock covers the place where records go and the lists below it; it is
// held for a copy into the page cache, never for a system call but the wake-up of an idle commit
// thread.
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "metering/internal/journal_lock.h"
#include "metering/internal/recovery.h"
#include "metering/internal/segment.h"
#include "metering/usage_journal.h"

namespace tg::journal {

class Journal final : public UsageJournal {
  public:
    Journal(JournalOptions options, JournalLock lock);
    ~Journal() override;

    /// Recovers and starts the threads. Errors: as UsageJournal::open().
    Status start();

    bool accepts_requests() const override { return accepts_.load(std::memory_order_acquire); }
    std::string failure() const override;
    Result<Reservation> reserve(const ReservedRecord& record) override;
    Lsn settle(const Reservation& reservation, const UsageEvent& event) override;
    Lsn abandon(const Reservation& reservation, UtcMicros at) override;
    Lsn durable_end() const override { return {durable_end_.load(std::memory_order_acquire)}; }
    void notify_when_durable(Lsn lsn, DurableWaiter* waiter) override;
    Lsn wait_for_more(Lsn after, std::int64_t timeout_us) override;
    Stats stats() const override;
    void close() override;

  private:
    using SteadyTime = std::chrono::steady_clock::time_point;

    /// Waiters in the order they came, linked through themselves.
    struct WaiterList {
        DurableWaiter* first = nullptr;
        DurableWaiter* last = nullptr;
    };

    // usage_journal.cc: under the lock unless said otherwise.
    Status settle_recovered(const Recovered& recovered);
    Lsn append(RecordBuffer& record);
    Lsn end_reservation(const Reservation& reservation, RecordBuffer& record);
    void rotate();
    std::uint64_t room() const;
    std::uint32_t first_open() const { return first_counted_; }
    void wake_commit(std::unique_lock<std::mutex>& lock);
    Status add_segment();  ///< without the lock
    std::size_t wanted_ready() const;
    void push(WaiterList& list, DurableWaiter* waiter);

    // journal_threads.cc
    void commit_loop();
    bool wait_for_work(std::unique_lock<std::mutex>& lock);
    void sync_once(std::unique_lock<std::mutex>& lock);
    void tell_waiters(std::unique_lock<std::mutex>& lock, Lsn durable, bool is_ok);
    void fail_for_good(std::unique_lock<std::mutex>& lock, const Error& error);
    void prepare_loop();
    void note_allocation(std::unique_lock<std::mutex>& lock, const Status& result);
    void update_accepts();
    Status finish();

    const JournalOptions options_;
    JournalFs& fs_;
    const Clock& clock_;
    std::optional<JournalLock> lock_file_;  ///< until close()

    mutable std::mutex mutex_;
    std::unique_ptr<Segment> current_;
    std::deque<std::unique_ptr<Segment>> ready_;  ///< allocated, to be written to next
    std::deque<std::unique_ptr<Segment>>
        retired_;  ///< full, not yet synced; only the commit thread removes
    std::deque<std::unique_ptr<Segment>> to_trim_;  ///< full and synced
    std::uint32_t next_segment_ = 1;                ///< number of the next one to allocate
    std::uint64_t next_sequence_ = 1;
    Lsn append_end_;
    /// Open reservations by segment, from first_counted_ to the current one; the first has some, or
    /// is the current.
    std::deque<std::uint32_t> open_counts_;
    std::uint32_t first_counted_ = 1;
    std::uint64_t open_total_ = 0;
    /// first_open() as of the last sync: what recovery may rely on, whatever is lost after it.
    std::uint32_t durable_first_open_ = 1;
    Stats stats_;

    WaiterList waiters_;
    int blocked_readers_ = 0;  ///< in wait_for_more()
    bool is_commit_idle_ = false, is_commit_lazy_ = false;
    bool is_stopping_ = false, is_closed_ = false;
    std::string sync_failure_;        ///< for good
    std::string allocation_failure_;  ///< until an allocation succeeds
    SteadyTime last_sync_;

    std::atomic<std::uint64_t> durable_end_{0};
    std::atomic<bool> accepts_{false};
    std::condition_variable commit_wake_, prepare_wake_, more_durable_;
    std::thread commit_thread_, prepare_thread_;
};

}  // namespace tg::journal
