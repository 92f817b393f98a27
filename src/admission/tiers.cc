#include "admission/tiers.h"

#include <algorithm>

namespace tg {
namespace {

constexpr std::int32_t kHour = 60;

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

Limits limits_of(const TierAssignment& assigned) {
    Limits limits;
    if (assigned.tier != nullptr) limits = assigned.tier->limits;
    return assigned.ceiling ? tighter(limits, *assigned.ceiling) : limits;
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

std::span<const Tier> default_tiers() {
    static const std::vector<Tier> kTiers = make_default_tiers();
    return kTiers;
}

Status check_tier(const Tier& tier) {
    const auto refuse = [&tier](std::string_view what) {
        return fail(ErrorCode::invalid_config, "tier '" + tier.code + "': " + std::string(what));
    };
    const bool is_code =
        !tier.code.empty() && tier.code.size() <= 32 &&
        tier.code.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
    if (!is_code) return refuse("code must be 1 to 32 of [a-z0-9_-]");
    for (int k = 0; k < kLimitKindCount; ++k)
        if (tier.limits.of(static_cast<LimitKind>(k)) < 0)
            return refuse(std::string(name(static_cast<LimitKind>(k))) + " must not be negative");
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

Limits tighter(const Limits& a, const Limits& b) {
    return {.requests = std::min(a.requests, b.requests),
            .input_tokens = std::min(a.input_tokens, b.input_tokens),
            .output_tokens = std::min(a.output_tokens, b.output_tokens),
            .total_tokens = std::min(a.total_tokens, b.total_tokens),
            .concurrency = std::min(a.concurrency, b.concurrency)};
}

EffectiveTier resolve_tier(const TierAssignment& customer, const TierAssignment& project,
                           const TierAssignment& key, const Limits& without_tier) {
    EffectiveTier effective{
        .key = limits_of(key), .project = limits_of(project), .customer = limits_of(customer)};
    for (const TierAssignment* assigned : {&key, &project, &customer}) {
        effective.tier = assigned->tier;
        if (effective.tier != nullptr) return effective;
    }
    if (!key.ceiling && !project.ceiling && !customer.ceiling)
        effective.key = tighter(effective.key, without_tier);
    return effective;
}

}  // namespace tg
