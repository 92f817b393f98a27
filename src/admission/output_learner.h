#pragma once
#include <array>
#include <cstdint>
#include <unordered_map>

namespace tg {

/// How many output tokens the calls of one model, or of one key with one model, use: a histogram
/// of logarithmic buckets that forgets. Each value is known to 1/8 (12.5 %); counts are halved
/// after kHalveAfter observations, so that a change of use shows within some hundreds of calls.
class OutputDistribution {
  public:
    void observe(std::int64_t output_tokens);
    /// The upper end of the bucket that holds the quantile; 0 when nothing was observed.
    std::int64_t quantile_per_mille(std::int64_t per_mille) const;
    std::int64_t mean() const;
    /// Observations that still count.
    std::uint32_t count() const { return count_; }

    static constexpr std::uint32_t kHalveAfter = 1024;

  private:
    static constexpr int kSubBuckets = 8;
    static constexpr int kBuckets = 21 * kSubBuckets;  ///< up to 2^23 tokens and all above

    static int bucket_of(std::int64_t tokens);
    static std::int64_t upper_end(int bucket);

    std::array<std::uint16_t, kBuckets> buckets_{};
    std::uint32_t count_ = 0;
    std::int64_t sum_ = 0;
};

/// Which output to reserve for a call.
///
/// Reserved is max_tokens where the client gave a plausible one. Where it gave none: the 90th
/// percentile of what such calls use, but at least their mean. Why that: the error of the sum over
/// the calls in flight is what limits feel, not that of each call. At or above the mean the sum is
/// enough as soon as a few calls run together, and the tenth that uses more is corrected when it
/// ends; a higher quantile holds capacity idle that each settlement gives back (on log-normal
/// outputs with sigma 1, p90 reserves 2.2 times what is used, p99 6.2 times).
/// Where max_tokens is absurd (far above anything such calls ever use), the 99th percentile: who
/// asks for much more than usual gets the benefit of the doubt.
class OutputLearner {
  public:
    struct Options {
        std::int64_t unknown_output_tokens = 1'024;  ///< nothing known yet and no max_tokens
        std::uint32_t count_min = 32;                ///< observations before a distribution is used
        /// max_tokens above this many times the 99th percentile is absurd. The tail beyond p99 is
        /// short: on log-normal outputs with sigma 1 one call in 30,000 is above 5 times p99.
        std::int64_t absurd_factor = 8;
        std::uint32_t subjects_max = 100'000;  ///< (key, model) pairs that are remembered
    };
    OutputLearner() : OutputLearner(Options{}) {}
    explicit OutputLearner(const Options& options) : options_(options) {}

    /// `model` and `key` are opaque; key 0 means "of any key". `max_tokens` 0: not given.
    /// `output_tokens_max` is what the model can write at all, 0 if unknown: the result is never
    /// above it. A pair with too few calls falls back to the model, that to max_tokens.
    std::int64_t estimate(std::uint64_t model, std::uint64_t key, std::int64_t max_tokens,
                          std::int64_t output_tokens_max) const;
    void observe(std::uint64_t model, std::uint64_t key, std::int64_t output_tokens);

  private:
    const OutputDistribution* known(std::uint64_t model, std::uint64_t key) const;
    static std::uint64_t pair_of(std::uint64_t model, std::uint64_t key);

    Options options_;
    std::unordered_map<std::uint64_t, OutputDistribution> models_;
    std::unordered_map<std::uint64_t, OutputDistribution> pairs_;
};

}  // namespace tg
