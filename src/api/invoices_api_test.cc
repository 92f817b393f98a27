#include "api/test_api.h"
#include "billing/test_billing.h"
#include "invoicing/test_invoicing.h"

namespace tg {
namespace {

class InvoicesApiTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(InvoicesApiTest);

/// The admin API over books with a final bill of 180.00 CNY without tax.
struct InvoicedApi {
    explicit InvoicedApi(Dialect dialect)
        : books(dialect), api(dialect, [this](AdminApi::Options& options) {
              options.store_url = books.t.store().url();
              options.invoices = books.settings;
          }) {
        api.t.clock.set(books.change.at);
    }
    std::string title(const std::string& more = "") {
        return text_at(
            api.ok(
                200, "POST", "/invoice-titles",
                R"({"customer":"acme","name":"北京未来有限公司","tax_number":"9144030071526726XG")" +
                    more + "}"),
            "id");
    }
    InvoicedBooks books;
    TestApi api;
};

const std::string kWhole = R"({"sources":[{"bill":"BILL-acme-202603"}]})";

TEST_P(InvoicesApiTest, titles_are_added_listed_and_retired) {
    InvoicedApi it(GetParam());
    TestApi& a = it.api;
    EXPECT_EQ(it.title(R"(,"is_general_taxpayer":true,"email":"tax@acme.example")"), "TITLE-1");
    EXPECT_EQ(it.title(R"(,"is_general_taxpayer":true,"email":"tax@acme.example")"), "TITLE-1");
    EXPECT_EQ(a.error("POST", "/invoice-titles",
                      R"({"customer":"acme","name":"x","tax_number":"9144030071526726XH"})",
                      "would be 'G'"),
              "invalid_request");
    EXPECT_EQ(a.error("POST", "/invoice-titles", R"({"customer":"nobody","name":"x"})", "nobody"),
              "not_found");
    const auto retired = a.ok(200, "POST", "/invoice-titles/TITLE-1/retire");
    EXPECT_FALSE(text_at(retired, "retired_at").empty());
    EXPECT_EQ(at(a.ok(200, "GET", "/invoice-titles?customer=acme"), "data").items.size(), 0U);
    EXPECT_EQ(at(a.ok(200, "GET", "/invoice-titles?retired=true"), "data").items.size(), 1U);
    EXPECT_EQ(a.error("POST", "/invoice-titles/TITLE-9/retire", "", "TITLE-9"), "not_found");
}

TEST_P(InvoicesApiTest, an_invoice_is_requested_shown_and_taken_back) {
    InvoicedApi it(GetParam());
    TestApi& a = it.api;
    it.title();
    const auto left = at(a.ok(200, "GET", "/bills/BILL-acme-202603/uninvoiced"), "data");
    ASSERT_EQ(left.items.size(), 2U);
    EXPECT_EQ(text_at(left.items[0], "net_cny"), "162.00");
    const auto part = a.ok(
        200, "POST", "/invoices",
        R"({"sources":[{"bill":"BILL-acme-202603","project":"chat","net_cny":"50.05"}],"remark":"PO-7"})");
    EXPECT_EQ(text_at(part, "id"), "INV-20260410-1");
    EXPECT_EQ(text_at(part, "total_cny"), "53.05");
    EXPECT_EQ(text_at(part, "remark"), "PO-7");
    const auto rest = a.ok(200, "POST", "/invoices", kWhole);
    EXPECT_EQ(at(rest, "lines").items.size(), 2U);
    EXPECT_EQ(at(a.ok(200, "GET", "/invoices?bill=BILL-acme-202603"), "data").items.size(), 2U);
    EXPECT_EQ(at(a.ok(200, "GET", "/invoices?customer=acme&state=failed"), "data").items.size(),
              0U);

    const auto red = a.ok(
        200, "POST", "/invoices/INV-20260410-1/red",
        R"({"reason":"allowance","parts":[{"bill":"BILL-acme-202603","project":"chat","net_cny":"0.05"}]})");
    EXPECT_EQ(text_at(red, "takes_back"), "INV-20260410-1");
    EXPECT_EQ(text_at(red, "reason"), "allowance");
    EXPECT_EQ(text_at(red, "total_cny"), "-0.05");
    const ApiReply pdf = a.send("GET", "/invoices/INV-20260410-2?format=pdf&language=en");
    EXPECT_EQ(pdf.status, 200);
    EXPECT_EQ(pdf.content_type, "application/pdf");
    EXPECT_TRUE(pdf.body.starts_with("%PDF-"));
    EXPECT_EQ(at(a.ok(200, "GET", "/audit?subject_kind=invoice"), "data").items.size(), 3U);
    EXPECT_EQ(it.books.problems(), "");
}

TEST_P(InvoicesApiTest, debts_are_written_off_and_refunds_paid_out) {
    InvoicedApi it(GetParam());
    TestApi& a = it.api;
    const std::string bill = "/bills/BILL-acme-202603";
    const auto off =
        a.ok(200, "POST", bill + "/write-off", R"({"amount_cny":"90.80","reason":"insolvent"})");
    EXPECT_EQ(text_at(off, "id"), "SET-1");
    EXPECT_EQ(text_at(off, "kind"), "write_off");
    EXPECT_EQ(text_at(a.ok(200, "GET", bill), "open_cny"), "100.00");
    EXPECT_EQ(a.error("POST", bill + "/write-off", R"({"amount_cny":"100.01","reason":"x"})",
                      "is 100.00 CNY"),
              "conflict");
    EXPECT_EQ(a.error("POST", bill + "/write-off", "{}", "'reason' is missing"), "invalid_request");
    (void)a.ok(200, "POST", bill + "/notes",
               R"({"kind":"credit_note","project":"chat","net_cny":"150.00","reason":"agreed"})");
    const auto open = at(a.ok(200, "GET", "/refunds"), "data");
    ASSERT_EQ(open.items.size(), 1U);
    EXPECT_EQ(text_at(a.ok(200, "GET", "/notes/CN-acme-202603-1"), "net_cny"), "150.00");
    EXPECT_TRUE(
        a.send("GET", "/notes/CN-acme-202603-1?format=pdf&language=zh").body.starts_with("%PDF-"));
    EXPECT_EQ(a.error("GET", "/notes/CN-acme-202603-9", "", "no credit or debit note"),
              "not_found");
    EXPECT_EQ(a.error("GET", "/notes/CN-acme-202603-1?format=xlsx", "", "json and pdf"),
              "invalid_request");
    EXPECT_EQ(text_at(open.items[0], "open_cny"), "59.00");
    const auto paid = a.ok(200, "POST", "/refunds/" + text_at(open.items[0], "refund") + "/payout",
                           R"({"bank_account":"6222","reference":"B-1"})");
    EXPECT_EQ(text_at(paid, "amount_cny"), "59.00");
    EXPECT_EQ(at(a.ok(200, "GET", "/refunds"), "data").items.size(), 0U);
    EXPECT_EQ(a.error("POST", "/refunds", R"({"customer":"acme","reason":"x"})", "is 0.00 CNY"),
              "conflict");
    EXPECT_EQ(a.error("POST", "/refunds", R"({"customer":"acme","reason":"x","source":"till"})",
                      "wallet and deposit"),
              "invalid_request");
    EXPECT_EQ(a.error("POST", "/refunds/SET-9/payout",
                      R"({"bank_account":"6222","reference":"B-2"})", "nothing is owed back"),
              "not_found");
    EXPECT_EQ(at(a.ok(200, "GET", "/settlements?customer=acme"), "data").items.size(), 2U);
}

TEST_P(InvoicesApiTest, a_statement_shows_what_is_owed) {
    InvoicedApi it(GetParam());
    TestApi& a = it.api;
    a.t.clock.set(parse_rfc3339("2027-01-01T00:00:00Z").value());
    // Booked when the usage of the test was settled, which is now.
    const auto statement = a.ok(200, "GET", "/customers/acme/statement?from=2026-01&to=2099-12");
    EXPECT_EQ(text_at(statement, "opening_owed_cny"), "0.00");
    const std::string path = "/customers/acme/statement?from=2026-04&format=";
    EXPECT_TRUE(a.send("GET", path + "csv").body.starts_with("customer,day,kind,document"));
    EXPECT_TRUE(a.send("GET", path + "pdf&language=zh").body.starts_with("%PDF-"));
    EXPECT_TRUE(a.send("GET", path + "xlsx").body.starts_with("PK"));
    EXPECT_EQ(a.error("GET", path + "focus", "", "json, csv, xlsx, pdf"), "invalid_request");
    EXPECT_EQ(a.error("GET", "/customers/acme/statement", "", "'from' is missing"),
              "invalid_request");
    EXPECT_EQ(a.error("GET", "/customers/acme/statement?from=2026-05&to=2026-04", "", "begin with"),
              "invalid_request");
}

TEST_P(InvoicesApiTest, what_cannot_be_is_refused) {
    InvoicedApi it(GetParam());
    TestApi& a = it.api;
    const auto refused = [&](const std::string& body, const std::string& about) {
        return a.error("POST", "/invoices", body, about);
    };
    EXPECT_EQ(refused(kWhole, "no invoice title"), "invalid_request");
    it.title();
    EXPECT_EQ(refused("{}", "at least one bill"), "invalid_request");
    EXPECT_EQ(refused(R"({"sources":"x"})", "is an array"), "invalid_request");
    EXPECT_EQ(refused(R"({"sources":[7]})", "is an object"), "invalid_request");
    EXPECT_EQ(refused(R"({"sources":[{"bill":"BILL-acme-202603","amount":"1"}]})", "amount"),
              "invalid_request");
    EXPECT_EQ(
        refused(R"({"sources":[{"bill":"BILL-acme-202603","project":"chat","net_cny":"-1"}]})",
                "above 0"),
        "invalid_request");
    EXPECT_EQ(refused(R"({"sources":[{"bill":"BILL-acme-202603"}],"kind":"pro forma"})",
                      "special, normal"),
              "invalid_request");
    EXPECT_EQ(a.error("GET", "/invoices", "", "'customer', 'bill' or 'state'"), "invalid_request");
    EXPECT_EQ(a.error("GET", "/invoices/INV-1", "", "INV-1"), "not_found");
    (void)a.ok(200, "POST", "/invoices", kWhole);
    EXPECT_EQ(a.error("GET", "/invoices/INV-20260410-1?format=xlsx", "", "json and pdf"),
              "invalid_request");
    EXPECT_EQ(a.error("POST", "/invoices/INV-20260410-1/red", R"({"reason":"regret"})",
                      "issued_in_error"),
              "invalid_request");
    EXPECT_EQ(a.error("POST", "/invoices/INV-20260410-1/withdraw", "", "red-letter"), "conflict");
    EXPECT_EQ(a.error("POST", "/invoices/INV-20260410-1/cancel", "", "never is"), "conflict");
}

}  // namespace
}  // namespace tg
