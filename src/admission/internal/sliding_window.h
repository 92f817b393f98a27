#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>

#include "admission/limits.h"

namespace tg::admission_internal {

/// The exact history of one level: what was taken in which tick, as long as it counts. A ring of
/// entries, one a tick at most, with the sum of all and, once it is long, the sums of each 64.
///
/// An entry of tick e counts at tick t when t - e <= span. Ticks never go back (the core sees to
/// it). Adding, expiring and correcting are O(1) amortised; the searches O(n / 64 + 64).
class SlidingWindow {
  public:
    /// Forgets what no longer counts at `tick`.
    void expire(std::int64_t tick, std::int64_t span) {
        while (size_ != 0 && tick - at(head_).tick > span) drop_oldest();
    }
    /// Fetches the entries that expire() and add() will touch next.
    void prefetch_ends() const {
        if (capacity_ == 0) return;
        __builtin_prefetch(&at(head_), 1);
        __builtin_prefetch(&at(head_ + 1), 1);
        __builtin_prefetch(&at(head_ + size_), 1);
        if (!blocks_) return;
        __builtin_prefetch(&block(head_), 1);
        __builtin_prefetch(&block(head_ + size_), 1);
    }
    void prefetch(std::uint32_t sequence) const {
        if (capacity_ == 0) return;
        __builtin_prefetch(&at(sequence), 1);
        if (blocks_) __builtin_prefetch(&block(sequence), 1);
    }
    /// Adds to the entry of `tick`, the latest of all. Returns its sequence number, for correct().
    std::uint32_t add(std::int64_t tick, const Amounts& amounts);
    /// Changes what was taken in `tick`. The entry must still be there.
    void correct(std::uint32_t sequence, std::int64_t tick, const Amounts& change);

    const Amounts& used() const { return used_; }
    /// What of the present entries will still count at `tick`.
    Amounts used_at(std::int64_t tick, std::int64_t span) const;
    /// The first tick from `from` on at which what is left lets `fits(left)` be true, if nothing is
    /// added. `fits` must be monotone and true for nothing left.
    template <typename Fits>
    std::int64_t first_tick(std::int64_t from, std::int64_t span, const Fits& fits) const;

    bool is_empty() const { return size_ == 0; }
    std::int64_t last_tick() const { return at(head_ + size_ - 1).tick; }  ///< not when empty
    std::uint32_t size() const { return size_; }
    bool has_storage() const { return capacity_ != 0; }
    void free_storage();  ///< only when empty; sequence numbers go on

  private:
    struct Entry {
        std::int64_t tick;
        Amounts amounts;
    };
    static constexpr std::uint32_t kBlock = 64;  ///< entries that have a common sum
    static constexpr std::uint32_t kFirstCapacity = 4;

    Entry& at(std::uint32_t sequence) { return entries_[sequence & (capacity_ - 1)]; }
    const Entry& at(std::uint32_t sequence) const { return entries_[sequence & (capacity_ - 1)]; }
    Amounts& block(std::uint32_t sequence) {
        return blocks_[(sequence / kBlock) & (block_count() - 1)];
    }
    const Amounts& block(std::uint32_t sequence) const {
        return blocks_[(sequence / kBlock) & (block_count() - 1)];
    }
    /// Twice as many as there are whole blocks, since the oldest and the newest may both be
    /// partial.
    std::uint32_t block_count() const { return 2 * capacity_ / kBlock; }
    bool is_whole_block(std::uint32_t sequence, std::uint32_t end) const {
        return blocks_ && sequence % kBlock == 0 && end - sequence >= kBlock;
    }
    void drop_oldest() {
        used_ -= at(head_).amounts;
        if (blocks_) block(head_) -= at(head_).amounts;
        ++head_;
        --size_;
    }
    void grow();

    std::unique_ptr<Entry[]> entries_;
    std::unique_ptr<Amounts[]> blocks_;  ///< from a capacity of 2 kBlock on
    Amounts used_ = kNoAmounts;
    std::uint32_t capacity_ = 0;  ///< a power of two, or 0
    std::uint32_t head_ = 0;      ///< sequence number of the oldest entry; wraps
    std::uint32_t size_ = 0;
};

template <typename Fits>
std::int64_t SlidingWindow::first_tick(std::int64_t from, std::int64_t span,
                                       const Fits& fits) const {
    Amounts left = used_;
    std::int64_t tick = from;  // when all entries before `i` have expired
    const std::uint32_t end = head_ + size_;
    for (std::uint32_t i = head_; i != end;) {
        if (is_whole_block(i, end)) {
            const Amounts after = left - block(i);
            const std::int64_t last = at(i + kBlock - 1).tick;
            if (from - last > span || !fits(after)) {
                left = after;
                tick = std::max(from, last + span + 1);
                i += kBlock;
                continue;
            }
        }
        const Entry& entry = at(i);
        if (from - entry.tick <= span && fits(left)) return tick;
        left -= entry.amounts;
        tick = std::max(from, entry.tick + span + 1);
        ++i;
    }
    return tick;
}

}  // namespace tg::admission_internal
