#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "admission/admission_core.h"

namespace tg {

/// AdmissionCore behind one short lock, for several event loops. Each call is atomic; see there for
/// what it does. Never blocks but for the lock; safe from any thread.
///
/// A loop calls poll() when has_outcomes() after a call of its own, and when its timer for
/// next_event_us() fires; an outcome may belong to a request of another loop: `context` says whose.
class Admission {
  public:
    explicit Admission(const AdmissionOptions& options = {})
        : is_fleet_(options.is_fleet), core_(options) {}

    LevelHandle intern(LevelId level, const Limits& limits_if_new = {}) {
        return locked([&] { return core_.intern(level, limits_if_new); });
    }
    void set_limits(LevelHandle level, const Limits& limits, std::int64_t now_us) {
        locked([&] { core_.set_limits(level, limits, now_us); });
    }
    Limits limits(LevelHandle level) {
        return locked([&] { return core_.limits(level); });
    }
    bool forget(LevelHandle level, std::int64_t now_us) {
        return locked([&] { return core_.forget(level, now_us); });
    }
    Decision reserve(const AdmissionRequest& request, std::int64_t now_us) {
        return locked([&] { return core_.reserve(request, now_us); });
    }
    void settle(Ticket ticket, const Amounts& actual, std::int64_t now_us) {
        locked([&] { core_.settle(ticket, actual, now_us); });
    }
    void release(Ticket ticket, std::int64_t now_us) {
        locked([&] { core_.release(ticket, now_us); });
    }
    AdmissionCore::Cancelled cancel(Ticket ticket, std::int64_t now_us) {
        return locked([&] { return core_.cancel(ticket, now_us); });
    }
    void poll(std::int64_t now_us, std::vector<WaitOutcome>* outcomes) {
        locked([&] { core_.poll(now_us, outcomes); });
    }
    /// Without the lock; what another thread has just caused may show a moment later.
    bool has_outcomes() const { return has_outcomes_.load(std::memory_order_acquire); }
    std::int64_t next_event_us() {
        return locked([&] { return core_.next_event_us(); });
    }
    RateStatus rate_status(std::span<const LevelHandle> levels, std::int64_t now_us) {
        return locked([&] { return core_.rate_status(levels, now_us); });
    }
    std::int64_t used(LevelHandle level, LimitKind kind, std::int64_t now_us) {
        return locked([&] { return core_.used(level, kind, now_us); });
    }
    std::uint32_t waiting(LevelHandle level) {
        return locked([&] { return core_.waiting(level); });
    }
    AdmissionCounts counts() {
        return locked([&] { return core_.counts(); });
    }

    /// Called, from any thread and without the lock, while share wants are there to be taken. Set
    /// while nobody else calls.
    void set_share_listener(std::function<void()> listener) {
        const std::lock_guard lock(mutex_);
        share_listener_ = std::move(listener);
    }
    std::vector<FleetWant> take_share_wants() {
        return locked([&] { return core_.take_share_wants(); });
    }
    FleetReport fleet_report(LevelHandle level, std::int64_t now_us) {
        return locked([&] { return core_.fleet_report(level, now_us); });
    }
    void set_share(LevelHandle level, const FleetShare& share, std::int64_t now_us) {
        locked([&] { core_.set_share(level, share, now_us); });
    }
    void drop_share(LevelHandle level, std::int64_t now_us) {
        locked([&] { core_.drop_share(level, now_us); });
    }
    void set_shares_until(std::int64_t until_us) {
        locked([&] { core_.set_shares_until(until_us); });
    }

  private:
    template <typename Call>
    std::invoke_result_t<Call> locked(const Call& call) {
        const AfterLock after{this};
        const std::lock_guard lock(mutex_);
        const Publish publish{this};
        return call();
    }
    /// Runs before the lock is left.
    struct Publish {
        Admission* owner;
        ~Publish() {
            owner->has_outcomes_.store(owner->core_.has_outcomes(), std::memory_order_release);
            if (owner->is_fleet_)
                owner->has_share_wants_.store(
                    owner->core_.has_share_wants() && owner->share_listener_,
                    std::memory_order_release);
        }
    };

    /// Runs after the lock was left.
    struct AfterLock {
        Admission* owner;
        ~AfterLock() {
            if (owner->has_share_wants_.load(std::memory_order_acquire)) [[unlikely]]
                owner->share_listener_();
        }
    };

    std::mutex mutex_;
    const bool is_fleet_;
    std::atomic<bool> has_share_wants_ = false;
    std::function<void()> share_listener_;
    AdmissionCore core_;
    std::atomic<bool> has_outcomes_ = false;
};

}  // namespace tg
