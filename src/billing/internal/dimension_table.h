#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "metering/usage_event.h"
#include "store/sql.h"

namespace tg {

/// Numbers of the texts that repeat (model, deployment, ...). New ones are inserted in the caller's
/// transaction; after a rollback: load().
class DimensionTable {
  public:
    Status load(SqlConnection& store);
    /// Of an event's texts; 0 when they are new.
    std::uint32_t find(const UsageEvent& event);
    /// Inserts the event's texts, which find() does not know, and returns their number.
    Result<std::uint32_t> add(SqlConnection& store, const UsageEvent& event);

  private:
    /// By the texts as they are, so that only new ones are checked for what cannot be stored.
    std::unordered_map<std::string, std::uint32_t> by_raw_;
    std::unordered_map<std::string, std::uint32_t> by_stored_;
    std::string raw_, last_raw_, stored_, scratch_;
    std::uint32_t last_id_ = 0;
    std::uint32_t next_ = 1;
};

}  // namespace tg
