#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tg {

/// A cell of a CSV file (RFC 4180), safe to open in a spreadsheet program: a text that would be
/// run as a formula gets an apostrophe in front, and so does one that begins with an apostrophe,
/// so that taking one away always gives the text back. A plain number, signed or not, stays a
/// number; "-2+3" is none.
std::string csv_cell(std::string_view text);
/// The cells and a line end (RFC 4180).
void append_csv_row(const std::vector<std::string>& cells, std::string* out);

/// The rows of a CSV file (RFC 4180), with line ends of any kind; a row may have any number of
/// cells. `separator` is ',' or ';' or a tab. Errors: invalid_request naming the line (a quote that
/// is not closed, or text behind a closing one).
Result<std::vector<std::vector<std::string>>> parse_csv(std::string_view text,
                                                        char separator = ',');

}  // namespace tg
