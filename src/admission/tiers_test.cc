#include "admission/tiers.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

TEST(Tiers, DefaultsAreThePromisedOnes) {
    const struct {
        const char* code;
        std::int64_t rpm, tpm;
    } kExpected[] = {{"tier_1", 500, 400'000},
                     {"tier_2", 1'000, 800'000},
                     {"tier_3", 2'000, 1'600'000},
                     {"tier_4", 3'000, 3'000'000},
                     {"tier_5", 5'000, 5'000'000},
                     {"custom", 10'000, 10'000'000},
                     {"unlimited", kUnlimited, kUnlimited}};
    for (const auto& expected : kExpected) {
        const Tier* tier = find_tier(default_tiers(), expected.code);
        ASSERT_NE(tier, nullptr) << expected.code;
        EXPECT_EQ(tier->limits.requests, expected.rpm);
        EXPECT_EQ(tier->limits.total_tokens, expected.tpm);
        EXPECT_TRUE(check_tier(*tier).ok()) << expected.code;
    }
    EXPECT_EQ(find_tier(default_tiers(), "tier_9"), nullptr);
}

TEST(Tiers, EditedRowsAreChecked) {
    const Tier good = default_tiers()[0];
    const auto refused = [&good](auto&& change) {
        Tier tier = good;
        change(tier);
        return !check_tier(tier).ok();
    };
    EXPECT_TRUE(refused([](Tier& t) { t.code = "Tier One"; }));
    EXPECT_TRUE(refused([](Tier& t) { t.code = ""; }));
    EXPECT_TRUE(refused([](Tier& t) { t.name = ""; }));
    EXPECT_TRUE(refused([](Tier& t) { t.limits.concurrency = -1; }));
    EXPECT_TRUE(refused([](Tier& t) { t.limits.requests = kTierLimitMax + 1; }));
    EXPECT_TRUE(refused([](Tier& t) { t.sla_availability_per_mille10 = 10'001; }));
    EXPECT_TRUE(refused([](Tier& t) { t.discount_min_per_mille = 500; }));
    EXPECT_TRUE(refused([](Tier& t) { t.support_response_minutes = -1; }));
    EXPECT_TRUE(refused([](Tier& t) { t.dedicated_instances_max = -1; }));
}

TEST(Tiers, OwnLimitsReplaceTheTiersOneByOne) {
    OwnLimits own;
    EXPECT_TRUE(own.is_empty());
    own.of(LimitKind::requests) = 700;
    own.of(LimitKind::total_tokens) = kUnlimited;
    const Limits limits = own.over(default_tiers()[0].limits);
    EXPECT_EQ(limits, (Limits{.requests = 700}));
}

TEST(Tiers, RetentionsHaveNames) {
    EXPECT_EQ(parse_retention(name(Retention::seven_days)), Retention::seven_days);
    EXPECT_EQ(parse_retention("forever"), std::nullopt);
}

}  // namespace
}  // namespace tg
