#include "billing/contract_terms.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

constexpr std::string_view kEverything = R"({
    "rate_card": [
        {"kind": "discount", "models": "gpt-4o*", "tier": "batch", "percent": "12.5"},
        {"kind": "fixed", "models": "gpt-4o", "meter": "input", "currency": "USD", "price": "2.00"},
        {"kind": "graduated", "models": "qwen*", "meter": "output", "currency": "CNY",
         "steps": [{"up_to": 1000000, "price": "9"}, {"price": 8.5}]},
        {"kind": "volume", "meter": "output", "steps": [{"price": "8"}]},
        {"kind": "package", "meter": "request", "package_units": 1000, "package_price": "3.25"}],
    "reserved_capacity": [{"models": "claude-*", "percent": 20}],
    "volume_discount": {"basis": "commitment", "currency": "USD",
        "steps": [{"from": "0", "percent": "10"}, {"from": "2000000", "percent": "25"}]},
    "mixed_model_discount": {"share_min_percent": "10",
        "steps": [{"models": 2, "percent": "5"}, {"models": 4, "percent": "15"}]},
    "transfer_discount_percent": "3",
    "promotion": {"percent": "1", "through": "2026-12"},
    "management_fee": {"percent": "2", "month": "1000", "currency": "CNY"},
    "commitment": {"period": "year", "amount": "2000000.00", "currency": "USD"},
    "termination_percent": "50",
    "usd_cny_rate": "7.2",
    "payment": {"customer_kind": "start_up", "net_days": 10, "credit_limit_cny": "50000",
        "late_fee_percent_per_day": "0.05"},
    "trial": {"last_day": "2026-12-10", "cap": "100", "currency": "USD"}
})";

std::string error(std::string_view json) {
    const Result<ContractTerms> terms = parse_contract_terms(json);
    return terms.ok() ? "" : terms.error().detail;
}

TEST(ContractTerms, everything_is_read_and_written) {
    const Result<ContractTerms> terms = parse_contract_terms(kEverything);
    ASSERT_TRUE(terms.ok()) << terms.error().text();
    EXPECT_EQ(terms->rate_card.size(), 5U);
    EXPECT_EQ(terms->rate_card[0].ppm, 125'000);
    EXPECT_EQ(terms->rate_card[1].steps[0].price.nano, 2'000'000'000);
    EXPECT_EQ(terms->rate_card[2].steps[1].price.nano, 8'500'000'000);
    EXPECT_EQ(terms->rate_card[4].package_nano, 3'250'000'000);
    EXPECT_EQ(terms->reserved[0].ppm, 200'000);
    EXPECT_EQ(terms->volume->steps[1].from_cents, 200'000'000);
    EXPECT_EQ(terms->mixed->steps[1].models, 4);
    EXPECT_EQ(terms->promotion->through, (YearMonth{2026, 12}));
    EXPECT_EQ(terms->commitment->cents, 200'000'000);
    EXPECT_EQ(terms->payment.mode, PaymentMode::prepaid_then_postpaid) << "of a start-up";
    EXPECT_EQ(terms->payment.net_days, 10);
    EXPECT_EQ(terms->payment.deposit_months, 2);
    EXPECT_EQ(terms->payment.late_fee_ppm_per_day, 500);

    const std::string written = contract_terms_as_json(*terms);
    const Result<ContractTerms> again = parse_contract_terms(written);
    ASSERT_TRUE(again.ok()) << again.error().text();
    EXPECT_EQ(*again, *terms);
    EXPECT_EQ(contract_terms_as_json(*again), written);
}

TEST(ContractTerms, empty_terms_are_list_price_and_the_payment_of_a_medium_customer) {
    const ContractTerms terms = parse_contract_terms("{}").value();
    EXPECT_EQ(terms, ContractTerms{});
    EXPECT_EQ(terms.payment, default_payment(CustomerKind::medium));
}

TEST(ContractTerms, defaults_by_kind_of_customer) {
    const PaymentTerms large = default_payment(CustomerKind::listed_or_large);
    EXPECT_EQ(large.net_days, 30);
    EXPECT_EQ(large.deposit_months, 0);
    EXPECT_EQ(default_payment(CustomerKind::medium).net_days, 15);
    EXPECT_EQ(default_payment(CustomerKind::start_up).deposit_months, 2);
    EXPECT_EQ(default_payment(CustomerKind::high_risk).deposit_months, 3);
    EXPECT_EQ(default_payment(CustomerKind::high_risk).mode, PaymentMode::prepaid);
}

TEST(ContractTerms, a_mistake_is_named_by_its_place) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {R"({"discount": 5})", "'discount' is no member of contract terms"},
        {R"({"trial": {}, "trial": {}})", "'trial.last_day' is missing"},
        {R"({"transfer_discount_percent": "3", "transfer_discount_percent": "4"})",
         "'transfer_discount_percent' is there twice"},
        {R"({"transfer_discount_percent": "101"})",
         "'transfer_discount_percent' must be a percentage from 0 to 100 with at most 4 decimals; "
         "it is '101'"},
        {R"({"rate_card": [{"kind": "fixed"}]})",
         "'rate_card[0].meter' is missing: a price is for one meter, such as input"},
        {R"({"rate_card": [{"kind": "gift"}]})",
         "'rate_card[0].kind' must be one of discount, fixed, graduated, volume, package; it is "
         "'gift'"},
        {R"({"rate_card": [{"kind": "discount"}]})", "'rate_card[0].percent' is missing"},
        {R"({"rate_card": [{"kind": "fixed", "meter": "input", "price": "-1"}]})",
         "'rate_card[0].price' must be the price of 1M of input, such as \"2.50\""},
        {R"({"rate_card": [{"kind": "graduated", "meter": "input", "steps":
            [{"up_to": 10, "price": "1"}]}]})",
         "'rate_card[0].steps' must end with a step without 'up_to'"},
        {R"({"rate_card": [{"kind": "graduated", "meter": "input", "steps":
            [{"up_to": 10, "price": "1"}, {"up_to": 10, "price": "1"}, {"price": "1"}]}]})",
         "'rate_card[0].steps[1].up_to' must be above that of the step before; only the last has "
         "none"},
        {R"({"volume_discount": {"steps": [{"from": "5", "percent": "1"},
            {"from": "5", "percent": "2"}]}})",
         "'volume_discount.steps[1].from' must be above that of the step before"},
        {R"({"volume_discount": {"basis": "commitment", "steps": []}})",
         "'volume_discount.basis' is the commitment: it needs one, in the same currency as its "
         "steps"},
        {R"({"commitment": {"period": "week", "amount": "1"}})",
         "'commitment.period' must be one of month, year; it is 'week'"},
        {R"({"commitment": {"amount": "1.005"}})",
         "'commitment.amount' must be an amount such as \"12.50\", not below 0; it is '1.005'"},
        {R"({"payment": {"deposit_cny": "1", "deposit_months": 1}})",
         "'payment.deposit_cny' and 'deposit_months' cannot both be given"},
        {R"({"payment": {"net_days": 400}})",
         "'payment.net_days' must be a whole number from 0 to 365; it is '400'"},
        {R"({"promotion": {"percent": 1, "through": "December"}})",
         "'promotion.through' must be a month such as 2026-11"},
        {R"({"trial": {"last_day": "soon", "cap": 1}})",
         "'trial.last_day' must be a day such as 2026-11-30"},
        {R"({"usd_cny_rate": "0"})",
         "'usd_cny_rate' must be RMB for a dollar, 0.01 to 1000; it "
         "is '0'"},
        {R"({"management_fee": []})", "'management_fee' must be an object"},
        {R"([])", "'terms' must be an object"},
    };
    for (const auto& [json, text] : cases) EXPECT_EQ(error(json), text) << json;
    EXPECT_NE(error("{").find("not valid JSON"), std::string::npos);
}

