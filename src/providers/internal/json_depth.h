#pragma once
#include <cstddef>
#include <string_view>

namespace tg {

/// Does a bracket outside strings open a level below `depth_max`? Guards readers that recurse.
bool is_nested_deeper(std::string_view json, std::size_t depth_max);

}  // namespace tg
