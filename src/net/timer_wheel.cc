#include "net/timer_wheel.h"

#include <bit>

namespace tg {

void TimerWheel::advance(std::int64_t now_ns) {
    const std::int64_t target = now_ns >> kTickShift;
    if (target < next_tick_) {
        if (target > current_tick_) current_tick_ = target;
        return;
    }
    // After a long sleep one pass over every slot fires all that is due.
    std::int64_t tick = current_tick_ + 1;
    if (target - tick >= static_cast<std::int64_t>(kSlots))
        tick = target - static_cast<std::int64_t>(kSlots) + 1;
    current_tick_ = target;
    next_tick_ = kNever;
    for (; tick <= target; ++tick) {
        Timer** head = &slots_[static_cast<std::size_t>(tick) % kSlots];
        // What is due moves to a list of its own first: on_timer() may arm timers into this very
        // slot.
        Timer* due = nullptr;
        for (Timer* timer = *head; timer != nullptr;) {
            Timer* next = timer->next_;
            if (timer->deadline_tick_ <= target) {
                timer->unlink();
                timer->next_ = due;
                if (due != nullptr) due->prev_ = &timer->next_;
                timer->prev_ = &due;
                due = timer;
            }
            timer = next;
        }
        while (due != nullptr) {
            Timer* timer = due;
            timer->unlink();
            timer->on_timer();
        }
    }
    // ns_to_next() finds the next one anew; until then nothing is known.
    next_tick_ = current_tick_ + 1;
}

std::int64_t TimerWheel::ns_to_next(std::int64_t now_ns) {
    if (next_tick_ == kNever) return -1;
    // No timer is due before next_tick_, so one round of slots from there sees them all; a slot may
    // hold only timers of a later round, which costs one early look a round.
    std::int64_t tick = std::max(next_tick_, current_tick_ + 1);
    const std::int64_t end = tick + static_cast<std::int64_t>(kSlots);
    while (tick < end) {
        const std::size_t slot = static_cast<std::size_t>(tick) % kSlots;
        const std::uint64_t bits = occupied_[slot / 64] >> (slot % 64);
        if (bits == 0) {
            tick += static_cast<std::int64_t>(64 - slot % 64);
            continue;
        }
        const int gap = std::countr_zero(bits);
        tick += gap;
        if (tick >= end) break;
        const std::size_t found = slot + static_cast<std::size_t>(gap);
        if (slots_[found] != nullptr) {
            next_tick_ = tick;
            const std::int64_t wait = (tick << kTickShift) - now_ns;
            return wait > 0 ? wait : 0;
        }
        occupied_[found / 64] &= ~(std::uint64_t{1} << (found % 64));
        ++tick;
    }
    next_tick_ = kNever;
    return -1;
}

}  // namespace tg
