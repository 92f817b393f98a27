// Several gateways, each with a journal of its own, over one store.
#include <filesystem>
#include <thread>

#include "billing/settled_journals.h"
#include "billing/test_billing.h"
#include "billing/verify.h"
#include "ledger/verify.h"
#include "metering/journal_name.h"

namespace tg {
namespace {

struct TestGateway {
    TempDirectory directory;
    std::unique_ptr<UsageJournal> journal = TestBooks::open_journal(directory.path());
    std::string path() const { return directory.path(); }
};

class SettleFleetTest : public DialectTest {
  protected:
    static VerifyReport verify(TestBooks& t, std::vector<std::string> directories) {
        VerifyOptions options;
        options.journal_directories = std::move(directories);
        options.store_url = t.identity.store.url();
        options.catalogue_of = t.catalogue_of();
        const Result<VerifyReport> report = verify_books(t.connection(), options);
        EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().text());
        return report.ok() ? *report : VerifyReport{};
    }
    static std::string text(const VerifyReport& report) {
        std::string out;
        for (const std::string& problem : report.problems) out += problem + "\n";
        return out;
    }
    static void run(TestBooks& t, const std::string& sql) {
        const auto result = t.connection().execute(sql);
        ASSERT_TRUE(result.ok()) << result.error().text();
        ASSERT_GT(*result, 0) << "nothing was changed by " << sql;
    }
    static std::string settle_error(TestBooks& t, const std::string& directory) {
        Settler settler(t.settler_options(directory));
        const Result<std::int64_t> settled = settler.settle_until(kNoLimit);
        return settled.ok() ? "" : settled.error().text();
    }
};
TG_INSTANTIATE_DIALECTS(SettleFleetTest);

/// given: four gateways that all have calls of the same customers, with new models and end users
///        all the way
/// when:  they settle at the same time in batches of different sizes, and start again in between
/// then:  every call is in the store once, and the books are right to the last digit
TEST_P(SettleFleetTest, gateways_settle_into_one_store_at_the_same_time) {
    constexpr int kGateways = 4, kRounds = 3, kCalls = 60;
    TestBooks t(GetParam());
    std::vector<TestGateway> gateways(kGateways);
    std::vector<std::string> directories;
    for (const TestGateway& gateway : gateways) directories.push_back(gateway.path());
    const Payer payers[] = {t.payer("acme", "chat"), t.payer("acme", "search"),
                            t.payer("berlin", "chat", "Europe/Berlin")};
    for (int round = 0; round < kRounds; ++round) {
        for (int g = 0; g < kGateways; ++g) {
            for (int i = 0; i < kCalls + g * 7; ++i) {
                UsageEvent event =
                    t.event("2026-03-31T15:59:30Z", i % 2 == 0 ? "gpt-4o" : "qwen-max");
                event.ended_at.micros += i * 1'000'000;
                event.payer = payers[i % 3];
                const std::string model = "model-" + std::to_string(round * 10 + i / 10);
                const std::string user = "user-" + std::to_string(i % 5);
                event.upstream_model = model;
                event.end_user = user;
                TestBooks::append(*gateways[g].journal, event);
            }
        }
        std::vector<std::jthread> threads;
        for (int g = 0; g < kGateways; ++g) {
            threads.emplace_back([&, g] {
                SettlerOptions options = t.settler_options(gateways[g].path());
                options.batch_events_max = 3 + 5 * static_cast<std::size_t>(g);
                EXPECT_EQ(t.settle(options), kCalls + g * 7) << "gateway " << g;
            });
        }
    }
    const std::int64_t calls = kRounds * (4 * kCalls + 7 * (0 + 1 + 2 + 3));
    EXPECT_EQ(
        t.rows("SELECT count(*), count(DISTINCT id_low), min(sequence), max(sequence) FROM "
               "usage_events",
               4),
        std::to_string(calls) + "|" + std::to_string(calls) + "|1|" + std::to_string(calls) + "\n");
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM settle_journals"), kGateways);
    EXPECT_EQ(t.store().integer("SELECT SUM(requests) FROM usage_daily"), calls);
    const VerifyReport report = verify(t, directories);
    EXPECT_EQ(text(report), "");
    EXPECT_EQ(report.events, static_cast<std::uint64_t>(calls));
    EXPECT_TRUE(report.unreachable.empty());
    const auto ledger = verify_ledger(t.connection(), {});
    ASSERT_TRUE(ledger.ok()) << ledger.error().text();
    for (const std::string& problem : ledger->problems) ADD_FAILURE() << problem;
}

/// Stretches of two gateways that alternate, more than one thread's part of them.
TEST_P(SettleFleetTest, many_short_stretches_are_compared) {
    TestBooks t(GetParam());
    TestGateway other;
    Settler first(t.settler_options());
    Settler second([&] {
        SettlerOptions options = t.settler_options(other.path());
        options.batch_events_max = 1'500;
        return options;
    }());
    const UsageEvent event = t.event();
    for (int i = 0; i < 20; ++i) {
        for (int n = 0; n < 1'000; ++n) t.append(event);
        for (int n = 0; n < 1'300; ++n) TestBooks::append(*other.journal, event);
        ASSERT_EQ(*first.settle_until(kNoLimit), 1'000);
        ASSERT_EQ(*second.settle_until(kNoLimit), 1'300);
    }
    ASSERT_EQ(t.store().integer("SELECT count(*) FROM usage_chunks"), 40);
    t.append(event);
    TestBooks::append(*other.journal, event);
    const VerifyReport report = verify(t, {other.path(), t.directory.path()});
    EXPECT_EQ(text(report), "");
    EXPECT_EQ(report.events, 46'000U);
    EXPECT_EQ(report.unsettled_events, 2U);
    run(t, "UPDATE usage_events SET http_status = 201 WHERE sequence IN (1000, 1001, 45999)");
    EXPECT_EQ(verify(t, {other.path(), t.directory.path()}).problems.size(), 3U);
}

/// given: a journal's directory that was copied, and a gateway on each
/// then:  the store takes what the first one settles; the other one is refused, running or started
///        anew, and nothing of it is in the books
TEST_P(SettleFleetTest, a_copy_of_a_journal_is_refused) {
    TestBooks t(GetParam());
    t.append(t.event());
    ASSERT_EQ(t.settle(), 1);
    t.journal->close();
    TempDirectory copy;
    std::filesystem::copy(t.directory.path(), copy.path(),
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::overwrite_existing);
    t.journal = TestBooks::open_journal(t.directory.path());
    const auto copied = TestBooks::open_journal(copy.path());
    Settler running(t.settler_options(copy.path()));
    ASSERT_EQ(*running.settle_until(kNoLimit), 0) << "still the same one";

    t.append(t.event());
    TestBooks::append(*copied, t.event());
    ASSERT_EQ(t.settle(), 1);
    const Result<std::int64_t> refused = running.settle_until(kNoLimit);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::conflict);
    EXPECT_NE(refused.error().detail.find(journal_name(copy.path()).value()), std::string::npos)
        << refused.error().detail;
    EXPECT_NE(settle_error(t, copy.path()).find("one is a copy of the other"), std::string::npos);
    EXPECT_EQ(t.store().integer("SELECT count(*) FROM usage_events"), 2);
    EXPECT_EQ(text(verify(t, {t.directory.path()})), "");
}

/// given: a store of a release that had one journal and no name for it
/// then:  that journal goes on where it was; the journal of a new gateway begins at its beginning
TEST_P(SettleFleetTest, the_journal_of_an_older_store_is_known_by_its_events) {
    TestBooks t(GetParam());
    append_mixed_calls(t);
    ASSERT_EQ(t.settle(), 100);
    run(t, "UPDATE settle_journals SET name = ''");
    EXPECT_EQ(text(verify(t, {t.directory.path()})), "") << "before it has a name";

    TestGateway added;
    for (int i = 0; i < 200; ++i) TestBooks::append(*added.journal, t.event());
    EXPECT_EQ(t.settle(t.settler_options(added.path())), 200);
    t.append(t.event());
    EXPECT_EQ(t.settle(), 1);
    EXPECT_EQ(t.rows("SELECT id, name FROM settle_journals ORDER BY id", 2),
              "1|" + journal_name(t.directory.path()).value() + "\n2|" +
                  journal_name(added.path()).value() + "\n");
    const VerifyReport report = verify(t, {t.directory.path(), added.path()});
    EXPECT_EQ(text(report), "");
    EXPECT_EQ(report.events, 301U);
}

/// Such a store may have a stretch without events at its beginning.
TEST_P(SettleFleetTest, an_older_store_without_events_begins_anew) {
    TestBooks t(GetParam());
    t.append_abandoned();
    run(t, "INSERT INTO settle_journals (id, name, lsn) VALUES (1, '', " +
               std::to_string(t.end.value) + ")");
    run(t,
        "INSERT INTO usage_chunks (journal_id, first_sequence, last_sequence, from_lsn, to_lsn, "
        "first_started_ms, last_started_ms) VALUES (1, 1, 0, 0, " +
            std::to_string(t.end.value) + ", 0, 0)");
    EXPECT_EQ(text(verify(t, {t.directory.path()})), "");
    t.append(t.event());
    EXPECT_EQ(t.settle(), 1);
    const VerifyReport report = verify(t, {t.directory.path()});
    EXPECT_EQ(text(report), "");
    EXPECT_EQ(report.events, 1U);
}

/// given: a fleet of which the journal of one gateway is on another machine
/// then:  verify names it, and still adds up its events as their rows and prices say
TEST_P(SettleFleetTest, an_unreachable_journal_is_named_and_its_rows_are_added_up) {
    TestBooks t(GetParam());
    TestGateway away;
    append_mixed_calls(t);
    ASSERT_EQ(t.settle(), 100);
    std::swap(t.journal, away.journal);
    append_mixed_calls(t);
    std::swap(t.journal, away.journal);
    ASSERT_EQ(t.settle(t.settler_options(away.path())), 100);

    const VerifyReport report = verify(t, {t.directory.path()});
    EXPECT_EQ(text(report), "");
    EXPECT_EQ(report.events, 200U);
    ASSERT_EQ(report.unreachable.size(), 1U);
    EXPECT_EQ(report.unreachable[0].name, journal_name(away.path()).value());
    EXPECT_EQ(report.unreachable[0].events, 100U);
    EXPECT_TRUE(verify(t, {t.directory.path(), away.path()}).unreachable.empty());

    const auto expect_found = [&](const std::string& sql, const std::string& says) {
        ASSERT_TRUE(
            t.connection().execute("CREATE TABLE saved AS SELECT * FROM usage_events").ok());
        run(t, sql);
        const std::string found = text(verify(t, {t.directory.path()}));
        EXPECT_NE(found.find(says), std::string::npos) << sql << "\nfound:\n" << found;
        run(t, "DELETE FROM usage_events");
        run(t, "INSERT INTO usage_events SELECT * FROM saved");
        ASSERT_TRUE(t.connection().execute("DROP TABLE saved").ok());
    };
    expect_found("UPDATE usage_events SET charge_nano = charge_nano + 1 WHERE sequence = 150",
                 "event 150 (");
    expect_found("UPDATE usage_events SET usage = 'input:1' WHERE sequence = 151", "event 151 (");
    expect_found("UPDATE usage_events SET usage = 'apples:1' WHERE sequence = 151",
                 "event 151: 'apples:1' in the usage");
    expect_found("UPDATE usage_events SET endpoint = 99 WHERE sequence = 152",
                 "event 152: endpoint, tier, source or outcome stands for nothing");
    expect_found("UPDATE usage_events SET dimension_id = 9999 WHERE sequence = 153",
                 "event 153: no row of usage_dimensions has its dimension_id 9999");
    expect_found("DELETE FROM usage_events WHERE sequence IN (101, 160, 200)",
                 "event 160: its row in usage_events is gone");
    expect_found("DELETE FROM usage_events WHERE sequence > 100",
                 "event 101: its row in usage_events is gone");
    EXPECT_EQ(text(verify(t, {t.directory.path()})), "");
}

TEST_P(SettleFleetTest, books_without_any_of_their_journals_are_not_called_right) {
    TestBooks t(GetParam());
    TestGateway strange;
    t.append(t.event());
    ASSERT_EQ(t.settle(), 1);
    const std::string found = text(verify(t, {strange.path()}));
    EXPECT_NE(found.find("no journal given is one that this store was settled from, which are " +
                         journal_name(t.directory.path()).value()),
              std::string::npos)
        << found;
    // One that is new in the fleet is no problem.
    TestBooks::append(*strange.journal, t.event());
    const VerifyReport both = verify(t, {strange.path(), t.directory.path()});
    EXPECT_EQ(text(both), "");
    EXPECT_EQ(both.unsettled_events, 1U);
}

TEST_P(SettleFleetTest, stretches_that_do_not_fit_their_journals_are_found) {
    TestBooks t(GetParam());
    TestGateway other;
    t.append(t.event());
    ASSERT_EQ(t.settle(), 1);
    TestBooks::append(*other.journal, t.event());
    ASSERT_EQ(t.settle(t.settler_options(other.path())), 1);
    const auto expect_found = [&](const std::string& sql, const std::string& undo,
                                  const std::string& says) {
        run(t, sql);
        const std::string found = text(verify(t, {t.directory.path(), other.path()}));
        EXPECT_NE(found.find(says), std::string::npos) << sql << "\nfound:\n" << found;
        run(t, undo);
        EXPECT_EQ(text(verify(t, {t.directory.path(), other.path()})), "");
    };
    expect_found("UPDATE usage_chunks SET journal_id = 7 WHERE first_sequence = 2",
                 "UPDATE usage_chunks SET journal_id = 2 WHERE first_sequence = 2",
                 "is of journal 7, which settle_journals does not have");
    expect_found("UPDATE usage_chunks SET journal_id = 1 WHERE first_sequence = 2",
                 "UPDATE usage_chunks SET journal_id = 2 WHERE first_sequence = 2",
                 "the one that begins with event 2 does not follow the one before it");
    expect_found("UPDATE settle_journals SET lsn = lsn - 1 WHERE id = 2",
                 "UPDATE settle_journals SET lsn = lsn + 1 WHERE id = 2",
                 "they do not end where settle_journals does");
    expect_found("UPDATE usage_chunks SET journal_id = 3 - journal_id",
                 "UPDATE usage_chunks SET journal_id = 3 - journal_id", "event 1 (");
}

}  // namespace
}  // namespace tg
