#pragma once
#include <sqlite3.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "store/internal/sql_text.h"
#include "store/sql.h"

namespace tg::store_internal {

/// Takes rows out of SQLite by an SQL function that is called with all columns of a row: asking a
/// statement for one column after the other costs three calls each, a third of the whole read.
class SqliteBulkReader {
  public:
    /// The function's name in statements.
    static constexpr std::string_view kFunction = "tg_bulk_row";

    /// Makes the function known to `db`; the reader outlives it. Returns SQLite's result code.
    int attach(sqlite3* db);

    /// Rows of the following statement have these columns and go to `row`. What they are views of
    /// outlives the statement.
    void begin(std::string_view table, const std::vector<BulkColumn>& columns,
               const std::function<bool(const BulkRow&)>& row);
    bool wants_more() const { return wants_more_ && error_.empty(); }
    const std::string& error() const { return error_; }

  private:
    static void call(sqlite3_context* context, int count, sqlite3_value** values);
    void take(int count, sqlite3_value** values);
    void note_type(std::size_t column);

    std::string_view table_;
    const std::vector<BulkColumn>* columns_ = nullptr;
    const std::function<bool(const BulkRow&)>* row_ = nullptr;
    std::vector<std::int64_t> integers_;
    std::vector<std::string_view> texts_;
    std::int64_t last_key_ = 0;
    bool wants_more_ = false;
    std::string error_;
};

}  // namespace tg::store_internal
