#include <endian.h>
#include <poll.h>

#include "store/internal/drivers.h"
#include "store/internal/postgres_session.h"
#include "store/internal/statement_cache.h"

namespace tg::store_internal {
namespace {

constexpr std::size_t kStatementsMax = 128;
/// Type OIDs, source: PostgreSQL 15 src/include/catalog/pg_type.dat.
constexpr Oid kInt8 = 20, kText = 25, kUnspecified = 0;

bool is_success(const PGresult* result) {
    const ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE;
}

ErrorCode code_of(std::string_view state) {
    if (state == "23505" || state == "23503") return ErrorCode::conflict;
    if (state == "08P01") return ErrorCode::internal;  // parameters and values do not match
    if (state == "XX001" || state == "XX002") return ErrorCode::corrupt_data;
    // Connection lost, no resources, server stopping, system error; serialisation failure,
    // deadlock, lock not available; read-only server after a failover.
    for (const std::string_view prefix : {"08", "53", "57P", "58", "40", "55P03", "25006"}) {
        if (state.starts_with(prefix)) return ErrorCode::store_unavailable;
    }
    return ErrorCode::internal;
}

class PostgresRow final : public SqlRow {
  public:
    void set(const PGresult* result, int row) {
        result_ = result;
        row_ = row;
    }
    bool is_null(int column) const override {
        return check(column) && PQgetisnull(result_, row_, column) == 1;
    }
    std::int64_t integer(int column) const override {
        if (!check(column) || PQgetisnull(result_, row_, column) == 1) return 0;
        const std::string_view digits = text(column);
        std::int64_t value = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error == std::errc{} && end == digits.data() + digits.size()) return value;
        note_error("result column " + std::to_string(column) + " is no 64-bit integer");
        return 0;
    }
    std::string_view text(int column) const override {
        if (!check(column)) return {};
        return {PQgetvalue(result_, row_, column),
                static_cast<std::size_t>(PQgetlength(result_, row_, column))};
    }
    const std::string& error() const { return error_; }

  private:
    bool check(int column) const {
        if (column >= 0 && column < PQnfields(result_)) return true;
        note_error("the result has no column " + std::to_string(column));
        return false;
    }
    void note_error(std::string text) const {
        if (error_.empty()) error_ = std::move(text);
    }
    const PGresult* result_ = nullptr;
    int row_ = 0;
    mutable std::string error_;
};

/// Values in the form libpq wants: integers binary, texts as they are.
class Parameters {
  public:
    explicit Parameters(std::span<const SqlValue> values)
        : types_(values.size()),
          pointers_(values.size()),
          lengths_(values.size()),
          formats_(values.size()),
          integers_(values.size()),
          texts_(values.size()) {
        for (std::size_t i = 0; i < values.size(); ++i) set(i, values[i]);
    }
    int size() const { return static_cast<int>(types_.size()); }
    const Oid* types() const { return types_.data(); }
    const char* const* pointers() const { return pointers_.data(); }
    const int* lengths() const { return lengths_.data(); }
    const int* formats() const { return formats_.data(); }
    /// A statement is prepared once for each combination of types.
    std::string signature() const {
        std::string out;
        for (const Oid type : types_)
            out.push_back(type == kInt8 ? 'i' : type == kText ? 't' : 'n');
        return out;
    }

  private:
    void set(std::size_t i, const SqlValue& value) {
        if (const auto* number = std::get_if<std::int64_t>(&value)) {
            types_[i] = kInt8;
            integers_[i] = htobe64(static_cast<std::uint64_t>(*number));
            pointers_[i] = reinterpret_cast<const char*>(&integers_[i]);
            lengths_[i] = sizeof integers_[i];
            formats_[i] = 1;
        } else if (const auto* text = std::get_if<std::string>(&value)) {
            types_[i] = kText;
            pointers_[i] = storable_text(*text, texts_[i]).data() == text->data()
                               ? text->c_str()
                               : texts_[i].c_str();
        } else {
            types_[i] = kUnspecified;
        }
    }
    std::vector<Oid> types_;
    std::vector<const char*> pointers_;
    std::vector<int> lengths_;
    std::vector<int> formats_;
    std::vector<std::uint64_t> integers_;
    std::vector<std::string> texts_;
};

class PostgresConnection final : public SqlConnection {
  public:
    explicit PostgresConnection(PGconn* connection) : statements_(kStatementsMax) {
        session_.connection.reset(connection);
    }

