#include "app/books_keeper.h"

#include "billing/bill_register.h"
#include "billing/test_billing.h"
#include "ledger/proof_log.h"

namespace tg {
namespace {

class BooksKeeperTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(BooksKeeperTest);

TEST_P(BooksKeeperTest, months_are_drafted_debts_fall_due_and_the_books_are_sealed) {
    TestBooks t(GetParam());
    TempDirectory var;
    Config config;
    config.var_dir = var.path();
    const auto keep = [&](std::string_view when) {
        const auto kept = keep_books(t.connection(), config, parse_rfc3339(when).value());
        EXPECT_TRUE(kept.ok()) << (kept.ok() ? "" : kept.error().text());
        return kept.ok() ? *kept : KeptBooks{};
    };
    t.append(t.event("2026-03-05T10:00:00Z"));
    UsageEvent far = t.event("2026-03-05T10:00:00Z");
    far.payer = t.payer("pacific", "chat", "America/Los_Angeles");
    t.append(far);
    ASSERT_EQ(t.settle(), 2);

    EXPECT_EQ(keep("2026-03-31T15:00:00Z").drafted, 0) << "an hour before midnight in Shanghai";
    EXPECT_EQ(keep("2026-03-31T16:00:00Z").drafted, 1) << "of Shanghai's customer";
    EXPECT_EQ(keep("2026-04-01T07:00:00Z").drafted, 1) << "of Los Angeles's";
    EXPECT_EQ(keep("2026-04-02T00:00:00Z").drafted, 0);

    const Change change{.actor = "test", .at = parse_rfc3339("2026-04-02T00:00:00Z").value()};
    ASSERT_TRUE(review_bill(t.connection(), "BILL-acme-202603", change).ok());
    ASSERT_TRUE(finalise_bill(t.connection(), "BILL-acme-202603", change).ok());
    EXPECT_GT(keep("2026-04-03T00:00:00Z").sealed, 0) << "the bill's entry and its audit record";
    EXPECT_EQ(keep("2026-04-03T01:00:00Z").sealed, 0);
    EXPECT_TRUE(read_checkpoint(t.connection()).value().has_value());
    EXPECT_EQ(keep("2026-04-07T15:00:00Z").overdue, 0);
    EXPECT_EQ(keep("2026-04-08T00:00:00Z").overdue, 1);
    EXPECT_EQ(keep("2026-04-09T00:00:00Z").overdue, 0);
}

TEST_P(BooksKeeperTest, a_bill_that_waits_for_prices_is_a_problem) {
    TestBooks t(GetParam());
    TempDirectory var;
    Config config;
    config.var_dir = var.path();
    t.append(t.event("2026-03-05T10:00:00Z"));
    t.append(t.event("2026-03-05T10:00:00Z", "gpt-9"));
    ASSERT_EQ(t.settle(), 2);
    const auto kept =
        keep_books(t.connection(), config, parse_rfc3339("2026-04-02T00:00:00Z").value());
    ASSERT_TRUE(kept.ok()) << kept.error().text();
    EXPECT_EQ(kept->drafted, 1);
    EXPECT_EQ(kept->problems, 1);
}

}  // namespace
}  // namespace tg
