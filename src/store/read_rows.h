#pragma once
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "store/sql.h"

namespace tg {

/// All rows of a query, each made by `read`, whose first error ends it.
template <typename T>
Result<std::vector<T>> read_rows(SqlConnection& connection, std::string_view sql,
                                 std::span<const SqlValue> values,
                                 Result<T> (*read)(const SqlRow&)) {
    std::vector<T> out;
    Status bad;
    TG_CHECK_OK(connection.query(sql, values, [&](const SqlRow& row) {
        Result<T> one = read(row);
        if (!one.ok()) {
            bad = fail(std::move(one).error());
            return false;
        }
        out.push_back(std::move(one).value());
        return true;
    }));
    if (!bad.ok()) return fail(std::move(bad).error());
    return out;
}

}  // namespace tg
