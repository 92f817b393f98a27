#include "identity/audit_log.h"

#include <gtest/gtest.h>

#include <thread>

#include "identity/test_identity.h"

namespace tg {
namespace {

class AuditLogTest : public DialectTest {
  protected:
    static std::unique_ptr<TestIdentity> with_entries(Dialect dialect) {
        auto t = std::make_unique<TestIdentity>(dialect);
        t->customer("one");
        t->customer("two");
        t->customer("three");
        return t;
    }
    /// What a person with the database's password could do.
    static void tamper(TestStore& store, const std::string& sql) {
        if (store.dialect() == Dialect::sqlite) {
            ASSERT_TRUE(store
                            ->execute_script("DROP TRIGGER audit_log_is_never_changed; DROP "
                                             "TRIGGER audit_log_is_never_deleted")
                            .ok());
        } else {
            ASSERT_TRUE(
                store->execute_script("DROP TRIGGER audit_log_is_never_changed ON audit_log").ok());
        }
        ASSERT_TRUE(store->execute_script(sql).ok());
    }
};
TG_INSTANTIATE_DIALECTS(AuditLogTest);

TEST_P(AuditLogTest, entries_say_who_when_and_what) {
    TestIdentity t(GetParam());
    const Customer customer = t.customer("acme");
    t.clock.advance_micros(1'000'000);
    ASSERT_TRUE(t.identity.update_customer(customer.id, {.name = "New"}, t.change()).ok());
    const auto entries = t.identity.audit({}).value();
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[0].id, 2);
    EXPECT_EQ(entries[0].at.micros, TestIdentity::kStart.micros + 1'000'000);
    EXPECT_EQ(entries[0].actor, "test");
    EXPECT_EQ(entries[0].action, "update");
    EXPECT_EQ(entries[0].subject_kind, "customer");
    EXPECT_EQ(entries[0].subject_id, std::to_string(customer.id.get()));
    const std::string policy =
        R"("data_policy":{"zero_retention":false,"regions":null,"pool":"","pool_on_request":"",)"
        R"("allow_web_search":false,"keep_end_user":false}})";
    EXPECT_EQ(
        entries[0].before,
        R"({"code":"acme","name":"Customer acme","time_zone":"Asia/Shanghai","is_active":true,)" +
            policy);
    EXPECT_EQ(
        entries[0].after,
        R"({"code":"acme","name":"New","time_zone":"Asia/Shanghai","is_active":true,)" + policy);
    EXPECT_EQ(entries[1].before, "");
    EXPECT_EQ(t.identity.verify_audit_log().value(), 2);
}

TEST_P(AuditLogTest, filters_and_pages) {
    auto t = with_entries(GetParam());
    t->project(CustomerId(1), "p");
    EXPECT_EQ(t->identity.audit({.subject_kind = "customer", .limit = 2}).value().size(), 2U);
    EXPECT_EQ(t->identity.audit({.subject_kind = "customer", .subject_id = "2"}).value().at(0).id,
              2);
    EXPECT_EQ(t->identity.audit({.before_id = 3}).value().at(0).id, 2);
}

TEST_P(AuditLogTest, rows_cannot_be_changed_or_deleted) {
    auto t = with_entries(GetParam());
    EXPECT_FALSE(t->store->execute("UPDATE audit_log SET actor = 'nobody'").ok());
    EXPECT_FALSE(t->store->execute("DELETE FROM audit_log WHERE id = 1").ok());
    EXPECT_EQ(t->identity.verify_audit_log().value(), 3);
}

TEST_P(AuditLogTest, every_kind_of_tampering_is_found) {
    const std::pair<const char*, const char*> cases[] = {
        {"UPDATE audit_log SET actor = 'nobody' WHERE id = 2", "audit entry 2 was changed"},
        {"UPDATE audit_log SET at = at + 1 WHERE id = 1", "audit entry 1 was changed"},
        {"UPDATE audit_log SET before_json = 'x', after_json = substr(after_json, 2) WHERE id = 3",
         "audit entry 3 was changed"},
        {"DELETE FROM audit_log WHERE id = 2", "audit entry 2 is missing"},
        {"DELETE FROM audit_log WHERE id = 3", "end was cut"},
        {"DELETE FROM audit_log", "end was cut"},
        {"UPDATE audit_head SET entries = 2", "end was cut"},
        {"INSERT INTO audit_log SELECT 4, at, actor, action, subject_kind, subject_id, "
         "before_json, after_json, hash, hash FROM "
         "audit_log WHERE id = 3",
         "audit entry 4 was changed"},
    };
    for (const auto& [sql, says] : cases) {
        auto t = with_entries(GetParam());
        tamper(t->store, sql);
        const auto verified = t->identity.verify_audit_log();
        ASSERT_FALSE(verified.ok()) << sql;
        EXPECT_EQ(verified.error().code, ErrorCode::corrupt_data);
        EXPECT_NE(verified.error().detail.find(says), std::string::npos)
            << sql << " -> " << verified.error().text();
    }
}

TEST_P(AuditLogTest, concurrent_writers_make_one_chain) {
    TestIdentity t(GetParam());
    std::vector<std::thread> writers;
    for (int w = 0; w < 4; ++w) {
        writers.emplace_back([&, w] {
            for (int i = 0; i < 10; ++i) {
                const auto made = t.identity.create_customer(
                    {.code = "c" + std::to_string(w) + "-" + std::to_string(i), .name = "n"},
                    t.change());
                EXPECT_TRUE(made.ok()) << made.error().text();
            }
        });
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(t.identity.verify_audit_log().value(), 40);
    EXPECT_EQ(t.holder.get()->customers().size(), 40U);
    EXPECT_EQ(t.store.integer("SELECT version FROM directory_version"), 41);
}

TEST_P(AuditLogTest, an_empty_log_is_whole) {
    TestIdentity t(GetParam());
    EXPECT_EQ(t.identity.verify_audit_log().value(), 0);
}

}  // namespace
}  // namespace tg
