#pragma once
#include <libpq-fe.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/internal/sql_text.h"
#include "store/sql.h"

namespace tg::store_internal {

struct CloseConnection {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ClearResult {
    void operator()(PGresult* result) const { PQclear(result); }
};
using PgResult = std::unique_ptr<PGresult, ClearResult>;

/// A libpq connection and what it is in the middle of; shared by the connection and its bulk
/// insert.
struct PostgresSession {
    std::unique_ptr<PGconn, CloseConnection> connection;
    bool in_transaction = false;
    bool has_failed = false;
    bool is_busy = false;
};

/// The error of a result (or of the connection, when there is none), without any row value: libpq
/// puts those into the DETAIL line, which is left out.
Error postgres_error(PGconn* connection, const PGresult* result, std::string_view sql);

/// COPY ... FROM STDIN (FORMAT BINARY). Errors: as postgres_error().
Result<std::unique_ptr<SqlConnection::BulkInsert>> start_copy(PostgresSession* session,
                                                              std::string_view table,
                                                              std::vector<BulkColumn> columns);

/// COPY (SELECT ...) TO STDOUT (FORMAT BINARY), for SqlConnection::bulk_read(). Errors: as
/// postgres_error(); corrupt_data.
Status read_copy(PostgresSession* session, std::string_view table,
                 const std::vector<BulkColumn>& columns, std::int64_t first, std::int64_t last,
                 const std::function<bool(const BulkRow&)>& row);

}  // namespace tg::store_internal
