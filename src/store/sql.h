#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace tg {

enum class Dialect : std::uint8_t { sqlite, postgres };

/// A bound or read value. Amounts of money are two integers (SplitFemto); there is no floating
/// point here. Text is UTF-8: a NUL or an invalid byte is stored as U+FFFD, in both dialects alike.
using SqlValue = std::variant<std::monostate, std::int64_t, std::string>;

/// One row of a result; views are valid until the next row. NULL reads as 0 and "". A value that is
/// no 64-bit integer (a sum that overflows, a text) or a column that does not exist makes the whole
/// query() fail.
class SqlRow {
  public:
    virtual ~SqlRow() = default;
    virtual bool is_null(int column) const = 0;
    virtual std::int64_t integer(int column) const = 0;
    virtual std::string_view text(int column) const = 0;
};

/// One row of bulk_read(): its integers and its texts, each in the order of the columns; valid
/// during the call.
struct BulkRow {
    std::span<const std::int64_t> integers;
    std::span<const std::string_view> texts;
};

/// A connection to SQLite or PostgreSQL. Statements use `?` for parameters in both. Not
/// thread-safe; blocking: never on a loop thread. Errors: store_unavailable (busy, connection lost,
/// disk full: retry, on PostgreSQL with a new connection), conflict (unique or foreign key),
/// corrupt_data (the file is no store), internal (a mistake in a statement). What PostgreSQL
/// demands holds in both dialects, so that code tested on one works on the other:
/// - while a query() calls back or a BulkInsert is open, the connection takes no other call
/// (internal);
/// - after a statement failed inside a transaction only rollback() is possible (internal).
/// Columns are BIGINT, INTEGER, SMALLINT or TEXT; an integer parameter is 64-bit, `?` where a
/// 32-bit argument of a function is meant needs a cast.
class SqlConnection {
  public:
    virtual ~SqlConnection() = default;
    virtual Dialect dialect() const = 0;

    /// Runs one statement with parameters; returns the number of changed rows.
    virtual Result<std::int64_t> execute(std::string_view sql,
                                         std::span<const SqlValue> values) = 0;
    Result<std::int64_t> execute(std::string_view sql,
                                 std::initializer_list<SqlValue> values = {}) {
        return execute(sql, std::span(values.begin(), values.size()));
    }
    /// Runs several statements separated by `;`, without parameters (migrations).
    virtual Status execute_script(std::string_view sql) = 0;
    /// Calls `row` for each result row, in order; `row` returns false to stop.
    virtual Status query(std::string_view sql, std::span<const SqlValue> values,
                         const std::function<bool(const SqlRow&)>& row) = 0;
    Status query(std::string_view sql, std::initializer_list<SqlValue> values,
                 const std::function<bool(const SqlRow&)>& row) {
        return query(sql, std::span(values.begin(), values.size()), row);
    }

    virtual Status begin() = 0;  ///< SQLite: BEGIN IMMEDIATE. PostgreSQL: READ COMMITTED.
    virtual Status commit() = 0;
    virtual Status rollback() = 0;  ///< without a transaction it does nothing

    /// Fast append inside the current transaction: a prepared INSERT re-run (SQLite), COPY ...
    /// BINARY (PostgreSQL). Duplicates and broken references are reported by end_row() or finish()
    /// at the latest. Dropping one without a successful finish() fails the transaction.
    class BulkInsert {
      public:
        virtual ~BulkInsert() = default;
        virtual void integer(std::int64_t value) = 0;  ///< next column of the current row
        virtual void text(std::string_view value) = 0;
        virtual void null() = 0;
        virtual Status end_row() = 0;
        virtual Status finish() = 0;
    };
    /// `columns` are "name:type" with type i (64-bit), i4 (32-bit integer column), i2 (16-bit) or t
    /// (text).
    virtual Result<std::unique_ptr<BulkInsert>> bulk_insert(
        std::string_view table, std::span<const std::string_view> columns) = 0;

    /// Fast read of `table`: COPY ... BINARY (PostgreSQL), all columns of a row at once (SQLite);
    /// less than half of query()'s time. `columns` are as for bulk_insert(). The first one is an
    /// integer, leads the primary key, and is the order: rows that have it from `first` to `last`,
    /// both included, ascending. `row` returns false to stop. A NULL, or a column of another type
    /// than named (any integer is one of type i, i4 and i2 in SQLite), makes the whole read fail
    /// with corrupt_data: nothing is taken for 0 or "" here.
    virtual Status bulk_read(std::string_view table, std::span<const std::string_view> columns,
                             std::int64_t first, std::int64_t last,
                             const std::function<bool(const BulkRow&)>& row) = 0;

    /// Changes when another connection has committed (SQLite: PRAGMA data_version); cheap.
    /// PostgreSQL: always 0, poll a table.
    virtual Result<std::int64_t> data_version() = 0;

    /// True when the connection is known to be dead and a new one must be opened. PostgreSQL: looks
    /// at the socket, without waiting, so that a server that went away while the connection was
    /// idle is noticed before the next statement.
    virtual bool is_lost() { return false; }
};

/// `sqlite:PATH` or `postgres://user:password@host:port/db?options` (libpq URI). Opening creates a
/// SQLite file. SQLite runs in WAL mode; `sqlite:PATH?synchronous=full` waits for the disk at every
/// commit, the default `normal` may lose the last commits at a power failure (never at a crash of
/// the process), always whole transactions from the end. `busy_timeout_ms=N` (default 5000) bounds
/// the wait for another writer. Errors: invalid_config, store_unavailable, corrupt_data. A
/// PostgreSQL password never appears in an error.
Result<std::unique_ptr<SqlConnection>> open_store(const std::string& url);

/// Rolls back unless commit() was called and succeeded.
class Transaction {
  public:
    static Result<Transaction> begin(SqlConnection& connection);
    Transaction(Transaction&& other) noexcept
        : connection_(std::exchange(other.connection_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction() {
        if (connection_ != nullptr) (void)connection_->rollback().ok();
    }
    Status commit() {
        Status status = connection_->commit();
        if (status.ok()) connection_ = nullptr;
        return status;
    }

  private:
    explicit Transaction(SqlConnection& connection) : connection_(&connection) {}
    SqlConnection* connection_;
};

/// One numbered schema change, with a text for each dialect. Never edited after release.
struct Migration {
    int number;
    std::string_view name;
    std::string_view sqlite;
    std::string_view postgres;
};
/// All of migrations/, embedded in the binary in order.
std::span<const Migration> all_migrations();
/// Applies what is missing, each in its own transaction; safe when several processes start
/// together. Returns how many it applied. Errors: conflict when the store is newer than this
/// binary, or when a migration's text differs from the one applied.
Result<int> migrate(SqlConnection& connection, std::span<const Migration> migrations);

}  // namespace tg
