#include "rating/catalogue.h"

#include <gtest/gtest.h>

#include "rating/rating_test_util.h"

namespace tg {
namespace {

using test::catalogue;
using test::component;
using test::kNow;
using test::model_price;

ModelPrice listed(std::string model, std::string provider, std::string_view input_price) {
    ModelPrice price = model_price(std::move(model), {component(Meter::input, input_price)});
    price.provider = std::move(provider);
    return price;
}

/// The input price found, or the name of the error.
std::string found(const Catalogue& book, std::string_view model, std::string_view provider,
                  UtcMicros at = kNow) {
    const auto result = book.find(model, provider, at);
    if (!result.ok()) return std::string(name(result.error().code));
    const auto rated =
        rate(test::usage({{Meter::input, 1'000'000}}), *result->price, ServiceTier::standard, "");
    return format_amount(rated->total, 0) + (result->is_fallback ? " fallback" : "");
}

TEST(Catalogue, FindsByNameThenPrefixThenWithoutDate) {
    const auto book = catalogue(
        {listed("gpt-4o", "openai", "1"), listed("azure/gpt-4o", "azure", "2"),
         listed("gpt-4o-2024-05-13", "openai", "3"), listed("claude-haiku", "anthropic", "4"),
         listed("any", "", "5"), listed("any", "azure", "6"), listed("azure/only", "azure", "7"),
         listed("twin", "a", "8"), listed("twin", "b", "9")});
    const struct {
        const char* model;
        const char* provider;
        const char* expected;
    } kCases[] = {
        {"gpt-4o", "openai", "1"},
        {"gpt-4o", "azure", "2"},
        {"azure/gpt-4o", "azure", "2"},
        {"azure/gpt-4o", "", "2"},
        {"openai/gpt-4o", "openai", "1"},
        {"gpt-4o", "", "1"},
        {"gpt-4o", "vertex", "model_unknown"},
        {"azure/gpt-4o", "openai", "model_unknown"},
        {"gpt-4o-2024-05-13", "openai", "3"},
        {"gpt-4o-2024-08-06", "openai", "1"},
        {"gpt-4o-2024-08-06", "azure", "2"},
        {"azure/gpt-4o-2024-08-06", "azure", "2"},
        {"claude-haiku-20241022", "anthropic", "4"},
        {"claude-haiku@20241022", "anthropic", "4"},
        {"claude-haiku-99991022", "anthropic", "model_unknown"},
        {"claude-haiku-2024102", "anthropic", "model_unknown"},
        {"any", "openai", "5"},
        {"any", "azure", "6"},
        {"any", "", "5"},
        {"only", "azure", "7"},
        {"only", "", "model_unknown"},
        {"twin", "a", "8"},
        {"twin", "", "model_unknown"},
        {"", "openai", "model_unknown"},
        {"-2024-08-06", "openai", "model_unknown"},
        {"GPT-4o", "openai", "model_unknown"},
    };
    for (const auto& c : kCases)
        EXPECT_EQ(found(*book, c.model, c.provider), c.expected) << c.model << " at " << c.provider;
}

TEST(Catalogue, AnUnknownModelIsNamedWithWhatToDo) {
    const auto book = catalogue({listed("gpt-4o", "openai", "1")});
    const auto result = book->find("gpt-4o", "azure", kNow);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().detail,
              "model 'gpt-4o' of provider 'azure' is not in the price book (it lists the name for "
              "provider 'openai'); add one "
              "with `tollgate prices set`, or set a fallback price for unknown models");
}

TEST(Catalogue, ThePriceInForceAtTheTimeIsFound) {
    ModelPrice first = listed("m", "p", "1"), second = listed("m", "p", "2"),
               third = listed("m", "p", "3");
    first.valid_from = {100};
    first.valid_to = UtcMicros{200};
    second.valid_from = {200};
    second.valid_to = UtcMicros{300};
    third.valid_from = {400};
    const auto book = catalogue({third, first, second});
    EXPECT_EQ(found(*book, "m", "p", {99}), "model_unknown");
    EXPECT_EQ(found(*book, "m", "p", {100}), "1");
    EXPECT_EQ(found(*book, "m", "p", {199}), "1");
    EXPECT_EQ(found(*book, "m", "p", {200}), "2");
    EXPECT_EQ(found(*book, "m", "p", {300}), "model_unknown");
    EXPECT_EQ(found(*book, "m", "p", {400}), "3");
    EXPECT_EQ(found(*book, "m", "p", {INT64_MAX}), "3");
    EXPECT_NE(book->find("m", "p", {300})
                  .error()
                  .detail.find("no price in force at 1970-01-01T00:00:00.000300Z"),
              std::string::npos);
}

TEST(Catalogue, UnknownModelsTakeTheExplicitFallbackAndSaySo) {
    const auto book = catalogue({listed("m", "p", "1")}, {UnknownModelRule::Action::price_as, "m"});
    EXPECT_EQ(found(*book, "never-heard-of", "openai"), "1 fallback");
    EXPECT_EQ(found(*book, "m", "p"), "1");
    const auto bad = Catalogue::build(PriceVersionId{1}, {listed("m", "p", "1")},
                                      {UnknownModelRule::Action::price_as, "x"});
    ASSERT_FALSE(bad.ok());
    EXPECT_NE(bad.error().detail.find("'x'"), std::string::npos);
}

TEST(Catalogue, RefusesWhatIsAmbiguousOrOutOfRange) {
    const PriceBand above{200'000, BandOperator::greater},
        same{200'001, BandOperator::greater_or_equal};
    const auto standard = ServiceTier::standard;
    const auto with = [](auto change) {
        ModelPrice price = listed("the-model", "p", "1");
        change(price);
        return std::vector{price};
    };
    const auto add = [&](PriceComponent extra) {
        return with([&](ModelPrice& p) { p.components.push_back(extra); });
    };
    const struct {
        const char* label;
        std::vector<ModelPrice> prices;
        const char* expected;
    } kCases[] = {
        {"overlap", {listed("the-model", "p", "1"), listed("the-model", "p", "2")}, "overlap"},
        {"empty window", with([](ModelPrice& p) { p.valid_to = p.valid_from; }), "is empty"},
        {"no name", {listed("", "p", "1")}, "without a model name"},
        {"no component", {model_price("the-model", {})}, "no price at all"},
        {"two prices", add(component(Meter::input, "2")), "two prices for input/standard"},
        {"two prices in a band", with([&](ModelPrice& p) {
             p.components.push_back(component(Meter::input, "2", standard, above));
             p.components.push_back(component(Meter::input, "3", standard, above));
         }),
         "two prices for input/standard above 200000"},
        {"one band in two ways", with([&](ModelPrice& p) {
             p.components.push_back(component(Meter::input, "2", standard, above));
             p.components.push_back(component(Meter::input, "3", standard, same));
         }),
         "one band in two ways"},
        {"negative", add(component(Meter::output, "-1")), "never negative"},
        {"zero unmarked", add(component(Meter::output, "0")), "marked as free"},
        {"free but not zero", with([](ModelPrice& p) { p.components[0].is_free = true; }),
         "marked as free, but not zero"},
        {"too dear token", add(component(Meter::output, "1000.000000001")), "above the bound"},
        {"too dear call", add(component(Meter::request, "100000000.01")), "above the bound"},
        {"band at zero",
         add(component(Meter::output, "1", standard, PriceBand{0, BandOperator::greater})),
         "threshold"},
        {"standard multiplier", with([](ModelPrice& p) { p.tier_multiplier_ppm[0] = 500'000; }),
         "not for the standard tier"},
        {"zero multiplier", with([](ModelPrice& p) { p.tier_multiplier_ppm[1] = 0; }),
         "multiplier 0 ppm of tier batch"},
        {"huge multiplier", with([](ModelPrice& p) { p.tier_multiplier_ppm[1] = INT64_MAX; }),
         "at most 100 times"},
        {"region twice", with([](ModelPrice& p) {
             p.region_multiplier_ppm = {{"eu", 1'000'000}, {"eu", 1'100'000}};
         }),
         "'eu'"},
        {"region without name",
         with([](ModelPrice& p) { p.region_multiplier_ppm = {{"", 1'000'000}}; }),
         "region multiplier ''"},
        {"region negative", with([](ModelPrice& p) { p.region_multiplier_ppm = {{"eu", -1}}; }),
         "-1"},
        {"vanishing price", with([](ModelPrice& p) {
             p.components[0].price.nano = 1;
             p.tier_multiplier_ppm[1] = 100'000;
         }),
         "out of range"},
    };
    for (const auto& c : kCases) {
        SCOPED_TRACE(c.label);
        const auto built = Catalogue::build(PriceVersionId{1}, c.prices, {});
        ASSERT_FALSE(built.ok());
        EXPECT_EQ(built.error().code, ErrorCode::invalid_request);
        EXPECT_NE(built.error().detail.find(c.expected), std::string::npos) << built.error().detail;
        if (!c.prices[0].model.empty()) {
            EXPECT_NE(built.error().detail.find("the-model"), std::string::npos);
        }
    }
}

TEST(Catalogue, AWhitelistRaisesTheBoundOfOneModel) {
    ModelPrice price = listed("dear", "p", "3200");
    EXPECT_FALSE(Catalogue::build(PriceVersionId{1}, {price}, {}).ok());
    price.max_nano_per_m = 5'000'000'000'000;
    EXPECT_TRUE(Catalogue::build(PriceVersionId{1}, {price}, {}).ok());
}

TEST(Catalogue, MarkedZeroIsFree) {
    ModelPrice price = listed("m", "p", "1");
    price.components = {component(Meter::input, "0"), component(Meter::output, "0")};
    for (PriceComponent& c : price.components) c.is_free = true;
    const auto book = catalogue({price});
    EXPECT_EQ(found(*book, "m", "p"), "0");
}

TEST(Catalogue, AnEmptyBookKnowsNothing) {
    const auto book = catalogue({});
    EXPECT_EQ(book->size(), 0u);
    EXPECT_EQ(found(*book, "gpt-4o", "openai"), "model_unknown");
}

}  // namespace
}  // namespace tg
