#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace tg {

/// An immutable value that every request reads and that is replaced as a whole now and then
/// (directory, price book, routes). get() costs one shared load while nothing changes: each thread
/// keeps its own shared_ptr with its own reference count, so that requests on different cores do
/// not fight over one cache line. Thread-safe.
template <typename T>
class Snapshot {
  public:
    explicit Snapshot(std::shared_ptr<const T> initial) { publish(std::move(initial)); }
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;

    /// From its return on, every get() on any thread yields `next` or something newer.
    void publish(std::shared_ptr<const T> next) {
        const std::lock_guard lock(mutex_);
        current_.swap(next);
        generation_.store(next_generation().fetch_add(1, std::memory_order_relaxed),
                          std::memory_order_release);
    }

    /// The current value; keep it for as long as one consistent view is needed.
    std::shared_ptr<const T> get() const {
        Cached& cached = cache()[slot_];
        if (cached.generation != generation_.load(std::memory_order_acquire)) [[unlikely]]
            renew(cached);
        return cached.value;
    }

  private:
    struct Cached {
        std::uint64_t generation = 0;
        std::shared_ptr<const T> value;
    };
    /// Snapshots of one type share a few slots of each thread; generations are unique among them,
    /// so that sharing a slot costs time, never correctness.
    static constexpr std::size_t kSlots = 4;
    static std::array<Cached, kSlots>& cache() {
        static thread_local std::array<Cached, kSlots> slots;
        return slots;
    }
    static std::atomic<std::uint64_t>& next_generation() {
        static std::atomic<std::uint64_t> next{1};
        return next;
    }
    static std::size_t next_slot() {
        static std::atomic<std::size_t> next{0};
        return next.fetch_add(1, std::memory_order_relaxed) % kSlots;
    }
    void renew(Cached& cached) const {
        const std::lock_guard lock(mutex_);
        cached.generation = generation_.load(std::memory_order_relaxed);
        // A second owner with a reference count of its own, which holds one reference to the first.
        cached.value = std::shared_ptr<const T>(current_.get(), [keep = current_](const T*) {});
    }

    const std::size_t slot_ = next_slot();
    std::atomic<std::uint64_t> generation_{0};
    mutable std::mutex mutex_;
    std::shared_ptr<const T> current_;
};

}  // namespace tg
