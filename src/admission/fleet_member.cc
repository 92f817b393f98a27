#include "admission/fleet_member.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace tg {
namespace {

constexpr std::size_t kCallLevelsMax =
    256;  ///< keeps a call of the script short of ten milliseconds

constexpr auto kConcurrency = static_cast<std::size_t>(LimitKind::concurrency);

void append_number(std::string* out, std::int64_t number) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.begin(), digits.end(), number).ptr;
    out->append(digits.begin(), end);
}

void append_list(std::string* out, const FleetAmounts& amounts) {
    for (std::size_t k = 0; k < amounts.size(); ++k) {
        if (k != 0) out->push_back(',');
        append_number(out, amounts[k]);
    }
}

/// For each windowed kind that is limited what is left after each step but the last.
void append_leaving(std::string* out, const FleetReport& report, const FleetAmounts& limits) {
    for (std::size_t k = 0; k < kConcurrency; ++k) {
        if (k != 0) out->push_back('/');
        if (limits[k] < 0 || report.used[k] == 0) continue;
        for (std::size_t step = 0; step + 1 < kFleetSteps; ++step) {
            if (step != 0) out->push_back(',');
            append_number(out, report.leaving[step][k]);
        }
    }
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> out;
    for (;;) {
        const std::size_t at = text.find(separator);
        out.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return out;
        text.remove_prefix(at + 1);
    }
}

bool parse_list(std::string_view text, FleetAmounts* out) {
    const auto pieces = split(text, ',');
    if (pieces.size() != out->size()) return false;
    for (std::size_t k = 0; k < pieces.size(); ++k) {
        const std::string piece(pieces[k]);
        const char* end = piece.data() + piece.size();
        if (const auto [at, error] = std::from_chars(piece.data(), end, (*out)[k]);
            error != std::errc() || at != end)
            return false;
    }
    return true;
}

/// As the script has it: -1 is no limit.
FleetAmounts wire_limits(const Limits& limits) {
    FleetAmounts out = fleet_amounts(limits);
    for (std::int64_t& limit : out)
        limit = limit == kUnlimited ? -1 : std::clamp<std::int64_t>(limit, 0, kAmountMax);
    return out;
}

template <typename T>
bool contains(const std::vector<T>& list, const T& what) {
    return std::ranges::find(list, what) != list.end();
}

std::string millis(std::int64_t us) {
    return std::to_string((us + 999) / 1000);
}

}  // namespace

FleetMember::FleetMember(FleetOptions options)
    : options_(std::move(options)), groups_(options_.groups) {
    TG_ASSERT(options_.groups > 0 && !options_.member.empty());
    TG_ASSERT(options_.member.find_first_of(",;|") == std::string::npos);
    TG_ASSERT(options_.window_us > 0 && options_.lease_us > options_.renew_us);
}

std::uint32_t FleetMember::group_of(const FleetWant& want) const {
    // All levels of a customer are in one group; a level that customers share is by itself.
    const std::uint64_t by =
        is_shared(want.id.kind) ? std::hash<LevelId>()(want.id) : want.customer + 1;
    return static_cast<std::uint32_t>((by * 0x9e3779b97f4a7c15ULL >> 32) % options_.groups);
}

std::uint32_t FleetMember::make_level(FleetLevels* where, const FleetWant& want,
                                      std::int64_t now_us) {
    if (free_levels_.empty()) {
        free_levels_.push_back(static_cast<std::uint32_t>(levels_.size()));
        levels_.emplace_back();
    }
    const std::uint32_t index = free_levels_.back();
    free_levels_.pop_back();
    Level& level = levels_[index];
    level = {.where = where,
             .handle = want.level,
             .name = std::string(name(want.id.kind)) + ":" + std::to_string(want.id.id),
             .group = group_of(want),
             .used_at_us = now_us,
             .is_in_use = true};
    groups_[level.group].levels.push_back(index);
    index_of_.emplace(std::pair(where, want.level.get()), index);
    return index;
}

void FleetMember::remove_level(std::uint32_t index) {
    Level& level = levels_[index];
    std::erase(groups_[level.group].levels, index);
    index_of_.erase({level.where, level.handle.get()});
    level = {};
    free_levels_.push_back(index);
}

