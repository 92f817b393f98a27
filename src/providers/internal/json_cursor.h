#pragma once
#include <emmintrin.h>

#include <bit>
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
    /// Consumes '['. False when the next value is no array.
    bool enter_array();
    /// Is there another element? False at ']' and on error; ok() tells which.
    bool next_element();
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
inline std::size_t find_quote_or_backslash(std::string_view text, std::size_t at) {
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    for (; at + 16 <= text.size(); at += 16) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
        const auto mask = static_cast<unsigned>(_mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash))));
        if (mask != 0) return at + static_cast<std::size_t>(std::countr_zero(mask));
    }
    while (at < text.size() && text[at] != '"' && text[at] != '\\') ++at;
    return at;
}

/// Appends the text of a JSON string's inside. What is no valid escape, and a surrogate without its
/// half, becomes U+FFFD; an escape cut off at the end is left out.
void append_json_unescaped(std::string& out, std::string_view raw);

/// Is the raw key the same as `name` to a JSON parser, escapes resolved?
bool is_json_key(std::string_view raw_key, std::string_view name);

enum class DecimalStatus : std::uint8_t { exact, rounded, negative, too_big, no_number };

/// A JSON number times 10^scale as an integer, rounded half up. No floating point: 0.1 is exactly 1
/// at scale 1. `value` is set for `exact` and `rounded` only.
DecimalStatus parse_json_decimal(std::string_view token, int scale, std::int64_t* value);

inline void JsonCursor::skip_space() {
    while (at_ < text_.size() && is_json_space(text_[at_])) ++at_;
}

inline char JsonCursor::peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
}

inline bool JsonCursor::take_digits(std::int64_t* number) {
    constexpr std::size_t kDigitsMax = 18;  // cannot overflow
    skip_space();
    std::size_t at = at_;
    std::int64_t value = 0;
    while (at < text_.size() && text_[at] >= '0' && text_[at] <= '9' && at - at_ < kDigitsMax) {
        value = value * 10 + (text_[at++] - '0');
    }
    if (at == at_ || at == text_.size()) return false;
    const char next = text_[at];
    if (next != ',' && next != '}' && !is_json_space(next)) return false;
    at_ = at;
    *number = value;
    return true;
}

inline bool JsonCursor::take_string(std::string_view* raw) {
    if (at_ >= text_.size() || text_[at_] != '"') return false;
    const std::size_t start = at_ + 1;
    std::size_t end = find_quote_or_backslash(text_, start);
    while (end < text_.size() && text_[end] == '\\') end = find_quote_or_backslash(text_, end + 2);
    if (end >= text_.size()) return false;
    *raw = text_.substr(start, end - start);
    at_ = end + 1;
    return true;
}

inline bool JsonCursor::enter_object() {
    skip_space();
    if (!ok_ || at_ >= text_.size() || text_[at_] != '{') return fail();
    ++at_;
    is_first_ = true;
    return true;
}

inline bool JsonCursor::next_member(std::string_view* raw_key) {
    if (!ok_) return false;
    skip_space();
    if (at_ >= text_.size()) return fail();
    if (text_[at_] == '}') {
        ++at_;
        is_first_ = false;  // for whoever goes on in the object or array around it
        return false;
    }
    if (!is_first_) {
        if (text_[at_] != ',') return fail();
        ++at_;
        skip_space();
    }
    is_first_ = false;
    if (!take_string(raw_key)) return fail();
    skip_space();
    if (at_ >= text_.size() || text_[at_] != ':') return fail();
    ++at_;
    return true;
}

inline bool JsonCursor::enter_array() {
    skip_space();
    if (!ok_ || at_ >= text_.size() || text_[at_] != '[') return fail();
    ++at_;
    is_first_ = true;
    return true;
}

inline bool JsonCursor::next_element() {
    if (!ok_) return false;
    skip_space();
    if (at_ >= text_.size()) return fail();
    if (text_[at_] == ']') {
        ++at_;
        is_first_ = false;
        return false;
    }
    if (!is_first_) {
        if (text_[at_] != ',') return fail();
        ++at_;
    }
    is_first_ = false;
    return true;
}

}  // namespace tg
