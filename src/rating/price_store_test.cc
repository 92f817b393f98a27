#include "rating/price_store.h"

#include <gtest/gtest.h>

#include "rating/default_prices.h"
#include "rating/price_json.h"
#include "rating/rating_test_util.h"
#include "store/test_store.h"

namespace tg {
namespace {

using test::usage;

constexpr UtcMicros kStart{1'780'000'000'000'000};
constexpr UtcMicros later(std::int64_t hours) {
    return {kStart.micros + hours * 3'600'000'000};
}

ProposalOptions at(UtcMicros time, Unlisted unlisted = Unlisted::keep) {
    return {time, time, unlisted};
}

PriceEdit edit(std::string model, std::vector<PriceEdit::Component> components) {
    PriceEdit out;
    out.model = std::move(model);
    out.provider = "openai";
    out.components = std::move(components);
    return out;
}

class PriceStoreTest : public DialectTest {
  protected:
    void SetUp() override { test_store_ = fresh_store(); }
    SqlConnection& connection() { return test_store_->connection(); }
    PriceStore store() { return PriceStore(connection()); }

    PriceVersionId publish(const Result<PriceProposal>& proposal, UtcMicros now,
                           Approval approval = Approval::given) {
        EXPECT_TRUE(proposal.ok()) << (proposal.ok() ? "" : proposal.error().text());
        if (!proposal.ok()) return {};
        const auto version = store().publish(*proposal, approval, "test", now);
        EXPECT_TRUE(version.ok()) << (version.ok() ? "" : version.error().text());
        return version.ok() ? *version : PriceVersionId{};
    }

    /// Price of one million input tokens of a model at a time, by one version.
    std::string input_price(PriceVersionId version, std::string_view model, UtcMicros time) {
        const auto book = store().load(version, {});
        EXPECT_TRUE(book.ok()) << (book.ok() ? "" : book.error().text());
        if (!book.ok()) return "";
        const auto found = (*book)->find(model, "openai", time);
        if (!found.ok()) return std::string(name(found.error().code));
        const auto rated =
            rate(usage({{Meter::input, 1'000'000}}), *found->price, ServiceTier::standard, "");
        EXPECT_EQ(rated->version, version);
        return format_amount(rated->total) + " " + std::string(code(rated->currency));
    }

    std::unique_ptr<TestStore> test_store_;
};
TG_INSTANTIATE_DIALECTS(PriceStoreTest);

TEST_P(PriceStoreTest, AnEmptyStoreHasNoVersion) {
    EXPECT_EQ(store().latest()->get(), 0u);
    EXPECT_TRUE(store().list_versions()->empty());
    EXPECT_EQ(store().prices(PriceVersionId{1}).error().code, ErrorCode::not_found);
    EXPECT_EQ(store().get_price("gpt-4o", "").error().code, ErrorCode::not_found);
}

TEST_P(PriceStoreTest, TheShippedBookIsStoredAndLoadedUnchanged) {
    const auto rules = *parse_price_rules(embedded_default_price_rules());
    auto import = store().import_litellm(embedded_default_prices(),
                                         std::string(kDefaultPricesSource), rules, at(kStart));
    ASSERT_TRUE(import.ok()) << import.error().text();
    EXPECT_EQ(import->report.prices.size(), 2752u);
    EXPECT_EQ(import->proposal.diff.added.size(), 2752u);
    EXPECT_FALSE(import->proposal.diff.needs_approval());
    const auto version =
        store().publish(import->proposal, Approval::not_given, "first start", kStart);
    ASSERT_TRUE(version.ok()) << version.error().text();
    EXPECT_EQ(version->get(), 1u);

    auto stored = store().prices(*version);
    ASSERT_TRUE(stored.ok()) << stored.error().text();
    ASSERT_EQ(stored->size(), import->proposal.prices.size());
    for (std::size_t i = 0; i < stored->size(); ++i) {
        ModelPrice& price = (*stored)[i];
        EXPECT_EQ(price.version, *version);
        price.version = {};
        EXPECT_EQ(price, import->proposal.prices[i]);
    }
    const auto versions = store().list_versions();
    ASSERT_EQ(versions->size(), 1u);
    EXPECT_EQ(versions->at(0).note, "first start");
    EXPECT_EQ(versions->at(0).source, kDefaultPricesSource);
    EXPECT_EQ(versions->at(0).source_sha256.size(), 64u);
    EXPECT_EQ(versions->at(0).price_count, 2752);
    EXPECT_EQ(versions->at(0).published_at, kStart);
    EXPECT_EQ(input_price(*version, "gpt-4o-mini", kStart), "0.15 USD");
    const auto exported = store().export_json(*version);
    EXPECT_EQ(parse_prices(*exported, {0})->size(), 2752u);

    // The same list again changes nothing and publishes nothing.
    auto again = store().import_litellm(embedded_default_prices(), "again", rules, at(later(1)));
    EXPECT_TRUE(again->proposal.diff.is_empty());
    EXPECT_EQ(store().publish(again->proposal, Approval::not_given, "again", later(1))->get(), 1u);
    EXPECT_EQ(store().list_versions()->size(), 1u);
}

TEST_P(PriceStoreTest, AnEditMakesAVersionAndThePastKeepsItsPrice) {
    const auto first = publish(store().set_price(edit("gpt-4o", {{Meter::input, "5.0"},
                                                                 {Meter::output, "15.0"},
                                                                 {Meter::cache_read, "2.5"}}),
                                                 at(kStart)),
                               kStart);
    const auto second =
        publish(store().set_price(edit("gpt-4o", {{Meter::input, "5.5"}, {Meter::cache_read, ""}}),
                                  at(later(24))),
                later(24));
    EXPECT_EQ(first.get(), 1u);
    EXPECT_EQ(second.get(), 2u);
    EXPECT_EQ(input_price(second, "gpt-4o", later(23)), "5.00 USD");
    EXPECT_EQ(input_price(second, "gpt-4o", later(24)), "5.50 USD");
    EXPECT_EQ(input_price(second, "gpt-4o", {kStart.micros - 1}), "model_unknown");
    EXPECT_EQ(input_price(first, "gpt-4o", later(24)), "5.00 USD")
        << "an earlier version never changes";

    const auto windows = store().get_price("gpt-4o", "openai");
    ASSERT_EQ(windows->size(), 2u);
    EXPECT_EQ(windows->at(0).valid_to, later(24));
    EXPECT_EQ(windows->at(0).components.size(), 3u);
    EXPECT_EQ(windows->at(0).version, second)
        << "the window that ends is another one than the open one";
    EXPECT_EQ(windows->at(1).valid_to, std::nullopt);
    EXPECT_EQ(windows->at(1).components.size(), 2u) << "output kept, cache_read removed";
    EXPECT_TRUE(windows->at(1).is_manual);

    const auto diff = store().diff(first, second, later(24));
    ASSERT_EQ(diff->changes.size(), 2u);
    EXPECT_EQ(diff->changes[1].what, "input");
    EXPECT_EQ(diff->changes[1].change, "+10 %");
    EXPECT_EQ(store().diff(PriceVersionId{}, first, kStart)->added.size(), 1u);
}

TEST_P(PriceStoreTest, LargeChangesNeedApproval) {
    publish(store().set_price(edit("gpt-4o", {{Meter::input, "5"}}), at(kStart)), kStart);
    const auto doubled = store().set_price(edit("gpt-4o", {{Meter::input, "10"}}), at(later(1)));
    ASSERT_TRUE(doubled.ok());
    const auto refused = store().publish(*doubled, Approval::not_given, "", later(1));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::conflict);
    EXPECT_NE(refused.error().detail.find(
                  "openai: gpt-4o input changes by more than 20 % (5.00 -> 10.00, +100 %)"),
              std::string::npos)
        << refused.error().detail;
    EXPECT_EQ(store().latest()->get(), 1u) << "the last good book stays";
    EXPECT_EQ(store().publish(*doubled, Approval::given, "", later(1))->get(), 2u);
}

TEST_P(PriceStoreTest, AnImportThatShrinksNeedsApprovalAndKeepsManualPrices) {
    std::string list = "{";
    for (int i = 0; i < 20; ++i) {
        list += (i > 0 ? "," : "") + std::string("\"m") + std::to_string(i) +
                R"(":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":1e-6})";
    }
    auto import = store().import_litellm(list + "}", "list", {}, at(kStart));
    publish(import->proposal, kStart, Approval::not_given);
    publish(store().set_price(edit("m0", {{Meter::input, "1.1"}}), at(later(1))), later(1));

    const std::string few =
        R"({"m0":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":3e-6},)"
        R"("m1":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":1e-6}})";
    const auto shrunk = store().import_litellm(few, "few", {}, at(later(2)));
    ASSERT_TRUE(shrunk.ok());
    const PriceDiff& diff = shrunk->proposal.diff;
    EXPECT_TRUE(diff.needs_approval());
    EXPECT_NE(diff.shrink_reason.find("from 19 to 1"), std::string::npos) << diff.shrink_reason;
    EXPECT_EQ(diff.not_listed.size(), 18u);
    EXPECT_EQ(diff.kept_manual, std::vector<std::string>{"openai: m0"});
    EXPECT_TRUE(diff.is_empty()) << "unlisted models keep their price";

    const auto closed = store().import_litellm(few, "few", {}, at(later(2), Unlisted::close));
    EXPECT_EQ(closed->proposal.diff.removed.size(), 18u);
    EXPECT_FALSE(store().publish(closed->proposal, Approval::not_given, "", later(2)).ok());
    const auto version = publish(closed->proposal, later(2));
    EXPECT_EQ(input_price(version, "m5", later(1)), "1.00 USD");
    EXPECT_EQ(input_price(version, "m5", later(2)), "model_unknown");
    EXPECT_EQ(input_price(version, "m0", later(2)), "1.10 USD");
}

