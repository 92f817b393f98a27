#pragma once
#include <array>
#include <cstdint>
#include <mutex>
#include <optional>

#include "gateway/pacer_meter.h"
#include "gateway/pacer_options.h"
#include "gateway/rate_limit_headers.h"

namespace tg {

/// What a provider counts for one call when it arrives, in its own terms:
/// - OpenAI: total = max(prompt, max_tokens). Source: OpenAI, Rate limits guide, "max_tokens".
/// - Azure: total = prompt + max_tokens x best_of (Microsoft, Azure OpenAI quota management).
/// - Anthropic: input without what is read from its cache (a few older models count that too),
///   output = max_tokens; no total. Source: docs.anthropic.com, api/rate-limits, read 2026-11-25.
/// 0 where the provider has no such limit.
struct PacerCost {
    std::int64_t requests = 1;
    std::int64_t total_tokens = 0;
    std::int64_t input_tokens =
        0;  ///< also where only a total is limited: the drift is learned by it
    std::int64_t output_tokens = 0;
};

enum class PacerBound : std::uint8_t {
    none,
    requests,
    total_tokens,
    input_tokens,
    output_tokens,
    concurrency,
    retry_after,
    exhausted,
    too_large
};
std::string_view name(PacerBound bound);

/// When a call may start, and what it waits for.
struct PacerStart {
    /// kNeverNs: larger than a limit. With bound concurrency an estimate: when the next call of
    /// those under way should end.
    std::int64_t at_ns = 0;
    PacerBound bound = PacerBound::none;
};

/// One call's share of the account. Given by take(), kept by the caller, handed to on_answer() when
/// the answer's head is there and to on_end() exactly once, however the call ends.
struct PacerTicket {
    std::int64_t sent_ns = 0;
    std::array<MeterMark, kLimitMeters> marks;
    std::int64_t input_tokens = 0, output_tokens = 0;  ///< as estimated by the caller
    bool is_open = false;
};

/// The head of an answer, as far as limits go.
struct PacerAnswer {
    int status = 200;
    RateLimitReport report = {};
    /// Which meter a 429 names in its body (OpenAI: type "requests" or "tokens"); nullopt: not
    /// known.
    std::optional<LimitMeter> refused_meter = {};
    bool can_heal =
        true;  ///< false: insufficient_quota, spend limit reached: waiting does not help
};

struct PacerEnd {
    bool has_reached_upstream = true;  ///< false: no byte was sent, nothing can have been counted
    std::int64_t input_tokens = -1;    ///< as the provider's usage says; -1: not known
    std::int64_t output_tokens = -1;
};

struct PacerMeterState {
    double limit = 0;  ///< believed; 0: none
    double share = 1;  ///< of what configuration and headers say
    std::int64_t used = 0;
    double excess = 0;  ///< counted by the provider beyond what we sent
    double remaining_share = 1;
    double burst_s = 0;
};
struct PacerState {
    std::array<PacerMeterState, kLimitMeters> meters;
    double input_ratio = 1;
    std::int64_t in_flight = 0;
    std::int64_t blocked_until_ns = 0;
    std::int64_t refusals = 0;  ///< 429s seen, ever
    bool is_exhausted = false;
};

/// What a process does with an account that several share, for the fleet. Windows of 60 s.
struct PacerUse {
    static constexpr int kSteps = 12;
    MinuteLimits limits{};  ///< of the account, configured or told; 0: none
    MinuteLimits used{};
    /// What of `used` still counts 1, 2 ... kSteps times 5 s from now.
    std::array<MinuteLimits, kSteps> leaving{};
    std::int64_t concurrency_max = 0;  ///< 0: none
    std::int64_t in_flight = 0;
};

/// Paces the calls of one upstream account (and model, where limits are per model) so that the
/// provider never has to refuse one. Providers keep either token buckets that refill continuously
/// (OpenAI, Anthropic) or sliding windows, and do not say which: a call starts when it fits both.
/// See PacerMeter for what is learned, and docs/decisions/0005-upstream-pacing.md for numbers.
///
/// A pure state machine: time is `now_ns`, monotonic nanoseconds from any origin >= 0; no I/O, no
/// allocation after construction (33 KB). Not thread-safe: one lock or one loop owns it;
/// SharedAccountPacer is the locked form. Order among waiting calls is the caller's.
class AccountPacer {
  public:
    explicit AccountPacer(const PacerOptions& options);

