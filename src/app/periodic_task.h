#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace tg {

/// Does something again and again, on a thread of its own.
class PeriodicTask {
  public:
    struct Pauses {
        std::chrono::milliseconds first, between;
    };
    /// `thread_name` has at most 15 bytes.
    PeriodicTask(std::string thread_name, Pauses pauses, std::function<void()> work)
        : thread_name_(std::move(thread_name)), pauses_(pauses), work_(std::move(work)) {}
    ~PeriodicTask() { stop(); }
    PeriodicTask(const PeriodicTask&) = delete;
    PeriodicTask& operator=(const PeriodicTask&) = delete;

    void start();
    /// Waits for the work that is going on.
    void stop();

  private:
    /// False when it has to stop.
    bool sleep(std::chrono::milliseconds time);

    const std::string thread_name_;
    const Pauses pauses_;
    const std::function<void()> work_;
    std::thread thread_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool is_stopping_ = false;
};

}  // namespace tg
