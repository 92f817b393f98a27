#include "base/task.h"

#include <array>
#include <cstdlib>
#include <new>

namespace tg::detail {
namespace {

// Under a sanitizer every frame is its own allocation, so that a use after the end is seen.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif
#else
constexpr bool kPooled = true;
#endif

constexpr std::size_t kStep = 128;
constexpr std::size_t kClasses = 16;       // frames up to 2 KB are pooled
constexpr std::size_t kKeptPerClass = 64;  // bounds what an idle thread holds

struct FreeFrame {
    FreeFrame* next;
};

struct FramePool {
    std::array<FreeFrame*, kClasses> heads{};
    std::array<std::size_t, kClasses> counts{};
    ~FramePool() {
        for (FreeFrame* head : heads) {
            while (head != nullptr) {
                FreeFrame* next = head->next;
                ::operator delete(head);
                head = next;
            }
        }
    }
};

thread_local FramePool t_pool;

std::size_t class_of(std::size_t bytes) {
    return (bytes - 1) / kStep;
}

}  // namespace

void* allocate_frame(std::size_t bytes) {
    const std::size_t cls = class_of(bytes);
    if (!kPooled || cls >= kClasses) return ::operator new(bytes);
    FreeFrame*& head = t_pool.heads[cls];
    if (head == nullptr) return ::operator new((cls + 1) * kStep);
    FreeFrame* frame = head;
    head = frame->next;
    --t_pool.counts[cls];
    return frame;
}

void free_frame(void* frame, std::size_t bytes) noexcept {
    const std::size_t cls = class_of(bytes);
    if (!kPooled || cls >= kClasses || t_pool.counts[cls] >= kKeptPerClass) {
        ::operator delete(frame);
        return;
    }
    auto* free_frame = static_cast<FreeFrame*>(frame);
    free_frame->next = t_pool.heads[cls];
    t_pool.heads[cls] = free_frame;
    ++t_pool.counts[cls];
}

}  // namespace tg::detail
