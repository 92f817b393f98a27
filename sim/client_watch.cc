#include "sim/client_watch.h"

#include <utility>

namespace tg::sim {

void ClientWatch::on_peer_gone() {
    is_gone_ = true;
    Loop::SleepAwaiter* sleeping = std::exchange(sleeping_, nullptr);
    if (sleeping == nullptr || !sleeping->is_armed()) return;
    sleeping->unlink_sleeper();
    TimerWheel::cancel(sleeping);
    sleeping->wake = Wake::interrupted;
    exchange_->loop()->resume_soon(sleeping->handle);
}

Task<bool> ClientWatch::pause_until(std::int64_t deadline_ns) {
    if (is_gone_) co_return false;
    if (deadline_ns <= exchange_->loop()->now_ns()) co_return true;
    Loop::SleepAwaiter sleep = exchange_->loop()->sleep_until(deadline_ns);
    sleeping_ = &sleep;
    const Wake wake = co_await sleep;
    sleeping_ = nullptr;
    co_return wake == Wake::ready && !is_gone_;
}

}  // namespace tg::sim
