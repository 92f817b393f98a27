#include "compliance/policy_report.h"

#include "billing/test_billing.h"

namespace tg {
namespace {

using Regions = std::vector<std::string>;

AccountFacts account(std::string name, std::string region, bool is_covered, std::string pool = {}) {
    AccountFacts out{.name = std::move(name),
                     .provider = "openai",
                     .region = std::move(region),
                     .pool = std::move(pool)};
    if (is_covered) {
        out.reference = "ZDR-7";
        out.since = "2026-01-01";
    }
    return out;
}

/// The books of a customer whose project has a policy from 2026-06-01 on, with the accounts
/// east (eu, covered), west (us), and gpu (eu, covered, pool "acme").
struct Evidence {
    explicit Evidence(Dialect dialect, const DataPolicyPatch& policy = {}) : books(dialect) {
        clock().set(parse_rfc3339("2026-05-31T00:00:00Z").value());
        payer = books.payer("acme", "chat", "UTC");
        clock().set(parse_rfc3339("2026-06-01T00:00:00Z").value());
        set_policy(policy);
        record({account("east", "eu", true), account("west", "us", false),
                account("gpu", "eu", true, "acme")});
    }
    ManualClock& clock() { return books.identity.clock; }
    void set_policy(const DataPolicyPatch& policy) {
        ASSERT_TRUE(
            books.identity.identity
                .update_project(payer.project, {.data_policy = policy}, books.identity.change())
                .ok());
    }
    void record(const std::vector<AccountFacts>& accounts) {
        ASSERT_TRUE(record_accounts(books.connection(), accounts, 1, "server", clock().now()).ok());
    }
    /// A call that ends at `at`, one second after its start.
    void call(std::uint16_t flags, std::string_view deployment = "east",
              std::string_view region = "eu", std::string_view at = "2026-06-10T00:00:00Z",
              Endpoint endpoint = Endpoint::chat_completions) {
        UsageEvent event = books.event(at);
        event.payer = payer;
        event.flags = flags;
        event.deployment = deployment;
        event.region = region;
        event.endpoint = endpoint;
        books.append(event);
    }
    PolicyReport report(bool settles = true) {
        if (settles) books.settle();
        const auto made = make_policy_report(
            books.connection(),
            {.customer = books.identity.identity.customer(payer.customer).value(),
             .project = books.identity.identity.project(payer.project).value(),
             .month = {2026, 6},
             .journal_directory = books.directory.path()});
        EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().text());
        return made.ok() ? *made : PolicyReport{};
    }
    /// The rules that the calls broke, in order.
    std::vector<std::string> broken() {
        std::vector<std::string> out;
        for (const PolicyViolation& violation : report().violations) out.push_back(violation.rule);
        return out;
    }

