#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/result.h"
#include "base/strong.h"
#include "identity/data_policy.h"

namespace tg {

struct Customer {
    CustomerId id;
    std::string code{};  ///< short stable name in bill ids and commands: [a-z0-9-]{1,32}
    std::string name{};
    std::string time_zone = "Asia/Shanghai";
    bool is_active = true;
    std::string hold{};        ///< why its calls are refused for now; "": they are not
    DataPolicy data_policy{};  ///< holds for all its projects, which may narrow it
    UtcMicros created_at{};
};

struct Project {
    ProjectId id;
    CustomerId customer;
    std::string code{};  ///< unique within the customer
    std::string name{};
    std::string department{};
    std::string environment{};  ///< production, staging, ... free text
    bool is_active = true;
    DataPolicy own_policy{};   ///< what was set for the project itself
    DataPolicy data_policy{};  ///< what holds: own_policy below its customer's
    UtcMicros created_at{};
};

struct ApiKey {
    KeyId id;
    std::optional<ProjectId> project{};  ///< a key without one is refused (C8)
    std::string name{};
    std::string hint{};  ///< first ten and last four characters, for people: "sk-tg-3fGh…x9Qz"
    Sha256 hash{};       ///< of the whole key; the key itself is never kept
    std::optional<UtcMicros> expires_at{};  ///< first moment at which the key is refused
    bool is_active = true;
    UtcMicros created_at;
};

/// Who a request is, with everything the request path needs. Pointers live as long as the
/// Directory.
struct Caller {
    const ApiKey* key = nullptr;
    const Project* project = nullptr;
    const Customer* customer = nullptr;
};

/// All customers, projects and keys as of one moment. Immutable; a request takes it once and keeps
/// it to its end.
class Directory {
  public:
    /// `version` is the store's directory version that the rows belong to.
    Directory(std::vector<Customer> customers, std::vector<Project> projects,
              std::vector<ApiKey> keys, std::int64_t version = 0);
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    /// Errors: unauthenticated (no such key), key_disabled (key, project or customer), key_expired,
    /// key_without_project, budget_exhausted (the customer is on hold). The text of an error never
    /// contains the key. Costs the SHA-256 of the key and one probe of the table.
    Result<Caller> authenticate(std::string_view presented_key, UtcMicros now) const;

    const Customer* customer(CustomerId id) const;
    const Customer* customer(std::string_view code) const;
    const Project* project(ProjectId id) const;
    const Project* project(CustomerId customer, std::string_view code) const;
    const ApiKey* key(KeyId id) const;
    const std::vector<Customer>& customers() const { return customers_; }
    const std::vector<Project>& projects() const { return projects_; }
    const std::vector<ApiKey>& keys() const { return keys_; }
    std::int64_t version() const { return version_; }

  private:
    const Caller* find(const Sha256& hash) const;
    void index_keys();

    std::vector<Customer> customers_;
    std::vector<Project> projects_;
    std::vector<ApiKey> keys_;
    std::int64_t version_;
    std::unordered_map<CustomerId, const Customer*> customer_by_id_;
    std::unordered_map<ProjectId, const Project*> project_by_id_;
    std::unordered_map<KeyId, const ApiKey*> key_by_id_;
    std::vector<Caller> callers_;  ///< parallel to keys_
    std::vector<std::uint32_t>
        key_slots_;  ///< open addressing on the hash's first bytes: index into keys_ + 1, or 0
};

}  // namespace tg
