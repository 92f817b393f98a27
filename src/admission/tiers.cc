#include "admission/tiers.h"

#include <algorithm>

namespace tg {
namespace {

constexpr std::int32_t kHour = 60;
constexpr std::size_t kNameBytesMax = 200;

Tier tier(std::string code, std::string name, std::int64_t requests, std::int64_t tokens) {
    return {.code = std::move(code),
            .name = std::move(name),
            .limits = {.requests = requests, .total_tokens = tokens}};
}

std::vector<Tier> make_default_tiers() {
    std::vector<Tier> tiers{
        tier("tier_1", "Tier 1", 500, 400'000),
        tier("tier_2", "Tier 2", 1'000, 800'000),
        tier("tier_3", "Tier 3", 2'000, 1'600'000),
        tier("tier_4", "Tier 4", 3'000, 3'000'000),
        tier("tier_5", "Tier 5", 5'000, 5'000'000),
        tier("custom", "Custom", 10'000, 10'000'000),
        tier("unlimited", "Unlimited", kUnlimited, kUnlimited),
    };
    const struct {
        Retention retention;
        std::int32_t support_minutes;
        std::int32_t sla;
        bool has_fine_tuning;
        std::int32_t discount_min, discount_max, dedicated;
    } kRights[] = {
        {Retention::standard_30_days, 48 * kHour, 0, false, 0, 0, 0},
        {Retention::standard_30_days, 24 * kHour, 9900, false, 0, 50, 0},
        {Retention::standard_30_days, 12 * kHour, 9950, true, 0, 100, 0},
        {Retention::seven_days, 4 * kHour, 9990, true, 50, 150, 1},
        {Retention::zero, 1 * kHour, 9995, true, 100, 200, 4},
        {Retention::zero, 30, 9997, true, 150, 300, 16},
        {Retention::zero, 30, 9997, true, 150, 300, 16},
    };
    for (std::size_t i = 0; i < tiers.size(); ++i) {
        tiers[i].retention = kRights[i].retention;
        tiers[i].support_response_minutes = kRights[i].support_minutes;
        tiers[i].sla_availability_per_mille10 = kRights[i].sla;
        tiers[i].has_fine_tuning = kRights[i].has_fine_tuning;
        tiers[i].discount_min_per_mille = kRights[i].discount_min;
        tiers[i].discount_max_per_mille = kRights[i].discount_max;
        tiers[i].dedicated_instances_max = kRights[i].dedicated;
    }
    return tiers;
}

}  // namespace

std::string_view name(Retention retention) {
    switch (retention) {
        case Retention::standard_30_days:
            return "standard_30_days";
        case Retention::seven_days:
            return "seven_days";
        case Retention::zero:
            return "zero";
    }
    return "unknown";
}

std::optional<Retention> parse_retention(std::string_view text) {
    for (const Retention retention :
         {Retention::standard_30_days, Retention::seven_days, Retention::zero})
        if (name(retention) == text) return retention;
    return std::nullopt;
}

std::span<const Tier> default_tiers() {
    static const std::vector<Tier> kTiers = make_default_tiers();
    return kTiers;
}

Status check_limit(std::string_view field, std::int64_t limit) {
    if (limit == kUnlimited || (limit >= 0 && limit <= kTierLimitMax)) return {};
    return fail(ErrorCode::invalid_request,
                std::string(field) + " is " + std::to_string(limit) + "; it must be within 0 and " +
                    std::to_string(kTierLimitMax) + ", or \"unlimited\"");
}

Status check_tier(const Tier& tier) {
    const auto refuse = [&tier](std::string_view what) {
        return fail(ErrorCode::invalid_request, "tier '" + tier.code + "': " + std::string(what));
    };
    const bool is_code =
        !tier.code.empty() && tier.code.size() <= 32 &&
        tier.code.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
    if (!is_code) return refuse("code must be 1 to 32 of [a-z0-9_-]");
    if (tier.name.empty() || tier.name.size() > kNameBytesMax)
        return refuse("name must have 1 to " + std::to_string(kNameBytesMax) + " bytes");
    for (const LimitKind kind : kLimitKinds)
        if (const Status status = check_limit(name(kind), tier.limits.of(kind)); !status.ok())
            return refuse(status.error().detail);
    if (tier.support_response_minutes < 0) return refuse("support_response_minutes is negative");
    if (tier.dedicated_instances_max < 0) return refuse("dedicated_instances_max is negative");
    if (tier.sla_availability_per_mille10 < 0 || tier.sla_availability_per_mille10 > 10'000)
        return refuse("sla_availability_per_mille10 must be within 0 and 10000 (100 %)");
    if (tier.discount_min_per_mille < 0 || tier.discount_max_per_mille > 1'000 ||
        tier.discount_min_per_mille > tier.discount_max_per_mille)
        return refuse("the discount range must be within 0 and 1000 per mille");
    return {};
}

const Tier* find_tier(std::span<const Tier> tiers, std::string_view code) {
    const auto at = std::ranges::find(tiers, code, &Tier::code);
    return at == tiers.end() ? nullptr : &*at;
}

Limits OwnLimits::over(Limits base) const {
    for (const LimitKind kind : kLimitKinds)
        if (const auto& own = of(kind)) base.of(kind) = *own;
    return base;
}

}  // namespace tg