void FleetMember::want(FleetLevels* where, const FleetWant& want, std::int64_t now_us) {
    const auto known = index_of_.find({where, want.level.get()});
    const std::uint32_t index =
        known != index_of_.end() ? known->second : make_level(where, want, now_us);
    Level& level = levels_[index];
    level.is_leaving = false;
    level.used_at_us = level.wanted_at_us = now_us;
    if (groups_[level.group].lease == Lease::lost)
        give_alone(&level, now_us);
    else if (!level.is_lacking)
        level.due_us = now_us;
}

void FleetMember::add_level(FleetCall* call, std::uint32_t index, std::int64_t now_us) {
    Level& level = levels_[index];
    const FleetReport report = level.where->report(level.handle, now_us);
    level.limits = wire_limits(report.limits);
    const FleetAmounts share = fleet_amounts(report.share);
    FleetAmounts held{}, demand{};
    bool is_used = report.is_kept;
    for (std::size_t k = 0; k < held.size(); ++k) {
        demand[k] = std::min(report.used[k] + report.waiting[k], kAmountMax);
        is_used = is_used || demand[k] > 0;
        if (level.limits[k] >= 0) held[k] = std::max(share[k], report.used[k]);
    }
    if (is_used) level.used_at_us = now_us;
    if (!is_used && (level.is_leaving || now_us - level.used_at_us > options_.idle_us)) {
        level.where->drop_share(level.handle, now_us);
        level.is_leaving = true;
        held = {};
    }
    level.held = held;
    level.used = report.used;
    call->levels.push_back(index);
    std::string limits, said;
    append_list(&limits, level.limits);
    for (const FleetAmounts& part : {held, report.used, demand, report.need, report.unsettled}) {
        append_list(&said, part);
        said.push_back(';');
    }
    append_leaving(&said, report, level.limits);
    call->arguments.push_back(level.name);
    call->arguments.push_back(std::move(limits));
    call->arguments.push_back(std::move(said));
    level.due_us = now_us + options_.lease_us;  // until the answer says better
}

FleetCall FleetMember::make_call(std::uint32_t number, std::int64_t now_us, bool is_leaving) {
    Group& group = groups_[number];
    FleetCall call{.group = number,
                   .sent_us = now_us,
                   .key = options_.key_prefix + ":{" + std::to_string(number) + "}"};
    std::vector<std::uint32_t> named;
    bool is_complete = true;
    for (const std::uint32_t index : group.levels) {
        const bool is_wanted = is_leaving || (group.is_rejoining ? !levels_[index].is_said
                                                                 : levels_[index].due_us <= now_us);
        if (is_wanted && (is_leaving || named.size() < kCallLevelsMax)) named.push_back(index);
        if (is_wanted && !is_leaving && named.back() != index) is_complete = false;
    }
    call.arguments = {options_.member,
                      std::to_string(++group.sequence),
                      "",
                      millis(options_.lease_us),
                      millis(options_.window_us),
                      millis(options_.margin_us),
                      group.others,
                      is_leaving ? "leaving" : "",
                      is_complete || !group.is_rejoining ? group.epoch : "",
                      options_.on_loss == FleetLoss::refuse ? "strict" : ""};
    for (const std::uint32_t index : named) add_level(&call, index, now_us);
    group.is_calling = true;
    ++counts_.calls;
    return call;
}

std::int64_t FleetMember::group_due_us(const Group& group) const {
    if (group.failures_in_a_row != 0) return group.due_us;
    std::int64_t due_us = group.due_us;
    for (const std::uint32_t index : group.levels) due_us = std::min(due_us, levels_[index].due_us);
    return due_us;
}

std::vector<FleetCall> FleetMember::due(std::int64_t now_us) {
    end_leases(now_us);
    std::vector<FleetCall> calls;
    for (std::uint32_t i = 0; i < groups_.size(); ++i)
        if (!groups_[i].is_calling && group_due_us(groups_[i]) <= now_us)
            calls.push_back(make_call(i, now_us, false));
    return calls;
}

std::int64_t FleetMember::next_due_us() const {
    std::int64_t next = std::numeric_limits<std::int64_t>::max();
    for (const Group& group : groups_) {
        if (!group.is_calling) next = std::min(next, group_due_us(group));
        if (group.lease != Lease::valid) continue;
        const bool is_failing = group.failures_in_a_row > 1;
        next = std::min(next, group.lease_until_us - (is_failing ? options_.lease_us / 8 : 0));
    }
    return next;
}

