#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/metrics.h"
#include "base/rng.h"
#include "gateway/account_pacer.h"
#include "gateway/circuit_breaker.h"
#include "gateway/fleet_accounts.h"
#include "gateway/health_schedule.h"
#include "gateway/latency_estimate.h"
#include "gateway/options.h"
#include "gateway/route_choice.h"
#include "gateway/route_table.h"
#include "gateway/upstream_status.h"

namespace tg {

class PacedLimits;

/// A call that waits for a limit of an account, in line with all others that do.
class LimitWaiter {
  public:
    explicit LimitWaiter(const PacerCost& cost) : cost_(cost) {}
    LimitWaiter(const LimitWaiter&) = delete;
    LimitWaiter& operator=(const LimitWaiter&) = delete;

    /// It may be its turn, or the picture has changed: it should ask begin() again. Called from any
    /// thread, under the account's lock: may only hand the news on.
    virtual void wake() = 0;
    bool is_in_line() const { return limits_ != nullptr; }

  protected:
    ~LimitWaiter() = default;

  private:
    friend class DeploymentState;
    const PacerCost cost_;
    std::shared_ptr<PacedLimits> limits_;
    LimitWaiter *before_ = nullptr, *behind_ = nullptr;
};

/// What one call under way holds of an account. Made by begin(), given back by exactly one of
/// fail() and finish().
struct UpstreamTicket {
    std::shared_ptr<PacedLimits> limits;
    PacerTicket pacer;
    BreakerPass pass;
    std::int64_t sent_ns = 0;
    bool is_open = false, has_answer = false;
};

enum class BeginResult : std::uint8_t { begun, wait, breaker_open, too_large };
struct BeginAnswer {
    BeginResult result = BeginResult::begun;
    PacerStart start;  ///< with wait: when to ask again, for the first in line
};

/// What all loops know of one upstream account: what it has left of its limits, whether it works,
/// how quick it is, who waits for it. Thread-safe: one lock, held for well under a microsecond.
/// Times are the loops' monotonic nanoseconds. Lives across reloads, by the deployment's name.
class DeploymentState : public std::enable_shared_from_this<DeploymentState> {
  public:
    /// `registry` may be null: no metrics.
    DeploymentState(const Deployment& deployment, MetricsRegistry* registry, std::uint64_t seed,
                    std::int64_t now_ns);
    ~DeploymentState();
    DeploymentState(const DeploymentState&) = delete;
    DeploymentState& operator=(const DeploymentState&) = delete;

    /// Its limits are shared with the other processes of a fleet from now on: nothing goes out
    /// until `fleet`, which outlives every use of this, has a share. Owned by a shared_ptr.
    void join_fleet(FleetAccounts* fleet);
    /// The configuration as it is now. What was learned stays.
    void configure(const Deployment& deployment, const RoutingOptions& routing,
                   std::int64_t now_ns);
    const std::string& name() const { return name_; }
    const std::string& base_url() const { return base_url_; }

    /// For choose_route(): breaker, health, load and limits, for a call of `cost` to `model` (as
    /// the provider calls it) that would stand behind all who wait.
    void describe(std::int64_t now_ns, std::string_view model, const PacerCost& cost,
                  RouteOption* option);

    /// Begins a call: past the breaker and within the limits, or not at all. `waiter` null: a
    /// newcomer, who goes behind those in line.
    BeginAnswer begin(std::int64_t now_ns, std::string_view model, const PacerCost& cost,
                      LimitWaiter* waiter, UpstreamTicket* ticket);
    /// Gets in line; false when waiting_max are. Leaving is a must before `waiter` ends; begin()
    /// that succeeds does it.
    bool join_line(std::string_view model, LimitWaiter* waiter);
    void leave_line(LimitWaiter* waiter);

    /// The answer's head. Returns what it says of the deployment's health.
    CallVerdict on_answer(std::int64_t now_ns, UpstreamTicket* ticket, const PacerAnswer& answer);
    /// The end of a call without an answer. Not of a time-out or a failure of ours.
    CallVerdict fail(std::int64_t now_ns, UpstreamTicket* ticket, ErrorCode error,
                     bool has_reached_upstream);
    /// The end of a call with an answer; `is_broken`: it broke off in the middle.
    void finish(std::int64_t now_ns, UpstreamTicket* ticket, const PacerEnd& end, bool is_broken);

    std::optional<std::int64_t> usual_first_byte_ns(std::int64_t now_ns, double share);

    /// Active health checks: when the next one is due (kNeverNs: none), whether to make it now, and
    /// how it went.
    std::int64_t probe_due_ns();
    bool begin_probe(std::int64_t now_ns);
    void end_probe(std::int64_t now_ns, bool is_ok);

    /// All that is known; without what only UpstreamSet knows (ejection).
    UpstreamStatus status(std::int64_t now_ns);
    /// Brings the gauges up to date.
    void refresh_gauges(std::int64_t now_ns, bool is_ejected);

  private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const;
    };
    struct Metrics;
    std::shared_ptr<PacedLimits>& limits_of(std::string_view model);
    std::shared_ptr<PacedLimits> make_limits(std::string model, const UpstreamLimits& limits);
    void set_limits(std::shared_ptr<PacedLimits>* held, std::string model,
                    const UpstreamLimits& limits);
    void unlink(LimitWaiter* waiter);
    class Shared;
    void share(const std::shared_ptr<PacedLimits>& limits);
    void want_share(PacedLimits* limits, std::int64_t now_ns);
    CallVerdict count(std::int64_t now_ns, UpstreamTicket* ticket, const CallEnd& end);

    const std::string name_, base_url_;
    MetricsRegistry* const registry_;
    std::unique_ptr<Metrics> metrics_;

    std::mutex mutex_;  ///< all below
    std::string provider_, region_, pool_;
    bool is_covered_ = false, has_breaker_ = true;
    std::int64_t waiting_max_ = 0;
    Rng rng_;
    BreakerOptions breaker_options_;
    CircuitBreaker breaker_;
    HealthOptions health_options_;
    std::optional<HealthSchedule> health_;
    LatencyEstimate latency_;
    UpstreamLimits account_limits_;
    FleetAccounts* fleet_ = nullptr;
    std::shared_ptr<PacedLimits> account_;
    std::unordered_map<std::string, std::shared_ptr<PacedLimits>, Hash, std::equal_to<>> by_model_;
};

}  // namespace tg
