#include "gateway/fleet_accounts.h"

#include "base/hash.h"

namespace tg {
namespace {

static_assert(PacerUse::kSteps == kFleetSteps);

constexpr std::size_t at(LimitMeter meter) {
    return static_cast<std::size_t>(meter);
}

FleetAmounts fleet_amounts(const MinuteLimits& meters, std::int64_t concurrency) {
    return {meters[at(LimitMeter::requests)], meters[at(LimitMeter::input_tokens)],
            meters[at(LimitMeter::output_tokens)], meters[at(LimitMeter::total_tokens)],
            concurrency};
}

FleetAmounts fleet_amounts(const PacerCost& cost) {
    return {cost.requests, cost.input_tokens, cost.output_tokens, cost.total_tokens, cost.requests};
}

/// To the pacer 0 is no limit, to the fleet it is nothing.
Limits shared_limits(const PacerUse& use) {
    FleetAmounts limits = fleet_amounts(use.limits, use.concurrency_max);
    for (std::int64_t& limit : limits)
        if (limit == 0) limit = kUnlimited;
    return to_limits(limits);
}

}  // namespace

LevelHandle FleetAccounts::add(const std::string& name, std::shared_ptr<FleetAccount> account) {
    const LevelId id{LevelKind::account, hash64(name)};
    std::size_t index = 0;
    {
        const std::lock_guard lock(mutex_);
        while (index < entries_.size() && entries_[index].id != id) ++index;
        if (index == entries_.size()) entries_.emplace_back();
        entries_[index] = {id, std::move(account)};
    }
    const LevelHandle level(static_cast<std::uint32_t>(index + 1));
    want(level);
    return level;
}

FleetAccounts::Entry FleetAccounts::entry(LevelHandle level) const {
    const std::lock_guard lock(mutex_);
    return entries_[level.get() - 1];
}

void FleetAccounts::want(LevelHandle level) {
    want_(this, {.level = level, .id = entry(level).id});
}

FleetReport FleetAccounts::report(LevelHandle level, std::int64_t now_us) {
    const Entry known = entry(level);
    FleetReport out{.share = known.share};
    const FleetAccount::State state = known.account->fleet_state(now_us * 1000);
    if (state.is_gone) return out;
    out.limits = shared_limits(state.use);
    out.used = fleet_amounts(state.use.used, state.use.in_flight);
    out.waiting = fleet_amounts(state.waiting);
    out.need = fleet_amounts(state.next);
    // How much calls under way may still give back is not known: all of it.
    out.unsettled = out.used;
    for (std::size_t step = 0; step < kFleetSteps; ++step)
        out.leaving[step] = fleet_amounts(state.use.leaving[step], 0);
    out.is_kept = true;
    return out;
}

void FleetAccounts::set_share(LevelHandle level, const FleetShare& share, std::int64_t /*now_us*/) {
    std::shared_ptr<FleetAccount> account;
    {
        const std::lock_guard lock(mutex_);
        Entry& known = entries_[level.get() - 1];
        known.share = share.share;
        account = known.account;
    }
    MinuteLimits meters{};
    meters[at(LimitMeter::requests)] = share.share.requests;
    meters[at(LimitMeter::input_tokens)] = share.share.input_tokens;
    meters[at(LimitMeter::output_tokens)] = share.share.output_tokens;
    meters[at(LimitMeter::total_tokens)] = share.share.total_tokens;
    account->set_fleet_share(meters, share.share.concurrency);
}

void FleetAccounts::drop_share(LevelHandle level, std::int64_t now_us) {
    set_share(level, {.share = {0, 0, 0, 0, 0}}, now_us);
}

void FleetAccounts::set_shares_until(std::int64_t until_us) {
    const std::int64_t until_ns = until_us > INT64_MAX / 1000 ? INT64_MAX : until_us * 1000;
    std::vector<std::shared_ptr<FleetAccount>> accounts;
    {
        const std::lock_guard lock(mutex_);
        for (const Entry& known : entries_) accounts.push_back(known.account);
    }
    for (const auto& account : accounts) account->set_fleet_until(until_ns);
}

}  // namespace tg
