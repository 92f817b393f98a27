#include "gateway/retry_policy.h"

#include <algorithm>

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr double kSecondNs = 1e9;

bool is_retryable_status(int status) {
    switch (status) {
        case 408:
        case 409:
        case 429:
        case 500:
        case 502:
        case 503:
        case 504:
        case 529:
            return true;
        default:
            return false;
    }
}

std::int64_t jittered_backoff_ns(const RetryOptions& options, int attempts, Rng* rng) {
    const int doublings = std::clamp(attempts - 1, 0, 20);
    const std::int64_t ceiling =
        std::min(options.backoff_first_ms << doublings, options.backoff_max_ms) * kMs;
    return static_cast<std::int64_t>(rng->below(static_cast<std::uint64_t>(ceiling) + 1));
}

}  // namespace

RetryBudget::RetryBudget(double share, double per_second, double max)
    : share_(share), per_second_(per_second), max_(max), balance_(max) {}

double RetryBudget::balance(std::int64_t now_ns) const {
    const auto passed = static_cast<double>(std::max<std::int64_t>(now_ns - at_ns_, 0));
    return std::min(max_, balance_ + passed / kSecondNs * per_second_);
}

void RetryBudget::on_request(std::int64_t now_ns) {
    balance_ = std::min(max_, balance(now_ns) + share_);
    at_ns_ = std::max(at_ns_, now_ns);
}

bool RetryBudget::withdraw(std::int64_t now_ns) {
    balance_ = balance(now_ns);
    at_ns_ = std::max(at_ns_, now_ns);
    // A budget of 1 / 0.2 requests is one try, whatever the sum of fifths comes to in binary.
    constexpr double kSlack = 1e-9;
    if (balance_ < 1 - kSlack) return false;
    balance_ -= 1;
    return true;
}

std::string_view name(NoRetry reason) {
    switch (reason) {
        case NoRetry::none:
            return "none";
        case NoRetry::not_retryable:
            return "not_retryable";
        case NoRetry::first_byte_sent:
            return "first_byte_sent";
        case NoRetry::body_gone:
            return "body_gone";
        case NoRetry::attempts:
            return "attempts";
        case NoRetry::budget:
            return "budget";
        case NoRetry::deadline:
            return "deadline";
        case NoRetry::retry_after_too_long:
            return "retry_after_too_long";
    }
    return "unknown";
}

bool is_retryable(const AttemptEnd& end) {
    if (end.error) {
        return *end.error == ErrorCode::upstream_unreachable ||
               *end.error == ErrorCode::upstream_timeout ||
               *end.error == ErrorCode::upstream_broken;
    }
    return end.should_retry.value_or(is_retryable_status(end.status));
}

RetryDecision decide_retry(std::int64_t now_ns, const RetryOptions& options, int attempts,
                           const AttemptEnd& end, bool has_other_deployment,
                           std::int64_t deadline_ns, RetryBudget* budget, Rng* rng) {
    const auto no = [](NoRetry reason) { return RetryDecision{reason, 0}; };
    if (end.has_sent_first_byte) return no(NoRetry::first_byte_sent);
    if (end.has_reached_upstream && !end.can_repeat_body) return no(NoRetry::body_gone);
    // "Do not retry" and "no quota" are said of one account; another one may serve the request.
    const bool is_about_account =
        end.status == 429 || (end.status >= 500 && is_retryable_status(end.status));
    const bool helps_elsewhere = has_other_deployment && !end.error && is_about_account;
    if (!helps_elsewhere && (!is_retryable(end) || !end.can_heal))
        return no(NoRetry::not_retryable);
    if (attempts >= options.attempts_max) return no(NoRetry::attempts);
    std::int64_t wait_ns = 0;
    if (!has_other_deployment) {
        wait_ns = jittered_backoff_ns(options, attempts, rng);
        if (end.retry_after_ns > options.retry_after_max_ms * kMs)
            return no(NoRetry::retry_after_too_long);
        // After it, not at it: all that were refused together would else come back together.
        if (end.retry_after_ns >= 0) wait_ns = end.retry_after_ns + wait_ns / 4;
    }
    if (now_ns + wait_ns + options.attempt_min_ms * kMs > deadline_ns) return no(NoRetry::deadline);
    if (!budget->withdraw(now_ns)) return no(NoRetry::budget);
    return {NoRetry::none, now_ns + wait_ns};
}

}  // namespace tg
