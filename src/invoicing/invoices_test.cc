#include "invoicing/invoices.h"

#include <thread>

#include "base/json_tree.h"
#include "invoicing/test_invoicing.h"
#include "ledger/proof_log.h"

namespace tg {
namespace {

using Books = InvoicedBooks;

class InvoicesTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(InvoicesTest);

TEST_P(InvoicesTest, a_bill_is_invoiced_as_a_whole) {
    Books it(GetParam());
    const InvoiceTitle title = it.title();
    EXPECT_EQ(title.id, "TITLE-1");
    const VatInvoice invoice = it.invoice(Books::over());
    EXPECT_EQ(invoice.id, "INV-20260410-1");
    EXPECT_EQ(invoice.state, InvoiceState::issued);
    EXPECT_EQ(invoice.official_number, invoice.id);
    EXPECT_EQ(invoice.net_fen, 18'000);
    EXPECT_EQ(invoice.tax_fen, 1'080);
    EXPECT_EQ(invoice.total_fen, 19'080);
    ASSERT_EQ(invoice.lines.size(), 2U);
    EXPECT_EQ(invoice.lines[0].project, "chat");
    EXPECT_EQ(invoice.lines[0].net_fen, 16'200);
    EXPECT_EQ(invoice.lines[1].tax_fen, 108);
    EXPECT_EQ(invoice.lines[1].tax_code, "3040203000000000000");
    EXPECT_EQ(invoice.buyer.tax_number, "9144030071526726XG");

    const auto leaf = read_proof_leaf(it.t.connection(), kProofInvoice, invoice.id);
    ASSERT_TRUE(leaf.ok());
    EXPECT_EQ(leaf->payload, invoice_as_json(invoice));
    const auto document = parse_json_tree(leaf->payload);
    EXPECT_EQ(document->string_field("total_in_words"), "壹佰玖拾圆捌角整");
    EXPECT_EQ(it.fen_in(AccountCode::output_vat_invoiced), -1'080);
    EXPECT_EQ(it.fen_in(AccountCode::output_vat_to_invoice), 0);
    EXPECT_EQ(it.problems(), "");
    EXPECT_NE(it.refused(Books::over(), ErrorCode::conflict).find("nothing of bill"),
              std::string::npos);
    EXPECT_EQ(invoice_as_json(find_invoice(it.t.connection(), invoice.id).value()),
              invoice_as_json(invoice));
}

TEST_P(InvoicesTest, a_bill_is_split_and_several_are_one) {
    Books it(GetParam());
    it.use("acme", "2026-04-08T10:00:00Z");
    it.finalise("acme", {2026, 4}, "2026-05-05T00:00:00Z");
    it.title();
    it.change = test_change("2026-05-06T15:59:00Z");
    EXPECT_EQ(it.invoice(Books::over({Books::part("chat", 5'005)})).tax_fen, 300);
    EXPECT_EQ(it.invoice(Books::over({Books::part("chat", 5'005)})).tax_fen, 301)
        << "cumulative: 6 % of 100.10";
    EXPECT_NE(it.refused(Books::over({Books::part("chat", 6'191)}), ErrorCode::conflict)
                  .find("has 61.90 CNY (net) left"),
              std::string::npos);
    it.change = test_change("2026-05-06T16:01:00Z");  // the next day in Shanghai
    const VatInvoice rest = it.invoice(
        Books::over({Books::part("search"), Books::part("chat"), {.bill_id = "BILL-acme-202604"}}));
    EXPECT_EQ(rest.id, "INV-20260507-1");
    EXPECT_EQ(rest.lines.size(), 4U);
    EXPECT_EQ(rest.net_fen, 1'800 + 6'190 + 18'000);
    EXPECT_EQ(rest.tax_fen, 1'080 - 601 + 1'080);
    EXPECT_EQ(it.fen_in(AccountCode::output_vat_to_invoice), 0);
    EXPECT_TRUE(uninvoiced_parts(it.t.connection(), Books::kBill)->empty());
    EXPECT_EQ(list_invoices(it.t.connection(), {.bill_id{Books::kBill}})->size(), 3U);
    EXPECT_EQ(list_invoices(it.t.connection(), {.bill_id = "BILL-acme-202604"})->size(), 1U);
    EXPECT_EQ(it.problems(), "");
}

TEST_P(InvoicesTest, what_cannot_be_invoiced_is_refused_and_changes_nothing) {
    Books it(GetParam());
    const auto has = [](const std::string& text, std::string_view part) {
        EXPECT_NE(text.find(part), std::string::npos) << text;
    };
    has(it.refused(Books::over(), ErrorCode::invalid_request), "no invoice title");
    it.title("北京未来有限公司", false);
    it.use("acme", "2026-04-08T10:00:00Z");
    has(it.refused(Books::over({}), ErrorCode::invalid_request), "at least one bill");
    has(it.refused(Books::over({{.bill_id = "BILL-acme-202607"}}), ErrorCode::not_found),
        "BILL-acme-202607");
    draft_into_register(it.t.connection(), "acme", {2026, 4}, {},
                        test_change("2026-05-02T00:00:00Z"))
        .value();
    has(it.refused(Books::over({{.bill_id = "BILL-acme-202604"}}), ErrorCode::conflict),
        "not final");
    has(it.refused(Books::over({Books::part("mail")}), ErrorCode::not_found), "chat, search");
    has(it.refused(Books::over({{.bill_id{Books::kBill}, .net_fen = 5}}),
                   ErrorCode::invalid_request),
        "of which project");
    InvoiceRequest special = Books::over();
    special.kind = InvoiceKind::special;
    has(it.refused(special, ErrorCode::invalid_request), "no general taxpayer");
    it.title("另一家有限公司");
    has(it.refused(special, ErrorCode::invalid_request), "2 invoice titles");
    special.title = "TITLE-2";
    special.form = InvoiceForm::paper;
    has(it.refused(special, ErrorCode::invalid_request), "lacks some");
    special.title = "TITLE-9";
    has(it.refused(special, ErrorCode::not_found), "TITLE-9");
    it.settings.seller.tax_number.clear();
    has(it.refused(Books::over(), ErrorCode::invalid_config), "tax_id");
    EXPECT_TRUE(list_invoices(it.t.connection(), {})->empty());
    EXPECT_EQ(it.problems(), "");
}

TEST_P(InvoicesTest, a_bill_of_another_customer_does_not_go_on_the_same_invoice) {
    Books it(GetParam());
    it.use("globex", "2026-03-06T10:00:00Z");
    it.finalise("globex", {2026, 3}, "2026-04-05T00:00:00Z");
    it.title();
    EXPECT_NE(it.refused(Books::over({{.bill_id{Books::kBill}}, {.bill_id = "BILL-globex-202603"}}),
                         ErrorCode::invalid_request)
                  .find("another customer's"),
              std::string::npos);
    InvoiceRequest request = Books::over({{.bill_id = "BILL-globex-202603"}});
    request.title = "TITLE-1";
    EXPECT_NE(it.refused(request, ErrorCode::invalid_request).find("customer 'acme'"),
              std::string::npos);
}

TEST_P(InvoicesTest, the_same_reference_is_the_same_invoice) {
    Books it(GetParam());
    it.title();
    InvoiceRequest request = Books::over();
    request.reference = "OA-77";
    const VatInvoice first = it.invoice(request);
    EXPECT_EQ(it.invoice(request).id, first.id);
    InvoiceRequest part = Books::over({Books::part("chat")});
    part.reference = "OA-77";
    EXPECT_NE(it.refused(part, ErrorCode::conflict).find("was used for " + first.id),
              std::string::npos);
    request.remark = "another";
    EXPECT_NE(it.refused(request, ErrorCode::conflict).find("was used for " + first.id),
              std::string::npos);
    EXPECT_EQ(list_invoices(it.t.connection(), {})->size(), 1U);
}

TEST_P(InvoicesTest, a_red_letter_takes_back_and_frees) {
    Books it(GetParam());
    it.title();
    const VatInvoice blue = it.invoice(Books::over());
    const VatInvoice part = it.red({.invoice_id = blue.id,
                                    .reason = RedReason::allowance,
                                    .parts = {Books::part("chat", 5'005)}});
    EXPECT_EQ(part.id, "INV-20260410-2");
    EXPECT_EQ(part.blue_id, blue.id);
    EXPECT_EQ(part.total_fen, -5'305);
    EXPECT_EQ(part.state, InvoiceState::issued);
    EXPECT_EQ(parse_json_tree(invoice_as_json(part))->string_field("total_in_words"),
              "（负数）伍拾叁圆零伍分");
    EXPECT_EQ(it.fen_in(AccountCode::output_vat_invoiced), -780);
    const auto free = uninvoiced_parts(it.t.connection(), Books::kBill).value();
    ASSERT_EQ(free.size(), 1U);
    EXPECT_EQ(free[0].net_fen, 5'005);
    EXPECT_EQ(free[0].tax_fen, 300);

    EXPECT_NE(it.red_refused({.invoice_id = blue.id, .parts = {Books::part("chat", 11'196)}},
                             ErrorCode::conflict)
                  .find("has 111.95 CNY (net) left"),
              std::string::npos);
    EXPECT_NE(it.red_refused({.invoice_id = blue.id, .reason = RedReason::issued_in_error},
                             ErrorCode::conflict)
                  .find("taken back already"),
              std::string::npos);
    EXPECT_NE(it.red_refused({.invoice_id = part.id}, ErrorCode::conflict).find("itself"),
              std::string::npos);
    const VatInvoice rest = it.red({.invoice_id = blue.id, .reason = RedReason::returned});
    EXPECT_EQ(rest.total_fen, -19'080 + 5'305);
    EXPECT_EQ(it.fen_in(AccountCode::output_vat_invoiced), 0);
    EXPECT_EQ(it.fen_in(AccountCode::output_vat_to_invoice), -1'080);
    it.red_refused({.invoice_id = blue.id}, ErrorCode::conflict);
    EXPECT_EQ(it.invoice(Books::over()).total_fen, 19'080) << "it can be invoiced again";
    EXPECT_EQ(it.problems(), "");
}

TEST_P(InvoicesTest, one_issued_in_error_is_taken_back_as_a_whole_only) {
    Books it(GetParam());
    it.title();
    const VatInvoice blue = it.invoice(Books::over());
    EXPECT_NE(it.red_refused({.invoice_id = blue.id,
                              .reason = RedReason::issued_in_error,
                              .parts = {Books::part("chat", 1)}},
                             ErrorCode::invalid_request)
                  .find("as a whole"),
              std::string::npos);
    EXPECT_EQ(it.red({.invoice_id = blue.id, .reason = RedReason::issued_in_error}).net_fen,
              -18'000);
    EXPECT_EQ(it.problems(), "");
}

TEST_P(InvoicesTest, what_an_invoice_covers_is_credited_only_after_a_red_letter) {
    Books it(GetParam());
    it.title();
    const VatInvoice blue = it.invoice(Books::over({Books::part("chat", 10'000)}));
    EXPECT_EQ(it.note("chat", 6'200), "CN-acme-202603-1") << "what is not invoiced";
    EXPECT_NE(it.note("chat", 100)
                  .find("take back at least 1.00 CNY first: tollgate invoice red " + blue.id),
              std::string::npos);
    it.red({.invoice_id = blue.id, .parts = {Books::part("chat", 100)}});
    EXPECT_EQ(it.note("chat", 100), "CN-acme-202603-2");
    EXPECT_FALSE(void_bill(it.t.connection(), Books::kBill, "agreed", it.change).ok());
    it.red({.invoice_id = blue.id});
    EXPECT_TRUE(void_bill(it.t.connection(), Books::kBill, "agreed", it.change).ok());
    EXPECT_EQ(it.fen_in(AccountCode::output_vat_to_invoice), 0);
    EXPECT_EQ(it.fen_in(AccountCode::output_vat_invoiced), 0);
    EXPECT_EQ(it.problems(), "");
}

TEST_P(InvoicesTest, a_title_is_retired_and_never_changed) {
    Books it(GetParam());
    const InvoiceTitle first = it.title();
    EXPECT_EQ(it.title().id, first.id) << "the same again";
    EXPECT_TRUE(retire_title(it.t.connection(), first.id, it.change)->is_retired());
    EXPECT_EQ(retire_title(it.t.connection(), first.id, test_change("2026-05-01T00:00:00Z"))
                  ->retired_at.micros,
              it.change.at.micros);
    EXPECT_EQ(it.title().id, "TITLE-2");
    InvoiceRequest request = Books::over();
    request.title = first.id;
    EXPECT_NE(it.refused(request, ErrorCode::conflict).find("is retired"), std::string::npos);
    EXPECT_EQ(list_titles(it.t.connection(), {}, true)->size(), 2U);
    EXPECT_EQ(list_titles(it.t.connection(), {}, false)->size(), 1U);
    const auto bad = [&](InvoiceParty buyer, bool is_general = false) {
        return Books::detail(
            add_title(
                it.t.connection(),
                {.customer = "acme", .buyer = std::move(buyer), .is_general_taxpayer = is_general},
                it.change),
            ErrorCode::invalid_request);
    };
    EXPECT_NE(bad({}).find("name"), std::string::npos);
    EXPECT_NE(bad({.name = "a", .tax_number = "9144030071526726XH"}).find("'G'"),
              std::string::npos);
    EXPECT_NE(bad({.name = "a"}, true).find("has a tax number"), std::string::npos);
    EXPECT_NE(bad({.name = "a\nb"}).find("line break"), std::string::npos);
    EXPECT_NE(bad({.name = "a", .email = "nobody"}).find("mail address"), std::string::npos);
    std::string longest;
    for (int i = 0; i < 101; ++i) longest += "税";
    EXPECT_NE(bad({.name = longest}).find("has 101 characters"), std::string::npos);
}

TEST_P(InvoicesTest, only_paper_is_cancelled_and_only_in_its_month) {
    Books it(GetParam());
    it.title();
    InvoiceRequest request = Books::over({Books::part("chat")});
    request.form = InvoiceForm::paper;
    const VatInvoice paper = it.invoice(request);
    const VatInvoice digital = it.invoice(Books::over());
    const auto cancel = [&](const VatInvoice& invoice, std::string_view when) {
        return cancel_invoice(it.t.connection(), invoice.id, test_change(when));
    };
    const auto refused = [&](const VatInvoice& invoice, std::string_view when) {
        return Books::detail(cancel(invoice, when), ErrorCode::conflict);
    };
    EXPECT_NE(refused(digital, "2026-04-11T00:00:00Z").find("a digital invoice never is"),
              std::string::npos);
    EXPECT_NE(refused(paper, "2026-04-30T16:00:00Z").find("earlier month"), std::string::npos)
        << "May in Shanghai";
    EXPECT_EQ(cancel(paper, "2026-04-30T15:59:59Z")->state, InvoiceState::cancelled);
    EXPECT_EQ(it.fen_in(AccountCode::output_vat_invoiced), -108);
    EXPECT_EQ(it.problems(), "");
    EXPECT_EQ(cancel(paper, "2026-06-01T00:00:00Z")->state, InvoiceState::cancelled) << "as it was";
    const VatInvoice again = it.invoice(request);
    it.red({.invoice_id = again.id, .parts = {Books::part("chat", 100)}});
    EXPECT_NE(refused(again, "2026-04-12T00:00:00Z").find("takes it back already"),
              std::string::npos);
    EXPECT_EQ(it.problems(), "");
}

TEST_P(InvoicesTest, several_at_once_leave_no_gap_and_cover_nothing_twice) {
    Books it(GetParam());
    it.title();
    constexpr int kThreads = 4, kEach = 10;
    std::vector<std::thread> threads;
    std::atomic<int> issued = 0;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&] {
            const auto store =
                open_store(it.t.store().url() +
                           (GetParam() == Dialect::sqlite ? "?busy_timeout_ms=60000" : ""));
            if (!store.ok()) return;
            for (int n = 0; n < kEach; ++n) {
                // 40 x 5.00 would be more than the 180.00 there are.
                const auto out = request_invoice(**store, Books::over({Books::part("chat", 500)}),
                                                 it.settings, it.change);
                if (out.ok()) ++issued;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(issued, 32);
    EXPECT_EQ(list_invoices(it.t.connection(), {})->back().id, "INV-20260410-32");
    EXPECT_EQ(it.problems(), "");
}

TEST_P(InvoicesTest, verify_finds_what_was_changed) {
    const struct {
        std::string_view sql, problem;
    } cases[] = {
        {"UPDATE invoices SET remark = 'x'", "something else than its document"},
        {"UPDATE invoices SET net_fen = net_fen + 1", "its lines add up to"},
        {"UPDATE invoices SET document = '{}'", "not the one in the proof log"},
        {"UPDATE invoices SET number = 3", "there is a gap"},
        {"UPDATE invoices SET state = 5, issued_at = 0", "is not issued, but in the proof log"},
        {"UPDATE invoice_lines SET tax_fen = tax_fen + 7 WHERE line = 1", "cannot be"},
        {"UPDATE invoice_lines SET net_fen = net_fen + 100 WHERE line = 1", "invoices cover"},
        {"DELETE FROM invoices", "but no invoice"},
        {"UPDATE bill_shares SET net_fen = net_fen - 1", "invoices cover"},
        {"DELETE FROM proof_leaves WHERE kind = 'invoice'", "is not in the proof log"},
    };
    for (const auto& c : cases) {
        Books it(GetParam());
        it.title();
        it.invoice(Books::over());
        ASSERT_EQ(it.problems(), "");
        it.drop_guards();
        const auto changed = it.t.connection().execute(c.sql);
        ASSERT_TRUE(changed.ok()) << c.sql << changed.error().text();
        EXPECT_NE(it.problems().find(c.problem), std::string::npos) << c.sql << "\n"
                                                                    << it.problems();
    }
}

}  // namespace
}  // namespace tg
