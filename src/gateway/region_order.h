#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gateway/circuit_breaker.h"

namespace tg {

/// A region as configured, in the order that was written down.
struct RegionPrior {
    std::string name;
    std::int64_t expected_ms =
        0;  ///< time to first byte; 0: not stated, like the slowest stated one
    friend bool operator==(const RegionPrior&, const RegionPrior&) = default;
};

struct RegionOptions {
    std::int64_t memory_ms = 300'000;       ///< time in which a measurement fades to 37 %
    std::int64_t failure_cost_ms = 10'000;  ///< what a failed call costs the caller, in waiting
    double change_min = 0.15;               ///< how much better a region must be to move up
    std::int64_t reorder_ms = 5'000;        ///< no more than one new order in this time
};

/// The order in which regions are tried, learned from measured latency and health. Begins as
/// configured. It only orders: which regions a request may use is RoutePolicy's, always.
///
/// A region's score is the time a caller should expect: mean time to first byte, plus the expected
/// cost of failures before a success. A region moves past another when it is clearly better, so two
/// equals do not change places with every request. One that is not used keeps its last score while
/// it fades towards what was configured, so it is tried again.
/// Pure, in virtual time; not thread-safe.
class RegionOrder {
  public:
    RegionOrder(std::vector<RegionPrior> regions, const RegionOptions& options = {});

    /// `region` as numbered in the configuration. `first_byte_ns` counts for successes.
    void observe(std::int64_t now_ns, std::size_t region, CallVerdict verdict,
                 std::int64_t first_byte_ns);
    /// Regions by number, best first; valid until the next call.
    std::span<const std::uint32_t> order(std::int64_t now_ns);
    /// Place of `region` in the order, 0 first.
    std::uint32_t rank(std::int64_t now_ns, std::size_t region);
    double score_ms(std::int64_t now_ns, std::size_t region) const;
    const RegionPrior& region(std::size_t index) const { return regions_[index].prior; }

  private:
    struct Region {
        RegionPrior prior;
        double prior_ms = 0;
        double weight = 0, latency_sum_ms = 0, calls = 0, failures = 0;
        std::int64_t at_ns = 0;
    };
    double kept(const Region& region, std::int64_t now_ns) const;
    void reorder(std::int64_t now_ns);

    RegionOptions options_;
    std::vector<Region> regions_;
    std::vector<std::uint32_t> order_, ranks_;
    std::int64_t next_reorder_ns_ = 0;
};

}  // namespace tg
