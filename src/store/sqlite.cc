#include <sqlite3.h>

#include "store/internal/drivers.h"
#include "store/internal/sql_text.h"
#include "store/internal/sqlite_bulk_read.h"
#include "store/internal/statement_cache.h"

namespace tg::store_internal {
namespace {

constexpr std::size_t kStatementsMax = 128;
/// Pages between automatic checkpoints (16 MiB): a settler's batch fits, the log stays small.
constexpr const char* kPragmas =
    "PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384;"
    "PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=67108864; PRAGMA "
    "trusted_schema=OFF;";

struct CloseDatabase {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct FinalizeStatement {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

ErrorCode code_of(int rc) {
    switch (rc & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_IOERR:
        case SQLITE_FULL:
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_NOMEM:
            return ErrorCode::store_unavailable;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return ErrorCode::corrupt_data;
        case SQLITE_CONSTRAINT:
            break;
        default:
            return ErrorCode::internal;
    }
    switch (rc) {
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID:
        case SQLITE_CONSTRAINT_FOREIGNKEY:
            return ErrorCode::conflict;
        default:
            return ErrorCode::internal;
    }
}

Error error_of(sqlite3* db, int rc, std::string_view sql) {
    const ErrorCode code = code_of(rc);
    std::string detail = "SQLite: ";
    detail += db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    if (code == ErrorCode::store_unavailable) {
        const char* file = db != nullptr ? sqlite3_db_filename(db, nullptr) : nullptr;
        if (file != nullptr && *file != '\0') detail.append(" (file ").append(file).append(")");
        if ((rc & 0xff) == SQLITE_BUSY)
            detail += "; another process is writing: try again, or raise busy_timeout_ms";
    }
    if (!sql.empty()) detail.append(" in: ").append(statement_excerpt(sql));
    return {code, std::move(detail)};
}

class SqliteRow final : public SqlRow {
  public:
    explicit SqliteRow(sqlite3_stmt* statement)
        : statement_(statement), columns_(sqlite3_column_count(statement)) {}
    bool is_null(int column) const override {
        return check(column) && sqlite3_column_type(statement_, column) == SQLITE_NULL;
    }
    std::int64_t integer(int column) const override {
        if (!check(column)) return 0;
        // One call that finds the column, not two: reports read tens of millions of them.
        sqlite3_value* const value = sqlite3_column_value(statement_, column);
        switch (sqlite3_value_type(value)) {
            case SQLITE_INTEGER:
                return sqlite3_value_int64(value);
            case SQLITE_NULL:
                return 0;
            case SQLITE_TEXT: {
                const std::string_view digits = text(column);
                std::int64_t number = 0;
                const auto [end, error] =
                    std::from_chars(digits.data(), digits.data() + digits.size(), number);
                if (error == std::errc{} && end == digits.data() + digits.size()) return number;
                break;
            }
            default:
                break;
        }
        note_error("result column " + std::to_string(column) + " is no 64-bit integer");
        return 0;
    }
    std::string_view text(int column) const override {
        if (!check(column)) return {};
        const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
        if (bytes == nullptr) return {};
        return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
    }
    const std::string& error() const { return error_; }

  private:
    bool check(int column) const {
        if (column >= 0 && column < columns_) return true;
        note_error("the result has no column " + std::to_string(column));
        return false;
    }
    void note_error(std::string text) const {
        if (error_.empty()) error_ = std::move(text);
    }
    sqlite3_stmt* statement_;
    int columns_;
    mutable std::string error_;
};

class SqliteConnection final : public SqlConnection {
  public:
    explicit SqliteConnection(Database db) : db_(std::move(db)), statements_(kStatementsMax) {}
    /// What statements need besides the database. Called once.
    Status prepare_functions() {
        const int rc = reader_.attach(db_.get());
        if (rc != SQLITE_OK) return fail(error_of(db_.get(), rc, ""));
        return {};
    }

