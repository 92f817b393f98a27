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
                                     const Expectation& expected, std::uint64_t customer,
                                     std::uint64_t flow) {
    const Level& level = levels_[block.level];
    Refusal refusal{.reason = reason,
                    .level = level.id(),
                    .kind = block.kind,
                    .limit = level.limits().of(block.kind),
                    .used = level.used_or_due(block.kind, tick_)};
    if (reason == RefusalReason::too_large) return refusal;
    refusal.position = expected.position;
    refusal.expected_wait_us = expected.wait_us;
    // When slots come free is only known on average; twice that leaves room for longer calls.
    const int margin = block.kind == LimitKind::concurrency ? 2 : 1;
    make_appointment(slot, block, customer, flow, margin * expected.wait_us, &refusal);
    return refusal;
}

bool AdmissionState::may_have_appointment(const Slot& slot, std::uint64_t customer,
                                          std::uint64_t flow) const {
    const auto of_customer = appointments_of_customer_.find(customer);
    if (of_customer != appointments_of_customer_.end() &&
        of_customer->second >= options.appointments_customer_max)
        return false;
    if (appointments_of_flow_.count(flow_key(customer, flow)) >= options.appointments_flow_max)
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

void AdmissionState::make_appointment(const Slot& slot, Block block, std::uint64_t customer,
                                      std::uint64_t flow, std::int64_t expected_wait_us,
                                      Refusal* refusal) {
    refusal->retry_after_us = std::max(expected_wait_us, granularity_us_);
    if (!may_have_appointment(slot, customer, flow)) return;
    // Not before those who wait: an appointment is no way round the line.
    const std::int64_t wanted_us = now_us_ + refusal->retry_after_us + granularity_us_ - 1;
    const auto tick = firm_tick(slot.level_span(), slot.amounts, wanted_us / granularity_us_);
    if (!tick) return;

    if (free_appointments_.empty()) {
        free_appointments_.push_back(static_cast<std::uint32_t>(appointments_.size()));
        appointments_.emplace_back();
    }
    const std::uint32_t index = free_appointments_.back();
    free_appointments_.pop_back();
    Appointment& made = appointments_[index];
    made = {.customer = customer,
            .flow = flow,
            .generation = made.generation + 1,
            .level_count = slot.level_count,
            .levels = slot.levels,
            .amounts = slot.amounts,
            .tick = *tick};
    appointments_of_flow_.emplace(flow_key(customer, flow), index);
    ++appointments_of_customer_[customer];
    for (const std::uint32_t at : made.level_span())
        levels_[at].book({.tick = *tick,
                          .owner = kAppointmentOwner | index,
                          .is_appointment = true,
                          .holds_slot = block.kind == LimitKind::concurrency,
                          .amounts = made.amounts},
                         span_);
    const std::int64_t at_us = *tick * granularity_us_;
    appointment_ends_.push({at_us + options.appointment_grace_us + 1, index, made.generation});
    refusal->retry_after_us = at_us - now_us_;
    refusal->is_promised = true;
    ++counts.appointments_made;
    ++counts.appointments;
}

bool AdmissionState::claim(const AdmissionRequest& request, const Slot& slot) {
    const auto [begin, end] =
        appointments_of_flow_.equal_range(flow_key(request.customer, request.flow));
    std::uint32_t best = kNoSlot;
    for (auto at = begin; at != end; ++at) {
        const Appointment& made = appointments_[at->second];
        if (made.customer != request.customer || made.flow != request.flow || made.tick > tick_)
            continue;
        if (!std::ranges::equal(made.level_span(), slot.level_span()) ||
            !covers(made.amounts, slot.amounts))
            continue;
        if (best == kNoSlot || made.tick < appointments_[best].tick) best = at->second;
    }
    if (best == kNoSlot) return false;
    drop_appointment(best);
    return true;
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
