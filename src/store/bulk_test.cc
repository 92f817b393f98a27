#include <gtest/gtest.h>

#include <cstdio>

#include "base/clock.h"
#include "store/test_store.h"

namespace tg {
namespace {

constexpr std::string_view kColumns[] = {"id:i", "four:i4", "two:i2", "name:t"};

class BulkTest : public DialectTest {
  protected:
    std::unique_ptr<TestStore> store_with_table() const {
        auto store = fresh_store(TestStore::Schema::empty);
        EXPECT_TRUE(
            (*store)
                ->execute_script(
                    "CREATE TABLE t (id BIGINT PRIMARY KEY, four INTEGER, two SMALLINT, name TEXT)")
                .ok());
        return store;
    }
    static std::unique_ptr<SqlConnection::BulkInsert> open(SqlConnection& c) {
        auto bulk = c.bulk_insert("t", kColumns);
        EXPECT_TRUE(bulk.ok()) << bulk.error().text();
        return std::move(bulk).value();
    }
    static void row(SqlConnection::BulkInsert& bulk, std::int64_t id, std::string_view name) {
        bulk.integer(id);
        bulk.integer(-5);
        bulk.null();
        bulk.text(name);
    }
};
TG_INSTANTIATE_DIALECTS(BulkTest);

TEST_P(BulkTest, rows_arrive_with_extreme_values_nulls_and_repaired_text) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    auto transaction = Transaction::begin(c);
    ASSERT_TRUE(transaction.ok());
    auto bulk = open(c);
    bulk->integer(std::numeric_limits<std::int64_t>::min());
    bulk->integer(std::numeric_limits<std::int32_t>::min());
    bulk->integer(std::numeric_limits<std::int16_t>::max());
    bulk->text("é\xff");
    ASSERT_TRUE(bulk->end_row().ok());
    bulk->integer(2);
    bulk->null();
    bulk->null();
    bulk->null();
    ASSERT_TRUE(bulk->end_row().ok());
    ASSERT_TRUE(bulk->finish().ok());
    ASSERT_TRUE(transaction->commit().ok());
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 2);
    EXPECT_EQ(store->integer("SELECT id FROM t WHERE four = ?",
                             {std::numeric_limits<std::int32_t>::min()}),
              std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(store->integer("SELECT two FROM t WHERE id < 0"), 32767);
    EXPECT_EQ(store->text("SELECT name FROM t WHERE id < 0"), "é\xef\xbf\xbd");
    EXPECT_EQ(store->integer("SELECT count(*) FROM t WHERE id = 2 AND four IS NULL AND two IS NULL "
                             "AND name IS NULL"),
              1);
}

TEST_P(BulkTest, many_rows_across_buffers_arrive_once) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    constexpr int kRows = 30'000;
    const std::string filler(40, 'f');
    ASSERT_TRUE(c.begin().ok());
    auto bulk = open(c);
    for (int i = 0; i < kRows; ++i) {
        row(*bulk, i, filler + std::to_string(i));
        ASSERT_TRUE(bulk->end_row().ok());
    }
    ASSERT_TRUE(bulk->finish().ok());
    ASSERT_TRUE(c.commit().ok());
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), kRows);
    EXPECT_EQ(store->integer("SELECT sum(id) FROM t"), std::int64_t{kRows} * (kRows - 1) / 2);
    EXPECT_EQ(store->text("SELECT name FROM t WHERE id = 29999"), filler + "29999");
}

TEST_P(BulkTest, several_in_one_transaction_and_none_without_rows) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    ASSERT_TRUE(c.begin().ok());
    for (int i = 0; i < 3; ++i) {
        auto bulk = open(c);
        if (i != 1) {
            row(*bulk, i, "n");
            ASSERT_TRUE(bulk->end_row().ok());
        }
        ASSERT_TRUE(bulk->finish().ok());
        EXPECT_FALSE(bulk->finish().ok()) << "finished already";
    }
    ASSERT_TRUE(c.execute("UPDATE t SET four = 1").ok());
    ASSERT_TRUE(c.commit().ok());
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 2);
}

TEST_P(BulkTest, a_duplicate_is_a_conflict_by_finish_and_leaves_nothing) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    ASSERT_TRUE(c.begin().ok());
    {
        auto bulk = open(c);
        Status status;
        for (const std::int64_t id : {1, 2, 1}) {
            row(*bulk, id, "n");
            if (status.ok()) status = bulk->end_row();
        }
        if (status.ok()) status = bulk->finish();
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().code, ErrorCode::conflict) << status.error().text();
    }
    EXPECT_FALSE(c.commit().ok());
    ASSERT_TRUE(c.rollback().ok());
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 0);
}

TEST_P(BulkTest, an_abandoned_one_fails_the_transaction) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    ASSERT_TRUE(c.begin().ok());
    {
        auto bulk = open(c);
        row(*bulk, 1, "n");
        ASSERT_TRUE(bulk->end_row().ok());
    }
    EXPECT_FALSE(c.execute("SELECT 1").ok());
    EXPECT_FALSE(c.commit().ok());
    ASSERT_TRUE(c.rollback().ok());
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 0);
}