    Dialect dialect() const override { return Dialect::sqlite; }
    Result<std::int64_t> execute(std::string_view sql, std::span<const SqlValue> values) override;
    Status execute_script(std::string_view sql) override;
    Status query(std::string_view sql, std::span<const SqlValue> values,
                 const std::function<bool(const SqlRow&)>& row) override;
    Status begin() override;
    Status commit() override;
    Status rollback() override;
    Result<std::unique_ptr<BulkInsert>> bulk_insert(
        std::string_view table, std::span<const std::string_view> columns) override;
    Status bulk_read(std::string_view table, std::span<const std::string_view> columns,
                     std::int64_t first, std::int64_t last,
                     const std::function<bool(const BulkRow&)>& row) override;
    Result<std::int64_t> data_version() override;

  private:
    friend class SqliteBulkInsert;

    /// Refuses what PostgreSQL would refuse: use while rows are read or a bulk insert is open, or
    /// after a failure.
    Status check_usable(std::string_view sql) const;
    /// The statement with its values bound, reset and ready to step.
    Result<sqlite3_stmt*> prepare(std::string_view sql, std::span<const SqlValue> values);
    Status bind(sqlite3_stmt* statement, std::string_view sql, std::span<const SqlValue> values);
    Error failed(Error error) {
        if (in_transaction_) has_failed_ = true;
        return error;
    }
    Error failed(int rc, std::string_view sql) { return failed(error_of(db_.get(), rc, sql)); }
    Status run(std::string_view sql);

    SqliteBulkReader reader_;  // outlives the database, which calls it
    Database db_;
    StatementCache<Statement> statements_;
    bool in_transaction_ = false;
    bool has_failed_ = false;
    bool is_busy_ = false;
};

Status SqliteConnection::check_usable(std::string_view sql) const {
    if (is_busy_) {
        return fail(
            ErrorCode::internal,
            "the connection is still reading rows or has a bulk insert open; finish it before: " +
                statement_excerpt(sql));
    }
    if (has_failed_) {
        return fail(ErrorCode::internal,
                    "a statement failed in this transaction; roll it back before: " +
                        statement_excerpt(sql));
    }
    return {};
}

Result<sqlite3_stmt*> SqliteConnection::prepare(std::string_view sql,
                                                std::span<const SqlValue> values) {
    Statement* cached = statements_.find(sql);
    if (cached == nullptr) {
        sqlite3_stmt* raw = nullptr;
        const char* rest = nullptr;
        const int rc = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                                          SQLITE_PREPARE_PERSISTENT, &raw, &rest);
        Statement statement(raw);
        if (rc != SQLITE_OK) return fail(failed(rc, sql));
        const std::string_view tail(rest, static_cast<std::size_t>(sql.data() + sql.size() - rest));
        if (raw == nullptr || tail.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
            return fail(failed({ErrorCode::internal, "exactly one statement is expected in: " +
                                                         statement_excerpt(sql)}));
        }
        cached = statements_.insert(std::string(sql), std::move(statement));
    }
    TG_CHECK_OK(bind(cached->get(), sql, values));
    return cached->get();
}

Status SqliteConnection::bind(sqlite3_stmt* statement, std::string_view sql,
                              std::span<const SqlValue> values) {
    if (std::cmp_not_equal(sqlite3_bind_parameter_count(statement), values.size())) {
        return fail(failed(
            {ErrorCode::internal, std::to_string(values.size()) + " values are given for the " +
                                      std::to_string(sqlite3_bind_parameter_count(statement)) +
                                      " parameters in: " + statement_excerpt(sql)}));
    }
    std::string scratch;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const int index = static_cast<int>(i) + 1;
        int rc = SQLITE_OK;
        if (const auto* number = std::get_if<std::int64_t>(&values[i])) {
            rc = sqlite3_bind_int64(statement, index, *number);
        } else if (const auto* text = std::get_if<std::string>(&values[i])) {
            // The caller's text outlives the call; a repaired copy does not outlive this loop.
            const std::string_view storable = storable_text(*text, scratch);
            rc = sqlite3_bind_text64(
                statement, index, storable.data(), storable.size(),
                storable.data() == text->data() ? SQLITE_STATIC : SQLITE_TRANSIENT, SQLITE_UTF8);
        } else {
            rc = sqlite3_bind_null(statement, index);
        }
        if (rc != SQLITE_OK) return fail(failed(rc, sql));
    }
    return {};
}

/// Leaves a statement as prepare() expects it, without views of the caller's values.
struct ResetStatement {
    sqlite3_stmt* statement;
    ~ResetStatement() {
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
    }
};

Result<std::int64_t> SqliteConnection::execute(std::string_view sql,
                                               std::span<const SqlValue> values) {
    TG_CHECK_OK(check_usable(sql));
    TG_TRY(sqlite3_stmt * statement, prepare(sql, values));
    const ResetStatement reset{statement};
    // sqlite3_changes() keeps an older statement's number when this one changes no rows by its
    // nature (DDL, SELECT).
    const std::int64_t before = sqlite3_total_changes64(db_.get());
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW) rc = sqlite3_step(statement);
    if (rc != SQLITE_DONE) return fail(failed(rc, sql));
    return sqlite3_total_changes64(db_.get()) == before ? 0 : sqlite3_changes64(db_.get());
}

Status SqliteConnection::execute_script(std::string_view sql) {
    TG_CHECK_OK(check_usable(sql));
    const int rc = sqlite3_exec(db_.get(), std::string(sql).c_str(), nullptr, nullptr, nullptr);
    if (rc != SQLITE_OK) return fail(failed(rc, sql));
    return {};
}

Status SqliteConnection::query(std::string_view sql, std::span<const SqlValue> values,
                               const std::function<bool(const SqlRow&)>& row) {
    TG_CHECK_OK(check_usable(sql));
    TG_TRY(sqlite3_stmt * statement, prepare(sql, values));
    const ResetStatement reset{statement};
    is_busy_ = true;
    const SqliteRow current(statement);
    int rc = SQLITE_DONE;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (!row(current) || !current.error().empty()) break;
    }
    is_busy_ = false;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) return fail(failed(rc, sql));
    if (!current.error().empty()) {
        return fail(
            failed({ErrorCode::internal, current.error() + " in: " + statement_excerpt(sql)}));
    }
    return {};
}

