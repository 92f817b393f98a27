#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/retry_policy.h"

namespace tg {

/// A hedge is a second try of a call that is slower than usual, at another deployment; the first of
/// the two to answer is kept. Both may be billed, so it is off unless a policy asks for it. Source:
/// J. Dean, L. A. Barroso, "The tail at scale", CACM 2013.
struct HedgeOptions {
    bool is_enabled = false;
    double quantile = 0.95;  ///< of the first deployment's time to first byte
    std::int64_t delay_min_ms = 200, delay_max_ms = 60'000;
    std::int64_t attempt_min_ms = 1'000;  ///< time that must be left before the deadline
};

/// One call under way, as far as hedging goes.
struct HedgeCall {
    std::int64_t sent_ns = 0;
    std::int64_t deadline_ns = 0;
    std::optional<std::int64_t> usual_ns = {};  ///< LatencyEstimate::quantile_ns(options.quantile)
    bool has_first_byte = false;                ///< from the upstream
    bool is_hedged = false;                     ///< already: one is enough
    bool can_repeat_body = true;
    /// The next candidate that choose_route() gave can start now; so the policy holds for it too.
    bool has_free_candidate = false;
};

enum class NoHedge : std::uint8_t {
    none,
    off,
    answered,
    hedged,
    body_gone,
    unknown_latency,
    deadline,
    no_candidate,
    too_early,
    budget
};
std::string_view name(NoHedge reason);

struct HedgeDecision {
    NoHedge refused = NoHedge::none;
    std::int64_t at_ns = 0;  ///< with too_early: when to ask again
    bool is_hedge() const { return refused == NoHedge::none; }
};

/// When `call` would be hedged, if it is still waiting then; nullopt: not at all. For a timer.
std::optional<std::int64_t> hedge_time(const HedgeOptions& options, const HedgeCall& call);

/// Asked when the timer fires. Takes from `budget`, which should be a small share of requests (5
/// %), only when it says yes. A hedge never waits for a limit: saturated accounts are not helped by
/// it.
HedgeDecision decide_hedge(std::int64_t now_ns, const HedgeOptions& options, const HedgeCall& call,
                           RetryBudget* budget);

}  // namespace tg
