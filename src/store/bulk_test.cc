#include <gtest/gtest.h>

#include <cstdio>
#include <limits>

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

/// A table that both stores read in the order of its key.
class BulkReadTest : public DialectTest {
  protected:
    std::unique_ptr<TestStore> store_with_rows() const {
        auto store = fresh_store(TestStore::Schema::empty);
        const std::string integer = GetParam() == Dialect::sqlite ? "INTEGER" : "BIGINT";
        run(*store, "CREATE TABLE t (id " + integer +
                        " PRIMARY KEY, four INTEGER, name TEXT, two SMALLINT)");
        run(*store,
            "INSERT INTO t (id, four, name, two) VALUES (3, 30, '', 300), "
            "(-9223372036854775808, -2147483648, 'least', -32768), "
            "(9223372036854775807, 2147483647, '\xc3\xa9 a\tb', 32767), (4, 40, 'd', 400), "
            "(-1, -10, 'minus', -100)");
        return store;
    }
    static void run(TestStore& store, const std::string& sql) {
        const Status status = store->execute_script(sql);
        ASSERT_TRUE(status.ok()) << status.error().text();
    }
    /// "id four two name" of each row, one a line.
    static Result<std::string> read(TestStore& store, std::int64_t first, std::int64_t last,
                                    std::span<const std::string_view> columns = kReadColumns) {
        std::string out;
        const Status status =
            store->bulk_read("t", columns, first, last, [&out](const BulkRow& row) {
                for (const std::int64_t number : row.integers)
                    out.append(std::to_string(number)).append(" ");
                for (const std::string_view text : row.texts) out.append(text).append("\n");
                return true;
            });
        if (!status.ok()) return fail(status.error());
        return out;
    }
    static constexpr std::string_view kReadColumns[] = {"id:i", "four:i4", "two:i2", "name:t"};
    static constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min(),
                                  kMost = std::numeric_limits<std::int64_t>::max();
};
TG_INSTANTIATE_DIALECTS(BulkReadTest);

TEST_P(BulkReadTest, rows_come_in_order_of_the_key_with_extreme_values) {
    auto store = store_with_rows();
    EXPECT_EQ(*read(*store, kLeast, kMost),
              "-9223372036854775808 -2147483648 -32768 least\n-1 -10 -100 minus\n3 30 300 \n"
              "4 40 400 d\n9223372036854775807 2147483647 32767 \xc3\xa9 a\tb\n");
    EXPECT_EQ(*read(*store, -1, 3), "-1 -10 -100 minus\n3 30 300 \n") << "both ends belong to it";
    EXPECT_EQ(*read(*store, 5, 9), "");
    EXPECT_EQ(*read(*store, 4, 3), "");
}

TEST_P(BulkReadTest, many_rows_all_arrive) {
    auto store = store_with_rows();
    constexpr int kRows = 30'000;
    run(*store, "DELETE FROM t");
    ASSERT_TRUE((*store)->begin().ok());
    auto bulk = (*store)->bulk_insert("t", kReadColumns);
    ASSERT_TRUE(bulk.ok());
    for (int i = 0; i < kRows; ++i) {
        (*bulk)->integer(i);
        (*bulk)->integer(-i);
        (*bulk)->integer(i % 1000);
        (*bulk)->text("n" + std::to_string(i));
        ASSERT_TRUE((*bulk)->end_row().ok());
    }
    ASSERT_TRUE((*bulk)->finish().ok());
    ASSERT_TRUE((*store)->commit().ok());
    int next = 0;
    ASSERT_TRUE((*store)
                    ->bulk_read("t", kReadColumns, 0, kRows,
                                [&](const BulkRow& row) {
                                    EXPECT_EQ(row.integers[0], next);
                                    EXPECT_EQ(row.integers[1], -next);
                                    EXPECT_EQ(row.integers[2], next % 1000);
                                    EXPECT_EQ(row.texts[0], "n" + std::to_string(next));
                                    ++next;
                                    return !testing::Test::HasFailure();
                                })
                    .ok());
    EXPECT_EQ(next, kRows);
}

TEST_P(BulkReadTest, stops_when_told_and_the_connection_goes_on) {
    auto store = store_with_rows();
    int rows = 0;
    ASSERT_TRUE((*store)->begin().ok());
    const Status status =
        (*store)->bulk_read("t", kReadColumns, kLeast, kMost, [&](const BulkRow&) {
            EXPECT_FALSE((*store)->execute("DELETE FROM t").ok()) << "it is reading";
            return ++rows < 2;
        });
    ASSERT_TRUE(status.ok()) << status.error().text();
    EXPECT_EQ(rows, 2);
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 5);
    ASSERT_TRUE((*store)->commit().ok());
    EXPECT_EQ(*read(*store, 4, 4), "4 40 400 d\n");
}

TEST_P(BulkReadTest, a_null_is_an_error_that_names_the_column_and_never_a_zero) {
    for (const std::string column : {"four", "two", "name"}) {
        auto store = store_with_rows();
        run(*store, "UPDATE t SET " + column + " = NULL WHERE id = 4");
        const Result<std::string> rows = read(*store, kLeast, kMost);
        ASSERT_FALSE(rows.ok()) << column;
        EXPECT_EQ(rows.error().code, ErrorCode::corrupt_data);
        EXPECT_NE(rows.error().detail.find("column " + column + " of t"), std::string::npos)
            << rows.error().detail;
        EXPECT_EQ(*read(*store, -1, 3), "-1 -10 -100 minus\n3 30 300 \n") << "it goes on";
    }
}

TEST_P(BulkReadTest, a_column_of_another_type_is_an_error_and_never_another_value) {
    auto store = store_with_rows();
    if (GetParam() == Dialect::sqlite)
        run(*store, "UPDATE t SET four = 0.5 WHERE id = 4");
    else
        run(*store, "ALTER TABLE t ALTER COLUMN four TYPE real");
    const Result<std::string> rows = read(*store, kLeast, kMost);
    ASSERT_FALSE(rows.ok());
    EXPECT_EQ(rows.error().code, ErrorCode::corrupt_data);
    EXPECT_NE(rows.error().detail.find("column four of t"), std::string::npos)
        << rows.error().detail;
}

TEST_P(BulkReadTest, refuses_what_cannot_be_read) {
    auto store = store_with_rows();
    const std::string_view text_first[] = {"name:t", "id:i"};
    const std::string_view no_column[] = {"id:i", "five:i"};
    const std::string_view no_type[] = {"id:i", "four:x"};
    for (const auto& columns : {text_first, no_column, no_type})
        EXPECT_FALSE(read(*store, 0, 9, std::span(columns, 2)).ok());
    EXPECT_FALSE(
        (*store)
            ->bulk_read("no_table", kReadColumns, 0, 9, [](const BulkRow&) { return true; })
            .ok());
    EXPECT_TRUE(read(*store, 0, 9).ok());
}

}  // namespace
}  // namespace tg
