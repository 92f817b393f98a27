// Contracts through their whole way: agreed, amended, ended, billed, booked and verified.
#include "billing/contracts.h"

#include "billing/bill_register.h"
#include "billing/test_billing.h"
#include "ledger/balances.h"

namespace tg {
namespace {

constexpr YearMonth kMarch{2026, 3}, kApril{2026, 4};

Change at(std::string_view time) {
    return {.actor = "token:3 sales", .at = parse_rfc3339(time).value()};
}
std::int32_t day(std::string_view text) {
    return parse_day(text).value();
}
ContractTerms terms(std::string_view json) {
    const Result<ContractTerms> out = parse_contract_terms(json);
    EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().text());
    return out.ok() ? *out : ContractTerms{};
}

class ContractTest : public DialectTest {
  protected:
    static NewContract wanted(std::string_view json, std::string_view first = "2026-01-01",
                              ContractKind kind = ContractKind::one_year) {
        return {.customer = "acme",
                .code = "CT-1",
                .framework = "FA-2025-7",
                .kind = kind,
                .first_day = day(first),
                .terms = terms(json)};
    }
    static Contract must(const Result<Contract>& contract) {
        EXPECT_TRUE(contract.ok()) << (contract.ok() ? "" : contract.error().text());
        return contract.ok() ? *contract : Contract{};
    }
    static Contract agree(TestBooks& t, const NewContract& contract) {
        (void)t.payer();
        return must(create_contract(t.connection(), contract, at("2025-12-20T00:00:00Z")));
    }
    /// A call of acme with a round number of input tokens of gpt-4o (2.50 USD a million).
    static void use(TestBooks& t, std::string_view when, std::string_view project,
                    std::int64_t input, std::string_view model = "gpt-4o") {
        UsageEvent event = t.event(when, model);
        event.payer = t.payer("acme", std::string(project));
        event.usage = Usage{};
        event.usage[Meter::input] = input;
        t.append(event);
        ASSERT_EQ(t.settle(), 1);
    }
    static Bill bill(TestBooks& t, YearMonth month) {
        const Result<Bill> out = current_bill(t.connection(), "acme", month, BillTerms{});
        EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().text());
        return out.ok() ? *out : Bill{};
    }
    static BillHead finalise(TestBooks& t, YearMonth month, std::string_view when) {
        const Result<BillHead> draft =
            draft_into_register(t.connection(), "acme", month, BillTerms{}, at(when));
        EXPECT_TRUE(draft.ok()) << (draft.ok() ? "" : draft.error().text());
        if (!draft.ok()) return {};
        EXPECT_TRUE(review_bill(t.connection(), draft->id, at(when)).ok());
        const Result<BillHead> final = finalise_bill(t.connection(), draft->id, at(when));
        EXPECT_TRUE(final.ok()) << (final.ok() ? "" : final.error().text());
        return final.ok() ? *final : BillHead{};
    }
    /// "chat volume -625.00 USD -4500.00 CNY" for each item.
    static std::string items(const Bill& bill) {
        std::string out;
        for (const BillItem& item : bill.items) {
            out += item.project + " " + std::string(name(item.kind)) + " " +
                   format_scaled(item.usd_cents, 2, 2) + " USD " +
                   format_scaled(item.cny_fen, 2, 2) + " CNY\n";
        }
        return out;
    }
    static std::int64_t balance(TestBooks& t, AccountCode account,
                                const std::string& subject = "") {
        const auto balances = read_balances(t.connection(), {.account = account});
        EXPECT_TRUE(balances.ok());
        int128 sum = 0;
        for (const AccountBalance& each : *balances)
            if (subject.empty() || each.account.subject == subject) sum += each.amount.value;
        return static_cast<std::int64_t>(sum / kFemtoPerCent);
    }
};
TG_INSTANTIATE_DIALECTS(ContractTest);