    Dialect dialect() const override { return Dialect::postgres; }
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
    Result<std::int64_t> data_version() override { return 0; }
    bool is_lost() override {
        if (PQstatus(raw()) != CONNECTION_OK) return true;
        if (PQtransactionStatus(raw()) != PQTRANS_IDLE) return false;
        // A server that speaks without being asked says goodbye (its FATAL message, or the end of
        // the stream).
        pollfd socket{.fd = PQsocket(raw()), .events = POLLIN, .revents = 0};
        return poll(&socket, 1, 0) != 0;
    }

  private:
    PGconn* raw() const { return session_.connection.get(); }
    Status check_usable(std::string_view sql) const;
    /// Name of the prepared statement for this text and these types of values.
    Result<std::string> prepare(std::string_view sql, const Parameters& parameters);
    Error failed(Error error) {
        if (session_.in_transaction) session_.has_failed = true;
        return error;
    }
    /// A plan can outlive its table's shape when another process migrates: the statement is
    /// prepared anew next time.
    Error failed(const PGresult* result, std::string_view sql, const Parameters& parameters) {
        const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        if (state != nullptr &&
            (std::string_view(state) == "0A000" || std::string_view(state) == "26000")) {
            statements_.erase(cache_key(sql, parameters));
        }
        return failed(postgres_error(raw(), result, sql));
    }
    static std::string cache_key(std::string_view sql, const Parameters& parameters) {
        return parameters.signature().append(" ").append(sql);
    }
    Status read_rows(std::string_view sql, const Parameters& parameters, PostgresRow& current,
                     const std::function<bool(const SqlRow&)>& row);
    Status run(const char* sql);

