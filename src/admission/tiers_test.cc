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
    EXPECT_TRUE(refused([](Tier& t) { t.limits.concurrency = -1; }));
    EXPECT_TRUE(refused([](Tier& t) { t.sla_availability_per_mille10 = 10'001; }));
    EXPECT_TRUE(refused([](Tier& t) { t.discount_min_per_mille = 500; }));
    EXPECT_TRUE(refused([](Tier& t) { t.support_response_minutes = -1; }));
    EXPECT_TRUE(refused([](Tier& t) { t.dedicated_instances_max = -1; }));
}

TEST(Tiers, KeyOverProjectOverCustomerAndEachLevelStaysACeiling) {
    const Tier* small = find_tier(default_tiers(), "tier_1");
    const Tier* large = find_tier(default_tiers(), "tier_5");
    const EffectiveTier by_customer = resolve_tier({.tier = small}, {}, {});
    EXPECT_EQ(by_customer.tier, small);
    EXPECT_EQ(by_customer.customer.requests, 500);
    EXPECT_EQ(by_customer.key.requests, kUnlimited) << "bounded by the customer's level";

    const EffectiveTier by_key = resolve_tier({.tier = large}, {}, {.tier = small});
    EXPECT_EQ(by_key.tier, small);
    EXPECT_EQ(by_key.key.requests, 500);
    EXPECT_EQ(by_key.customer.requests, 5'000);

    const EffectiveTier capped = resolve_tier(
        {.tier = small}, {.tier = large, .ceiling = Limits{.total_tokens = 1'000}}, {});
    EXPECT_EQ(capped.tier, large) << "the project's rights";
    EXPECT_EQ(capped.project.requests, 5'000);
    EXPECT_EQ(capped.project.total_tokens, 1'000);
    EXPECT_EQ(capped.customer.requests, 500) << "the customer's own limit holds all the same";
}

TEST(Tiers, NoTierAnywhereFailsClosed) {
    const EffectiveTier none = resolve_tier({}, {}, {});
    EXPECT_EQ(none.tier, nullptr);
    EXPECT_EQ(none.key.requests, 0);
    EXPECT_EQ(resolve_tier({}, {}, {}, Limits{}).key.requests, kUnlimited);
    const EffectiveTier ceiling = resolve_tier({.ceiling = Limits{.requests = 5}}, {}, {});
    EXPECT_EQ(ceiling.customer.requests, 5);
    EXPECT_EQ(ceiling.key.requests, kUnlimited);
}

}  // namespace
}  // namespace tg
