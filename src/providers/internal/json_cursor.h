#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tg {

/// Reads one small JSON value that is whole in memory (a usage object, stream_options, metadata)
/// member by member, without a tree and without allocating. It checks what it walks over and stops
/// at the first error; nesting costs no stack.
class JsonCursor {
  public:
    explicit JsonCursor(std::string_view text) : text_(text) {}

    /// Consumes '{'. False when the next value is no object.
    bool enter_object();
    /// The next member's key, raw (without quotes, escapes kept). False at '}' and on error; ok()
    /// tells which.
    bool next_member(std::string_view* raw_key);
    /// The value at hand as its raw text, without surrounding white space; empty on error.
    std::string_view take_value();

    /// The first byte of the value at hand, 0 at the end.
    char peek();
    /// Takes the value at hand when it is a plain number of at most 18 digits; else leaves it.
    bool take_digits(std::int64_t* number);

    bool ok() const { return ok_; }
    /// Nothing went wrong and nothing but white space follows.
    bool is_at_end();
    /// Where the next byte is read.
    std::size_t offset() const { return at_; }

  private:
    void skip_space();
    bool take_string(std::string_view* raw);
    bool take_container();
    bool fail();

    std::string_view text_;
    std::size_t at_ = 0;
    bool is_first_ = false;
    bool ok_ = true;
};

constexpr bool is_json_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// First quote or backslash in `text` from `at` on, or its size.
std::size_t find_quote_or_backslash(std::string_view text, std::size_t at);

/// Appends the text of a JSON string's inside. What is no valid escape, and a surrogate without its
/// half, becomes U+FFFD; an escape cut off at the end is left out.
void append_json_unescaped(std::string& out, std::string_view raw);

/// Is the raw key the same as `name` to a JSON parser, escapes resolved?
bool is_json_key(std::string_view raw_key, std::string_view name);

enum class DecimalStatus : std::uint8_t { exact, rounded, negative, too_big, no_number };

/// A JSON number times 10^scale as an integer, rounded half up. No floating point: 0.1 is exactly 1
/// at scale 1. `value` is set for `exact` and `rounded` only.
DecimalStatus parse_json_decimal(std::string_view token, int scale, std::int64_t* value);

}  // namespace tg
