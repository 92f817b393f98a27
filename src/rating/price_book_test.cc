#include <gtest/gtest.h>

#include "rating/default_prices.h"
#include "rating/litellm_import.h"
#include "rating/price_diff.h"
#include "rating/price_json.h"
#include "rating/price_merge.h"
#include "rating/price_text.h"
#include "rating/rating_test_util.h"

namespace tg {
namespace {

using test::component;
using test::model_price;

ModelPrice priced(std::string model, std::string_view input, std::int64_t from,
                  std::optional<std::int64_t> to = std::nullopt) {
    ModelPrice price = model_price(std::move(model), {component(Meter::input, input)});
    price.valid_from = {from};
    if (to) price.valid_to = UtcMicros{*to};
    return price;
}

/// "m 1.00 [0,100); m 2.00 [100,)".
std::string windows(const std::vector<ModelPrice>& prices) {
    std::string out;
    for (const ModelPrice& price : prices) {
        if (!out.empty()) out += "; ";
        out += price.model + " " +
               format_price(price.components[0].meter, price.components[0].price) + " [" +
               std::to_string(price.valid_from.micros) + "," +
               (price.valid_to ? std::to_string(price.valid_to->micros) : "") + ")";
    }
    return out;
}

MergeOptions list_at(std::int64_t at, Unlisted unlisted = Unlisted::keep) {
    MergeOptions out;
    out.closed_until = {at};
    out.unlisted_at = {at};
    out.unlisted = unlisted;
    out.is_whole_list = true;
    return out;
}

// --- text
// --------------------------------------------------------------------------------------------------------------

TEST(PriceText, UnitsGoBothWays) {
    const struct {
        Meter meter;
        const char* text;
        const char* unit;
        std::int64_t nano;
    } kCases[] = {
        {Meter::input, "2.50", "1M", 2'500'000'000},
        {Meter::output, "0.0350625", "1M", 35'062'500},
        {Meter::character, "15.00", "1M", 15'000'000'000},
        {Meter::audio_ms, "0.0001", "second", 100'000'000},
        {Meter::web_search_low, "0.01", "1", 10'000'000'000'000},
        {Meter::image, "0.04", "1", 40'000'000'000'000},
    };
    for (const auto& c : kCases) {
        const auto parsed = parse_price(c.meter, c.text);
        ASSERT_TRUE(parsed.ok()) << parsed.error().text();
        EXPECT_EQ(parsed->nano, c.nano);
        EXPECT_EQ(format_price(c.meter, *parsed), c.text);
        EXPECT_EQ(price_unit(c.meter), c.unit);
    }
    for (const char* bad : {"", "-1", "1.0000000001", "1e30", "two", "1,5"})
        EXPECT_FALSE(parse_price(Meter::input, bad).ok()) << bad;
}

TEST(PriceText, ChangesAreExact) {
    const struct {
        std::int64_t from, to;
        const char* text;
    } kCases[] = {
        {100, 125, "+25 %"},
        {100, 80, "-20 %"},
        {3, 2, "-33 1/3 %"},
        {3, 4, "+33 1/3 %"},
        {1000, 1005, "+0.5 %"},
        {8, 9, "+12.5 %"},
        {100, 0, "-100 %"},
        {7, 7, "+0 %"},
        {300, 301, "+1/3 %"},
        {1, 1000, "+99900 %"},
        {1'000'000'000, 1'000'000'001, "+0.0000001 %"},
        {INT64_MAX, 0, "-100 %"},
    };
    for (const auto& c : kCases) {
        if (c.from == 1'000'000'000) {
            EXPECT_EQ(format_change(c.from, c.to), "+1/10000000 %")
                << "beyond six decimals as a fraction";
        } else {
            EXPECT_EQ(format_change(c.from, c.to), c.text);
        }
    }
}

// --- diff
// --------------------------------------------------------------------------------------------------------------

TEST(PriceDiff, NamesEveryFigureThatDiffers) {
    ModelPrice before =
        model_price("m", {component(Meter::input, "3"), component(Meter::output, "9"),
                          component(Meter::cache_read, "0.3")});
    before.region_multiplier_ppm = {{"eu", 1'100'000}};
    ModelPrice after =
        model_price("m", {component(Meter::input, "2"), component(Meter::output, "9"),
                          component(Meter::output, "18", ServiceTier::priority)});
    after.region_multiplier_ppm = {{"eu", 1'200'000}};
    after.tier_multiplier_ppm[1] = 500'000;
    const PriceDiff diff = diff_prices(std::vector{before}, std::vector{after}, {0});
    std::string text;
    for (const PriceChange& c : diff.changes) {
        text += c.what + ": " + c.old_value + " -> " + c.new_value + " " + c.change + " [" +
                c.approval_reason + "]\n";
    }
    EXPECT_EQ(text,
              "cache_read: 0.30 ->   [no longer priced]\n"
              "input: 3.00 -> 2.00 -33 1/3 % [changes by more than 20 %]\n"
              "multiplier of region eu: 1.1 -> 1.2 +9 1/11 % []\n"
              "multiplier of tier batch:  -> 0.5  []\n"
              "output in tier priority:  -> 18.00  []\n");
    EXPECT_TRUE(diff.needs_approval());
    EXPECT_EQ(diff.approval_text(1),
              "acme: m cache_read no longer priced (0.30 -> none); and 1 more");
}

TEST(PriceDiff, ApprovalBeginsAboveTwentyPercent) {
    const struct {
        const char* from;
        const char* to;
        bool is_needed;
    } kCases[] = {{"1", "1.2", false},
                  {"1", "1.200000001", true},
                  {"1", "0.8", false},
                  {"1", "0.799999999", true},
                  {"0.000000003", "0.000000004", true}};
    for (const auto& c : kCases) {
        const auto diff = diff_prices(std::vector{priced("m", c.from, 0)},
                                      std::vector{priced("m", c.to, 0)}, {0});
        EXPECT_EQ(diff.needs_approval(), c.is_needed) << c.from << " -> " << c.to;
    }
    ModelPrice free = priced("m", "0", 0);
    free.components[0].is_free = true;
    EXPECT_TRUE(
        diff_prices(std::vector{priced("m", "1", 0)}, std::vector{free}, {0}).needs_approval());
    EXPECT_TRUE(
        diff_prices(std::vector{free}, std::vector{priced("m", "1", 0)}, {0}).needs_approval());
    ModelPrice yuan = priced("m", "1", 0);
    yuan.currency = Currency::cny;
    EXPECT_TRUE(
        diff_prices(std::vector{priced("m", "1", 0)}, std::vector{yuan}, {0}).needs_approval());
}

TEST(PriceDiff, ComparesWhatIsInForceAtTheMoment) {
    const std::vector before{priced("m", "1", 0), priced("gone", "1", 0)};
    const std::vector after{priced("m", "1", 0, 100), priced("m", "1.1", 100),
                            priced("gone", "1", 0, 100), priced("new", "1", 100)};
    EXPECT_TRUE(diff_prices(before, after, {99}).is_empty());
    const auto diff = diff_prices(before, after, {100});
    ASSERT_EQ(diff.changes.size(), 1u);
    EXPECT_EQ(diff.changes[0].change, "+10 %");
    EXPECT_EQ(diff.added, std::vector<std::string>{"acme: new"});
    EXPECT_EQ(diff.removed, std::vector<std::string>{"acme: gone"});
    EXPECT_TRUE(diff.needs_approval());
}

TEST(PriceDiff, AShrinkOfMoreThanATenthNeedsApproval) {
    PriceDiff diff;
    note_shrink(diff, 100, 90);
    EXPECT_FALSE(diff.needs_approval());
    note_shrink(diff, 100, 89);
    EXPECT_TRUE(diff.needs_approval());
    EXPECT_NE(diff.approval_text().find("from 100 to 89"), std::string::npos);
}

// --- merge
// -------------------------------------------------------------------------------------------------------------

TEST(PriceMerge, WindowsAreCutAndNeverOverlap) {
    const struct {
        const char* label;
        std::vector<ModelPrice> book, incoming;
        const char* expected;
    } kCases[] = {
        {"first price", {}, {priced("m", "1", 100)}, "m 1.00 [100,)"},
        {"a new price ends the old one",
         {priced("m", "1", 0)},
         {priced("m", "2", 100)},
         "m 1.00 [0,100); m 2.00 [100,)"},
        {"the same price changes nothing",
         {priced("m", "1", 0)},
         {priced("m", "1", 100)},
         "m 1.00 [0,)"},
        {"a planned price stays planned",
         {priced("m", "1", 0, 200), priced("m", "3", 200)},
         {priced("m", "2", 100)},
         "m 1.00 [0,100); m 2.00 [100,200); m 3.00 [200,)"},
        {"a price for a while",
         {priced("m", "1", 0)},
         {priced("m", "2", 100, 200)},
         "m 1.00 [0,100); m 2.00 [100,200); m 1.00 [200,)"},
        {"a gap is filled",
         {priced("m", "1", 0, 50)},
         {priced("m", "2", 100)},
         "m 1.00 [0,50); m 2.00 [100,)"},
        {"replacing what has not begun",
         {priced("m", "1", 0, 100), priced("m", "2", 100)},
         {priced("m", "3", 100)},
         "m 1.00 [0,100); m 3.00 [100,)"},
        {"before the first",
         {priced("m", "1", 200)},
         {priced("m", "2", 100)},
         "m 2.00 [100,200); m 1.00 [200,)"},
        {"others stay",
         {priced("a", "1", 0)},
         {priced("b", "2", 100)},
         "a 1.00 [0,); b 2.00 [100,)"},
    };
    for (const auto& c : kCases) {
        SCOPED_TRACE(c.label);
        const auto merged = merge_prices(c.book, c.incoming, list_at(100));
        ASSERT_TRUE(merged.ok()) << merged.error().text();
        EXPECT_EQ(windows(merged->prices), c.expected);
        EXPECT_TRUE(Catalogue::build(PriceVersionId{1}, merged->prices, {}).ok());
    }
}

TEST(PriceMerge, ClosedPeriodsNeverChange) {
    const auto merged = merge_prices({priced("m", "1", 0)}, {priced("m", "2", 99)}, list_at(100));
    ASSERT_FALSE(merged.ok());
    EXPECT_EQ(merged.error().code, ErrorCode::conflict);
    EXPECT_NE(merged.error().detail.find("acme: m"), std::string::npos) << merged.error().detail;
    EXPECT_TRUE(merge_prices({priced("m", "1", 0)}, {priced("m", "1", 50)}, list_at(100)).ok())
        << "no change, no conflict";
    EXPECT_TRUE(merge_prices({priced("m", "1", 100)}, {priced("m", "2", 50)}, list_at(100)).ok())
        << "nothing was priced there";
    auto close = list_at(100, Unlisted::close);
    close.closed_until = {101};
    EXPECT_FALSE(merge_prices({priced("m", "1", 0)}, {priced("n", "2", 200)}, close).ok());
}

TEST(PriceMerge, UnlistedModelsAreKeptOrClosed) {
    const std::vector book{priced("a", "1", 0), priced("b", "1", 0)};
    const auto kept = merge_prices(book, {priced("a", "1", 100)}, list_at(100));
    EXPECT_EQ(windows(kept->prices), "a 1.00 [0,); b 1.00 [0,)");
    EXPECT_EQ(kept->not_listed, std::vector<std::string>{"acme: b"});
    EXPECT_EQ(kept->formerly_listed, 2u);
    EXPECT_EQ(kept->now_listed, 1u);
    const auto closed = merge_prices(book, {priced("a", "1", 100)}, list_at(100, Unlisted::close));
    EXPECT_EQ(windows(closed->prices), "a 1.00 [0,); b 1.00 [0,100)");
}

TEST(PriceMerge, AnImportLeavesHandSetPricesAlone) {
    ModelPrice by_hand = priced("m", "5", 0);
    by_hand.is_manual = true;
    const auto merged = merge_prices({by_hand}, {priced("m", "2", 100)}, list_at(100));
    EXPECT_EQ(windows(merged->prices), "m 5.00 [0,)");
    EXPECT_EQ(merged->kept_manual, std::vector<std::string>{"acme: m"});
    EXPECT_TRUE(merged->not_listed.empty());
    ModelPrice again = priced("m", "6", 100);
    again.is_manual = true;
    EXPECT_EQ(windows(merge_prices({by_hand}, {again}, list_at(100))->prices),
              "m 5.00 [0,100); m 6.00 [100,)");
}

// --- file
// --------------------------------------------------------------------------------------------------------------

TEST(PriceJson, TheShippedBookGoesOutAndComesBackTheSame) {
    const auto rules = parse_price_rules(embedded_default_price_rules());
    ASSERT_TRUE(rules.ok());
    auto report =
        import_litellm(embedded_default_prices(), {UtcMicros{1'000'000}, "litellm", *rules});
    ASSERT_TRUE(report.ok());
    report->prices[0].is_manual = true;
    report->prices[0].currency = Currency::cny;
    report->prices[0].valid_to = UtcMicros{2'000'000};
    report->prices[0].max_nano_per_m = 5'000'000'000'000;
    const std::string text = export_prices(report->prices);
    const auto back = parse_prices(text, {0});
    ASSERT_TRUE(back.ok()) << back.error().text();
    ASSERT_EQ(back->size(), report->prices.size());
    for (std::size_t i = 0; i < back->size(); ++i)
        EXPECT_EQ((*back)[i], report->prices[i]) << (*back)[i].model;
    EXPECT_EQ(export_prices(*back), text);
}

TEST(PriceJson, ReadsWhatAPersonWrites) {
    const auto prices = parse_prices(
        R"({"format":"tollgate-prices-1","prices":[{"model":"qwen-max","provider":"dashscope","currency":"CNY",
            "prices":[{"meter":"input","price":2.4,"per":"1M"},{"meter":"input","from_tokens":32000,"price":"4.8"},
                      {"meter":"output","tier":"batch","price":"4.8"}],
            "tier_multipliers":{"flex":0.5},"region_multipliers":{"cn":"1.05"}}]})",
        {77});
    ASSERT_TRUE(prices.ok()) << prices.error().text();
    const ModelPrice& price = prices->at(0);
    EXPECT_EQ(price.currency, Currency::cny);
    EXPECT_EQ(price.valid_from, UtcMicros{77});
    ASSERT_EQ(price.components.size(), 3u);
    EXPECT_EQ(price.components[0].price.nano, 2'400'000'000);
    EXPECT_EQ(price.components[1].band, (PriceBand{32'000, BandOperator::greater_or_equal}));
    EXPECT_EQ(price.components[2].tier, ServiceTier::batch);
    EXPECT_EQ(price.tier_multiplier_ppm[static_cast<int>(ServiceTier::flex)], 500'000);
    EXPECT_EQ(price.region_multiplier_ppm[0].second, 1'050'000);
}

TEST(PriceJson, SaysWhereAFileIsWrong) {
    const auto entry = [](std::string_view fields) {
        return R"({"format":"tollgate-prices-1","prices":[{"model":"m",)" + std::string(fields) +
               "}]}";
    };
    const struct {
        std::string json;
        const char* expected;
    } kCases[] = {
        {"{}", "'format' is not"},
        {R"({"format":"tollgate-prices-1"})", "'prices' is no list"},
        {R"({"format":"tollgate-prices-1","prices":[{"provider":"p"}]})",
         "price 1 (''): names no model"},
        {R"({"format":"tollgate-prices-1","prices":[5]})", "no object"},
        {entry(R"("colour":"red")"), "price 1 ('m'): 'colour' is not a field"},
        {entry(R"("currency":"EUR")"), "EUR"},
        {entry(R"("valid_from":"yesterday")"), "'valid_from'"},
        {entry(R"("max_input_tokens":-1)"), "'max_input_tokens'"},
        {entry(R"("prices":{})"), "'prices' is no list"},
        {entry(R"("prices":[{"meter":"input"}])"), "without meter or price"},
        {entry(R"("prices":[{"meter":"moon","price":"1"}])"), "moon"},
        {entry(R"("prices":[{"meter":"input","price":"x"}])"), "'x'"},
        {entry(R"("prices":[{"meter":"input","price":"1","per":"second"}])"), "priced per 1M"},
        {entry(R"("prices":[{"meter":"input","price":"1","tier":"gold"}])"), "'gold'"},
        {entry(R"("prices":[{"meter":"input","price":"1","above_tokens":1,"from_tokens":2}])"),
         "second band"},
        {entry(R"("tier_multipliers":{"gold":1})"), "'gold'"},
        {entry(R"("region_multipliers":{"eu":true})"), "'eu'"},
    };
    for (const auto& c : kCases) {
        const auto prices = parse_prices(c.json, {0});
        ASSERT_FALSE(prices.ok()) << c.json;
        EXPECT_EQ(prices.error().code, ErrorCode::invalid_request);
        EXPECT_NE(prices.error().detail.find(c.expected), std::string::npos)
            << prices.error().detail;
    }
}

TEST(DefaultPrices, TheBinaryHoldsTheShippedFiles) {
    EXPECT_EQ(embedded_default_prices(), test::read_price_file(std::string(kDefaultPricesSource)));
    EXPECT_EQ(embedded_default_price_rules(), test::read_price_file("rules.json"));
}

}  // namespace
}  // namespace tg
