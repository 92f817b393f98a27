#include "gateway/latency_estimate.h"

#include <algorithm>
#include <cmath>

namespace tg {
namespace {

constexpr double kMs = 1e6;
constexpr double kFirstBinNs = 1e6;  // a millisecond and less
constexpr double kSamplesMin = 20, kWeightMax = 1e12;

double fade(std::int64_t from_ns, std::int64_t now_ns, std::int64_t decay_ms) {
    const auto passed = static_cast<double>(std::max<std::int64_t>(now_ns - from_ns, 0));
    return std::exp(-passed / (static_cast<double>(decay_ms) * kMs));
}

}  // namespace

LatencyEstimate::LatencyEstimate(const LatencyOptions& options)
    : options_(options),
      peak_ns_(static_cast<double>(options.initial_ms) * kMs),
      mean_ns_(peak_ns_) {}

double LatencyEstimate::mean_ns(std::int64_t now_ns) const {
    return mean_ns_ * fade(sampled_at_ns_, now_ns, options_.forget_ms);
}

double LatencyEstimate::peak_ns(std::int64_t now_ns) const {
    const double mean = mean_ns(now_ns);
    const double kept = fade(sampled_at_ns_, now_ns, options_.peak_decay_ms);
    return mean + (peak_ns_ - mean) * kept;
}

void LatencyEstimate::on_first_byte(std::int64_t now_ns, std::int64_t took_ns) {
    const auto took = static_cast<double>(std::max<std::int64_t>(took_ns, 1));
    if (!has_sample_) {
        peak_ns_ = mean_ns_ = took;
        has_sample_ = true;
    } else {
        const double mean = mean_ns(now_ns), peak = peak_ns(now_ns);
        // A burst of samples at one moment still moves the mean by a hundredth each.
        const double mean_kept =
            std::min(fade(sampled_at_ns_, now_ns, options_.mean_decay_ms), 0.99);
        mean_ns_ = mean * mean_kept + took * (1 - mean_kept);
        const double kept = fade(sampled_at_ns_, now_ns, options_.peak_decay_ms);
        peak_ns_ = took > peak ? took : peak * kept + took * (1 - kept);
    }
    sampled_at_ns_ = std::max(sampled_at_ns_, now_ns);
    add_to_histogram(now_ns, took_ns);
}

std::size_t LatencyEstimate::bin_of(std::int64_t ns) {
    const double octaves = std::log2(std::max(static_cast<double>(ns) / kFirstBinNs, 1.0));
    return std::min(static_cast<std::size_t>(octaves * kBinsPerOctave), kBins - 1);
}

double LatencyEstimate::bin_floor_ns(std::size_t bin) {
    return kFirstBinNs * std::exp2(static_cast<double>(bin) / kBinsPerOctave);
}

double LatencyEstimate::weight_now(std::int64_t now_ns) const {
    const auto passed = static_cast<double>(now_ns - epoch_ns_);
    return std::exp2(
        std::min(passed / (static_cast<double>(options_.quantile_half_life_ms) * kMs), 1'000.0));
}

void LatencyEstimate::add_to_histogram(std::int64_t now_ns, std::int64_t took_ns) {
    double weight = weight_now(now_ns);
    if (weight > kWeightMax) {
        for (double& bin : bins_) bin /= weight;
        total_ /= weight;
        epoch_ns_ = now_ns;
        weight = 1;
    }
    bins_[bin_of(took_ns)] += weight;
    total_ += weight;
}

std::optional<std::int64_t> LatencyEstimate::quantile_ns(std::int64_t now_ns, double share) const {
    if (total_ < kSamplesMin * weight_now(now_ns)) return std::nullopt;
    double left = total_ * std::clamp(share, 0.0, 1.0);
    std::size_t bin = 0;
    while (bin + 1 < kBins && left > bins_[bin]) left -= bins_[bin++];
    const double part = bins_[bin] > 0 ? std::min(left / bins_[bin], 1.0) : 1.0;
    const double low = bin_floor_ns(bin), high = bin_floor_ns(bin + 1);
    return static_cast<std::int64_t>(low + (high - low) * part);
}

}  // namespace tg
