#include <endian.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>

#include "store/internal/postgres_session.h"

namespace tg::store_internal {
namespace {

/// Source: PostgreSQL 15 documentation, COPY, "Binary Format". After the signature: flags, and the
/// length of an extension that this version has none of.
constexpr std::string_view kSignature("PGCOPY\n\377\r\n\0", 11);
constexpr std::size_t kHeaderBytes = kSignature.size() + 8;
constexpr std::uint16_t kTrailer = 0xffff;
/// Type OIDs, source: PostgreSQL 15 src/include/catalog/pg_type.dat.
constexpr Oid kInt8 = 20, kInt2 = 21, kInt4 = 23, kText = 25;

Oid oid_of(BulkType type) {
    switch (type) {
        case BulkType::int64:
            return kInt8;
        case BulkType::int32:
            return kInt4;
        case BulkType::int16:
            return kInt2;
        case BulkType::text:
            break;
    }
    return kText;
}

std::int32_t size_of(BulkType type) {
    return type == BulkType::int64 ? 8 : type == BulkType::int32 ? 4 : 2;
}

template <typename T>
T load(const char* at) {
    T value{};
    std::memcpy(&value, at, sizeof value);
    return value;
}

std::int64_t integer_at(const char* at, BulkType type) {
    if (type == BulkType::int64) return static_cast<std::int64_t>(be64toh(load<std::uint64_t>(at)));
    if (type == BulkType::int32) return static_cast<std::int32_t>(be32toh(load<std::uint32_t>(at)));
    return static_cast<std::int16_t>(be16toh(load<std::uint16_t>(at)));
}

/// Takes rows out of the messages of a COPY, one row a message (PostgreSQL 15 documentation,
/// Frontend/Backend Protocol, COPY Operations).
class RowReader {
  public:
    RowReader(std::string_view table, const std::vector<BulkColumn>& columns)
        : table_(table), columns_(&columns) {
        for (const BulkColumn& column : columns) {
            if (column.type == BulkType::text)
                texts_.emplace_back();
            else
                integers_.push_back(0);
        }
    }
    /// False when the message has no row, or is none; the latter is an error().
    bool parse(std::string_view message) {
        if (!has_header_) {
            if (message.size() < kHeaderBytes || !message.starts_with(kSignature))
                return refuse("does not begin as COPY's binary format does");
            const std::uint32_t extension =
                be32toh(load<std::uint32_t>(message.data() + kHeaderBytes - 4));
            if (extension != 0) return refuse("is in a newer version of COPY's binary format");
            message.remove_prefix(kHeaderBytes);
            has_header_ = true;
            if (message.empty()) return false;
        }
        if (message.size() < 2) return refuse("ends within a row");
        const char* const at = message.data();
        const auto fields = be16toh(load<std::uint16_t>(at));
        if (fields == kTrailer) return false;
        if (fields != columns_->size()) return refuse("has rows of another number of columns");
        return parse_fields(at + 2, at + message.size());
    }
    BulkRow row() const { return {integers_, texts_}; }
    const std::string& error() const { return error_; }

  private:
    bool parse_fields(const char* at, const char* end) {
        std::int64_t* integer = integers_.data();
        std::string_view* text = texts_.data();
        for (const BulkColumn& column : *columns_) {
            if (end - at < 4) return refuse("ends within a row");
            const auto size = static_cast<std::int32_t>(be32toh(load<std::uint32_t>(at)));
            at += 4;
            if (size < 0) {
                error_ = "column " + column.name + " of " + std::string(table_) + " holds NULL";
                return false;
            }
            if (end - at < size) return refuse("ends within a row");
            if (column.type == BulkType::text) {
                *text++ = {at, static_cast<std::size_t>(size)};
            } else {
                if (size != size_of(column.type)) return refuse("has an integer of another size");
                *integer++ = integer_at(at, column.type);
            }
            at += size;
        }
        return at == end || refuse("has more than one row in a message");
    }
    bool refuse(const char* what) {
        error_ = "what the server sent of " + std::string(table_) + " " + what;
        return false;
    }

    std::string_view table_;
    const std::vector<BulkColumn>* columns_;
    std::vector<std::int64_t> integers_;
    std::vector<std::string_view> texts_;
    bool has_header_ = false;
    std::string error_;
};

/// The binary format does not tell types: a column that somebody gave another one would be read as
/// what it is not.
Status check_types(PGconn* connection, std::string_view table,
                   const std::vector<BulkColumn>& columns) {
    const std::string sql =
        "SELECT " + column_list(columns) + " FROM " + std::string(table) + " LIMIT 0";
    const PgResult result(PQexec(connection, sql.c_str()));
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK)
        return fail(postgres_error(connection, result.get(), sql));
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (PQftype(result.get(), static_cast<int>(i)) == oid_of(columns[i].type)) continue;
        return fail(ErrorCode::corrupt_data, "column " + columns[i].name + " of " +
                                                 std::string(table) +
                                                 " has another type than the schema gives it");
    }
    return {};
}

