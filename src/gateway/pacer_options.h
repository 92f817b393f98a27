#pragma once
#include <array>
#include <cstdint>

#include "gateway/rate_limit_headers.h"

namespace tg {

/// Limits of an account per minute, by LimitMeter; 0: not limited, or not known yet.
using MinuteLimits = std::array<std::int64_t, kLimitMeters>;

/// What is assumed of the provider's way to count a minute.
enum class PacerCounting : std::uint8_t {
    both,    ///< not known: never more than the limit in any 60 s, nor than a bucket holds
    bucket,  ///< a bucket that holds a minute's limit and refills continuously: up to two minutes'
             ///< limits in the first minute after a pause. Anthropic documents "the token bucket
             ///< algorithm" (Rate limits); OpenAI's x-ratelimit-reset behaves like one.
};

/// How one upstream account is paced.
struct PacerOptions {
    /// What the account is allowed, or our share of it. The provider's headers lower it; they never
    /// raise it above what is set here.
    MinuteLimits limits{};
    std::int64_t concurrency_max = 0;  ///< calls under way at once; 0: not limited

    PacerCounting counting = PacerCounting::both;
    /// Depth of the token bucket that we believe in, as seconds of the limit: how much may be sent
    /// at once after a pause. Learned downwards from 429s, so a hopeful value costs a few. Azure
    /// counts over "typically 1 or 10 seconds" (Microsoft, Azure OpenAI quota management), OpenAI
    /// may apply "1 request per second for a 60 RPM limit" (help.openai.com 5955604), and both
    /// announce a full minute in their headers.
    double burst_s = 30;
    /// A burst is sent at no more than so many times the limit's rate, after a first second of it.
    /// So that the answers to a burst's beginning are known before its end is sent.
    double peak_factor = 6;
    /// The same while calls have to wait for the minute's limit: twice as much in the first minute
    /// of a pile-up would only come back as a wave every minute.
    double catch_up_factor = 1.25;

    /// The provider counts a request at some moment between our send and its first byte. The window
    /// is held longer by the usual difference between the fastest and the slowest of these.
    std::int64_t count_jitter_ms = 150;
    double target_share = 0.992;  ///< of the believed limit that is used; the rest pays for doubt

    /// The provider gives back, when the call ends, what output was reserved and not used.
    /// Anthropic does: OTPM is estimated from max_tokens and adjusted at the end
    /// (docs.anthropic.com, api/rate-limits, read 2026-11-25); OpenAI does not. Where input and
    /// output share one limit, that gets it back as well.
    bool refunds_output = false;
    /// Bounds of the learned ratio between the provider's count of input tokens and ours. The lower
    /// one is 1 unless the estimate is known to be too high.
    double input_ratio_min = 1.0, input_ratio_max = 1.5;

    std::int64_t backoff_first_ms = 1'000;  ///< after a 429 without Retry-After; doubles
    std::int64_t backoff_max_ms = 30'000;
    /// After a refusal that waiting does not heal (quota, spend limit): when to look again.
    std::int64_t exhausted_pause_ms = 300'000;
};

}  // namespace tg
