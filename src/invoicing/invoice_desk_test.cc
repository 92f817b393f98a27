#include "invoicing/invoice_desk.h"

#include <deque>

#include "invoicing/test_invoicing.h"

namespace tg {
namespace {

using Books = InvoicedBooks;
using Outcome = PlatformAnswer::Outcome;

/// Says what it is told to say, and counts.
class TestPlatform final : public InvoicePlatform {
  public:
    std::string_view name() const override { return "test"; }
    PlatformAnswer submit(const VatInvoice& invoice, const VatInvoice* blue, UtcMicros) override {
        submitted.push_back(invoice.serial + (blue != nullptr ? " of " + blue->id : ""));
        return next();
    }
    PlatformAnswer query(const VatInvoice& invoice, UtcMicros) override {
        queried.push_back(invoice.serial);
        return next();
    }
    PlatformAnswer next() {
        if (answers.empty()) return {.issued_at = {}, .detail = "no answer"};
        PlatformAnswer out = answers.front();
        answers.pop_front();
        return out;
    }
    void say(Outcome outcome, std::string detail = "") {
        PlatformAnswer answer{.outcome = outcome, .issued_at = {}, .detail = std::move(detail)};
        if (outcome == Outcome::issued) {
            answer.official_number = "263320000000" + std::to_string(10'000'000 + ++numbers);
            answer.issued_at = test_change("2026-04-10T02:30:00Z").at;
            answer.files.pdf_url = "https://invoices.example/1.pdf";
        }
        answers.push_back(std::move(answer));
    }
    std::deque<PlatformAnswer> answers;
    std::vector<std::string> submitted, queried;
    std::uint64_t numbers = 0;
};

class InvoiceDeskTest : public DialectTest {
  public:
    void SetUp() override {
        it.emplace(GetParam());
        it->title();
        it->settings.platform = "test";
        auto made = std::make_unique<TestPlatform>();
        platform = made.get();
        platforms.emplace("test", std::move(made));
        now = it->change.at;
    }
    DeskReport work(std::int64_t seconds_later = 0) {
        now.micros += seconds_later * 1'000'000;
        const auto report = InvoiceDesk(&platforms).work(it->t.connection(), now);
        EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().text());
        return report.ok() ? *report : DeskReport{};
    }
    VatInvoice found(const std::string& id) { return find_invoice(it->t.connection(), id).value(); }
    std::int64_t left() {
        std::int64_t out = 0;
        for (const Uninvoiced& part : uninvoiced_parts(it->t.connection(), Books::kBill).value())
            out += part.net_fen;
        return out;
    }
    std::optional<Books> it;
    InvoicePlatforms platforms;
    TestPlatform* platform = nullptr;
    UtcMicros now;
};
TG_INSTANTIATE_DIALECTS(InvoiceDeskTest);

TEST_P(InvoiceDeskTest, an_invoice_is_sent_asked_for_and_issued) {
    const VatInvoice asked = it->invoice(Books::over());
    EXPECT_EQ(asked.state, InvoiceState::requested);
    EXPECT_EQ(left(), 0) << "kept for it";
    EXPECT_EQ(it->fen_in(AccountCode::output_vat_invoiced), 0);
    platform->say(Outcome::accepted);
    EXPECT_EQ(work().under_way, 1);
    EXPECT_EQ(found(asked.id).state, InvoiceState::issuing);
    EXPECT_EQ(work().looked_at, 0) << "not yet";
    platform->say(Outcome::accepted);
    work(3);
    platform->say(Outcome::issued);
    EXPECT_EQ(work(60).issued, 1);
    const VatInvoice issued = found(asked.id);
    EXPECT_EQ(issued.state, InvoiceState::issued);
    EXPECT_EQ(issued.official_number.size(), 20U);
    EXPECT_EQ(issued.files.pdf_url, "https://invoices.example/1.pdf");
    EXPECT_EQ(platform->submitted, std::vector<std::string>{asked.id});
    EXPECT_EQ(platform->queried.size(), 2U);
    EXPECT_EQ(it->fen_in(AccountCode::output_vat_invoiced), -1'080);
    EXPECT_EQ(work(6'000).looked_at, 0);
    EXPECT_EQ(it->problems(), "");
}

TEST_P(InvoiceDeskTest, without_an_answer_it_is_asked_for_and_never_sent_blindly) {
    const VatInvoice asked = it->invoice(Books::over());
    work();  // no answer
    EXPECT_EQ(found(asked.id).state, InvoiceState::sent);
    EXPECT_EQ(found(asked.id).failure, "no answer");
    for (int i = 0; i < 20; ++i) work(700);  // nothing but silence
    EXPECT_EQ(platform->submitted.size(), 1U);
    EXPECT_EQ(platform->queried.size(), 20U);
    EXPECT_NE(Books::detail(withdraw_invoice(it->t.connection(), asked.id, it->change),
                            ErrorCode::conflict)
                  .find("may have been issued"),
              std::string::npos);
    platform->say(Outcome::not_known);
    work(700);
    EXPECT_EQ(found(asked.id).state, InvoiceState::requested);
    platform->say(Outcome::issued);
    work(61);
    EXPECT_EQ(platform->submitted, (std::vector<std::string>{asked.id, asked.id}))
        << "under the same number";
    EXPECT_EQ(found(asked.id).state, InvoiceState::issued);
    EXPECT_EQ(it->problems(), "");
}

TEST_P(InvoiceDeskTest, a_crash_after_sending_is_as_no_answer) {
    const VatInvoice asked = it->invoice(Books::over());
    // What is in the store when the process dies while it waits for the answer.
    ASSERT_TRUE(
        it->t.connection()
            .execute("UPDATE invoices SET state = 1, serial = id, tries = 1, next_try_at = ?",
                     {now.micros + 120'000'000})
            .ok());
    EXPECT_EQ(work(60).looked_at, 0) << "another process may be at it";
    platform->say(Outcome::issued);
    EXPECT_EQ(work(61).issued, 1);
    EXPECT_TRUE(platform->submitted.empty());
    EXPECT_EQ(platform->queried.size(), 1U);
}

TEST_P(InvoiceDeskTest, what_is_refused_frees_what_it_covered) {
    const VatInvoice asked = it->invoice(Books::over());
    platform->say(Outcome::refused, "E9131 税额误差");
    EXPECT_EQ(work().failed, 1);
    EXPECT_EQ(found(asked.id).state, InvoiceState::failed);
    EXPECT_EQ(found(asked.id).failure, "E9131 税额误差");
    EXPECT_EQ(left(), 18'000);
    EXPECT_EQ(it->invoice(Books::over()).id, "INV-20260410-2") << "no gap";
    EXPECT_EQ(it->problems(), "");
}

TEST_P(InvoiceDeskTest, a_red_letter_waits_for_the_buyer_and_frees_when_it_is_issued) {
    const VatInvoice blue = it->invoice(Books::over());
    platform->say(Outcome::issued);
    work();
    const VatInvoice red = it->red({.invoice_id = blue.id, .reason = RedReason::returned});
    EXPECT_EQ(red.state, InvoiceState::requested);
    EXPECT_EQ(left(), 0);
    EXPECT_NE(it->red_refused({.invoice_id = blue.id}, ErrorCode::conflict).find("under way"),
              std::string::npos);
    platform->say(Outcome::confirming);
    work(1);
    EXPECT_EQ(platform->submitted.back(), red.id + " of " + blue.id);
    EXPECT_EQ(found(red.id).state, InvoiceState::confirming);
    EXPECT_NE(it->note("chat", 100).find("take back at least"), std::string::npos);
    platform->say(Outcome::accepted);
    work(600);
    platform->say(Outcome::issued);
    work(600);
    EXPECT_EQ(found(red.id).state, InvoiceState::issued);
    EXPECT_EQ(left(), 18'000);
    EXPECT_EQ(it->fen_in(AccountCode::output_vat_invoiced), 0);
    EXPECT_EQ(it->note("chat", 100), "CN-acme-202603-1");
    EXPECT_EQ(it->problems(), "");
}

TEST_P(InvoiceDeskTest, a_red_letter_that_nobody_confirms_changes_nothing) {
    const VatInvoice blue = it->invoice(Books::over());
    platform->say(Outcome::issued);
    work();
    const VatInvoice red = it->red({.invoice_id = blue.id});
    platform->say(Outcome::confirming);
    work(1);
    platform->say(Outcome::refused, "nobody confirmed it within 72 hours");
    work(600);
    EXPECT_EQ(found(red.id).state, InvoiceState::failed);
    EXPECT_EQ(left(), 0);
    EXPECT_EQ(it->red({.invoice_id = blue.id}).state, InvoiceState::requested) << "once more";
    EXPECT_EQ(it->problems(), "");
}

TEST_P(InvoiceDeskTest, what_is_not_sent_yet_can_be_withdrawn) {
    const VatInvoice asked = it->invoice(Books::over());
    EXPECT_EQ(withdraw_invoice(it->t.connection(), asked.id, it->change)->state,
              InvoiceState::cancelled);
    EXPECT_EQ(left(), 18'000);
    EXPECT_EQ(work(600).looked_at, 0);
    EXPECT_EQ(withdraw_invoice(it->t.connection(), asked.id, it->change)->state,
              InvoiceState::cancelled);
    it->settings.platform = "local";
    const VatInvoice local = it->invoice(Books::over());
    EXPECT_NE(Books::detail(withdraw_invoice(it->t.connection(), local.id, it->change),
                            ErrorCode::conflict)
                  .find("red-letter"),
              std::string::npos);
    EXPECT_EQ(it->problems(), "");
}

TEST_P(InvoiceDeskTest, a_platform_that_is_not_configured_is_named) {
    const VatInvoice asked = it->invoice(Books::over());
    platforms.clear();
    EXPECT_EQ(work().under_way, 1);
    EXPECT_NE(found(asked.id).failure.find("'test' is not in the configuration"),
              std::string::npos);
    EXPECT_EQ(work(2).looked_at, 0) << "not every two seconds";
}

TEST_P(InvoiceDeskTest, platforms_issue_no_paper) {
    InvoiceRequest paper = Books::over();
    paper.form = InvoiceForm::paper;
    EXPECT_NE(it->refused(paper, ErrorCode::invalid_request).find("digital invoices"),
              std::string::npos);
}

TEST_P(InvoiceDeskTest, two_desks_send_an_invoice_once) {
    it->invoice(Books::over({Books::part("chat")}));
    it->invoice(Books::over({Books::part("search")}));
    // The other desk works while this one waits for its first answer.
    class Nested final : public InvoicePlatform {
      public:
        explicit Nested(InvoiceDeskTest* t) : test(t) {}
        std::string_view name() const override { return "test"; }
        PlatformAnswer submit(const VatInvoice& invoice, const VatInvoice*,
                              UtcMicros now) override {
            sent.push_back(invoice.id);
            if (sent.size() == 1) {
                const auto other = open_store(test->it->t.store().url());
                EXPECT_TRUE(InvoiceDesk(&test->platforms).work(**other, now).ok());
            }
            return {.outcome = Outcome::accepted, .issued_at = {}};
        }
        PlatformAnswer query(const VatInvoice&, UtcMicros) override { return {.issued_at = {}}; }
        InvoiceDeskTest* test;
        std::vector<std::string> sent;
    };
    auto nested = std::make_unique<Nested>(this);
    const Nested& seen = *nested;
    platforms["test"] = std::move(nested);
    work();
    EXPECT_EQ(seen.sent, (std::vector<std::string>{"INV-20260410-1", "INV-20260410-2"}));
}

TEST_P(InvoiceDeskTest, tokens_are_kept_in_the_store) {
    StoredTokens tokens(&it->t.connection());
    EXPECT_EQ(tokens.get("nuonuo", now), std::nullopt);
    tokens.put("nuonuo", "T1", {now.micros + 10});
    tokens.put("nuonuo", "T2", {now.micros + 20});
    EXPECT_EQ(tokens.get("nuonuo", now), "T2");
    EXPECT_EQ(tokens.get("baiwang", now), std::nullopt);
    EXPECT_EQ(tokens.get("nuonuo", {now.micros + 20}), std::nullopt);
}

}  // namespace
}  // namespace tg
