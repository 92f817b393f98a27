#include "rating/rate.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "rating/litellm_import.h"
#include "rating/rating_test_util.h"

namespace tg {
namespace {

using test::catalogue;
using test::component;
using test::kNow;
using test::model_price;
using test::usage;

constexpr PriceBand kAbove200k{200'000, BandOperator::greater};
constexpr PriceBand kFrom200k{200'000, BandOperator::greater_or_equal};

const CompiledPrice& find(const Catalogue& book, std::string_view model,
                          std::string_view provider = "acme") {
    const auto found = book.find(model, provider, kNow);
    EXPECT_TRUE(found.ok()) << (found.ok() ? "" : found.error().text());
    return *found->price;
}

Femto total(const Usage& used, const CompiledPrice& price, ServiceTier tier = ServiceTier::standard,
            std::string_view region = {}) {
    const auto rated = rate(used, price, tier, region);
    EXPECT_TRUE(rated.ok()) << (rated.ok() ? "" : rated.error().text());
    return rated.ok() ? rated->total : Femto{-1};
}

/// The shipped book, imported once.
const Catalogue& shipped() {
    static const auto kBook = [] {
        const auto rules = parse_price_rules(test::read_price_file("rules.json"));
        auto report = import_litellm(test::read_price_file("litellm_model_prices_2026-07-24.json"),
                                     {UtcMicros{0}, "litellm", *rules});
        return catalogue(std::move(report->prices));
    }();
    return *kBook;
}

// Amounts computed apart from this code, from the same price list.
TEST(Rate, GoldenVectorsOfTheShippedBook) {
    const struct {
        const char* label;
        const char* model;
        const char* provider;
        ServiceTier tier;
        const char* region;
        Usage used;
        std::int64_t femto;
        const char* text;
    } kCases[] = {
        {"standard", "gpt-5.6", "openai", ServiceTier::standard, "",
         usage({{Meter::input, 100'000},
                {Meter::cache_read, 50'000},
                {Meter::cache_write, 10'000},
                {Meter::output, 20'000}}),
         1'187'500'000'000'000, "1.1875"},
        {"EU residency x1.1", "gpt-5.6", "openai", ServiceTier::standard, "eu",
         usage({{Meter::input, 100'000},
                {Meter::cache_read, 50'000},
                {Meter::cache_write, 10'000},
                {Meter::output, 20'000}}),
         1'306'250'000'000'000, "1.30625"},
        {"flex, one token each", "gpt-5.6", "openai", ServiceTier::flex, "",
         usage({{Meter::input, 1}, {Meter::cache_read, 1}, {Meter::output, 1}}), 17'750'000'000,
         "0.00001775"},
        {"above 272k", "gpt-5.6", "openai", ServiceTier::standard, "",
         usage({{Meter::input, 272'001}, {Meter::output, 1'000}}), 2'765'010'000'000'000,
         "2.76501"},
        {"sum of inputs above 200k", "claude-sonnet-4-5", "anthropic", ServiceTier::standard, "",
         usage({{Meter::input, 190'000}, {Meter::cache_read, 10'001}, {Meter::output, 500}}),
         1'157'250'600'000'000, "1.1572506"},
        {"sum of inputs exactly 200k", "claude-sonnet-4-5", "anthropic", ServiceTier::standard, "",
         usage({{Meter::input, 190'000}, {Meter::cache_read, 10'000}, {Meter::output, 500}}),
         580'500'000'000'000, "0.5805"},
        {"one cached token", "gpt-4o-mini", "openai", ServiceTier::standard, "",
         usage({{Meter::cache_read, 1}}), 75'000'000, "0.000000075"},
        {"one batch token", "gpt-4o-mini", "openai", ServiceTier::batch, "",
         usage({{Meter::input, 1}}), 75'000'000, "0.000000075"},
    };
    for (const auto& c : kCases) {
        SCOPED_TRACE(c.label);
        const Femto amount = total(c.used, find(shipped(), c.model, c.provider), c.tier, c.region);
        EXPECT_EQ(to_string(amount.value), to_string(c.femto));
        EXPECT_EQ(format_amount(amount), c.text);
    }
}

// gpt-4o-mini in, $0.075/M cached rate of 0.5 x 1.1 x 0.85 of $0.15/M, all in one exact product:
// 35,062,500 nano per 1M.
TEST(Rate, GoldenVectorOfThreeMultipliers) {
    ModelPrice price = model_price("gpt-4o-mini", {component(Meter::input, "0.075")});
    price.tier_multiplier_ppm[static_cast<int>(ServiceTier::batch)] = 500'000;
    price.region_multiplier_ppm = {{"eu", 935'000}};  // 1.1 x 0.85
    const auto book = catalogue({price});
    const auto rated =
        rate(usage({{Meter::input, 1}}), find(*book, "gpt-4o-mini"), ServiceTier::batch, "eu");
    ASSERT_TRUE(rated.ok());
    EXPECT_EQ(rated->lines[0].price.nano, 35'062'500);
    EXPECT_EQ(format_amount(rated->total), "0.0000000350625");
    EXPECT_TRUE(book->roundings().empty());
}

TEST(Rate, LinesSayWhatWasMultiplied) {
    const auto book =
        catalogue({model_price("m", {component(Meter::input, "2"), component(Meter::output, "8"),
                                     component(Meter::web_search_low, "10000")})});
    const auto rated = rate(usage({{Meter::input, 3},
                                   {Meter::output, 5},
                                   {Meter::web_search_low, 2},
                                   {Meter::request, 1}}),
                            find(*book, "m"), ServiceTier::standard, "");
    ASSERT_TRUE(rated.ok());
    ASSERT_EQ(rated->line_count, 3) << "a request without a price is no line";
    EXPECT_EQ(rated->lines[0].meter, Meter::input);
    EXPECT_EQ(rated->lines[1].meter, Meter::output);
    EXPECT_EQ(rated->lines[2].meter, Meter::web_search_low);
    EXPECT_EQ(rated->lines[2].quantity, 2);
    EXPECT_EQ(format_amount(rated->total), "0.020046");
    EXPECT_EQ(rated->version.get(), 7u);
    EXPECT_EQ(rated->currency, Currency::usd);
}

TEST(Rate, NativeCurrencyStays) {
    ModelPrice price = model_price("qwen", {component(Meter::input, "0.3")});
    price.currency = Currency::cny;
    const auto book = catalogue({price});
    EXPECT_EQ(
        rate(usage({{Meter::input, 1}}), find(*book, "qwen"), ServiceTier::standard, "")->currency,
        Currency::cny);
}

TEST(Rate, TheOperatorOfABandIsData) {
    const auto at_threshold = [](PriceBand band, std::int64_t tokens) {
        const auto book = catalogue(
            {model_price("m", {component(Meter::input, "1"),
                               component(Meter::input, "2", ServiceTier::standard, band)})});
        return total(usage({{Meter::input, tokens}}), find(*book, "m")).value / tokens;
    };
    EXPECT_EQ(at_threshold(kAbove200k, 200'000), 1'000'000'000);
    EXPECT_EQ(at_threshold(kAbove200k, 200'001), 2'000'000'000);
    EXPECT_EQ(at_threshold(kFrom200k, 199'999), 1'000'000'000);
    EXPECT_EQ(at_threshold(kFrom200k, 200'000), 2'000'000'000);
}

TEST(Rate, EveryInputMeterCountsTowardsTheBandAndNoOtherDoes) {
    std::vector<PriceComponent> components;
    for (int m = 0; m < kMeterCount; ++m) {
        const auto meter = static_cast<Meter>(m);
        components.push_back(component(meter, "1"));
        if (kind(meter) == MeterKind::token)
            components.push_back(component(meter, "2", ServiceTier::standard, kAbove200k));
    }
    const auto book = catalogue({model_price("m", components)});
    for (int m = 0; m < kMeterCount; ++m) {
        const auto meter = static_cast<Meter>(m);
        SCOPED_TRACE(name(meter));
        const int128 unit = total(usage({{meter, 200'001}}), find(*book, "m")).value / 200'001;
        EXPECT_EQ(unit, is_input(meter) ? 2'000'000'000 : 1'000'000'000);
    }
}

TEST(Rate, SeveralBandsTakeTheHighestPassed) {
    const auto& qwen = find(shipped(), "qwen3-max", "dashscope");
    const auto unit = [&](std::int64_t tokens) {
        return total(usage({{Meter::input, tokens}}), qwen).value / tokens;
    };
    EXPECT_EQ(unit(32'000), 1'200'000'000);
    EXPECT_EQ(unit(32'001), 2'400'000'000);
    EXPECT_EQ(unit(128'000), 2'400'000'000);
    EXPECT_EQ(unit(128'001), 3'000'000'000);
    EXPECT_EQ(unit(1'000'000), 3'000'000'000);
}

TEST(Rate, ReasoningHasItsOwnPriceOrOutputs) {
    const auto book = catalogue(
        {model_price("plain", {component(Meter::input, "1"), component(Meter::output, "8")}),
         model_price("own", {component(Meter::output, "1.2"), component(Meter::reasoning, "4")})});
    EXPECT_EQ(total(usage({{Meter::reasoning, 1}}), find(*book, "plain")).value, 8'000'000'000);
    EXPECT_EQ(total(usage({{Meter::reasoning, 1}}), find(*book, "own")).value, 4'000'000'000);
    const auto& qwen = find(shipped(), "qwen-plus-latest", "dashscope");
    EXPECT_EQ(total(usage({{Meter::input, 300'000}, {Meter::reasoning, 1}}), qwen).value,
              total(usage({{Meter::input, 300'000}}), qwen).value + 12'000'000'000);
}

TEST(Rate, CacheClassesWithoutAPriceCostWhatInputDoes) {
    const auto book = catalogue(
        {model_price("m", {component(Meter::input, "3"), component(Meter::output, "9")})});
    for (const Meter meter : {Meter::cache_read, Meter::cache_write, Meter::cache_write_long,
                              Meter::input_image, Meter::input_image_cached}) {
        EXPECT_EQ(total(usage({{meter, 1}}), find(*book, "m")).value, 3'000'000'000) << name(meter);
    }
}

TEST(Rate, WhatTheBookDoesNotPriceIsAnErrorNotTheBasePrice) {
    const auto book = catalogue({model_price(
        "m", {component(Meter::input, "3"), component(Meter::output, "9"),
              component(Meter::cache_read, "0.3"), component(Meter::cache_write, "3.75"),
              component(Meter::input, "1.5", ServiceTier::flex),
              component(Meter::output, "4.5", ServiceTier::flex),
              component(Meter::input, "6", ServiceTier::standard, kAbove200k),
              component(Meter::output, "18", ServiceTier::standard, kAbove200k)})});
    const auto& price = find(*book, "m");
    const struct {
        const char* label;
        Usage used;
        ServiceTier tier;
        const char* expected;
    } kCases[] = {
        {"tier never priced", usage({{Meter::input, 1}}), ServiceTier::batch,
         "input in tier batch"},
        {"cached in a tier without cache price", usage({{Meter::cache_read, 1}}), ServiceTier::flex,
         "cache_read in tier flex"},
        {"band without cache price", usage({{Meter::input, 200'000}, {Meter::cache_read, 1}}),
         ServiceTier::standard, "cache_read in tier standard above 200000"},
        {"tier and band", usage({{Meter::input, 200'001}}), ServiceTier::flex,
         "input in tier flex above 200000"},
        {"long write beside a priced short one", usage({{Meter::cache_write_long, 1}}),
         ServiceTier::standard, "cache_write_long"},
        {"audio", usage({{Meter::input_audio, 1}}), ServiceTier::standard, "input_audio"},
        {"tool", usage({{Meter::file_search, 1}}), ServiceTier::standard, "file_search"},
    };
    for (const auto& c : kCases) {
        SCOPED_TRACE(c.label);
        const auto rated = rate(c.used, price, c.tier, "");
        ASSERT_FALSE(rated.ok());
        EXPECT_EQ(rated.error().code, ErrorCode::model_unpriced);
        EXPECT_NE(rated.error().detail.find(c.expected), std::string::npos) << rated.error().detail;
        EXPECT_NE(rated.error().detail.find("'m'"), std::string::npos);
    }
}

TEST(Rate, AMultiplierIsAnExplicitRuleForMissingCombinations) {
    ModelPrice listed = model_price(
        "m", {component(Meter::input, "3"), component(Meter::cache_read, "0.3"),
              component(Meter::output, "9"),
              component(Meter::input, "6", ServiceTier::standard, kAbove200k),
              component(Meter::cache_read, "0.6", ServiceTier::standard, kAbove200k),
              component(Meter::input, "1.4", ServiceTier::flex),
              component(Meter::web_search_low, "10000"), component(Meter::image, "40000")});
    listed.tier_multiplier_ppm[static_cast<int>(ServiceTier::flex)] = 500'000;
    const auto book = catalogue({listed});
    const auto& price = find(*book, "m");
    EXPECT_EQ(total(usage({{Meter::input, 1}}), price, ServiceTier::flex).value, 1'400'000'000)
        << "a component beats the rule";
    EXPECT_EQ(total(usage({{Meter::cache_read, 1}}), price, ServiceTier::flex).value, 150'000'000);
    EXPECT_EQ(total(usage({{Meter::input, 200'001}}), price, ServiceTier::flex).value,
              int128{200'001} * 3'000'000'000)
        << "the multiplier applies to the price of the same band";
    EXPECT_EQ(total(usage({{Meter::web_search_low, 1}}), price, ServiceTier::flex).value,
              int128{10'000'000'000'000})
        << "hosted tools are not discounted";
    EXPECT_EQ(total(usage({{Meter::image, 1}}), price, ServiceTier::flex).value,
              int128{20'000'000'000'000});
}

TEST(Rate, RegionsReprizeTokensOnly) {
    ModelPrice listed = model_price(
        "m", {component(Meter::input, "3"), component(Meter::output, "9"),
              component(Meter::web_search_low, "10000"), component(Meter::image, "40000")});
    listed.region_multiplier_ppm = {{"us", 1'100'000}, {"eu", 1'200'000}};
    const auto book = catalogue({listed});
    const auto& price = find(*book, "m");
    EXPECT_EQ(total(usage({{Meter::output, 1}}), price, ServiceTier::standard, "us").value,
              9'900'000'000);
    EXPECT_EQ(total(usage({{Meter::output, 1}}), price, ServiceTier::standard, "eu").value,
              10'800'000'000);
    EXPECT_EQ(total(usage({{Meter::output, 1}}), price, ServiceTier::standard, "asia").value,
              9'000'000'000);
    EXPECT_EQ(total(usage({{Meter::web_search_low, 1}}), price, ServiceTier::standard, "eu").value,
              int128{10'000'000'000'000});
    EXPECT_EQ(total(usage({{Meter::image, 1}}), price, ServiceTier::standard, "eu").value,
              int128{40'000'000'000'000});
}

TEST(Rate, FastModeAndRegionOfTheShippedBook) {
    const auto& opus = find(shipped(), "claude-opus-4-6", "anthropic");
    EXPECT_EQ(total(usage({{Meter::output, 1}}), opus, ServiceTier::fast).value,
              int128{150'000'000'000});
    EXPECT_EQ(total(usage({{Meter::cache_write_long, 1}}), opus, ServiceTier::fast, "us").value,
              int128{66'000'000'000});
    EXPECT_EQ(total(usage({{Meter::cache_read, 1}}), opus, ServiceTier::batch).value, 250'000'000)
        << "by the rule for Anthropic";
}

TEST(Rate, RoundsOnceWhenCompiledAndRecordsIt) {
    ModelPrice listed =
        model_price("m", {component(Meter::input, "0.000000003")});  // 3 nano per 1M
    listed.tier_multiplier_ppm[static_cast<int>(ServiceTier::batch)] = 500'000;
    listed.region_multiplier_ppm = {{"eu", 1'100'000}};
    const auto book = catalogue({listed});
    const auto& price = find(*book, "m");
    EXPECT_EQ(total(usage({{Meter::input, 1}}), price, ServiceTier::batch).value, 2)
        << "1.5 half-up";
    EXPECT_EQ(total(usage({{Meter::input, 1}}), price, ServiceTier::batch, "eu").value, 2)
        << "1.65 from the exact product";
    const auto rounding = std::ranges::find_if(book->roundings(), [](const PriceRounding& r) {
        return r.meter == Meter::input && r.tier == ServiceTier::batch && r.region == "eu";
    });
    ASSERT_NE(rounding, book->roundings().end());
    EXPECT_EQ(rounding->exact, "1.65");
    EXPECT_EQ(rounding->rounded.nano, 2);
    EXPECT_EQ(rounding->model, "m");
}

TEST(Rate, NegativeQuantitiesAreRefused) {
    const auto book = catalogue({model_price("m", {component(Meter::input, "3")})});
    const auto rated =
        rate(usage({{Meter::input, -1}}), find(*book, "m"), ServiceTier::standard, "");
    ASSERT_FALSE(rated.ok());
    EXPECT_EQ(rated.error().code, ErrorCode::invalid_request);
}

TEST(Rate, TheLargestQuantitiesAtTheLargestPricesStayExact) {
    std::vector<PriceComponent> components;
    Usage most;
    int128 expected = 0;
    for (int m = 0; m < kMeterCount; ++m) {
        const auto meter = static_cast<Meter>(m);
        const bool is_token = kind(meter) == MeterKind::token || meter == Meter::citation;
        components.push_back(component(meter, is_token ? "1000" : "100000000"));
        most[meter] = INT64_MAX;
        expected += int128{INT64_MAX} * components.back().price.nano;
    }
    const auto book = catalogue({model_price("m", components)});
    EXPECT_EQ(total(most, find(*book, "m")), Femto{expected});
    EXPECT_GT(expected, 0);
}

TEST(WorstCase, TakesTheDearestClassOfEachSide) {
    const auto book = catalogue(
        {model_price("m", {component(Meter::input, "3"), component(Meter::cache_write_long, "6"),
                           component(Meter::output, "15"), component(Meter::reasoning, "20"),
                           component(Meter::request, "5000")})});
    const auto& price = find(*book, "m");
    EXPECT_EQ(worst_case(1000, 10, price, ServiceTier::standard, "").value,
              int128{1000} * 6'000'000'000 + int128{10} * 20'000'000'000 + 5'000'000'000'000);
    EXPECT_EQ(worst_case(-5, -5, price, ServiceTier::standard, "").value, 5'000'000'000'000);
}

TEST(WorstCase, ReachesTheBandThatTheInputReaches) {
    const auto& gpt = find(shipped(), "gpt-5.6", "openai");
    EXPECT_EQ(worst_case(272'000, 1, gpt, ServiceTier::standard, "").value,
              int128{272'000} * 6'250'000'000 + 30'000'000'000);
    EXPECT_EQ(worst_case(272'001, 1, gpt, ServiceTier::standard, "").value,
              int128{272'001} * 12'500'000'000 + 45'000'000'000);
}

// --- properties
// --------------------------------------------------------------------------------------------------------

const PriceBand kBands[] = {{1'000, BandOperator::greater},
                            {5'000, BandOperator::greater_or_equal},
                            {9'000, BandOperator::greater}};
const std::string kRegions[] = {"", "eu", "us"};

/// A random book: any meter may be priced in any tier and band, some tiers have a multiplier.
ModelPrice random_price() {
    std::vector<PriceComponent> components = {component(Meter::input, "1")};
    for (int t = 0; t < kServiceTierCount; ++t) {
        for (int b = 0; b <= 3; ++b) {
            for (int m = t + b == 0 ? 1 : 0; m < kMeterCount; ++m) {
                if (*rc::gen::inRange(0, 3) == 0) continue;
                PriceComponent& c = components.emplace_back();
                c.meter = static_cast<Meter>(m);
                c.tier = static_cast<ServiceTier>(t);
                c.price.nano = *rc::gen::inRange<std::int64_t>(1, 1'000'000'000'000);
                if (b > 0) c.band = kBands[b - 1];
            }
        }
    }
    ModelPrice price = model_price("m", std::move(components));
    for (int t = 1; t < kServiceTierCount; ++t) {
        if (*rc::gen::arbitrary<bool>())
            price.tier_multiplier_ppm[t] = *rc::gen::inRange<std::int64_t>(100'000, 6'000'000);
    }
    price.region_multiplier_ppm = {{"eu", *rc::gen::inRange<std::int64_t>(900'000, 2'000'000)},
                                   {"us", 1'100'000}};
    return price;
}

Usage random_usage() {
    Usage used;
    for (int m = 0; m < kMeterCount; ++m) {
        if (*rc::gen::inRange(0, 4) == 0)
            used[static_cast<Meter>(m)] = *rc::gen::inRange<std::int64_t>(0, 4'000);
    }
    return used;
}

RC_GTEST_PROP(RateProperty, TotalIsTheSumOfQuantityTimesPriceAndNothingIsLeftOut, ()) {
    const auto book = catalogue({random_price()});
    const auto& price = find(*book, "m");
    const Usage used = random_usage();
    const auto tier = static_cast<ServiceTier>(*rc::gen::inRange(0, kServiceTierCount));
    const std::string region =
        *rc::gen::elementOf(std::vector<std::string>(std::begin(kRegions), std::end(kRegions)));
    const auto rated = rate(used, price, tier, region);
    if (!rated.ok()) {
        RC_ASSERT(rated.error().code == ErrorCode::model_unpriced);
        return;
    }
    int128 sum = 0;
    Usage billed;
    for (int i = 0; i < rated->line_count; ++i) {
        const RatedLine& line = rated->lines[static_cast<std::size_t>(i)];
        sum += int128{line.quantity} * line.price.nano;
        billed[line.meter] += line.quantity;
    }
    RC_ASSERT(rated->total.value == sum);
    for (int m = 0; m < kMeterCount; ++m) {
        const auto meter = static_cast<Meter>(m);
        RC_ASSERT(billed[meter] == used[meter] || (meter == Meter::request && billed[meter] == 0));
    }
}

RC_GTEST_PROP(RateProperty, SumOfEventsIsSummedQuantityTimesPrice, ()) {
    const auto book = catalogue({random_price()});
    const auto& price = find(*book, "m");
    Femto of_events;
    std::map<std::pair<Meter, std::int64_t>, std::int64_t> quantities;  // by meter and price
    for (int i = 0; i < 50; ++i) {
        const auto rated =
            rate(random_usage(), price,
                 static_cast<ServiceTier>(*rc::gen::inRange(0, kServiceTierCount)), "eu");
        if (!rated.ok()) continue;
        of_events += rated->total;
        for (int l = 0; l < rated->line_count; ++l) {
            const RatedLine& line = rated->lines[static_cast<std::size_t>(l)];
            quantities[{line.meter, line.price.nano}] += line.quantity;
        }
    }
    Femto of_sums;
    for (const auto& [key, quantity] : quantities) of_sums += quantity * NanoPerM{key.second};
    RC_ASSERT(of_events == of_sums);
}

RC_GTEST_PROP(RateProperty, WorstCaseIsNeverBelowWhatWasUsed, ()) {
    const auto book = catalogue({random_price()});
    const auto& price = find(*book, "m");
    const auto tier = static_cast<ServiceTier>(*rc::gen::inRange(0, kServiceTierCount));
    const std::string region =
        *rc::gen::elementOf(std::vector<std::string>(std::begin(kRegions), std::end(kRegions)));
    Usage used = random_usage();
    for (int m = 0; m < kMeterCount; ++m) {
        const auto meter = static_cast<Meter>(m);
        if (kind(meter) != MeterKind::token) used[meter] = 0;
    }
    used[Meter::request] = 1;
    const auto rated = rate(used, price, tier, region);
    if (!rated.ok()) return;
    const std::int64_t slack_in = *rc::gen::inRange<std::int64_t>(0, 9'000),
                       slack_out = *rc::gen::inRange<std::int64_t>(0, 100);
    const Femto worst = worst_case(used.input_tokens() + slack_in, used.output_tokens() + slack_out,
                                   price, tier, region);
    RC_ASSERT(worst >= rated->total);
}

/// With every combination listed, each price is the listed one times the region's multiplier: an
/// oracle without fallbacks.
RC_GTEST_PROP(RateProperty, EveryTierBandAndRegionHasItsOwnListedPrice, ()) {
    std::vector<PriceComponent> components;
    const auto nano_of = [](int t, int b, int m) {
        return std::int64_t{1'000'000} * (1 + t * 1000 + b * 100 + m);
    };
    for (int t = 0; t < kServiceTierCount; ++t) {
        for (int b = 0; b <= 3; ++b) {
            for (int m = 0; m < kMeterCount; ++m) {
                PriceComponent& c = components.emplace_back();
                c = {static_cast<Meter>(m),
                     {nano_of(t, b, m)},
                     static_cast<ServiceTier>(t),
                     std::nullopt};
                if (b > 0) c.band = kBands[b - 1];
            }
        }
    }
    ModelPrice listed = model_price("m", std::move(components));
    listed.region_multiplier_ppm = {{"eu", 1'100'000}};
    const auto book = catalogue({listed});
    const auto& price = find(*book, "m");
    const int t = *rc::gen::inRange(0, kServiceTierCount);
    const Usage used = random_usage();
    const std::int64_t input = used.input_tokens();
    const int b = input > 9'000 ? 3 : input >= 5'000 ? 2 : input > 1'000 ? 1 : 0;
    for (const bool in_eu : {false, true}) {
        int128 expected = 0;
        for (int m = 0; m < kMeterCount; ++m) {
            const bool is_token =
                is_input(static_cast<Meter>(m)) || is_output_token(static_cast<Meter>(m));
            expected += int128{used[static_cast<Meter>(m)]} * nano_of(t, b, m) *
                        (in_eu && is_token ? 11 : 10) / 10;
        }
        RC_ASSERT(rate(used, price, static_cast<ServiceTier>(t), in_eu ? "eu" : "")->total.value ==
                  expected);
    }
}

}  // namespace
}  // namespace tg
