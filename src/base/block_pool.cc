#include "base/block_pool.h"

#include <array>
#include <new>

namespace tg {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TG_BLOCK_POOL 0
#endif
#endif
#ifndef TG_BLOCK_POOL
#define TG_BLOCK_POOL 1
#endif

constexpr std::size_t kStep = 128;
constexpr std::size_t kClasses = 64;
constexpr std::size_t kKeptBytesMax = 4U << 20;

struct FreeBlock {
    FreeBlock* next;
};

struct BlockPool {
    std::array<FreeBlock*, kClasses> heads{};
    std::size_t kept_bytes = 0;
    ~BlockPool() {
        for (FreeBlock* head : heads) {
            while (head != nullptr) {
                FreeBlock* next = head->next;
                ::operator delete(head);
                head = next;
            }
        }
    }
};

thread_local BlockPool t_pool;

std::size_t class_of(std::size_t bytes) {
    return (bytes - 1) / kStep;
}

}  // namespace

void* allocate_block(std::size_t bytes) {
    const std::size_t cls = class_of(bytes);
    if (TG_BLOCK_POOL == 0 || cls >= kClasses) return ::operator new(bytes);
    FreeBlock*& head = t_pool.heads[cls];
    const std::size_t size = (cls + 1) * kStep;
    if (head == nullptr) return ::operator new(size);
    FreeBlock* block = head;
    head = block->next;
    t_pool.kept_bytes -= size;
    return block;
}

void free_block(void* block, std::size_t bytes) noexcept {
    const std::size_t cls = class_of(bytes);
    const std::size_t size = (cls + 1) * kStep;
    if (TG_BLOCK_POOL == 0 || cls >= kClasses || t_pool.kept_bytes + size > kKeptBytesMax) {
        ::operator delete(block);
        return;
    }
    auto* freed = static_cast<FreeBlock*>(block);
    freed->next = t_pool.heads[cls];
    t_pool.heads[cls] = freed;
    t_pool.kept_bytes += size;
}

}  // namespace tg
