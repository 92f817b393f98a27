#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tg {

/// Ids of rows as people see them: a prefix and the row's number, "ADJ-17".
std::string numbered_id(std::string_view prefix, std::int64_t number);
/// 0 for what is no such id.
std::int64_t number_of_id(std::string_view prefix, std::string_view id);

}  // namespace tg