    PostgresSession session_;
    StatementCache<std::string> statements_;
    std::uint64_t next_name_ = 0;
};

Status PostgresConnection::check_usable(std::string_view sql) const {
    if (PQstatus(raw()) != CONNECTION_OK) {
        return fail(ErrorCode::store_unavailable,
                    "the connection to PostgreSQL is lost; open a new one");
    }
    if (session_.is_busy) {
        return fail(
            ErrorCode::internal,
            "the connection is still reading rows or has a bulk insert open; finish it before: " +
                statement_excerpt(sql));
    }
    if (session_.has_failed) {
        return fail(ErrorCode::internal,
                    "a statement failed in this transaction; roll it back before: " +
                        statement_excerpt(sql));
    }
    return {};
}

Result<std::string> PostgresConnection::prepare(std::string_view sql,
                                                const Parameters& parameters) {
    std::string key = cache_key(sql, parameters);
    if (const std::string* known = statements_.find(key)) return *known;
    if (statements_.size() == kStatementsMax) {
        // Evicting one by one would cost a round trip each; a program with so many texts starts
        // over now and then.
        const PgResult result(PQexec(raw(), "DEALLOCATE ALL"));
        if (!is_success(result.get()))
            return fail(failed(postgres_error(raw(), result.get(), "DEALLOCATE ALL")));
        statements_.clear();
    }
    std::string name = "tg" + std::to_string(++next_name_);
    const PgResult result(PQprepare(raw(), name.c_str(), number_parameters(sql).c_str(),
                                    parameters.size(), parameters.types()));
    if (!is_success(result.get())) return fail(failed(postgres_error(raw(), result.get(), sql)));
    statements_.insert(std::move(key), name);
    return name;
}

Result<std::int64_t> PostgresConnection::execute(std::string_view sql,
                                                 std::span<const SqlValue> values) {
    TG_CHECK_OK(check_usable(sql));
    const Parameters parameters(values);
    TG_TRY(const std::string name, prepare(sql, parameters));
    const PgResult result(PQexecPrepared(raw(), name.c_str(), parameters.size(),
                                         parameters.pointers(), parameters.lengths(),
                                         parameters.formats(), 0));
    if (!is_success(result.get())) return fail(failed(result.get(), sql, parameters));
    const std::string_view tag = PQcmdStatus(result.get());
    std::int64_t changed = 0;
    if (tag.starts_with("INSERT") || tag.starts_with("UPDATE") || tag.starts_with("DELETE") ||
        tag.starts_with("MERGE")) {
        const std::string_view digits = PQcmdTuples(result.get());
        std::from_chars(digits.data(), digits.data() + digits.size(), changed);
    }
    return changed;
}

Status PostgresConnection::execute_script(std::string_view sql) {
    TG_CHECK_OK(check_usable(sql));
    const PgResult result(PQexec(raw(), std::string(sql).c_str()));
    const ExecStatusType status = PQresultStatus(result.get());
    if (!is_success(result.get()) && status != PGRES_EMPTY_QUERY) {
        return fail(failed(postgres_error(raw(), result.get(), sql)));
    }
    return {};
}

/// Rows come one by one, so that a result of any size costs no memory. All results are read to the
/// end, because cancelling would fail the transaction.
Status PostgresConnection::read_rows(std::string_view sql, const Parameters& parameters,
                                     PostgresRow& current,
                                     const std::function<bool(const SqlRow&)>& row) {
    Status status;
    bool wants_more = true;
    while (PGresult* raw_result = PQgetResult(raw())) {
        const PgResult result(raw_result);
        if (!is_success(result.get())) {
            if (status.ok()) status = fail(failed(result.get(), sql, parameters));
            continue;
        }
        for (int i = 0; wants_more && i < PQntuples(result.get()); ++i) {
            current.set(result.get(), i);
            wants_more = row(current) && current.error().empty();
        }
    }
    return status;
}

Status PostgresConnection::query(std::string_view sql, std::span<const SqlValue> values,
                                 const std::function<bool(const SqlRow&)>& row) {
    TG_CHECK_OK(check_usable(sql));
    const Parameters parameters(values);
    TG_TRY(const std::string name, prepare(sql, parameters));
    if (PQsendQueryPrepared(raw(), name.c_str(), parameters.size(), parameters.pointers(),
                            parameters.lengths(), parameters.formats(), 0) != 1) {
        return fail(failed(postgres_error(raw(), nullptr, sql)));
    }
    PQsetSingleRowMode(raw());
    PostgresRow current;
    session_.is_busy = true;
    Status status = read_rows(sql, parameters, current, row);
    session_.is_busy = false;
    if (status.ok() && !current.error().empty()) {
        return fail(
            failed({ErrorCode::internal, current.error() + " in: " + statement_excerpt(sql)}));
    }
    return status;
}

Status PostgresConnection::run(const char* sql) {
    const PgResult result(PQexec(raw(), sql));
    if (!is_success(result.get())) return fail(postgres_error(raw(), result.get(), sql));
    // COMMIT of a failed transaction succeeds, with this tag.
    if (std::string_view(sql) == "COMMIT" &&
        std::string_view(PQcmdStatus(result.get())) == "ROLLBACK") {
        return fail(ErrorCode::internal,
                    "the transaction had failed and was rolled back instead of committed");
    }
    return {};
}

Status PostgresConnection::begin() {
    TG_CHECK_OK(check_usable("BEGIN"));
    if (session_.in_transaction) {
        return fail(ErrorCode::internal,
                    "a transaction is open already; commit it or roll it back first");
    }
    TG_CHECK_OK(run("BEGIN"));
    session_.in_transaction = true;
    return {};
}

Status PostgresConnection::commit() {
    TG_CHECK_OK(check_usable("COMMIT"));
    if (!session_.in_transaction)
        return fail(ErrorCode::internal, "no transaction is open to commit");
    if (Status status = run("COMMIT"); !status.ok()) {
        session_.has_failed = true;
        return status;
    }
    session_.in_transaction = false;
    return {};
}

Status PostgresConnection::rollback() {
    if (session_.is_busy) return check_usable("ROLLBACK");
    if (!session_.in_transaction) return {};
    session_.in_transaction = false;
    session_.has_failed = false;
    if (PQtransactionStatus(raw()) == PQTRANS_IDLE) return {};
    return run("ROLLBACK");
}

Result<std::unique_ptr<SqlConnection::BulkInsert>> PostgresConnection::bulk_insert(
    std::string_view table, std::span<const std::string_view> columns) {
    TG_CHECK_OK(check_usable("bulk insert"));
    if (!session_.in_transaction)
        return fail(ErrorCode::internal, "a bulk insert needs an open transaction");
    TG_TRY(std::vector<BulkColumn> parsed,
           parse_bulk_columns(table, columns.data(), columns.size()));
    return start_copy(&session_, table, std::move(parsed));
}

Status PostgresConnection::bulk_read(std::string_view table,
                                     std::span<const std::string_view> columns, std::int64_t first,
                                     std::int64_t last,
                                     const std::function<bool(const BulkRow&)>& row) {
    TG_CHECK_OK(check_usable("bulk read"));
    TG_TRY(const std::vector<BulkColumn> parsed,
           parse_read_columns(table, columns.data(), columns.size()));
    session_.is_busy = true;
    Status status = read_copy(&session_, table, parsed, first, last, row);
    session_.is_busy = false;
    if (!status.ok()) return fail(failed(std::move(status).error()));
    return {};
}

void ignore_notice(void* /*unused*/, const char* /*text*/) {}

struct FreeOptions {
    void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    return text;
}

/// What may be said about a URL in an error: where it leads, never the password. A password with an
/// unescaped @ or / ends up in the parts that follow it, so that such a URL is refused before
/// anything of it is repeated.
Result<std::string> describe_target(const std::string& url) {
    const auto refuse = [] {
        return fail(ErrorCode::invalid_config,
                    "the store URL is no valid PostgreSQL URL "
                    "(postgres://user:password@host:port/database); special "
                    "characters in the password must be percent-encoded, for example @ as %40 and "
                    "/ as %2F");
    };
    const std::unique_ptr<PQconninfoOption, FreeOptions> options(
        PQconninfoParse(url.c_str(), nullptr));
    if (options == nullptr) return refuse();
    std::string host, port, database;
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
        const std::string_view keyword = option->keyword;
        const std::string_view value = option->val != nullptr ? option->val : "";
        if (keyword == "host") host = value;
        if (keyword == "port") port = value;
        if (keyword == "dbname") database = value;
    }
    if ((host + port + database).find('@') != std::string::npos) return refuse();
    if (port.find_first_not_of("0123456789,") != std::string::npos) return refuse();
    return "PostgreSQL database '" + database + "' at " +
           (host.empty() ? "the local socket" : host) + (port.empty() ? "" : " port " + port);
}

}  // namespace

