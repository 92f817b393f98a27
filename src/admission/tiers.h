#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admission/limits.h"
#include "base/result.h"

namespace tg {

/// What may be kept of a customer's calls.
enum class Retention : std::uint8_t { standard_30_days, seven_days, zero };
std::string_view name(Retention retention);

/// A row of limits and rights that customers, projects and keys are given: data, edited at run
/// time. The limits are per minute.
struct Tier {
    std::string code{};  ///< stable: "tier_1" ... "tier_5", "custom", "unlimited", or an own one
    std::string name{};
    Limits limits{};
    Retention retention = Retention::standard_30_days;
    std::int32_t support_response_minutes = 0;      ///< 0: none promised
    std::int32_t sla_availability_per_mille10 = 0;  ///< 9997 is 99.97 %; 0: none promised
    bool has_fine_tuning = false;
    std::int32_t discount_min_per_mille = 0;  ///< range within which sales may agree a discount
    std::int32_t discount_max_per_mille = 0;
    std::int32_t dedicated_instances_max = 0;
};

/// The tiers of requirement and contract templates: 1 to 5, custom, unlimited. The request and
/// token limits are the product's promise; the other columns are starting values to be edited.
std::span<const Tier> default_tiers();

/// Errors: invalid_config (which field, and why).
Status check_tier(const Tier& tier);

/// Finds by code; null when there is none.
const Tier* find_tier(std::span<const Tier> tiers, std::string_view code);

/// What is set at one level of the organisation. An own limit is a ceiling besides the tier.
struct TierAssignment {
    const Tier* tier = nullptr;  ///< null: not set here
    std::optional<Limits> ceiling{};
};

/// Each is the smaller of both: what a level with two sets of limits enforces.
Limits tighter(const Limits& a, const Limits& b);

/// What applies to a key of a project of a customer.
struct EffectiveTier {
    const Tier* tier = nullptr;  ///< the key's, else the project's, else the customer's, else null
    // Limits of the three levels, all of which are enforced at once. The tier in force counts at
    // the level where it was assigned and below; above that, the upper levels' own.
    Limits key{};
    Limits project{};
    Limits customer{};
};

/// Key over project over customer for the rights and the limits of the tier; each level keeps its
/// own tier's and ceiling's limits as a bound for all below it. Without a tier anywhere nothing is
/// allowed but what a ceiling says: fails closed, `without_tier` being the limits of the key.
EffectiveTier resolve_tier(const TierAssignment& customer, const TierAssignment& project,
                           const TierAssignment& key, const Limits& without_tier = {0, 0, 0, 0, 0});

}  // namespace tg
