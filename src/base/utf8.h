#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace tg {

/// Length of the valid UTF-8 sequence at the front of `text`, or 0 (RFC 3629: no surrogates, no
/// overlong forms). `text` is not empty.
std::size_t utf8_length(std::string_view text);

/// Text that every store takes: valid UTF-8 without NUL. PostgreSQL refuses anything else.
bool is_storable_text(std::string_view text);
/// The same text with '?' for each byte that cannot be stored.
void make_storable(std::string_view text, std::string* out);

/// Characters of a valid UTF-8 text.
std::size_t count_characters(std::string_view text);

/// Columns that a terminal gives a text: East Asian characters take two.
std::size_t display_width(std::string_view text);

}  // namespace tg
