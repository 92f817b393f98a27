#pragma once
#include <string>
#include <string_view>

namespace tg {

/// A cell of a CSV file (RFC 4180), safe to open in a spreadsheet program: a text that would be
/// run as a formula gets an apostrophe in front, and so does one that begins with an apostrophe,
/// so that taking one away always gives the text back. A plain number, signed or not, stays a
/// number; "-2+3" is none.
std::string csv_cell(std::string_view text);

}  // namespace tg
