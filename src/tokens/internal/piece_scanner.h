#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "tokens/internal/vocab_image.h"
#include "tokens/tokenizer.h"

extern "C" const std::uint8_t kTgUnicodeClasses[];

// The splitting expressions of tiktoken 1.0.22 (registry.json, "pat_str"), written out by hand
// because they need a lookahead and ordered alternatives that no linear-time library offers. Every
// function takes valid UTF-8 and looks at each byte a bounded number of times, except where it says
// so.
//
// cl100k_base: (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,3} |
// ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+
//              | \s+(?!\S) | \s+
// o200k_base:
// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//              |
//              [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//              | \p{N}{1,3} | ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+
namespace tg::bpe {

using Byte = std::uint8_t;

inline constexpr std::array<CharClass, 128> kAsciiClasses = [] {
    std::array<CharClass, 128> classes{};
    for (int c = 0; c < 128; ++c) {
        CharClass& out = classes[static_cast<std::size_t>(c)];
        if (c >= 'A' && c <= 'Z') out = CharClass::upper;
        if (c >= 'a' && c <= 'z') out = CharClass::lower;
        if (c >= '0' && c <= '9') out = CharClass::number;
        if (c == ' ' || (c >= '\t' && c <= '\r')) out = CharClass::space;
    }
    return classes;
}();

/// A character and the byte after it.
struct Char {
    CharClass of;
    const Byte* end;
};

inline Char read_wide_char(const Byte* p) {
    const auto rest = [p](int i) { return static_cast<char32_t>(p[i] & 0x3f); };
    if (*p < 0xe0) {
        return {class_in_table(kTgUnicodeClasses, (*p & 0x1fU) << 6 | rest(1)), p + 2};
    }
    if (*p < 0xf0) {
        return {class_in_table(kTgUnicodeClasses, (*p & 0x0fU) << 12 | rest(1) << 6 | rest(2)),
                p + 3};
    }
    return {class_in_table(kTgUnicodeClasses,
                           (*p & 0x07U) << 18 | rest(1) << 12 | rest(2) << 6 | rest(3)),
            p + 4};
}

/// The character at p, which must not be the end.
inline Char read_char(const Byte* p) {
    if (*p < 0x80) [[likely]]
        return {kAsciiClasses[*p], p + 1};
    return read_wide_char(p);
}

inline bool is_letter(CharClass c) {
    return c >= CharClass::upper;
}
/// [^\s\p{L}\p{N}]
inline bool is_symbol(CharClass c) {
    return c == CharClass::other || c == CharClass::mark;
}
inline bool is_line_end(Byte c) {
    return c == '\n' || c == '\r';
}
/// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
inline bool may_lead(CharClass c) {
    return c >= CharClass::mark && c != CharClass::lower;
}
/// [\p{Ll}\p{Lm}\p{Lo}\p{M}]
inline bool may_follow(CharClass c) {
    return c >= CharClass::mark && c != CharClass::upper;
}

template <bool (*kIs)(CharClass)>
const Byte* skip(const Byte* p, const Byte* end) {
    while (p != end) {
        const Char c = read_char(p);
        if (!kIs(c.of)) break;
        p = c.end;
    }
    return p;
}

/// (?i:'s|'t|'re|'ve|'m|'ll|'d) at p, else p. U+017F folds to s, so it counts as one.
inline const Byte* skip_contraction(const Byte* p, const Byte* end) {
    if (end - p < 2 || *p != '\'') return p;
    const auto lower = [p](int i) { return p[i] | 0x20; };
    switch (lower(1)) {
        case 's':
        case 't':
        case 'm':
        case 'd':
            return p + 2;
        case 'r':
        case 'v':
            return end - p >= 3 && lower(2) == 'e' ? p + 3 : p;
        case 'l':
            return end - p >= 3 && lower(2) == 'l' ? p + 3 : p;
        default:
            return end - p >= 3 && p[1] == 0xc5 && p[2] == 0xbf ? p + 3 : p;
    }
}

/// \s*[\r\n]+ | \s+(?!\S) | \s+ at a white-space character.
inline const Byte* skip_white_space(const Byte* p, const Byte* end) {
    const Byte* after_line_end = nullptr;
    const Byte* last = p;
    const Byte* at = p;
    while (at != end) {
        const Char c = read_char(at);
        if (c.of != CharClass::space) break;
        if (is_line_end(*at)) after_line_end = at + 1;
        last = at;
        at = c.end;
    }
    if (after_line_end != nullptr) return after_line_end;
    // The last one is left to become the next piece's first character.
    return at == end || last == p ? at : last;
}

/// \p{N}{1,3} at a number.
inline const Byte* skip_numbers(const Byte* p, const Byte* end) {
    for (int i = 0; i < 3 && p != end; ++i) {
        const Char c = read_char(p);
        if (c.of != CharClass::number) break;
        p = c.end;
    }
    return p;
}

/// [^\s\p{L}\p{N}]+[\r\n]* (o200k: [\r\n/]*) at a symbol.
template <Encoding kEncoding>
const Byte* skip_symbols(const Byte* p, const Byte* end) {
    p = skip<is_symbol>(p, end);
    while (p != end && (is_line_end(*p) || (kEncoding == Encoding::o200k_base && *p == '/'))) ++p;
    return p;
}

/// What o200k's two word alternatives find from one start, without the optional first character.
struct Word {
    const Byte* end;     ///< the start when there is none
    bool is_first_kind;  ///< matched by the first alternative, which is tried before the second
                         ///< everywhere
};

/// [lead]*[follow]+, else [lead]+. Caseless letters and marks are in both sets, so when no
/// lower-case letter comes after the leading run, the first alternative gives back leading
/// characters until one is in both sets.
inline Word read_word(const Byte* p, const Byte* end) {
    const Byte* after_shared = nullptr;
    while (p != end) {
        const Char c = read_char(p);
        if (!may_lead(c.of)) {
            if (c.of != CharClass::lower) break;
            return {skip<may_follow>(c.end, end), true};
        }
        p = c.end;
        if (c.of != CharClass::upper) after_shared = p;
    }
    if (after_shared != nullptr) return {after_shared, true};
    return {p, false};
}

/// End of the piece at p, which must not be the end of the text.
/// In o200k a capital run before a caseless letter is looked at again for the next piece; that is
/// the only second look.
template <Encoding kEncoding>
const Byte* skip_piece(const Byte* p, const Byte* end);

template <>
inline const Byte* skip_piece<Encoding::cl100k_base>(const Byte* p, const Byte* end) {
    const Char first = read_char(p);
    if (is_letter(first.of)) return skip<is_letter>(first.end, end);
    if (first.of == CharClass::number) return skip_numbers(p, end);
    if (*p == '\'') {
        if (const Byte* after = skip_contraction(p, end); after != p) return after;
    }
    if (first.end != end && !is_line_end(*p)) {
        const Char second = read_char(first.end);
        if (is_letter(second.of)) return skip<is_letter>(second.end, end);
        if (*p == ' ' && is_symbol(second.of)) {
            return skip_symbols<Encoding::cl100k_base>(first.end, end);
        }
    }
    if (first.of == CharClass::space) return skip_white_space(p, end);
    return skip_symbols<Encoding::cl100k_base>(p, end);
}

template <>
inline const Byte* skip_piece<Encoding::o200k_base>(const Byte* p, const Byte* end) {
    const Char first = read_char(p);
    if (is_letter(first.of)) return skip_contraction(read_word(p, end).end, end);
    if (first.of == CharClass::number) return skip_numbers(p, end);
    if (first.end != end && !is_line_end(*p)) {
        const Word word = read_word(first.end, end);
        const bool is_word = word.end != first.end;
        // A mark may stand alone as a word of the first kind, which is preferred to one of the
        // second kind behind it.
        if (is_word && (word.is_first_kind || first.of != CharClass::mark)) {
            return skip_contraction(word.end, end);
        }
        if (*p == ' ' && is_symbol(read_char(first.end).of)) {
            return skip_symbols<Encoding::o200k_base>(first.end, end);
        }
    }
    if (first.of == CharClass::mark) return skip_contraction(first.end, end);
    if (first.of == CharClass::space) return skip_white_space(p, end);
    return skip_symbols<Encoding::o200k_base>(p, end);
}

}  // namespace tg::bpe
