#pragma once
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "net/loop.h"

namespace tg {

/// Threads for what may block: DNS, SQL, files. Bounded queue.
class BlockingPool {
  public:
    explicit BlockingPool(std::size_t threads, std::size_t queue_max = 4096);
    /// Runs what is queued, then joins.
    ~BlockingPool();

    /// false when the queue is full.
    bool submit(std::function<void()> work);

    struct Awaiter;
    /// co_await pool.run(loop, work): runs `work` on a pool thread and resumes on `loop`. Errors:
    /// overloaded. The wait is not interruptible: `work` must be bounded by itself.
    Awaiter run(Loop* loop, std::function<void()> work);

  private:
    void work_loop();
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> queue_;
    std::size_t queue_max_;
    bool is_stopping_ = false;
    std::vector<std::thread> threads_;
};

struct BlockingPool::Awaiter final : Posted {
    Awaiter(BlockingPool* p, Loop* l, std::function<void()> w)
        : pool(p), loop(l), work(std::move(w)) {}
    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) {
        handle = waiter;
        was_queued = pool->submit([this] {
            work();
            loop->post(this);
        });
        return was_queued;
    }
    Status await_resume() const {
        if (was_queued) return {};
        return fail(ErrorCode::overloaded, "too much blocking work is waiting; try again");
    }
    void run() override { handle.resume(); }

    BlockingPool* pool;
    Loop* loop;
    std::function<void()> work;
    std::coroutine_handle<> handle;
    bool was_queued = false;
};

inline BlockingPool::Awaiter BlockingPool::run(Loop* loop, std::function<void()> work) {
    return {this, loop, std::move(work)};
}

}  // namespace tg