TEST_P(BulkTest, the_connection_is_busy_until_finish) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    ASSERT_TRUE(c.begin().ok());
    auto bulk = open(c);
    EXPECT_FALSE(c.execute("SELECT 1").ok());
    EXPECT_FALSE(c.bulk_insert("t", kColumns).ok());
    EXPECT_FALSE(c.commit().ok());
    EXPECT_FALSE(c.rollback().ok());
    ASSERT_TRUE(bulk->finish().ok());
    EXPECT_TRUE(c.commit().ok());
}

TEST_P(BulkTest, misuse_is_an_error_naming_the_column) {
    struct Case {
        const char* says;
        std::function<void(SqlConnection::BulkInsert&)> misuse;
    };
    const Case cases[] = {
        {"four",
         [](auto& b) {
             b.integer(1);
             b.integer(1LL << 31);
             b.null();
             b.null();
         }},
        {"two",
         [](auto& b) {
             b.integer(1);
             b.null();
             b.integer(-32769);
             b.null();
         }},
        {"name",
         [](auto& b) {
             b.integer(1);
             b.null();
             b.null();
             b.integer(3);
         }},
        {"id",
         [](auto& b) {
             b.text("x");
             b.null();
             b.null();
             b.null();
         }},
        {"3 values",
         [](auto& b) {
             b.integer(1);
             b.null();
             b.null();
         }},
        {"more values",
         [](auto& b) {
             b.integer(1);
             b.null();
             b.null();
             b.null();
             b.null();
         }},
    };
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    for (const Case& test : cases) {
        ASSERT_TRUE(c.begin().ok());
        {
            auto bulk = open(c);
            test.misuse(*bulk);
            const Status status = bulk->end_row();
            ASSERT_FALSE(status.ok()) << test.says;
            EXPECT_NE(status.error().detail.find(test.says), std::string::npos)
                << status.error().text();
            EXPECT_FALSE(bulk->finish().ok()) << "an error is not forgotten";
        }
        ASSERT_TRUE(c.rollback().ok());
    }
    EXPECT_FALSE(c.bulk_insert("t", kColumns).ok()) << "needs a transaction";
    ASSERT_TRUE(c.begin().ok());
    for (const std::string_view column : {"id", "id:x", ":i", "id; DROP TABLE t:i"}) {
        EXPECT_FALSE(c.bulk_insert("t", std::span(&column, 1)).ok()) << column;
    }
    EXPECT_FALSE(c.bulk_insert("t; DROP TABLE t", kColumns).ok());
    EXPECT_FALSE(c.bulk_insert("t", {}).ok());
    EXPECT_TRUE(c.rollback().ok());
}

/// 20 columns as a usage event has; prints the rate, which bench/ and the README quote. Asserts
/// only that all rows arrive.
TEST_P(BulkTest, speed_of_twenty_columns) {
    auto store = fresh_store(TestStore::Schema::empty);
    SqlConnection& c = store->connection();
    std::string ddl = "CREATE TABLE wide (";
    std::vector<std::string> names;
    for (int i = 0; i < 20; ++i) {
        const bool is_text = i >= 14;
        ddl += (i == 0 ? "" : ", ") + ("c" + std::to_string(i)) + (is_text ? " TEXT" : " BIGINT");
        names.push_back("c" + std::to_string(i) + (is_text ? ":t" : ":i"));
    }
    ASSERT_TRUE(c.execute_script(ddl + ")").ok());
    const std::vector<std::string_view> columns(names.begin(), names.end());
    constexpr int kRows = 200'000;
    const std::int64_t start = system_clock().monotonic_ns();
    ASSERT_TRUE(c.begin().ok());
    auto bulk = c.bulk_insert("wide", columns);
    ASSERT_TRUE(bulk.ok());
    for (int i = 0; i < kRows; ++i) {
        for (int column = 0; column < 14; ++column) (*bulk)->integer(std::int64_t{i} * column);
        for (const char* text : {"gpt-4o-mini", "gpt-4o-mini-2024-07-18", "openai", "eastus2",
                                 "user-1234", "req-abcdef"}) {
            (*bulk)->text(text);
        }
        ASSERT_TRUE((*bulk)->end_row().ok());
    }
    ASSERT_TRUE((*bulk)->finish().ok());
    ASSERT_TRUE(c.commit().ok());
    const std::int64_t micros = (system_clock().monotonic_ns() - start) / 1000;
    std::printf("bulk insert: %lld rows/s\n",
                static_cast<long long>(std::int64_t{kRows} * 1'000'000 / micros));
    EXPECT_EQ(store->integer("SELECT count(*) FROM wide"), kRows);
}

}  // namespace
}  // namespace tg
