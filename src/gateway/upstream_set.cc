#include "gateway/upstream_set.h"

#include <algorithm>

#include "base/rng.h"

namespace tg {
namespace {

// A region's place goes before a configured rank, and that before the order in which upstreams are
// written; regions that are not known go last.
constexpr std::uint32_t kRanksOfRegion = 1U << 20, kRegionUnlisted = 1U << 10;
constexpr std::uint32_t kPlacesOfRank = 1U << 10;

/// Deployments with the same key do the same work: the same models in the same pool.
std::string work_key(const UpstreamOptions& options) {
    std::vector<std::string> models;
    for (const UpstreamModel& model : options.models) models.push_back(model.name);
    std::ranges::sort(models);
    std::string key = options.pool;
    for (const std::string& model : models) key.append("\n").append(model);
    return key;
}

}  // namespace

void UpstreamSet::describe(std::int64_t now_ns, const Deployment& deployment,
                           std::string_view model, const PacerCost& cost,
                           RouteOption* option) const {
    const Member& member = members_[deployment.index];
    option->traits = &deployment.traits;
    option->weight = deployment.options.weight;
    option->rank =
        deployment.options.rank * kPlacesOfRank + std::min(deployment.index, kPlacesOfRank - 1);
    if (regions_ != nullptr) {
        const std::uint32_t region =
            member.region == kNoRegion ? kRegionUnlisted : regions_->rank(now_ns, member.region);
        option->rank += region * kRanksOfRegion;
    }
    member.state->describe(now_ns, model, cost, option);
    option->is_ejected = member.group != nullptr && member.group->is_ejected(now_ns, member.place);
}

void UpstreamSet::observe(std::int64_t now_ns, std::uint32_t index, CallVerdict verdict,
                          std::int64_t first_byte_ns) const {
    const Member& member = members_[index];
    if (member.group != nullptr) {
        member.group->observe(now_ns, member.place, verdict,
                              first_byte_ns < 0 ? std::nullopt : std::optional(first_byte_ns));
    }
    if (regions_ != nullptr && member.region != kNoRegion)
        regions_->observe(now_ns, member.region, verdict, std::max<std::int64_t>(first_byte_ns, 0));
}

bool UpstreamSet::is_ejected(std::int64_t now_ns, std::uint32_t index) const {
    const Member& member = members_[index];
    return member.group != nullptr && member.group->is_ejected(now_ns, member.place);
}

std::vector<UpstreamStatus> UpstreamSet::status(std::int64_t now_ns) const {
    std::vector<UpstreamStatus> out;
    for (const Member& member : members_) {
        out.push_back(member.state->status(now_ns));
        if (member.group != nullptr)
            out.back().ejected = member.group->reason(now_ns, member.place);
    }
    return out;
}

void UpstreamSet::refresh_gauges(std::int64_t now_ns) const {
    for (std::uint32_t i = 0; i < members_.size(); ++i)
        members_[i].state->refresh_gauges(now_ns, is_ejected(now_ns, i));
}

std::shared_ptr<const UpstreamSet> UpstreamStates::current() const {
    const std::lock_guard lock(mutex_);
    return current_;
}

std::shared_ptr<EjectionGroup> UpstreamStates::group(const std::string& key,
                                                     const OutlierOptions& options,
                                                     std::size_t members) {
    Group& held = groups_[key];
    if (held.group == nullptr || held.options != options)
        held = {options, std::make_shared<EjectionGroup>(options, members)};
    return held.group;
}

void UpstreamStates::find_groups(const RouteTable& routes, const RoutingOptions& routing,
                                 UpstreamSet* set) {
    if (!routing.has_ejection) return groups_.clear();
    std::map<std::string, std::vector<std::uint32_t>> by_work;
    for (const auto& deployment : routes.deployments())
        by_work[work_key(deployment->options)].push_back(deployment->index);
    std::map<std::string, Group> kept;
    for (const auto& [work, members] : by_work) {
        if (members.size() < 2) continue;
        // The same members as before are the same group, and keep what is known of them.
        std::string key;
        for (const std::uint32_t index : members)
            key.append(routes.deployments()[index]->options.name).append("\n");
        const std::shared_ptr<EjectionGroup> found = group(key, routing.ejection, members.size());
        kept[key] = groups_[key];
        for (std::size_t place = 0; place < members.size(); ++place) {
            set->members_[members[place]].group = found;
            set->members_[members[place]].place = place;
        }
    }
    groups_ = std::move(kept);
}

void UpstreamStates::find_regions(const RouteTable& routes, const RoutingOptions& routing,
                                  UpstreamSet* set) {
    if (routing.order != RoutingOrder::regions) {
        regions_ = nullptr;
        return;
    }
    // Regions that are only named by an upstream come after those that are listed.
    std::vector<RegionPrior> priors = routing.regions;
    const auto find = [&priors](std::string_view name) {
        return static_cast<std::size_t>(std::ranges::find(priors, name, &RegionPrior::name) -
                                        priors.begin());
    };
    for (const auto& deployment : routes.deployments()) {
        const std::string& region = deployment->options.region;
        if (region.empty()) continue;
        if (find(region) == priors.size()) priors.push_back({region, 0});
        set->members_[deployment->index].region = find(region);
    }
    if (regions_ == nullptr || priors != region_priors_) {
        region_priors_ = priors;
        regions_ = std::make_shared<SharedRegionOrder>(std::move(priors));
    }
    set->regions_ = regions_;
}

std::shared_ptr<const UpstreamSet> UpstreamStates::configure(
    std::shared_ptr<const RouteTable> routes, std::shared_ptr<const GatewayOptions> options,
    MetricsRegistry* registry, std::int64_t now_ns) {
    const std::lock_guard lock(mutex_);
    if (current_ != nullptr && routes_ == routes && options_ == options) return current_;
    auto set = std::make_shared<UpstreamSet>();
    std::map<std::string, std::shared_ptr<DeploymentState>> states;
    for (const auto& deployment : routes->deployments()) {
        const UpstreamOptions& each = deployment->options;
        std::shared_ptr<DeploymentState> state;
        if (const auto found = states_.find(each.name); found != states_.end())
            state = found->second;
        if (state == nullptr || state->base_url() != each.base_url) {
            std::uint64_t seed = 0;
            fill_secure_random(&seed, sizeof seed);
            state = std::make_shared<DeploymentState>(*deployment, registry, seed, now_ns);
            if (fleet_ != nullptr) state->join_fleet(fleet_);
        }
        state->configure(*deployment, options->routing, now_ns);
        states[each.name] = state;
        set->members_.push_back({std::move(state), nullptr, 0, UpstreamSet::kNoRegion});
    }
    states_ = std::move(states);
    find_groups(*routes, options->routing, set.get());
    find_regions(*routes, options->routing, set.get());
    routes_ = std::move(routes);
    options_ = std::move(options);
    current_ = std::move(set);
    return current_;
}

}  // namespace tg
