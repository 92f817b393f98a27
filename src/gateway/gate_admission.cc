#include "gateway/gate_admission.h"

#include <algorithm>
#include <chrono>

#include "admission/limit_text.h"
#include "base/check.h"
#include "base/thread_name.h"

namespace tg {
namespace {

/// What is due is served by tell(); a rest of rounding never makes the thread spin.
constexpr std::int64_t kWaitMinUs = 100;
constexpr std::int64_t kWaitMaxUs = 3'600'000'000;
/// Position in line, as seconds of a histogram: its buckets reach from 1 to 100.
constexpr std::int64_t kPositionUs = 1'000'000;

}  // namespace

GateAdmission::Metrics::Metrics(MetricsRegistry* r) {
    constexpr std::string_view kRefused = "tollgate_admission_refused_total",
                               kHelp = "Requests that a limit refused, by reason.";
    constexpr std::array<std::string_view, 4> kReasons = {"too_large", "limit", "queue_full",
                                                          "deadline"};
    for (std::size_t i = 0; i < kReasons.size(); ++i)
        refused[i] = &r->counter(kRefused, kHelp, {{"reason", kReasons[i]}});
    shutting_down = &r->counter(kRefused, kHelp, {{"reason", "shutting_down"}});
    for (std::size_t i = 0; i < kPriorityClassCount; ++i) {
        waiting[i] = &r->gauge("tollgate_queue_depth", "Requests that wait for a limit, by class.",
                               {{"class", name(static_cast<PriorityClass>(i))}});
    }
    wait = &r->histogram("tollgate_queue_wait_seconds",
                         "How long those waited who were admitted after waiting.");
    expected_wait = &r->histogram("tollgate_queue_expected_wait_seconds",
                                  "The wait expected of those who joined the line.");
    position = &r->histogram("tollgate_queue_position",
                             "The position at which requests joined the line; 1 is next.");
}

GateAdmission::GateAdmission(Parts parts)
    : parts_(std::move(parts)),
      admission_(parts_.options),
      levels_(&admission_, parts_.limits),
      metrics_(parts_.metrics),
      learner_(parts_.learner) {
    register_counts();
    thread_ = std::thread([this] {
        set_thread_name("tg-admission");
        serve();
    });
}

GateAdmission::~GateAdmission() {
    shut_down();
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
        wake_.notify_one();
    }
    thread_.join();
}

void GateAdmission::register_counts() {
    const auto count = [this](std::string_view metric, std::string_view help, auto field) {
        parts_.metrics->callback(metric, help, [this, field] {
            return static_cast<std::int64_t>(admission_.counts().*field);
        });
    };
    count("tollgate_admission_admitted", "Requests that the limits let through since the start.",
          &AdmissionCounts::admitted);
    count("tollgate_admission_waited", "Of those, after waiting.", &AdmissionCounts::waited);
    count("tollgate_admission_cancelled", "Requests whose client left while they waited.",
          &AdmissionCounts::cancelled);
    count("tollgate_admission_in_flight", "Requests that hold capacity now.",
          &AdmissionCounts::in_flight);
    count("tollgate_appointments_made", "Refusals with a promised time to come back.",
          &AdmissionCounts::appointments_made);
    count("tollgate_appointments_kept", "Of those, who came back and were admitted at once.",
          &AdmissionCounts::appointments_kept);
    count("tollgate_appointments_late", "Of those, who came back and had to wait all the same.",
          &AdmissionCounts::appointments_late);
}

void GateAdmission::set_limits(std::shared_ptr<const LimitTable> limits) {
    levels_.set_table(std::move(limits), now_us());
    tell();
}

GateAdmission::Answer GateAdmission::reserve(AdmissionRequest request, AdmissionWaiter* waiter) {
    // As a number it goes through the core and comes back in the outcome.
    request.context = reinterpret_cast<std::uintptr_t>(waiter);
    Answer answer{.decision = admission_.reserve(request, now_us())};
    if (answer.decision.verdict == Verdict::admitted) {
        // Others may have been admitted with it where there is a line.
        if (admission_.has_outcomes()) [[unlikely]]
            tell();
        return answer;
    }
    if (answer.decision.verdict == Verdict::queued) {
        answer.is_shutting_down = !join(waiter, request, answer.decision);
        return answer;
    }
    note_refused(answer.decision);
    const std::lock_guard lock(mutex_);
    answer.is_shutting_down = is_shut_down_;
    // An appointment has an end.
    arm_locked();
    return answer;
}

void GateAdmission::note_refused(const Decision& decision) {
    metrics_.refused[static_cast<std::size_t>(decision.refusal.reason)]->add();
}

