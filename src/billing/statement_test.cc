#include "billing/statement.h"

#include "billing/bill_notes.h"
#include "billing/bill_register.h"
#include "billing/payments.h"
#include "billing/test_billing.h"

namespace tg {
namespace {

Change at(std::string_view time) {
    return {.actor = "token:5 cashier", .at = parse_rfc3339(time).value()};
}

/// acme has a final bill of March over 1,908.00 CNY with tax.
class StatementTest : public DialectTest {
  protected:
    void SetUp() override {
        t.emplace(GetParam());
        bill({2026, 3}, "2026-04-02T00:00:00Z");
    }
    void bill(YearMonth month, std::string_view when) {
        UsageEvent event = t->event(to_string(month) + "-05T10:00:00Z");
        event.usage = Usage{};
        event.usage[Meter::input] = 100'000'000;
        t->append(event);
        const Change now = at(when);
        // The ledger never books before its last entry.
        ManualClock clock(now.at);
        SettlerOptions options = t->settler_options();
        options.clock = &clock;
        ASSERT_EQ(t->settle(std::move(options)), 1);
        const auto draft = draft_into_register(t->connection(), "acme", month, {}, now);
        ASSERT_TRUE(draft.ok()) << draft.error().text();
        ASSERT_TRUE(review_bill(t->connection(), draft->id, now).ok());
        ASSERT_TRUE(finalise_bill(t->connection(), draft->id, now).ok());
    }
    void pay(std::int64_t fen, std::string reference, std::string remittance,
             std::string_view when) {
        const auto paid = record_payment(t->connection(),
                                         {.bank_account = "6222",
                                          .fen = fen,
                                          .value_day = parse_day(when.substr(0, 10)).value(),
                                          .reference = std::move(reference),
                                          .remittance = std::move(remittance)},
                                         at(when));
        ASSERT_TRUE(paid.ok()) << paid.error().text();
        ASSERT_EQ(match_payments(t->connection(), at(when), false)->matched, 1);
    }
    AccountStatement statement(YearMonth first, YearMonth last,
                               std::string_view now = "2026-12-31T00:00:00Z") {
        const auto out =
            account_statement(t->connection(), "acme", first, last, parse_rfc3339(now).value());
        EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().text());
        return out.ok() ? *out : AccountStatement{};
    }
    /// "2026-04-02 bill BILL-acme-202603 1,908.00 = 1,908.00" lines.
    static std::string text(const AccountStatement& statement) {
        std::string out;
        for (const StatementLine& line : statement.lines) {
            out += day_text(line.day) + " " + std::string(name(line.cause)) + " " + line.document +
                   (line.reference.empty() ? "" : " for " + line.reference) + ": " +
                   format_cents(line.owed_fen) + " = " + format_cents(line.owed_after_fen) +
                   ", ahead " + format_cents(line.prepaid_fen) + " = " +
                   format_cents(line.prepaid_after_fen) + "\n";
        }
        return out;
    }
    std::optional<TestBooks> t;
};
TG_INSTANTIATE_DIALECTS(StatementTest);

TEST_P(StatementTest, what_was_billed_credited_and_paid_adds_up) {
    ASSERT_TRUE(issue_note(t->connection(),
                           {.bill_id = "BILL-acme-202603", .net_fen = 100'00, .reason = "agreed"},
                           at("2026-04-03T00:00:00Z"))
                    .ok());
    pay(1'802'00, "R1", "BILL-acme-202603", "2026-04-06T00:00:00Z");
    bill({2026, 4}, "2026-05-02T00:00:00Z");
    pay(2'000'00, "R2", "BILL-acme-202604", "2026-05-06T15:59:59Z");
    const AccountStatement april = statement({2026, 4}, {2026, 4});
    EXPECT_EQ(text(april),
              R"(2026-04-02 bill BILL-acme-202603: 1,908.00 = 1,908.00, ahead 0.00 = 0.00
2026-04-03 credit_note CN-acme-202603-1 for BILL-acme-202603: -106.00 = 1,802.00, ahead 0.00 = 0.00
2026-04-06 allocation PAY-1-1 for BILL-acme-202603: -1,802.00 = 0.00, ahead 0.00 = 0.00
)");
    EXPECT_EQ(april.id(), "STATEMENT-acme-202604");
    EXPECT_EQ(april.closing_owed_fen, 0);
    EXPECT_TRUE(april.open_bills.empty());
    const AccountStatement both = statement({2026, 4}, {2026, 5});
    EXPECT_EQ(both.lines.size(), 6U) << text(both);
    EXPECT_EQ(both.closing_owed_fen, 0);
    EXPECT_EQ(both.closing_prepaid_fen, 92'00) << "what was paid too much";
    const AccountStatement may = statement({2026, 5}, {2026, 5});
    EXPECT_EQ(may.opening_owed_fen, 0);
    EXPECT_EQ(may.lines.size(), 3U) << text(may);
    EXPECT_EQ(text(statement({2026, 6}, {2026, 6})), "");
    EXPECT_EQ(statement({2026, 6}, {2026, 6}).opening_prepaid_fen, 92'00);
    EXPECT_EQ(statement({2026, 3}, {2026, 3}).closing_owed_fen, 0) << "booked in April";
}

TEST_P(StatementTest, what_is_open_is_listed_and_becoming_overdue_is_no_event) {
    AccountStatement open = statement({2026, 4}, {2026, 4}, "2026-04-05T00:00:00Z");
    EXPECT_EQ(open.id(), "STATEMENT-acme-202604");
    ASSERT_EQ(open.open_bills.size(), 1U);
    EXPECT_EQ(open.open_bills[0].open_fen, 1'908'00);
    EXPECT_FALSE(open.open_bills[0].is_overdue);
    ASSERT_EQ(book_overdue(t->connection(), at("2026-04-20T00:00:00Z").at).value(), 1);
    open = statement({2026, 4}, {2026, 4});
    EXPECT_EQ(open.lines.size(), 1U) << text(open);
    ASSERT_EQ(open.open_bills.size(), 1U);
    EXPECT_TRUE(open.open_bills[0].is_overdue);
    EXPECT_EQ(open.closing_owed_fen, 1'908'00);
    const std::string json = statement_as_json(open);
    EXPECT_NE(json.find(R"("closing_owed_cny":"1908.00")"), std::string::npos) << json;
}

TEST_P(StatementTest, what_cannot_be_is_refused) {
    const auto refused = [&](std::string_view customer, YearMonth first, YearMonth last) {
        const auto out = account_statement(t->connection(), customer, first, last, {0});
        return out.ok() ? "" : out.error().detail;
    };
    EXPECT_NE(refused("nobody", {2026, 4}, {2026, 4}).find("'nobody' does not exist"),
              std::string::npos);
    EXPECT_NE(refused("acme", {2026, 5}, {2026, 4}).find("begin with 2026-05"), std::string::npos);
}

}  // namespace
}  // namespace tg
