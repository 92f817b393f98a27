#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rating/catalogue.h"

namespace tg {

/// One price, multiplier or currency that differs.
struct PriceChange {
    enum class Kind : std::uint8_t { added, changed, removed } kind = Kind::changed;
    std::string model, provider;
    std::string what;  ///< "input", "output in tier batch", "multiplier of region eu", "currency"
    std::string old_value, new_value;  ///< as people write them; empty when there was or is none
    std::string change;           ///< "+25 %", "-33 1/3 %"; empty unless both values are numbers
    std::string approval_reason;  ///< not empty: somebody must approve it
};

/// What a publication would do to the prices in force at one moment.
struct PriceDiff {
    std::vector<PriceChange> changes;     ///< of models in both books, by model and provider
    std::vector<std::string> added;       ///< "provider/model" new in the book
    std::vector<std::string> removed;     ///< no longer in force
    std::vector<std::string> not_listed;  ///< kept, though the new list no longer names them
    std::vector<std::string>
        kept_manual;  ///< set by hand and left alone, though the new list says otherwise
    std::size_t old_count = 0, new_count = 0;
    std::string shrink_reason;  ///< not empty: the list lost more than a tenth of its models

    bool is_empty() const { return changes.empty() && added.empty() && removed.empty(); }
    bool needs_approval() const;
    /// Why, with at most `limit` examples.
    std::string approval_text(std::size_t limit = 5) const;
};

/// Changes above 20 % either way, prices that vanish or become free, another currency, and a list
/// that shrinks by more than 10 % must be approved. Both books are compared as in force at `at`.
PriceDiff diff_prices(std::span<const ModelPrice> from, std::span<const ModelPrice> to,
                      UtcMicros at);

/// Fills `shrink_reason` when `now_listed` of `formerly_listed` models is less than nine tenths.
void note_shrink(PriceDiff& diff, std::size_t formerly_listed, std::size_t now_listed);

/// Whether two prices say the same, whatever their validity, version and source.
bool same_terms(const ModelPrice& a, const ModelPrice& b);

}  // namespace tg
