#include "providers/internal/sse_parser.h"

#include <emmintrin.h>

#include <bit>
#include <cstring>

namespace tg {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

constexpr bool is_line_end(char c) {
    return c == '\n' || c == '\r';
}

}  // namespace

const char* find_line_end(const char* p, const char* end) {
    const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
    const auto ends = [&](const char* at) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        return _mm_or_si128(_mm_cmpeq_epi8(v, lf), _mm_cmpeq_epi8(v, cr));
    };
    for (; end - p >= 64; p += 64) {
        const __m128i a = ends(p), b = ends(p + 16), c = ends(p + 32), d = ends(p + 48);
        if (_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))) != 0) break;
    }
    for (; end - p >= 16; p += 16) {
        const auto mask = static_cast<unsigned>(_mm_movemask_epi8(ends(p)));
        if (mask != 0) return p + std::countr_zero(mask);
    }
    while (p < end && !is_line_end(*p)) ++p;
    return p;
}

void SseParser::keep(char c) {
    if (kept_size_ < kKeptMax) kept_[kept_size_] = c;
    if (kept_size_ <= kKeptMax) ++kept_size_;
}

std::string_view SseParser::kept() const {
    return std::string_view(kept_.data(), kept_size_ > kKeptMax ? 0 : kept_size_);
}

/// Consumes the line end at `p`.
const char* SseParser::end_line(const char* p, const char* end) {
    state_ = State::line_start;
    is_first_line_ = false;
    const bool is_cr = *p == '\r';
    ++p;
    if (is_cr && p < end && *p == '\n') return p + 1;
    after_cr_ = is_cr && p == end;
    return p;
}

/// A line without a colon ends: its whole text is the field's name.
SseParser::Token SseParser::end_field(const char** p, const char* end, std::string_view* data) {
    std::string_view name = kept();
    bool is_blank = false;
    if (is_first_line_ && name.starts_with(kByteOrderMark)) {
        name.remove_prefix(kByteOrderMark.size());
        is_blank = name.empty();
    }
    const bool is_data = name == "data";
    *data = std::string_view(*p, *p);  // empty, but it tells where
    *p = end_line(*p, end);
    if (is_blank) {
        after_event_cr_ = after_cr_;
        return Token::event_end;
    }
    if (!is_data) return Token::none;
    is_line_start_ = true;
    return Token::data;
}

/// A field's colon was read.
void SseParser::end_name() {
    std::string_view name = kept();
    if (is_first_line_ && name.starts_with(kByteOrderMark))
        name.remove_prefix(kByteOrderMark.size());
    state_ = name == "data"    ? State::data_lead
             : name == "event" ? State::event_lead
                               : State::ignored;
    is_new_data_ = true;
    kept_size_ = 0;
}

SseParser::Token SseParser::next(const char** cursor, const char* end, std::string_view* data) {
    const char*& p = *cursor;
    if (after_cr_ && p < end) {
        const bool was_event = after_event_cr_;
        after_cr_ = after_event_cr_ = false;
        if (*p == '\n') {
            ++p;
            if (was_event) return Token::late_lf;
        }
    }
    while (p < end) {
        switch (state_) {
            case State::line_start:
                if (is_line_end(*p)) {
                    p = end_line(p, end);
                    after_event_cr_ = after_cr_;
                    return Token::event_end;
                }
                if (end - p >= 6 && std::memcmp(p, "data: ", 6) == 0) {
                    p += 6;
                    state_ = State::data;
                    is_new_data_ = true;
                } else {
                    state_ = State::field;
                    kept_size_ = 0;
                }
                break;
            case State::field:
                while (p < end && *p != ':' && !is_line_end(*p)) keep(*p++);
                if (p == end) break;
                if (*p == ':') {
                    ++p;
                    end_name();
                } else if (const Token token = end_field(cursor, end, data); token != Token::none) {
                    return token;
                }
                break;
            case State::data_lead:
                if (*p == ' ') ++p;
                state_ = State::data;
                break;
            case State::data: {
                const char* start = p;
                p = find_line_end(p, end);
                *data = {start, static_cast<std::size_t>(p - start)};
                if (p < end) p = end_line(p, end);
                is_line_start_ = is_new_data_;
                is_new_data_ = false;
                return Token::data;
            }
            case State::event_lead:
                if (*p == ' ') ++p;
                state_ = State::event_name;
                break;
            case State::event_name:
                while (p < end && !is_line_end(*p)) keep(*p++);
                if (p == end) break;
                is_error_event_ = kept() == "error";
                p = end_line(p, end);
                break;
            case State::ignored:
                p = find_line_end(p, end);
                if (p < end) p = end_line(p, end);
                break;
        }
    }
    return Token::none;
}

}  // namespace tg