Status FleetMember::on_reply(const FleetCall& call, const std::vector<std::string>& reply,
                             std::int64_t now_us) {
    Group& group = groups_[call.group];
    if (reply.size() == 1 && reply[0] == "stale") {
        on_failure(call, now_us);
        return {};
    }
    const auto corrupt = [&](const std::string& what) {
        on_failure(call, now_us);
        return fail(ErrorCode::corrupt_data, "the reply of the fleet's script to group " +
                                                 std::to_string(call.group) + " " + what);
    };
    if (reply.size() != 5 + call.levels.size() || reply[0] != "ok")
        return corrupt("has " + std::to_string(reply.size()) + " parts");
    group.is_calling = false;
    group.failures_in_a_row = 0;
    if (group.lease == Lease::lost)
        for (const std::uint32_t index : group.levels) levels_[index].due_us = now_us;
    group.lease = Lease::valid;
    group.lease_until_us = call.sent_us + options_.lease_us;
    group.others = reply[3];
    group.members = static_cast<std::uint32_t>(split(reply[3], ',').size());
    group.is_open = reply[2] == "open";
    group.due_us = call.sent_us + (group.levels.empty() ? options_.refresh_us : options_.renew_us);
    if (group.epoch != reply[1]) {
        // What was held goes on; in the new epoch it has to be said again.
        ++counts_.epochs;
        group.epoch = reply[1];
        group.is_rejoining = true;
        for (const std::uint32_t index : group.levels) levels_[index].is_said = false;
        group.due_us = now_us;
    } else {
        for (const std::uint32_t index : call.levels) levels_[index].is_said = true;
        if (!call.arguments[8].empty()) group.is_rejoining = false;
        if (group.is_rejoining) group.due_us = now_us;
    }
    for (std::size_t i = 0; i < call.levels.size(); ++i)
        if (!take_share(call.levels[i], call, reply[5 + i], now_us))
            return corrupt("says '" + reply[5 + i] + "' of a share");
    const auto lacking = split(reply[4], ',');
    for (const std::uint32_t index : group.levels) {
        Level& level = levels_[index];
        if (!level.is_pressed && contains(lacking, std::string_view(level.name)) &&
            !contains(call.levels, index))
            level.due_us = now_us;
    }
    tell_shares_until();
    return {};
}

/// Takes what the script says of one level.
bool FleetMember::take_share(std::uint32_t index, const FleetCall& call, std::string_view text,
                             std::int64_t now_us) {
    Level& level = levels_[index];
    const auto parts = split(text, ';');
    FleetAmounts share{}, others{};
    if (parts.size() != 4 || !parse_list(parts[0], &share) || !parse_list(parts[1], &others))
        return false;
    if (level.is_leaving) {
        remove_level(index);
        return true;
    }
    bool is_lowered = false;
    for (std::size_t k = 0; k < share.size(); ++k) {
        if (share[k] < 0) share[k] = kUnlimited;
        // What is no longer held is others' as soon as it is said.
        is_lowered = is_lowered ||
                     (level.limits[k] >= 0 && std::max(share[k], level.used[k]) < level.held[k]);
    }
    const bool is_final = parts[2] == "1";
    level.share = share;
    level.is_pressed = parts[3] != "0";
    level.where->set_share(level.handle,
                           {.share = to_limits(share), .others_used = others, .is_final = is_final},
                           now_us);
    level.is_lacking = !is_final && (level.is_pressed || !groups_[level.group].is_open);
    level.due_us = call.sent_us + (level.is_pressed ? options_.renew_us : options_.refresh_us);
    const bool is_short_of_slots = parts[3] == "2";
    if (level.is_pressed && (is_lowered || is_short_of_slots))
        level.due_us = now_us + options_.renew_us / 4;
    if (!level.is_lacking) {
        level.gap_us = 0;
        // Wanted while the call was under way.
        if (level.wanted_at_us > call.sent_us) level.due_us = now_us;
        return true;
    }
    // Others give back within moments, or as their windows move on.
    level.gap_us = std::clamp(2 * level.gap_us, options_.renew_us / 4, options_.renew_us);
    level.due_us = now_us + level.gap_us;
    return true;
}