Error postgres_error(PGconn* connection, const PGresult* result, std::string_view sql) {
    Error error{ErrorCode::internal, "PostgreSQL: "};
    const char* state = result != nullptr ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    const char* message =
        result != nullptr ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : nullptr;
    if (state != nullptr) error.code = code_of(state);
    if (message != nullptr) {
        error.detail += message;
        const char* constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
        if (constraint != nullptr && error.detail.find(constraint) == std::string::npos) {
            error.detail.append(" (").append(constraint).append(")");
        }
    } else {
        error.detail += trim(PQerrorMessage(connection));
    }
    if (message != nullptr && std::string_view(message).starts_with("cached plan"))
        error.code = ErrorCode::store_unavailable;
    if (PQstatus(connection) != CONNECTION_OK) {
        error.code = ErrorCode::store_unavailable;
        error.detail += "; the connection is lost, open a new one";
    }
    if (!sql.empty()) error.detail.append(" in: ").append(statement_excerpt(sql));
    return error;
}

Result<std::unique_ptr<SqlConnection>> open_postgres(const std::string& url) {
    TG_TRY(const std::string target, describe_target(url));
    // What stands before dbname is a default that the URL may override, what stands after it is
    // not.
    const char* const keywords[] = {"connect_timeout",           "tcp_user_timeout",
                                    "fallback_application_name", "dbname",
                                    "client_encoding",           nullptr};
    const char* const values[] = {"10", "30000", "tollgate", url.c_str(), "UTF8", nullptr};
    PGconn* connection = PQconnectdbParams(keywords, values, 1);
    auto store = std::make_unique<PostgresConnection>(connection);
    if (PQstatus(connection) != CONNECTION_OK) {
        std::string reason(trim(PQerrorMessage(connection)));
        const char* password = PQpass(connection);
        for (std::size_t at = 0; password != nullptr && *password != '\0' &&
                                 (at = reason.find(password, at)) != std::string::npos;) {
            reason.replace(at, std::strlen(password), "***");
            at += 3;
        }
        return fail(ErrorCode::store_unavailable, "cannot connect to " + target + ": " + reason);
    }
    PQsetNoticeProcessor(connection, ignore_notice, nullptr);
    return std::unique_ptr<SqlConnection>(std::move(store));
}

}  // namespace tg::store_internal
