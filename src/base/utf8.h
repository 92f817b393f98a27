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

}  // namespace tg
