#include "api/test_api.h"
#include "billing/test_billing.h"

namespace tg {
namespace {

/// An API over books that the settler has written from a journal.
struct SettledApi {
    explicit SettledApi(Dialect dialect)
        : books(dialect), api(dialect, [this](AdminApi::Options& options) {
              options.store_url = books.store().url();
              options.terms = {.usd_cny_e8 = 700'000'000, .vat_ppm = 60'000};
          }) {
        api.t.clock.set(parse_rfc3339("2026-06-15T12:00:00Z").value());
        books.payer("acme", "chat", "UTC");
        TestIdentity& identity = books.identity;
        const Project batch = identity.project(books.payer().customer, "batch");
        EXPECT_TRUE(
            identity.identity.update_project(batch.id, {.department = "data"}, identity.change())
                .ok());
        // 1000 input and 100 output tokens at 2.50 and 10 dollars a million: 0.0035 each.
        last_id = append("2026-06-13T10:00:00Z", 1, books.payer().project);
        append("2026-06-14T10:00:00Z", 2, books.payer().project);
        append("2026-06-13T11:00:00Z", 1, batch.id);
        EXPECT_EQ(books.settle(), 4);
    }
    RequestId append(const char* at, int count, ProjectId project) {
        RequestId id;
        for (int i = 0; i < count; ++i) {
            UsageEvent event = books.event(at);
            event.payer.project = project;
            event.end_user = "user-7";
            event.flags = kEventStream | kEventUsageMismatch;
            books.append(event);
            id = event.id;
        }
        return id;
    }
    TestBooks books;
    TestApi api;
    RequestId last_id;
};

class UsageApiTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(UsageApiTest);

TEST_P(UsageApiTest, usage_is_grouped_and_filtered) {
    SettledApi settled(GetParam());
    TestApi& a = settled.api;
    const auto rows = [&](const std::string& query) {
        std::string out;
        for (const auto& row : at(a.ok(200, "GET", "/usage" + query), "data").items) {
            for (const auto& [name, value] : at(row, "group").members) out += value.text + " ";
            out += std::to_string(integer_at(row, "requests")) + " " +
                   text_at(at(row, "charge"), "USD") + "; ";
        }
        return out;
    };
    EXPECT_EQ(rows(""), "acme chat gpt-4o 3 0.0105; acme batch gpt-4o 1 0.0035; ")
        << "the current month by default";
    EXPECT_EQ(
        rows("?by=department,day&month=2026-06"),
        "research 2026-06-14 2 0.007; data 2026-06-13 1 0.0035; research 2026-06-13 1 0.0035; ");
    EXPECT_EQ(rows("?by=project&from=2026-06-14&to=2026-06-14"), "chat 2 0.007; ");
    EXPECT_EQ(rows("?by=provider&project=batch"), "openai 1 0.0035; ");
    EXPECT_EQ(rows("?by=end_user&end_user=user-7&customer=acme"), "user-7 4 0.014; ");
    EXPECT_EQ(rows("?by=project&department=research&limit=1"), "chat 3 0.0105; ");
    EXPECT_EQ(rows("?by=project&month=2026-05"), "");
    EXPECT_EQ(rows("?by=project&customer=nobody"), "");
}

TEST_P(UsageApiTest, bad_usage_questions_are_refused) {
    TestApi a(GetParam());
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
    SettledApi settled(GetParam());
    TestApi& a = settled.api;
    EXPECT_EQ(at(a.ok(200, "GET", "/events?customer=acme"), "data").items.size(), 4U);
    EXPECT_EQ(at(a.ok(200, "GET", "/events?customer=1&count=3"), "data").items.size(), 3U);
    const auto event = a.ok(200, "GET", "/events/" + settled.last_id.text());
    EXPECT_EQ(text_at(event, "id"), settled.last_id.text());
    EXPECT_EQ(text_at(event, "project"), "chat");
    EXPECT_EQ(text_at(event, "end_user"), "user-7");
    EXPECT_EQ(integer_at(at(event, "usage"), "input"), 1000);
    EXPECT_EQ(integer_at(at(event, "usage"), "output"), 100);
    EXPECT_EQ(text_at(event, "charge"), "0.0035");
    ASSERT_EQ(at(event, "flags").items.size(), 2U);
    EXPECT_EQ(at(event, "flags").items[0].text, "stream");
    EXPECT_EQ(at(event, "flags").items[1].text, "usage_mismatch");
    EXPECT_EQ(a.error("GET", "/events", "", "'customer' is missing"), "invalid_request");
    EXPECT_EQ(a.error("GET", "/events?customer=acme&count=101", "", "'count'"), "invalid_request");
    EXPECT_EQ(a.error("GET", "/events/req_zz", "", "req_zz"), "invalid_request");
    EXPECT_EQ(a.error("GET", "/events/req_00000000000000000000000000000000", "", "req_0"),
              "not_found");
}

TEST_P(UsageApiTest, a_bill_comes_as_json_csv_and_table) {
    SettledApi settled(GetParam());
    TestApi& a = settled.api;
    // 400,000,000 input tokens at 2.50 are 1,000 dollars.
    UsageEvent large = settled.books.event("2026-06-20T00:00:00Z");
    large.usage = {};
    large.usage[Meter::input] = 400'000'000 - 3000;
    settled.books.append(large);
    EXPECT_EQ(settled.books.settle(), 1);
    const auto bill = a.ok(200, "GET", "/bills/acme/2026-06");
    EXPECT_EQ(text_at(bill, "id"), "BILL-acme-202606");
    EXPECT_EQ(at(bill, "lines").items.size(), 4U);
    const auto chat = a.ok(200, "GET", "/bills/1/2026-06?project=chat");
    EXPECT_EQ(text_at(at(chat, "lines").items.at(0), "usd"), "1000.00");
    EXPECT_EQ(text_at(at(chat, "lines").items.at(0), "cny"), "7000.00")
        << "with the rate of the options";
    EXPECT_EQ(text_at(chat, "vat_percent"), "6");
    const ApiReply csv = a.send("GET", "/bills/acme/2026-06?format=csv");
    EXPECT_EQ(csv.content_type, "text/csv; charset=utf-8");
    EXPECT_TRUE(csv.body.starts_with("bill,customer,"));
    EXPECT_NE(a.send("GET", "/bills/acme/2026-06?format=table").body.find("1,000.00"),
              std::string::npos);
    EXPECT_TRUE(at(a.ok(200, "GET", "/bills/acme/2026-07"), "lines").items.empty());
    EXPECT_EQ(a.error("GET", "/bills/nobody/2026-06", "", "nobody"), "not_found");
    EXPECT_EQ(a.error("GET", "/bills/acme/2026-06?project=none", "", "none"), "not_found");
    EXPECT_EQ(a.error("GET", "/bills/acme/june", "", "june"), "invalid_request");
    const ApiReply pdf = a.send("GET", "/bills/acme/2026-06?format=pdf&language=zh");
    EXPECT_EQ(pdf.content_type, "application/pdf");
    EXPECT_TRUE(pdf.body.starts_with("%PDF-"));
    EXPECT_TRUE(a.send("GET", "/bills/acme/2026-06?format=xlsx").body.starts_with("PK"));
    EXPECT_TRUE(a.send("GET", "/bills/acme/2026-06?format=focus").body.starts_with("BilledCost,"));
    EXPECT_EQ(a.error("GET", "/bills/acme/2026-06?format=docx", "", "table, json, csv, pdf"),
              "invalid_request");
    EXPECT_EQ(a.error("GET", "/bills/acme/2026-06?language=fr", "", "en and zh"),
              "invalid_request");
}

TEST_P(UsageApiTest, a_month_is_closed_step_by_step) {
    SettledApi settled(GetParam());
    TestApi& a = settled.api;
    EXPECT_EQ(a.error("POST", "/bills/BILL-acme-202606/review", "", "there is no bill"),
              "not_found");
    const auto early = a.ok(200, "POST", "/billing-runs", R"({"month":"2026-06"})");
    EXPECT_EQ(at(early, "drafted").integer, 0);
    EXPECT_EQ(at(early, "not_over").integer, 1);
    a.t.clock.set(parse_rfc3339("2026-07-01T00:00:00Z").value());
    const auto run = a.ok(200, "POST", "/billing-runs", R"({"month":"2026-06"})");
    EXPECT_EQ(at(run, "drafted").integer, 1);
    EXPECT_TRUE(at(run, "problems").items.empty());
    EXPECT_EQ(at(a.ok(200, "POST", "/billing-runs/2026-06/finalise"), "customers").integer, 0)
        << "none is reviewed";
    EXPECT_EQ(a.error("POST", "/bills/BILL-acme-202606/finalise", "", "was not reviewed"),
              "conflict");
    EXPECT_EQ(a.error("POST", "/bills/BILL-acme-202606/send", "", "only a final bill"), "conflict");
    EXPECT_EQ(text_at(a.ok(200, "POST", "/bills/BILL-acme-202606/review"), "status"), "reviewed");
    EXPECT_EQ(at(a.ok(200, "POST", "/billing-runs/2026-06/review"), "done").integer, 0);
    const auto final = a.ok(200, "POST", "/bills/BILL-acme-202606/finalise");
    EXPECT_EQ(text_at(final, "open_cny"), text_at(final, "total_cny"));
    EXPECT_FALSE(text_at(final, "due_at").empty());
    (void)a.ok(200, "POST", "/bills/BILL-acme-202606/send");
    const auto bill = a.ok(200, "GET", "/bills/acme/2026-06");
    EXPECT_FALSE(text_at(bill, "finalised_at").empty());
    EXPECT_EQ(text_at(at(bill, "total"), "total_cny"), text_at(final, "total_cny"));

    const std::string path = "/bills/BILL-acme-202606/notes";
    const auto note = a.ok(200, "POST", path,
                           R"({"kind":"credit_note","net_cny":"0.01","project":"chat",)"
                           R"("reason":"goodwill"})");
    EXPECT_EQ(text_at(note, "id"), "CN-acme-202606-1");
    EXPECT_EQ(a.error("POST", path, R"({"kind":"note","net_cny":"1","reason":"r"})", "'kind'"),
              "invalid_request");
    EXPECT_EQ(a.error("POST", path, R"({"kind":"debit_note","net_cny":"1.005","reason":"r"})",
                      "'net_cny'"),
              "invalid_request");
    const auto taken =
        a.ok(200, "POST", "/bills/BILL-acme-202606/void", R"({"reason":"all wrong"})");
    EXPECT_EQ(at(taken, "data").items.size(), 2U);
    EXPECT_EQ(at(a.ok(200, "GET", path), "data").items.size(), 3U);
    EXPECT_EQ(text_at(a.ok(200, "GET", "/bills/BILL-acme-202606"), "status"), "void");

    EXPECT_EQ(at(a.ok(200, "GET", "/bills?month=2026-06"), "data").items.size(), 1U);
    EXPECT_EQ(at(a.ok(200, "GET", "/bills?customer=acme&status=draft"), "data").items.size(), 0U);
    EXPECT_EQ(text_at(a.ok(200, "GET", "/bills/BILL-acme-202606"), "customer"), "acme");
    EXPECT_EQ(a.error("GET", "/bills", "", "'customer' or 'month'"), "invalid_request");
    EXPECT_EQ(a.error("GET", "/bills?month=2026-06&status=done", "", "done"), "invalid_request");
    EXPECT_EQ(a.error("POST", "/billing-runs", "{}", "month"), "invalid_request");
    EXPECT_EQ(at(a.ok(200, "GET", "/audit?subject_kind=bill"), "data").items.size(), 4U);
}

TEST_P(UsageApiTest, a_bill_is_adjusted_before_it_is_final) {
    SettledApi settled(GetParam());
    TestApi& a = settled.api;
    const std::string credit =
        R"({"customer":"acme","month":"2026-06","kind":"sla_credit","amount":"-0.01",)"
        R"("text":"6 June, 99.2 %"})";
    const auto made = a.ok(200, "POST", "/bill-adjustments", credit);
    EXPECT_EQ(text_at(made, "id"), "ADJ-1");
    EXPECT_EQ(text_at(made, "amount"), "-0.01");
    const auto fee = a.ok(200, "POST", "/bill-adjustments",
                          R"({"customer":"acme","month":"2026-06","project":"chat","amount":"7",)"
                          R"("currency":"USD","text":"onboarding"})");
    const auto bill = a.ok(200, "GET", "/bills/acme/2026-06");
    ASSERT_EQ(at(bill, "adjustments").items.size(), 2U);
    EXPECT_EQ(text_at(at(bill, "adjustments").items[1], "cny"), "49.00");
    (void)a.ok(200, "POST", "/bill-adjustments/" + text_at(fee, "id") + "/cancel");
    EXPECT_EQ(at(a.ok(200, "GET", "/bills/acme/2026-06"), "adjustments").items.size(), 1U);
    const auto listed = a.ok(200, "GET", "/bill-adjustments?customer=acme&month=2026-06");
    ASSERT_EQ(at(listed, "data").items.size(), 2U);
    EXPECT_FALSE(text_at(at(listed, "data").items[1], "cancelled_at").empty());

    const auto refused = [&](const std::string& body, const std::string& about) {
        EXPECT_EQ(a.error("POST", "/bill-adjustments", body, about), "invalid_request");
    };
    refused(R"({"customer":"acme","month":"2026-06","text":"t"})", "'amount' is missing");
    refused(R"({"customer":"acme","month":"2026-06","text":"t","amount":"1.005"})", "'amount'");
    refused(R"({"customer":"acme","month":"June","text":"t","amount":"1"})", "June");
    refused(R"({"customer":"acme","month":"2026-06","text":"t","amount":"1","kind":"gift"})",
            "sla_credit");
    EXPECT_EQ(a.error("GET", "/bill-adjustments", "", "'customer' or 'month'"), "invalid_request");
    EXPECT_EQ(a.error("POST", "/bill-adjustments/ADJ-9/cancel", "", "ADJ-9"), "not_found");
}

TEST_P(UsageApiTest, a_contract_is_agreed_amended_and_ended) {
    SettledApi settled(GetParam());
    TestApi& a = settled.api;
    const std::string contract =
        R"({"customer":"acme","code":"CT-1","kind":"one_year","first_day":"2026-06-01",)"
        R"("framework":"FA-7","terms":{"transfer_discount_percent":"50"}})";
    const auto made = a.ok(201, "POST", "/contracts", contract);
    EXPECT_EQ(text_at(made, "last_day"), "2027-05-31");
    EXPECT_EQ(text_at(made, "framework"), "FA-7");
    (void)a.ok(201, "POST", "/contracts", contract);
    EXPECT_EQ(at(a.ok(200, "GET", "/contracts?customer=acme"), "data").items.size(), 1U)
        << "the same again is the one there is";
    const auto bill = a.ok(200, "GET", "/bills/acme/2026-06");
    ASSERT_FALSE(at(bill, "contract_items").items.empty());
    EXPECT_EQ(text_at(at(bill, "contract_items").items[0], "kind"), "transfer");

    const auto amended = a.ok(200, "POST", "/contracts/CT-1/amend",
                              R"({"from_day":"2026-06-01","reason":"agreed again","terms":{}})");
    EXPECT_EQ(at(amended, "versions").items.size(), 2U);
    EXPECT_TRUE(at(a.ok(200, "GET", "/bills/acme/2026-06"), "contract_items").items.empty());
    const auto ended = a.ok(200, "POST", "/contracts/CT-1/end",
                            R"({"end_day":"2026-12-31","reason":"they leave"})");
    EXPECT_EQ(text_at(ended, "end_day"), "2026-12-31");
    EXPECT_EQ(text_at(a.ok(200, "GET", "/contracts/CT-1"), "end_reason"), "they leave");
    EXPECT_EQ(at(a.ok(200, "GET", "/audit?subject_kind=contract"), "data").items.size(), 3U);

    const auto credit = a.ok(200, "GET", "/credit?customer=acme");
    ASSERT_EQ(at(credit, "data").items.size(), 1U);
    EXPECT_EQ(text_at(at(credit, "data").items[0], "contract"), "CT-1");
    EXPECT_EQ(a.error("GET", "/credit?customer=nobody", "", "nobody"), "not_found");

    EXPECT_EQ(a.error("GET", "/contracts/CT-9", "", "no contract 'CT-9'"), "not_found");
    EXPECT_EQ(a.error("GET", "/contracts?customer=nobody", "", "nobody"), "not_found");
    EXPECT_EQ(a.error("POST", "/contracts", R"({"customer":"acme"})", "is missing"),
              "invalid_request");
    EXPECT_EQ(a.error("POST", "/contracts/CT-1/amend",
                      R"({"from_day":"2026-07-01","reason":"r","terms":{"promotion":{}}})",
                      "terms: 'promotion.percent' is missing"),
              "invalid_request");
    EXPECT_EQ(a.error("POST", "/contracts/CT-1/amend",
                      R"({"from_day":"July","reason":"r","terms":{}})", "'from_day'"),
              "invalid_request");
    EXPECT_EQ(a.error("POST", "/contracts/CT-1/end", R"({"end_day":"2026-11-30","reason":"r"})",
                      "was ended before"),
              "conflict");
}

TEST_P(UsageApiTest, a_payment_is_imported_matched_and_allocated) {
    SettledApi settled(GetParam());
    TestApi& a = settled.api;
    a.t.clock.set(parse_rfc3339("2026-07-01T00:00:00Z").value());
    (void)a.ok(200, "POST", "/billing-runs", R"({"month":"2026-06"})");
    (void)a.ok(200, "POST", "/bills/BILL-acme-202606/review");
    const auto bill = a.ok(200, "POST", "/bills/BILL-acme-202606/finalise");
    const std::string owed = text_at(bill, "open_cny");
    const std::string file = R"({"bank_account":"6222","file":"date,credit,text,reference\n)"
                             R"(2026-07-05,)" +
                             owed + R"(,BILL-acme-202606,B-1\n2026-07-06,8.00,gift,B-2\n"})";
    const auto imported = a.ok(200, "POST", "/bank-statements", file);
    EXPECT_EQ(at(imported, "recorded").integer, 2);
    EXPECT_TRUE(at(a.ok(200, "POST", "/bank-statements", file), "was_imported").flag);
    const auto matched = a.ok(200, "POST", "/payments/match", "{}");
    EXPECT_EQ(at(matched, "matched").integer, 1);
    EXPECT_EQ(at(matched, "open").items.size(), 1U);
    EXPECT_EQ(text_at(a.ok(200, "GET", "/bills/BILL-acme-202606"), "status"), "paid");
    const auto part = a.ok(200, "POST", "/payments/PAY-2/allocations",
                           R"({"for":"wallet","customer":"acme","cny":"5.00"})");
    EXPECT_EQ(text_at(part, "rule"), "by_hand");
    EXPECT_EQ(text_at(a.ok(200, "GET", "/payments/PAY-2"), "open_cny"), "3.00");
    EXPECT_EQ(at(a.ok(200, "GET", "/payments/PAY-1/allocations"), "data").items.size(), 1U);
    EXPECT_EQ(at(a.ok(200, "GET", "/payments?open=true"), "data").items.size(), 1U);
    const auto recorded = a.ok(200, "POST", "/payments",
                               R"({"bank_account":"6222","cny":"1.00","day":"2026-07-07",)"
                               R"("reference":"B-3","method":"card"})");
    EXPECT_EQ(text_at(recorded, "id"), "PAY-3");

