#include "gateway/health_schedule.h"

#include <algorithm>

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000;

}  // namespace

HealthSchedule::HealthSchedule(const HealthOptions& options, Rng* rng, std::int64_t now_ns)
    : options_(options),
      rng_(rng),
      due_ns_(now_ns + static_cast<std::int64_t>(
                           rng->below(static_cast<std::uint64_t>(options.interval_ms * kMs) + 1))) {
}

void HealthSchedule::schedule(std::int64_t now_ns) {
    std::int64_t wait = options_.interval_ms;
    if (failures_ > 0) {
        const int doublings = std::min(failures_ - 1, 20);
        wait = std::min(options_.retry_first_ms << doublings, options_.retry_max_ms);
    } else if (!is_healthy_) {
        wait = options_.retry_first_ms;
    }
    const auto early =
        static_cast<std::uint64_t>(static_cast<double>(wait * kMs) * options_.jitter);
    due_ns_ = now_ns + wait * kMs - static_cast<std::int64_t>(rng_->below(early + 1));
}

bool HealthSchedule::begin_probe(std::int64_t now_ns) {
    if (now_ns < due_ns_) return false;
    if (is_under_way_) {
        on_result(now_ns, false);
        return false;
    }
    is_under_way_ = true;
    due_ns_ = now_ns + options_.timeout_ms * kMs;
    return true;
}

void HealthSchedule::on_result(std::int64_t now_ns, bool is_ok) {
    if (!is_under_way_) return;  // given up before
    is_under_way_ = false;
    failures_ = is_ok ? 0 : failures_ + 1;
    successes_ = is_ok ? successes_ + 1 : 0;
    if (failures_ >= options_.failures_to_unhealthy) is_healthy_ = false;
    if (successes_ >= options_.successes_to_healthy) is_healthy_ = true;
    schedule(now_ns);
}

void HealthSchedule::on_traffic(std::int64_t now_ns, CallVerdict verdict) {
    // Failures of traffic are the breaker's; a success is worth a probe, and postpones the next.
    if (verdict != CallVerdict::success) return;
    failures_ = 0;
    if (!is_healthy_ && ++successes_ >= options_.successes_to_healthy) is_healthy_ = true;
    if (!is_under_way_) schedule(now_ns);
}

}  // namespace tg
