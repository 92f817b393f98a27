#pragma once
#include <cstddef>

namespace tg {

/// Memory for what a request makes and drops: coroutine frames, scanners. Blocks come back from
/// per-thread free lists, last freed first, so that what is used next is still in the cache; a
/// thread keeps at most 4 MiB of them. Blocks over 8 KiB come from the heap. A block may be freed
/// by another thread than the one that took it. Under a sanitizer every block is its own
/// allocation, so that a use after the end is seen.
void* allocate_block(std::size_t bytes);
void free_block(void* block, std::size_t bytes) noexcept;

/// Base of a class whose objects live in such blocks.
struct Pooled {
    static void* operator new(std::size_t bytes) { return allocate_block(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept {
        free_block(block, bytes);
    }
};

}  // namespace tg
