#pragma once
#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admission/limit_table.h"
#include "base/snapshot.h"
#include "identity/identity_store.h"
#include "store/connection_pool.h"

namespace tg {

/// What is given changes; of a new tier the rest has Tier's defaults.
struct TierPatch {
    std::optional<std::string> name{};
    OwnLimits limits{};
    std::optional<Retention> retention{};
    std::optional<std::int64_t> support_response_minutes{}, sla_availability_per_mille10{};
    std::optional<bool> has_fine_tuning{};
    std::optional<std::int64_t> discount_min_per_mille{}, discount_max_per_mille{},
        dedicated_instances_max{};
};

/// What is given changes; an inner none takes it away.
struct LimitPatch {
    std::optional<std::optional<std::string>> tier{};
    std::array<std::optional<std::optional<std::int64_t>>, kLimitKindCount> own{};
    std::optional<std::optional<std::int64_t>> weight{};
    std::optional<std::optional<PriorityClass>> priority{};
    std::optional<std::optional<std::int64_t>> max_wait_ms{};
};

inline constexpr std::int64_t kWeightMax = 1'000;
inline constexpr std::int64_t kMaxWaitMsMax = 3'600'000;

/// Tiers and limits in the store. Each change is one transaction that also raises the limits
/// version and appends to the audit log; afterwards `on_changed` is called, so that the change
/// holds when the function returns. Thread-safe; blocking. Errors: invalid_request naming the
/// field and its bounds, not_found, conflict (code taken, tier in use), store_unavailable,
/// corrupt_data. What changes nothing succeeds and leaves no trace.
class LimitStore {
  public:
    /// `pool` outlives the store.
    explicit LimitStore(ConnectionPool* pool, DirectoryChanged on_changed = {})
        : pool_(pool), on_changed_(std::move(on_changed)) {}

    Result<std::vector<Tier>> tiers();  ///< in order of code
    Result<Tier> tier(std::string_view code);
    Result<Tier> create_tier(std::string_view code, const TierPatch& rest, const Change& change);
    Result<Tier> update_tier(std::string_view code, const TierPatch& patch, const Change& change);
    Status delete_tier(std::string_view code, const Change& change);

    /// With the limits that the subject's level enforces. A subject that nothing is set for has
    /// an empty assignment.
    struct View {
        LimitAssignment assignment;
        Limits in_force;
    };
    Result<View> limits(const LimitSubject& subject);
    Result<std::vector<LimitAssignment>> assignments(PageRequest page);
    Result<View> change_limits(const LimitSubject& subject, const LimitPatch& patch,
                               const Change& change);
    /// Takes all of it away; the same as never set.
    Result<View> clear_limits(const LimitSubject& subject, const Change& change);

  private:
    using Work = std::function<Status(SqlConnection&)>;
    Status transact(const Work& work);

    ConnectionPool* pool_;
    DirectoryChanged on_changed_;
};

/// All of it, of one version. Blocking. Errors: store_unavailable, corrupt_data naming the row.
Result<std::shared_ptr<const LimitTable>> load_limits(SqlConnection& connection);

/// The limits that requests see, and their renewal; as DirectoryHolder. Thread-safe.
class LimitHolder {
  public:
    LimitHolder() : current_(LimitTable::unlimited()) {}
    std::shared_ptr<const LimitTable> get() const { return current_.get(); }
    /// Loads and publishes when the store has another version; tells whether it did. Blocking. On
    /// an error the published limits stay.
    Result<bool> refresh(SqlConnection& connection);

  private:
    std::mutex refresh_mutex_;
    Snapshot<LimitTable> current_;
};

}  // namespace tg
