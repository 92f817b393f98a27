#include <gtest/gtest.h>

#include "store/test_store.h"

namespace tg {
namespace {

class StoreTest : public DialectTest {
  protected:
    std::unique_ptr<TestStore> store_with_table() const {
        auto store = fresh_store(TestStore::Schema::empty);
        EXPECT_TRUE(
            (*store)
                ->execute_script(
                    "CREATE TABLE parent (id BIGINT PRIMARY KEY);"
                    "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT UNIQUE, small INTEGER, "
                    "parent BIGINT REFERENCES parent (id));")
                .ok());
        return store;
    }
    static std::vector<std::string> rows(SqlConnection& c, std::string_view sql,
                                         std::initializer_list<SqlValue> v = {}) {
        std::vector<std::string> out;
        const Status status = c.query(sql, v, [&](const SqlRow& row) {
            out.emplace_back(row.text(0));
            return true;
        });
        EXPECT_TRUE(status.ok()) << status.error().text();
        return out;
    }
    static ErrorCode code_of(const Result<std::int64_t>& result) {
        return result.ok() ? ErrorCode{} : result.error().code;
    }
};
TG_INSTANTIATE_DIALECTS(StoreTest);

TEST_P(StoreTest, values_come_back_as_they_went_in) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min(),
                           kMax = std::numeric_limits<std::int64_t>::max();
    EXPECT_EQ(c.execute("INSERT INTO t (id, name, small) VALUES (?, ?, ?), (?, ?, ?)",
                        {kMin, "a'b\"c\\d?é\n", 7, kMax, std::monostate{}, std::monostate{}})
                  .value(),
              2);
    int seen = 0;
    ASSERT_TRUE(c.query("SELECT id, name, small FROM t ORDER BY id", {}, [&](const SqlRow& row) {
                     if (seen++ == 0) {
                         EXPECT_EQ(row.integer(0), kMin);
                         EXPECT_EQ(row.text(1), "a'b\"c\\d?é\n");
                         EXPECT_FALSE(row.is_null(1));
                         EXPECT_EQ(row.integer(2), 7);
                         EXPECT_EQ(row.text(2), "7");
                         EXPECT_EQ(row.integer(2), 7);
                     } else {
                         EXPECT_EQ(row.integer(0), kMax);
                         EXPECT_TRUE(row.is_null(1));
                         EXPECT_EQ(row.text(1), "");
                         EXPECT_TRUE(row.is_null(2));
                         EXPECT_EQ(row.integer(2), 0);
                     }
                     return true;
                 }).ok());
    EXPECT_EQ(seen, 2);
}

TEST_P(StoreTest, empty_text_is_not_null) {
    auto store = store_with_table();
    ASSERT_TRUE((*store)->execute("INSERT INTO t (id, name) VALUES (1, ?)", {""}).ok());
    EXPECT_EQ(store->integer("SELECT count(*) FROM t WHERE name = ?", {""}), 1);
}

TEST_P(StoreTest, the_same_statement_takes_null_integer_and_text_in_turn) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    const char* sql = "INSERT INTO t (id, name, small) VALUES (?, ?, ?)";
    EXPECT_TRUE(c.execute(sql, {1, std::monostate{}, std::monostate{}}).ok());
    EXPECT_TRUE(c.execute(sql, {2, "x", 5}).ok());
    EXPECT_TRUE(c.execute(sql, {3, std::monostate{}, 6}).ok());
    EXPECT_TRUE(c.execute(sql, {4, "y", std::monostate{}}).ok());
    EXPECT_EQ(
        rows(c,
             "SELECT coalesce(name, '-') || coalesce(CAST(small AS TEXT), '-') FROM t ORDER BY id"),
        (std::vector<std::string>{"--", "x5", "-6", "y-"}));
}

TEST_P(StoreTest, invalid_utf8_and_nul_become_replacement_characters) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    const std::string bad("a\0b\xff\xed\xa0\x80", 7);
    ASSERT_TRUE(c.execute("INSERT INTO t (id, name) VALUES (1, ?)", {bad}).ok());
    const std::string repaired =
        "a\xef\xbf\xbd"
        "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd";
    EXPECT_EQ(rows(c, "SELECT name FROM t"), std::vector<std::string>{repaired});
    EXPECT_EQ(rows(c, "SELECT name FROM t WHERE name = ?", {bad}).size(), 1U);
}

