#include "api/test_api.h"

namespace tg {
namespace {

class PricesApiTest : public DialectTest {
  protected:
    static constexpr const char* kEdit =
        R"({"model":"gpt-x","provider":"openai","components":[{"meter":"input","price":"2.50"},{"meter":"output","price":"10"},)"
        R"({"meter":"input","price":"5","above_tokens":200000}],"approve":true})";
};
TG_INSTANTIATE_DIALECTS(PricesApiTest);

TEST_P(PricesApiTest, a_price_is_set_by_hand_and_listed) {
    int told = 0;
    TestApi a(GetParam(), [&](AdminApi::Options& options) {
        options.on_prices_changed = [&](SqlConnection&) -> Status {
            ++told;
            return {};
        };
    });
    const auto empty = a.ok(200, "GET", "/prices");
    EXPECT_EQ(integer_at(empty, "version"), 0);
    EXPECT_TRUE(at(empty, "data").items.empty());

    const auto made = a.ok(200, "POST", "/prices", kEdit);
    EXPECT_EQ(integer_at(made, "base_version"), 0);
    EXPECT_EQ(integer_at(made, "version"), 1);
    EXPECT_EQ(at(at(made, "diff"), "added").items.size(), 1U);
    EXPECT_EQ(told, 1);

    const auto page = a.ok(200, "GET", "/prices?model=gpt-x");
    ASSERT_EQ(at(page, "data").items.size(), 1U);
    const auto& price = at(page, "data").items[0];
    EXPECT_EQ(text_at(price, "provider"), "openai");
    ASSERT_EQ(at(price, "prices").items.size(), 3U);
    EXPECT_EQ(a.send("GET", "/prices").body.find("2.50") != std::string::npos, true);
    EXPECT_TRUE(at(a.ok(200, "GET", "/prices?model=other"), "data").items.empty());
    EXPECT_TRUE(at(a.ok(200, "GET", "/prices?provider=other"), "data").items.empty());
    EXPECT_TRUE(at(a.ok(200, "GET", "/prices?at=2001-01-01"), "data").items.empty());
    EXPECT_EQ(at(a.ok(200, "GET", "/prices?at=2001-01-01&history=true"), "data").items.size(), 1U);

    a.t.clock.advance_micros(1);
    const auto same = a.ok(200, "POST", "/prices", kEdit);
    EXPECT_EQ(integer_at(same, "version"), 1) << "nothing new is no new version";
    EXPECT_EQ(told, 1);
    const auto audit = a.ok(200, "GET", "/audit?subject_kind=prices");
    ASSERT_EQ(at(audit, "data").items.size(), 1U);
    EXPECT_EQ(text_at(at(audit, "data").items[0], "actor"), "bootstrap");
    EXPECT_EQ(integer_at(at(at(audit, "data").items[0], "after"), "added"), 1);
    EXPECT_EQ(integer_at(a.ok(200, "GET", "/audit/verification"), "entries"), 1);
}

TEST_P(PricesApiTest, a_large_change_waits_for_approval) {
    TestApi a(GetParam());
    a.ok(200, "POST", "/prices", kEdit);
    a.t.clock.advance_micros(1'000'000);
    const std::string change =
        R"({"model":"gpt-x","provider":"openai","note":"new contract","components":[{"meter":"input","price":"5.00"}])";
    const auto dry = a.ok(200, "POST", "/prices", change + R"(,"dry_run":true})");
    EXPECT_EQ(at(dry, "version").kind, api::JsonValue::Kind::null);
    EXPECT_TRUE(at(at(dry, "diff"), "needs_approval").flag);
    EXPECT_EQ(text_at(at(at(dry, "diff"), "changes").items.at(0), "change"), "+100 %");
    EXPECT_EQ(a.error("POST", "/prices", change + "}", "publish with approve"), "conflict");
    EXPECT_EQ(integer_at(a.ok(200, "GET", "/prices"), "version"), 1);
    EXPECT_EQ(integer_at(a.ok(200, "POST", "/prices", change + R"(,"approve":true})"), "version"),
              2);

    const auto versions = a.ok(200, "GET", "/price-versions");
    ASSERT_EQ(at(versions, "data").items.size(), 2U);
    EXPECT_EQ(text_at(at(versions, "data").items[1], "note"), "new contract");
    const auto diff = a.ok(200, "GET", "/price-versions/2/diff");
    EXPECT_EQ(text_at(at(diff, "changes").items.at(0), "old"), "2.50");
    EXPECT_EQ(at(a.ok(200, "GET", "/price-versions/2/diff?from=0"), "added").items.size(), 1U);
    EXPECT_TRUE(at(a.ok(200, "GET", "/price-versions/1/diff?from=1"), "changes").items.empty());
    EXPECT_EQ(
        text_at(at(at(a.ok(200, "GET", "/prices?version=1&at=2026-06-30"), "data").items.at(0),
                   "prices")
                    .items.at(0),
                "price"),
        "2.50")
        << "an old version says what it said";
    EXPECT_EQ(a.error("GET", "/price-versions/3", "", "the latest is 2"), "not_found");
    EXPECT_EQ(a.error("GET", "/price-versions/1/diff?from=2", "", "'from'"), "invalid_request");
}

TEST_P(PricesApiTest, an_export_is_imported_again) {
    TestApi a(GetParam());
    a.ok(200, "POST", "/prices", kEdit);
    const std::string book = a.send("GET", "/price-versions/1").body;
    TestApi c(GetParam());
    EXPECT_EQ(c.error("POST", "/prices/import?list=tollgate", "", "the body is empty"),
              "invalid_request");
    EXPECT_EQ(
        integer_at(c.ok(200, "POST", "/prices/import?list=tollgate&approve=true", book), "version"),
        1);
    EXPECT_EQ(c.send("GET", "/price-versions/1").body, book);
}

TEST_P(PricesApiTest, a_litellm_list_is_imported_with_a_report) {
    TestApi a(GetParam());
    const std::string list =
        R"({"good":{"input_cost_per_token":0.0000025,"output_cost_per_token":1e-05,"litellm_provider":"openai","mode":"chat"},)"
        R"("absurd":{"input_cost_per_token":2.5,"output_cost_per_token":1,"litellm_provider":"openai","mode":"chat"}})";
    const auto dry = a.ok(200, "POST", "/prices/import?dry_run=true&source=test.json", list);
    EXPECT_EQ(at(dry, "version").kind, api::JsonValue::Kind::null);
    EXPECT_EQ(integer_at(at(dry, "import"), "entries"), 2);
    EXPECT_EQ(text_at(at(at(dry, "import"), "skipped").items.at(0), "model"), "absurd");
    EXPECT_EQ(integer_at(a.ok(200, "POST", "/prices/import?approve=true&source=test.json", list),
                         "version"),
              1);
    EXPECT_EQ(text_at(at(a.ok(200, "GET", "/price-versions"), "data").items.at(0), "source"),
              "test.json");
    EXPECT_EQ(a.error("POST", "/prices/import", "[]", "object"), "invalid_request");
    EXPECT_EQ(a.error("POST", "/prices/import?list=other", "{}", "'list' must be"),
              "invalid_request");
    EXPECT_EQ(a.error("POST", "/prices/import?list=shipped", "{}", "must be empty"),
              "invalid_request");
}

TEST_P(PricesApiTest, the_shipped_list_is_imported_and_walked_page_by_page) {
    TestApi a(GetParam());
    const auto made = a.ok(200, "POST", "/prices/import?list=shipped&approve=true");
    const std::int64_t count = integer_at(at(made, "import"), "prices");
    EXPECT_GT(count, 1000);
    std::int64_t seen = 0;
    std::string after = "0";
    for (int pages = 0; pages < 20; ++pages) {
        const auto page = a.ok(200, "GET", "/prices?limit=1000&after=" + after);
        seen += static_cast<std::int64_t>(at(page, "data").items.size());
        if (at(page, "next_after").kind == api::JsonValue::Kind::null) break;
        after = std::to_string(integer_at(page, "next_after"));
    }
    EXPECT_EQ(seen, count);
    EXPECT_TRUE(at(a.ok(200, "GET", "/prices?after=999999"), "data").items.empty());
}

TEST_P(PricesApiTest, bad_edits_are_refused_naming_what_is_wrong) {
    TestApi a(GetParam());
    const auto refuse = [&](const std::string& members, const char* says) {
        EXPECT_EQ(a.error("POST", "/prices", "{" + members + "}", says), "invalid_request");
    };
    const std::string who = R"("model":"m","provider":"p",)";
    refuse(R"("provider":"p","components":[{"meter":"input","price":"1"}])", "'model' is missing");
    refuse(who + R"("components":[])", "'components' is missing");
    refuse(who + R"("components":[5])", "must be an object");
    refuse(who + R"("components":[{"meter":"inptu","price":"1"}])", "inptu");
    refuse(who + R"("components":[{"meter":"input","price":1}])", "'price' must be a text");
    refuse(who + R"("components":[{"meter":"input","price":"cheap"}])", "cheap");
    refuse(who + R"("components":[{"meter":"input","price":"-1"}])", "-1");
    refuse(who + R"("components":[{"meter":"input","price":"1","tier":"vip"}])", "vip");
    refuse(who + R"("components":[{"meter":"input","price":"1","above_tokens":1,"from_tokens":1}])",
           "not both");
    refuse(who + R"("currency":"EUR","components":[{"meter":"input","price":"1"}])", "EUR");
    refuse(who + R"("components":[{"meter":"input","price":"1"}],"aprove":true)",
           "'aprove' is no member");
    EXPECT_EQ(integer_at(a.ok(200, "GET", "/prices"), "version"), 0);
}

TEST_P(PricesApiTest, what_held_in_the_past_never_changes) {
    TestApi a(GetParam());
    a.ok(200, "POST", "/prices", kEdit);
    a.t.clock.advance_micros(10'000'000);
    const std::string from =
        R"("valid_from":")" + format_rfc3339({a.t.clock.now().micros - 5'000'000}) + R"(")";
    const std::string price = R"("components":[{"meter":"input","price":"2.60"}],"approve":true,)";
    EXPECT_EQ(a.error("POST", "/prices",
                      R"({"model":"gpt-x","provider":"openai",)" + price + from + "}", "gpt-x"),
              "conflict");
    // A model that had no price may get one back in time: calls that waited for it are priced then.
    a.ok(200, "POST", "/prices", R"({"model":"new","provider":"openai",)" + price + from + "}");
    EXPECT_EQ(integer_at(a.ok(200, "GET", "/prices"), "version"), 2);
}

}  // namespace
}  // namespace tg
