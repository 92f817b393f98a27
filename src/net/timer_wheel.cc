#include "net/timer_wheel.h"

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
    // The next round is found anew by ns_to_next(); until then nothing is known.
    next_tick_ = current_tick_ + 1;
}

std::int64_t TimerWheel::ns_to_next(std::int64_t now_ns) {
    if (next_tick_ == kNever) return -1;
    std::int64_t tick = next_tick_ > current_tick_ ? next_tick_ : current_tick_ + 1;
    const std::int64_t end = current_tick_ + static_cast<std::int64_t>(kSlots);
    while (tick <= end && slots_[static_cast<std::size_t>(tick) % kSlots] == nullptr) ++tick;
    if (tick > end) {
        next_tick_ = kNever;
        return -1;
    }
    next_tick_ = tick;
    const std::int64_t wait = (tick << kTickShift) - now_ns;
    return wait > 0 ? wait : 0;
}

}  // namespace tg
