#pragma once
#include <string>
#include <string_view>

namespace tg::bpe {

/// Writes `text` to `out` with U+FFFD for each maximal subpart of an ill-formed sequence (Unicode
/// 16, section 3.9, table 3-8), as Python's errors="replace" and the WHATWG decoder do. A
/// byte-order mark stays.
void repair_utf8(std::string_view text, std::string* out);

}  // namespace tg::bpe
