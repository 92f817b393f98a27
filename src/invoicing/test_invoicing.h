#pragma once
// For tests: a final bill to be invoiced. Needs GoogleTest; never included by product code.
#include "billing/bill_notes.h"
#include "billing/bill_register.h"
#include "billing/test_billing.h"
#include "invoicing/invoice_titles.h"
#include "invoicing/invoices.h"
#include "invoicing/verify_invoices.h"
#include "ledger/balances.h"

namespace tg {

inline Change test_change(std::string_view time) {
    return {.actor = "token:3 finance", .at = parse_rfc3339(time).value()};
}

/// 'acme' with a final bill of March over 180.00 CNY and 10.80 of tax, of which project chat has
/// nine tenths.
class InvoicedBooks {
  public:
    static constexpr std::string_view kBill = "BILL-acme-202603";
    explicit InvoicedBooks(Dialect dialect) : t(dialect) {
        use("acme", "2026-03-05T10:00:00Z");
        finalise("acme", {2026, 3}, "2026-04-05T00:00:00Z");
        settings.seller = {.name = "云通科技有限公司",
                           .tax_number = "91330100799655058B",
                           .address = "杭州市西湖区1号",
                           .phone = "0571-88888888",
                           .bank_name = "招商银行",
                           .bank_account = "5719 0001"};
    }
    void use(const std::string& customer, std::string_view when) {
        for (const auto& [project, tokens] :
             {std::pair{"chat", 9'000'000}, {"search", 1'000'000}}) {
            UsageEvent event = t.event(when);
            event.payer = t.payer(customer, project);
            event.usage = {};
            event.usage[Meter::input] = tokens;
            t.append(event);
        }
        EXPECT_EQ(t.settle(), 2);
    }
    void finalise(const std::string& customer, YearMonth month, std::string_view when) {
        const Change then = test_change(when);
        const auto draft = draft_into_register(t.connection(), customer, month, {}, then);
        ASSERT_TRUE(draft.ok()) << draft.error().text();
        EXPECT_TRUE(review_bill(t.connection(), draft->id, then).ok());
        EXPECT_TRUE(finalise_bill(t.connection(), draft->id, then).ok());
    }
    InvoiceTitle title(std::string name = "北京未来有限公司", bool is_general_taxpayer = true,
                       std::string customer = "acme") {
        const auto added = add_title(t.connection(),
                                     {.customer = std::move(customer),
                                      .buyer = {.name = std::move(name),
                                                .tax_number = "9144030071526726XG",
                                                .email = "tax@acme.example"},
                                      .is_general_taxpayer = is_general_taxpayer},
                                     change);
        EXPECT_TRUE(added.ok()) << (added.ok() ? "" : added.error().text());
        return added.ok() ? *added : InvoiceTitle{};
    }

    static InvoiceRequest over(std::vector<InvoiceSource> sources = {{.bill_id{kBill}}}) {
        return {.sources = std::move(sources)};
    }
    static InvoiceSource part(std::string project, std::int64_t net_fen = 0) {
        return {.bill_id{kBill}, .project = std::move(project), .net_fen = net_fen};
    }
    VatInvoice invoice(const InvoiceRequest& request) {
        const auto out = request_invoice(t.connection(), request, settings, change);
        EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().text());
        return out.ok() ? *out : VatInvoice{};
    }
    std::string refused(const InvoiceRequest& request, ErrorCode code) {
        return detail(request_invoice(t.connection(), request, settings, change), code);
    }
    VatInvoice red(const RedInvoiceRequest& request) {
        const auto out = request_red_invoice(t.connection(), request, settings, change);
        EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().text());
        return out.ok() ? *out : VatInvoice{};
    }
    std::string red_refused(const RedInvoiceRequest& request, ErrorCode code) {
        return detail(request_red_invoice(t.connection(), request, settings, change), code);
    }
    std::string note(std::string project, std::int64_t net_fen) {
        const auto out = issue_note(t.connection(),
                                    {.bill_id{kBill},
                                     .kind = NoteKind::credit,
                                     .project = std::move(project),
                                     .net_fen = net_fen,
                                     .reason = "agreed"},
                                    change);
        return out.ok() ? out->id : out.error().detail;
    }
    template <typename T>
    static std::string detail(const Result<T>& result, ErrorCode code) {
        EXPECT_FALSE(result.ok());
        if (result.ok()) return "";
        EXPECT_EQ(result.error().code, code) << result.error().text();
        return result.error().detail;
    }
    std::string problems() {
        const auto report = verify_invoices(t.connection());
        if (!report.ok()) return report.error().text();
        std::string out;
        for (const std::string& each : report->problems) out += each + "\n";
        return out;
    }
    /// As somebody who owns the database can.
    void drop_guards() {
        const bool is_sqlite = t.connection().dialect() == Dialect::sqlite;
        std::string script;
        if (is_sqlite) {
            for (const char* guard :
                 {"invoices_are_never_changed", "invoices_are_never_deleted",
                  "invoice_lines_are_never_changed", "bill_shares_are_never_changed"})
                script += "DROP TRIGGER " + std::string(guard) + ";";
            EXPECT_TRUE(t.connection()
                            .query("SELECT name FROM sqlite_master WHERE type = 'trigger' AND "
                                   "tbl_name LIKE 'proof%'",
                                   {},
                                   [&script](const SqlRow& row) {
                                       script += "DROP TRIGGER " + std::string(row.text(0)) + ";";
                                       return true;
                                   })
                            .ok());
        } else {
            for (const char* table : {"invoices", "invoice_lines", "bill_shares", "proof_leaves"})
                script += "ALTER TABLE " + std::string(table) + " DISABLE TRIGGER USER;";
        }
        EXPECT_TRUE(t.connection().execute_script(script).ok());
    }
    std::int64_t fen_in(AccountCode account) {
        const auto balance =
            read_balance(t.connection(),
                         {account, Currency::cny, t.payer().customer, ProjectId{}, std::string()});
        EXPECT_TRUE(balance.ok());
        return static_cast<std::int64_t>(balance->value / kFemtoPerCent);
    }

    TestBooks t;
    InvoiceSettings settings;
    Change change = test_change("2026-04-10T02:00:00Z");
};

}  // namespace tg
