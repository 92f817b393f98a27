#include "billing/settlements.h"

#include "billing/bill_notes.h"
#include "billing/bill_register.h"
#include "billing/payments.h"
#include "billing/test_billing.h"
#include "ledger/balances.h"

namespace tg {
namespace {

Change at(std::string_view time = "2026-05-20T00:00:00Z") {
    return {.actor = "token:5 cashier", .at = parse_rfc3339(time).value()};
}

/// acme has a final bill of March over 1,908.00 CNY with tax.
class SettlementsTest : public DialectTest {
  protected:
    void SetUp() override {
        t.emplace(GetParam());
        UsageEvent event = t->event("2026-03-05T10:00:00Z");
        event.usage = Usage{};
        event.usage[Meter::input] = 100'000'000;
        t->append(event);
        ASSERT_EQ(t->settle(), 1);
        const Change now = at("2026-04-02T00:00:00Z");
        ASSERT_TRUE(draft_into_register(t->connection(), "acme", {2026, 3}, {}, now).ok());
        ASSERT_TRUE(review_bill(t->connection(), kBill, now).ok());
        ASSERT_TRUE(finalise_bill(t->connection(), kBill, now).ok());
    }
    void pay(std::int64_t fen) {
        ASSERT_TRUE(record_payment(t->connection(),
                                   {.bank_account = "6222",
                                    .fen = fen,
                                    .value_day = parse_day("2026-04-08").value(),
                                    .reference = "R1",
                                    .remittance = std::string(kBill)},
                                   at())
                        .ok());
        ASSERT_EQ(match_payments(t->connection(), at(), false)->matched, 1);
    }
    std::int64_t balance(AccountCode account) {
        int128 sum = 0;
        for (const AccountBalance& each :
             read_balances(t->connection(), {.account = account}).value())
            sum += each.amount.value;
        return static_cast<std::int64_t>(sum / kFemtoPerCent);
    }
    template <typename T>
    static std::string error(const Result<T>& result, ErrorCode code) {
        EXPECT_FALSE(result.ok());
        if (result.ok()) return "";
        EXPECT_EQ(result.error().code, code) << result.error().text();
        return result.error().detail;
    }
    BillStatus status() { return find_bill(t->connection(), kBill, at().at)->status; }

