#include "base/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace tg {
namespace {

/// How many bytes at the front of `text`, in eights, are ASCII without NUL.
std::size_t plain_prefix(std::string_view text) {
    std::size_t i = 0;
    for (; i + 8 <= text.size(); i += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + i, 8);
        // The high bit of a byte is set by a non-ASCII byte, or by the borrow when it is zero.
        if (((word | (word - 0x0101010101010101U)) & 0x8080808080808080U) != 0) break;
    }
    return i;
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto is_tail = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
        return i < text.size() && byte(i) >= low && byte(i) <= high;
    };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return is_tail(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const unsigned low = first == 0xe0 ? 0xa0 : 0x80, high = first == 0xed ? 0x9f : 0xbf;
        return is_tail(1, low, high) && is_tail(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const unsigned low = first == 0xf0 ? 0x90 : 0x80, high = first == 0xf4 ? 0x8f : 0xbf;
        return is_tail(1, low, high) && is_tail(2) && is_tail(3) ? 4 : 0;
    }
    return 0;
}

bool is_storable_text(std::string_view text) {
    text.remove_prefix(plain_prefix(text));
    while (!text.empty()) {
        const std::size_t length = text[0] == '\0' ? 0 : utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

void make_storable(std::string_view text, std::string* out) {
    out->clear();
    while (!text.empty()) {
        const std::size_t length = text[0] == '\0' ? 0 : utf8_length(text);
        if (length == 0)
            out->push_back('?');
        else
            out->append(text, 0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const std::size_t length = std::max<std::size_t>(utf8_length(text), 1);
        const auto first = static_cast<unsigned char>(text[0]);
        width += length >= 3 && first >= 0xe3 ? 2 : 1;
        text.remove_prefix(length);
    }
    return width;
}

std::size_t count_characters(std::string_view text) {
    std::size_t count = 0;
    for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
    return count;
}

}  // namespace tg
