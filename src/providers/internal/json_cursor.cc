#include "providers/internal/json_cursor.h"

#include <algorithm>
#include <limits>

namespace tg {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// Four hexadecimal digits at `at`, or -1.
int read_hex4(std::string_view raw, std::size_t at) {
    if (at + 4 > raw.size()) return -1;
    int value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        const int digit = hex_digit(raw[at + i]);
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

void append_utf8(std::string& out, unsigned code) {
    if (code < 0x80) {
        out.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
        out.push_back(static_cast<char>(0xc0 | (code >> 6)));
        out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        out.push_back(static_cast<char>(0xe0 | (code >> 12)));
        out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
        out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    } else {
        out.push_back(static_cast<char>(0xf0 | (code >> 18)));
        out.push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3f)));
        out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
        out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    }
}

constexpr unsigned kReplacement = 0xfffd;

/// The \u escape whose digits start at `at`; returns how many bytes after "\u" belong to it (10 for
/// a surrogate pair).
std::size_t append_unicode_escape(std::string& out, std::string_view raw, std::size_t at) {
    const int high = read_hex4(raw, at);
    if (high < 0) {
        if (at + 4 <= raw.size()) append_utf8(out, kReplacement);
        return at + 4 <= raw.size() ? 0 : raw.size() - at;
    }
    if (high < 0xd800 || high > 0xdfff) {
        append_utf8(out, static_cast<unsigned>(high));
        return 4;
    }
    if (high <= 0xdbff && at + 6 <= raw.size() && raw[at + 4] == '\\' && raw[at + 5] == 'u') {
        const int low = read_hex4(raw, at + 6);
        if (low >= 0xdc00 && low <= 0xdfff) {
            append_utf8(out, 0x10000U + ((static_cast<unsigned>(high) - 0xd800U) << 10) +
                                 (static_cast<unsigned>(low) - 0xdc00U));
            return 10;
        }
    }
    append_utf8(out, kReplacement);
    return 4;
}

char simple_escape(char c) {
    switch (c) {
        case '"':
        case '\\':
        case '/':
            return c;
        case 'b':
            return '\b';
        case 'f':
            return '\f';
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        default:
            return 0;
    }
}

}  // namespace

bool JsonCursor::fail() {
    ok_ = false;
    return false;
}

bool JsonCursor::take_container() {
    std::size_t depth = 0;
    std::string_view ignored;
    while (at_ < text_.size()) {
        const char c = text_[at_];
        if (c == '"') {
            if (!take_string(&ignored)) return false;
            continue;
        }
        ++at_;
        if (c == '{' || c == '[') ++depth;
        if ((c == '}' || c == ']') && --depth == 0) return true;
    }
    return false;
}

bool JsonCursor::is_at_end() {
    skip_space();
    return ok_ && at_ == text_.size();
}

std::string_view JsonCursor::take_value() {
    skip_space();
    const std::size_t start = at_;
    if (!ok_ || at_ >= text_.size()) {
        fail();
        return {};
    }
    const char first = text_[at_];
    bool is_whole = true;
    if (first == '"') {
        std::string_view ignored;
        is_whole = take_string(&ignored);
    } else if (first == '{' || first == '[') {
        is_whole = take_container();
    } else {
        const auto is_literal = [](char c) {
            return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' ||
                   c == '.' || c == 'E';
        };
        while (at_ < text_.size() && is_literal(text_[at_])) ++at_;
        is_whole = at_ > start;
    }
    if (!is_whole) {
        fail();
        return {};
    }
    return text_.substr(start, at_ - start);
}

void append_json_unescaped(std::string& out, std::string_view raw) {
    std::size_t i = 0;
    while (i < raw.size()) {
        const std::size_t slash = std::min(raw.find('\\', i), raw.size());
        out.append(raw, i, slash - i);
        i = slash + 1;
        if (i >= raw.size()) return;
        const char c = raw[i++];
        if (c == 'u') {
            i += append_unicode_escape(out, raw, i);
        } else if (const char plain = simple_escape(c); plain != 0) {
            out.push_back(plain);
        } else {
            append_utf8(out, kReplacement);
        }
    }
}

bool is_json_key(std::string_view raw_key, std::string_view name) {
    if (raw_key == name) return true;
    // A key spelt with escapes is at most six times as long as its text.
    if (raw_key.size() <= name.size() || raw_key.size() > name.size() * 6) return false;
    if (raw_key.find('\\') == std::string_view::npos) return false;
    std::string plain;
    append_json_unescaped(plain, raw_key);
    return plain == name;
}

DecimalStatus parse_json_decimal(std::string_view token, int scale, std::int64_t* value) {
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
    std::size_t i = 0;
    const bool is_negative = !token.empty() && token[0] == '-';
    if (is_negative) ++i;
    const auto is_digit = [&] { return i < token.size() && token[i] >= '0' && token[i] <= '9'; };
    std::uint64_t mantissa = 0;
    int exponent = scale;
    bool is_sticky = false;  // a digit other than 0 was dropped beyond the mantissa
    const auto take_digits = [&](int step_kept, int step_dropped) {
        const std::size_t start = i;
        for (; is_digit(); ++i) {
            const auto digit = static_cast<std::uint64_t>(token[i] - '0');
            if (mantissa <= (kMax - 9) / 10) {
                mantissa = mantissa * 10 + digit;
                exponent += step_kept;
            } else {
                is_sticky = is_sticky || digit != 0;
                if (exponent < 100'000) exponent += step_dropped;
            }
        }
        return i > start;
    };
    if (!take_digits(0, 1)) return DecimalStatus::no_number;
    if (i < token.size() && token[i] == '.') {
        ++i;
        if (!take_digits(-1, 0)) return DecimalStatus::no_number;
    }
    if (i < token.size() && (token[i] == 'e' || token[i] == 'E')) {
        ++i;
        const bool is_small = i < token.size() && token[i] == '-';
        if (i < token.size() && (token[i] == '-' || token[i] == '+')) ++i;
        if (!is_digit()) return DecimalStatus::no_number;
        int shift = 0;
        for (; is_digit(); ++i) shift = std::min(shift * 10 + (token[i] - '0'), 100'000);
        exponent += is_small ? -shift : shift;
    }
    if (i != token.size()) return DecimalStatus::no_number;
    if (is_negative && (mantissa != 0 || is_sticky)) return DecimalStatus::negative;
    for (; exponent > 0 && mantissa != 0; --exponent) {
        if (mantissa > kMax / 10) return DecimalStatus::too_big;
        mantissa *= 10;
    }
    std::uint64_t last_digit = 0;
    for (; exponent < 0 && (mantissa != 0 || last_digit != 0); ++exponent) {
        is_sticky = is_sticky || last_digit != 0;
        last_digit = mantissa % 10;
        mantissa /= 10;
    }
    if (last_digit >= 5) ++mantissa;
    if (mantissa > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return DecimalStatus::too_big;
    *value = static_cast<std::int64_t>(mantissa);
    return last_digit != 0 || is_sticky ? DecimalStatus::rounded : DecimalStatus::exact;
}

}  // namespace tg
