#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "admission/level_book.h"
#include "admission/limit_table.h"
#include "identity/directory.h"

namespace tg {

/// The levels that the calls of one key pass, and what holds for them.
struct CallerLevels {
    std::array<LevelHandle, 3> levels{};  ///< key, project, customer
    CallerPolicy policy{};
    bool has_limits = false;  ///< is anything limited at one of them?
    bool limits_tokens = false;
};

/// Levels of one model: of all customers, and of one. No handle: none is set.
struct ModelLevels {
    std::optional<LevelHandle> everyone{}, customer{};
    bool limits_tokens = false;
};

/// What a loop has looked up in one table of limits: a request costs one probe of a small map.
/// Belongs to one loop and one snapshot; holds what was asked for, so it is as large as the number
/// of keys that are in use.
class CallerLevelCache {
  public:
    /// `book` outlives the cache.
    CallerLevelCache(std::shared_ptr<const LimitTable> table, LevelBook* book)
        : table_(std::move(table)), book_(book) {}

    /// Lives until the next call of one of these.
    const CallerLevels& find(const Caller& caller);
    /// Without limits of models anywhere it costs nothing.
    ModelLevels find_model(CustomerId customer, std::string_view model);

  private:
    std::optional<LevelHandle> model_level(LimitSubject subject, bool* limits_tokens);

    std::shared_ptr<const LimitTable> table_;
    LevelBook* book_;
    std::unordered_map<KeyId, CallerLevels> callers_;
};

}  // namespace tg
