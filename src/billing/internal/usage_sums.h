#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "billing/internal/event_rater.h"
#include "metering/usage_event.h"

namespace tg {

/// Key and sums of the roll-ups.
struct DailyKey {
    std::uint32_t customer = 0;
    std::int32_t day = 0;
    std::uint32_t project = 0, key = 0, dimension = 0;
    ServiceTier tier = ServiceTier::standard;
    Currency currency = Currency::usd;
    friend auto operator<=>(const DailyKey&, const DailyKey&) = default;
};
struct DailyKeyHash {
    std::size_t operator()(const DailyKey& key) const noexcept;
};
struct DailySums {
    std::int64_t requests = 0, errors = 0, estimated = 0, unconfirmed = 0, unpriced = 0,
                 fallback = 0;
    std::int64_t input_tokens = 0, cached_tokens = 0, output_tokens = 0, reasoning_tokens = 0;
    Femto charge;
};
struct LineSum {
    Meter meter = Meter::input;
    std::int64_t price_nano = 0;
    std::int64_t quantity = 0;
};
/// Everything of one key, one day.
struct DailyBucket {
    DailySums all;
    DailySums nameless;  ///< of the calls that named no end user
    std::map<std::string, DailySums, std::less<>> end_users;
    std::vector<LineSum> lines;
};

/// Sums of the events of a batch.
class UsageSums {
  public:
    void add(const UsageEvent& event, const Rated& rated, std::uint32_t dimension,
             std::int32_t day);
    /// In key order, so that neighbours in a table are written one after the other.
    std::vector<std::pair<DailyKey, const DailyBucket*>> sorted() const;
    using Version = std::tuple<std::uint32_t, std::int32_t, std::uint32_t>;
    const std::set<Version>& versions() const { return versions_; }  ///< customer, day, version
    using Buckets = std::unordered_map<DailyKey, DailyBucket, DailyKeyHash>;
    const Buckets& buckets() const { return buckets_; }
    void clear();

  private:
    Buckets buckets_;
    std::set<Version> versions_;
    Version last_version_;
    std::string scratch_;
};

}  // namespace tg