TEST_P(PriceStoreTest, TwoPublishersCannotOverwriteEachOther) {
    const auto mine = store().set_price(edit("a", {{Meter::input, "1"}}), at(kStart));
    const auto theirs = store().set_price(edit("b", {{Meter::input, "2"}}), at(kStart));
    publish(theirs, kStart);
    const auto refused = store().publish(*mine, Approval::given, "", kStart);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::conflict);
    EXPECT_NE(refused.error().detail.find("by now"), std::string::npos);
    EXPECT_EQ(store().get_price("a", "").error().code, ErrorCode::not_found);
    publish(store().set_price(edit("a", {{Meter::input, "1"}}), at(kStart)), kStart);
    EXPECT_EQ(store().latest()->get(), 2u);
}

TEST_P(PriceStoreTest, FinalPricesCannotBeEdited) {
    publish(store().set_price(edit("m", {{Meter::input, "1"}}), at(kStart)), kStart);
    const auto late =
        store().set_price(edit("m", {{Meter::input, "2"}}), {later(1), later(5), Unlisted::keep});
    ASSERT_FALSE(late.ok());
    EXPECT_EQ(late.error().code, ErrorCode::conflict);
}

TEST_P(PriceStoreTest, AnEditMustBeAValidPrice) {
    EXPECT_FALSE(store().set_price(edit("m", {}), at(kStart)).ok());
    EXPECT_FALSE(store().set_price(edit("", {{Meter::input, "1"}}), at(kStart)).ok());
    EXPECT_FALSE(store().set_price(edit("m", {{Meter::input, "-1"}}), at(kStart)).ok());
    EXPECT_FALSE(store().set_price(edit("m", {{Meter::input, "1001"}}), at(kStart)).ok());
    EXPECT_FALSE(store().set_price(edit("m\n", {{Meter::input, "1"}}), at(kStart)).ok());
    const auto free =
        publish(store().set_price(edit("m", {{Meter::input, "0"}}), at(kStart)), kStart);
    EXPECT_EQ(input_price(free, "m", kStart), "0.00 USD");
}

