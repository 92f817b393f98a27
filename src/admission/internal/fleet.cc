// Shares of a fleet's levels. See AdmissionState.
#include <algorithm>

#include "admission/internal/admission_state.h"
#include "base/check.h"

namespace tg::admission_internal {

/// Notes the levels whose share is too small for this request, as long as more may be had.
void AdmissionState::want_shares(const Slot& slot) {
    for (const std::uint32_t at : slot.level_span()) {
        Level& level = levels_[at];
        if (!level.may_grow() || level.fleet()->is_wanted) continue;
        if (!level.blocks(needed(level, slot), tick_, span_)) continue;
        level.fleet()->is_wanted = true;
        wants.push_back({LevelHandle(at + 1), level.id(), slot.customer});
    }
}

FleetReport AdmissionState::report(std::uint32_t index) {
    expire(index);
    Level& level = levels_[index];
    FleetReport out = level.report(tick_, span_);
    if (level.fleet() != nullptr) {
        level.fleet()->is_wanted = false;
        hold(index);
    }
    const LevelLine* line = level.line();
    if (line == nullptr || line->parked.empty()) return out;
    const Slot& head = slots[line->parked.begin()->flow->head];
    out.need = fleet_amounts(head.amounts, 1);
    return out;
}

/// The driver knows the level: it lapses with the others, and is not forgotten.
void AdmissionState::hold(std::uint32_t index) {
    FleetPart& fleet = *levels_[index].fleet();
    if (!fleet.is_held) held_.push_back(index);
    fleet.is_held = true;
}

void AdmissionState::set_share(std::uint32_t index, const FleetShare& share) {
    Level& level = levels_[index];
    FleetPart* fleet = level.fleet();
    TG_ASSERT(fleet != nullptr);
    hold(index);
    const Limits before = level.share();
    const bool was_final = fleet->is_final;
    level.set_share(share.share);
    fleet->others_used = share.others_used;
    fleet->is_final = share.is_final;
    fleet->is_away = share.is_away;
    if (level.share() == before && was_final == share.is_final) return;
    touch(index);
    drain();
}

void AdmissionState::drop_share(std::uint32_t index) {
    set_share(index, {.share = {0, 0, 0, 0, 0}});
    levels_[index].fleet()->is_held = false;
    std::erase(held_, index);
}

/// The driver has not looked in time: what it had granted may have been given to others.
void AdmissionState::lapse_shares() {
    shares_until_us_ = std::numeric_limits<std::int64_t>::max();
    for (const std::uint32_t at : held_) {
        levels_[at].set_share({0, 0, 0, 0, 0});
        levels_[at].fleet()->is_final = false;
    }
    ++counts.share_lapses;
}

}  // namespace tg::admission_internal