Status SqliteConnection::run(std::string_view sql) {
    TG_TRY(sqlite3_stmt * statement, prepare(sql, {}));
    const ResetStatement reset{statement};
    const int rc = sqlite3_step(statement);
    if (rc != SQLITE_DONE) return fail(error_of(db_.get(), rc, sql));
    return {};
}

Status SqliteConnection::begin() {
    TG_CHECK_OK(check_usable("BEGIN"));
    if (in_transaction_)
        return fail(ErrorCode::internal,
                    "a transaction is open already; commit it or roll it back first");
    TG_CHECK_OK(run("BEGIN IMMEDIATE"));
    in_transaction_ = true;
    return {};
}

Status SqliteConnection::commit() {
    TG_CHECK_OK(check_usable("COMMIT"));
    if (!in_transaction_) return fail(ErrorCode::internal, "no transaction is open to commit");
    if (Status status = run("COMMIT"); !status.ok()) {
        has_failed_ = true;
        return status;
    }
    in_transaction_ = false;
    return {};
}

Status SqliteConnection::rollback() {
    if (is_busy_) return check_usable("ROLLBACK");
    if (!in_transaction_) return {};
    in_transaction_ = false;
    has_failed_ = false;
    // SQLite has rolled back by itself after some failures (disk full, I/O error).
    if (sqlite3_get_autocommit(db_.get()) != 0) return {};
    return run("ROLLBACK");
}

Result<std::int64_t> SqliteConnection::data_version() {
    std::int64_t version = 0;
    TG_CHECK_OK(query("PRAGMA data_version", {}, [&](const SqlRow& row) {
        version = row.integer(0);
        return false;
    }));
    return version;
}

