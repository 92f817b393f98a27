#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gateway/deployment_state.h"
#include "gateway/options.h"
#include "gateway/outlier_ejection.h"
#include "gateway/region_order.h"
#include "gateway/route_table.h"
#include "gateway/upstream_status.h"

namespace tg {

/// Deployments that do the same work, compared with each other. Thread-safe.
class EjectionGroup {
  public:
    EjectionGroup(const OutlierOptions& options, std::size_t members)
        : ejection_(options, members) {}
    void observe(std::int64_t now_ns, std::size_t member, CallVerdict verdict,
                 std::optional<std::int64_t> first_byte_ns) {
        const std::lock_guard lock(mutex_);
        ejection_.observe(now_ns, member, verdict, first_byte_ns);
    }
    bool is_ejected(std::int64_t now_ns, std::size_t member) {
        const std::lock_guard lock(mutex_);
        return ejection_.is_ejected(now_ns, member);
    }
    OutlierReason reason(std::int64_t now_ns, std::size_t member) {
        const std::lock_guard lock(mutex_);
        return ejection_.is_ejected(now_ns, member) ? ejection_.reason(member)
                                                    : OutlierReason::none;
    }

  private:
    std::mutex mutex_;
    OutlierEjection ejection_;
};

/// RegionOrder behind a lock.
class SharedRegionOrder {
  public:
    explicit SharedRegionOrder(std::vector<RegionPrior> regions) : order_(std::move(regions)) {}
    void observe(std::int64_t now_ns, std::size_t region, CallVerdict verdict,
                 std::int64_t first_byte_ns) {
        const std::lock_guard lock(mutex_);
        order_.observe(now_ns, region, verdict, first_byte_ns);
    }
    std::uint32_t rank(std::int64_t now_ns, std::size_t region) {
        const std::lock_guard lock(mutex_);
        return order_.rank(now_ns, region);
    }

  private:
    std::mutex mutex_;
    RegionOrder order_;
};

/// The states of one route table's deployments, by Deployment::index. Immutable but for the states
/// themselves; kept by whoever took a snapshot.
class UpstreamSet {
  public:
    DeploymentState& state(std::uint32_t index) const { return *members_[index].state; }
    /// Everything choose_route() asks about a deployment but its price.
    void describe(std::int64_t now_ns, const Deployment& deployment, std::string_view model,
                  const PacerCost& cost, RouteOption* option) const;
    /// How a call went, for what compares deployments. `first_byte_ns` < 0: there was none.
    void observe(std::int64_t now_ns, std::uint32_t index, CallVerdict verdict,
                 std::int64_t first_byte_ns) const;
    bool is_ejected(std::int64_t now_ns, std::uint32_t index) const;
    std::vector<UpstreamStatus> status(std::int64_t now_ns) const;
    void refresh_gauges(std::int64_t now_ns) const;
    std::size_t size() const { return members_.size(); }

  private:
    friend class UpstreamStates;
    static constexpr std::size_t kNoRegion = SIZE_MAX;
    struct Member {
        std::shared_ptr<DeploymentState> state;
        std::shared_ptr<EjectionGroup> group;  ///< null: nobody to be compared with
        std::size_t place = 0;                 ///< in its group
        std::size_t region = kNoRegion;        ///< in regions_
    };
    std::vector<Member> members_;
    std::shared_ptr<SharedRegionOrder> regions_;  ///< null: not ordered by them
};

/// All accounts this process knows, across reloads. Thread-safe; owned by GatewayShared.
class UpstreamStates {
  public:
    /// The states for a version of routes and options; the same object for the same version, so
    /// that every loop may ask. What is known of a deployment stays while its name and base URL do.
    std::shared_ptr<const UpstreamSet> configure(std::shared_ptr<const RouteTable> routes,
                                                 std::shared_ptr<const GatewayOptions> options,
                                                 MetricsRegistry* registry, std::int64_t now_ns);
    /// Accounts' limits are shared with the other processes of a fleet; before configure().
    void join_fleet(FleetAccounts* fleet) {
        const std::lock_guard lock(mutex_);
        fleet_ = fleet;
    }
    /// The newest set; null before the first configure().
    std::shared_ptr<const UpstreamSet> current() const;

  private:
    std::shared_ptr<EjectionGroup> group(const std::string& key, const OutlierOptions& options,
                                         std::size_t members);
    void find_groups(const RouteTable& routes, const RoutingOptions& routing, UpstreamSet* set);
    void find_regions(const RouteTable& routes, const RoutingOptions& routing, UpstreamSet* set);

    mutable std::mutex mutex_;
    std::shared_ptr<const RouteTable> routes_;
    std::shared_ptr<const GatewayOptions> options_;
    std::shared_ptr<const UpstreamSet> current_;
    FleetAccounts* fleet_ = nullptr;
    std::map<std::string, std::shared_ptr<DeploymentState>> states_;
    struct Group {
        OutlierOptions options;
        std::shared_ptr<EjectionGroup> group;
    };
    std::map<std::string, Group> groups_;
    std::vector<RegionPrior> region_priors_;
    std::shared_ptr<SharedRegionOrder> regions_;
};

}  // namespace tg