TEST_P(PriceStoreTest, ReplacingAllForgetsWhatWasDerived) {
    const auto rules = *parse_price_rules(embedded_default_price_rules());
    auto import = store().import_litellm(embedded_default_prices(), "shipped", rules, at(kStart));
    publish(import->proposal, kStart);
    PriceEdit exact = edit("gpt-5.6", {{Meter::input, "5"},
                                       {Meter::output, "30", ServiceTier::standard, std::nullopt}});
    exact.replaces_all = true;
    publish(store().set_price(exact, at(later(1))), later(1));
    const auto windows = store().get_price("gpt-5.6", "openai");
    ASSERT_EQ(windows->size(), 2u);
    EXPECT_EQ(windows->at(1).components.size(), 2u);
    EXPECT_TRUE(windows->at(1).region_multiplier_ppm.empty());
    EXPECT_EQ(windows->at(1).max_input_tokens, 1'050'000) << "limits are no prices";
}

TEST_P(PriceStoreTest, YuanPricesAndBandsSurvive) {
    PriceEdit yuan = edit("qwen", {{Meter::input, "2.4"},
                                   {Meter::input, "4.8", ServiceTier::standard,
                                    PriceBand{32'000, BandOperator::greater_or_equal}},
                                   {Meter::input, "1.2", ServiceTier::batch}});
    yuan.currency = Currency::cny;
    const auto version = publish(store().set_price(yuan, at(kStart)), kStart);
    const auto book = store().load(version, {});
    const auto found = (*book)->find("qwen", "openai", kStart);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(rate(usage({{Meter::input, 32'000}}), *found->price, ServiceTier::standard, "")
                  ->total.value,
              int128{32'000} * 4'800'000'000);
    EXPECT_EQ(rate(usage({{Meter::input, 1}}), *found->price, ServiceTier::batch, "")->total.value,
              1'200'000'000);
    EXPECT_EQ(found->price->currency(), Currency::cny);
}

TEST_P(PriceStoreTest, OurOwnFileRestoresABookWithItsHistory) {
    publish(store().set_price(edit("m", {{Meter::input, "1"}}), at(kStart)), kStart);
    const auto version =
        publish(store().set_price(edit("m", {{Meter::input, "2"}}), at(later(1))), later(1));
    const std::string file = *store().export_json(version);
    auto other = fresh_store();
    PriceStore restored(other->connection());
    const auto proposal = restored.import_prices(file, "backup.json", at(later(2)));
    ASSERT_TRUE(proposal.ok()) << proposal.error().text();
    const auto restored_version =
        restored.publish(*proposal, Approval::not_given, "restore", later(2));
    ASSERT_TRUE(restored_version.ok()) << restored_version.error().text();
    EXPECT_EQ(*restored.export_json(*restored_version), file);
    EXPECT_EQ(restored.list_versions()->at(0).source, "backup.json");
}

TEST_P(PriceStoreTest, ATamperedBookIsNotLoaded) {
    const auto version =
        publish(store().set_price(edit("m", {{Meter::input, "1"}}), at(kStart)), kStart);
    ASSERT_TRUE(
        connection().execute("UPDATE price_components SET nano_per_m = nano_per_m + 1").ok());
    const auto book = store().load(version, {});
    ASSERT_FALSE(book.ok());
    EXPECT_EQ(book.error().code, ErrorCode::corrupt_data);
    ASSERT_TRUE(connection().execute("UPDATE price_components SET meter = 'moon'").ok());
    EXPECT_EQ(store().load(version, {}).error().code, ErrorCode::corrupt_data);
}

}  // namespace
}  // namespace tg
