#include "base/numbered_id.h"

#include <charconv>

namespace tg {

std::string numbered_id(std::string_view prefix, std::int64_t number) {
    return std::string(prefix) + std::to_string(number);
}

std::int64_t number_of_id(std::string_view prefix, std::string_view id) {
    if (!id.starts_with(prefix)) return 0;
    const std::string_view digits = id.substr(prefix.size());
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    const bool is_plain = error == std::errc() && end == digits.data() + digits.size() &&
                          !digits.starts_with('0') && number > 0;
    return is_plain ? number : 0;
}

}  // namespace tg