/// Collects a row, then binds it by address and steps: no copy of a text inside SQLite.
class SqliteBulkInsert final : public SqlConnection::BulkInsert {
  public:
    SqliteBulkInsert(SqliteConnection* connection, Statement statement, std::string sql,
                     std::vector<BulkColumn> columns)
        : connection_(connection),
          statement_(std::move(statement)),
          sql_(std::move(sql)),
          columns_(std::move(columns)),
          cells_(columns_.size()) {
        connection_->is_busy_ = true;
    }
    ~SqliteBulkInsert() override {
        if (is_finished_) return;
        connection_->is_busy_ = false;
        connection_->has_failed_ = true;
    }

    void integer(std::int64_t value) override {
        Cell* cell = next();
        if (cell == nullptr) return;
        const BulkColumn& column = columns_[used_ - 1];
        if (column.type == BulkType::text || !fits(column.type, value)) {
            note_error(std::to_string(value) + " does not fit column " + column.name);
        }
        *cell = {.kind = Cell::Kind::integer, .integer = value};
    }
    void text(std::string_view value) override {
        Cell* cell = next();
        if (cell == nullptr) return;
        if (columns_[used_ - 1].type != BulkType::text)
            note_error("a text is given for column " + columns_[used_ - 1].name);
        const std::string_view storable = storable_text(value, scratch_);
        *cell = {.kind = Cell::Kind::text,
                 .integer = static_cast<std::int64_t>(text_.size()),
                 .size = storable.size()};
        text_.append(storable);
    }
    void null() override {
        if (Cell* cell = next(); cell != nullptr) *cell = {};
    }
    Status end_row() override {
        if (used_ != columns_.size()) {
            note_error(std::to_string(used_) + " values are given for " +
                       std::to_string(columns_.size()) + " columns");
        }
        if (!error_.empty())
            return fail(ErrorCode::internal, error_ + " in: " + statement_excerpt(sql_));
        for (std::size_t i = 0; i < cells_.size(); ++i) bind(static_cast<int>(i) + 1, cells_[i]);
        const int rc = sqlite3_step(statement_.get());
        if (rc != SQLITE_DONE) {
            const Error error = error_of(connection_->db_.get(), rc, sql_);
            sqlite3_reset(statement_.get());
            error_ = error.detail;
            return fail(error);
        }
        sqlite3_reset(statement_.get());
        used_ = 0;
        text_.clear();
        return {};
    }
    Status finish() override {
        if (is_finished_) return fail(ErrorCode::internal, "the bulk insert is finished already");
        if (used_ != 0) note_error("the last row was not ended");
        if (!error_.empty())
            return fail(ErrorCode::internal, error_ + " in: " + statement_excerpt(sql_));
        is_finished_ = true;
        connection_->is_busy_ = false;
        return {};
    }

  private:
    struct Cell {
        enum class Kind : std::uint8_t { null, integer, text } kind = Kind::null;
        std::int64_t integer = 0;  ///< the value, or where the text starts in text_
        std::size_t size = 0;
    };
    Cell* next() {
        if (used_ < cells_.size()) return &cells_[used_++];
        note_error("more values than columns are given");
        return nullptr;
    }
    void bind(int index, const Cell& cell) {
        if (cell.kind == Cell::Kind::integer) {
            sqlite3_bind_int64(statement_.get(), index, cell.integer);
        } else if (cell.kind == Cell::Kind::text) {
            sqlite3_bind_text64(statement_.get(), index, text_.data() + cell.integer, cell.size,
                                SQLITE_STATIC, SQLITE_UTF8);
        } else {
            sqlite3_bind_null(statement_.get(), index);
        }
    }
    void note_error(std::string text) {
        if (error_.empty()) error_ = std::move(text);
    }

    SqliteConnection* connection_;
    Statement statement_;
    std::string sql_;
    std::vector<BulkColumn> columns_;
    std::vector<Cell> cells_;
    std::size_t used_ = 0;
    std::string text_;
    std::string scratch_;
    std::string error_;
    bool is_finished_ = false;
};