void FleetMember::on_failure(const FleetCall& call, std::int64_t now_us) {
    Group& group = groups_[call.group];
    ++counts_.failures;
    group.is_calling = false;
    // Soon enough that nobody who is alive seems dead once the store is back.
    ++group.failures_in_a_row;
    group.due_us =
        now_us + std::min(options_.renew_us * group.failures_in_a_row / 2, options_.margin_us / 2);
    // What was to be said is to be said again.
    for (const std::uint32_t index : call.levels)
        if (levels_[index].is_in_use) levels_[index].due_us = now_us;
    end_leases(now_us);
    // Its lease had ended before anybody asked, and there is no answer.
    if (group.lease == Lease::none && !group.epoch.empty()) lose_lease(&group, now_us);
}

void FleetMember::end_leases(std::int64_t now_us) {
    bool has_changed = false;
    for (Group& group : groups_) {
        // Where nobody answers it is decided a little before all shares lapse.
        const bool ends = group.lease == Lease::valid && now_us >= group.lease_until_us;
        const bool is_ending = group.lease == Lease::valid && group.failures_in_a_row > 1 &&
                               now_us >= group.lease_until_us - options_.lease_us / 8;
        if (!ends && !is_ending) continue;
        lose_lease(&group, now_us);
        has_changed = true;
    }
    if (has_changed) tell_shares_until();
}

void FleetMember::lose_lease(Group* group, std::int64_t now_us) {
    group->is_open = false;
    if (options_.on_loss == FleetLoss::share && group->failures_in_a_row == 0) {
        // Nobody has tried yet (the process was stopped, say): first ask.
        group->lease = Lease::none;
        group->due_us = now_us;
        for (const std::uint32_t index : group->levels) levels_[index].due_us = now_us;
        return;
    }
    group->lease = Lease::lost;
    for (const std::uint32_t index : group->levels) give_alone(&levels_[index], now_us);
}

/// The share of a level while the store is away.
void FleetMember::give_alone(Level* level, std::int64_t now_us) {
    FleetShare alone{.is_final = true, .is_away = true};
    FleetAmounts share{};
    if (options_.on_loss == FleetLoss::share) {
        const FleetReport report = level->where->report(level->handle, now_us);
        const FleetAmounts limits = wire_limits(report.limits);
        for (std::size_t k = 0; k < share.size(); ++k) {
            if (limits[k] < 0) continue;
            const std::int64_t most = limits[k] / 100 * options_.loss_share_percent +
                                      limits[k] % 100 * options_.loss_share_percent / 100;
            const bool is_new = level->limits == FleetAmounts{};
            const std::int64_t part = std::max<std::int64_t>(
                limits[k] / groups_[level->group].members, std::min<std::int64_t>(limits[k], 1));
            share[k] = std::min(is_new ? part : level->share[k], most);
        }
    }
    alone.share = to_limits(share);
    level->where->set_share(level->handle, alone, now_us);
}

void FleetMember::tell_shares_until() {
    std::int64_t until_us = std::numeric_limits<std::int64_t>::max();
    for (const Group& group : groups_)
        if (group.lease != Lease::lost && !group.epoch.empty() && !group.levels.empty())
            until_us = std::min(until_us, group.lease_until_us);
    for (FleetLevels* where : all_levels_) where->set_shares_until(until_us);
}

std::vector<FleetCall> FleetMember::leave(std::int64_t now_us) {
    std::vector<FleetCall> calls;
    for (std::uint32_t i = 0; i < groups_.size(); ++i) {
        for (const std::uint32_t index : groups_[i].levels) {
            Level& level = levels_[index];
            level.where->set_share(level.handle, {.share = {0, 0, 0, 0, 0}, .is_final = true},
                                   now_us);
        }
        if (groups_[i].lease != Lease::none) calls.push_back(make_call(i, now_us, true));
    }
    return calls;
}

void FleetMember::on_lapse(std::int64_t now_us) {
    for (Level& level : levels_)
        if (level.is_in_use && groups_[level.group].lease != Lease::lost) level.due_us = now_us;
}

FleetCounts FleetMember::counts() const {
    FleetCounts out = counts_;
    out.is_attached = out.is_open = true;
    for (const Group& group : groups_) {
        out.is_attached = out.is_attached && group.lease == Lease::valid;
        out.is_open = out.is_open && group.is_open;
        out.members = std::max(out.members, group.members);
        for (const std::uint32_t index : group.levels) {
            ++out.levels;
            if (levels_[index].is_pressed) ++out.pressed;
        }
    }
    return out;
}

}  // namespace tg