/// False when nobody may wait any more: then it has left the line again.
bool GateAdmission::join(AdmissionWaiter* waiter, const AdmissionRequest& request,
                         const Decision& decision) {
    metrics_.expected_wait->observe_us(decision.expected_wait_us);
    metrics_.position->observe_us(decision.position * kPositionUs);
    const std::lock_guard lock(mutex_);
    waiter->ticket_ = decision.ticket;
    waiter->priority_ = request.priority;
    // Somebody may have told it in between; then the news is on its way to its loop.
    if (waiter->is_told_) return true;
    if (is_shut_down_) {
        (void)admission_.cancel(decision.ticket, now_us());
        waiter->is_told_ = true;
        metrics_.shutting_down->add();
        return false;
    }
    waiter->next_ = first_;
    if (first_ != nullptr) first_->prev_ = &waiter->next_;
    waiter->prev_ = &first_;
    first_ = waiter;
    waiting_.fetch_add(1, std::memory_order_relaxed);
    metrics_.waiting[static_cast<std::size_t>(waiter->priority_)]->add(1);
    tell_locked();
    return true;
}

void GateAdmission::leave(AdmissionWaiter* waiter) {
    waiter->is_told_ = true;
    if (waiter->prev_ == nullptr) return;
    *waiter->prev_ = waiter->next_;
    if (waiter->next_ != nullptr) waiter->next_->prev_ = waiter->prev_;
    waiter->prev_ = nullptr;
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    metrics_.waiting[static_cast<std::size_t>(waiter->priority_)]->add(-1);
}

bool GateAdmission::cancel(AdmissionWaiter* waiter) {
    const std::lock_guard lock(mutex_);
    if (waiter->is_told_) return false;
    leave(waiter);
    (void)admission_.cancel(waiter->ticket_, now_us());
    tell_locked();
    return true;
}

void GateAdmission::settle(Ticket ticket, const Amounts& actual) {
    admission_.settle(ticket, actual, now_us());
    after_change();
}

void GateAdmission::release(Ticket ticket) {
    admission_.release(ticket, now_us());
    after_change();
}

/// Capacity may have come free: those who wait for it hear at once, and the thread of the times at
/// which others may go on. Without a line it costs two loads.
void GateAdmission::after_change() {
    if (admission_.has_outcomes() || waiting_.load(std::memory_order_relaxed) != 0) tell();
}

void GateAdmission::tell() {
    const std::lock_guard lock(mutex_);
    tell_locked();
}

void GateAdmission::tell_locked() {
    outcomes_.clear();
    admission_.poll(now_us(), &outcomes_);
    for (const WaitOutcome& outcome : outcomes_) {
        auto* waiter = reinterpret_cast<AdmissionWaiter*>(outcome.context);
        leave(waiter);
        if (outcome.is_admitted) {
            metrics_.wait->observe_us(outcome.waited_us);
        } else {
            metrics_.refused[static_cast<std::size_t>(outcome.refusal.reason)]->add();
        }
        waiter->on_outcome(outcome, /*is_shutting_down=*/false);
    }
    arm_locked();
}

void GateAdmission::arm_locked() {
    const std::int64_t next_us = admission_.next_event_us();
    if (next_us >= armed_us_) return;
    armed_us_ = next_us;
    wake_.notify_one();
}

void GateAdmission::serve() {
    std::unique_lock lock(mutex_);
    while (!is_stopping_) {
        tell_locked();
        armed_us_ = admission_.next_event_us();
        const std::int64_t wait_us = armed_us_ == INT64_MAX
                                         ? kWaitMaxUs
                                         : std::clamp(armed_us_ - now_us(), kWaitMinUs, kWaitMaxUs);
        wake_.wait_for(lock, std::chrono::microseconds(wait_us));
    }
}

void GateAdmission::shut_down() {
    const std::lock_guard lock(mutex_);
    is_shut_down_ = true;
    while (first_ != nullptr) {
        AdmissionWaiter* waiter = first_;
        leave(waiter);
        (void)admission_.cancel(waiter->ticket_, now_us());
        metrics_.shutting_down->add();
        waiter->on_outcome({}, /*is_shutting_down=*/true);
    }
    tell_locked();
}

std::int64_t GateAdmission::expected_output(std::uint64_t model, std::uint64_t key,
                                            std::int64_t max_tokens) {
    const std::lock_guard lock(learner_mutex_);
    return learner_.estimate(model, key, max_tokens, /*output_tokens_max=*/0);
}

void GateAdmission::observe_output(std::uint64_t model, std::uint64_t key,
                                   std::int64_t output_tokens) {
    const std::lock_guard lock(learner_mutex_);
    learner_.observe(model, key, output_tokens);
}

}  // namespace tg