Result<std::unique_ptr<SqlConnection::BulkInsert>> SqliteConnection::bulk_insert(
    std::string_view table, std::span<const std::string_view> columns) {
    TG_CHECK_OK(check_usable("bulk insert"));
    if (!in_transaction_)
        return fail(ErrorCode::internal, "a bulk insert needs an open transaction");
    TG_TRY(std::vector<BulkColumn> parsed,
           parse_bulk_columns(table, columns.data(), columns.size()));
    std::string sql = "INSERT INTO " + std::string(table) + " (";
    std::string marks;
    for (std::size_t i = 0; i < parsed.size(); ++i) marks.append(i == 0 ? "?" : ", ?");
    sql.append(column_list(parsed)).append(") VALUES (").append(marks).append(")");
    sqlite3_stmt* raw = nullptr;
    const int rc =
        sqlite3_prepare_v2(db_.get(), sql.c_str(), static_cast<int>(sql.size()), &raw, nullptr);
    Statement statement(raw);
    if (rc != SQLITE_OK) return fail(failed(rc, sql));
    return std::unique_ptr<BulkInsert>(
        new SqliteBulkInsert(this, std::move(statement), std::move(sql), std::move(parsed)));
}

Status SqliteConnection::bulk_read(std::string_view table,
                                   std::span<const std::string_view> columns, std::int64_t first,
                                   std::int64_t last,
                                   const std::function<bool(const BulkRow&)>& row) {
    TG_CHECK_OK(check_usable("bulk read"));
    TG_TRY(const std::vector<BulkColumn> parsed,
           parse_read_columns(table, columns.data(), columns.size()));
    const std::string& key = parsed[0].name;
    const std::string sql = "SELECT " + std::string(SqliteBulkReader::kFunction) + "(" +
                            column_list(parsed) + ") FROM " + std::string(table) + " WHERE " + key +
                            " >= ? AND " + key + " <= ? ORDER BY " + key;
    const SqlValue range[] = {first, last};
    TG_TRY(sqlite3_stmt * statement, prepare(sql, range));
    const ResetStatement reset{statement};
    is_busy_ = true;
    reader_.begin(table, parsed, row);
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW && reader_.wants_more()) rc = sqlite3_step(statement);
    is_busy_ = false;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) return fail(failed(rc, sql));
    if (!reader_.error().empty()) {
        return fail(
            failed({ErrorCode::corrupt_data, reader_.error() + ", in: " + statement_excerpt(sql)}));
    }
    return {};
}

/// Switching to WAL needs the file alone for a moment and does not wait by itself, so that it is
/// tried until the timeout.
Status enter_wal(sqlite3* db, const SqliteOptions& options) {
    constexpr int kPauseMs = 10;
    int rc = SQLITE_OK;
    for (int waited_ms = 0;; waited_ms += kPauseMs) {
        rc = sqlite3_exec(db, "PRAGMA journal_mode=WAL", nullptr, nullptr, nullptr);
        if ((rc & 0xff) != SQLITE_BUSY || waited_ms >= options.busy_timeout_ms) break;
        sqlite3_sleep(kPauseMs);
    }
    if (rc != SQLITE_OK) return fail(error_of(db, rc, ""));
    return {};
}

}  // namespace

Result<std::unique_ptr<SqlConnection>> open_sqlite(const SqliteOptions& options) {
    sqlite3* raw = nullptr;
    const int rc = sqlite3_open_v2(
        options.path.c_str(), &raw,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
        nullptr);
    Database db(raw);
    if (rc != SQLITE_OK) {
        Error error = error_of(raw, rc, "");
        error.detail = "cannot open the store '" + options.path + "': " + error.detail +
                       "; check that its folder exists and is writable";
        return fail(std::move(error));
    }
    sqlite3_busy_timeout(raw, options.busy_timeout_ms);
    TG_CHECK_OK(enter_wal(raw, options));
    const std::string pragmas =
        std::string(kPragmas) +
        (options.is_synchronous_full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    if (const int set = sqlite3_exec(raw, pragmas.c_str(), nullptr, nullptr, nullptr);
        set != SQLITE_OK) {
        return fail(error_of(raw, set, ""));
    }
    auto connection = std::make_unique<SqliteConnection>(std::move(db));
    TG_CHECK_OK(connection->prepare_functions());
    return std::unique_ptr<SqlConnection>(std::move(connection));
}

}  // namespace tg::store_internal