/// Rows are read along the key's index: what the planner takes for a table without statistics, such
/// as one that has just been filled, is to read it all and to sort it, for half as much time again.
/// One text of several statements is one transaction, so that LOCAL ends with it, or, inside a
/// transaction, with the statements after the COPY.
std::string with_plan(const std::string& copy) {
    constexpr std::string_view kSettings[][2] = {{"enable_sort", "off"},
                                                 {"enable_bitmapscan", "off"},
                                                 {"enable_seqscan", "off"},
                                                 {"jit", "off"},
                                                 {"max_parallel_workers_per_gather", "0"}};
    std::string before, after;
    for (const auto& [name, value] : kSettings) {
        before.append("SET LOCAL ").append(name).append(" = ").append(value).append("; ");
        after.append("; SET LOCAL ").append(name).append(" TO DEFAULT");
    }
    return before + copy + after;
}

struct FreeMessage {
    void operator()(char* message) const { PQfreemem(message); }
};
using Message = std::unique_ptr<char, FreeMessage>;

/// The messages of a COPY. The server sends 8 KB at a time; waking for each of them would cost both
/// sides a change of context for every 25 rows, a tenth of all the work where they share a
/// processor, so that the kernel is asked to wait for more. It wakes at once for less when no more
/// comes for a moment.
class CopyMessages {
  public:
    explicit CopyMessages(PGconn* connection)
        : connection_(connection),
          is_plain_(PQsslInUse(connection) == 0 && PQgssEncInUse(connection) == 0) {
        if (is_plain_) wake_at(kWakeBytes);
    }
    CopyMessages(const CopyMessages&) = delete;
    CopyMessages& operator=(const CopyMessages&) = delete;
    ~CopyMessages() {
        if (is_plain_) wake_at(1);
    }

    /// Its size; -1 after the last, -2 when the connection failed.
    int next(Message* message) {
        for (;;) {
            char* raw = nullptr;
            // What is encrypted may wait in a buffer of the library, which poll() does not see.
            int size = PQgetCopyData(connection_, &raw, is_plain_ ? 1 : 0);
            if (size == 0) {
                if (PQconsumeInput(connection_) != 1) return -2;
                size = PQgetCopyData(connection_, &raw, 1);
            }
            if (size != 0) {
                message->reset(raw);
                return size;
            }
            wait();
        }
    }

  private:
    static constexpr int kWakeBytes = 64 * 1024, kPauseMs = 1;

    void wait() {
        pollfd socket{.fd = PQsocket(connection_), .events = POLLIN, .revents = 0};
        if (poll(&socket, 1, kPauseMs) != 0) return;
        wake_at(1);
        (void)poll(&socket, 1, -1);
        wake_at(kWakeBytes);
    }
    /// Sockets that know no such thing wake at every byte, as ever.
    void wake_at(int bytes) {
        (void)setsockopt(PQsocket(connection_), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
    }
    PGconn* connection_;
    const bool is_plain_;
};

/// Calls `row` until it has enough, and reads all messages, because cancelling would fail the
/// transaction. False when the connection failed.
bool read_messages(PGconn* connection, RowReader* reader,
                   const std::function<bool(const BulkRow&)>& row) {
    CopyMessages messages(connection);
    bool wants_more = true;
    Message message;
    int size = 0;
    while ((size = messages.next(&message)) > 0) {
        if (!wants_more) continue;
        if (reader->parse({message.get(), static_cast<std::size_t>(size)}))
            wants_more = row(reader->row());
        else
            wants_more = reader->error().empty();
    }
    return size == -1;
}

}  // namespace

Status read_copy(PostgresSession* session, std::string_view table,
                 const std::vector<BulkColumn>& columns, std::int64_t first, std::int64_t last,
                 const std::function<bool(const BulkRow&)>& row) {
    PGconn* const connection = session->connection.get();
    TG_CHECK_OK(check_types(connection, table, columns));
    const std::string& key = columns[0].name;
    const std::string sql = "COPY (SELECT " + column_list(columns) + " FROM " + std::string(table) +
                            " WHERE " + key + " >= (" + std::to_string(first) + ")::bigint AND " +
                            key + " <= (" + std::to_string(last) + ")::bigint ORDER BY " + key +
                            ") TO STDOUT (FORMAT BINARY)";
    const PgResult started(PQexec(connection, with_plan(sql).c_str()));
    if (PQresultStatus(started.get()) != PGRES_COPY_OUT)
        return fail(postgres_error(connection, started.get(), sql));
    RowReader reader(table, columns);
    Status status;
    if (!read_messages(connection, &reader, row))
        status = fail(postgres_error(connection, nullptr, sql));
    while (PGresult* next = PQgetResult(connection)) {
        const PgResult result(next);
        if (PQresultStatus(result.get()) != PGRES_COMMAND_OK && status.ok())
            status = fail(postgres_error(connection, result.get(), sql));
    }
    if (status.ok() && !reader.error().empty())
        return fail(ErrorCode::corrupt_data, reader.error() + ", in: " + statement_excerpt(sql));
    return status;
}

}  // namespace tg::store_internal
