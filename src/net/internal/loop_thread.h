#pragma once
#include <chrono>
#include <coroutine>
#include <future>
#include <thread>
#include <utility>

#include "base/task.h"
#include "net/loop.h"

namespace tg {

/// For tests: a loop on a thread of its own, and a way to run tasks on it and wait for them.
class LoopThread {
  public:
    LoopThread() : thread_([this] { loop_.run(); }) {}
    ~LoopThread() { stop(); }
    LoopThread(const LoopThread&) = delete;
    LoopThread& operator=(const LoopThread&) = delete;

    Loop* loop() { return &loop_; }

    /// Stops the loop and waits for its end; aborts when its tasks do not end within a minute.
    void stop() {
        if (!thread_.joinable()) return;
        std::future<void> ended = ended_.get_future();
        loop_.stop();
        // A joiner of its own gives the wait a deadline.
        std::thread joiner([this] {
            thread_.join();
            ended_.set_value();
        });
        TG_ASSERT(ended.wait_for(std::chrono::minutes(1)) == std::future_status::ready);
        joiner.join();
    }

    /// Runs a function on the loop and returns what it gives.
    template <typename F>
    auto call(F function) {
        using R = decltype(function());
        std::promise<R> promise;
        std::future<R> future = promise.get_future();
        loop_.post([&] {
            if constexpr (std::is_void_v<R>) {
                function();
                promise.set_value();
            } else {
                promise.set_value(function());
            }
        });
        return take(&future);
    }

    /// Runs a task on the loop to its end.
    template <typename T>
    T run(Task<T> task) {
        std::promise<T> promise;
        std::future<T> future = promise.get_future();
        loop_.post([&] { loop_.spawn(deliver(std::move(task), &promise)); });
        return take(&future);
    }

    /// The same without waiting for the end.
    template <typename T>
    std::future<T> start(Task<T> task) {
        auto* promise = new std::promise<T>;
        std::future<T> future = promise->get_future();
        auto* moved = new Task<T>(std::move(task));
        loop_.post([this, moved, promise] {
            loop_.spawn(deliver_and_free(std::move(*moved), promise));
            delete moved;
        });
        return future;
    }

    template <typename T>
    static T take(std::future<T>* future) {
        TG_ASSERT(future->wait_for(std::chrono::minutes(2)) == std::future_status::ready);
        return future->get();
    }

  private:
    template <typename T>
    static Task<void> deliver(Task<T> task, std::promise<T>* promise) {
        if constexpr (std::is_void_v<T>) {
            co_await task;
            promise->set_value();
        } else {
            promise->set_value(co_await task);
        }
    }
    template <typename T>
    static Task<void> deliver_and_free(Task<T> task, std::promise<T>* promise) {
        co_await deliver(std::move(task), promise);
        delete promise;
    }

    Loop loop_;
    std::promise<void> ended_;
    std::thread thread_;
};

/// For tests: the loop's own wait, which its stop interrupts.
inline Loop::SleepAwaiter wait_until(Loop* loop, std::int64_t deadline_ns) {
    return loop->sleep_until(deadline_ns);
}

/// For tests: tasks of one loop wait for it; set() on that loop lets them all go on, for ever.
class LoopEvent {
  public:
    bool is_set() const { return is_set_; }
    void set(Loop* loop) {
        is_set_ = true;
        for (const std::coroutine_handle<> handle : std::exchange(waiting_, {}))
            loop->resume_soon(handle);
    }
    bool await_ready() const { return is_set_; }
    void await_suspend(std::coroutine_handle<> handle) { waiting_.push_back(handle); }
    void await_resume() const {}

  private:
    bool is_set_ = false;
    std::vector<std::coroutine_handle<>> waiting_;
};

}  // namespace tg
