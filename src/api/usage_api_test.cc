#include "api/test_api.h"
#include "metering/usage_event.h"

namespace tg {
namespace {

/// 2026-06-13.
constexpr std::int64_t kDay = 20'617;

class UsageApiTest : public DialectTest {
  protected:
    /// Two projects with usage: what the settler would have written.
    static void settle(TestApi& a) {
        a.t.clock.set(parse_rfc3339("2026-06-15T12:00:00Z").value());
        a.ok(201, "POST", "/customers", R"({"code":"acme","name":"Acme","time_zone":"UTC"})");
        a.ok(201, "POST", "/projects",
             R"({"customer":"acme","code":"chat","name":"Chat","department":"support"})");
        a.ok(201, "POST", "/projects",
             R"({"customer":"acme","code":"batch","name":"Batch","department":"data"})");
        a.ok(201, "POST", "/keys", R"({"name":"k","project_id":1})");
        const Status status = a.t.store->execute_script(
            "INSERT INTO usage_dimensions (id, model, upstream_model, deployment, provider, "
            "region) VALUES "
            "(1, 'gpt-x', 'gpt-x-2026', 'eu-1', 'openai', 'eu');"
            "INSERT INTO usage_daily (customer_id, local_day, project_id, key_id, dimension_id, "
            "tier, currency, requests, errors, "
            "estimated, unconfirmed, unpriced, input_tokens, cached_tokens, output_tokens, "
            "reasoning_tokens, charge_nano, "
            "charge_femto) VALUES "
            "(1, 20617, 1, 1, 1, 0, 0, 10, 1, 2, 0, 0, 1000, 100, 500, 50, 7500000, 0),"
            "(1, 20618, 1, 1, 1, 0, 0, 5, 0, 0, 0, 0, 400, 0, 200, 0, 3000000, 500000),"
            "(1, 20617, 2, 1, 1, 0, 0, 1, 0, 0, 0, 1, 4, 0, 2, 0, 30000, 0);"
            "INSERT INTO usage_daily_lines (customer_id, local_day, project_id, key_id, "
            "dimension_id, tier, meter, currency, "
            "price_nano, quantity) VALUES "
            "(1, 20617, 1, 1, 1, 0, 0, 0, 2500000000, 400000000), (1, 20617, 2, 1, 1, 0, 8, 0, "
            "10000000000, 20000000);");
        ASSERT_TRUE(status.ok()) << status.error().text();
    }
    static RequestId add_event(TestApi& a) {
        const UtcMicros at{kDay * 86'400'000'000};
        const RequestId id = RandomIdSource(7).next(at);
        SqlConnection& c = a.t.store.connection();
        EXPECT_TRUE(
            c.execute("INSERT INTO usage_events (sequence, id_high, id_low, customer_id, "
                      "project_id, key_id, dimension_id, "
                      "started_at, ended_at, local_day, endpoint, tier, source, outcome, "
                      "http_status, flags, attempts, "
                      "first_byte_ms, price_version, currency, charge_nano, charge_femto, "
                      "input_tokens, output_tokens, "
                      "usage, end_user, upstream_request_id) VALUES (1, ?, ?, 1, 1, 1, 1, ?, ?, "
                      "20617, 1, 0, 1, 0, 200, ?, 1, "
                      "12, 3, 0, 35, 62500, 120, 30, 'input:90,cache_read:30,output:30', 'user-7', "
                      "'up-1')",
                      {static_cast<std::int64_t>(id.high), static_cast<std::int64_t>(id.low),
                       at.micros, at.micros + 5, std::int64_t{kEventStream | kEventUsageMismatch}})
                .ok());
        EXPECT_TRUE(c.execute("INSERT INTO settle_batches (first_sequence, last_sequence, "
                              "from_lsn, to_lsn, first_started_ms, "
                              "last_started_ms) VALUES (1, 1, 0, 1, ?, ?)",
                              {id.time_ms(), id.time_ms()})
                        .ok());
        EXPECT_TRUE(
            c.execute("INSERT INTO recent_calls (customer_id, sequence) VALUES (1, 1)").ok());
        return id;
    }
};
TG_INSTANTIATE_DIALECTS(UsageApiTest);

TEST_P(UsageApiTest, usage_is_grouped_and_filtered) {
    TestApi a(GetParam());
    settle(a);
    const auto rows = [&](const std::string& query) {
        std::string out;
        for (const auto& row : at(a.ok(200, "GET", "/usage" + query), "data").items) {
            for (const auto& [name, value] : at(row, "group").members) out += value.text + " ";
            out += std::to_string(integer_at(row, "requests")) + " " +
                   text_at(at(row, "charge"), "USD") + "; ";
        }
        return out;
    };
    EXPECT_EQ(rows(""), "acme chat gpt-x 15 0.0105000005; acme batch gpt-x 1 0.00003; ")
        << "the current month by default";
    EXPECT_EQ(rows("?by=department,day&month=2026-06"),
              "support 2026-06-13 10 0.0075; support 2026-06-14 5 0.0030000005; data 2026-06-13 1 "
              "0.00003; ");
    EXPECT_EQ(rows("?by=project&from=2026-06-14&to=2026-06-14"), "chat 5 0.0030000005; ");
    EXPECT_EQ(rows("?by=provider&project=batch"), "openai 1 0.00003; ");
    EXPECT_EQ(rows("?by=project&department=support&limit=1"), "chat 15 0.0105000005; ");
    EXPECT_EQ(rows("?by=project&month=2026-05"), "");
    EXPECT_EQ(rows("?by=project&customer=nobody"), "");
    for (const auto& [query, says] : std::vector<std::pair<std::string, std::string>>{
             {"?by=colour", "colour"},
             {"?by=", "no dimension"},
             {"?by=day,day", "twice"},
             {"?month=2026-13", "2026-13"},
             {"?from=2026-06-01", "both"},
             {"?from=2026-06-02&to=2026-06-01", "after"},
             {"?month=2026-06&from=2026-06-01", "not both"},
             {"?from=2026-06-01T00:00:00Z&to=2026-06-02", "'from'"},
             {"?limit=0", "'limit'"}}) {
        EXPECT_EQ(a.error("GET", "/usage" + query, "", says), "invalid_request");
    }
}

TEST_P(UsageApiTest, calls_are_shown_with_every_quantity) {
    TestApi a(GetParam());
    settle(a);
    EXPECT_TRUE(at(a.ok(200, "GET", "/events?customer=acme"), "data").items.empty());
    const RequestId id = add_event(a);
    const auto list = a.ok(200, "GET", "/events?customer=1&count=5");
    ASSERT_EQ(at(list, "data").items.size(), 1U);
    const auto event = a.ok(200, "GET", "/events/" + id.text());
    EXPECT_EQ(text_at(event, "id"), id.text());
    EXPECT_EQ(text_at(event, "project"), "chat");
    EXPECT_EQ(integer_at(at(event, "usage"), "cache_read"), 30);
    EXPECT_EQ(text_at(event, "charge"), "0.0000000350625");
    ASSERT_EQ(at(event, "flags").items.size(), 2U);
    EXPECT_EQ(at(event, "flags").items[1].text, "usage_mismatch");
    EXPECT_EQ(a.error("GET", "/events", "", "'customer' is missing"), "invalid_request");
    EXPECT_EQ(a.error("GET", "/events?customer=acme&count=101", "", "'count'"), "invalid_request");
    EXPECT_EQ(a.error("GET", "/events/req_zz", "", "req_zz"), "invalid_request");
    EXPECT_EQ(a.error("GET", "/events/req_00000000000000000000000000000000", "", "req_0"),
              "not_found");
}

TEST_P(UsageApiTest, a_bill_comes_as_json_csv_and_table) {
    TestApi a(GetParam(), [](AdminApi::Options& options) {
        options.terms = {.usd_cny_e8 = 700'000'000, .vat_ppm = 60'000};
    });
    settle(a);
    const auto bill = a.ok(200, "GET", "/bills/acme/2026-06");
    EXPECT_EQ(text_at(bill, "id"), "BILL-acme-202606");
    EXPECT_EQ(at(bill, "lines").items.size(), 2U);
    EXPECT_EQ(text_at(at(bill, "total"), "usd"), "1200.00");
    EXPECT_EQ(text_at(at(bill, "total"), "cny"), "8400.00") << "with the rate of the options";
    EXPECT_EQ(text_at(at(bill, "total"), "total_cny"), "8904.00");
    EXPECT_EQ(text_at(at(a.ok(200, "GET", "/bills/1/2026-06?project=chat"), "total"), "usd"),
              "1000.00");
    const ApiReply csv = a.send("GET", "/bills/acme/2026-06?format=csv");
    EXPECT_EQ(csv.content_type, "text/csv; charset=utf-8");
    EXPECT_TRUE(csv.body.starts_with("bill,customer,"));
    EXPECT_NE(a.send("GET", "/bills/acme/2026-06?format=table").body.find("1,000.00"),
              std::string::npos);
    EXPECT_TRUE(at(a.ok(200, "GET", "/bills/acme/2026-07"), "lines").items.empty());
    EXPECT_EQ(a.error("GET", "/bills/nobody/2026-06", "", "nobody"), "not_found");
    EXPECT_EQ(a.error("GET", "/bills/acme/2026-06?project=none", "", "none"), "not_found");
    EXPECT_EQ(a.error("GET", "/bills/acme/june", "", "june"), "invalid_request");
    EXPECT_EQ(a.error("GET", "/bills/acme/2026-06?format=pdf", "", "json, csv or table"),
              "invalid_request");
}

}  // namespace
}  // namespace tg
