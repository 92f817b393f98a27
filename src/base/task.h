#pragma once
#include <concepts>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "base/block_pool.h"
#include "base/check.h"

namespace tg {

namespace detail {

/// A request makes a handful of frames, always of the same few sizes.
struct PromiseBase : Pooled {
    std::coroutine_handle<> continuation = std::noop_coroutine();
    /// The awaiting task's promise, when it is a Task's: the way up that prefetch_frame() takes.
    const PromiseBase* awaiter = nullptr;

    std::suspend_always initial_suspend() noexcept { return {}; }
    struct FinalAwaiter {
        bool await_ready() noexcept { return false; }
        template <typename Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
            return done.promise().continuation;
        }
        void await_resume() noexcept {}
    };
    FinalAwaiter final_suspend() noexcept { return {}; }
    /// Exceptions stay at library edges; one that reaches a coroutine's end is a bug.
    void unhandled_exception() noexcept { std::terminate(); }
};

/// The promise behind a handle, when it is a Task's.
template <typename Promise>
const PromiseBase* promise_of(std::coroutine_handle<Promise> handle) {
    if constexpr (std::derived_from<Promise, PromiseBase>) return &handle.promise();
    return nullptr;
}

}  // namespace detail

/// Asks the cache for the frame of a task that will soon be resumed, and gives the task that awaits
/// it: a loop with many connections walks the frames of the next event while it runs this one.
/// Reads `frame` itself, so that its own lines should have been asked for a while before.
inline const detail::PromiseBase* prefetch_frame(const detail::PromiseBase* frame) {
    const detail::PromiseBase* next = frame->awaiter;
    if (next != nullptr) {
        // The promise follows two pointers at the frame's start; locals follow the promise.
        const char* at = reinterpret_cast<const char*>(next) - 2 * sizeof(void*);
        for (int line = 0; line < 5; ++line) __builtin_prefetch(at + line * 64, 1);
    }
    return next;
}

/// A lazy coroutine: starts when awaited, resumes its awaiter directly (symmetric transfer), owns
/// its frame. Parameters are values, or pointers to what outlives the task. Runs on the loop that
/// awaits it.
template <typename T = void>
class [[nodiscard]] Task {
  public:
    struct promise_type : detail::PromiseBase {
        std::optional<T> result;
        Task get_return_object() {
            return Task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        template <typename U>
        void return_value(U&& value) {
            result.emplace(std::forward<U>(value));
        }
    };

    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            if (handle_) handle_.destroy();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    ~Task() {
        if (handle_) handle_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> awaiter) noexcept {
        handle_.promise().continuation = awaiter;
        handle_.promise().awaiter = detail::promise_of(awaiter);
        return handle_;
    }
    T await_resume() { return std::move(*handle_.promise().result); }

  private:
    explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

template <>
class [[nodiscard]] Task<void> {
  public:
    struct promise_type : detail::PromiseBase {
        Task get_return_object() {
            return Task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        void return_void() noexcept {}
    };

    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            if (handle_) handle_.destroy();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    ~Task() {
        if (handle_) handle_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> awaiter) noexcept {
        handle_.promise().continuation = awaiter;
        handle_.promise().awaiter = detail::promise_of(awaiter);
        return handle_;
    }
    void await_resume() noexcept {}

  private:
    explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

}  // namespace tg