TEST_P(StoreTest, question_marks_in_quotes_and_comments_are_no_parameters) {
    auto store = store_with_table();
    EXPECT_EQ(store->text("SELECT '?' || ? /* ? */ AS \"a?\" -- ?\n", {"x"}), "?x");
}

TEST_P(StoreTest, execute_counts_changed_rows) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    EXPECT_EQ(c.execute("INSERT INTO t (id) VALUES (1), (2), (3)").value(), 3);
    EXPECT_EQ(c.execute("UPDATE t SET small = 1 WHERE id > ?", {1}).value(), 2);
    EXPECT_EQ(c.execute("SELECT * FROM t").value(), 0);
    EXPECT_EQ(c.execute("CREATE TABLE u (id BIGINT)").value(), 0);
    EXPECT_EQ(c.execute("UPDATE t SET small = 1 WHERE id = 99").value(), 0);
    EXPECT_EQ(c.execute("DELETE FROM t").value(), 3);
}

TEST_P(StoreTest, insert_returning_yields_rows) {
    auto store = store_with_table();
    EXPECT_EQ(store->integer("INSERT INTO t (id, name) VALUES (?, ?) RETURNING id", {41, "n"}), 41);
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 1);
}

TEST_P(StoreTest, query_stops_when_the_callback_says_so) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    ASSERT_TRUE(c.execute("INSERT INTO t (id) VALUES (1), (2), (3)").ok());
    int seen = 0;
    ASSERT_TRUE(c.query("SELECT id FROM t", {}, [&](const SqlRow&) { return ++seen < 2; }).ok());
    EXPECT_EQ(seen, 2);
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 3);
}

TEST_P(StoreTest, errors_have_the_same_code_in_both_dialects) {
    struct Case {
        const char* what;
        const char* sql;
        std::vector<SqlValue> values;
        ErrorCode code;
    };
    const Case cases[] = {
        {"primary key", "INSERT INTO t (id) VALUES (1)", {}, ErrorCode::conflict},
        {"unique", "INSERT INTO t (id, name) VALUES (2, 'taken')", {}, ErrorCode::conflict},
        {"foreign key", "INSERT INTO t (id, parent) VALUES (2, 77)", {}, ErrorCode::conflict},
        {"syntax", "INSERT INTO", {}, ErrorCode::internal},
        {"unknown table", "SELECT * FROM nowhere", {}, ErrorCode::internal},
        {"too few values", "INSERT INTO t (id) VALUES (?)", {}, ErrorCode::internal},
        {"two statements", "SELECT 1; SELECT 2", {}, ErrorCode::internal},
    };
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    ASSERT_TRUE(c.execute("INSERT INTO t (id, name) VALUES (1, 'taken')").ok());
    for (const Case& test : cases) {
        const auto result = c.execute(test.sql, test.values);
        ASSERT_FALSE(result.ok()) << test.what;
        EXPECT_EQ(result.error().code, test.code) << test.what << ": " << result.error().text();
        EXPECT_NE(result.error().detail.find(std::string(test.sql).substr(0, 11)),
                  std::string::npos)
            << result.error().text();
    }
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 1)
        << "the connection works on after errors";
}

TEST_P(StoreTest, a_sum_beyond_64_bits_is_an_error_not_a_wrong_number) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    ASSERT_TRUE(c.execute("INSERT INTO t (id) VALUES (?), (?)",
                          {std::numeric_limits<std::int64_t>::max(), 5})
                    .ok());
    const Status status = c.query("SELECT sum(id) FROM t", {}, [](const SqlRow& row) {
        (void)row.integer(0);
        return true;
    });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::internal);
    for (const char* sql : {"SELECT 'abc'", "SELECT 1.5", "SELECT '12 '"}) {
        EXPECT_FALSE(c.query(sql, {}, [](const SqlRow& row) { return row.integer(0) >= 0; }).ok())
            << sql;
    }
    EXPECT_FALSE(
        c.query("SELECT 1", {}, [](const SqlRow& row) { return row.integer(1) == 0; }).ok());
}

