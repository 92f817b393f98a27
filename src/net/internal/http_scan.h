#pragma once
// The two loops over a head's bytes, sixteen at a time where the machine can.
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "net/http_field.h"
#include "net/internal/http_chars.h"

#if defined(__SSSE3__)
#include <immintrin.h>
#endif

namespace tg {

namespace detail {

inline constexpr auto kTokenBytes = [] {
    std::array<bool, 256> out{};
    for (int i = 0; i < 256; ++i)
        out[static_cast<std::size_t>(i)] = is_token_byte(static_cast<char>(i));
    return out;
}();

inline constexpr auto kHostBytes = [] {
    std::array<bool, 256> out{};
    for (int i = 0; i < 256; ++i)
        out[static_cast<std::size_t>(i)] = is_host_byte(static_cast<char>(i));
    return out;
}();

#if defined(__SSSE3__)
/// For each low half of a byte, one bit for every high half below eight with which it is a token
/// byte.
inline constexpr auto kTokenByLowHalf = [] {
    std::array<std::uint8_t, 16> out{};
    for (std::size_t low = 0; low < 16; ++low)
        for (std::size_t high = 0; high < 8; ++high)
            if (kTokenBytes[high << 4 | low]) out[low] |= static_cast<std::uint8_t>(1U << high);
    return out;
}();
inline constexpr std::array<std::uint8_t, 16> kBitOfHighHalf = {1, 2, 4, 8, 16, 32, 64, 128};
#endif

}  // namespace detail

/// The first byte in [at, end) that is no token byte, or end.
inline const char* skip_token(const char* at, const char* end) {
#if defined(__SSSE3__)
    const auto load = [](const auto* from) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    };
    const __m128i by_low = load(detail::kTokenByLowHalf.data()),
                  of_high = load(detail::kBitOfHighHalf.data());
    const __m128i half = _mm_set1_epi8(0x0f);
    for (; end - at >= 16; at += 16) {
        const __m128i bytes = load(at);
        const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), half);
        const __m128i found = _mm_and_si128(_mm_shuffle_epi8(by_low, _mm_and_si128(bytes, half)),
                                            _mm_shuffle_epi8(of_high, high));
        const auto others = static_cast<std::uint32_t>(
            _mm_movemask_epi8(_mm_cmpeq_epi8(found, _mm_setzero_si128())));
        if (others != 0) return at + std::countr_zero(others);
    }
#endif
    while (at != end && detail::kTokenBytes[static_cast<unsigned char>(*at)]) ++at;
    return at;
}

/// The first byte in [at, end) that may not stand in a field's value, or end.
inline const char* skip_field(const char* at, const char* end) {
#if defined(__SSSE3__)
    const __m128i last_control = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'),
                  del = _mm_set1_epi8(0x7f);
    for (; end - at >= 16; at += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        const __m128i is_control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
        const __m128i is_bad = _mm_or_si128(
            _mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), is_control), _mm_cmpeq_epi8(bytes, del));
        if (const auto bad = static_cast<std::uint32_t>(_mm_movemask_epi8(is_bad)); bad != 0)
            return at + std::countr_zero(bad);
    }
#endif
    while (at != end && is_field_byte(*at)) ++at;
    return at;
}

/// The name in [at, at + size), before which at least eight bytes of the same buffer stand.
inline std::uint32_t field_hash_in_head(const char* at, std::size_t size) {
    std::uint64_t first = 0, last = 0;
    std::memcpy(&last, at + size - 8, 8);
    if constexpr (std::endian::native == std::endian::big) last = __builtin_bswap64(last);
    if (size < 8) {
        last >>= 8 * (8 - size);
    } else {
        std::memcpy(&first, at, 8);
        if constexpr (std::endian::native == std::endian::big) first = __builtin_bswap64(first);
    }
    return field_hash_of(first, last, size);
}

}  // namespace tg
