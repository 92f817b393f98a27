// The journal's two threads: one makes records durable, one keeps the next segment allocated.
#include <unistd.h>

#include "base/log.h"
#include "metering/internal/journal.h"

namespace tg::journal {
namespace {

/// How long records nobody waits for may stay in memory only.
constexpr std::chrono::milliseconds kLazySync{20};

}  // namespace

void Journal::commit_loop() {
    std::unique_lock lock(mutex_);
    while (wait_for_work(lock)) sync_once(lock);
}

/// Returns when a sync is due; false when there is none to come.
bool Journal::wait_for_work(std::unique_lock<std::mutex>& lock) {
    const auto is_clean = [&] {
        return append_end_.value == durable_end_.load(std::memory_order_relaxed);
    };
    const auto has_nothing = [&] { return is_clean() || !sync_failure_.empty(); };
    while (has_nothing()) {
        if (is_stopping_) return false;
        is_commit_idle_ = sync_failure_.empty();
        commit_wake_.wait(lock);
        is_commit_idle_ = false;
    }
    const SteadyTime lazy_due = std::chrono::steady_clock::now() + kLazySync;
    while (!is_stopping_) {
        const bool is_lazy = waiters_.first == nullptr;
        const SteadyTime due =
            is_lazy ? lazy_due
                    : last_sync_ + std::chrono::microseconds(options_.commit_interval_us);
        if (std::chrono::steady_clock::now() >= due) break;
        is_commit_lazy_ = is_lazy;
        commit_wake_.wait_until(lock, due);
        is_commit_lazy_ = false;
    }
    return true;
}

void Journal::sync_once(std::unique_lock<std::mutex>& lock) {
    const Lsn target = append_end_;
    const std::uint32_t open_from = first_open();
    Segment& segment = *current_;
    const std::size_t retired = retired_.size();
    last_sync_ = std::chrono::steady_clock::now();
    // Full segments first: nothing of a later one may count as durable before all of an earlier one
    // is.
    for (std::size_t i = 0; i < retired; ++i) {
        Segment& full = *retired_.front();
        lock.unlock();
        const int error = fs_.sync(full.fd());
        if (error == 0) full.write_state(full.end(), durable_first_open_);
        lock.lock();
        if (error != 0) return fail_for_good(lock, io_error("cannot sync", full.path(), error));
        ++stats_.syncs;
        to_trim_.push_back(std::move(retired_.front()));
        retired_.pop_front();
    }
    lock.unlock();
    const int error = fs_.sync(segment.fd());
    if (error == 0) {
        segment.write_state(target.offset(), open_from);
        durable_end_.store(target.value, std::memory_order_release);
    }
    lock.lock();
    if (error != 0) return fail_for_good(lock, io_error("cannot sync", segment.path(), error));
    durable_first_open_ = open_from;
    ++stats_.syncs;
    if (blocked_readers_ > 0) more_durable_.notify_all();
    if (retired > 0) prepare_wake_.notify_one();
    tell_waiters(lock, target, true);
}

/// Calls, without the lock, those who wait for something up to `durable`; the others keep their
/// order.
void Journal::tell_waiters(std::unique_lock<std::mutex>& lock, Lsn durable, bool is_ok) {
    WaiterList due, later;
    for (DurableWaiter* waiter = waiters_.first; waiter != nullptr;) {
        DurableWaiter* const next = next_of(*waiter);
        push(lsn_of(*waiter) <= durable ? due : later, waiter);
        waiter = next;
    }
    waiters_ = later;
    lock.unlock();
    for (DurableWaiter* waiter = due.first; waiter != nullptr;) {
        DurableWaiter* const next = next_of(*waiter);  // the waiter may be gone after the call
        tell(*waiter, is_ok);
        waiter = next;
    }
    lock.lock();
}

/// After a failed sync nobody knows what is on the disk, and another sync would not tell: the
/// kernel may have dropped the pages. Only a restart, which reads the files again, helps.
void Journal::fail_for_good(std::unique_lock<std::mutex>& lock, const Error& error) {
    sync_failure_ =
        "the usage journal failed: " + error.detail +
        "; no request is let in until the disk is in order and tollgate has been restarted";
    update_accepts();
    log_error("journal_failed", {{"reason", sync_failure_}});
    tell_waiters(lock, kNoLimit, false);
}

void Journal::update_accepts() {
    accepts_.store(sync_failure_.empty() && allocation_failure_.empty() && !is_stopping_,
                   std::memory_order_release);
}

void Journal::prepare_loop() {
    std::unique_lock lock(mutex_);
    while (!is_stopping_) {
        if (!to_trim_.empty()) {
            const std::unique_ptr<Segment> segment = std::move(to_trim_.front());
            to_trim_.pop_front();
            lock.unlock();
            // What could not be given back is lost space, not lost data.
            if (auto trimmed = segment->trim(fs_); !trimmed) {
                log_warn("journal_trim_failed", {{"reason", trimmed.error().detail}});
            }
            lock.lock();
        } else if (ready_.size() < wanted_ready() && sync_failure_.empty()) {
            lock.unlock();
            const Status added = add_segment();
            lock.lock();
            note_allocation(lock, added);
        } else {
            prepare_wake_.wait(lock);
        }
    }
}

void Journal::note_allocation(std::unique_lock<std::mutex>& lock, const Status& result) {
    if (result.ok()) {
        if (allocation_failure_.empty()) return;
        allocation_failure_.clear();
        update_accepts();
        log_info("journal_allocation_recovered");
        return;
    }
    if (allocation_failure_.empty())
        log_error("journal_allocation_failed", {{"reason", result.error().detail}});
    allocation_failure_ =
        "the usage journal has no space for its next segment: " + result.error().detail +
        "; free space on that disk, requests are let in again by themselves";
    update_accepts();
    const auto retry_at =
        std::chrono::steady_clock::now() + std::chrono::microseconds(options_.allocation_retry_us);
    while (!is_stopping_ && to_trim_.empty() && std::chrono::steady_clock::now() < retry_at) {
        prepare_wake_.wait_until(lock, retry_at);
    }
}

void Journal::close() {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(is_closed_, true)) return;
        is_stopping_ = true;
        update_accepts();
        commit_wake_.notify_all();
        prepare_wake_.notify_all();
        more_durable_.notify_all();
    }
    if (commit_thread_.joinable()) {  // else start() did not get that far
        commit_thread_.join();
        prepare_thread_.join();
        if (const Status finished = finish(); !finished) {
            log_error("journal_close_failed", {{"reason", finished.error().detail}});
        }
    }
    lock_file_.reset();
}

/// Gives back the space allocated ahead. A failed journal is left as it is for recovery. Errors:
/// io_error.
Status Journal::finish() {
    if (!sync_failure_.empty()) return {};
    for (const auto& segment : to_trim_) TG_CHECK_OK(segment->trim(fs_));
    // The state written after the last sync goes to disk with trim()'s.
    TG_CHECK_OK(current_->trim(fs_));
    for (; !ready_.empty(); ready_.pop_back()) ::unlink(ready_.back()->path().c_str());
    return sync_directory(fs_, options_.directory);
}

}  // namespace tg::journal
