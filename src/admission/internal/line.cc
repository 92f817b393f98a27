// The line: who waits, when heads are tried, who is told that it is no use. See AdmissionState.
#include <algorithm>

#include "admission/internal/admission_state.h"
#include "base/check.h"

namespace tg::admission_internal {

void AdmissionState::join(Flow& flow, std::uint32_t index, bool in_front) {
    Slot& slot = slots[index];
    slot.state = Slot::State::waiting;
    for (const std::uint32_t at : slot.level_span()) {
        LevelLine& line = levels_[at].ensure_line();
        ++line.waiting;
        line.waiting_amounts += slot.amounts;
    }
    if (in_front)
        queue.push_front(flow, index);
    else
        queue.push_back(flow, index);
    ++counts.waiting;
}

/// Takes a request out of the line. Its flow, when it was parked for this request, becomes ready if
/// somebody stands behind it.
void AdmissionState::leave(std::uint32_t index) {
    Slot& slot = slots[index];
    Flow& flow = *slot.flow;
    const bool was_head = flow.head == index;
    if (was_head && flow.place == Flow::Place::parked) {
        touch(flow.parked_level);
        if (slot.booked_tick != kNotBooked)
            for (const std::uint32_t at : slot.level_span()) touch(at);
        unpark(flow);
    }
    if (slot.booked_tick != kNotBooked) unbook(index);
    queue.remove(index);
    for (const std::uint32_t at : slot.level_span()) {
        LevelLine& line = *levels_[at].line();
        --line.waiting;
        line.waiting_amounts -= slot.amounts;
    }
    if (was_head && flow.count != 0 && flow.place == Flow::Place::idle) queue.make_ready(flow);
    --counts.waiting;
}

void AdmissionState::park(Flow& flow, std::uint32_t level) {
    flow.place = Flow::Place::parked;
    flow.parked_level = level;
    flow.parked_as = queue.rank(flow);
    LevelLine& line = levels_[level].ensure_line();
    line.parked.insert(flow.parked_as);
    if (slots[flow.head].booked_tick != kNotBooked) ++line.head_bookings;
}

/// Leaves the flow idle, its head without booking unless that is a claim's, which nobody may take.
void AdmissionState::unpark(Flow& flow) {
    TG_ASSERT(flow.place == Flow::Place::parked);
    LevelLine& line = *levels_[flow.parked_level].line();
    line.parked.erase(flow.parked_as);
    if (slots[flow.head].booked_tick != kNotBooked) {
        --line.head_bookings;
        if (!slots[flow.head].is_claim) unbook(flow.head);
    }
    flow.place = Flow::Place::idle;
}

void AdmissionState::touch(std::uint32_t level) {
    LevelLine* line = levels_[level].line();
    if (line == nullptr || line->is_touched || line->parked.empty()) return;
    line->is_touched = true;
    touched_.push_back(level);
}

/// Makes the next flows of the level's line ready. Their bookings go: who is ahead of them in the
/// fair order is booked first.
void AdmissionState::unpark_next(std::uint32_t level) {
    LevelLine& line = *levels_[level].line();
    line.is_touched = false;
    for (std::uint32_t i = 0; i < kTriesMax && !line.parked.empty(); ++i) {
        Flow& flow = *line.parked.begin()->flow;
        unpark(flow);
        queue.make_ready(flow);
    }
}

/// Tries the heads of all flows that are ready, in fair order, until nothing changes any more.
void AdmissionState::drain() {
    for (drain_round_ = 0; !touched_.empty() || queue.has_ready(); ++drain_round_) {
        while (!touched_.empty()) {
            const std::uint32_t level = touched_.back();
            touched_.pop_back();
            expire(level);
            unpark_next(level);
        }
        // Those who waited in it may all have left since it was made ready.
        while (Flow* flow = queue.take_next_ready())
            if (flow->count != 0) try_head(*flow);
    }
    queue.forget_idle();
}

/// What blocks the head of a flow that is idle; takes away its booking.
Block AdmissionState::head_block(std::uint32_t index) {
    const Slot& slot = slots[index];
    if (slot.booked_tick == kNotBooked) return first_block(slot);
    Block block;
    for (const std::uint32_t at : slot.level_span())
        if (const auto kind = levels_[at].blocks_booked(slot.amounts, index); kind && !block)
            block = {at, *kind};
    unbook(index);
    return block;
}

void AdmissionState::try_head(Flow& flow) {
    const std::uint32_t index = flow.head;
    const Slot& slot = slots[index];
    const std::uint32_t parked_before = flow.parked_level;
    for (const std::uint32_t at : slot.level_span()) expire(at);
    if (const Block never = never_allowed(slot)) {
        end_waiting(index, RefusalReason::too_large, never);
    } else if (const Block block = head_block(index)) {
        plan(flow, index, block);
    } else {
        admit_head(flow, index);
    }
    // The next of the line it stood in may need a booking now. Flows that are passed to and fro
    // between lines do so a few times only; their deadlines see to the rest.
    constexpr int kRoundsMax = 64;
    const bool is_there_still =
        flow.place == Flow::Place::parked && flow.parked_level == parked_before;
    if (parked_before != kNoLevel && !is_there_still && drain_round_ < kRoundsMax)
        touch(parked_before);
}

void AdmissionState::admit_head(Flow& flow, std::uint32_t index) {
    Slot& slot = slots[index];
    leave(index);
    queue.charge(flow, slot.amounts.total_tokens() + 1);
    take(index);
    if (index == current_) return;
    ++counts.waited;
    outcomes.push_back({.ticket = slots.ticket(index),
                        .context = slot.context,
                        .is_admitted = true,
                        .waited_us = now_us_ - slot.arrived_us});
}

/// Refuses a request that waits.
void AdmissionState::end_waiting(std::uint32_t index, RefusalReason reason, Block block) {
    Slot& slot = slots[index];
    const Flow& flow = *slot.flow;
    leave(index);
    const Expectation expected = expectation(slot, flow);
    const Refusal refusal = make_refusal(slot, reason, block, expected);
    if (index == current_)
        current_refusal_ = refusal;
    else
        outcomes.push_back({.ticket = slots.ticket(index),
                            .context = slot.context,
                            .is_admitted = false,
                            .waited_us = now_us_ - slot.arrived_us,
                            .refusal = refusal});
    ++counts.refused;
    slots.free(index);
}

/// The head is blocked: books it, or refuses it when it is no use to wait, and parks its flow.
void AdmissionState::plan(Flow& flow, std::uint32_t index, Block block) {
    Slot& slot = slots[index];
    slot.blocked_level = block.level;
    slot.blocked_kind = block.kind;
    if (options.is_fleet) want_shares(slot);
    const auto firm = firm_tick(slot, tick_);
    std::int64_t expected_us = now_us_ + head_expected_us(slot);
    if (firm && block.kind != LimitKind::concurrency)
        expected_us = std::min(expected_us, *firm * granularity_us_);
    if (expected_us > slot.deadline_us) {
        end_waiting(index, index == current_ ? RefusalReason::limit : RefusalReason::deadline,
                    block);
        return;
    }
    const LevelLine& line = levels_[block.level].ensure_line();
    slot.wake_us = 0;
    if (slot.is_claim) {
        book(index, slot.claimed_tick);
    } else if (firm && line.head_bookings < kHeadBookingsMax &&
               has_room_to_book(slot.level_span())) {
        book(index, *firm);
    }
    if (block.kind != LimitKind::concurrency) {
        if (firm && (slot.booked_tick != kNotBooked || line.head_bookings == 0))
            wake_at(index, *firm * granularity_us_);
        else if (line.head_bookings == 0)
            wake_at(index, now_us_ + 10 * granularity_us_);
    }
    park(flow, block.level);
    end_hopeless_behind(index, expected_us, block);
}

/// Who stands behind a head in its flow is not served before it. Looks at the next few only.
void AdmissionState::end_hopeless_behind(std::uint32_t head, std::int64_t expected_us,
                                         Block block) {
    std::uint32_t at = slots[head].next;
    for (std::uint32_t i = 0; i < kTriesMax && at != kNoSlot; ++i) {
        const std::uint32_t next = slots[at].next;
        if (slots[at].deadline_us < expected_us) end_waiting(at, RefusalReason::deadline, block);
        at = next;
    }
}

void AdmissionState::book(std::uint32_t index, std::int64_t tick) {
    Slot& slot = slots[index];
    slot.booked_tick = tick;
    for (const std::uint32_t at : slot.level_span())
        levels_[at].book({.tick = tick, .owner = index, .amounts = slot.amounts}, span_);
}

void AdmissionState::unbook(std::uint32_t index) {
    Slot& slot = slots[index];
    slot.booked_tick = kNotBooked;
    for (const std::uint32_t at : slot.level_span()) levels_[at].unbook(index);
}

bool AdmissionState::has_room_to_book(std::span<const std::uint32_t> levels) const {
    return std::ranges::all_of(levels, [this](std::uint32_t at) {
        const LevelLine* line = levels_[at].line();
        return line == nullptr || line->bookings.size() < kBookingsMax;
    });
}

void AdmissionState::wake_at(std::uint32_t index, std::int64_t at_us) {
    slots[index].wake_us = std::max(at_us, now_us_ + 1);
    wakes_.push({slots[index].wake_us, index, slots[index].generation});
}

std::optional<std::int64_t> AdmissionState::firm_tick(const Slot& slot, std::int64_t from) const {
    // Each level only ever moves the time on, past an entry or a booking; the rounds are bounded
    // in case levels keep passing it to each other.
    constexpr int kRoundsMax = 64;
    std::int64_t tick = from;
    for (int round = 0; round < kRoundsMax; ++round) {
        const std::int64_t before = tick;
        for (const std::uint32_t at : slot.level_span()) {
            const Level& level = levels_[at];
            const auto free = level.first_free_tick(needed(level, slot), tick, span_);
            if (!free) return std::nullopt;
            tick = *free;
        }
        if (tick == before) return tick;
    }
    return std::nullopt;
}

std::int64_t AdmissionState::head_expected_us(const Slot& slot) const {
    std::int64_t tick = tick_ + 1;
    for (const std::uint32_t at : slot.level_span()) {
        const LevelLine* line = levels_[at].line();
        const auto booked = static_cast<std::int64_t>(line == nullptr ? 0 : line->bookings.size());
        tick = std::max(tick, levels_[at].expected_tick(slot.amounts, levels_[at].booked(), booked,
                                                        tick_, span_));
    }
    return tick * granularity_us_ - now_us_;
}

Expectation AdmissionState::expectation(const Slot& slot, const Flow& flow) const {
    // Until this request is served, each other customer gets at most what its own customer gets
    // (times the weights of the classes); of a level's line, no more than that goes before it.
    const std::int64_t fair_tokens =
        queue.shares(flow) * (flow.customer->waiting_tokens + slot.amounts.total_tokens() + 1);
    Expectation expected;
    std::int64_t latest = tick_ + 1;
    for (const std::uint32_t at : slot.level_span()) {
        const LevelLine* line = levels_[at].line();
        Amounts ahead = kNoAmounts;
        std::int64_t requests = 0;
        if (line != nullptr) {
            ahead = line->waiting_amounts;
            requests = line->waiting;
            const std::int64_t line_tokens = ahead.total_tokens() + requests;
            if (fair_tokens < line_tokens) {
                const std::int64_t per_mille = fair_tokens * 1000 / line_tokens;
                for (std::int64_t* amount :
                     {&ahead.requests, &ahead.input_tokens, &ahead.output_tokens, &requests})
                    *amount = *amount * per_mille / 1000;
            }
            ahead += line->promised;
        }
        const std::int64_t tick =
            levels_[at].expected_tick(slot.amounts, ahead, requests, tick_, span_);
        if (tick > latest || (tick == latest && requests >= expected.position)) {
            latest = tick;
            expected.position = static_cast<std::uint32_t>(1 + requests);
        }
    }
    expected.wait_us = latest * granularity_us_ - now_us_;
    return expected;
}

bool AdmissionState::cancel_waiting(Ticket ticket) {
    if (!slots.is_alive(ticket) || slots[ticket.index].state != Slot::State::waiting) return false;
    leave(ticket.index);
    slots.free(ticket.index);
    ++counts.cancelled;
    drain();
    return true;
}

void AdmissionState::run_timers() {
    for (; !appointment_ends_.empty() && appointment_ends_.top().at_us <= now_us_;
         appointment_ends_.pop()) {
        const Timer& timer = appointment_ends_.top();
        if (appointments_[timer.index].generation == timer.generation)
            drop_appointment(timer.index);
    }
    for (; !wakes_.empty() && wakes_.top().at_us <= now_us_; wakes_.pop()) {
        const Timer timer = wakes_.top();
        if (!slots.is_alive({timer.index, timer.generation})) continue;
        const Slot& slot = slots[timer.index];
        if (slot.state != Slot::State::waiting || slot.wake_us != timer.at_us) continue;
        Flow& flow = *slot.flow;
        if (flow.place != Flow::Place::parked || flow.head != timer.index) continue;
        touch(flow.parked_level);
        unpark(flow);
        queue.make_ready(flow);
    }
    drain();
    for (; !deadlines_.empty() && deadlines_.top().at_us <= now_us_; deadlines_.pop()) {
        const Timer timer = deadlines_.top();
        if (!slots.is_alive({timer.index, timer.generation})) continue;
        const Slot& slot = slots[timer.index];
        if (slot.state != Slot::State::waiting) continue;
        Block block = first_block(slot);
        if (!block) block = {slot.levels[0], LimitKind::requests};
        end_waiting(timer.index, RefusalReason::deadline, block);
    }
    drain();
}

std::int64_t AdmissionState::next_event_us() {
    if (!outcomes.empty()) return now_us_;
    const auto is_stale = [this](const Timer& timer, bool is_wake) {
        if (!slots.is_alive({timer.index, timer.generation})) return true;
        const Slot& slot = slots[timer.index];
        return slot.state != Slot::State::waiting || (is_wake && slot.wake_us != timer.at_us);
    };
    while (!wakes_.empty() && is_stale(wakes_.top(), true)) wakes_.pop();
    while (!deadlines_.empty() && is_stale(deadlines_.top(), false)) deadlines_.pop();
    std::int64_t next = std::numeric_limits<std::int64_t>::max();
    if (!wakes_.empty()) next = std::min(next, wakes_.top().at_us);
    if (!deadlines_.empty()) next = std::min(next, deadlines_.top().at_us);
    if (!appointment_ends_.empty()) next = std::min(next, appointment_ends_.top().at_us);
    return next;
}

}  // namespace tg::admission_internal
