#pragma once
#include <coroutine>
#include <utility>

#include "gateway/gate_admission.h"
#include "net/loop.h"

namespace tg {

/// One call's place in the line: its coroutine waits on its own loop, and whoever decides posts the
/// news there. Lives in the frame of the coroutine, which awaits it once after reserve() said
/// queued.
class AdmissionWait final : public AdmissionWaiter, public Posted {
  public:
    AdmissionWait(GateAdmission* gate, Loop* loop) : gate_(gate), loop_(loop) {}
    AdmissionWait(const AdmissionWait&) = delete;
    AdmissionWait& operator=(const AdmissionWait&) = delete;

    bool await_ready() const { return is_done_; }
    template <typename Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) {
        handle_ = waiter;
        frame_ = detail::promise_of(waiter);
    }
    void await_resume() const {}

    /// Loop thread, while it is awaited: the client has left. Resumes the coroutine soon, or when
    /// the outcome that is on its way has come.
    void on_client_gone() {
        if (is_done_ || !gate_->cancel(this)) return;
        is_done_ = is_cancelled_ = true;
        if (handle_) loop_->resume_soon(std::exchange(handle_, nullptr));
    }

    void on_outcome(const WaitOutcome& outcome, bool is_shutting_down) noexcept override {
        outcome_ = outcome;
        is_shutting_down_ = is_shutting_down;
        loop_->post(this);
    }
    void run() override {
        is_done_ = true;
        if (handle_) std::exchange(handle_, nullptr).resume();
    }

    bool is_cancelled() const { return is_cancelled_; }
    bool is_shutting_down() const { return is_shutting_down_; }
    const WaitOutcome& outcome() const { return outcome_; }

  private:
    GateAdmission* gate_;
    Loop* loop_;
    std::coroutine_handle<> handle_;
    WaitOutcome outcome_{};
    bool is_done_ = false, is_cancelled_ = false, is_shutting_down_ = false;
};

}  // namespace tg
