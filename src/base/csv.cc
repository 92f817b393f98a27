#include "base/csv.h"

#include <algorithm>
#include <array>

namespace tg {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// A sign or none, then digits with at most one point.
bool is_number(std::string_view text) {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    return std::ranges::any_of(text, is_digit) && std::ranges::count(text, '.') <= 1 &&
           std::ranges::all_of(text, [](char c) { return c == '.' || is_digit(c); });
}

/// Spreadsheet programs in Chinese and Japanese take the full-width signs too.
bool is_risky(std::string_view text) {
    constexpr std::array<std::string_view, 12> kStarts = {"=",  "+", "-",  "@",  "\t", "\r",
                                                          "\n", "'", "＝", "＋", "－", "＠"};
    return std::ranges::any_of(kStarts,
                               [&](std::string_view start) { return text.starts_with(start); });
}

}  // namespace

std::string csv_cell(std::string_view text) {
    const bool is_guarded = is_risky(text) && !is_number(text);
    if (!is_guarded && text.find_first_of(",\"\r\n") == std::string_view::npos)
        return std::string(text);
    std::string out = is_guarded ? "\"'" : "\"";
    for (const char c : text) {
        if (c == '"') out.push_back('"');
        out.push_back(c);
    }
    out.push_back('"');
    return out;
}

}  // namespace tg
