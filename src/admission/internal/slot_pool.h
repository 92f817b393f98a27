#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "admission/admission_types.h"

namespace tg::admission_internal {

struct Flow;
inline constexpr std::uint32_t kNoSlot = 0xffff'ffff;
inline constexpr std::int64_t kNotBooked = -1;

/// One request from reserve() to its end: what stands behind a Ticket.
struct Slot {
    enum class State : std::uint8_t { free, waiting, admitted };

    std::uint32_t generation = 1;
    State state = State::free;
    std::uint8_t level_count = 0;
    bool is_claim = false;  ///< came back for an appointment, and what was promised was not there
    LimitKind blocked_kind = LimitKind::requests;
    std::array<std::uint32_t, kLevelsMax> levels;
    std::array<std::uint32_t, kLevelsMax> sequences;  ///< of the window entries, when admitted
    Amounts amounts{};
    std::uint64_t customer = 0;
    std::uint64_t flow_id = 0;
    std::int64_t taken_tick = 0;  ///< when admitted
    std::int64_t taken_us = 0;
    // While waiting.
    std::uint32_t blocked_level = 0;
    std::int64_t arrived_us = 0;
    std::int64_t deadline_us = 0;
    std::int64_t booked_tick = kNotBooked;
    std::int64_t claimed_tick = 0;  ///< is_claim: of the appointment
    std::int64_t wake_us = 0;       ///< when it is tried again, if nothing happens before
    std::uint64_t context = 0;
    Flow* flow = nullptr;
    std::uint32_t previous = kNoSlot;  ///< in the flow; `next` also links free slots
    std::uint32_t next = kNoSlot;

    std::span<const std::uint32_t> level_span() const { return {levels.data(), level_count}; }
};

/// Slots at stable addresses, reused last freed first.
class SlotPool {
  public:
    Slot& operator[](std::uint32_t index) { return chunks_[index / kChunk][index % kChunk]; }
    const Slot& operator[](std::uint32_t index) const {
        return chunks_[index / kChunk][index % kChunk];
    }
    std::uint32_t acquire();
    /// Ends every ticket of the slot: its generation changes.
    void free(std::uint32_t index);
    bool is_alive(Ticket ticket) const {
        return ticket.index < size_ && (*this)[ticket.index].generation == ticket.generation &&
               (*this)[ticket.index].state != Slot::State::free;
    }
    Ticket ticket(std::uint32_t index) const { return {index, (*this)[index].generation}; }

  private:
    static constexpr std::uint32_t kChunk = 256;

    std::vector<std::unique_ptr<Slot[]>> chunks_;
    std::uint32_t size_ = 0;
    std::uint32_t first_free_ = kNoSlot;
};

}  // namespace tg::admission_internal
