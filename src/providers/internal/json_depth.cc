#include "providers/internal/json_depth.h"

#include <emmintrin.h>

namespace tg {
namespace {

/// Opening brackets, also those inside strings, counted until there are more than `max`.
std::size_t count_openings(std::string_view json, std::size_t max) {
    const char* p = json.data();
    const char* const end = p + json.size();
    const __m128i fold = _mm_set1_epi8(0x20), brace = _mm_set1_epi8('{');
    std::size_t total = 0;
    // Each lane of `count` takes at most 255 steps, and runs of 4 KB are enough to stop early.
    while (end - p >= 16 && total <= max) {
        __m128i count = _mm_setzero_si128();
        for (int step = 0; step < 255 && end - p >= 16; ++step, p += 16) {
            const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
            count = _mm_sub_epi8(count, _mm_cmpeq_epi8(_mm_or_si128(v, fold), brace));
        }
        const __m128i sums = _mm_sad_epu8(count, _mm_setzero_si128());
        total += static_cast<std::size_t>(_mm_cvtsi128_si64(sums)) +
                 static_cast<std::size_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums)));
    }
    for (; p < end; ++p) total += (*p | 0x20) == '{' ? 1 : 0;
    return total;
}

}  // namespace

bool is_nested_deeper(std::string_view json, std::size_t depth_max) {
    if (count_openings(json, depth_max) <= depth_max) return false;
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (in_string) {
            if (c == '\\') ++i;
            if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > depth_max) return true;
        } else if (c == '}' || c == ']') {
            depth -= depth > 0 ? 1 : 0;
        }
    }
    return false;
}

}  // namespace tg
