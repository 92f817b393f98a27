#include "providers/internal/json_depth.h"

#include <emmintrin.h>

#include <bit>

#include "providers/internal/json_blocks.h"

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
    JsonBlockReader reader;
    std::size_t depth = 0;
    const char* const end = json.data() + json.size();
    for (const char* p = json.data(); p < end; p += kJsonBlock) {
        const JsonBlock block = reader.read(p, end);
        const auto opens = static_cast<std::size_t>(std::popcount(block.open));
        const auto closes = static_cast<std::size_t>(std::popcount(block.close));
        if (depth + opens <= depth_max && closes <= depth) {
            depth = depth + opens - closes;
            continue;
        }
        for (std::uint64_t both = block.open | block.close; both != 0; both &= both - 1) {
            if ((block.open & both & (~both + 1)) != 0) {
                if (++depth > depth_max) return true;
            } else if (depth > 0) {
                --depth;
            }
        }
    }
    return false;
}

}  // namespace tg
