// Levels, taking and giving back. See AdmissionState.
#include "admission/internal/admission_state.h"

#include <algorithm>

#include "base/check.h"

namespace tg::admission_internal {
namespace {

std::int64_t cut(std::int64_t amount) {
    TG_ASSERT(amount >= 0);
    return std::min(amount, kAmountMax);
}

Amounts cut(const Amounts& amounts) {
    return {cut(amounts.requests), cut(amounts.input_tokens), cut(amounts.output_tokens)};
}

/// The largest wait that is kept apart from "for ever".
constexpr std::int64_t kWaitMaxUs = std::int64_t{1} << 50;

}  // namespace

AdmissionState::AdmissionState(const AdmissionOptions& options_in)
    : options(options_in),
      queue(&slots, options_in),
      granularity_us_(options_in.granularity_us),
      span_((options_in.window_us + options_in.granularity_us - 1) / options_in.granularity_us) {
    TG_ASSERT(granularity_us_ > 0 && span_ > 0 && options.appointment_grace_us >= 0);
}

void AdmissionState::advance(std::int64_t now_us) {
    if (now_us <= now_us_) return;
    now_us_ = now_us;
    tick_ = now_us / granularity_us_;
    if (now_us > shares_until_us_) [[unlikely]]
        lapse_shares();
}

LevelHandle AdmissionState::intern(LevelId id, const Limits& limits) {
    const auto [at, is_new] = level_of_.try_emplace(id, 0);
    if (!is_new) return LevelHandle(at->second + 1);
    std::uint32_t index = 0;
    const Level::Use use = options.is_fleet ? Level::Use::fleet : Level::Use::alone;
    if (forgotten_.empty()) {
        index = levels_.size();
        levels_.add(id, limits, use);
    } else {
        index = forgotten_.back();
        forgotten_.pop_back();
        levels_[index] = Level(id, limits, use);
    }
    at->second = index;
    return LevelHandle(index + 1);
}

bool AdmissionState::forget(std::uint32_t index) {
    Level& level = levels_[index];
    level.expire(tick_, span_);
    level.drop_idle();
    // A history that has storage is in the list of active levels; it leaves it within a window.
    if (level.in_flight() != 0 || level.line() != nullptr || level.window().has_storage())
        return false;
    if (level.fleet() != nullptr && (level.fleet()->is_held || level.fleet()->is_wanted))
        return false;
    level_of_.erase(level.id());
    level.is_forgotten = true;
    forgotten_.push_back(index);
    return true;
}

std::uint32_t AdmissionState::index_of(LevelHandle handle) const {
    const std::uint32_t index = handle.get() - 1;
    TG_ASSERT(index < levels_.size() && !levels_[index].is_forgotten);
    return index;
}

void AdmissionState::free_idle_history(std::uint32_t levels_max) {
    while (levels_max-- != 0 && first_active_ != kNoLevel) {
        const std::uint32_t index = first_active_;
        Level& level = levels_[index];
        if (tick_ - level.active_since_tick <= span_) return;
        first_active_ = level.next_active;
        if (first_active_ == kNoLevel) last_active_ = kNoLevel;
        level.expire(tick_, span_);
        if (level.window().is_empty()) {
            level.window().free_storage();
            level.drop_idle();
            continue;
        }
        level.active_since_tick = level.window().last_tick();
        level.next_active = kNoLevel;
        (last_active_ == kNoLevel ? first_active_ : levels_[last_active_].next_active) = index;
        last_active_ = index;
    }
}

Amounts AdmissionState::needed(const Level& level, const Slot& slot) const {
    return level.needed(slot.amounts, slot.customer, options.shared_guard_per_mille);
}

Block AdmissionState::first_block(const Slot& slot) const {
    for (const std::uint32_t at : slot.level_span()) {
        const Level& level = levels_[at];
        if (const auto kind = level.blocks(needed(level, slot), tick_, span_)) return {at, *kind};
    }
    return {};
}

Block AdmissionState::never_allowed(const Slot& slot) const {
    for (const std::uint32_t at : slot.level_span())
        if (const auto kind = levels_[at].never_allows(slot.amounts)) return {at, *kind};
    return {};
}

std::uint32_t AdmissionState::fill_slot(const AdmissionRequest& request) {
    TG_ASSERT(request.levels.size() <= kLevelsMax);
    const std::uint32_t index = slots.acquire();
    Slot& slot = slots[index];
    slot.level_count = static_cast<std::uint8_t>(request.levels.size());
    for (std::size_t i = 0; i < request.levels.size(); ++i) {
        slot.levels[i] = request.levels[i].get() - 1;
        TG_ASSERT(slot.levels[i] < levels_.size());
        for (std::size_t j = 0; j < i; ++j) TG_ASSERT(slot.levels[j] != slot.levels[i]);
        levels_[slot.levels[i]].prefetch(Level::kReserveBytes);
    }
    slot.amounts = cut(request.amounts);
    slot.customer = request.customer;
    slot.flow_id = request.flow;
    slot.arrived_us = now_us_;
    slot.deadline_us = now_us_ + std::clamp<std::int64_t>(request.max_wait_us, 0, kWaitMaxUs);
    if (options.is_fleet)
        for (const std::uint32_t at : slot.level_span())
            if (levels_[at].may_grow())
                slot.deadline_us = std::max(slot.deadline_us, now_us_ + options.share_wait_us);
    slot.context = request.context;
    return index;
}

void AdmissionState::take(std::uint32_t index) {
    Slot& slot = slots[index];
    slot.state = Slot::State::admitted;
    slot.taken_tick = tick_;
    slot.taken_us = now_us_;
    for (std::size_t i = 0; i < slot.level_count; ++i) {
        const std::uint32_t at = slot.levels[i];
        Level& level = levels_[at];
        if (!level.window().has_storage()) {
            level.active_since_tick = tick_;
            level.next_active = kNoLevel;
            (last_active_ == kNoLevel ? first_active_ : levels_[last_active_].next_active) = at;
            last_active_ = at;
        }
        slot.sequences[i] = level.take(slot.amounts, tick_, span_);
        if (level.is_shared())
            level.track(slot.customer, slot.amounts.total_tokens() + 1, tick_, span_);
    }
    ++counts.admitted;
    ++counts.in_flight;
}

Decision AdmissionState::admitted(std::uint32_t index) {
    return {.verdict = Verdict::admitted, .ticket = slots.ticket(index)};
}

Decision AdmissionState::reserve(const AdmissionRequest& request) {
    const std::uint32_t index = fill_slot(request);
    Slot& slot = slots[index];
    free_idle_history(2);
    for (const std::uint32_t at : slot.level_span()) {
        TG_ASSERT(!levels_[at].is_forgotten);
        levels_[at].window().prefetch_ends();
    }
    bool has_line = false;
    for (const std::uint32_t at : slot.level_span()) {
        expire(at);
        const LevelLine* line = levels_[at].line();
        has_line = has_line || (line != nullptr && !line->parked.empty());
    }
    if (!has_line && !first_block(slot)) {
        take(index);
        return admitted(index);
    }
    if (counts.appointments != 0)
        if (const std::uint32_t made = find_appointment(slot); made != kNoSlot)
            return claim(request, made, index);
    return reserve_in_line(request, index);
}

Decision AdmissionState::reserve_in_line(const AdmissionRequest& request, std::uint32_t index) {
    Slot& slot = slots[index];
    if (const Block never = never_allowed(slot))
        return refuse_now(index, RefusalReason::too_large, never, {});
    Flow& flow = queue.flow_for(request);
    const Expectation expected = expectation(slot, flow);
    const bool is_behind = flow.count != 0;
    const bool is_full = queue.waiting() >= options.queue_max ||
                         queue.waiting_of(request.customer) >= options.queue_customer_max;
    if (is_full || (is_behind && now_us_ + expected.wait_us > slot.deadline_us)) {
        Block block = first_block(slot);
        if (!block && is_behind)  // there is room, but others come first
            block = {slots[flow.head].blocked_level, slots[flow.head].blocked_kind};
        if (!block) block.level = slot.levels[0];
        const RefusalReason reason = is_full ? RefusalReason::queue_full : RefusalReason::limit;
        return refuse_now(index, reason, block, expected);
    }
    join(flow, index, false);
    if (is_behind) return queued(index, expected);
    for (const std::uint32_t at : slot.level_span()) touch(at);
    return stand_in_line(flow, index, expected);
}

/// Lets the request at the head of its flow, which is idle, and the lines it touched have their
/// try.
Decision AdmissionState::stand_in_line(Flow& flow, std::uint32_t index,
                                       const Expectation& expected) {
    current_ = index;
    current_refusal_.reset();
    queue.make_ready(flow);
    drain();
    current_ = kNoSlot;
    if (current_refusal_) return {.verdict = Verdict::refused, .refusal = *current_refusal_};
    if (slots[index].state == Slot::State::admitted) return admitted(index);
    return queued(index, expected);
}

Decision AdmissionState::queued(std::uint32_t index, const Expectation& expected) {
    deadlines_.push({slots[index].deadline_us, index, slots[index].generation});
    return {.verdict = Verdict::queued,
            .ticket = slots.ticket(index),
            .position = expected.position,
            .expected_wait_us = expected.wait_us};
}

/// Refuses a request that has not joined the line.
Decision AdmissionState::refuse_now(std::uint32_t index, RefusalReason reason, Block block,
                                    const Expectation& expected) {
    const Refusal refusal = make_refusal(slots[index], reason, block, expected);
    slots.free(index);
    ++counts.refused;
    if (!touched_.empty()) drain();
    return {.verdict = Verdict::refused, .refusal = refusal};
}

Slot& AdmissionState::admitted_slot(Ticket ticket) {
    TG_ASSERT(slots.is_alive(ticket));
    Slot& slot = slots[ticket.index];
    TG_ASSERT(slot.state == Slot::State::admitted);
    return slot;
}

void AdmissionState::end_admitted(Ticket ticket, const Amounts& actual, bool was_sent) {
    const Slot& slot = admitted_slot(ticket);
    const Amounts used = cut(actual);
    const std::int64_t held_ticks = (now_us_ - slot.taken_us) / granularity_us_;
    std::int64_t output_used_per_mille = Level::kNothingReserved;
    if (const std::int64_t reserved = slot.amounts.output_tokens; reserved != 0)
        output_used_per_mille = std::min<std::int64_t>(1000, 1000 * used.output_tokens / reserved);
    for (const std::uint32_t at : slot.level_span()) levels_[at].prefetch();
    for (std::size_t i = 0; i < slot.level_count; ++i)
        levels_[slot.levels[i]].window().prefetch(slot.sequences[i]);
    for (std::size_t i = 0; i < slot.level_count; ++i) {
        Level& level = levels_[slot.levels[i]];
        level.expire(tick_, span_);
        level.give_back(slot.sequences[i], slot.taken_tick, slot.amounts, used, tick_, span_);
        if (was_sent) level.learn(held_ticks, output_used_per_mille);
        touch(slot.levels[i]);
    }
    slots.free(ticket.index);
    --counts.in_flight;
    if (!touched_.empty()) drain();
}

}  // namespace tg::admission_internal
