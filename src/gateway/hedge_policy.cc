#include "gateway/hedge_policy.h"

#include <algorithm>

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000;

/// What rules it out for good, whatever the time.
NoHedge obstacle(const HedgeOptions& options, const HedgeCall& call) {
    if (!options.is_enabled) return NoHedge::off;
    if (call.has_first_byte) return NoHedge::answered;
    if (call.is_hedged) return NoHedge::hedged;
    if (!call.can_repeat_body) return NoHedge::body_gone;
    return call.usual_ns ? NoHedge::none : NoHedge::unknown_latency;
}

std::int64_t due_ns(const HedgeOptions& options, const HedgeCall& call) {
    return call.sent_ns +
           std::clamp(*call.usual_ns, options.delay_min_ms * kMs, options.delay_max_ms * kMs);
}

}  // namespace

std::string_view name(NoHedge reason) {
    switch (reason) {
        case NoHedge::none:
            return "none";
        case NoHedge::off:
            return "off";
        case NoHedge::answered:
            return "answered";
        case NoHedge::hedged:
            return "hedged";
        case NoHedge::body_gone:
            return "body_gone";
        case NoHedge::unknown_latency:
            return "unknown_latency";
        case NoHedge::deadline:
            return "deadline";
        case NoHedge::no_candidate:
            return "no_candidate";
        case NoHedge::too_early:
            return "too_early";
        case NoHedge::budget:
            return "budget";
    }
    return "unknown";
}

std::optional<std::int64_t> hedge_time(const HedgeOptions& options, const HedgeCall& call) {
    if (obstacle(options, call) != NoHedge::none) return std::nullopt;
    const std::int64_t at = due_ns(options, call);
    if (at + options.attempt_min_ms * kMs > call.deadline_ns) return std::nullopt;
    return at;
}

HedgeDecision decide_hedge(std::int64_t now_ns, const HedgeOptions& options, const HedgeCall& call,
                           RetryBudget* budget) {
    if (const NoHedge reason = obstacle(options, call); reason != NoHedge::none) return {reason, 0};
    if (now_ns + options.attempt_min_ms * kMs > call.deadline_ns) return {NoHedge::deadline, 0};
    if (const std::int64_t at = due_ns(options, call); now_ns < at) return {NoHedge::too_early, at};
    if (!call.has_free_candidate) return {NoHedge::no_candidate, 0};
    if (!budget->withdraw(now_ns)) return {NoHedge::budget, 0};
    return {NoHedge::none, now_ns};
}

}  // namespace tg
