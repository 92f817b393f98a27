#pragma once
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "net/timer_wheel.h"

namespace tg {

class Socket;
}  // namespace tg
struct epoll_event;  // NOLINT(readability-identifier-naming): the kernel's
namespace tg {

/// Why a wait ended.
enum class Wake : std::uint8_t { ready, timed_out, interrupted };

/// Work handed to a loop from any thread. Intrusive: whoever posts owns the node until run() was
/// called.
class Posted {
  public:
    virtual void run() = 0;

  protected:
    ~Posted() = default;
    const detail::PromiseBase* frame_ = nullptr;  ///< that run() resumes, for prefetch_frame()

  private:
    friend class Loop;
    Posted* next_ = nullptr;
};

/// One epoll instance and one thread: connections live and die on it, nothing on it takes a lock.
/// Sockets are registered once, edge-triggered, for reading and writing, so that a request costs no
/// epoll_ctl.
class Loop {
  public:
    Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    /// All tasks have ended (run() returned after stop()).
    ~Loop();

    /// Runs until stop(), then interrupts every wait and returns when all spawned tasks have ended.
    void run();
    void stop();                                       ///< any thread
    bool is_stopping() const { return is_stopping_; }  ///< loop thread
    /// Any thread. Whoever posts keeps the loop alive until post() has returned: threads that post
    /// are joined before the loop is destroyed. Work posted in order by one thread runs in order.
    void post(Posted* work);
    void post(std::function<void()> work);  ///< the same; allocates

    /// Starts a task that the loop owns. Loop thread only.
    void spawn(Task<void> task);
    std::size_t task_count() const { return task_count_; }

    /// Monotonic time, read once an iteration.
    std::int64_t now_ns() const { return now_ns_; }
    void refresh_time();

    /// Waits on this loop; ends early (interrupted) when the loop stops.
    struct SleepAwaiter;
    SleepAwaiter sleep_until(std::int64_t deadline_ns);
    SleepAwaiter sleep_for(std::int64_t ns);

    /// Scratch memory for one read: valid until the next suspension of whoever uses it.
    static constexpr std::size_t kScratchBytes = 64 * 1024;
    char* scratch() { return scratch_.get(); }

    /// An empty string with room: the one given back last, which is still in the cache.
    std::string take_buffer();
    /// Kept for the next who needs one, unless it grew large or many are kept.
    void give_buffer(std::string buffer);

    TimerWheel& timers() { return timers_; }
    /// Resumes `handle` in this iteration, after the events at hand; a resume out of somebody
    /// else's code goes this way.
    void resume_soon(std::coroutine_handle<> handle) { ready_.push_back(handle); }

    static Loop* current();

  private:
    friend class Socket;
    struct Slot {
        Socket* socket = nullptr;
        std::uint32_t generation = 0;
        std::uint32_t next_free = 0;
    };
    std::uint64_t register_socket(Socket* socket, int fd);
    void unregister_socket(std::uint64_t token);
    /// Wakes the socket's reader after one look at everybody else.
    void wake_next_round(std::uint64_t token) { next_round_.push_back(token); }
    void run_next_round();
    Socket* socket_of(std::uint64_t token) const;
    void dispatch(std::uint64_t token, std::uint32_t events);
    void dispatch_batch(const epoll_event* events, std::size_t count);
    void drain_posted();
    void run_ready();
    void interrupt_all();

    int epoll_fd_ = -1;
    int wake_fd_ = -1;
    std::int64_t now_ns_ = 0;
    TimerWheel timers_;
    std::vector<Slot> slots_;
    std::uint32_t free_slot_ = UINT32_MAX;
    std::vector<std::coroutine_handle<>> ready_, running_;
    std::vector<std::uint64_t> next_round_, this_round_;
    std::unique_ptr<char[]> scratch_;
    std::vector<std::string> buffers_;
    std::size_t task_count_ = 0;
    bool is_stopping_ = false;
    struct SleepWaiter;
    SleepWaiter* sleepers_ = nullptr;
    std::atomic<Posted*> posted_{nullptr};
    std::atomic<bool> stop_requested_{false};
};

struct Loop::SleepWaiter : Timer {
    void on_timer() override {
        unlink_sleeper();
        wake = Wake::ready;
        handle.resume();
    }
    void unlink_sleeper() {
        if (prev_sleeper == nullptr) return;
        *prev_sleeper = next_sleeper;
        if (next_sleeper != nullptr) next_sleeper->prev_sleeper = prev_sleeper;
        prev_sleeper = nullptr;
    }
    std::coroutine_handle<> handle;
    Wake wake = Wake::ready;
    SleepWaiter* next_sleeper = nullptr;
    SleepWaiter** prev_sleeper = nullptr;
};

struct Loop::SleepAwaiter : SleepWaiter {
    SleepAwaiter(Loop* owner, std::int64_t deadline) : loop(owner), deadline_ns(deadline) {}
    SleepAwaiter(const SleepAwaiter&) = delete;
    SleepAwaiter& operator=(const SleepAwaiter&) = delete;
    ~SleepAwaiter() { unlink_sleeper(); }
    bool await_ready() {
        if (!loop->is_stopping_) return false;
        wake = Wake::interrupted;
        return true;
    }
    void await_suspend(std::coroutine_handle<> waiter) {
        handle = waiter;
        next_sleeper = loop->sleepers_;
        if (next_sleeper != nullptr) next_sleeper->prev_sleeper = &next_sleeper;
        prev_sleeper = &loop->sleepers_;
        loop->sleepers_ = this;
        loop->timers_.arm(this, deadline_ns);
    }
    Wake await_resume() { return wake; }
    Loop* loop;
    std::int64_t deadline_ns;
};

/// A buffer of the loop for as long as this lives.
class LoopBuffer {
  public:
    explicit LoopBuffer(Loop* loop) : loop_(loop), text_(loop->take_buffer()) {}
    ~LoopBuffer() { loop_->give_buffer(std::move(text_)); }
    LoopBuffer(const LoopBuffer&) = delete;
    LoopBuffer& operator=(const LoopBuffer&) = delete;
    std::string& operator*() { return text_; }
    std::string* operator->() { return &text_; }

  private:
    Loop* loop_;
    std::string text_;
};

inline Loop::SleepAwaiter Loop::sleep_until(std::int64_t deadline_ns) {
    return {this, deadline_ns};
}
inline Loop::SleepAwaiter Loop::sleep_for(std::int64_t ns) {
    return {this, now_ns_ + ns};
}

}  // namespace tg
