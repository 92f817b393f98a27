#include "gateway/region_order.h"

#include <algorithm>
#include <cmath>

namespace tg {
namespace {

// The configured latency counts like so many measurements.
constexpr double kPriorWeight = 5;
constexpr double kNotStatedMs = 1'000;
constexpr double kFailureShareMax = 0.95;

}  // namespace

RegionOrder::RegionOrder(std::vector<RegionPrior> regions, const RegionOptions& options)
    : options_(options) {
    std::int64_t slowest = 0;
    for (const RegionPrior& prior : regions) slowest = std::max(slowest, prior.expected_ms);
    for (RegionPrior& prior : regions) {
        Region region;
        const std::int64_t expected = prior.expected_ms > 0 ? prior.expected_ms : slowest;
        region.prior_ms = expected > 0 ? static_cast<double>(expected) : kNotStatedMs;
        region.prior = std::move(prior);
        order_.push_back(static_cast<std::uint32_t>(regions_.size()));
        ranks_.push_back(order_.back());
        regions_.push_back(std::move(region));
    }
}

double RegionOrder::kept(const Region& region, std::int64_t now_ns) const {
    const auto passed = static_cast<double>(std::max<std::int64_t>(now_ns - region.at_ns, 0));
    return std::exp(-passed / (static_cast<double>(options_.memory_ms) * 1e6));
}

void RegionOrder::observe(std::int64_t now_ns, std::size_t index, CallVerdict verdict,
                          std::int64_t first_byte_ns) {
    if (verdict == CallVerdict::neutral) return;
    Region& region = regions_[index];
    const double keep = kept(region, now_ns);
    region.weight *= keep;
    region.latency_sum_ms *= keep;
    region.calls *= keep;
    region.failures *= keep;
    region.at_ns = std::max(region.at_ns, now_ns);
    region.calls += 1;
    if (verdict == CallVerdict::failure) {
        region.failures += 1;
        return;
    }
    region.weight += 1;
    region.latency_sum_ms += static_cast<double>(first_byte_ns) / 1e6;
}

double RegionOrder::score_ms(std::int64_t now_ns, std::size_t index) const {
    const Region& region = regions_[index];
    const double keep = kept(region, now_ns);
    const double latency = (region.latency_sum_ms * keep + region.prior_ms * kPriorWeight) /
                           (region.weight * keep + kPriorWeight);
    const double failures =
        std::min(region.failures * keep / (region.calls * keep + kPriorWeight), kFailureShareMax);
    return latency + failures / (1 - failures) * static_cast<double>(options_.failure_cost_ms);
}

void RegionOrder::reorder(std::int64_t now_ns) {
    next_reorder_ns_ = now_ns + options_.reorder_ms * 1'000'000;
    // Insertion from the present order: each region moves up past those it clearly beats.
    for (std::size_t i = 1; i < order_.size(); ++i) {
        for (std::size_t j = i; j > 0; --j) {
            const double before = score_ms(now_ns, order_[j - 1]);
            if (score_ms(now_ns, order_[j]) >= before * (1 - options_.change_min)) break;
            std::swap(order_[j], order_[j - 1]);
        }
    }
    for (std::size_t i = 0; i < order_.size(); ++i)
        ranks_[order_[i]] = static_cast<std::uint32_t>(i);
}

std::span<const std::uint32_t> RegionOrder::order(std::int64_t now_ns) {
    if (now_ns >= next_reorder_ns_) reorder(now_ns);
    return order_;
}

std::uint32_t RegionOrder::rank(std::int64_t now_ns, std::size_t region) {
    order(now_ns);
    return ranks_[region];
}

}  // namespace tg
