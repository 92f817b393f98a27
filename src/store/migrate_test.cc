#include <gtest/gtest.h>

#include <thread>

#include "store/test_store.h"

namespace tg {
namespace {

constexpr Migration kFirst{1, "one", "CREATE TABLE a (id BIGINT)", "CREATE TABLE a (id BIGINT)"};
constexpr Migration kSecond{2, "two", "CREATE TABLE b (id BIGINT); INSERT INTO a VALUES (1);",
                            "CREATE TABLE b (id BIGINT); INSERT INTO a VALUES (1);"};
constexpr Migration kBroken{3, "three", "CREATE TABLE c (id BIGINT); CREATE TABLE a (id BIGINT);",
                            "CREATE TABLE c (id BIGINT); CREATE TABLE a (id BIGINT);"};

class MigrateTest : public DialectTest {};
TG_INSTANTIATE_DIALECTS(MigrateTest);

TEST_P(MigrateTest, applies_what_is_missing_once) {
    auto store = fresh_store(TestStore::Schema::empty);
    SqlConnection& c = store->connection();
    const Migration all[] = {kFirst, kSecond};
    EXPECT_EQ(migrate(c, std::span(all, 1)).value(), 1);
    EXPECT_EQ(migrate(c, all).value(), 1);
    EXPECT_EQ(migrate(c, all).value(), 0);
    EXPECT_EQ(store->integer("SELECT count(*) FROM a"), 1);
}

TEST_P(MigrateTest, a_failing_one_leaves_nothing_and_names_itself) {
    auto store = fresh_store(TestStore::Schema::empty);
    SqlConnection& c = store->connection();
    const Migration all[] = {kFirst, kSecond, kBroken};
    const auto result = migrate(c, all);
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.error().detail.find("migration 3 (three)"), std::string::npos)
        << result.error().text();
    EXPECT_EQ(store->integer("SELECT count(*) FROM schema_migrations"), 2);
    EXPECT_FALSE(c.execute("SELECT * FROM c").ok());
}

TEST_P(MigrateTest, a_newer_store_and_an_edited_migration_are_conflicts) {
    auto store = fresh_store(TestStore::Schema::empty);
    SqlConnection& c = store->connection();
    const Migration all[] = {kFirst, kSecond};
    ASSERT_TRUE(migrate(c, all).ok());
    const auto older = migrate(c, std::span(all, 1));
    ASSERT_FALSE(older.ok());
    EXPECT_EQ(older.error().code, ErrorCode::conflict);
    EXPECT_NE(older.error().detail.find("2 (two)"), std::string::npos) << older.error().text();
    Migration edited = kFirst;
    edited.sqlite = edited.postgres = "CREATE TABLE a (id BIGINT, more TEXT)";
    const Migration changed[] = {edited, kSecond};
    const auto refused = migrate(c, changed);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::conflict);
}

TEST_P(MigrateTest, concurrent_starters_apply_each_one_once) {
    auto store = fresh_store(TestStore::Schema::empty);
    const Migration all[] = {kFirst, kSecond};
    std::atomic<int> applied{0}, failures{0};
    std::vector<std::thread> starters;
    for (int i = 0; i < 6; ++i) {
        starters.emplace_back([&] {
            auto connection = open_store(store->url());
            const auto result = connection.ok() ? migrate(**connection, all)
                                                : Result<int>(fail(connection.error()));
            if (result.ok()) {
                applied += *result;
            } else {
                ++failures;
                ADD_FAILURE() << result.error().text();
            }
        });
    }
    for (std::thread& starter : starters) starter.join();
    EXPECT_EQ(applied, 2);
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(store->integer("SELECT count(*) FROM a"), 1);
}

TEST_P(MigrateTest, the_embedded_ones_apply_to_an_empty_store) {
    auto store = fresh_store(TestStore::Schema::empty);
    EXPECT_EQ(migrate(store->connection(), all_migrations()).value(),
              static_cast<int>(all_migrations().size()));
    int last = 0;
    for (const Migration& migration : all_migrations()) {
        EXPECT_GT(migration.number, last) << migration.name;
        last = migration.number;
        EXPECT_FALSE(migration.sqlite.empty());
        EXPECT_FALSE(migration.postgres.empty());
    }
}

}  // namespace
}  // namespace tg
