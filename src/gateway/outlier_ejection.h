#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "gateway/circuit_breaker.h"

namespace tg {

struct OutlierOptions {
    std::int64_t interval_ms = 10'000;  ///< how often the pool is looked at
    int calls_min = 20;  ///< in an interval, for a member to be judged or compared with
    /// Ejected when its share of failures is larger than the peers' median by both of these.
    double failure_share_over_peers = 0.1;
    double failure_times_peers = 3;
    /// Ejected when its mean time to first byte is so many times the peers' median, and so much
    /// longer. 0: never for latency.
    double latency_times_peers = 4;
    std::int64_t latency_over_peers_ms = 1'000;
    std::int64_t ejection_first_ms = 30'000;  ///< times the number of ejections in a row
    std::int64_t ejection_max_ms = 300'000;
    /// Never more of the pool than this; rounded down, so a pool of one loses none.
    double ejected_share_max = 0.5;
    friend bool operator==(const OutlierOptions&, const OutlierOptions&) = default;
};

enum class OutlierReason : std::uint8_t { none, failures, latency };

/// Compares the deployments that do the same work, and takes one that is much worse than its peers
/// out for a time. A breaker asks whether a deployment works at all; this asks whether it is the
/// odd one out, so a failure that all share (a bad request, the provider itself) ejects nobody.
///
/// Pure, in virtual time; not thread-safe. Shape: Envoy, "Outlier detection" (success rate
/// detection, max_ejection_percent, base_ejection_time), with the median for the mean because pools
/// are small.
class OutlierEjection {
  public:
    OutlierEjection(const OutlierOptions& options, std::size_t members);

    /// `first_byte_ns`: nullopt when there was none. Neutral verdicts are not counted.
    void observe(std::int64_t now_ns, std::size_t member, CallVerdict verdict,
                 std::optional<std::int64_t> first_byte_ns);
    bool is_ejected(std::int64_t now_ns, std::size_t member);
    std::int64_t ejected_until_ns(std::size_t member) const { return members_[member].until_ns; }
    OutlierReason reason(std::size_t member) const { return members_[member].reason; }
    std::size_t ejected_count(std::int64_t now_ns) const;
    /// The largest number of members that may be out at once.
    std::size_t ejected_max() const;

  private:
    struct Member {
        std::int64_t calls = 0, failures = 0, timed = 0;
        double first_byte_sum_ns = 0;
        std::int64_t until_ns = 0;
        int ejections_in_a_row = 0;
        OutlierReason reason = OutlierReason::none;
        double failure_share() const {
            return static_cast<double>(failures) / static_cast<double>(calls);
        }
        double mean_ns() const { return first_byte_sum_ns / static_cast<double>(timed); }
    };
    void judge(std::int64_t now_ns);
    OutlierReason verdict(std::size_t member);
    bool is_failing(std::size_t member);
    bool is_slow(std::size_t member);
    void eject(std::int64_t now_ns, std::size_t member, OutlierReason reason);

    OutlierOptions options_;
    std::vector<Member> members_;
    std::vector<double> scratch_;
    std::int64_t next_judgement_ns_ = 0;
};

}  // namespace tg
