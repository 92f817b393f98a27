#include "billing/credit.h"

#include "billing/bill_register.h"
#include "billing/contracts.h"
#include "billing/payments.h"
#include "billing/test_billing.h"
#include "identity/customer_holds.h"
#include "identity/directory_holder.h"

namespace tg {
namespace {

UtcMicros when(std::string_view text) {
    return parse_rfc3339(text).value();
}
Change at(std::string_view text) {
    return {.actor = "test", .at = when(text)};
}

class CreditTest : public DialectTest {
  protected:
    static void agree(TestBooks& t, std::string_view terms) {
        (void)t.payer();
        const Result<ContractTerms> parsed = parse_contract_terms(terms);
        ASSERT_TRUE(parsed.ok()) << parsed.error().text();
        const Result<Contract> made = create_contract(t.connection(),
                                                      {.customer = "acme",
                                                       .code = "CT-1",
                                                       .first_day = parse_day("2026-03-01").value(),
                                                       .terms = *parsed},
                                                      at("2026-02-01T00:00:00Z"));
        ASSERT_TRUE(made.ok()) << made.error().text();
    }
    /// Input tokens of gpt-4o: 1,000,000 are 2.50 USD, 18 CNY, 19.08 with tax.
    static void use(TestBooks& t, std::int64_t input,
                    std::string_view time = "2026-03-05T10:00:00Z") {
        UsageEvent event = t.event(time);
        event.usage = Usage{};
        event.usage[Meter::input] = input;
        t.append(event);
        ASSERT_EQ(t.settle(), 1);
    }
    static void top_up(TestBooks& t, std::int64_t fen,
                       AllocationKind kind = AllocationKind::wallet) {
        static int next = 0;
        const Result<Payment> payment = record_payment(t.connection(),
                                                       {.bank_account = "6222",
                                                        .fen = fen,
                                                        .value_day = 20'500,
                                                        .reference = std::to_string(++next)},
                                                       at("2026-03-05T00:00:00Z"));
        ASSERT_TRUE(payment.ok()) << payment.error().text();
        ASSERT_TRUE(allocate_payment(t.connection(),
                                     {.payment_id = payment->id, .kind = kind, .customer = "acme"},
                                     at("2026-03-05T00:00:00Z"))
                        .ok());
    }
    static CreditStanding standing(TestBooks& t, std::string_view now = "2026-03-06T00:00:00Z") {
        CreditBook book{BillTerms{}};
        const auto all = book.read(t.connection(), when(now));
        EXPECT_TRUE(all.ok()) << (all.ok() ? "" : all.error().text());
        return all.ok() && !all->empty() ? all->front() : CreditStanding{};
    }
};
TG_INSTANTIATE_DIALECTS(CreditTest);

TEST_P(CreditTest, a_prepaid_customer_uses_what_it_has_paid) {
    TestBooks t(GetParam());
    agree(
        t,
        R"({"payment": {"mode": "prepaid"}, "rate_card": [{"kind": "discount", "percent": "50"}]})");
    EXPECT_EQ(standing(t).hold, "its prepaid balance is used up; top up to go on")
        << "nothing paid";
    top_up(t, 100'00);
    EXPECT_EQ(standing(t).hold, "");
    use(t, 10'000'000);
    CreditStanding now = standing(t);
    EXPECT_EQ(now.unbilled_fen, 95'40) << "at the contract's price, with tax";
    EXPECT_EQ(now.available_fen, 4'60);
    EXPECT_EQ(now.hold, "");
    use(t, 1'000'000);
    EXPECT_NE(standing(t).hold, "");
    top_up(t, 5'00, AllocationKind::deposit);
    EXPECT_NE(standing(t).hold, "") << "a deposit is no prepayment";
    top_up(t, 5'00);
    EXPECT_EQ(standing(t).available_fen, 6);
}

TEST_P(CreditTest, a_credit_limit_counts_what_is_billed_and_what_is_not) {
    TestBooks t(GetParam());
    agree(t, R"({"payment": {"credit_limit_cny": "200"}})");
    use(t, 5'000'000);
    EXPECT_EQ(standing(t).available_fen, 200'00 - 95'40);
    const Change april = at("2026-04-02T00:00:00Z");
    const auto draft = draft_into_register(t.connection(), "acme", {2026, 3}, BillTerms{}, april);
    ASSERT_TRUE(draft.ok()) << draft.error().text();
    ASSERT_TRUE(review_bill(t.connection(), draft->id, april).ok());
    ASSERT_TRUE(finalise_bill(t.connection(), draft->id, april).ok());
    CreditStanding now = standing(t, "2026-04-03T00:00:00Z");
    EXPECT_EQ(now.owed_fen, 95'40);
    EXPECT_EQ(now.unbilled_fen, 0);
    use(t, 1'000'000, "2026-03-31T10:00:00Z");  // late
    use(t, 4'000'000, "2026-04-02T10:00:00Z");
    now = standing(t, "2026-04-03T00:00:00Z");
    EXPECT_EQ(now.unbilled_fen, 95'40);
    EXPECT_EQ(now.available_fen, 9'20);
    top_up(t, 50'00, AllocationKind::deposit);
    EXPECT_EQ(standing(t, "2026-04-03T00:00:00Z").available_fen, 59'20);
    use(t, 4'000'000, "2026-04-02T10:00:00Z");
    EXPECT_EQ(standing(t, "2026-04-03T00:00:00Z").hold,
              "its credit limit of 200.00 CNY is used up; pay or top up to go on");
}

TEST_P(CreditTest, late_usage_alone_is_valued_too) {
    TestBooks t(GetParam());
    agree(t, R"({"payment": {"credit_limit_cny": "200"}})");
    use(t, 1'000'000);
    const Change april = at("2026-04-02T00:00:00Z");
    const auto draft = draft_into_register(t.connection(), "acme", {2026, 3}, BillTerms{}, april);
    ASSERT_TRUE(draft.ok());
    ASSERT_TRUE(review_bill(t.connection(), draft->id, april).ok());
    ASSERT_TRUE(finalise_bill(t.connection(), draft->id, april).ok());
    use(t, 2'000'000, "2026-03-31T10:00:00Z");
    EXPECT_EQ(standing(t, "2026-04-03T00:00:00Z").unbilled_fen, 38'16);
}

TEST_P(CreditTest, a_trial_ends_with_its_day_or_its_cap) {
    TestBooks t(GetParam());
    agree(t, R"({"trial": {"last_day": "2026-03-10", "cap": "5", "currency": "USD"}})");
    EXPECT_EQ(standing(t).hold, "");
    // The last moment of the 10th in Shanghai, and the next.
    EXPECT_EQ(standing(t, "2026-03-10T15:59:59Z").hold, "");
    EXPECT_EQ(standing(t, "2026-03-10T16:00:00Z").hold,
              "its trial ended with 2026-03-10; agree a contract to go on");
    use(t, 1'999'999);
    EXPECT_EQ(standing(t).trial_cents, 5'00) << "4.9999975 USD";
    EXPECT_EQ(standing(t).hold,
              "its trial's cap of 5.00 USD is used up; agree a contract to go on");
}

TEST_P(CreditTest, who_pays_too_late_is_refused_until_he_pays) {
    TestBooks t(GetParam());
    agree(t, R"({"payment": {"customer_kind": "medium"}})");
    use(t, 5'000'000);
    const Change april = at("2026-04-02T00:00:00Z");
    const auto draft = draft_into_register(t.connection(), "acme", {2026, 3}, BillTerms{}, april);
    ASSERT_TRUE(draft.ok());
    ASSERT_TRUE(review_bill(t.connection(), draft->id, april).ok());
    ASSERT_TRUE(finalise_bill(t.connection(), draft->id, april).ok());
    // Due 15 days after March, refused 15 days later.
    EXPECT_EQ(standing(t, "2026-04-30T15:59:59Z").hold, "");
    EXPECT_EQ(standing(t, "2026-04-30T16:00:01Z").hold,
              "bill BILL-acme-202603 is overdue; pay it to go on");
    ASSERT_TRUE(book_overdue(t.connection(), when("2026-05-01T00:00:00Z")).ok());
    EXPECT_NE(standing(t, "2026-05-01T00:00:00Z").hold, "") << "also when it is in 1203";
    const Payment payment =
        record_payment(
            t.connection(),
            {.bank_account = "6222", .fen = 95'40, .value_day = 20'570, .reference = "R"},
            at("2026-05-01T00:00:00Z"))
            .value();
    ASSERT_TRUE(
        allocate_payment(
            t.connection(),
            {.payment_id = payment.id, .kind = AllocationKind::bill, .bill_id = "BILL-acme-202603"},
            at("2026-05-01T00:00:00Z"))
            .ok());
    EXPECT_EQ(standing(t, "2026-05-01T00:00:00Z").hold, "");
}

/// given: a book that remembers what usage was worth
TEST_P(CreditTest, an_amendment_changes_what_the_same_usage_is_worth) {
    TestBooks t(GetParam());
    agree(t, R"({"payment": {"credit_limit_cny": "200"}})");
    use(t, 5'000'000);
    CreditBook book{BillTerms{}};
    const auto unbilled = [&] {
        return book.read(t.connection(), when("2026-03-06T00:00:00Z")).value().at(0).unbilled_fen;
    };
    EXPECT_EQ(unbilled(), 95'40);
    const Result<Contract> amended = amend_contract(
        t.connection(), "CT-1",
        {.from_day = parse_day("2026-03-01").value(),
         .terms =
             parse_contract_terms(
                 R"({"transfer_discount_percent": "50", "payment": {"credit_limit_cny": "200"}})")
                 .value(),
         .reason = "half price"},
        at("2026-03-06T00:00:00Z"));
    ASSERT_TRUE(amended.ok()) << amended.error().text();
    EXPECT_EQ(unbilled(), 47'70);
}

/// given: a gateway's view of who may call
/// then:  enforcing puts a customer on hold, and takes it off when there is money again
TEST_P(CreditTest, holds_follow_the_money) {
    TestBooks t(GetParam());
    agree(t, R"({"payment": {"mode": "prepaid"}})");
    CreditBook book{BillTerms{}};
    const auto enforce = [&] {
        const auto changed = book.enforce(t.connection(), when("2026-03-06T00:00:00Z"));
        EXPECT_TRUE(changed.ok()) << (changed.ok() ? "" : changed.error().text());
        return changed.ok() ? *changed : -1;
    };
    EXPECT_EQ(enforce(), 1);
    EXPECT_EQ(enforce(), 0);
    EXPECT_EQ(list_holds(t.connection())->size(), 1U);
    top_up(t, 20'00);
    EXPECT_EQ(enforce(), 1);
    EXPECT_EQ(list_holds(t.connection())->size(), 0U);
    use(t, 1'000'000);
    EXPECT_EQ(enforce(), 0) << "0.92 are left";
    use(t, 100'000);
    EXPECT_EQ(enforce(), 1);
    const auto directory = load_directory(t.connection());
    EXPECT_EQ(directory.value()->customer("acme")->hold,
              "its prepaid balance is used up; top up to go on");
}

}  // namespace
}  // namespace tg
