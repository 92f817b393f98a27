#include "admission/internal/slot_pool.h"

namespace tg::admission_internal {

std::uint32_t SlotPool::acquire() {
    if (first_free_ == kNoSlot) {
        chunks_.push_back(std::make_unique<Slot[]>(kChunk));
        for (std::uint32_t i = size_ + kChunk; i-- > size_;) {
            chunks_.back()[i % kChunk].next = first_free_;
            first_free_ = i;
        }
        size_ += kChunk;
    }
    const std::uint32_t index = first_free_;
    Slot& slot = (*this)[index];
    first_free_ = slot.next;
    slot.previous = slot.next = kNoSlot;
    slot.flow = nullptr;
    slot.booked_tick = kNotBooked;
    slot.is_claim = false;
    return index;
}

void SlotPool::free(std::uint32_t index) {
    Slot& slot = (*this)[index];
    if (++slot.generation == 0) slot.generation = 1;
    slot.state = Slot::State::free;
    slot.next = first_free_;
    first_free_ = index;
}

}  // namespace tg::admission_internal
