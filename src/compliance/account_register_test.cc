#include "compliance/account_register.h"

#include <gtest/gtest.h>

#include "identity/test_identity.h"

namespace tg {
namespace {

constexpr UtcMicros kStart = TestIdentity::kStart;

AccountFacts covered_east() {
    return {.name = "east",
            .provider = "openai",
            .region = "eu",
            .pool = "gpu",
            .host = "eu.api.openai.com",
            .reference = "ZDR \"7\"",
            .since = "2026-01-01"};
}

class AccountRegisterTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(AccountRegisterTest);

TEST_P(AccountRegisterTest, facts_are_written_when_they_change_and_only_then) {
    TestIdentity t(GetParam());
    SqlConnection& store = t.store.connection();
    AccountFacts east = covered_east();
    const AccountFacts west{.name = "west", .provider = "openai", .region = "us"};
    EXPECT_EQ(record_accounts(store, {east, west}, 1, "server", kStart).value(), 3);
    EXPECT_EQ(record_accounts(store, {west, east}, 1, "server", kStart).value(), 0);
    east.reference.clear();
    east.since.clear();
    const UtcMicros later{kStart.micros + 5};
    EXPECT_EQ(record_accounts(store, {east}, 2, "server", later).value(), 2);

    const auto accounts = account_history(store).value();
    ASSERT_EQ(accounts.size(), 3U);
    EXPECT_EQ(accounts[0].facts, covered_east());
    EXPECT_EQ(accounts[0].from, kStart);
    EXPECT_EQ(accounts[1].facts, west);
    EXPECT_EQ(accounts[2].facts, east);
    EXPECT_EQ(accounts[2].from, later);
    const auto rules = rules_history(store).value();
    ASSERT_EQ(rules.size(), 2U);
    EXPECT_EQ(rules[0].version, 1);
    EXPECT_EQ(rules[1].version, 2);
    EXPECT_EQ(rules[1].from, later);
    EXPECT_EQ(t.identity.verify_audit_log().value(), 5);
    const AuditEntry newest = t.identity.audit({.limit = 1}).value().at(0);
    EXPECT_EQ(newest.actor, "server");
    EXPECT_EQ(newest.action, "update");
    EXPECT_NE(newest.before.find("ZDR"), std::string::npos);
}

TEST_P(AccountRegisterTest, an_entry_that_cannot_be_read_is_named) {
    TestIdentity t(GetParam());
    SqlConnection& store = t.store.connection();
    auto transaction = Transaction::begin(store).value();
    AuditEntry entry{.at = kStart,
                     .actor = "x",
                     .action = "create",
                     .subject_kind = "upstream_account",
                     .subject_id = "east",
                     .after = "[]"};
    ASSERT_TRUE(append_audit(store, entry).ok());
    ASSERT_TRUE(transaction.commit().ok());
    const auto history = account_history(store);
    ASSERT_FALSE(history.ok());
    EXPECT_EQ(history.error().code, ErrorCode::corrupt_data);
    EXPECT_NE(history.error().detail.find("audit entry 1 (upstream_account east)"),
              std::string::npos);
}

TEST(AccountPeriodTest, coverage_begins_with_the_agreements_first_day) {
    AccountPeriod period{.facts = covered_east(), .from = {}};
    EXPECT_TRUE(period.covers(parse_rfc3339("2026-01-01T00:00:00Z").value()));
    EXPECT_FALSE(period.covers(parse_rfc3339("2025-12-31T23:59:59Z").value()));
    period.facts.since = "soon";
    EXPECT_FALSE(period.covers(kStart));
    period.facts.reference.clear();
    EXPECT_FALSE(period.covers(kStart));
}

}  // namespace
}  // namespace tg
