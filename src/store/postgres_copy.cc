#include <endian.h>

#include "store/internal/postgres_session.h"

namespace tg::store_internal {
namespace {

/// Source: PostgreSQL 15 documentation, COPY, "Binary Format".
constexpr std::string_view kHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
constexpr std::size_t kBufferBytes = 256 * 1024;

class PostgresCopy final : public SqlConnection::BulkInsert {
  public:
    PostgresCopy(PostgresSession* session, std::string sql, std::vector<BulkColumn> columns)
        : session_(session), sql_(std::move(sql)), columns_(std::move(columns)) {
        session_->is_busy = true;
        buffer_.reserve(kBufferBytes + 4096);
        buffer_.append(kHeader);
    }
    ~PostgresCopy() override {
        if (is_finished_) return;
        PQputCopyEnd(session_->connection.get(), "abandoned");
        drain();
        session_->is_busy = false;
        session_->has_failed = true;
    }

    void integer(std::int64_t value) override {
        if (!next()) return;
        const BulkColumn& column = columns_[used_ - 1];
        if (!fits(column.type, value))
            note_error(std::to_string(value) + " does not fit column " + column.name);
        switch (column.type) {
            case BulkType::int64:
                put32(8);
                put(htobe64(static_cast<std::uint64_t>(value)));
                break;
            case BulkType::int32:
                put32(4);
                put32(static_cast<std::int32_t>(value));
                break;
            case BulkType::int16:
                put32(2);
                put(htobe16(static_cast<std::uint16_t>(value)));
                break;
            case BulkType::text:
                note_error(std::to_string(value) + " does not fit column " + column.name);
                break;
        }
    }
    void text(std::string_view value) override {
        if (!next()) return;
        if (columns_[used_ - 1].type != BulkType::text)
            note_error("a text is given for column " + columns_[used_ - 1].name);
        const std::string_view storable = storable_text(value, scratch_);
        if (storable.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
            note_error("a text of " + std::to_string(storable.size()) + " bytes is too long");
            return;
        }
        put32(static_cast<std::int32_t>(storable.size()));
        buffer_.append(storable);
    }
    void null() override {
        if (next()) put32(-1);
    }
    Status end_row() override {
        if (used_ != columns_.size()) {
            note_error(std::to_string(used_) + " values are given for " +
                       std::to_string(columns_.size()) + " columns");
        }
        if (!error_.empty())
            return fail(ErrorCode::internal, error_ + " in: " + statement_excerpt(sql_));
        used_ = 0;
        if (buffer_.size() < kBufferBytes) return {};
        return flush();
    }
    Status finish() override {
        if (is_finished_) return fail(ErrorCode::internal, "the bulk insert is finished already");
        if (used_ != 0) note_error("the last row was not ended");
        if (!error_.empty())
            return fail(ErrorCode::internal, error_ + " in: " + statement_excerpt(sql_));
        put(htobe16(0xffff));
        TG_CHECK_OK(flush());
        PGconn* connection = session_->connection.get();
        is_finished_ = true;
        session_->is_busy = false;
        if (PQputCopyEnd(connection, nullptr) != 1) {
            session_->has_failed = true;
            return fail(postgres_error(connection, nullptr, sql_));
        }
        const PgResult result(PQgetResult(connection));
        drain();
        if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
            session_->has_failed = true;
            return fail(postgres_error(connection, result.get(), sql_));
        }
        return {};
    }

  private:
    /// Opens the next field; the first one of a row is preceded by the number of fields.
    bool next() {
        if (used_ == columns_.size()) {
            note_error("more values than columns are given");
            return false;
        }
        if (used_++ == 0) put(htobe16(static_cast<std::uint16_t>(columns_.size())));
        return true;
    }
    template <typename T>
    void put(T big_endian) {
        char bytes[sizeof big_endian];
        std::memcpy(bytes, &big_endian, sizeof big_endian);
        buffer_.append(bytes, sizeof bytes);
    }
    void put32(std::int32_t value) { put(htobe32(static_cast<std::uint32_t>(value))); }
    /// PQputCopyData fails only when the connection is lost; what the server refuses is told by
    /// finish().
    Status flush() {
        PGconn* connection = session_->connection.get();
        if (PQputCopyData(connection, buffer_.data(), static_cast<int>(buffer_.size())) != 1) {
            Error error = postgres_error(connection, nullptr, sql_);
            error_ = error.detail;
            return fail(std::move(error));
        }
        buffer_.clear();
        return {};
    }
    void drain() {
        while (PGresult* result = PQgetResult(session_->connection.get())) PQclear(result);
    }
    void note_error(std::string text) {
        if (error_.empty()) error_ = std::move(text);
    }

    PostgresSession* session_;
    std::string sql_;
    std::vector<BulkColumn> columns_;
    std::size_t used_ = 0;
    std::string buffer_;
    std::string scratch_;
    std::string error_;
    bool is_finished_ = false;
};

}  // namespace

Result<std::unique_ptr<SqlConnection::BulkInsert>> start_copy(PostgresSession* session,
                                                              std::string_view table,
                                                              std::vector<BulkColumn> columns) {
    std::string sql =
        "COPY " + std::string(table) + " (" + column_list(columns) + ") FROM STDIN (FORMAT BINARY)";
    const PgResult result(PQexec(session->connection.get(), sql.c_str()));
    if (PQresultStatus(result.get()) != PGRES_COPY_IN) {
        session->has_failed = true;
        return fail(postgres_error(session->connection.get(), result.get(), sql));
    }
    return std::unique_ptr<SqlConnection::BulkInsert>(
        std::make_unique<PostgresCopy>(session, std::move(sql), std::move(columns)));
}

}  // namespace tg::store_internal
