#include "app/periodic_task.h"

#include "base/thread_name.h"

namespace tg {

void PeriodicTask::start() {
    thread_ = std::thread([this] {
        set_thread_name(thread_name_.c_str());
        for (std::chrono::milliseconds pause = pauses_.first; sleep(pause); pause = pauses_.between)
            work_();
    });
}

void PeriodicTask::stop() {
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

bool PeriodicTask::sleep(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return !wake_.wait_for(lock, time, [this] { return is_stopping_; });
}

}  // namespace tg
