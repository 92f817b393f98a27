#include "billing/bill_adjustments.h"

#include "billing/bill_notes.h"
#include "billing/bill_register.h"
#include "billing/test_billing.h"
#include "identity/audit_log.h"
#include "ledger/balances.h"

namespace tg {
namespace {

constexpr YearMonth kMarch{2026, 3}, kApril{2026, 4};

Change at(std::string_view time) {
    return {.actor = "token:3 finance", .at = parse_rfc3339(time).value()};
}
const Change kInMarch = at("2026-03-20T00:00:00Z"), kInApril = at("2026-04-05T00:00:00Z");

/// Books of 'acme' with usage of 180.00 CNY in March: project chat has nine tenths of it.
class AdjustedBooks {
  public:
    explicit AdjustedBooks(Dialect dialect) : t(dialect) {
        for (const auto& [project, tokens] :
             {std::pair{"chat", 9'000'000}, {"search", 1'000'000}}) {
            UsageEvent event = t.event();
            event.payer = t.payer("acme", project);
            event.usage = {};
            event.usage[Meter::input] = tokens;
            t.append(event);
        }
        EXPECT_EQ(t.settle(), 2);
    }
    static NewAdjustment wanted(std::int64_t cents, std::string project = "",
                                BillItemKind kind = BillItemKind::adjustment) {
        return {.customer = "acme",
                .month = kMarch,
                .kind = kind,
                .project = std::move(project),
                .cents = cents,
                .text = "as agreed on 18 March"};
    }
    BillAdjustment add(const NewAdjustment& adjustment) {
        const Result<BillAdjustment> out = add_adjustment(t.connection(), adjustment, kInMarch);
        EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().text());
        return out.ok() ? *out : BillAdjustment{};
    }
    std::string refused(const NewAdjustment& adjustment, ErrorCode code) {
        const Result<BillAdjustment> out = add_adjustment(t.connection(), adjustment, kInMarch);
        EXPECT_FALSE(out.ok());
        if (out.ok()) return "";
        EXPECT_EQ(out.error().code, code) << out.error().text();
        return out.error().detail;
    }
    Bill bill(YearMonth month = kMarch) {
        return current_bill(t.connection(), "acme", month, BillTerms{}).value();
    }
    Result<BillHead> draft(YearMonth month = kMarch) {
        return draft_into_register(t.connection(), "acme", month, BillTerms{}, kInApril);
    }
    BillHead finalise() {
        EXPECT_TRUE(draft().ok());
        EXPECT_TRUE(review_bill(t.connection(), "BILL-acme-202603", kInApril).ok());
        const Result<BillHead> out = finalise_bill(t.connection(), "BILL-acme-202603", kInApril);
        EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().text());
        return out.ok() ? *out : BillHead{};
    }
    /// Fen of all accounts with that code.
    std::int64_t balance(AccountCode account) {
        Femto sum;
        for (const AccountBalance& each :
             read_balances(t.connection(), {.account = account}).value())
            sum += each.amount;
        return static_cast<std::int64_t>(sum.value / kFemtoPerCent);
    }

    TestBooks t;
};

class BillAdjustmentsTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(BillAdjustmentsTest);

