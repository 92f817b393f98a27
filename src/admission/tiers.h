#pragma once
#include <array>
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
std::optional<Retention> parse_retention(std::string_view name);

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
    friend bool operator==(const Tier&, const Tier&) = default;
};

/// The tiers of requirement and contract templates: 1 to 5, custom, unlimited. The request and
/// token limits are the product's promise; the other columns are starting values to be edited.
std::span<const Tier> default_tiers();

/// The largest limit that may be set; far above what any provider serves.
inline constexpr std::int64_t kTierLimitMax = 1'000'000'000'000;
/// Errors: invalid_request (the field, its value, and the bounds).
Status check_limit(std::string_view field, std::int64_t limit);
/// Errors: invalid_request (which field, and why).
Status check_tier(const Tier& tier);

/// Finds by code; null when there is none.
const Tier* find_tier(std::span<const Tier> tiers, std::string_view code);

/// Limits set at one level besides its tier: each replaces the tier's there, kUnlimited lifts it;
/// what is absent stays the tier's. The levels above are enforced all the same.
struct OwnLimits {
    std::array<std::optional<std::int64_t>, kLimitKindCount> values{};

    const std::optional<std::int64_t>& of(LimitKind kind) const {
        return values[static_cast<std::size_t>(kind)];
    }
    std::optional<std::int64_t>& of(LimitKind kind) {
        return values[static_cast<std::size_t>(kind)];
    }
    bool is_empty() const { return *this == OwnLimits{}; }
    /// `base` with what is set here in its place.
    Limits over(Limits base) const;
    friend bool operator==(const OwnLimits&, const OwnLimits&) = default;
};

}  // namespace tg
