#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tg::store_internal {

/// `text` as the store keeps it: itself when it is UTF-8 without NUL, else a copy in `scratch`
/// where each NUL and each invalid byte is U+FFFD. Costs a scan; pure ASCII is checked eight bytes
/// at a time.
std::string_view storable_text(std::string_view text, std::string& scratch);

/// Replaces each `?` by $1, $2, ... except inside '...', "...", $tag$...$tag$, -- and /* */
/// comments.
std::string number_parameters(std::string_view sql);

/// The start of a statement on one line, for error texts. Statements are ours and hold no values.
std::string statement_excerpt(std::string_view sql);

enum class BulkType : std::uint8_t { int64, int32, int16, text };
struct BulkColumn {
    std::string name;
    BulkType type = BulkType::int64;
};
/// Reads "name:type". Errors: internal naming the column. Names are checked because they become
/// part of a statement.
Result<std::vector<BulkColumn>> parse_bulk_columns(std::string_view table,
                                                   const std::string_view* columns,
                                                   std::size_t count);
/// The same for bulk_read(), whose first column has to be an integer.
Result<std::vector<BulkColumn>> parse_read_columns(std::string_view table,
                                                   const std::string_view* columns,
                                                   std::size_t count);
/// "a, b, c"
std::string column_list(const std::vector<BulkColumn>& columns);
constexpr bool fits(BulkType type, std::int64_t value) {
    if (type == BulkType::int32) return value == static_cast<std::int32_t>(value);
    if (type == BulkType::int16) return value == static_cast<std::int16_t>(value);
    return true;
}

}  // namespace tg::store_internal
