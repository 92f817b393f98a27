#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/result.h"
#include "base/strong.h"

namespace tg {

struct Customer {
    CustomerId id;
    std::string code;  ///< short stable name in bill ids and commands: [a-z0-9-]{1,32}
    std::string name;
    std::string time_zone = "Asia/Shanghai";
    bool is_active = true;
};

struct Project {
    ProjectId id;
    CustomerId customer;
    std::string code;  ///< unique within the customer
    std::string name;
    std::string department;
    std::string environment;  ///< production, staging, ... free text
    bool is_active = true;
};

struct ApiKey {
    KeyId id;
    std::optional<ProjectId> project;  ///< a key without one is refused (C8)
    std::string name;
    std::string hint;  ///< first characters, for people: "sk-tg-3fGh…"
    Sha256 hash{};     ///< of the whole key; the key itself is never kept
    std::optional<UtcMicros> expires_at;
    bool is_active = true;
    UtcMicros created_at;
};

/// Who a request is, with everything the request path needs. Pointers live as long as the Directory.
struct Caller {
    const ApiKey* key = nullptr;
    const Project* project = nullptr;
    const Customer* customer = nullptr;
};

/// All customers, projects and keys as of one moment. Immutable; a request takes it once and keeps it to its end.
class Directory {
  public:
    Directory(std::vector<Customer> customers, std::vector<Project> projects, std::vector<ApiKey> keys);

    /// Errors: unauthenticated (no such key), key_disabled (key, project or customer), key_expired, key_without_project.
    /// The text of an error never contains the key.
    Result<Caller> authenticate(std::string_view presented_key, UtcMicros now) const;

    const Customer* customer(CustomerId id) const;
    const Customer* customer(std::string_view code) const;
    const Project* project(ProjectId id) const;
    const Project* project(CustomerId customer, std::string_view code) const;
    const ApiKey* key(KeyId id) const;
    const std::vector<Customer>& customers() const { return customers_; }
    const std::vector<Project>& projects() const { return projects_; }
    const std::vector<ApiKey>& keys() const { return keys_; }

  private:
    std::vector<Customer> customers_;
    std::vector<Project> projects_;
    std::vector<ApiKey> keys_;
    std::vector<std::uint32_t> key_slots_;  ///< open addressing on the hash's first bytes
};

}  // namespace tg
