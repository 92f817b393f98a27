#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/strong.h"
#include "base/time_zone.h"
#include "store/sql.h"

namespace tg {

/// The customers' time zones as the settler uses and records them: days are cut in the zone a
/// customer has when an event is settled, and which one that was stays in usage_zones, so that the
/// same days can be cut again years later.
class ZoneTable {
  public:
    explicit ZoneTable(std::string default_zone) : default_zone_(std::move(default_zone)) {}

    /// What is recorded and what the customers have now. Errors: store_unavailable,
    /// invalid_request (a zone that is not known).
    Status load(SqlConnection& store);
    /// Reads the customers again when the directory has changed; errors as load().
    Status refresh(SqlConnection& store);

    bool knows(CustomerId customer) const { return entries_.contains(customer.get()); }
    /// The default zone, for a customer that the store does not have.
    void add_unknown(CustomerId customer);
    /// The local day of an event's end. Remembers to record the zone when it is a new one for the
    /// customer. `customer` is known.
    std::int32_t local_day(CustomerId customer, std::int64_t sequence, UtcMicros at);
    /// Writes what local_day() has to record, in the caller's transaction. After a rollback:
    /// load().
    Status record(SqlConnection& store);

  private:
    struct Entry {
        std::shared_ptr<const TimeZone> zone;
        std::string recorded;  ///< in usage_zones; "" when nothing is
        // The last day asked for: neighbours in the journal fall on the same one.
        std::int64_t day_start = 0, day_end = 0;
        std::int32_t day = 0;
    };
    struct Change {
        std::uint32_t customer = 0;
        std::int64_t first_sequence = 0;
        std::string zone;
    };
    Result<std::shared_ptr<const TimeZone>> zone(std::string_view name);
    Status read_customers(SqlConnection& store);

    std::string default_zone_;
    std::int64_t directory_version_ = -1;
    std::unordered_map<std::string, std::shared_ptr<const TimeZone>> zones_;
    std::unordered_map<std::uint32_t, Entry> entries_;
    std::unordered_map<std::uint32_t, std::string> recorded_;
    std::vector<Change> changes_;
};

}  // namespace tg
