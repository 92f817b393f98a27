#include "billing/payments.h"

#include "billing/bill_notes.h"
#include "billing/bill_register.h"
#include "billing/internal/payment_matching.h"
#include "billing/test_billing.h"
#include "billing/test_fuse.h"
#include "ledger/balances.h"

namespace tg {
namespace {

using bill_internal::MatchBasis;
using bill_internal::plain_name;
using bill_internal::plain_text;

Change at(std::string_view time = "2026-04-09T00:00:00Z") {
    return {.actor = "token:5 cashier", .at = parse_rfc3339(time).value()};
}

class PaymentsTest : public DialectTest {
  protected:
    /// Final bills of March: acme has 1,908.00 CNY with tax, berlin 954.00.
    static void bill(TestBooks& t, YearMonth month = {2026, 3}) {
        for (const auto& [customer, input] :
             {std::pair<std::string, std::int64_t>{"acme", 100'000'000}, {"berlin", 50'000'000}}) {
            UsageEvent event = t.event(to_string(month) + "-05T10:00:00Z");
            event.payer = t.payer(customer);
            event.usage = Usage{};
            event.usage[Meter::input] = input;
            t.append(event);
        }
        ASSERT_EQ(t.settle(), 2);
        const Change now = at("2026-04-02T00:00:00Z");
        ASSERT_TRUE(run_bills(t.connection(), {.month = month, .terms = {}, .change = now}).ok());
        ASSERT_TRUE(review_bills(t.connection(), month, now).ok());
        const auto done = finalise_bills(t.connection(), month, now);
        ASSERT_TRUE(done.ok()) << done.error().text();
        ASSERT_EQ(done->done, 2);
    }
    static Payment pay(TestBooks& t, std::int64_t fen, std::string remittance,
                       std::string payer_name = "", std::string payer_account = "") {
        static int next = 0;
        const Result<Payment> paid = record_payment(t.connection(),
                                                    {.bank_account = "6222",
                                                     .fen = fen,
                                                     .value_day = parse_day("2026-04-08").value(),
                                                     .reference = "R" + std::to_string(++next),
                                                     .payer_name = std::move(payer_name),
                                                     .payer_account = std::move(payer_account),
                                                     .remittance = std::move(remittance)},
                                                    at());
        EXPECT_TRUE(paid.ok()) << (paid.ok() ? "" : paid.error().text());
        return paid.ok() ? *paid : Payment{};
    }
    static MatchReport match(TestBooks& t, bool dry_run = false) {
        const Result<MatchReport> report = match_payments(t.connection(), at(), dry_run);
        EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().text());
        return report.ok() ? *report : MatchReport{};
    }
    static BillHead head(TestBooks& t, const std::string& id) {
        return find_bill(t.connection(), id, at().at).value();
    }
    static std::int64_t balance(TestBooks& t, AccountCode account) {
        const auto balances = read_balances(t.connection(), {.account = account});
        EXPECT_TRUE(balances.ok());
        int128 sum = 0;
        for (const AccountBalance& each : *balances) sum += each.amount.value;
        return static_cast<std::int64_t>(sum / kFemtoPerCent);
    }
    static std::string error(const Result<Allocation>& allocation) {
        return allocation.ok() ? "" : allocation.error().detail;
    }
};
TG_INSTANTIATE_DIALECTS(PaymentsTest);

TEST_P(PaymentsTest, a_payment_that_names_its_bill_pays_it) {
    TestBooks t(GetParam());
    bill(t);
    const Payment payment = pay(t, 1'908'00, "bill acme 202603 thank you");
    EXPECT_EQ(payment.id, "PAY-1");
    EXPECT_EQ(balance(t, AccountCode::receipts_in_suspense), -1'908'00);
    EXPECT_EQ(match(t, true).matched, 1) << "a dry run books nothing";
    EXPECT_EQ(head(t, "BILL-acme-202603").status, BillStatus::overdue);
    EXPECT_EQ(match(t).matched, 1);
    EXPECT_EQ(head(t, "BILL-acme-202603").status, BillStatus::paid);
    EXPECT_EQ(find_payment(t.connection(), "PAY-1")->open_fen, 0);
    const auto parts = list_allocations(t.connection(), "PAY-1");
    ASSERT_EQ(parts->size(), 1U);
    EXPECT_EQ(parts->at(0).rule, MatchRule::bill_and_amount);
    EXPECT_EQ(balance(t, AccountCode::receipts_in_suspense), 0);
    EXPECT_EQ(balance(t, AccountCode::bank), 1'908'00);
    EXPECT_EQ(match(t).looked_at, 0);
    EXPECT_EQ(book_problems(t), "");
}

TEST_P(PaymentsTest, too_little_is_a_part_and_too_much_goes_to_the_wallet) {
    TestBooks t(GetParam());
    bill(t);
    bill(t, {2026, 2});
    pay(t, 1'000'00, "BILL-acme-202603");
    EXPECT_EQ(match(t).matched, 1);
    EXPECT_EQ(head(t, "BILL-acme-202603").open_fen, 908'00);
    // The named bill first, then the oldest, then the wallet.
    pay(t, 3'000'00, "BILL-acme-202603");
    EXPECT_EQ(match(t).matched, 1);
    EXPECT_EQ(head(t, "BILL-acme-202603").open_fen, 0);
    EXPECT_EQ(head(t, "BILL-acme-202602").open_fen, 0);
    EXPECT_EQ(balance(t, AccountCode::wallet_paid), -(3'000'00 - 908'00 - 1'908'00));
    EXPECT_EQ(book_problems(t), "");
}

TEST_P(PaymentsTest, one_transfer_for_two_bills_and_a_payer_who_is_known) {
    TestBooks t(GetParam());
    bill(t);
    bill(t, {2026, 2});
    pay(t, 3'816'00, "BILL-acme-202602,BILL-acme-202603", "Acme Treasury", "ACC-9");
    EXPECT_EQ(match(t).matched, 1);
    EXPECT_EQ(list_allocations(t.connection(), "PAY-1")->size(), 2U);
    bill(t, {2026, 1});
    pay(t, 1'908'00, "for January", "Acme Treasury", "ACC-9");
    EXPECT_EQ(match(t).matched, 1);
    EXPECT_EQ(list_allocations(t.connection(), "PAY-2")->at(0).rule, MatchRule::known_payer);
    EXPECT_EQ(head(t, "BILL-acme-202601").status, BillStatus::paid);
    EXPECT_EQ(book_problems(t), "");
}

TEST_P(PaymentsTest, what_is_not_sure_is_suggested_and_waits) {
    TestBooks t(GetParam());
    bill(t);
    pay(t, 1'908'00, "services", "CUSTOMER ACME Co., Ltd.");
    pay(t, 950'00, "services", "Customer berlin");
    pay(t, 123'45, "birthday", "Somebody");
    const MatchReport report = match(t);
    EXPECT_EQ(report.matched, 0);
    ASSERT_EQ(report.open.size(), 3U);
    ASSERT_FALSE(report.open[0].suggestions.empty());
    EXPECT_EQ(report.open[0].suggestions[0].rule, MatchRule::payer_name);
    EXPECT_EQ(report.open[0].suggestions[0].parts[0].bill_id, "BILL-acme-202603");
    ASSERT_FALSE(report.open[1].suggestions.empty());
    EXPECT_EQ(report.open[1].suggestions[0].rule, MatchRule::less_bank_fee);
    EXPECT_EQ(report.open[1].suggestions[0].fee_fen, 4'00);
    EXPECT_TRUE(report.open[2].suggestions.empty());
    EXPECT_EQ(balance(t, AccountCode::billed_receivable), 1'908'00 + 954'00) << "nothing is booked";

    ASSERT_EQ(error(allocate_payment(t.connection(),
                                     {.payment_id = "PAY-2",
                                      .kind = AllocationKind::bill,
                                      .bill_id = "BILL-berlin-202603",
                                      .fee_fen = 4'00},
                                     at())),
              "");
    EXPECT_EQ(head(t, "BILL-berlin-202603").status, BillStatus::paid);
    EXPECT_EQ(balance(t, AccountCode::bank_fees), 4'00);
    ASSERT_EQ(error(allocate_payment(
                  t.connection(), {.payment_id = "PAY-3", .kind = AllocationKind::refund}, at())),
              "");
    EXPECT_EQ(balance(t, AccountCode::refund_payable), -123'45);
    EXPECT_EQ(book_problems(t), "");
}

TEST_P(PaymentsTest, wallet_and_deposit_are_filled_by_hand) {
    TestBooks t(GetParam());
    bill(t);
    pay(t, 1'000'00, "advance");
    const auto use = [&](AllocationKind kind, std::optional<std::int64_t> fen,
                         std::string customer = "acme") {
        return error(allocate_payment(
            t.connection(),
            {.payment_id = "PAY-1", .kind = kind, .customer = std::move(customer), .fen = fen},
            at()));
    };
    EXPECT_EQ(use(AllocationKind::deposit, 400'00), "");
    EXPECT_EQ(use(AllocationKind::wallet, 600'01),
              "of payment PAY-1 600.00 CNY are open; 600.01 is more");
    EXPECT_NE(use(AllocationKind::wallet, 1, "nobody").find("'nobody' does not exist"),
              std::string::npos);
    EXPECT_EQ(use(AllocationKind::wallet, std::nullopt), "");
    EXPECT_NE(use(AllocationKind::wallet, std::nullopt).find("nothing of payment PAY-1 is left"),
              std::string::npos);
    EXPECT_EQ(balance(t, AccountCode::deposit), -400'00);
    EXPECT_EQ(balance(t, AccountCode::wallet_paid), -600'00);
    pay(t, 2'000'00, "");
    EXPECT_EQ(error(allocate_payment(t.connection(),
                                     {.payment_id = "PAY-2",
                                      .kind = AllocationKind::bill,
                                      .bill_id = "BILL-acme-202603",
                                      .fee_fen = 50'01},
                                     at())),
              "a bank's fee of 50.01 CNY cannot be; it is from 0 to 50.00 CNY, and of a bill only");
    EXPECT_EQ(error(allocate_payment(t.connection(),
                                     {.payment_id = "PAY-2",
                                      .kind = AllocationKind::bill,
                                      .bill_id = "BILL-acme-202603",
                                      .fen = 1'908'01},
                                     at())),
              "of bill BILL-acme-202603 1,908.00 CNY are owed; 1,908.01 is more");
    EXPECT_EQ(book_problems(t), "");
}

TEST_P(PaymentsTest, a_wallet_pays_bills_oldest_first) {
    TestBooks t(GetParam());
    (void)t.payer();
    pay(t, 2'000'00, "advance");
    ASSERT_EQ(
        error(allocate_payment(
            t.connection(),
            {.payment_id = "PAY-1", .kind = AllocationKind::wallet, .customer = "acme"}, at())),
        "");
    bill(t);
    bill(t, {2026, 2});
    // Of March's bill what the wallet has left; it is overdue by then.
    ASSERT_EQ(book_overdue(t.connection(), parse_rfc3339("2026-05-01T00:00:00Z").value()).value(),
              4);
    EXPECT_EQ(pay_from_wallets(t.connection(), at()).value(), 2);
    EXPECT_EQ(head(t, "BILL-acme-202602").status, BillStatus::paid);
    EXPECT_EQ(head(t, "BILL-acme-202603").open_fen, 2 * 1'908'00 - 2'000'00);
    EXPECT_EQ(balance(t, AccountCode::wallet_paid), 0);
    EXPECT_EQ(pay_from_wallets(t.connection(), at()).value(), 0);
    EXPECT_EQ(book_problems(t), "");
}

constexpr std::string_view kCsv =
    "date,credit,debit,payer,text,reference\n"
    "2026-04-08,1908.00,,Acme,BILL-acme-202603,X-1\n"
    "2026-04-08,5.00,,Twin,same,\n"
    "2026-04-08,5.00,,Twin,same,\n"
    "2026-04-08,,7.00,Landlord,rent,X-2\n";

StatementImport import(TestBooks& t, std::string_view csv) {
    BankStatement statement = parse_statement_csv(csv, csv_mapping("generic").value()).value();
    statement.account = "6222";
    const Result<StatementImport> done =
        import_statement(t.connection(), statement, "generic", csv, at());
    EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().text());
    return done.ok() ? *done : StatementImport{};
}

/// given: files that overlap, and two transfers that look the same
TEST_P(PaymentsTest, a_row_of_a_statement_is_recorded_once) {
    TestBooks t(GetParam());
    bill(t);
    const StatementImport first = import(t, kCsv);
    EXPECT_EQ(first.recorded, 3) << "two equal rows are two transfers";
    EXPECT_EQ(first.outgoing, 1);
    EXPECT_TRUE(import(t, kCsv).was_imported);
    const StatementImport next = import(t, std::string(kCsv) + "2026-04-09,5.00,,Twin,same,\n");
    EXPECT_EQ(next.recorded, 1);
    EXPECT_EQ(next.known, 3);
    EXPECT_EQ(match(t).matched, 1);
    EXPECT_EQ(list_payments(t.connection(), {.open_only = true})->size(), 3U);
    EXPECT_EQ(list_payments(t.connection(), {.first_day = parse_day("2026-04-09").value()})->size(),
              1U);
    const std::string changed = "date,credit,reference\n2026-04-08,1909.00,X-1\n";
    BankStatement statement = parse_statement_csv(changed, csv_mapping("generic").value()).value();
    statement.account = "6222";
    const auto refused = import_statement(t.connection(), statement, "generic", changed, at());
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().detail,
              "line 2: reference 'X-1' of account 6222 is payment PAY-1 over 1,908.00 CNY of "
              "2026-04-08, not 1,909.00 CNY of 2026-04-08");
    EXPECT_EQ(t.rows("SELECT COUNT(*) FROM bank_statements", 1), "2\n") << "all or nothing";
    for (const std::string sql : {"UPDATE payments SET fen = 1", "DELETE FROM payments",
                                  "DELETE FROM payment_allocations", "DELETE FROM bank_statements"})
        EXPECT_FALSE(t.connection().execute(sql, {}).ok()) << sql;
    EXPECT_EQ(book_problems(t), "");
}

TEST_P(PaymentsTest, a_payment_asked_for_again_is_the_same) {
    TestBooks t(GetParam());
    const NewPayment payment{
        .bank_account = "6222", .fen = 5'00, .value_day = 20'000, .reference = "X"};
    const Payment first = record_payment(t.connection(), payment, at()).value();
    EXPECT_EQ(record_payment(t.connection(), payment, at())->id, first.id);
    NewPayment other = payment;
    other.fen = 6'00;
    EXPECT_EQ(record_payment(t.connection(), other, at()).error().code, ErrorCode::conflict);
    other.fen = 0;
    EXPECT_EQ(record_payment(t.connection(), other, at()).error().code, ErrorCode::invalid_request);
    other = payment;
    other.bank_account.clear();
    EXPECT_EQ(record_payment(t.connection(), other, at()).error().code, ErrorCode::invalid_request);
    EXPECT_EQ(t.rows("SELECT COUNT(*) FROM payments", 1), "1\n");
}

TEST_P(PaymentsTest, verify_notices_what_was_changed) {
    TestBooks t(GetParam());
    bill(t);
    pay(t, 1'908'00, "BILL-acme-202603");
    match(t);
    const bool is_sqlite = GetParam() == Dialect::sqlite;
    const auto change = [&](const std::string& sql) {
        const Status done = t.connection().execute_script(sql);
        ASSERT_TRUE(done.ok()) << done.error().text();
    };
    change(is_sqlite ? "DROP TRIGGER payments_are_never_changed; DROP TRIGGER "
                       "payment_allocations_are_never_changed; DROP TRIGGER "
                       "payment_allocations_are_never_deleted"
                     : "ALTER TABLE payments DISABLE TRIGGER USER; ALTER TABLE "
                       "payment_allocations DISABLE TRIGGER USER");
    change("UPDATE payments SET fen = 190801");
    EXPECT_NE(book_problems(t).find("PAY-1: the amount is 1,908.01 CNY, in the ledger 1,908.00"),
              std::string::npos);
    change("UPDATE payments SET fen = 190800; UPDATE payment_allocations SET fen = 190000");
    EXPECT_NE(
        book_problems(t).find("PAY-1-1: the amount taken is 1,900.00 CNY, in the ledger 1,908.00"),
        std::string::npos);
    change("DELETE FROM payment_allocations");
    EXPECT_NE(book_problems(t).find("which is in no allocation"), std::string::npos);
}

TEST(PaymentTextTest, what_banks_leave_of_a_reference) {
    EXPECT_EQ(plain_text("BILL-acme-202603"), "BILLACME202603");
    EXPECT_EQ(plain_text(" ｂｉｌｌ－ＡＣＭＥ－２０２６０３。"), "BILLACME202603");
    EXPECT_EQ(plain_text("极光（科技）"), "极光科技");
    EXPECT_EQ(plain_name("极光科技股份有限公司"), "极光科技");
    EXPECT_EQ(plain_name("Acme Co., Ltd."), "ACME");
    EXPECT_EQ(plain_name("公司"), "公司");
    EXPECT_EQ(plain_text("\xff\xfe"
                         "a"),
              "A")
        << "bytes that are no text";
}

TEST(PaymentTextTest, a_longer_number_is_another_bills) {
    MatchBasis basis;
    basis.bills = {{"BILL-a-202603", "a", CustomerId(1), 100}};
    Payment payment;
    payment.open_fen = 100;
    payment.remittance = "BILL-a-2026031";
    EXPECT_TRUE(bill_internal::find_matches(payment, basis).empty());
    payment.remittance = "BILL-a-202603.";
    EXPECT_EQ(bill_internal::find_matches(payment, basis).size(), 1U);
}

}  // namespace
}  // namespace tg
