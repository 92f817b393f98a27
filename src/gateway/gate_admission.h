#pragma once
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "admission/admission.h"
#include "admission/level_book.h"
#include "admission/output_learner.h"
#include "base/clock.h"
#include "base/metrics.h"

namespace tg {

/// Somebody who waits in line. Lives on its loop; belongs to the line from reserve() until
/// on_outcome() or a cancel() that succeeded.
class AdmissionWaiter {
  public:
    /// Any thread, once, under the line's lock: hands the news to the loop and returns. A refusal
    /// with `is_shutting_down` has no reason of the line's.
    virtual void on_outcome(const WaitOutcome& outcome, bool is_shutting_down) noexcept = 0;

  protected:
    ~AdmissionWaiter() = default;

  private:
    friend class GateAdmission;
    Ticket ticket_{};
    PriorityClass priority_{};
    bool is_told_ = false;
    AdmissionWaiter* next_ = nullptr;
    AdmissionWaiter** prev_ = nullptr;  ///< null: not in the list
};

/// Admission as all loops share it: levels with the limits of the current table, the line, and the
/// thread that looks at the line when a time has come. Whoever frees capacity tells those whom it
/// admits at once; the thread only serves times (a window that moves on, a deadline, the end of an
/// appointment). Thread-safe.
class GateAdmission {
  public:
    struct Parts {
        Clock* clock = nullptr;
        MetricsRegistry* metrics = nullptr;
        AdmissionOptions options{};
        std::shared_ptr<const LimitTable> limits = LimitTable::unlimited();
        OutputLearner::Options learner{};
    };
    explicit GateAdmission(Parts parts);
    /// Nobody waits any more.
    ~GateAdmission();
    GateAdmission(const GateAdmission&) = delete;
    GateAdmission& operator=(const GateAdmission&) = delete;

    /// Limits of another table hold for the running windows, and for those who wait, from its
    /// return on.
    void set_limits(std::shared_ptr<const LimitTable> limits);
    /// Where limits in force come from; a fleet sets its shares here, and calls tell() after.
    LevelBook& levels() { return levels_; }
    Admission& core() { return admission_; }

    /// Takes, refuses, or puts `waiter` in line, which then hears what became of it.
    /// `is_shutting_down`: refused for that, whatever the decision says.
    struct Answer {
        Decision decision{};
        bool is_shutting_down = false;
    };
    Answer reserve(AdmissionRequest request, AdmissionWaiter* waiter);
    /// The client has left. False: the outcome is on its way, and is to be waited for.
    bool cancel(AdmissionWaiter* waiter);
    void settle(Ticket ticket, const Amounts& actual);
    void release(Ticket ticket);

    RateStatus rate_status(std::span<const LevelHandle> levels) {
        return admission_.rate_status(levels, now_us());
    }
    /// See OutputLearner.
    std::int64_t expected_output(std::uint64_t model, std::uint64_t key, std::int64_t max_tokens);
    void observe_output(std::uint64_t model, std::uint64_t key, std::int64_t output_tokens);

    /// Tells those whose time has come. The thread does; tests that hold the clock do it by hand.
    void tell();
    /// All who wait are told, and nobody waits from now on.
    void shut_down();

    std::int64_t now_us() const { return parts_.clock->monotonic_ns() / 1000; }

  private:
    struct Metrics {
        explicit Metrics(MetricsRegistry* registry);
        std::array<Counter*, 4> refused{};  ///< by RefusalReason
        Counter* shutting_down;
        std::array<Gauge*, kPriorityClassCount> waiting{};
        Histogram *wait, *expected_wait, *position;
    };
    void register_counts();
    void note_refused(const Decision& decision);
    bool join(AdmissionWaiter* waiter, const AdmissionRequest& request, const Decision& decision);
    void leave(AdmissionWaiter* waiter);  ///< under mutex_
    void tell_locked();
    void arm_locked();
    void after_change();
    void serve();

    Parts parts_;
    Admission admission_;
    LevelBook levels_;
    Metrics metrics_;
    std::mutex learner_mutex_;
    OutputLearner learner_;

    /// Held while outcomes are handed out, so that whoever holds it knows who has been told.
    std::mutex mutex_;
    AdmissionWaiter* first_ = nullptr;
    std::vector<WaitOutcome> outcomes_;
    std::atomic<std::uint32_t> waiting_{0};
    bool is_shut_down_ = false, is_stopping_ = false;
    std::int64_t armed_us_ = INT64_MAX;  ///< when the thread will look
    std::condition_variable wake_;
    std::thread thread_;
};

}  // namespace tg
