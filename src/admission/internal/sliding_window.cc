#include "admission/internal/sliding_window.h"

#include <algorithm>

#include "base/check.h"

namespace tg::admission_internal {

std::uint32_t SlidingWindow::add(std::int64_t tick, const Amounts& amounts) {
    const std::uint32_t last = head_ + size_ - 1;
    if (size_ != 0 && at(last).tick == tick) {
        at(last).amounts += amounts;
        if (blocks_) block(last) += amounts;
        used_ += amounts;
        return last;
    }
    TG_DCHECK(size_ == 0 || at(last).tick < tick);
    if (size_ == capacity_) grow();
    const std::uint32_t sequence = head_ + size_;
    at(sequence) = {tick, amounts};
    if (blocks_) block(sequence) += amounts;
    used_ += amounts;
    ++size_;
    return sequence;
}

void SlidingWindow::correct(std::uint32_t sequence, std::int64_t tick, const Amounts& change) {
    TG_ASSERT(sequence - head_ < size_ && at(sequence).tick == tick);
    at(sequence).amounts += change;
    if (blocks_) block(sequence) += change;
    used_ += change;
}

Amounts SlidingWindow::used_at(std::int64_t tick, std::int64_t span) const {
    Amounts left = used_;
    const std::uint32_t end = head_ + size_;
    for (std::uint32_t i = head_; i != end;) {
        if (is_whole_block(i, end) && tick - at(i + kBlock - 1).tick > span) {
            left -= block(i);
            i += kBlock;
            continue;
        }
        if (tick - at(i).tick <= span) break;
        left -= at(i).amounts;
        ++i;
    }
    return left;
}

void SlidingWindow::free_storage() {
    TG_ASSERT(size_ == 0);
    entries_.reset();
    blocks_.reset();
    capacity_ = 0;
}

void SlidingWindow::grow() {
    const std::uint32_t capacity = capacity_ == 0 ? kFirstCapacity : 2 * capacity_;
    auto entries = std::make_unique_for_overwrite<Entry[]>(capacity);
    for (std::uint32_t i = head_; i != head_ + size_; ++i) entries[i & (capacity - 1)] = at(i);
    entries_ = std::move(entries);
    capacity_ = capacity;
    if (capacity < 2 * kBlock) return;
    blocks_ = std::make_unique_for_overwrite<Amounts[]>(block_count());
    std::fill_n(blocks_.get(), block_count(), kNoAmounts);
    for (std::uint32_t i = head_; i != head_ + size_; ++i) block(i) += at(i).amounts;
}

}  // namespace tg::admission_internal
