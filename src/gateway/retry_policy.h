#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/rng.h"

namespace tg {

/// A share of requests that may be sent a second time: each first try pays in `share`, each extra
/// one takes out 1. When everything fails, retries then add that share of load and no more. Source:
/// Finagle's RetryBudget; Google SRE book, chapter 22. Pure; not thread-safe.
class RetryBudget {
  public:
    /// `per_second`: extra tries that even an idle gateway has; `max`: what can be saved up.
    RetryBudget(double share, double per_second, double max);
    void on_request(std::int64_t now_ns);
    /// Takes one extra try out; false when there is none.
    bool withdraw(std::int64_t now_ns);
    double balance(std::int64_t now_ns) const;

  private:
    double share_, per_second_, max_, balance_;
    std::int64_t at_ns_ = 0;
};

struct RetryOptions {
    int attempts_max = 3;  ///< the first one included
    std::int64_t backoff_first_ms = 250, backoff_max_ms = 8'000;
    /// A longer Retry-After is passed on to the client instead of being waited for.
    std::int64_t retry_after_max_ms = 60'000;
    std::int64_t attempt_min_ms = 500;  ///< time that must be left for a try to be worth it
};

/// How a try ended, before anything of its answer reached the client.
struct AttemptEnd {
    int status = 0;  ///< 0: no answer
    std::optional<ErrorCode> error = {};
    bool has_reached_upstream = false;      ///< some byte was sent: the provider may bill
    bool has_sent_first_byte = false;       ///< to the client: it is too late
    bool can_repeat_body = true;            ///< a streamed body is sent once
    std::int64_t retry_after_ns = -1;       ///< as RateLimitReport
    std::optional<bool> should_retry = {};  ///< x-should-retry
    bool can_heal = true;  ///< false: quota or spend limit; waiting does not help here
};

enum class NoRetry : std::uint8_t {
    none,
    not_retryable,
    first_byte_sent,
    body_gone,
    attempts,
    budget,
    deadline,
    retry_after_too_long
};
std::string_view name(NoRetry reason);

struct RetryDecision {
    NoRetry refused = NoRetry::none;
    std::int64_t at_ns = 0;  ///< when to try again, if not refused
    bool is_retry() const { return refused == NoRetry::none; }
};

/// May the same request do better elsewhere, or later? By status: 408, 409, 429, 500, 502, 503,
/// 504, 529, as the SDKs of OpenAI and Anthropic retry (the rest of 5xx tells of the request). By
/// error: not reached, no answer in time, broken off.
bool is_retryable(const AttemptEnd& end);

/// Whether and when to try again after the `attempts`-th try. With another deployment to go to it
/// is at once: the one that failed has its own breaker and pacer. Else Retry-After, or full jitter
/// (M. Brooker, "Exponential backoff and jitter", AWS 2015): uniform in [0, first x 2^(n-1)],
/// capped. `has_other_deployment`: choose_route() with this request's failures marked was_tried
/// still gives a candidate. Takes from `budget` only when it says yes. Pure but for `budget` and
/// `rng`.
RetryDecision decide_retry(std::int64_t now_ns, const RetryOptions& options, int attempts,
                           const AttemptEnd& end, bool has_other_deployment,
                           std::int64_t deadline_ns, RetryBudget* budget, Rng* rng);

}  // namespace tg