    static constexpr std::string_view kBill = "BILL-acme-202603";
    std::optional<TestBooks> t;
};
TG_INSTANTIATE_DIALECTS(SettlementsTest);

TEST_P(SettlementsTest, a_debt_is_written_off_in_part_and_then_the_rest) {
    ASSERT_EQ(book_overdue(t->connection(), at().at).value(), 1);
    const NewWriteOff part{
        .bill_id{kBill}, .fen = 908'00, .reason = "insolvent", .reference = "W1"};
    const Settlement first = write_off(t->connection(), part, at()).value();
    EXPECT_EQ(first.id, "SET-1");
    EXPECT_EQ(write_off(t->connection(), part, at())->id, "SET-1") << "the same again";
    EXPECT_EQ(balance(AccountCode::overdue_receivable), 1'000'00);
    EXPECT_EQ(balance(AccountCode::bad_debt), 908'00);
    EXPECT_EQ(balance(AccountCode::output_vat_to_invoice), -108'00) << "VAT stays";
    EXPECT_NE(error(write_off(t->connection(),
                              {.bill_id{kBill}, .fen = 1'000'01, .reason = "insolvent"}, at()),
                    ErrorCode::conflict)
                  .find("is 1,000.00 CNY; 1,000.01 CNY of it cannot be"),
              std::string::npos);
    const Settlement rest =
        write_off(t->connection(), {.bill_id{kBill}, .reason = "insolvent"}, at()).value();
    EXPECT_EQ(rest.fen, 1'000'00);
    EXPECT_EQ(status(), BillStatus::paid) << "nothing is owed any more";
    error(write_off(t->connection(), {.bill_id{kBill}, .reason = "again"}, at()),
          ErrorCode::conflict);
    EXPECT_EQ(list_settlements(t->connection(), t->payer().customer)->size(), 2U);
    EXPECT_EQ(book_problems(*t), "");
}

TEST_P(SettlementsTest, what_is_in_the_wallet_is_given_back_and_paid_out) {
    pay(2'000'00);
    EXPECT_EQ(balance(AccountCode::wallet_paid), -92'00);
    const Settlement refund =
        approve_refund(t->connection(), {.customer = "acme", .fen = 90'00, .reason = "asked for"},
                       at())
            .value();
    EXPECT_EQ(balance(AccountCode::wallet_paid), -2'00);
    EXPECT_EQ(
        error(
            approve_refund(
                t->connection(),
                {.customer = "acme", .source = RefundSource::deposit, .reason = "asked for"}, at()),
            ErrorCode::conflict),
        "the deposit of customer 'acme' is 0.00 CNY; 0.00 CNY of it cannot be");
    const auto open = open_refunds(t->connection()).value();
    ASSERT_EQ(open.size(), 1U);
    EXPECT_EQ(open[0].id, refund.id);
    EXPECT_EQ(open[0].fen, 90'00);
    const NewPayout half{
        .refund_id = refund.id, .fen = 40'00, .bank_account = "6222", .reference = "BANK-9"};
    EXPECT_EQ(record_payout(t->connection(), half, at())->id, "SET-2");
    EXPECT_EQ(record_payout(t->connection(), half, at())->id, "SET-2") << "the same transfer";
    EXPECT_EQ(balance(AccountCode::bank), 2'000'00 - 40'00);
    EXPECT_NE(error(record_payout(t->connection(),
                                  {.refund_id = refund.id,
                                   .fen = 50'01,
                                   .bank_account = "6222",
                                   .reference = "BANK-10"},
                                  at()),
                    ErrorCode::conflict)
                  .find("is 50.00 CNY"),
              std::string::npos);
    EXPECT_EQ(record_payout(
                  t->connection(),
                  {.refund_id = refund.id, .bank_account = "6222", .reference = "BANK-11"}, at())
                  ->fen,
              50'00);
    EXPECT_TRUE(open_refunds(t->connection())->empty());
    EXPECT_NE(error(record_payout(t->connection(),
                                  {.refund_id = refund.id,
                                   .fen = 41'00,
                                   .bank_account = "6222",
                                   .reference = "BANK-9"},
                                  at()),
                    ErrorCode::conflict)
                  .find("as SET-2 over 40.00 CNY"),
              std::string::npos);
    // One transfer may pay two refunds.
    const Settlement rest =
        approve_refund(t->connection(), {.customer = "acme", .reason = "the rest"}, at()).value();
    EXPECT_EQ(
        record_payout(t->connection(),
                      {.refund_id = rest.id, .bank_account = "6222", .reference = "BANK-9"}, at())
            ->fen,
        2'00);
    EXPECT_EQ(book_problems(*t), "");
}

TEST_P(SettlementsTest, what_a_credit_note_owes_back_is_paid_out) {
    pay(1'908'00);
    ASSERT_TRUE(
        issue_note(t->connection(), {.bill_id{kBill}, .net_fen = 100'00, .reason = "agreed"}, at())
            .ok());
    const auto open = open_refunds(t->connection()).value();
    ASSERT_EQ(open.size(), 1U);
    EXPECT_EQ(open[0].id, "CN-acme-202603-1");
    EXPECT_EQ(open[0].fen, 106'00);
    const Settlement paid =
        record_payout(t->connection(),
                      {.refund_id = "CN-acme-202603-1", .bank_account = "6222", .reference = "B1"},
                      at())
            .value();
    EXPECT_EQ(paid.customer_code, "acme");
    EXPECT_EQ(balance(AccountCode::refund_payable), 0);
    EXPECT_EQ(book_problems(*t), "");
}

TEST_P(SettlementsTest, what_cannot_be_is_refused) {
    error(write_off(t->connection(), {.bill_id = "BILL-acme-202601", .reason = "x"}, at()),
          ErrorCode::not_found);
    error(write_off(t->connection(), {.bill_id{kBill}}, at()), ErrorCode::invalid_request);
    error(write_off(t->connection(), {.bill_id{kBill}, .fen = 0, .reason = "x"}, at()),
          ErrorCode::invalid_request);
    error(approve_refund(t->connection(), {.customer = "nobody", .reason = "x"}, at()),
          ErrorCode::not_found);
    error(record_payout(t->connection(), {.refund_id = "SET-1", .bank_account = "1"}, at()),
          ErrorCode::invalid_request);
    error(record_payout(t->connection(),
                        {.refund_id = "SET-1", .bank_account = "1", .reference = "B"}, at()),
          ErrorCode::not_found);
    EXPECT_TRUE(list_settlements(t->connection(), {})->empty());
}

TEST_P(SettlementsTest, verify_finds_what_was_changed) {
    ASSERT_TRUE(
        write_off(t->connection(), {.bill_id{kBill}, .fen = 8'00, .reason = "x"}, at()).ok());
    const bool is_sqlite = GetParam() == Dialect::sqlite;
    ASSERT_TRUE(t->connection()
                    .execute_script(is_sqlite ? "DROP TRIGGER settlements_are_never_changed; DROP "
                                                "TRIGGER settlements_are_never_deleted"
                                              : "ALTER TABLE settlements DISABLE TRIGGER USER")
                    .ok());
    const auto after = [&](std::string_view sql) {
        EXPECT_TRUE(t->connection().execute(sql).ok()) << sql;
        return book_problems(*t);
    };
    EXPECT_NE(
        after("UPDATE settlements SET fen = 900").find("is over 9.00 CNY, in the ledger 8.00"),
        std::string::npos);
    EXPECT_NE(after("UPDATE settlements SET fen = 800, subject = 'BILL-b-202603'")
                  .find("its entry about something else"),
              std::string::npos);
    EXPECT_NE(after("UPDATE settlements SET number = 2").find("where SET-1 should be"),
              std::string::npos);
    EXPECT_NE(after("DELETE FROM settlements").find("SET-1: is in the ledger, but no settlement"),
              std::string::npos);
}

}  // namespace
}  // namespace tg
