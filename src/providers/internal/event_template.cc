#include "providers/internal/event_template.h"

#include <emmintrin.h>

#include <bit>
#include <cstring>

namespace tg {
namespace {

/// First quote, backslash, LF or CR in [p, end), or `end`.
const char* find_string_stop(const char* p, const char* end) {
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
    for (; end - p >= 16; p += 16) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i strings =
            _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
        const __m128i lines = _mm_or_si128(_mm_cmpeq_epi8(v, lf), _mm_cmpeq_epi8(v, cr));
        const auto mask = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(strings, lines)));
        if (mask != 0) return p + std::countr_zero(mask);
    }
    while (p < end && *p != '"' && *p != '\\' && *p != '\n' && *p != '\r') ++p;
    return p;
}

/// The closing quote of the string whose inside begins at `p`, or null when the line or the input
/// ends before.
const char* find_string_end(const char* p, const char* end) {
    for (;;) {
        p = find_string_stop(p, end);
        if (p == end || *p == '\n' || *p == '\r') return nullptr;
        if (*p == '"') return p;
        // An escaped line end would still end the line.
        if (end - p < 2 || p[1] == '\n' || p[1] == '\r') return nullptr;
        p += 2;
    }
}

const char* find_digits_end(const char* p, const char* end) {
    const char* const begin = p;
    while (p < end && *p >= '0' && *p <= '9') ++p;
    return p == begin ? nullptr : p;
}

}  // namespace

void EventTemplate::set(std::string_view event, const EventHole* holes, std::size_t count,
                        std::size_t cut_begin, std::size_t cut_end) {
    bytes_ = event;
    std::copy_n(holes, count, holes_.begin());
    count_ = static_cast<std::uint8_t>(count);
    cut_begin_ = static_cast<std::uint32_t>(cut_begin);
    cut_end_ = static_cast<std::uint32_t>(cut_end);
}

std::size_t EventTemplate::match(const char* p, const char* end, Match* out) const {
    const char* at = p;
    std::size_t done = 0;  // of the template
    out->cut_begin = cut_begin_;
    for (std::size_t i = 0; i < count_; ++i) {
        const EventHole& hole = holes_[i];
        const std::size_t literal = hole.begin - done;
        if (static_cast<std::size_t>(end - at) < literal ||
            std::memcmp(at, bytes_.data() + done, literal) != 0)
            return 0;
        at += literal;
        done = hole.end;
        const char* const stop = hole.kind == EventHole::Kind::digits ? find_digits_end(at, end)
                                                                      : find_string_end(at, end);
        if (stop == nullptr) return 0;
        const auto size = static_cast<std::size_t>(stop - at);
        out->filled[i] = {at, size};
        if (hole.end <= cut_begin_)
            out->cut_begin += size - (hole.end - hole.begin);  // modulo 2^64
        at = stop;
    }
    const std::size_t literal = bytes_.size() - done;
    if (static_cast<std::size_t>(end - at) < literal ||
        std::memcmp(at, bytes_.data() + done, literal) != 0)
        return 0;
    out->cut_end = out->cut_begin + (cut_end_ - cut_begin_);
    return static_cast<std::size_t>(at - p) + literal;
}

}  // namespace tg
