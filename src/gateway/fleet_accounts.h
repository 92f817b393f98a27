#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "admission/fleet_member.h"
#include "gateway/account_pacer.h"

namespace tg {

/// An upstream account that the processes of a fleet share: whoever owns its pacer. Calls come from
/// the fleet's thread, without its locks.
class FleetAccount {
  public:
    virtual ~FleetAccount() = default;
    struct State {
        bool is_gone = false;  ///< its owner is no more; nothing else is said
        PacerUse use{};
        /// In line for it, all together and the first alone; 0 calls: nobody.
        PacerCost waiting{.requests = 0};
        PacerCost next{.requests = 0};
    };
    virtual State fleet_state(std::int64_t now_ns) = 0;
    /// As AccountPacer's; those in line may go on.
    virtual void set_fleet_share(const MinuteLimits& share, std::int64_t concurrency) = 0;
    virtual void set_fleet_until(std::int64_t until_ns) = 0;
};

/// The accounts of this process as levels of the fleet. An account is named the same by all
/// processes (deployment and, where it has limits of its own, model). Thread-safe.
class FleetAccounts final : public FleetLevels {
  public:
    /// Tells the fleet's driver of a level; any thread.
    using Want = std::function<void(FleetLevels*, const FleetWant&)>;
    explicit FleetAccounts(Want want) : want_(std::move(want)) {}

    /// From now on its shares are asked for; until there is one `account`, whose pacer has joined
    /// the fleet already, uses nothing. One of the same name replaces the former, whose use is
    /// forgotten then. Does not call `account`.
    LevelHandle add(const std::string& name, std::shared_ptr<FleetAccount> account);
    /// Calls wait for the account's limits: asks now, not at the next regular time.
    void want(LevelHandle level);

    FleetReport report(LevelHandle level, std::int64_t now_us) override;
    void set_share(LevelHandle level, const FleetShare& share, std::int64_t now_us) override;
    void drop_share(LevelHandle level, std::int64_t now_us) override;
    void set_shares_until(std::int64_t until_us) override;

  private:
    struct Entry {
        LevelId id{};
        std::shared_ptr<FleetAccount> account;
        Limits share{0, 0, 0, 0, 0};
    };
    Entry entry(LevelHandle level) const;

    Want want_;
    mutable std::mutex mutex_;
    std::vector<Entry> entries_;
};

}  // namespace tg
