#pragma once
// For tests of any module: a fresh store for each dialect. Needs GoogleTest; never included by
// product code. A suite derives from DialectTest, is named once in TG_INSTANTIATE_DIALECTS, and
// takes fresh_store() in each TEST_P; a plain TEST may loop over test_stores(). See store_test.cc.
//
// SQLite uses a temporary file, PostgreSQL a schema of its own in the database TG_TEST_POSTGRES_URL
// names (tools/with_postgres.sh starts one). Without that variable the PostgreSQL half is left out,
// but where CI is set it fails.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/rng.h"
#include "store/sql.h"

namespace tg {

inline std::string test_postgres_url() {
    const char* url = std::getenv("TG_TEST_POSTGRES_URL");
    return url != nullptr ? url : "";
}

/// Dialects the tests of this run cover. In CI PostgreSQL is always one: its tests fail when no
/// server is named.
inline std::vector<Dialect> all_test_dialects() {
    std::vector<Dialect> out{Dialect::sqlite};
    const char* ci = std::getenv("CI");
    if (!test_postgres_url().empty() || (ci != nullptr && *ci != '\0'))
        out.push_back(Dialect::postgres);
    return out;
}

inline std::string dialect_name(const testing::TestParamInfo<Dialect>& info) {
    return info.param == Dialect::sqlite ? "sqlite" : "postgres";
}

/// One empty store, removed with everything in it at the end. connect() opens further connections
/// to it.
class TestStore {
  public:
    enum class Schema : std::uint8_t { migrated, empty };

    /// Aborts the test program with a reason when the store cannot be made: no test may pass
    /// without it.
    explicit TestStore(Dialect dialect, Schema schema = Schema::migrated) : name_(unique_name()) {
        if (dialect == Dialect::sqlite) {
            folder_ = std::filesystem::temp_directory_path() / name_;
            std::filesystem::create_directory(folder_);
            url_ = "sqlite:" + (folder_ / "store.db").string();
        } else {
            const std::string server = test_postgres_url();
            if (server.empty())
                give_up(
                    "TG_TEST_POSTGRES_URL is not set; run the tests under tools/with_postgres.sh");
            admin_ = must(open_store(server));
            must(admin_->execute_script("CREATE SCHEMA " + name_));
            const bool has_options = server.find('?') != std::string::npos;
            url_ = server + (has_options ? "&" : "?") + "options=-csearch_path%3D" + name_;
        }
        connection_ = connect();
        if (schema == Schema::migrated) (void)must(migrate(*connection_, all_migrations()));
    }
    TestStore(const TestStore&) = delete;
    TestStore& operator=(const TestStore&) = delete;
    ~TestStore() {
        connection_.reset();
        if (admin_ != nullptr)
            (void)admin_->execute_script("DROP SCHEMA " + name_ + " CASCADE").ok();
        if (!folder_.empty()) {
            std::error_code ignored;
            std::filesystem::remove_all(folder_, ignored);
        }
    }

    SqlConnection& connection() { return *connection_; }
    SqlConnection* operator->() { return connection_.get(); }
    std::unique_ptr<SqlConnection> connect() const { return must(open_store(url_)); }
    const std::string& url() const { return url_; }
    Dialect dialect() const { return connection_->dialect(); }

    /// The one integer a query yields.
    std::int64_t integer(std::string_view sql, std::initializer_list<SqlValue> values = {}) {
        std::int64_t out = 0;
        int rows = 0;
        must(connection_->query(sql, values, [&](const SqlRow& row) {
            out = row.integer(0);
            ++rows;
            return true;
        }));
        EXPECT_EQ(rows, 1) << sql;
        return out;
    }
    std::string text(std::string_view sql, std::initializer_list<SqlValue> values = {}) {
        std::string out;
        int rows = 0;
        must(connection_->query(sql, values, [&](const SqlRow& row) {
            out = row.text(0);
            ++rows;
            return true;
        }));
        EXPECT_EQ(rows, 1) << sql;
        return out;
    }
    /// Every value of every row of every table, for tests that look for what must not be stored.
    std::string dump() {
        std::vector<std::string> tables;
        const char* list = dialect() == Dialect::sqlite
                               ? "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
                               : "SELECT tablename FROM pg_tables WHERE schemaname = "
                                 "current_schema() ORDER BY tablename";
        must(connection_->query(list, {}, [&](const SqlRow& row) {
            tables.emplace_back(row.text(0));
            return true;
        }));
        std::string out;
        for (const std::string& table : tables) dump_table(table, out);
        return out;
    }

  private:
    template <typename T>
    static T must(Result<T> result) {
        if (!result.ok()) give_up(result.error().text());
        return std::move(result).value();
    }
    static void must(Status status) {
        if (!status.ok()) give_up(status.error().text());
    }
    [[noreturn]] static void give_up(const std::string& reason) {
        std::fprintf(stderr, "test store: %s\n", reason.c_str());
        std::abort();
    }
    static std::string unique_name() {
        std::uint64_t random = 0;
        fill_secure_random(&random, sizeof random);
        return "tg_test_" + std::to_string(getpid()) + "_" + hex(&random, sizeof random);
    }
    void dump_table(const std::string& table, std::string& out) {
        std::vector<std::string> columns;
        const std::string list =
            dialect() == Dialect::sqlite
                ? "SELECT name FROM pragma_table_info(?)"
                : "SELECT column_name FROM information_schema.columns WHERE table_schema = "
                  "current_schema() AND table_name = ? ORDER BY ordinal_position";
        must(connection_->query(list, {table}, [&](const SqlRow& row) {
            columns.emplace_back(row.text(0));
            return true;
        }));
        must(connection_->query("SELECT * FROM " + table, {}, [&](const SqlRow& row) {
            out += table;
            for (std::size_t i = 0; i < columns.size(); ++i) {
                out.append("|")
                    .append(columns[i])
                    .append("=")
                    .append(row.text(static_cast<int>(i)));
            }
            out += '\n';
            return true;
        }));
    }

    std::string name_;
    std::filesystem::path folder_;
    std::string url_;
    std::unique_ptr<SqlConnection> admin_;
    std::unique_ptr<SqlConnection> connection_;
};

inline std::vector<std::unique_ptr<TestStore>> test_stores(
    TestStore::Schema schema = TestStore::Schema::migrated) {
    std::vector<std::unique_ptr<TestStore>> out;
    for (const Dialect dialect : all_test_dialects())
        out.push_back(std::make_unique<TestStore>(dialect, schema));
    return out;
}

/// Base of a test suite that runs once for each dialect.
class DialectTest : public testing::TestWithParam<Dialect> {
  protected:
    std::unique_ptr<TestStore> fresh_store(
        TestStore::Schema schema = TestStore::Schema::migrated) const {
        return std::make_unique<TestStore>(GetParam(), schema);
    }
};

}  // namespace tg

#define TG_INSTANTIATE_DIALECTS(suite)                                                 \
    INSTANTIATE_TEST_SUITE_P(all, suite, testing::ValuesIn(::tg::all_test_dialects()), \
                             ::tg::dialect_name)