TEST_P(StoreTest, transaction_commits_or_rolls_back) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    {
        auto transaction = Transaction::begin(c);
        ASSERT_TRUE(transaction.ok());
        ASSERT_TRUE(c.execute("INSERT INTO t (id) VALUES (1)").ok());
    }
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 0);
    {
        auto transaction = Transaction::begin(c);
        ASSERT_TRUE(transaction.ok());
        ASSERT_TRUE(c.execute("INSERT INTO t (id) VALUES (1)").ok());
        EXPECT_TRUE(transaction->commit().ok());
    }
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 1);
    EXPECT_FALSE(c.commit().ok()) << "nothing is open";
    EXPECT_TRUE(c.rollback().ok());
    ASSERT_TRUE(c.begin().ok());
    EXPECT_FALSE(c.begin().ok()) << "transactions do not nest";
    EXPECT_TRUE(c.rollback().ok());
}

TEST_P(StoreTest, after_a_failure_a_transaction_can_only_be_rolled_back) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    ASSERT_TRUE(c.begin().ok());
    ASSERT_TRUE(c.execute("INSERT INTO t (id) VALUES (1)").ok());
    EXPECT_EQ(code_of(c.execute("INSERT INTO t (id) VALUES (1)")), ErrorCode::conflict);
    EXPECT_EQ(code_of(c.execute("INSERT INTO t (id) VALUES (2)")), ErrorCode::internal);
    EXPECT_FALSE(c.commit().ok());
    EXPECT_TRUE(c.rollback().ok());
    EXPECT_EQ(store->integer("SELECT count(*) FROM t"), 0);
    EXPECT_EQ(c.execute("INSERT INTO t (id) VALUES (1)").value(), 1);
}

TEST_P(StoreTest, the_connection_is_busy_while_rows_are_read) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    bool is_refused = false;
    ASSERT_TRUE(c.query("SELECT 1", {}, [&](const SqlRow&) {
                     is_refused = !c.execute("INSERT INTO t (id) VALUES (1)").ok() &&
                                  !c.begin().ok() && !c.rollback().ok();
                     return true;
                 }).ok());
    EXPECT_TRUE(is_refused);
    EXPECT_TRUE(c.execute("INSERT INTO t (id) VALUES (1)").ok());
}

TEST_P(StoreTest, many_different_statements_do_not_run_out) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 300; ++i) {
            ASSERT_EQ(rows(c, "SELECT CAST(? AS TEXT) || '" + std::to_string(i) + "'", {"x"}),
                      std::vector<std::string>{"x" + std::to_string(i)});
        }
    }
}

TEST_P(StoreTest, large_results_and_texts_pass) {
    auto store = store_with_table();
    SqlConnection& c = store->connection();
    const std::string large(3'000'000, 'z');
    ASSERT_TRUE(c.execute("INSERT INTO t (id, parent) VALUES (1, NULL)").ok());
    ASSERT_TRUE(c.execute_script("CREATE TABLE big (text TEXT)").ok());
    ASSERT_TRUE(c.execute("INSERT INTO big (text) VALUES (?)", {large}).ok());
    EXPECT_EQ(store->text("SELECT text FROM big"), large);
    std::int64_t sum = 0;
    ASSERT_TRUE(c.query("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                        "20000) SELECT i FROM n",
                        {},
                        [&](const SqlRow& row) {
                            sum += row.integer(0);
                            return true;
                        })
                    .ok());
    EXPECT_EQ(sum, 200010000);
}

TEST_P(StoreTest, a_second_connection_sees_only_what_is_committed) {
    auto store = store_with_table();
    SqlConnection& writer = store->connection();
    const auto reader = store->connect();
    const auto count = [&] { return rows(*reader, "SELECT count(*) FROM t").at(0); };
    ASSERT_TRUE(writer.begin().ok());
    ASSERT_TRUE(writer.execute("INSERT INTO t (id) VALUES (1)").ok());
    EXPECT_EQ(count(), "0");
    ASSERT_TRUE(writer.commit().ok());
    EXPECT_EQ(count(), "1");
}

