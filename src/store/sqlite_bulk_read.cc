#include "store/internal/sqlite_bulk_read.h"

#include <limits>

namespace tg::store_internal {

int SqliteBulkReader::attach(sqlite3* db) {
    // Only statements of ours may call it, no view or trigger that somebody left in the file.
    return sqlite3_create_function_v2(db, std::string(kFunction).c_str(), -1,
                                      SQLITE_UTF8 | SQLITE_DIRECTONLY, this, &call, nullptr,
                                      nullptr, nullptr);
}

void SqliteBulkReader::begin(std::string_view table, const std::vector<BulkColumn>& columns,
                             const std::function<bool(const BulkRow&)>& row) {
    table_ = table;
    columns_ = &columns;
    row_ = &row;
    last_key_ = std::numeric_limits<std::int64_t>::min();
    wants_more_ = true;
    error_.clear();
    integers_.clear();
    texts_.clear();
    for (const BulkColumn& column : columns) {
        if (column.type == BulkType::text)
            texts_.emplace_back();
        else
            integers_.push_back(0);
    }
}

void SqliteBulkReader::note_type(std::size_t column) {
    const BulkColumn& wanted = (*columns_)[column];
    error_ = "column " + wanted.name + " of " + std::string(table_) +
             " holds something else than " +
             (wanted.type == BulkType::text ? "a text" : "a 64-bit integer");
}

void SqliteBulkReader::call(sqlite3_context* context, int count, sqlite3_value** values) {
    static_cast<SqliteBulkReader*>(sqlite3_user_data(context))->take(count, values);
}

void SqliteBulkReader::take(int count, sqlite3_value** values) {
    if (columns_ == nullptr || std::cmp_not_equal(count, columns_->size()) || !wants_more()) return;
    std::int64_t* integer = integers_.data();
    std::string_view* text = texts_.data();
    for (std::size_t i = 0; i < columns_->size(); ++i) {
        sqlite3_value* const value = values[i];
        const int type = sqlite3_value_type(value);
        if ((*columns_)[i].type != BulkType::text) {
            if (type != SQLITE_INTEGER) return note_type(i);
            *integer++ = sqlite3_value_int64(value);
        } else {
            if (type != SQLITE_TEXT) return note_type(i);
            const auto* bytes = reinterpret_cast<const char*>(sqlite3_value_text(value));
            *text++ = {bytes, static_cast<std::size_t>(sqlite3_value_bytes(value))};
        }
    }
    // A statement that sorts calls the function before it has sorted.
    if (integers_[0] < last_key_) {
        error_ = "rows of " + std::string(table_) + " are not read in the order of " +
                 columns_->front().name + ", which has to lead the primary key";
        return;
    }
    last_key_ = integers_[0];
    wants_more_ = (*row_)({integers_, texts_});
}

}  // namespace tg::store_internal
