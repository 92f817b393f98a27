#pragma once
#include <atomic>
#include <memory>

#include "gateway/deployment_state.h"
#include "net/loop.h"

namespace tg {

/// A sleep on a loop that anybody may end early, from any thread. The news that comes before the
/// sleep ends it at once.
class WakeableSleep {
  public:
    explicit WakeableSleep(Loop* loop) : loop_(loop), cell_(std::make_shared<Cell>()) {
        cell_->loop = loop;
    }
    WakeableSleep(const WakeableSleep&) = delete;
    WakeableSleep& operator=(const WakeableSleep&) = delete;

    /// Any thread.
    void wake() {
        if (cell_->is_posted.exchange(true)) return;
        loop_->post([cell = cell_] {
            cell->is_posted = false;
            cell->interrupt();
        });
    }
    /// Loop thread.
    void wake_here() { cell_->interrupt(); }
    /// Without a deadline, and not ended by the loop's stop: for what is sure to be told.
    Task<void> woken() {
        co_await Suspension{cell_.get()};
        cell_->is_woken = false;
    }
    Task<void> until(std::int64_t deadline_ns) {
        if (!cell_->is_woken) {
            Loop::SleepAwaiter sleep(loop_, deadline_ns);
            cell_->sleep = &sleep;
            co_await sleep;
            cell_->sleep = nullptr;
        }
        cell_->is_woken = false;
    }

  private:
    struct Cell {
        void interrupt() {
            is_woken = true;
            if (bare) loop->resume_soon(std::exchange(bare, nullptr));
            if (sleep == nullptr || !sleep->is_armed()) return;
            TimerWheel::cancel(sleep);
            sleep->unlink_sleeper();
            loop->resume_soon(sleep->handle);
        }
        Loop* loop = nullptr;
        std::coroutine_handle<> bare;
        Loop::SleepAwaiter* sleep = nullptr;
        bool is_woken = false;
        std::atomic<bool> is_posted{false};
    };
    struct Suspension {
        bool await_ready() const { return cell->is_woken; }
        void await_suspend(std::coroutine_handle<> waiter) const { cell->bare = waiter; }
        void await_resume() const {}
        Cell* cell;
    };
    Loop* loop_;
    std::shared_ptr<Cell> cell_;
};

/// A call of this loop in the line for a limit.
class LoopLimitWaiter final : public LimitWaiter {
  public:
    LoopLimitWaiter(Loop* loop, const PacerCost& cost) : LimitWaiter(cost), sleep_(loop) {}
    void wake() override { sleep_.wake(); }
    WakeableSleep& sleep() { return sleep_; }

  private:
    WakeableSleep sleep_;
};

}  // namespace tg
