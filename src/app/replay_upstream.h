#pragma once
#include <cstdint>
#include <deque>
#include <string_view>

#include "gateway/rate_limit_headers.h"

namespace tg {

/// How the simulated account enforces its limits, and what else goes on at it.
struct ReplayUpstreamSpec {
    enum class Counting : std::uint8_t {
        window,  ///< at most the limit in any 60 s, exactly
        bucket,  ///< holds a minute's limit, refills continuously
    };
    Counting counting = Counting::window;
    std::int64_t rpm = 0, tpm = 0;

    double prompt_drift = 1;  ///< its count of prompt tokens / ours
    double other_share = 0;   ///< of the limits, taken by another consumer, on average
    double cut_to = 1;        ///< of the limits, from cut_from_us to cut_until_us
    std::int64_t cut_from_us = 0, cut_until_us = 0;

    double limit_factor(std::int64_t now_us) const {
        return now_us >= cut_from_us && now_us < cut_until_us ? cut_to : 1;
    }
    /// What the other consumer takes now, as a share of the limits: busy for 20 seconds of each
    /// minute, at three times its mean. It always gets it: how it deals with refusals is not ours
    /// to assume.
    double other_rate(std::int64_t now_us) const {
        return now_us / 1'000'000 % 60 < 20 ? 3 * other_share : 0;
    }
    /// What it counts for a request: prompt and output as they will turn out to be, from the moment
    /// the request arrives. Providers differ (max_tokens, or an estimate corrected later) and the
    /// traces hold no max_tokens; this is the count that makes the oracle's problem exact and is
    /// the hardest for a gateway, which learns the output at the end.
    std::int64_t count_of(std::int64_t input_tokens, std::int64_t output_tokens) const;
};

/// One limit per minute, kept the slow and exact way; none of the product's code.
class ReplayLimit {
  public:
    explicit ReplayLimit(ReplayUpstreamSpec::Counting counting) : counting_(counting) {}

    double used(std::int64_t now_us, double limit);
    bool fits(std::int64_t now_us, double amount, double limit) {
        return used(now_us, limit) + amount <= limit + 1e-6;
    }
    void add(std::int64_t now_us, double amount, double limit);
    /// How long until `amount` fits if nothing else comes.
    std::int64_t wait_us(std::int64_t now_us, double amount, double limit);

  private:
    struct Entry {
        std::int64_t at_us;
        double amount;
    };
    ReplayUpstreamSpec::Counting counting_;
    std::int64_t at_us_ = 0;
    double level_ = 0;
    std::deque<Entry> entries_;
};

struct ReplayAnswer {
    bool is_accepted = false;
    RateLimitReport report;  ///< as its headers tell: limit, remaining, Retry-After with a 429
};

/// The account: requests and tokens per minute. Virtual time, which must not go back.
class ReplayUpstream {
  public:
    explicit ReplayUpstream(const ReplayUpstreamSpec& spec)
        : spec_(spec), requests_(spec.counting), tokens_(spec.counting) {}
    ReplayAnswer arrive(std::int64_t now_us, std::int64_t input_tokens, std::int64_t output_tokens);

  private:
    void let_other_consume(std::int64_t now_us);

    ReplayUpstreamSpec spec_;
    ReplayLimit requests_, tokens_;
    std::int64_t other_at_us_ = 0;
    double other_requests_due_ = 0, other_tokens_due_ = 0;
};

}  // namespace tg
