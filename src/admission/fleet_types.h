#pragma once
#include <array>
#include <cstdint>

#include "admission/limits.h"

namespace tg {

/// One number for each LimitKind, in its order.
using FleetAmounts = std::array<std::int64_t, kLimitKindCount>;

inline FleetAmounts fleet_amounts(const Amounts& amounts, std::int64_t concurrency) {
    return {amounts.requests, amounts.input_tokens, amounts.output_tokens, amounts.total_tokens(),
            concurrency};
}
inline FleetAmounts fleet_amounts(const Limits& limits) {
    return {limits.requests, limits.input_tokens, limits.output_tokens, limits.total_tokens,
            limits.concurrency};
}
inline Limits to_limits(const FleetAmounts& amounts) {
    return {amounts[0], amounts[1], amounts[2], amounts[3], amounts[4]};
}

/// Into how many steps a window is cut to say how what was used leaves it.
inline constexpr int kFleetSteps = 12;

/// What one process does with a level that the fleet shares.
struct FleetReport {
    Limits limits{};         ///< of the level, over all processes
    Limits share{};          ///< what this process may use now
    FleetAmounts used{};     ///< in the window now; concurrency: calls under way
    FleetAmounts waiting{};  ///< by requests that wait or have an appointment
    FleetAmounts need{};     ///< of the request that is next; 0: nobody waits for this level
    /// Held also while nothing of it is used.
    bool is_kept = false;
    /// Of `used`, what calls under way hold that may still be given back.
    FleetAmounts unsettled{};
    /// What of `used` will still count 1, 2, ... kFleetSteps steps from now. Not concurrency.
    std::array<FleetAmounts, kFleetSteps> leaving{};
};

/// What the fleet leaves to one process of a level.
struct FleetShare {
    Limits share{};
    FleetAmounts others_used{};  ///< by the other processes, as they last said
    /// There is no more to be had, or none for now: those who wait reckon with this share. False:
    /// more may come within moments.
    bool is_final = false;
    bool is_away = false;  ///< the fleet cannot be reached: the share is what is left without it
};

/// A level of which this process needs more than its share.
struct FleetWant {
    LevelHandle level{};
    LevelId id{};
    std::uint64_t customer = 0;  ///< whose request asks first
};

}  // namespace tg
