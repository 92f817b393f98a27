#pragma once
#include <cstdint>

#include "base/rng.h"
#include "gateway/circuit_breaker.h"

namespace tg {

struct HealthOptions {
    std::int64_t interval_ms = 30'000;    ///< between probes while healthy
    std::int64_t retry_first_ms = 2'000;  ///< after a failed probe; doubles
    std::int64_t retry_max_ms = 60'000;
    double jitter = 0.1;               ///< a probe comes up to this share earlier
    std::int64_t timeout_ms = 10'000;  ///< a probe without result is a failure then
    int failures_to_unhealthy = 3, successes_to_healthy = 2;
    friend bool operator==(const HealthOptions&, const HealthOptions&) = default;
};

/// When to probe a deployment that may have no traffic, and whether it is healthy by its probes.
/// Successful traffic stands in for probes: a deployment in use is not probed. Which endpoint is
/// probed, and that a deployment outside a policy's regions gets no content of that policy's
/// requests, is the caller's: a probe carries no request of a client.
///
/// Pure, in virtual time; not thread-safe.
class HealthSchedule {
  public:
    /// `rng` outlives the schedule. The first probe is due within the first interval, at random.
    HealthSchedule(const HealthOptions& options, Rng* rng, std::int64_t now_ns);

    /// When the next probe is due; a probe under way is due to be given up.
    std::int64_t next_due_ns() const { return due_ns_; }
    /// true: probe now; the result goes to on_result(). Gives up a probe that had no result in
    /// time.
    bool begin_probe(std::int64_t now_ns);
    void on_result(std::int64_t now_ns, bool is_ok);
    /// A real call's end.
    void on_traffic(std::int64_t now_ns, CallVerdict verdict);
    bool is_healthy() const { return is_healthy_; }

  private:
    void schedule(std::int64_t now_ns);

    HealthOptions options_;
    Rng* rng_;
    std::int64_t due_ns_;
    bool is_under_way_ = false, is_healthy_ = true;
    int failures_ = 0, successes_ = 0;
};

}  // namespace tg