    /// The limits that configuration, or a fleet's share-out, now allows; 0: not limited.
    void configure(const MinuteLimits& limits);
    void set_concurrency_max(std::int64_t calls) { options_.concurrency_max = calls; }

    /// From now on this is one process of a fleet: of each limit it uses its share, which is
    /// nothing until set_fleet_share(), and nothing again after `until_ns` of set_fleet_until().
    /// Refused calls, headers and Retry-After count as before: they are the account's.
    void join_fleet();
    /// `concurrency` and amounts: units; what has no limit is not looked at.
    void set_fleet_share(const MinuteLimits& share, std::int64_t concurrency);
    void set_fleet_until(std::int64_t until_ns) { fleet_until_ns_ = until_ns; }
    PacerUse use(std::int64_t now_ns);

    /// When a call of `cost` may be sent. Exact: take() at that time succeeds unless another call
    /// was taken, or an answer changed the picture, in between.
    PacerStart earliest_start(std::int64_t now_ns, const PacerCost& cost);
    /// Takes `cost` from all meters, or nothing: nullopt when it may not be sent now.
    std::optional<PacerTicket> take(std::int64_t now_ns, const PacerCost& cost);

    void on_answer(std::int64_t now_ns, PacerTicket* ticket, const PacerAnswer& answer);
    void on_end(std::int64_t now_ns, PacerTicket* ticket, const PacerEnd& end);

    PacerState state(std::int64_t now_ns);
    /// Of the limit that is used most, the part that is left now: for RouteOrder::remaining.
    double remaining_share(std::int64_t now_ns);

  private:
    using Amounts = std::array<std::int64_t, kLimitMeters>;
    Amounts amounts(const PacerCost& cost) const;
    PacerStart earliest_for(std::int64_t now_ns, const Amounts& amounts);
    void on_refusal(std::int64_t now_ns, PacerTicket* ticket, const PacerAnswer& answer);
    void back_off(std::int64_t now_ns, const PacerTicket& ticket, const PacerAnswer& answer);
    void learn_ratio(std::int64_t ours, std::int64_t theirs);

    PacerOptions options_;
    std::array<PacerMeter, kLimitMeters> meters_;
    std::int64_t in_flight_ = 0, refusals_ = 0;
    double mean_call_ns_ = 1e9;
    std::int64_t blocked_until_ns_ = 0, blocked_at_ns_ = -1;
    int refusals_in_a_row_ = 0;
    bool is_exhausted_ = false;
    std::int64_t fleet_until_ns_ = INT64_MAX;
    std::int64_t fleet_concurrency_ = -1;  ///< -1: no fleet
    double ratio_ours_, ratio_theirs_, input_ratio_ = 1;
};

/// AccountPacer behind one mutex, for an account that several loops call. Each call holds it for
/// less than a microsecond.
class SharedAccountPacer {
  public:
    explicit SharedAccountPacer(const PacerOptions& options) : pacer_(options) {}
    void configure(const MinuteLimits& limits) {
        const std::lock_guard lock(mutex_);
        pacer_.configure(limits);
    }
    PacerStart earliest_start(std::int64_t now_ns, const PacerCost& cost) {
        const std::lock_guard lock(mutex_);
        return pacer_.earliest_start(now_ns, cost);
    }
    std::optional<PacerTicket> take(std::int64_t now_ns, const PacerCost& cost) {
        const std::lock_guard lock(mutex_);
        return pacer_.take(now_ns, cost);
    }
    void on_answer(std::int64_t now_ns, PacerTicket* ticket, const PacerAnswer& answer) {
        const std::lock_guard lock(mutex_);
        pacer_.on_answer(now_ns, ticket, answer);
    }
    void on_end(std::int64_t now_ns, PacerTicket* ticket, const PacerEnd& end) {
        const std::lock_guard lock(mutex_);
        pacer_.on_end(now_ns, ticket, end);
    }
    PacerState state(std::int64_t now_ns) {
        const std::lock_guard lock(mutex_);
        return pacer_.state(now_ns);
    }
    double remaining_share(std::int64_t now_ns) {
        const std::lock_guard lock(mutex_);
        return pacer_.remaining_share(now_ns);
    }

  private:
    std::mutex mutex_;
    AccountPacer pacer_;
};

}  // namespace tg
