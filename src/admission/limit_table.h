#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "admission/admission_types.h"
#include "admission/tiers.h"
#include "base/result.h"
#include "base/strong.h"

namespace tg {

/// What limits are given to. The names are stable: tables, the API and the audit log use them.
enum class LimitScope : std::uint8_t {
    everyone,  ///< "default": customers without a tier of their own
    customer,
    project,
    key,
    model,           ///< of all customers together
    customer_model,  ///< one customer's use of one model
};
std::string_view name(LimitScope scope);
std::optional<LimitScope> parse_limit_scope(std::string_view name);

struct LimitSubject {
    LimitScope scope = LimitScope::everyone;
    std::uint32_t id = 0;  ///< of the customer, project or key; 0 for the others
    std::string model{};   ///< as clients ask for it; of model and customer_model

    static LimitSubject of(CustomerId customer) { return {LimitScope::customer, customer.get()}; }
    static LimitSubject of(ProjectId project) { return {LimitScope::project, project.get()}; }
    static LimitSubject of(KeyId key) { return {LimitScope::key, key.get()}; }
    static LimitSubject of_model(std::string model) {
        return {LimitScope::model, 0, std::move(model)};
    }
    static LimitSubject of_model(CustomerId customer, std::string model) {
        return {LimitScope::customer_model, customer.get(), std::move(model)};
    }
    /// "customer:7", "model:gpt-4o", "customer_model:7:gpt-4o", "default".
    std::string text() const;
    friend bool operator==(const LimitSubject&, const LimitSubject&) = default;
};

/// The level that admission counts a subject at. `everyone` has none.
LevelId level_id(const LimitSubject& subject);

/// What is set for one subject. Models have own limits only.
struct LimitAssignment {
    LimitSubject subject{};
    std::string tier{};  ///< code; empty: none
    OwnLimits own{};
    std::optional<std::uint32_t> weight{};      ///< 1..1000, share where it is contended; default 1
    std::optional<PriorityClass> priority{};    ///< the best class its calls may have
    std::optional<std::int64_t> max_wait_ms{};  ///< waiting in line, where the caller does not say
    std::uint32_t row_id = 0;                   ///< 0: not stored

    bool is_empty() const {
        return tier.empty() && own.is_empty() && !weight && !priority && !max_wait_ms;
    }
};

/// What holds for the calls of one key. The nearest that is set counts: key, project, customer,
/// default.
struct CallerPolicy {
    const Tier* tier = nullptr;  ///< in force, for its rights; lives as long as the table
    PriorityClass priority = PriorityClass::standard;
    std::uint32_t customer_weight = 1;
    std::uint32_t key_weight = 1;  ///< the key's, else the project's
    std::optional<std::int64_t> max_wait_ms{};
};

/// All tiers and limits as of one moment. Immutable; a request takes it once.
///
/// Each of a request's levels is enforced by itself, so none can allow more than another: what a
/// level allows is its own tier's limits with its own values in their place. A customer without a
/// tier has the default's; without that, and without limits of its own, it may do nothing.
class LimitTable {
  public:
    /// Errors: corrupt_data naming the assignment whose tier does not exist.
    static Result<std::shared_ptr<const LimitTable>> build(std::vector<Tier> tiers,
                                                           std::vector<LimitAssignment> assignments,
                                                           std::int64_t version = 0);
    /// Everybody may do everything; what a gate starts with when it has no store.
    static std::shared_ptr<const LimitTable> unlimited();

    const LimitAssignment* find(const LimitSubject& subject) const;
    const Tier* tier(std::string_view code) const { return find_tier(tiers_, code); }
    /// What the level of this subject enforces.
    Limits limits_of(const LimitSubject& subject) const;
    CallerPolicy policy_of(CustomerId customer, ProjectId project, KeyId key) const;
    /// Whether any model has limits: without, nobody need look.
    bool has_model_limits() const { return has_model_limits_; }

    const std::vector<Tier>& tiers() const { return tiers_; }
    const std::vector<LimitAssignment>& assignments() const { return assignments_; }
    std::int64_t version() const { return version_; }

  private:
    struct Hash {
        std::size_t operator()(const LimitSubject& subject) const noexcept {
            return std::hash<LevelId>()(level_id(subject));
        }
    };
    const Tier* tier_of(const LimitAssignment* assignment) const {
        return assignment == nullptr ? nullptr : tier(assignment->tier);
    }

    std::vector<Tier> tiers_;
    std::vector<LimitAssignment> assignments_;
    std::unordered_map<LimitSubject, std::uint32_t, Hash> index_;
    bool has_model_limits_ = false;
    std::int64_t version_ = 0;
};

}  // namespace tg
