#pragma once
// 128-bit amounts in the two 64-bit columns of a store: amount = high x 10^9 + low, 0 <= low <
// 10^9. `high` is millionths of a currency: sums of both columns stay exact to 9 million million
// units.
#include <cstdint>
#include <optional>

#include "base/check.h"
#include "base/money.h"

namespace tg::ledger_internal {

inline constexpr std::int64_t kLowBase = 1'000'000'000;

struct WideAmount {
    std::int64_t high = 0, low = 0;
};

inline WideAmount split_wide(Femto amount) {
    int128 high = amount.value / kLowBase;
    int128 low = amount.value % kLowBase;
    if (low < 0) {
        low += kLowBase;
        high -= 1;
    }
    TG_ASSERT(high <= INT64_MAX && high >= INT64_MIN);
    return {static_cast<std::int64_t>(high), static_cast<std::int64_t>(low)};
}

/// a x b, or nothing where 128 bits cannot hold it.
inline std::optional<int128> checked_product(int128 a, int128 b) {
    const auto size = [](int128 value) {
        return value < 0 ? uint128{0} - static_cast<uint128>(value) : static_cast<uint128>(value);
    };
    constexpr uint128 kMax = ~uint128{0} >> 1;
    if (b != 0 && size(a) > kMax / size(b)) return std::nullopt;
    return a * b;
}

/// Also of sums of both columns, where `low` may be any number.
inline Femto join_wide(std::int64_t high, std::int64_t low) {
    return {int128{high} * kLowBase + low};
}

/// Whether an amount can be a row: what a balance is refused for, before anything is written.
inline bool fits_wide(Femto amount) {
    const int128 limit = int128{INT64_MAX} * kLowBase;
    return amount.value < limit && amount.value > -limit;
}

}  // namespace tg::ledger_internal