/// given: the contract of the requirements' example: 2,000,000 USD a year, which earns 25 %
TEST_P(ContractTest, a_commitment_of_two_million_earns_a_quarter_off) {
    TestBooks t(GetParam());
    agree(t, wanted(R"({
        "commitment": {"period": "year", "amount": "2000000", "currency": "USD"},
        "volume_discount": {"basis": "commitment", "currency": "USD", "steps": [
            {"from": "100000", "percent": "10"}, {"from": "1000000", "percent": "20"},
            {"from": "2000000", "percent": "25"}]},
        "payment": {"customer_kind": "listed_or_large"}})"));
    use(t, "2026-03-05T10:00:00Z", "chat", 1'000'000'000);
    use(t, "2026-03-06T10:00:00Z", "search", 200'000'000);
    const Bill march = bill(t, kMarch);
    EXPECT_EQ(items(march),
              "chat volume -625.00 USD -4500.00 CNY\n"
              "search volume -125.00 USD -900.00 CNY\n");
    EXPECT_EQ(march.total.cny_fen, 16'200'00) << "3,000 USD less a quarter, at 7.2";
    EXPECT_EQ(march.total.vat_fen, 972'00);
    ASSERT_EQ(march.commitments.size(), 1U);
    EXPECT_EQ(march.commitments[0].spent_cents, 2'250'00);
    EXPECT_EQ(march.commitments[0].missing_cents, 0) << "the year goes on";

    const BillHead final = finalise(t, kMarch, "2026-04-02T00:00:00Z");
    EXPECT_EQ(format_rfc3339(final.due_at), "2026-04-30T16:00:00Z") << "30 days for the large";
    EXPECT_EQ(balance(t, AccountCode::discount_volume), 5'400'00);
    EXPECT_EQ(balance(t, AccountCode::billed_receivable), final.total_fen);
    EXPECT_EQ(book_problems(t), "");
}

TEST_P(ContractTest, discounts_stack_in_the_stated_order) {
    TestBooks t(GetParam());
    agree(t, wanted(R"({
        "rate_card": [{"kind": "discount", "models": "gpt-4o", "percent": "10"}],
        "reserved_capacity": [{"models": "gpt-*", "percent": "20"}],
        "volume_discount": {"basis": "month", "currency": "USD", "steps": [
            {"from": "1000", "percent": "10"}, {"from": "1800.01", "percent": "30"}]},
        "mixed_model_discount": {"share_min_percent": "5", "steps": [{"models": 2, "percent": "5"}]},
        "transfer_discount_percent": "4",
        "promotion": {"percent": "50", "through": "2026-03"},
        "management_fee": {"percent": "10", "month": "310", "currency": "CNY"}})"));
    use(t, "2026-03-05T10:00:00Z", "chat", 1'000'000'000);
    // 2500 - 10% = 2250, - 20% = 1800 (not yet 1800.01), - 10% = 1620, one model only, - 4% =
    // 1555.20, - 50% = 777.60, fee 77.76.
    EXPECT_EQ(items(bill(t, kMarch)),
              "chat rate_card -250.00 USD -1800.00 CNY\n"
              "chat reserved -450.00 USD -3240.00 CNY\n"
              "chat volume -180.00 USD -1296.00 CNY\n"
              "chat transfer -64.80 USD -466.56 CNY\n"
              "chat promotion -777.60 USD -5598.72 CNY\n"
              "chat management_fee 77.76 USD 559.87 CNY\n"
              "chat management_fee 43.06 USD 310.00 CNY\n");
    // A second model over 5 % of the month, and the volume's next step.
    use(t, "2026-03-06T10:00:00Z", "chat", 1'000'000'000, "gpt-4o-mini");
    const Bill both = bill(t, kMarch);
    // 1800 + 150 x 0.8 = 1920, - 30% = 1344, - 5% = 1276.80, - 4% = 1225.728, - 50% = 612.864
    EXPECT_EQ(items(both),
              "chat rate_card -250.00 USD -1800.00 CNY\n"
              "chat reserved -480.00 USD -3456.00 CNY\n"
              "chat volume -576.00 USD -4147.20 CNY\n"
              "chat mixed_models -67.20 USD -483.84 CNY\n"
              "chat transfer -51.07 USD -367.72 CNY\n"
              "chat promotion -612.86 USD -4412.62 CNY\n"
              "chat management_fee 61.29 USD 441.26 CNY\n"
              "chat management_fee 43.06 USD 310.00 CNY\n");
    finalise(t, kMarch, "2026-04-02T00:00:00Z");
    EXPECT_EQ(book_problems(t), "");
    // The promotion was through March.
    use(t, "2026-04-05T10:00:00Z", "chat", 1'000'000);
    EXPECT_EQ(items(bill(t, kApril)).find("promotion"), std::string::npos);
}

TEST_P(ContractTest, rate_cards_of_every_kind) {
    TestBooks t(GetParam());
    agree(t, wanted(R"({"rate_card": [
        {"kind": "fixed", "models": "gpt-4o-mini", "meter": "input", "price": "0.10"},
        {"kind": "graduated", "models": "gpt-4o", "meter": "input", "steps": [
            {"up_to": 100000000, "price": "2.50"}, {"up_to": 300000000, "price": "2.00"},
            {"price": "1.00"}]},
        {"kind": "package", "models": "qwen*", "meter": "input", "currency": "CNY",
         "package_units": 1000000000, "package_price": "2000"}]})"));
    use(t, "2026-03-05T10:00:00Z", "chat", 300'000'000);
    use(t, "2026-03-05T10:00:00Z", "search", 100'000'000);
    use(t, "2026-03-05T10:00:00Z", "chat", 1'000'000'000, "gpt-4o-mini");
    use(t, "2026-03-05T10:00:00Z", "chat", 1'000'000'001, "qwen-max");
    // gpt-4o: 100M x 2.5 + 200M x 2 + 100M x 1 = 750 USD instead of 1,000, three quarters of it
    // chat's. gpt-4o-mini: 100 instead of 150. qwen-max: 2 packages of 2,000 CNY instead of
    // 2,400.0000024.
    EXPECT_EQ(items(bill(t, kMarch)),
              "chat rate_card -50.00 USD -360.00 CNY\n"
              "chat rate_card -187.50 USD -1350.00 CNY\n"
              "search rate_card -62.50 USD -450.00 CNY\n"
              "chat rate_card 222.22 USD 1600.00 CNY\n");
    finalise(t, kMarch, "2026-04-02T00:00:00Z");
    EXPECT_EQ(book_problems(t), "");
}

/// given: steps to which usage of the month before an amendment counts as well
TEST_P(ContractTest, an_amendment_in_the_middle_of_a_month_splits_it) {
    TestBooks t(GetParam());
    agree(t, wanted(R"({"rate_card": [{"kind": "discount", "percent": "10"}],
        "management_fee": {"month": "310", "currency": "CNY"}})"));
    const Contract amended = must(amend_contract(
        t.connection(), "CT-1",
        {.from_day = day("2026-03-11"),
         .terms = terms(R"({"rate_card": [{"kind": "graduated", "models": "*", "meter": "input",
            "steps": [{"up_to": 150000000, "price": "2"}, {"price": "1"}]}],
            "management_fee": {"month": "620", "currency": "CNY"}})"),
         .reason = "volume grew"},
        at("2026-03-01T00:00:00Z")));
    EXPECT_EQ(amended.versions.size(), 2U);
    EXPECT_EQ(amended.version_on(day("2026-03-10")).version, 1);
    EXPECT_EQ(amended.version_on(day("2026-03-11")).version, 2);
    use(t, "2026-03-10T15:59:59Z", "chat", 100'000'000);  // the 10th in Shanghai
    use(t, "2026-03-10T16:00:00Z", "chat", 100'000'000);  // the 11th
    const Bill march = bill(t, kMarch);
    ASSERT_EQ(march.lines.size(), 1U) << "usage at list price is one line";
    EXPECT_EQ(march.lines[0].quantity, 200'000'000);
    // 10 % off 250; then 50M x 2 + 50M x 1 = 150 instead of 250. Fee: 10/31 of 310, 21/31 of 620.
    EXPECT_EQ(items(march),
              "chat rate_card -25.00 USD -180.00 CNY\n"
              "chat rate_card -100.00 USD -720.00 CNY\n"
              "chat management_fee 13.89 USD 100.00 CNY\n"
              "chat management_fee 58.33 USD 420.00 CNY\n");
    EXPECT_NE(bill_as_table(march).find("(2026-03-11 to 2026-03-31)"), std::string::npos);
    finalise(t, kMarch, "2026-04-02T00:00:00Z");
    EXPECT_EQ(book_problems(t), "");
    const Result<Contract> late = amend_contract(
        t.connection(), "CT-1", {.from_day = day("2026-03-31"), .terms = {}, .reason = "too late"},
        at("2026-04-03T00:00:00Z"));
    ASSERT_FALSE(late.ok());
    EXPECT_EQ(late.error().detail,
              "an amendment from 2026-03-31 would change bill BILL-acme-202603, which is final; "
              "choose a later day, and correct the bill by a note");
}

TEST_P(ContractTest, what_is_missing_of_a_commitment_is_charged_when_its_period_ends) {
    TestBooks t(GetParam());
    agree(t, wanted(R"({"commitment": {"period": "year", "amount": "3650", "currency": "USD"}})",
                    "2025-04-01"));
    use(t, "2026-02-05T10:00:00Z", "chat", 400'000'000);  // 1,000 USD
    use(t, "2026-03-05T10:00:00Z", "chat", 300'000'000);  // 750 USD
    use(t, "2026-03-05T10:00:00Z", "search", 100'000'000);
    const Result<BillHead> early = draft_into_register(t.connection(), "acme", kMarch, BillTerms{},
                                                       at("2026-04-01T00:00:00Z"));
    ASSERT_TRUE(early.ok());
    ASSERT_TRUE(review_bill(t.connection(), early->id, at("2026-04-01T00:00:00Z")).ok());
    const Result<BillHead> refused =
        finalise_bill(t.connection(), early->id, at("2026-04-01T00:00:00Z"));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().detail,
              "bill BILL-acme-202603 settles the commitment of contract CT-1 since 2025-04-01: the "
              "bill of 2026-02 must be final before it");
    finalise(t, {2026, 2}, "2026-03-02T00:00:00Z");
    const Bill march = bill(t, kMarch);
    ASSERT_EQ(march.commitments.size(), 1U);
    EXPECT_EQ(march.commitments[0].spent_before_cents, 1'000'00);
    EXPECT_EQ(march.commitments[0].spent_cents, 1'000'00);
    EXPECT_EQ(march.commitments[0].missing_cents, 1'650'00);
    EXPECT_EQ(items(march),
              "chat true_up 1237.50 USD 8910.00 CNY\n"
              "search true_up 412.50 USD 2970.00 CNY\n");
    finalise(t, kMarch, "2026-04-02T00:00:00Z");
    EXPECT_EQ(balance(t, AccountCode::commit_shortfall), -11'880'00);
    EXPECT_EQ(book_problems(t), "");
}

/// given: a customer who has a commitment by the month and uses nothing
TEST_P(ContractTest, a_month_without_usage_is_billed_when_something_is_owed) {
    TestBooks t(GetParam());
    agree(t, wanted(R"({"commitment": {"period": "month", "amount": "310", "currency": "CNY"}})",
                    "2026-03-11", ContractKind::none));
    const Bill march = bill(t, kMarch);
    EXPECT_TRUE(march.lines.empty());
    EXPECT_EQ(items(march), "(customer) true_up 29.17 USD 210.00 CNY\n") << "21 of 31 days";
    EXPECT_EQ(march.total.total_fen, 222'60);
    const BillHead final = finalise(t, kMarch, "2026-04-02T00:00:00Z");
    EXPECT_EQ(final.total_fen, 222'60);
    EXPECT_EQ(book_problems(t), "");
    const Result<BillRunReport> run = run_bills(
        t.connection(), {.month = kApril, .terms = {}, .change = at("2026-05-02T00:00:00Z")});
    ASSERT_TRUE(run.ok()) << run.error().text();
    EXPECT_EQ(run->drafted, 1);
}

TEST_P(ContractTest, ending_a_three_year_contract_costs_the_penalty_it_names) {
    TestBooks t(GetParam());
    NewContract contract = wanted(R"({"commitment": {"amount": "1200", "currency": "CNY"}})",
                                  "2026-01-01", ContractKind::three_years);
    agree(t, contract);
    const Change now = at("2026-03-10T00:00:00Z");
    Result<Contract> ended =
        end_contract(t.connection(), "CT-1", day("2026-03-31"), "they leave", now);
    ASSERT_FALSE(ended.ok());
    EXPECT_EQ(ended.error().detail,
              "contract CT-1 is for three years and cannot be ended: its terms name no penalty "
              "(termination_percent)");
    contract.terms.termination_ppm = 500'000;
    must(amend_contract(
        t.connection(), "CT-1",
        {.from_day = day("2026-03-01"), .terms = contract.terms, .reason = "agreed"}, now));
    must(end_contract(t.connection(), "CT-1", day("2026-03-31"), "they leave", now));
    // 90 of 365 days are due; half of what the 275 days left and two years commit to.
    const Bill march = bill(t, kMarch);
    EXPECT_EQ(items(march),
              "(customer) true_up 41.10 USD 295.89 CNY\n"
              "(customer) early_end 229.45 USD 1652.06 CNY\n");
    EXPECT_TRUE(bill(t, kApril).items.empty());
    const Result<Contract> again =
        end_contract(t.connection(), "CT-1", day("2026-03-20"), "sooner", now);
    ASSERT_FALSE(again.ok());
    EXPECT_NE(again.error().detail.find("was ended before, by 2026-03-31"), std::string::npos)
        << again.error().detail;
    finalise(t, kMarch, "2026-04-02T00:00:00Z");
    EXPECT_EQ(book_problems(t), "");
}

TEST_P(ContractTest, a_one_year_contract_needs_its_notice) {
    TestBooks t(GetParam());
    const Contract contract = agree(t, wanted("{}"));
    EXPECT_EQ(day_text(contract.end_day), "2026-12-31");
    const Change now = at("2026-03-10T00:00:00Z");
    const Result<Contract> soon =
        end_contract(t.connection(), "CT-1", day("2026-04-08"), "cheaper elsewhere", now);
    ASSERT_FALSE(soon.ok());
    EXPECT_EQ(soon.error().detail,
              "contract CT-1 needs a notice of 30 days: it can end on 2026-04-09 or later");
    EXPECT_EQ(
        end_contract(t.connection(), "CT-1", day("2026-12-31"), "no need", now).error().detail,
        "contract CT-1 ends on 2026-12-31 by itself");
    const Contract ended =
        must(end_contract(t.connection(), "CT-1", day("2026-04-09"), "cheaper elsewhere", now));
    EXPECT_EQ(status_on(ended, day("2026-04-09")), ContractStatus::active);
    EXPECT_EQ(status_on(ended, day("2026-04-10")), ContractStatus::ended);
    EXPECT_EQ(status_on(ended, day("2025-12-31")), ContractStatus::planned);
}

TEST_P(ContractTest, bad_contracts_change_nothing) {
    TestBooks t(GetParam());
    const NewContract good = wanted("{}");
    const Change now = at("2026-03-10T00:00:00Z");
    const auto refused = [&](const NewContract& contract) {
        const Result<Contract> made = create_contract(t.connection(), contract, now);
        return made.ok() ? std::string() : made.error().detail;
    };
    (void)t.payer();
    NewContract bad = good;
    bad.code = "no/slash";
    EXPECT_NE(refused(bad).find("is no contract number"), std::string::npos);
    bad = good;
    bad.customer = "nobody";
    EXPECT_NE(refused(bad).find("customer 'nobody' does not exist"), std::string::npos);
    EXPECT_EQ(t.rows("SELECT COUNT(*) FROM contracts", 1), "0\n");

    must(create_contract(t.connection(), good, now));
    must(create_contract(t.connection(), good, now));
    EXPECT_EQ(t.rows("SELECT COUNT(*) FROM contract_versions", 1), "1\n") << "the same again";
    bad = good;
    bad.terms.transfer_ppm = 1;
    EXPECT_NE(refused(bad).find("with other terms"), std::string::npos);
    bad = good;
    bad.code = "CT-2";
    bad.first_day = day("2026-12-31");
    EXPECT_EQ(refused(bad),
              "customer 'acme' has contract CT-1 from 2026-01-01 to 2026-12-31: "
              "amend it, or end it first");
    bad.first_day = day("2027-01-01");
    EXPECT_EQ(refused(bad), "");
    const auto amended = [&](std::string_view from, std::string reason) {
        const Result<Contract> made =
            amend_contract(t.connection(), "CT-1",
                           {.from_day = day(from), .terms = {}, .reason = std::move(reason)}, now);
        return made.ok() ? std::string() : made.error().detail;
    };
    EXPECT_NE(amended("2026-05-01", "").find("a reason"), std::string::npos);
    EXPECT_EQ(amended("2027-01-01", "longer"),
              "2027-01-01 is outside contract CT-1, which is from 2026-01-01 to 2026-12-31");
    const NewContract committed{.customer = "acme",
                                .code = "CT-3",
                                .kind = ContractKind::none,
                                .first_day = day("2028-01-01"),
                                .terms = terms(R"({"commitment": {"amount": "10"}})")};
    must(create_contract(t.connection(), committed, now));
    const Result<Contract> other =
        amend_contract(t.connection(), "CT-3",
                       {.from_day = day("2028-02-01"),
                        .terms = terms(R"({"commitment": {"amount": "10", "currency": "CNY"}})"),
                        .reason = "RMB"},
                       now);
    ASSERT_FALSE(other.ok());
    EXPECT_EQ(other.error().detail,
              "contract CT-3 commits in USD by the year; an amendment changes the amount only. For "
              "another currency or period end the contract and make a new one");
    for (const std::string sql :
         {"UPDATE contract_versions SET terms = '{}'", "DELETE FROM contracts",
          "UPDATE contracts SET kind = 0", "DELETE FROM contract_versions"})
        EXPECT_FALSE(t.connection().execute(sql, {}).ok()) << sql;
}

/// given: a discount on hundreds of calls so small that each line rounds to nothing
TEST_P(ContractTest, a_discount_takes_no_more_than_is_there) {
    TestBooks t(GetParam());
    t.publish(2, [] {
        std::vector<ModelPrice> prices;
        for (int i = 0; i < 20; ++i)
            prices.push_back(test_model("m" + std::to_string(i), "0.004", "1"));
        return prices;
    }());
    agree(t, wanted(R"({"rate_card": [{"kind": "discount", "percent": "100"}]})"));
    for (int i = 0; i < 20; ++i) {
        const std::string model = "m" + std::to_string(i);
        UsageEvent event = t.event("2026-03-05T10:00:00Z", model);
        event.price_version = PriceVersionId(2);
        event.usage = Usage{};
        event.usage[Meter::input] = 100'000;  // 0.0004 USD, 0.3 fen
        t.append(event);
    }
    ASSERT_EQ(t.settle(), 20);
    const Bill march = bill(t, kMarch);
    EXPECT_EQ(march.total.exact_usd.value, 0);
    EXPECT_EQ(march.total.cny_fen, 0);
    finalise(t, kMarch, "2026-04-02T00:00:00Z");
    EXPECT_EQ(book_problems(t), "");
}

/// given: usage that came after the bill of its month was final
TEST_P(ContractTest, late_usage_has_the_terms_of_the_bill_it_stands_on) {
    TestBooks t(GetParam());
    agree(t, wanted(R"({"rate_card": [{"kind": "fixed", "models": "gpt-4o", "meter": "input",
        "price": "2.00"}]})"));
    use(t, "2026-03-05T10:00:00Z", "chat", 100'000'000);
    finalise(t, kMarch, "2026-04-02T00:00:00Z");
    use(t, "2026-03-31T10:00:00Z", "chat", 50'000'000);
    use(t, "2026-04-05T10:00:00Z", "chat", 100'000'000);
    const Bill april = bill(t, kApril);
    ASSERT_EQ(april.late.size(), 1U);
    EXPECT_EQ(april.late[0].quantity, 50'000'000);
    EXPECT_EQ(items(april), "chat rate_card -75.00 USD -540.00 CNY\n");
    finalise(t, kApril, "2026-05-02T00:00:00Z");
    EXPECT_EQ(book_problems(t), "");
}

TEST_P(ContractTest, the_rate_a_contract_names_is_the_bills) {
    TestBooks t(GetParam());
    agree(t, wanted(R"({"usd_cny_rate": "7.5"})"));
    use(t, "2026-03-05T10:00:00Z", "chat", 1'000'000);
    const Bill march = bill(t, kMarch);
    EXPECT_EQ(march.total.cny_fen, 18'75);
    EXPECT_EQ(march.terms.rate_source, "contract CT-1");
    const BillHead final = finalise(t, kMarch, "2026-04-02T00:00:00Z");
    EXPECT_EQ(final.terms.usd_cny_e8, 750'000'000);
    EXPECT_EQ(book_problems(t), "");
}

TEST_P(ContractTest, a_document_with_items_is_read_back_word_for_word) {
    TestBooks t(GetParam());
    agree(t, wanted(R"({"transfer_discount_percent": "3",
        "commitment": {"amount": "2000", "currency": "CNY"}})"));
    use(t, "2026-03-05T10:00:00Z", "chat", 123'456'789);
    const Bill march = bill(t, kMarch);
    const std::string json = bill_as_json(march);
    const Result<Bill> read = parse_bill_json(json);
    ASSERT_TRUE(read.ok()) << read.error().text();
    EXPECT_EQ(bill_as_json(*read), json);
    EXPECT_EQ(bill_as_table(*read), bill_as_table(march));
    EXPECT_EQ(bill_as_csv(*read), bill_as_csv(march));
}

}  // namespace
}  // namespace tg
