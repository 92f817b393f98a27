#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time_zone.h"
#include "metering/usage_event.h"
#include "rating/catalogue.h"
#include "rating/rate.h"
#include "store/sql.h"

namespace tg {

/// The price of an event, found and applied the same way by whoever asks: the settler when it
/// books, verify when it checks.
class EventRater {
  public:
    using CatalogueSource = std::function<Result<std::shared_ptr<const Catalogue>>(PriceVersionId)>;
    explicit EventRater(CatalogueSource source) : source_(std::move(source)) {}

    /// Errors: those of the source (the store is away): the event must be rated later. An event
    /// without a price is no error: is_priced is false and the quantities stand in the lines with
    /// kUnpriced.
    struct Rated {
        bool is_priced = true;
        RatedEvent event;
    };
    static constexpr NanoPerM kUnpriced{-1};
    Result<const Rated*> rate(const UsageEvent& event);

  private:
    Result<const Catalogue*> catalogue(PriceVersionId version);
    CatalogueSource source_;
    std::unordered_map<std::uint32_t, std::shared_ptr<const Catalogue>> catalogues_;
    Rated rated_;
};

/// The customers' time zones, for cutting days.
class ZoneTable {
  public:
    explicit ZoneTable(std::string default_zone) : default_zone_(std::move(default_zone)) {}
    /// Reads the customers again. Errors: store_unavailable, invalid_request (a zone that is not
    /// known).
    Status refresh(SqlConnection& store);
    const TimeZone& of(CustomerId customer) const;
    bool knows(CustomerId customer) const { return zones_.contains(customer.get()); }
    /// Local day of an instant; cached for the last day asked, because neighbours in the journal
    /// fall on the same day.
    std::int32_t local_day(CustomerId customer, UtcMicros at);

  private:
    struct Entry {
        std::shared_ptr<const TimeZone> zone;
        std::int64_t day_start = 0, day_end = 0;
        std::int32_t day = 0;
    };
    std::string default_zone_;
    std::unordered_map<std::uint32_t, Entry> zones_;
    Entry fallback_;
};

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
    std::int64_t requests = 0, errors = 0, estimated = 0, unconfirmed = 0, unpriced = 0;
    std::int64_t input_tokens = 0, cached_tokens = 0, output_tokens = 0, reasoning_tokens = 0;
    Femto charge;
    friend bool operator==(const DailySums&, const DailySums&) = default;
};
struct LineSum {
    Meter meter = Meter::input;
    std::int64_t price_nano = 0;
    std::int64_t quantity = 0;
    friend auto operator<=>(const LineSum&, const LineSum&) = default;
};
/// Everything of one key, one day.
struct DailyBucket {
    DailySums sums;
    std::vector<LineSum> lines;
    std::unordered_map<std::string, DailySums> end_users;
    std::vector<std::uint32_t> versions;
};

/// Sums of any number of events: by the settler of a batch, by verify of the whole journal.
class UsageSums {
  public:
    void add(const UsageEvent& event, const EventRater::Rated& rated, std::uint32_t dimension,
             std::int32_t day);
    /// In key order, so that transactions that write them never deadlock.
    std::vector<std::pair<DailyKey, const DailyBucket*>> sorted() const;
    std::unordered_map<DailyKey, DailyBucket, DailyKeyHash>& buckets() { return buckets_; }
    void clear();

  private:
    std::unordered_map<DailyKey, DailyBucket, DailyKeyHash> buckets_;
    // Neighbours usually fall into the same bucket.
    DailyKey last_key_;
    DailyBucket* last_ = nullptr;
    std::string end_user_;
};

bool is_error(const UsageEvent& event);

/// Numbers of the texts that repeat (model, deployment, ...). New ones are inserted in the caller's
/// transaction.
class DimensionTable {
  public:
    Status load(SqlConnection& store);
    bool knows(const UsageEvent& event) const { return find(event) != 0; }
    /// Inserts the event's dimension if it is new.
    Status add(SqlConnection& store, const UsageEvent& event);
    /// Of an event that is known.
    std::uint32_t id_of(const UsageEvent& event) const { return find(event); }

  private:
    std::uint32_t find(const UsageEvent& event) const;
    std::unordered_map<std::string, std::uint32_t> ids_;
    mutable std::string scratch_, last_;
    mutable std::uint32_t last_id_ = 0;
    std::uint32_t next_ = 1;
};
/// The texts of an event's dimension as one string, for maps.
void dimension_text(const UsageEvent& event, std::string* out);

/// "input:120,cache_read:30": the usage column of an event. Parsed back exactly.
void write_usage_text(const Usage& usage, std::string* out);
Result<Usage> parse_usage_text(std::string_view text);

}  // namespace tg
