#include "gateway/circuit_breaker.h"

#include <algorithm>

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000;

}  // namespace

CallVerdict verdict_of(const CallEnd& end) {
    if (end.error) {
        switch (*end.error) {
            case ErrorCode::upstream_unreachable:
            case ErrorCode::upstream_timeout:
            case ErrorCode::upstream_broken:
                return CallVerdict::failure;
            case ErrorCode::upstream_rejected:
                break;
            default:
                // Cancelled, shutting down, the client's own doing: nothing about the deployment.
                return CallVerdict::neutral;
        }
    }
    if (end.status == 429 || end.status == 0) return CallVerdict::neutral;
    return end.status >= 500 ? CallVerdict::failure : CallVerdict::success;
}

std::string_view name(BreakerState state) {
    switch (state) {
        case BreakerState::closed:
            return "closed";
        case BreakerState::open:
            return "open";
        case BreakerState::half_open:
            return "half_open";
    }
    return "unknown";
}

CircuitBreaker::CircuitBreaker(const BreakerOptions& options, Rng* rng)
    : options_(options), rng_(rng) {}

void CircuitBreaker::advance(std::int64_t now_ns) {
    if (state_ == BreakerState::open && now_ns >= open_until_ns_) {
        state_ = BreakerState::half_open;
        ++epoch_;
        probes_ = probe_successes_ = 0;
    }
}

BreakerState CircuitBreaker::state(std::int64_t now_ns) {
    advance(now_ns);
    return state_;
}

bool CircuitBreaker::allows(std::int64_t now_ns) {
    advance(now_ns);
    if (state_ != BreakerState::half_open) return state_ == BreakerState::closed;
    // Probes that never came back must not keep it shut for ever.
    return probes_ < options_.probes_max ||
           now_ns - last_probe_ns_ >= options_.probe_timeout_ms * kMs;
}

std::optional<BreakerPass> CircuitBreaker::begin(std::int64_t now_ns) {
    if (!allows(now_ns)) return std::nullopt;
    BreakerPass pass{epoch_, state_ == BreakerState::half_open};
    if (pass.is_probe) {
        probes_ = std::min(probes_ + 1, options_.probes_max);
        last_probe_ns_ = now_ns;
    }
    return pass;
}

void CircuitBreaker::end(std::int64_t now_ns, const BreakerPass& pass, CallVerdict verdict) {
    advance(now_ns);
    if (pass.epoch != epoch_) return;
    if (pass.is_probe) {
        end_probe(now_ns, verdict);
        return;
    }
    if (verdict == CallVerdict::neutral) return;
    const bool is_failure = verdict == CallVerdict::failure;
    count(now_ns, is_failure);
    failures_in_a_row_ = is_failure ? failures_in_a_row_ + 1 : 0;
    if (!is_failure) return;
    if (failures_in_a_row_ >= options_.consecutive_failures || is_failing(now_ns)) open(now_ns);
}

void CircuitBreaker::end_probe(std::int64_t now_ns, CallVerdict verdict) {
    probes_ = std::max(probes_ - 1, 0);
    if (verdict == CallVerdict::failure) {
        open(now_ns);
    } else if (verdict == CallVerdict::success && ++probe_successes_ >= options_.probes_to_close) {
        close(now_ns);
    }
}

void CircuitBreaker::count(std::int64_t now_ns, bool is_failure) {
    const std::int64_t index =
        now_ns / std::max<std::int64_t>(options_.window_ms * kMs / kSlots, 1);
    Slot& slot = slots_[static_cast<std::size_t>(index % kSlots)];
    if (slot.index != index) slot = {index, 0, 0};
    ++slot.calls;
    slot.failures += is_failure ? 1 : 0;
}

bool CircuitBreaker::is_failing(std::int64_t now_ns) const {
    const std::int64_t newest =
        now_ns / std::max<std::int64_t>(options_.window_ms * kMs / kSlots, 1);
    int calls = 0, failures = 0;
    for (const Slot& slot : slots_) {
        if (slot.index < 0 || slot.index <= newest - kSlots) continue;
        calls += slot.calls;
        failures += slot.failures;
    }
    return calls >= options_.calls_min && failures >= calls * options_.failure_share;
}

void CircuitBreaker::open(std::int64_t now_ns) {
    if (state_ == BreakerState::closed && now_ns - closed_at_ns_ >= options_.forgive_ms * kMs)
        opened_in_a_row_ = 0;
    const int doublings = std::min(opened_in_a_row_++, 20);
    const std::int64_t base =
        std::min(options_.open_first_ms << doublings, options_.open_max_ms) * kMs;
    const auto jitter = static_cast<std::int64_t>(static_cast<double>(base) * options_.open_jitter);
    open_until_ns_ = now_ns + base +
                     static_cast<std::int64_t>(rng_->below(static_cast<std::uint64_t>(jitter) + 1));
    state_ = BreakerState::open;
    ++epoch_;
    ++times_opened_;
}

void CircuitBreaker::close(std::int64_t now_ns) {
    state_ = BreakerState::closed;
    ++epoch_;
    closed_at_ns_ = now_ns;
    failures_in_a_row_ = 0;
    slots_.fill({});
}

}  // namespace tg