TEST_P(BillAdjustmentsTest, an_adjustment_is_a_line_on_the_bill_and_in_the_ledger) {
    AdjustedBooks b(GetParam());
    const BillAdjustment fee = b.add(AdjustedBooks::wanted(20'00));
    EXPECT_EQ(fee.id, "ADJ-1");
    const BillAdjustment goodwill = b.add(AdjustedBooks::wanted(-50'00, "search"));
    const Bill bill = b.bill();
    ASSERT_EQ(bill.items.size(), 3U);
    EXPECT_EQ(bill.items[0].project, "chat");
    EXPECT_EQ(bill.items[0].cny_fen, 18'00) << "shared by what each has to pay";
    EXPECT_EQ(bill.items[1].cny_fen, 2'00);
    EXPECT_EQ(bill.items[2].adjustment, goodwill.id);
    EXPECT_EQ(bill.items[2].project, "search");
    EXPECT_EQ(bill.items[2].cny_fen, -50'00) << "a project's part may be below 0, the bill not";
    EXPECT_EQ(bill.total.cny_fen, 150'00);
    EXPECT_EQ(bill.total.vat_fen, 9'00);

    EXPECT_EQ(b.finalise().total_fen, 159'00);
    EXPECT_EQ(b.balance(AccountCode::bill_adjustments), 30'00) << "a debit: less income";
    EXPECT_EQ(b.balance(AccountCode::billed_receivable), 159'00);
    EXPECT_EQ(book_problems(b.t), "");
    const Bill read = parse_bill_json(bill_as_json(bill)).value();
    EXPECT_EQ(bill_as_json(read), bill_as_json(bill));
    std::string old = bill_as_json(bill);
    const std::size_t from = old.find("\"adjustments\":["), to = old.find("\"commitments\"");
    ASSERT_LT(from, to);
    EXPECT_TRUE(parse_bill_json(old.erase(from, to - from))->items.empty())
        << "a document from before there were adjustments";
    EXPECT_NE(bill_as_table(bill).find("as agreed on 18 March  ADJ-2  -6.94  -50.00"),
              std::string::npos)
        << bill_as_table(bill);
    EXPECT_NE(bill_as_csv(bill).find("adjustment,search,"), std::string::npos);
}

TEST_P(BillAdjustmentsTest, an_sla_credit_is_owed_until_the_bill_takes_it) {
    AdjustedBooks b(GetParam());
    const BillAdjustment credit =
        b.add(AdjustedBooks::wanted(-30'00, "", BillItemKind::sla_credit));
    EXPECT_EQ(b.balance(AccountCode::sla_credits_owed), -30'00);
    EXPECT_EQ(b.balance(AccountCode::sla_credit_expense), 30'00);
    const BillAdjustment wrong =
        b.add(AdjustedBooks::wanted(-99'00, "chat", BillItemKind::sla_credit));
    EXPECT_EQ(b.balance(AccountCode::sla_credits_owed), -129'00);
    EXPECT_EQ(book_problems(b.t), "");
    ASSERT_TRUE(cancel_adjustment(b.t.connection(), wrong.id, kInMarch).ok());
    EXPECT_EQ(b.balance(AccountCode::sla_credits_owed), -30'00);
    EXPECT_EQ(b.balance(AccountCode::sla_credit_expense), 30'00);
    EXPECT_EQ(book_problems(b.t), "");
    EXPECT_EQ(b.finalise().net_fen, 150'00);
    EXPECT_EQ(b.balance(AccountCode::sla_credits_owed), 0);
    EXPECT_EQ(b.balance(AccountCode::sla_credit_expense), 30'00);
    EXPECT_EQ(book_problems(b.t), "");
}

TEST_P(BillAdjustmentsTest, what_was_reviewed_is_reviewed_anew) {
    AdjustedBooks b(GetParam());
    ASSERT_TRUE(b.draft().ok());
    ASSERT_TRUE(review_bill(b.t.connection(), "BILL-acme-202603", kInApril).ok());
    const BillAdjustment credit = b.add(AdjustedBooks::wanted(-30'00));
    const Result<BillHead> early = finalise_bill(b.t.connection(), "BILL-acme-202603", kInApril);
    ASSERT_FALSE(early.ok());
    EXPECT_EQ(early.error().code, ErrorCode::conflict);
    EXPECT_NE(early.error().detail.find("190.80 CNY, and is 159.00 CNY"), std::string::npos)
        << early.error().detail;
    const Result<BillAdjustment> cancelled =
        cancel_adjustment(b.t.connection(), credit.id, kInApril);
    ASSERT_TRUE(cancelled.ok());
    EXPECT_EQ(cancelled->cancelled_by, "token:3 finance");
    EXPECT_EQ(cancel_adjustment(b.t.connection(), credit.id, at("2026-05-01T00:00:00Z"))
                  ->cancelled_at.micros,
              kInApril.at.micros)
        << "cancelled once";
    EXPECT_EQ(b.finalise().total_fen, 190'80);

    // What is final is corrected by notes.
    EXPECT_NE(b.refused(AdjustedBooks::wanted(1), ErrorCode::conflict).find("is final"),
              std::string::npos);
    ASSERT_FALSE(cancel_adjustment(b.t.connection(), "ADJ-77", kInApril).ok());
    EXPECT_EQ(list_adjustments(b.t.connection(), {.month = kMarch})->size(), 1U);
    EXPECT_EQ(
        list_adjustments(b.t.connection(), {.month = kMarch, .with_cancelled = false})->size(), 0U);
    EXPECT_EQ(list_adjustments(b.t.connection(), {.month = kApril})->size(), 0U);
}

TEST_P(BillAdjustmentsTest, an_adjustment_of_a_final_bill_cannot_be_cancelled) {
    AdjustedBooks b(GetParam());
    const BillAdjustment credit = b.add(AdjustedBooks::wanted(-30'00));
    (void)b.finalise();
    const Result<BillAdjustment> late = cancel_adjustment(b.t.connection(), credit.id, kInApril);
    ASSERT_FALSE(late.ok());
    EXPECT_EQ(late.error().code, ErrorCode::conflict);
    EXPECT_EQ(b.bill().total.cny_fen, 150'00);
}

TEST_P(BillAdjustmentsTest, no_bill_is_below_zero) {
    AdjustedBooks b(GetParam());
    const BillAdjustment credit = b.add(AdjustedBooks::wanted(-180'01));
    const BillRunReport run =
        run_bills(b.t.connection(), {.month = kMarch, .terms = {}, .change = kInApril}).value();
    EXPECT_EQ(run.drafted, 1);
    ASSERT_EQ(run.problems.size(), 1U) << "seen when the month is drafted";
    EXPECT_NE(run.problems[0].reason.find("comes to -0.01 CNY"), std::string::npos);
    const Result<BillHead> review = review_bill(b.t.connection(), "BILL-acme-202603", kInApril);
    ASSERT_FALSE(review.ok());
    EXPECT_EQ(review.error().code, ErrorCode::conflict);
    ASSERT_TRUE(cancel_adjustment(b.t.connection(), credit.id, kInApril).ok());
    (void)b.add(AdjustedBooks::wanted(-180'00));
    EXPECT_EQ(b.finalise().total_fen, 0);
    EXPECT_EQ(book_problems(b.t), "");
}

TEST_P(BillAdjustmentsTest, a_month_without_usage_is_billed_for_what_was_added) {
    AdjustedBooks b(GetParam());
    NewAdjustment onboarding = AdjustedBooks::wanted(1'000'00);
    onboarding.month = kApril;
    onboarding.currency = Currency::usd;
    (void)b.add(onboarding);
    const Change may = at("2026-05-02T00:00:00Z");
    (void)b.finalise();
    const BillRunReport run =
        run_bills(b.t.connection(), {.month = kApril, .terms = {}, .change = may}).value();
    EXPECT_EQ(run.drafted, 1);
    EXPECT_EQ(review_bills(b.t.connection(), kApril, may)->done, 1);
    EXPECT_EQ(finalise_bills(b.t.connection(), kApril, may)->done, 1);
    const Bill bill = b.bill(kApril);
    ASSERT_EQ(bill.items.size(), 1U);
    EXPECT_EQ(bill.items[0].project, kCustomerShare);
    EXPECT_EQ(bill.total.cny_fen, 7'200'00);
    EXPECT_EQ(book_problems(b.t), "");
}

TEST_P(BillAdjustmentsTest, the_same_reference_adds_one_line) {
    AdjustedBooks b(GetParam());
    NewAdjustment wanted = AdjustedBooks::wanted(-5'00);
    wanted.reference = "TICKET-81";
    const BillAdjustment once = b.add(wanted);
    EXPECT_EQ(b.add(wanted).id, once.id);
    EXPECT_EQ(b.bill().items.size(), 2U) << "one line for each project";
    wanted.cents = -6'00;
    EXPECT_NE(b.refused(wanted, ErrorCode::conflict).find("TICKET-81"), std::string::npos);
    int records = 0;
    ASSERT_TRUE(read_audit(b.t.connection(), {.subject_kind = "bill_adjustment"},
                           [&records](const AuditEntry&) { return ++records > 0; })
                    .ok());
    EXPECT_EQ(records, 1);
}

TEST_P(BillAdjustmentsTest, what_cannot_be_is_refused_and_changes_nothing) {
    AdjustedBooks b(GetParam());
    const auto invalid = ErrorCode::invalid_request;
    EXPECT_NE(b.refused(AdjustedBooks::wanted(0), invalid).find("0.00"), std::string::npos);
    (void)b.refused(AdjustedBooks::wanted(100'000'000'000'001), invalid);
    NewAdjustment silent = AdjustedBooks::wanted(1);
    silent.text.clear();
    EXPECT_NE(b.refused(silent, invalid).find("text"), std::string::npos);
    EXPECT_NE(b.refused(AdjustedBooks::wanted(1, "", BillItemKind::sla_credit), invalid)
                  .find("SLA credit"),
              std::string::npos);
    NewAdjustment dollars = AdjustedBooks::wanted(-1, "", BillItemKind::sla_credit);
    dollars.currency = Currency::usd;
    (void)b.refused(dollars, invalid);
    EXPECT_NE(b.refused(AdjustedBooks::wanted(1, "nobody"), ErrorCode::not_found).find("nobody"),
              std::string::npos);
    NewAdjustment stranger = AdjustedBooks::wanted(1);
    stranger.customer = "stranger";
    (void)b.refused(stranger, ErrorCode::not_found);
    EXPECT_EQ(list_adjustments(b.t.connection(), {})->size(), 0U);
    EXPECT_EQ(b.bill().total.cny_fen, 180'00);
}

TEST_P(BillAdjustmentsTest, verify_finds_an_adjustment_that_is_on_no_bill) {
    AdjustedBooks b(GetParam());
    (void)b.add(AdjustedBooks::wanted(-5'00));
    (void)b.finalise();
    ASSERT_EQ(book_problems(b.t), "");
    // Behind the product's back: into a month that is final, and a credit nobody promised.
    ASSERT_TRUE(b.t.connection()
                    .execute("INSERT INTO bill_adjustments SELECT 8, customer_id, month, kind, "
                             "project_code, currency, -700, text, '', created_at, created_by, 0, "
                             "'' FROM bill_adjustments WHERE number = 1",
                             {})
                    .ok());
    ASSERT_TRUE(b.t.connection()
                    .execute("INSERT INTO bill_adjustments SELECT 9, customer_id, month + 1, ?, "
                             "project_code, currency, -900, text, '', created_at, created_by, 0, "
                             "'' FROM bill_adjustments WHERE number = 1",
                             {static_cast<std::int64_t>(BillItemKind::sla_credit)})
                    .ok());
    const std::string problems = book_problems(b.t);
    EXPECT_NE(problems.find("BILL-acme-202603: adjustment ADJ-8 is 0.00, but by the bill -7.00"),
              std::string::npos)
        << problems;
    EXPECT_NE(problems.find("ADJ-9: the ledger owes -9.00 CNY more"), std::string::npos)
        << problems;
}

}  // namespace
}  // namespace tg
