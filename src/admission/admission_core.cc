#include "admission/admission_core.h"

#include <algorithm>

#include "admission/internal/admission_state.h"
#include "base/check.h"

namespace tg {

using admission_internal::AdmissionState;
using admission_internal::Level;

AdmissionCore::AdmissionCore(const AdmissionOptions& options)
    : state_(std::make_unique<AdmissionState>(options)) {}
AdmissionCore::~AdmissionCore() = default;

LevelHandle AdmissionCore::intern(LevelId level, const Limits& limits_if_new) {
    return state_->intern(level, limits_if_new);
}

void AdmissionCore::set_limits(LevelHandle level, const Limits& limits, std::int64_t now_us) {
    state_->advance(now_us);
    const std::uint32_t index = state_->index_of(level);
    if (state_->level(index).limits() == limits) return;
    state_->level(index).set_limits(limits);
    state_->touch(index);
    state_->drain();
}

const Limits& AdmissionCore::limits(LevelHandle level) const {
    return state_->level(state_->index_of(level)).limits();
}

bool AdmissionCore::forget(LevelHandle level, std::int64_t now_us) {
    state_->advance(now_us);
    state_->free_idle_history(64);
    return state_->forget(state_->index_of(level));
}

Decision AdmissionCore::reserve(const AdmissionRequest& request, std::int64_t now_us) {
    state_->advance(now_us);
    return state_->reserve(request);
}

void AdmissionCore::settle(Ticket ticket, const Amounts& actual, std::int64_t now_us) {
    state_->advance(now_us);
    state_->end_admitted(ticket, actual, true);
}

void AdmissionCore::release(Ticket ticket, std::int64_t now_us) {
    state_->advance(now_us);
    state_->end_admitted(ticket, kNoAmounts, false);
}

AdmissionCore::Cancelled AdmissionCore::cancel(Ticket ticket, std::int64_t now_us) {
    state_->advance(now_us);
    if (state_->cancel_waiting(ticket)) return Cancelled::waiting;
    std::erase_if(state_->outcomes, [&](const WaitOutcome& o) { return o.ticket == ticket; });
    if (!state_->slots.is_alive(ticket)) return Cancelled::ended;
    state_->end_admitted(ticket, kNoAmounts, false);
    return Cancelled::admitted;
}

void AdmissionCore::poll(std::int64_t now_us, std::vector<WaitOutcome>* outcomes) {
    constexpr std::uint32_t kIdleLevels = 64;
    state_->advance(now_us);
    state_->run_timers();
    state_->free_idle_history(kIdleLevels);
    outcomes->insert(outcomes->end(), state_->outcomes.begin(), state_->outcomes.end());
    state_->outcomes.clear();
}

bool AdmissionCore::has_outcomes() const {
    return !state_->outcomes.empty();
}

std::int64_t AdmissionCore::next_event_us() {
    return state_->next_event_us();
}

std::int64_t AdmissionCore::used(LevelHandle level, LimitKind kind, std::int64_t now_us) {
    state_->advance(now_us);
    const std::uint32_t index = state_->index_of(level);
    state_->expire(index);
    const Level& at = state_->level(index);
    return kind == LimitKind::concurrency ? at.in_flight() : at.window().used().of(kind);
}

std::uint32_t AdmissionCore::waiting(LevelHandle level) const {
    const auto* line = state_->level(state_->index_of(level)).line();
    return line == nullptr ? 0 : line->waiting;
}

AdmissionCounts AdmissionCore::counts() const {
    return state_->counts;
}

std::vector<FleetWant> AdmissionCore::take_share_wants() {
    return std::exchange(state_->wants, {});
}

bool AdmissionCore::has_share_wants() const {
    return !state_->wants.empty();
}

FleetReport AdmissionCore::fleet_report(LevelHandle level, std::int64_t now_us) {
    state_->advance(now_us);
    return state_->report(state_->index_of(level));
}

void AdmissionCore::set_share(LevelHandle level, const FleetShare& share, std::int64_t now_us) {
    state_->advance(now_us);
    state_->set_share(state_->index_of(level), share);
}

void AdmissionCore::drop_share(LevelHandle level, std::int64_t now_us) {
    state_->advance(now_us);
    state_->drop_share(state_->index_of(level));
}

void AdmissionCore::set_shares_until(std::int64_t until_us) {
    state_->set_shares_until(until_us);
}

RateStatus AdmissionCore::rate_status(std::span<const LevelHandle> levels, std::int64_t now_us) {
    state_->advance(now_us);
    RateStatus status;
    const auto consider = [&](LimitStatus* tightest, const Level& level, LimitKind kind) {
        const std::int64_t limit = level.limits().of(kind);
        if (limit == kUnlimited) return;
        const std::int64_t used = level.used_or_due(kind, state_->tick()) + level.others_used(kind);
        const std::int64_t remaining = std::max<std::int64_t>(0, limit - used);
        if (remaining >= tightest->remaining) return;
        tightest->limit = std::max<std::int64_t>(0, limit);
        tightest->remaining = remaining;
        tightest->reset_us = 0;
        if (level.window().is_empty()) return;
        const std::int64_t free_tick = level.window().last_tick() + state_->span() + 1;
        tightest->reset_us = free_tick * state_->granularity_us() - state_->now_us();
    };
    for (const LevelHandle handle : levels) {
        const std::uint32_t index = state_->index_of(handle);
        state_->expire(index);
        const Level& level = state_->level(index);
        consider(&status.requests, level, LimitKind::requests);
        for (const LimitKind kind :
             {LimitKind::total_tokens, LimitKind::input_tokens, LimitKind::output_tokens})
            consider(&status.tokens, level, kind);
    }
    return status;
}

}  // namespace tg