TEST_P(StoreTest, a_table_changed_by_another_connection_is_followed) {
    auto store = store_with_table();
    const auto other = store->connect();
    SqlConnection& c = store->connection();
    ASSERT_TRUE(c.execute("INSERT INTO t (id) VALUES (1)").ok());
    EXPECT_EQ(rows(c, "SELECT * FROM t"), std::vector<std::string>{"1"});
    ASSERT_TRUE(other->execute_script("ALTER TABLE t ADD COLUMN extra TEXT").ok());
    // PostgreSQL refuses the stale plan once, as an error that may be retried.
    const Status first = c.query("SELECT * FROM t", {}, [](const SqlRow&) { return true; });
    if (!first.ok())
        EXPECT_EQ(first.error().code, ErrorCode::store_unavailable) << first.error().text();
    EXPECT_EQ(rows(c, "SELECT * FROM t"), std::vector<std::string>{"1"});
}

TEST(SqliteTest, data_version_changes_with_commits_of_others) {
    TestStore store(Dialect::sqlite, TestStore::Schema::empty);
    ASSERT_TRUE(store->execute_script("CREATE TABLE t (id BIGINT)").ok());
    const auto other = store.connect();
    const std::int64_t before = other->data_version().value();
    EXPECT_EQ(other->data_version().value(), before);
    ASSERT_TRUE(store->execute("INSERT INTO t VALUES (1)").ok());
    const std::int64_t after = other->data_version().value();
    EXPECT_NE(after, before);
    ASSERT_TRUE(other->execute("INSERT INTO t VALUES (2)").ok());
    EXPECT_EQ(other->data_version().value(), after) << "own commits do not count";
}

TEST(SqliteTest, a_second_writer_gets_store_unavailable_after_its_timeout) {
    TestStore store(Dialect::sqlite, TestStore::Schema::empty);
    ASSERT_TRUE(store->execute_script("CREATE TABLE t (id BIGINT)").ok());
    auto other = open_store(store.url() + "?busy_timeout_ms=0");
    ASSERT_TRUE(other.ok()) << other.error().text();
    ASSERT_TRUE(store->begin().ok());
    const Status refused = (*other)->begin();
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::store_unavailable);
    EXPECT_NE(refused.error().detail.find("store.db"), std::string::npos) << refused.error().text();
    ASSERT_TRUE(store->rollback().ok());
    EXPECT_TRUE((*other)->begin().ok());
}

TEST(SqliteTest, options_of_the_url_are_applied) {
    TestStore store(Dialect::sqlite, TestStore::Schema::empty);
    EXPECT_EQ(store.text("PRAGMA journal_mode"), "wal");
    EXPECT_EQ(store.integer("PRAGMA foreign_keys"), 1);
    EXPECT_EQ(store.integer("PRAGMA synchronous"), 1);
    auto full = open_store(store.url() + "?synchronous=full&busy_timeout_ms=123");
    ASSERT_TRUE(full.ok()) << full.error().text();
    std::vector<std::int64_t> values;
    for (const char* pragma : {"PRAGMA synchronous", "PRAGMA busy_timeout"}) {
        ASSERT_TRUE((*full)
                        ->query(pragma, {},
                                [&](const SqlRow& row) {
                                    values.push_back(row.integer(0));
                                    return true;
                                })
                        .ok());
    }
    EXPECT_EQ(values, (std::vector<std::int64_t>{2, 123}));
}

TEST(SqliteTest, a_file_that_is_no_store_is_corrupt_data) {
    const TestStore store(Dialect::sqlite, TestStore::Schema::empty);
    const std::string path = store.url().substr(7) + ".other";
    std::FILE* file = std::fopen(path.c_str(), "w");
    ASSERT_NE(file, nullptr);
    std::fputs(std::string(5000, 'x').c_str(), file);
    ASSERT_EQ(std::fclose(file), 0);
    const auto opened = open_store("sqlite:" + path);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, ErrorCode::corrupt_data) << opened.error().text();
}

