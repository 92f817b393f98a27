#pragma once
#include <vector>

#include "rating/catalogue.h"
#include "rating/price_diff.h"

namespace tg {

/// What happens to prices in the book that a new list does not name.
enum class Unlisted : std::uint8_t { keep, close };

struct MergeOptions {
    UtcMicros closed_until;  ///< prices before this never change: the end of the last closed
                             ///< period, or now
    Unlisted unlisted = Unlisted::keep;
    UtcMicros unlisted_at;  ///< when `close`: their last moment
    bool is_whole_list =
        false;  ///< the new prices are a complete list, so that what it lacks is unlisted
};

struct MergedBook {
    std::vector<ModelPrice> prices;  ///< the whole book with its history
    std::vector<std::string> not_listed, kept_manual;
    std::size_t formerly_listed = 0,
                now_listed = 0;  ///< models not set by hand, when `is_whole_list`
};

/// Lays `incoming` over `book`. A price set by hand (`is_manual`) is only replaced by another one
/// set by hand. A new price holds from its valid_from to its valid_to, or to the next price already
/// planned for that model; the price in force before ends where it begins. A price that says the
/// same as the one in force changes nothing. Errors: conflict when a price would change before
/// `closed_until`.
Result<MergedBook> merge_prices(std::vector<ModelPrice> book, std::vector<ModelPrice> incoming,
                                const MergeOptions& options);

}  // namespace tg