    TestBooks books;
    Payer payer;
};

const DataPolicyPatch kZeroRetention{.is_zero_retention = true};

class PolicyReportTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(PolicyReportTest);

TEST_P(PolicyReportTest, kept_policies_are_shown_with_accounts_counts_and_history) {
    Evidence e(GetParam(), kZeroRetention);
    e.call(kEventZeroRetention);
    e.call(kEventZeroRetention | kEventStream);
    e.call(kEventZeroRetention, "east", "eu", "2026-06-30T23:59:59Z", Endpoint::responses);
    e.call(kEventZeroRetention, "east", "eu", "2026-07-01T00:00:00Z");  // next month
    const PolicyReport report = e.report();
    EXPECT_TRUE(report.ok());
    EXPECT_EQ(report.events, 3);
    ASSERT_EQ(report.calls.size(), 2U);
    EXPECT_EQ(report.calls[0].endpoint, "chat_completions");
    EXPECT_EQ(report.calls[0].calls, 2);
    EXPECT_EQ(report.calls[0].zero_retention, 2);
    EXPECT_EQ(report.calls[1].endpoint, "responses");
    ASSERT_EQ(report.policies.size(), 2U);
    EXPECT_EQ(report.policies[0].policy, DataPolicy{});
    EXPECT_TRUE(report.policies[1].policy.is_zero_retention);
    EXPECT_EQ(report.policies[1].actor, "test");
    ASSERT_EQ(report.accounts.size(), 1U) << "only those that were used";
    EXPECT_EQ(report.accounts[0].facts.reference, "ZDR-7");
    ASSERT_EQ(report.rules.size(), 1U);
    EXPECT_EQ(report.rules[0].version, 1);
    EXPECT_GT(report.audit_entries, 5);
    EXPECT_EQ(report.events_digest.size(), 64U);
    EXPECT_EQ(e.report().events_digest, report.events_digest);
}

TEST_P(PolicyReportTest, each_rule_that_was_broken_is_found) {
    Evidence zero(GetParam(), kZeroRetention);
    zero.call(0);
    zero.call(kEventZeroRetention, "west", "us");
    zero.call(kEventZeroRetention, "unknown", "eu");
    zero.call(kEventZeroRetention, "east", "eu", "2026-06-10T00:00:00Z", Endpoint::files);
    zero.call(kEventZeroRetention, "gpu", "eu");
    EXPECT_EQ(zero.broken(), (std::vector<std::string>{"not_under_zero_retention",
                                                       "account_not_covered", "account_not_covered",
                                                       "endpoint_retains", "foreign_pool"}));
    const PolicyReport report = zero.report();
    EXPECT_FALSE(report.ok());
    EXPECT_EQ(report.violation_count, 5);
    EXPECT_EQ(report.violations[1].account, "west");

    Evidence pinned(GetParam(), {.regions = Regions{"eu"}});
    pinned.call(kEventPinnedRegion);
    pinned.call(kEventPinnedRegion, "west", "us");
    pinned.call(kEventPinnedRegion, "east", "");
    EXPECT_EQ(pinned.broken(), (std::vector<std::string>{"region_left", "region_left"}));

    Evidence pool(GetParam(), {.pool = "acme"});
    pool.call(kEventDedicated, "gpu");
    pool.call(kEventDedicated, "east");
    EXPECT_EQ(pool.broken(), (std::vector<std::string>{"pool_left"}));

    Evidence request(GetParam(), {.pool_on_request = "acme"});
    request.call(kEventDedicated, "gpu");
    request.call(0, "east");
    EXPECT_TRUE(request.report().ok());

    // A request that asked for zero retention is held to it, though the project does not demand it.
    Evidence asked(GetParam());
    asked.call(kEventZeroRetention, "east");
    asked.call(kEventZeroRetention, "west", "us");
    asked.call(0, "west", "us");
    EXPECT_EQ(asked.broken(), (std::vector<std::string>{"account_not_covered"}));
}

TEST_P(PolicyReportTest, what_counts_is_the_coverage_at_the_time_of_the_call) {
    Evidence e(GetParam(), kZeroRetention);
    e.call(kEventZeroRetention, "east", "eu", "2026-06-10T00:00:00Z");
    e.clock().set(parse_rfc3339("2026-06-15T00:00:00Z").value());
    e.record({account("east", "eu", false)});
    EXPECT_TRUE(e.report().ok()) << "it was covered then";
    e.call(kEventZeroRetention, "east", "eu", "2026-06-20T00:00:00Z");
    e.clock().set(parse_rfc3339("2026-06-25T00:00:00Z").value());
    AccountFacts later = account("east", "eu", true);
    later.since = "2026-06-28";
    e.record({later});
    e.call(kEventZeroRetention, "east", "eu", "2026-06-27T00:00:00Z");
    e.call(kEventZeroRetention, "east", "eu", "2026-06-29T00:00:00Z");
    const PolicyReport report = e.report();
    ASSERT_EQ(report.violation_count, 2);
    EXPECT_EQ(report.violations[0].started_at, parse_rfc3339("2026-06-19T23:59:59Z").value());
    EXPECT_EQ(report.violations[1].started_at, parse_rfc3339("2026-06-26T23:59:59Z").value());
    EXPECT_EQ(report.accounts.size(), 3U);
}

TEST_P(PolicyReportTest, a_change_of_policy_takes_two_seconds_at_most) {
    Evidence e(GetParam());
    e.clock().set(parse_rfc3339("2026-06-10T00:00:00Z").value());
    e.set_policy(kZeroRetention);
    e.call(0, "west", "us", "2026-06-10T00:00:00.500Z");  // began before
    e.call(0, "west", "us", "2026-06-10T00:00:02.900Z");  // began 1.9 s after
    e.call(kEventZeroRetention, "east", "eu", "2026-06-10T00:00:01.500Z");
    EXPECT_TRUE(e.report().ok());
    e.call(0, "west", "us", "2026-06-10T00:00:03.100Z");
    EXPECT_EQ(e.broken(), (std::vector<std::string>{"not_under_zero_retention"}));
}

TEST_P(PolicyReportTest, the_customers_policy_counts_as_well) {
    Evidence e(GetParam());
    ASSERT_TRUE(e.books.identity.identity
                    .update_customer(e.payer.customer, {.data_policy = kZeroRetention},
                                     e.books.identity.change())
                    .ok());
    e.call(0);
    EXPECT_EQ(e.broken(), (std::vector<std::string>{"not_under_zero_retention"}));
    EXPECT_TRUE(e.report().policies.back().policy.is_zero_retention);
}

TEST_P(PolicyReportTest, refused_and_unsettled_calls_are_counted_from_the_journal) {
    Evidence e(GetParam(), kZeroRetention);
    const auto refuse = [&](Endpoint endpoint, std::uint16_t flags, std::string_view at) {
        ReservedRecord record;
        record.id = {9, ++e.books.next_id};
        record.payer = e.payer;
        record.started_at = parse_rfc3339(at).value();
        record.endpoint = endpoint;
        record.flags = flags;
        e.books.journal->abandon(must_reserve(*e.books.journal, record), record.started_at);
    };
    refuse(Endpoint::files, kEventPolicyRefused | kEventZeroRetention, "2026-06-10T00:00:00Z");
    refuse(Endpoint::files, kEventPolicyRefused | kEventZeroRetention, "2026-06-11T00:00:00Z");
    refuse(Endpoint::responses, kEventPolicyRefused, "2026-06-11T00:00:00Z");
    refuse(Endpoint::responses, kEventPolicyRefused, "2026-07-11T00:00:00Z");
    refuse(Endpoint::responses, 0, "2026-06-11T00:00:00Z");  // reached nobody
    e.books.append_abandoned();
    e.call(kEventZeroRetention);
    const PolicyReport before = e.report(/*settles=*/false);
    EXPECT_EQ(before.unsettled, 1);
    EXPECT_EQ(before.events, 0);
    const PolicyReport report = e.report();
    EXPECT_EQ(report.unsettled, 0);
    EXPECT_EQ(report.events, 1);
    ASSERT_EQ(report.refused.size(), 2U);
    EXPECT_EQ(report.refused[0].endpoint, "responses");
    EXPECT_EQ(report.refused[0].calls, 1);
    EXPECT_EQ(report.refused[1].endpoint, "files");
    EXPECT_EQ(report.refused[1].calls, 2);
    EXPECT_EQ(report.refused[1].zero_retention, 2);
    EXPECT_EQ(report.journal_problem, "");
}

TEST(PolicyReportAuditTest, a_log_that_was_changed_proves_nothing) {
    Evidence e(Dialect::sqlite, kZeroRetention);
    e.call(kEventZeroRetention);
    ASSERT_TRUE(e.report().ok());
    ASSERT_TRUE(e.books.connection()
                    .execute_script("DROP TRIGGER audit_log_is_never_changed; UPDATE audit_log SET "
                                    "after_json = replace(after_json, 'ZDR-7', 'ZDR-8') WHERE "
                                    "subject_id = 'east'")
                    .ok());
    const PolicyReport report = e.report();
    EXPECT_FALSE(report.ok());
    EXPECT_FALSE(report.audit_problem.empty());
}

}  // namespace
}  // namespace tg
