#include "gateway/minute_window.h"

#include <algorithm>

#include "base/check.h"

namespace tg {

MinuteWindow::MinuteWindow(std::int64_t hold_ns) : hold_ns_(hold_ns) {
    TG_ASSERT(hold_ns > 0 && hold_ns <= kHoldMaxNs);
}

void MinuteWindow::advance(std::int64_t now_ns) {
    newest_ = std::max(newest_, now_ns >> kSlotShift);
    // A slot counts until hold_ns_ after its end.
    const std::int64_t oldest = (now_ns - hold_ns_) >> kSlotShift;
    if (oldest <= oldest_) return;
    if (sum_ == 0) {
        oldest_ = oldest;
        return;
    }
    const std::int64_t end = std::min(oldest, oldest_ + kSlots);
    for (std::int64_t i = oldest_; i < end; ++i) {
        std::int64_t& amount = slot(i);
        if (amount == 0) continue;
        sum_ -= amount;
        block(i) -= amount;
        amount = 0;
    }
    oldest_ = oldest;
}

std::int64_t MinuteWindow::add(std::int64_t now_ns, std::int64_t amount) {
    advance(now_ns);
    slot(newest_) += amount;
    block(newest_) += amount;
    sum_ += amount;
    return newest_;
}

void MinuteWindow::subtract(std::int64_t now_ns, std::int64_t slot_index, std::int64_t amount) {
    advance(now_ns);
    if (slot_index < oldest_ || slot_index > newest_) return;
    amount = std::min(amount, slot(slot_index));
    slot(slot_index) -= amount;
    block(slot_index) -= amount;
    sum_ -= amount;
}

std::int64_t MinuteWindow::used(std::int64_t now_ns) {
    advance(now_ns);
    return sum_;
}

std::int64_t MinuteWindow::used_at(std::int64_t now_ns, std::int64_t later_ns) {
    advance(now_ns);
    const std::int64_t end = std::min((later_ns - hold_ns_) >> kSlotShift, newest_ + 1);
    std::int64_t left = sum_;
    for (std::int64_t i = oldest_; i < end;) {
        const bool is_whole = i % kPerBlock == 0 && i + kPerBlock <= end;
        left -= is_whole ? block(i) : slot(i);
        i += is_whole ? kPerBlock : 1;
    }
    return left;
}

std::int64_t MinuteWindow::earliest_below(std::int64_t now_ns, std::int64_t target) {
    advance(now_ns);
    std::int64_t left = sum_;
    if (left <= target) return now_ns;
    std::int64_t i = oldest_;
    while (left > target && i <= newest_) {
        // A whole block at once, where the answer is not inside it. The ring is longer than the
        // window, so a block that begins at or after oldest_ holds nothing of a minute before.
        const bool is_whole = i % kPerBlock == 0 && i + kPerBlock <= newest_;
        if (is_whole && left - block(i) > target) {
            left -= block(i);
            i += kPerBlock;
            continue;
        }
        left -= slot(i);
        ++i;
    }
    return std::max(now_ns, (i << kSlotShift) + hold_ns_);
}

}  // namespace tg
