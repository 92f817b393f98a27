#include "admission/limit_table.h"

#include <gtest/gtest.h>

#include "admission/limit_text.h"

namespace tg {
namespace {

constexpr CustomerId kAcme{1};
constexpr ProjectId kChat{10};
constexpr KeyId kKey{100};

std::shared_ptr<const LimitTable> table(std::vector<LimitAssignment> assignments) {
    const auto tiers = default_tiers();
    return LimitTable::build({tiers.begin(), tiers.end()}, std::move(assignments)).value();
}

OwnLimits own(LimitKind kind, std::int64_t value) {
    OwnLimits out;
    out.of(kind) = value;
    return out;
}

TEST(LimitTable, ACustomersTierIsItsOwnElseTheDefaults) {
    const auto by_default = table({{.subject = {}, .tier = "tier_1"}});
    EXPECT_EQ(by_default->limits_of(LimitSubject::of(kAcme)).requests, 500);
    EXPECT_EQ(by_default->limits_of(LimitSubject::of(kChat)), Limits{})
        << "bounded by the customer";
    EXPECT_EQ(by_default->limits_of(LimitSubject::of(kKey)), Limits{});

    const auto by_own = table({{.subject = {}, .tier = "tier_1"},
                               {.subject = LimitSubject::of(kAcme), .tier = "tier_5"}});
    EXPECT_EQ(by_own->limits_of(LimitSubject::of(kAcme)).requests, 5'000);
    EXPECT_EQ(by_own->limits_of(LimitSubject::of(CustomerId(2))).requests, 500);
}

TEST(LimitTable, OwnValuesReplaceTheTiersAndUnlimitedLiftsThem) {
    OwnLimits custom = own(LimitKind::requests, 8'000);
    custom.of(LimitKind::total_tokens) = kUnlimited;
    custom.of(LimitKind::concurrency) = 50;
    const auto limits =
        table({{.subject = LimitSubject::of(kAcme), .tier = "tier_5", .own = custom}});
    EXPECT_EQ(limits->limits_of(LimitSubject::of(kAcme)),
              (Limits{.requests = 8'000, .concurrency = 50}));
}

TEST(LimitTable, OwnValuesOfACustomerStandOnTheDefaultTier) {
    const auto limits =
        table({{.subject = {}, .tier = "tier_1"},
               {.subject = LimitSubject::of(kAcme), .own = own(LimitKind::concurrency, 3)}});
    EXPECT_EQ(limits->limits_of(LimitSubject::of(kAcme)),
              (Limits{.requests = 500, .total_tokens = 400'000, .concurrency = 3}));
}

TEST(LimitTable, WithoutADefaultACustomerWithoutAnythingMayDoNothing) {
    const auto nothing = table({});
    EXPECT_EQ(nothing->limits_of(LimitSubject::of(kAcme)), kNothingAllowed);
    EXPECT_EQ(nothing->limits_of({}), kNothingAllowed);
    const auto weight_only = table({{.subject = {}, .weight = 3}});
    EXPECT_EQ(weight_only->limits_of(LimitSubject::of(kAcme)), kNothingAllowed);
    const auto with_own =
        table({{.subject = LimitSubject::of(kAcme), .own = own(LimitKind::requests, 5)}});
    EXPECT_EQ(with_own->limits_of(LimitSubject::of(kAcme)), Limits{.requests = 5});
}

TEST(LimitTable, ThePolicyOfACallIsTheNearestThatIsSet) {
    const auto limits =
        table({{.subject = {}, .tier = "tier_1", .weight = 2, .max_wait_ms = 1'000},
               {.subject = LimitSubject::of(kAcme),
                .tier = "tier_5",
                .priority = PriorityClass::interactive},
               {.subject = LimitSubject::of(kChat), .weight = 7, .max_wait_ms = 5'000},
               {.subject = LimitSubject::of(kKey), .priority = PriorityClass::deferrable}});
    const CallerPolicy policy = limits->policy_of(kAcme, kChat, kKey);
    EXPECT_EQ(policy.tier->code, "tier_5");
    EXPECT_EQ(policy.priority, PriorityClass::deferrable);
    EXPECT_EQ(policy.customer_weight, 2U);
    EXPECT_EQ(policy.key_weight, 7U);
    EXPECT_EQ(policy.max_wait_ms, 5'000);
    const CallerPolicy other = limits->policy_of(CustomerId(2), ProjectId(20), KeyId(200));
    EXPECT_EQ(other.tier->code, "tier_1");
    EXPECT_EQ(other.priority, PriorityClass::standard);
    EXPECT_EQ(other.key_weight, 1U);
    EXPECT_EQ(other.max_wait_ms, 1'000);
}

TEST(LimitTable, ModelsHaveLevelsOfTheirOwn) {
    const auto gpt = LimitSubject::of_model("gpt-4o");
    const auto acme_gpt = LimitSubject::of_model(kAcme, "gpt-4o");
    const auto limits = table({{.subject = gpt, .own = own(LimitKind::requests, 9)},
                               {.subject = acme_gpt, .own = own(LimitKind::requests, 4)}});
    EXPECT_TRUE(limits->has_model_limits());
    EXPECT_FALSE(table({})->has_model_limits());
    EXPECT_EQ(limits->limits_of(gpt).requests, 9);
    EXPECT_EQ(limits->limits_of(acme_gpt).requests, 4);
    EXPECT_EQ(limits->find(LimitSubject::of_model(CustomerId(2), "gpt-4o")), nullptr);
    EXPECT_EQ(level_id(gpt).kind, LevelKind::model);
    EXPECT_FALSE(level_id(acme_gpt) == level_id(LimitSubject::of_model(CustomerId(2), "gpt-4o")));
    EXPECT_EQ(acme_gpt.text(), "customer_model:1:gpt-4o");
}

TEST(LimitTable, AnAssignmentOfATierThatIsNotThereIsRefused) {
    const auto built =
        LimitTable::build({}, {{.subject = LimitSubject::of(kAcme), .tier = "tier_9"}});
    ASSERT_FALSE(built.ok());
    EXPECT_NE(built.error().detail.find("customer:1 name the tier 'tier_9'"), std::string::npos);
}

TEST(LimitText, LimitsAreNumbersOrUnlimited) {
    EXPECT_EQ(parse_limit("requests", "500").value(), 500);
    EXPECT_EQ(parse_limit("requests", "unlimited").value(), kUnlimited);
    EXPECT_EQ(limit_text(kUnlimited), "unlimited");
    for (const char* bad : {"", "-1", "5k", "1e3", "9999999999999999999", "1000000000001"})
        EXPECT_FALSE(parse_limit("requests", bad).ok()) << bad;
    EXPECT_EQ(parse_priority("deferrable"), PriorityClass::deferrable);
    EXPECT_EQ(parse_priority("urgent"), std::nullopt);
    EXPECT_EQ(parse_limit_scope(name(LimitScope::customer_model)), LimitScope::customer_model);
    EXPECT_EQ(parse_limit_scope("planet"), std::nullopt);
}

}  // namespace
}  // namespace tg
