#pragma once
#include <immintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tg {

inline constexpr std::size_t kJsonBlock = 64;

/// One block of 64 bytes; bit i stands for byte i. Brackets are those outside strings, quotes those
/// that delimit strings.
struct JsonBlock {
    std::uint64_t quote = 0, open = 0, close = 0;
    bool has_backslash = false;
};

/// Tells strings from structure in JSON text, block by block, carrying over from one to the next.
/// Bytes after a backslash are escaped wherever they stand, also outside strings, where JSON has no
/// backslashes.
class JsonBlockReader {
  public:
    /// The next min(64, end - p) bytes.
    JsonBlock read(const char* p, const char* end);
    void reset() { in_string_ = 0, is_escaped_ = false; }
    bool is_in_string() const { return in_string_ != 0; }

  private:
    struct Classes {
        std::uint64_t quote = 0, backslash = 0, open = 0, close = 0;
    };
    static Classes classify(const char* bytes);
    static std::uint64_t prefix_xor(std::uint64_t bits);
    std::uint64_t find_escaped(std::uint64_t backslash, std::size_t size);

    std::uint64_t in_string_ = 0;  // all ones when the next byte is inside a string
    bool is_escaped_ = false;      // the next byte is escaped by a backslash
};

inline JsonBlockReader::Classes JsonBlockReader::classify(const char* bytes) {
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
    const __m128i fold = _mm_set1_epi8(0x20);
    const auto mask = [](__m128i v) {
        return static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(v)));
    };
    Classes out;
    __m128i any_backslash = _mm_setzero_si128();
    __m128i parts[4];
    for (int i = 0; i < 4; ++i) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i * 16));
        parts[i] = v;
        // '[' and '{', ']' and '}' differ in bit 0x20 only, and no other byte becomes one of them
        // by setting it.
        const __m128i folded = _mm_or_si128(v, fold);
        out.quote |= mask(_mm_cmpeq_epi8(v, quote)) << (i * 16);
        out.open |= mask(_mm_cmpeq_epi8(folded, open)) << (i * 16);
        out.close |= mask(_mm_cmpeq_epi8(folded, close)) << (i * 16);
        any_backslash = _mm_or_si128(any_backslash, _mm_cmpeq_epi8(v, backslash));
    }
    if (_mm_movemask_epi8(any_backslash) != 0) {
        for (int i = 0; i < 4; ++i) {
            out.backslash |= mask(_mm_cmpeq_epi8(parts[i], backslash)) << (i * 16);
        }
    }
    return out;
}

/// Bit i becomes the parity of bits 0 to i: from quotes to what they enclose.
inline std::uint64_t JsonBlockReader::prefix_xor(std::uint64_t bits) {
#if defined(__PCLMUL__)
    const __m128i ones = _mm_set1_epi8(static_cast<char>(0xff));
    const __m128i word = _mm_set_epi64x(0, static_cast<long long>(bits));
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_clmulepi64_si128(word, ones, 0)));
#endif
    for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
    return bits;
}

/// The bytes of a block of `size` that a backslash before them escapes.
inline std::uint64_t JsonBlockReader::find_escaped(std::uint64_t backslash, std::size_t size) {
    std::uint64_t escaped = is_escaped_ ? 1 : 0;
    backslash &= ~escaped;
    is_escaped_ = false;
    while (backslash != 0) {
        const auto at = static_cast<unsigned>(std::countr_zero(backslash));
        if (at + 1 == size) {
            is_escaped_ = true;
            break;
        }
        escaped |= std::uint64_t{2} << at;
        backslash &= ~(std::uint64_t{3} << at);
    }
    return escaped;
}

inline JsonBlock JsonBlockReader::read(const char* p, const char* end) {
    const auto left = static_cast<std::size_t>(end - p);
    const char* bytes = p;
    char tail[kJsonBlock];
    if (left < kJsonBlock) {
        std::memset(tail, ' ', kJsonBlock);
        std::memcpy(tail, p, left);
        bytes = tail;
    }
    const Classes classes = classify(bytes);
    JsonBlock out;
    out.quote = classes.quote;
    if (classes.backslash != 0 || is_escaped_) {
        out.has_backslash = true;
        out.quote &= ~find_escaped(classes.backslash, left < kJsonBlock ? left : kJsonBlock);
    }
    std::uint64_t inside = in_string_;
    if (out.quote != 0) {
        inside ^= prefix_xor(out.quote);
        in_string_ = std::uint64_t{0} - (inside >> 63);
    }
    out.open = classes.open & ~inside;
    out.close = classes.close & ~inside;
    return out;
}

}  // namespace tg
