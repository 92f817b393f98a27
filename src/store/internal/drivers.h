#pragma once
#include <memory>
#include <string>

#include "store/sql.h"

namespace tg::store_internal {

struct SqliteOptions {
    std::string path;
    bool is_synchronous_full = false;
    int busy_timeout_ms = 5000;
};
Result<SqliteOptions> parse_sqlite_url(const std::string& url);
Result<std::unique_ptr<SqlConnection>> open_sqlite(const SqliteOptions& options);
Result<std::unique_ptr<SqlConnection>> open_postgres(const std::string& url);

}  // namespace tg::store_internal
