#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tokens/internal/vocabulary.h"

// Byte-pair merging of pieces that are no token themselves.
//
// Long pieces are merged in windows, so that memory does not grow with the piece. That is exact
// because of a property of merging: a sequence of tokens is the encoding of its bytes exactly when
// each two neighbours are the encoding of theirs. So where the encodings of two overlapping windows
// have a token in common, the first up to it and the second after it are together the encoding of
// both. Should an overlap have no such token, the piece starts again with a larger window.
namespace tg::bpe {

/// Pieces up to this length are merged by scanning for the lowest rank, which beats a heap there.
inline constexpr std::size_t kShortBytesMax = 64;

/// Writes at most n ids and returns how many; 1 <= n <= kShortBytesMax.
std::size_t merge_short(const Vocabulary& vocabulary, const Byte* p, std::size_t n, TokenId* ids);

struct Window {
    std::size_t bytes = 2048;  ///< more than `overlap`
    std::size_t overlap = 256;
};

/// What merging a long piece did, for tests of how its cost grows.
struct MergeWork {
    std::uint64_t heap_steps = 0;  ///< heap entries pushed and popped
    std::uint64_t enlarged = 0;    ///< restarts with a larger window
    std::uint64_t scratch_bytes = 0;
};

/// Appends the ids of a piece of any length n > 0 (or only counts them when `ids` is null) and
/// returns their number. Allocates nothing itself while the default window is enough.
std::size_t merge_long(const Vocabulary& vocabulary, const Byte* p, std::size_t n,
                       std::vector<TokenId>* ids, Window window = {}, MergeWork* work = nullptr);

}  // namespace tg::bpe
