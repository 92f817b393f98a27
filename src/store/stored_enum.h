#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tg {

/// An enumerator as a column has it, `count` being how many there are. What stands in a table may
/// have been changed by anybody, and a number without a name must not reach name(). Errors:
/// corrupt_data, naming column and number.
template <typename Enum>
Result<Enum> stored_enum(std::int64_t number, int count, std::string_view column) {
    if (number >= 0 && number < count) return static_cast<Enum>(number);
    return fail(ErrorCode::corrupt_data,
                "column " + std::string(column) + " holds " + std::to_string(number) +
                    ", which stands for nothing (0 to " + std::to_string(count - 1) +
                    " do); run: tollgate verify");
}

}  // namespace tg