TEST(OpenStoreTest, bad_urls_are_refused_with_a_reason) {
    struct Case {
        const char* url;
        ErrorCode code;
        const char* says;
    };
    const Case cases[] = {
        {"", ErrorCode::invalid_config, "sqlite:"},
        {"mysql://root:s3cret@host/db", ErrorCode::invalid_config, "postgres://"},
        {"sqlite:", ErrorCode::invalid_config, "names no file"},
        {"sqlite:x.db?synchronous=off", ErrorCode::invalid_config, "synchronous=off"},
        {"sqlite:x.db?busy_timeout_ms=-1", ErrorCode::invalid_config, "busy_timeout_ms=-1"},
        {"sqlite:x.db?busy_timeout_ms=5x", ErrorCode::invalid_config, "busy_timeout_ms=5x"},
        {"sqlite:/no/such/folder/x.db", ErrorCode::store_unavailable, "/no/such/folder/x.db"},
        {"postgres://u:s3cret@127.0.0.1:1/db", ErrorCode::store_unavailable, "127.0.0.1 port 1"},
        {"postgres://u:s3cret@127.0.0.1:1/db?no_such=1", ErrorCode::invalid_config,
         "percent-encoded"},
        {"postgres://u:p@s3cret@127.0.0.1:1/db", ErrorCode::invalid_config, "percent-encoded"},
        {"postgres://u:p/s3cret@127.0.0.1:1/db", ErrorCode::invalid_config, "percent-encoded"},
        {"postgres://u:s3cret:1@[::1/db", ErrorCode::invalid_config, "percent-encoded"},
        {"postgres://u:%zzs3cret@h/db", ErrorCode::invalid_config, "percent-encoded"},
    };
    for (const Case& test : cases) {
        const auto opened = open_store(test.url);
        ASSERT_FALSE(opened.ok()) << test.url;
        EXPECT_EQ(opened.error().code, test.code) << test.url << " -> " << opened.error().text();
        EXPECT_NE(opened.error().detail.find(test.says), std::string::npos)
            << test.url << " -> " << opened.error().text();
        EXPECT_EQ(opened.error().detail.find("s3cret"), std::string::npos) << opened.error().text();
    }
}

/// Only where a server is: what a lost connection and a wrong password look like.
class PostgresTest : public testing::TestWithParam<Dialect> {};
INSTANTIATE_TEST_SUITE_P(all, PostgresTest, testing::ValuesIn([] {
                             std::vector<Dialect> out = all_test_dialects();
                             std::erase(out, Dialect::sqlite);
                             return out;
                         }()),
                         dialect_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PostgresTest);

TEST_P(PostgresTest, a_lost_connection_is_store_unavailable_from_then_on) {
    TestStore store(GetParam(), TestStore::Schema::empty);
    const auto victim = store.connect();
    std::int64_t pid = 0;
    ASSERT_TRUE(victim
                    ->query("SELECT pg_backend_pid()", {},
                            [&](const SqlRow& row) {
                                pid = row.integer(0);
                                return true;
                            })
                    .ok());
    ASSERT_TRUE(victim->begin().ok());
    ASSERT_TRUE(
        store->execute("SELECT pg_terminate_backend(CAST(? AS INTEGER), 10000)", {pid}).ok());
    for (int attempt = 0; attempt < 3; ++attempt) {
        const auto result = victim->execute("SELECT 1");
        ASSERT_FALSE(result.ok());
        EXPECT_EQ(result.error().code, ErrorCode::store_unavailable) << result.error().text();
    }
}

TEST_P(PostgresTest, a_wrong_password_is_never_repeated) {
    std::string url = test_postgres_url();
    const std::size_t colon = url.find(':', url.find("//")), at = url.find('@');
    ASSERT_LT(colon, at);
    url.replace(colon + 1, at - colon - 1, "s3cret");
    const auto opened = open_store(url);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, ErrorCode::store_unavailable);
    EXPECT_EQ(opened.error().text().find("s3cret"), std::string::npos) << opened.error().text();
}

}  // namespace
}  // namespace tg
