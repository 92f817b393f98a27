#include "billing/fx_rates.h"

#include "billing/bill_register.h"
#include "billing/test_billing.h"
#include "identity/audit_log.h"

namespace tg {
namespace {

constexpr YearMonth kMarch{2026, 3};

std::int32_t day(int month, int of_month) {
    return static_cast<std::int32_t>(days_from_civil(2026, month, of_month));
}

Change now() {
    return {.actor = "token:3 finance", .at = parse_rfc3339("2026-04-02T00:00:00Z").value()};
}

class FxRatesTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(FxRatesTest);

TEST(FxCsvTest, reads_lines_with_and_without_a_source) {
    const auto rates = parse_fx_csv(
        "date,usd_cny,source\r\n2026-03-31,7.1234,PBOC\r\n\r\n 2026-03-30 , 7.12345678 \n", "ECB");
    ASSERT_TRUE(rates.ok()) << rates.error().text();
    EXPECT_EQ(*rates, (std::vector<FxRate>{{day(3, 31), 712'340'000, "PBOC"},
                                           {day(3, 30), 712'345'678, "ECB"}}));
    EXPECT_TRUE(parse_fx_csv("", "ECB")->empty());
}

TEST(FxCsvTest, names_the_line_and_what_is_wrong_with_it) {
    for (const auto& [text, says] : std::vector<std::pair<std::string, std::string>>{
             {"date,rate\n31.3.2026,7.1\n", "line 2: '31.3.2026' is no day such as 2026-03-31"},
             {"2026-02-30,7.1\n", "line 1: '2026-02-30' is no day"},
             {"2026-03-31T00:00:00Z,7.1\n", "line 1: '2026-03-31T00:00:00Z' is no day"},
             {"2026-03-31,seven\n", "line 1: 'seven' is no rate"},
             {"2026-03-31,-7\n", "line 1: '-7' is no rate"},
             {"2026-03-31,7.123456789\n", "at most 8 decimals"},
             {"2026-03-31,1000.1\n", "0.01 to 1000"},
             {"2026-03-31\n", "line 1: '' is no rate"},
             {"2026-03-31,7\n", "line 1: the rate has no source"}}) {
        const auto rates = parse_fx_csv(text, "");
        ASSERT_FALSE(rates.ok()) << text;
        EXPECT_NE(rates.error().detail.find(says), std::string::npos) << rates.error().detail;
    }
}

TEST_P(FxRatesTest, rates_are_added_once_and_never_change) {
    TestBooks t(GetParam());
    const std::vector<FxRate> rates = {{day(3, 30), 712'000'000, "PBOC"},
                                       {day(3, 31), 713'000'000, "PBOC"}};
    EXPECT_EQ(add_fx_rates(t.connection(), rates, now()).value(), 2);
    EXPECT_EQ(add_fx_rates(t.connection(), rates, now()).value(), 0) << "the same file again";
    const auto changed =
        add_fx_rates(t.connection(),
                     {{day(4, 1), 714'000'000, "PBOC"}, {day(3, 31), 700'000'000, "PBOC"}}, now());
    ASSERT_FALSE(changed.ok());
    EXPECT_EQ(changed.error().code, ErrorCode::conflict);
    EXPECT_EQ(changed.error().detail,
              "the rate of 2026-03-31 is 7.1300 (PBOC) and never changes; 7.0000 was to be added");
    EXPECT_EQ(list_fx_rates(t.connection(), 10)->size(), 2U) << "none of a file that is refused";
    EXPECT_EQ(list_fx_rates(t.connection(), 1)->front().day, day(3, 31));
    EXPECT_EQ(add_fx_rates(t.connection(), {{day(4, 1), 0, "PBOC"}}, now()).error().code,
              ErrorCode::invalid_request);
    int acts = 0;
    ASSERT_TRUE(
        read_audit(t.connection(), {.subject_kind = "fx_rates"}, [&acts](const AuditEntry&) {
            ++acts;
            return true;
        }).ok());
    EXPECT_EQ(acts, 1);
}

/// given: rates, and a month whose last days are a holiday
/// then:  its bill has the last rate before, says so, and keeps it whatever is added later
TEST_P(FxRatesTest, a_bill_has_the_rate_of_its_months_end_locked) {
    TestBooks t(GetParam());
    t.append(t.event());
    ASSERT_EQ(t.settle(), 1);
    ASSERT_TRUE(add_fx_rates(t.connection(), {{day(3, 28), 712'000'000, "PBOC"}}, now()).ok());
    const Bill preview = current_bill(t.connection(), "acme", kMarch, BillTerms{}).value();
    EXPECT_EQ(preview.terms.usd_cny_e8, 712'000'000);
    const BillHead draft =
        draft_into_register(t.connection(), "acme", kMarch, BillTerms{}, now()).value();
    EXPECT_EQ(draft.terms.rate_source, "PBOC, 2026-03-28");
    ASSERT_TRUE(review_bill(t.connection(), draft.id, now()).ok());
    ASSERT_TRUE(add_fx_rates(t.connection(), {{day(3, 31), 800'000'000, "PBOC"}}, now()).ok());
    ASSERT_TRUE(finalise_bill(t.connection(), draft.id, now()).ok()) << "as it was reviewed";
    const Bill bill = current_bill(t.connection(), "acme", kMarch, BillTerms{}).value();
    EXPECT_EQ(bill.terms.usd_cny_e8, 712'000'000);
    EXPECT_NE(bill_as_table(bill).find("rate 7.12 CNY per USD (PBOC, 2026-03-28)"),
              std::string::npos)
        << bill_as_table(bill);
}

TEST_P(FxRatesTest, a_draft_takes_a_newer_rate_and_needs_one_that_is_not_old) {
    TestBooks t(GetParam());
    t.append(t.event());
    ASSERT_EQ(t.settle(), 1);
    const auto draft = [&] {
        return draft_into_register(t.connection(), "acme", kMarch, BillTerms{}, now());
    };
    EXPECT_EQ(draft()->terms.rate_source, "") << "no rates at all: as configured";
    ASSERT_TRUE(add_fx_rates(t.connection(), {{day(3, 21), 712'000'000, "PBOC"}}, now()).ok());
    const auto old = draft();
    ASSERT_FALSE(old.ok());
    EXPECT_EQ(old.error().detail,
              "there is no exchange rate of 2026-03-31 or the 9 days before; add it with: tollgate "
              "fx import");
    ASSERT_TRUE(add_fx_rates(t.connection(), {{day(3, 22), 713'000'000, "PBOC"}}, now()).ok());
    EXPECT_EQ(draft()->terms.usd_cny_e8, 713'000'000);
    ASSERT_TRUE(add_fx_rates(t.connection(),
                             {{day(3, 31), 714'000'000, "PBOC"}, {day(4, 1), 700'000'000, "PBOC"}},
                             now())
                    .ok());
    EXPECT_EQ(draft()->terms.usd_cny_e8, 714'000'000);
}

}  // namespace
}  // namespace tg
