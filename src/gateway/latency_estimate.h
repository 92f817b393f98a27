#pragma once
#include <array>
#include <cstdint>
#include <optional>

namespace tg {

struct LatencyOptions {
    std::int64_t peak_decay_ms = 10'000;   ///< time in which a peak fades to 37 %
    std::int64_t mean_decay_ms = 300'000;  ///< the same for the mean that it fades to
    std::int64_t forget_ms =
        1'200'000;                    ///< without samples the mean itself fades: it is tried again
    std::int64_t initial_ms = 1'000;  ///< before the first sample
    std::int64_t quantile_half_life_ms = 120'000;  ///< a sample's weight halves
};

/// Time to first byte of one deployment (and model), as routing and hedging need it.
///
/// peak: peak-EWMA, up at once, down with time, so that one slow answer turns traffic away and
/// several quick ones bring it back. Source: Finagle's PeakEwma, linkerd "Beyond round robin" 2016.
/// Unlike there it fades to a long mean and not to zero: the answers of models take seconds, and a
/// slow region would else be tried with real requests every few of its decay times.
/// quantile: a histogram over powers of two in eighths, 9 % wide, with exponential forgetting.
///
/// Pure, in virtual time (monotonic ns); no allocation; not thread-safe: one per loop, or under a
/// lock.
class LatencyEstimate {
  public:
    explicit LatencyEstimate(const LatencyOptions& options = {});

    /// A call begins, and ends exactly once.
    void on_start() { ++in_flight_; }
    void on_end() { in_flight_ = in_flight_ > 0 ? in_flight_ - 1 : 0; }
    /// The first byte came after `took_ns`; for a time-out, how long was waited in vain.
    void on_first_byte(std::int64_t now_ns, std::int64_t took_ns);

    double peak_ns(std::int64_t now_ns) const;
    double mean_ns(std::int64_t now_ns) const;
    /// What a further call should expect, compared between deployments: peak x (calls under way +
    /// 1).
    double load_ns(std::int64_t now_ns) const { return peak_ns(now_ns) * (in_flight_ + 1); }
    int in_flight() const { return in_flight_; }
    /// `share` in (0, 1): 0.95 for p95. nullopt before 20 samples' worth of weight.
    std::optional<std::int64_t> quantile_ns(std::int64_t now_ns, double share) const;

  private:
    static constexpr std::size_t kBinsPerOctave = 8, kBins = 21 * kBinsPerOctave;
    static std::size_t bin_of(std::int64_t ns);
    static double bin_floor_ns(std::size_t bin);
    void add_to_histogram(std::int64_t now_ns, std::int64_t took_ns);
    double weight_now(std::int64_t now_ns) const;

    LatencyOptions options_;
    int in_flight_ = 0;
    bool has_sample_ = false;
    double peak_ns_, mean_ns_;
    std::int64_t sampled_at_ns_ = 0;
    // Weights grow with time instead of shrinking all that is there; rescaled when they get large.
    std::array<double, kBins> bins_{};
    double total_ = 0;
    std::int64_t epoch_ns_ = 0;
};

}  // namespace tg