    EXPECT_EQ(a.error("POST", "/payments/PAY-2/allocations",
                      R"({"for":"wallet","customer":"acme","cny":"3.01"})", "3.00 CNY are open"),
              "conflict");
    EXPECT_EQ(a.error("POST", "/payments/PAY-2/allocations", R"({"for":"gift"})", "'gift'"),
              "invalid_request");
    EXPECT_EQ(a.error("GET", "/payments/PAY-9", "", "no payment 'PAY-9'"), "not_found");
    EXPECT_EQ(a.error("GET", "/payments?open=maybe", "", "'open'"), "invalid_request");
    EXPECT_EQ(a.error("POST", "/bank-statements", R"({"file":"x","format":"abc"})", "'abc'"),
              "invalid_request");
    EXPECT_EQ(a.error("POST", "/payments", R"({"cny":"1"})", "is missing"), "invalid_request");
}

TEST_P(UsageApiTest, rates_are_added_and_stand_on_the_bill) {
    SettledApi settled(GetParam());
    TestApi& a = settled.api;
    const std::string rates = R"({"csv":"2026-06-30,7.25\n2026-06-29,7.2","source":"PBOC"})";
    const auto added = a.ok(200, "POST", "/fx-rates", rates);
    EXPECT_EQ(at(added, "added").integer, 2);
    EXPECT_EQ(at(a.ok(200, "POST", "/fx-rates", rates), "known").integer, 2);
    EXPECT_EQ(text_at(a.ok(200, "GET", "/bills/acme/2026-06"), "usd_cny_source"),
              "PBOC, 2026-06-30");
    const auto listed = a.ok(200, "GET", "/fx-rates?limit=1");
    EXPECT_EQ(text_at(at(listed, "data").items.at(0), "usd_cny"), "7.2500");
    EXPECT_EQ(a.error("POST", "/fx-rates", R"({"csv":"2026-06-30,8,X"})", "never changes"),
              "conflict");
    EXPECT_EQ(a.error("POST", "/fx-rates", R"({"csv":"today,8,X"})", "line 1: 'today'"),
              "invalid_request");
}

}  // namespace
}  // namespace tg
