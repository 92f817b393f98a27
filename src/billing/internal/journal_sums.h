#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "billing/internal/event_rater.h"
#include "billing/internal/usage_sums.h"
#include "metering/usage_event.h"

namespace tg {

/// Counts and charge of some events, as the columns of the roll-ups name them.
struct Totals {
    static constexpr std::array<std::string_view, 10> kNames = {
        "requests", "errors",       "estimated",     "unconfirmed",   "unpriced",
        "fallback", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens"};
    enum Count : std::uint8_t {
        requests,
        errors,
        estimated,
        unconfirmed,
        unpriced,
        fallback,
        input,
        cached,
        output,
        reasoning
    };

    std::array<std::int64_t, kNames.size()> counts{};
    Femto charge;

    Totals& operator+=(const Totals& other);
    Totals& operator-=(const Totals& other);
    friend bool operator==(const Totals&, const Totals&) = default;
};

/// What the events of the journal add up to: verify's side of the comparison, with code of its own,
/// so that a mistake in UsageSums cannot hide.
class JournalSums {
  public:
    JournalSums() : places_(std::size_t{1} << kPlaceBits) {}
    JournalSums(JournalSums&&) = default;
    JournalSums& operator=(JournalSums&&) = default;

    /// has_row: the row of the store that has to be like it was found.
    struct EndUser {
        Totals totals;
        bool has_row = false;
    };
    struct Line {
        Meter meter = Meter::input;
        bool has_row = false;
        std::int64_t price_nano = 0, quantity = 0;
    };
    struct Bucket {
        Totals all;
        bool has_row = false;
        bool has_nameless_row = false;  ///< of the calls that named no end user
        std::vector<Line> lines;
        std::vector<std::uint32_t> versions;
        std::unordered_map<std::string, EndUser> end_users;  ///< of calls that named one
    };
    using Buckets = std::unordered_map<DailyKey, Bucket, DailyKeyHash>;

    /// Where the sums of some events are.
    struct Place {
        DailyKey key;
        Bucket* bucket = nullptr;  ///< null: empty
        std::vector<std::int64_t>* recent = nullptr;
    };
    /// Keys are many and events come in any order, so that what is needed next is rarely in the
    /// processor's cache. Whoever asks for it early has other work to do until it is there:
    /// prefetch() as soon as key and dimension are known, then locate(), then add().
    void prefetch(KeyId key, std::uint32_t dimension, std::int32_t day) const {
        __builtin_prefetch(&places_[place_number(key.get(), dimension, day)]);
    }
    /// Valid until the next call.
    const Place& locate(const DailyKey& key);
    void add(const Place& place, const UsageEvent& event, const Rated& rated,
             std::int64_t sequence);
    void merge(const JournalSums& other);

    const Buckets& buckets() const { return buckets_; }
    Buckets& buckets() { return buckets_; }
    /// The newest calls of each customer, ascending, as many as `recent_calls` keeps.
    std::map<std::uint32_t, std::vector<std::int64_t>> recent() const;

  private:
    /// What falls on a taken place replaces it.
    static constexpr int kPlaceBits = 14;
    static std::size_t place_number(std::uint32_t key, std::uint32_t dimension, std::int32_t day) {
        const std::uint64_t mixed = key * 0x9e3779b97f4a7c15U + dimension * 0xc2b2ae3d27d4eb4fU +
                                    static_cast<std::uint32_t>(day) * 0x165667b19e3779f9U;
        return mixed >> (64 - kPlaceBits);
    }

    static void add_line(Bucket& bucket, Meter meter, std::int64_t price, std::int64_t quantity);
    static void add_version(Bucket& bucket, std::uint32_t version);

    Buckets buckets_;
    std::unordered_map<std::uint32_t, std::vector<std::int64_t>> recent_;
    std::vector<Place> places_;  ///< views of buckets_ and recent_, whose nodes stay where they are
    std::string scratch_, user_;
};

}  // namespace tg
