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
    /// Texts as they are in events, at the place their hash gives: found again without a check for
    /// what cannot be stored. What falls on a taken place replaces it.
    struct Slot {
        std::string raw;
        std::uint32_t id = 0;  ///< 0: empty
    };
    static constexpr std::size_t kSlots = 1024;
    std::vector<Slot> slots_ = std::vector<Slot>(kSlots);
    std::unordered_map<std::string, std::uint32_t> by_stored_;
    std::string stored_, scratch_;
    std::uint32_t next_ = 1;
};

}  // namespace tg
