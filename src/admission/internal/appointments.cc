// Appointments: what makes Retry-After true. See AdmissionState.
#include <algorithm>

#include "admission/internal/admission_state.h"
#include "base/check.h"

namespace tg::admission_internal {
namespace {

/// The owners of bookings share one space of numbers with the slots of waiters.
constexpr std::uint32_t kAppointmentOwner = 0x8000'0000;

std::uint64_t flow_key(std::uint64_t customer, std::uint64_t flow) {
    return (customer * 0x9e3779b97f4a7c15ULL) ^ (flow + 0x632be59bd9b4e019ULL);
}

bool is_in_use(const Appointment& appointment) {
    return appointment.generation % 2 == 1;
}

}  // namespace

Refusal AdmissionState::make_refusal(const Slot& slot, RefusalReason reason, Block block,
                                     const Expectation& expected) {
    const Level& level = levels_[block.level];
    Refusal refusal{.reason = reason,
                    .level = level.id(),
                    .kind = block.kind,
                    .limit = level.limits().of(block.kind),
                    .used = level.used_or_due(block.kind, tick_) + level.others_used(block.kind)};
    refusal.is_fleet_away = level.fleet() != nullptr && level.fleet()->is_away;
    if (reason == RefusalReason::too_large) return refusal;
    refusal.position = expected.position;
    refusal.expected_wait_us = expected.wait_us;
    // When slots come free is only known on average; twice that leaves room for longer calls.
    const int margin = block.kind == LimitKind::concurrency ? 2 : 1;
    make_appointment(slot, block, margin * expected.wait_us, &refusal);
    return refusal;
}

bool AdmissionState::may_have_appointment(const Slot& slot) const {
    if (counts.appointments >= options.appointments_max) return false;
    const auto of_customer = appointments_of_customer_.find(slot.customer);
    if (of_customer != appointments_of_customer_.end() &&
        of_customer->second >= options.appointments_customer_max)
        return false;
    if (appointments_of_flow_.count(flow_key(slot.customer, slot.flow_id)) >=
        options.appointments_flow_max)
        return false;
    for (const std::uint32_t at : slot.level_span()) {
        const LevelLine* line = levels_[at].line();
        if (line == nullptr) continue;
        if (line->appointments >= options.appointments_level_max ||
            line->bookings.size() >= kBookingsMax)
            return false;
    }
    return true;
}

void AdmissionState::make_appointment(const Slot& slot, Block block, std::int64_t expected_wait_us,
                                      Refusal* refusal) {
    refusal->retry_after_us = std::max(expected_wait_us, granularity_us_);
    if (!may_have_appointment(slot)) return;
    const bool needs_slot = block.kind == LimitKind::concurrency;
    if (needs_slot) {
        // A slot is kept free from when one comes free until the client comes: not many at a time.
        const Level& level = levels_[block.level];
        // Of a share of a few slots that would be too many: other processes could use them now.
        const std::int64_t kept_max =
            std::max<std::int64_t>(level.fleet() == nullptr ? 1 : 0, level.share().concurrency / 8);
        if (level.line() != nullptr && level.line()->slots_kept >= kept_max) return;
    }
    // Not before those who wait: an appointment is no way round the line.
    const std::int64_t wanted_us = now_us_ + refusal->retry_after_us + granularity_us_ - 1;
    const auto tick = firm_tick(slot, wanted_us / granularity_us_);
    if (!tick) return;

    if (free_appointments_.empty()) {
        free_appointments_.push_back(static_cast<std::uint32_t>(appointments_.size()));
        appointments_.emplace_back();
    }
    const std::uint32_t index = free_appointments_.back();
    free_appointments_.pop_back();
    Appointment& made = appointments_[index];
    made = {.customer = slot.customer,
            .flow = slot.flow_id,
            .generation = made.generation + 1,
            .level_count = slot.level_count,
            .levels = slot.levels,
            .amounts = slot.amounts,
            .tick = *tick};
    appointments_of_flow_.emplace(flow_key(made.customer, made.flow), index);
    ++appointments_of_customer_[made.customer];
    for (const std::uint32_t at : made.level_span())
        levels_[at].book({.tick = *tick,
                          .owner = kAppointmentOwner | index,
                          .is_appointment = true,
                          .holds_slot = needs_slot && at == block.level,
                          .amounts = made.amounts},
                         span_);
    const std::int64_t at_us = *tick * granularity_us_;
    appointment_ends_.push({at_us + options.appointment_grace_us + 1, index, made.generation});
    refusal->retry_after_us = at_us - now_us_;
    refusal->is_promised = true;
    ++counts.appointments_made;
    ++counts.appointments;
}

std::uint32_t AdmissionState::find_appointment(const Slot& slot) const {
    const auto [begin, end] =
        appointments_of_flow_.equal_range(flow_key(slot.customer, slot.flow_id));
    // Clients of one flow cannot be told apart: the appointment that fits best is taken, so that
    // each of those who come back with what they were refused finds its own, or its equal.
    std::uint32_t best = kNoSlot;
    for (auto at = begin; at != end; ++at) {
        const Appointment& made = appointments_[at->second];
        if (made.customer != slot.customer || made.flow != slot.flow_id || made.tick > tick_)
            continue;
        if (!std::ranges::equal(made.level_span(), slot.level_span()) ||
            !covers(made.amounts, slot.amounts))
            continue;
        const auto rank = [&](const Appointment& a) {
            return std::tuple(a.amounts != slot.amounts, a.amounts.total_tokens(), a.tick);
        };
        if (best == kNoSlot || rank(made) < rank(appointments_[best])) best = at->second;
    }
    return best;
}

Decision AdmissionState::claim(const AdmissionRequest& request, std::uint32_t appointment,
                               std::uint32_t index) {
    Slot& slot = slots[index];
    const std::int64_t booked_tick = appointments_[appointment].tick;
    bool is_there = true;
    for (const std::uint32_t at : slot.level_span()) {
        const auto kind = levels_[at].blocks_booked(slot.amounts, kAppointmentOwner | appointment);
        is_there = is_there && !kind;
    }
    drop_appointment(appointment);
    if (is_there) {
        take(index);
        ++counts.appointments_kept;
        drain();
        return admitted(index);
    }
    // It goes before its own flow and keeps its place among what is due.
    ++counts.appointments_late;
    if (const Block never = never_allowed(slot))
        return refuse_now(index, RefusalReason::too_large, never, {});
    Flow& flow = queue.flow_for(request);
    if (flow.place == Flow::Place::parked) unpark(flow);
    const Expectation expected = expectation(slot, flow);
    slot.is_claim = true;
    slot.claimed_tick = booked_tick;
    join(flow, index, true);
    book(index, booked_tick);
    return stand_in_line(flow, index, expected);
}

void AdmissionState::drop_appointment(std::uint32_t index) {
    Appointment& made = appointments_[index];
    TG_ASSERT(is_in_use(made));
    ++made.generation;
    free_appointments_.push_back(index);
    const auto [begin, end] = appointments_of_flow_.equal_range(flow_key(made.customer, made.flow));
    const auto at = std::find_if(begin, end, [&](const auto& e) { return e.second == index; });
    TG_ASSERT(at != end);
    appointments_of_flow_.erase(at);
    const auto of_customer = appointments_of_customer_.find(made.customer);
    if (--of_customer->second == 0) appointments_of_customer_.erase(of_customer);
    for (const std::uint32_t level : made.level_span()) {
        levels_[level].unbook(kAppointmentOwner | index);
        touch(level);
    }
    --counts.appointments;
}

}  // namespace tg::admission_internal