TEST(ContractTerms, names_match_with_stars) {
    EXPECT_TRUE(matches_name("*", ""));
    EXPECT_TRUE(matches_name("*", "gpt-4o"));
    EXPECT_TRUE(matches_name("gpt-4o", "gpt-4o"));
    EXPECT_FALSE(matches_name("gpt-4o", "gpt-4o-mini"));
    EXPECT_TRUE(matches_name("gpt-4o*", "gpt-4o"));
    EXPECT_TRUE(matches_name("*mini", "gpt-4o-mini"));
    EXPECT_TRUE(matches_name("g*-*i", "gpt-4o-mini"));
    EXPECT_TRUE(matches_name("*aab", "aaaab"));
    EXPECT_FALSE(matches_name("", "a"));
    EXPECT_FALSE(matches_name("*b", "abc"));
}

/// Prices are for the standard tier unless they name another: a batch call does not become dearer
/// by a rate card that never thought of it.
TEST(ContractTerms, a_price_without_a_tier_is_of_the_standard_one) {
    RateRule rule{.kind = RateRule::Kind::fixed, .meter = Meter::input, .steps = {{0, {1}}}};
    const auto fits = [&](ServiceTier tier, Currency currency = Currency::usd) {
        return matches(rule, "gpt-4o", Meter::input, tier, currency);
    };
    EXPECT_TRUE(fits(ServiceTier::standard));
    EXPECT_FALSE(fits(ServiceTier::batch));
    EXPECT_FALSE(fits(ServiceTier::standard, Currency::cny)) << "the price is in dollars";
    rule.tier = ServiceTier::batch;
    EXPECT_TRUE(fits(ServiceTier::batch));
    EXPECT_FALSE(fits(ServiceTier::standard));
    rule = {.kind = RateRule::Kind::discount, .ppm = 1};
    EXPECT_TRUE(fits(ServiceTier::batch, Currency::cny));
}

}  // namespace
}  // namespace tg
