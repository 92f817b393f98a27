#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "identity/audit_log.h"
#include "identity/directory.h"
#include "identity/key_text.h"
#include "store/connection_pool.h"

namespace tg {

/// A client's promise that a repeated create is the same one. `request_hash` tells whether it keeps
/// it.
struct Idempotency {
    std::string token{};         ///< 1 to 200 characters, unique per actor for a day
    std::string request_hash{};  ///< SHA-256 of method, path and body in hexadecimal
};

/// Who changes something, and when. Goes to the audit log.
struct Change {
    std::string actor{};
    UtcMicros at;
    std::optional<Idempotency> idempotency{};  ///< looked at by the creating functions only
};

template <typename T>
struct Created {
    T value;
    bool was_replayed = false;  ///< an earlier request with the same idempotency token had made it
};

/// The secret's only appearance. Empty after a replay: it was shown the first time and is not kept.
struct CreatedKey {
    ApiKey key;
    std::string secret{};
    bool was_replayed = false;
};

struct NewCustomer {
    std::string code{}, name{};
    std::string time_zone = "Asia/Shanghai";
    DataPolicyPatch data_policy{};  ///< of the empty policy, which demands nothing
};
struct CustomerPatch {
    std::optional<std::string> name{}, time_zone{};
    std::optional<bool> is_active{};
    /// Refused when a project of the customer could not stand below it: no region would be left, or
    /// another pool is named there.
    DataPolicyPatch data_policy{};
};
struct NewProject {
    CustomerId customer{};
    std::string code{}, name{}, department{};
    std::string environment = "production";
    DataPolicyPatch data_policy{};  ///< of the empty policy, which demands nothing
};
struct ProjectPatch {
    std::optional<std::string> name{}, department{}, environment{};
    std::optional<bool> is_active{};
    DataPolicyPatch data_policy{};  ///< refused when it would widen the customer's policy
};
struct NewKey {
    /// May be given later by update_key(); until then the key is refused.
    std::optional<ProjectId> project{};
    std::string name{};
    std::optional<UtcMicros> expires_at{};
};
struct KeyPatch {
    std::optional<std::string> name{};
    /// Only for a key that has none: what a key was billed to does not change.
    std::optional<ProjectId> project{};
    std::optional<std::optional<UtcMicros>> expires_at{};  ///< inner none: never
    std::optional<bool> is_active{};
};
struct KeyRotation {
    /// How long the old key stays valid beside the new one; 0 disables it at once. Never prolongs
    /// it.
    std::int64_t overlap_micros = 0;
    std::optional<UtcMicros> expires_at{};  ///< of the new key
};

/// What a token may do. `write` is every change; the others are the changes of one role: `finance`
/// those of bills, payments, invoices and prices, `account_manager` those of customers, contracts
/// and limits, `platform` those of keys, projects, tiers and limits. An auditor has `read` alone.
enum class AdminScope : std::uint8_t {
    read = 1,
    write = 2,
    finance = 4,
    account_manager = 8,
    platform = 16,
};
struct AdminScopes {
    std::uint8_t bits = 0;
    constexpr bool has(AdminScope scope) const {
        return (bits & static_cast<std::uint8_t>(scope)) != 0;
    }
    constexpr bool has_any(AdminScopes scopes) const { return (bits & scopes.bits) != 0; }
    constexpr AdminScopes with(AdminScope scope) const {
        return {static_cast<std::uint8_t>(bits | static_cast<std::uint8_t>(scope))};
    }
    constexpr AdminScopes with(AdminScopes scopes) const {
        return {static_cast<std::uint8_t>(bits | scopes.bits)};
    }
    friend constexpr bool operator==(AdminScopes, AdminScopes) = default;
};
std::string_view name(AdminScope scope);
/// One scope with what it includes: every scope includes `read`. Errors: invalid_request naming it.
Result<AdminScopes> parse_admin_scope(std::string_view text);
/// "read", "read,finance,platform". Errors: as parse_admin_scope().
Result<AdminScopes> parse_admin_scopes(std::string_view text);
std::vector<AdminScope> scopes_in(AdminScopes scopes);
std::string to_string(AdminScopes scopes);

struct AdminToken {
    std::uint32_t id = 0;
    std::string name{};
    std::string hint{};
    AdminScopes scopes;
    std::optional<UtcMicros> expires_at{};
    bool is_active = true;
    UtcMicros created_at;
};
struct NewAdminToken {
    std::string name{};
    AdminScopes scopes;
    std::optional<UtcMicros> expires_at{};
};
struct AdminTokenPatch {
    std::optional<std::string> name{};
    std::optional<bool> is_active{};
};
struct CreatedAdminToken {
    AdminToken token;
    std::string secret{};
    bool was_replayed = false;
};

/// Rows with an id above `after_id`, in order of id, at most `limit`.
struct PageRequest {
    std::uint32_t after_id = 0;
    int limit = 100;
};

/// Called after a committed change of customers, projects or keys, on the connection that made it:
/// publishes the new directory, usually by DirectoryHolder::refresh().
using DirectoryChanged = std::function<Status(SqlConnection&)>;

/// Customers, projects, keys and admin tokens in the store. Each change is one transaction that
/// also raises the directory version and appends to the audit log; afterwards `on_changed` is
/// called, so that the change holds when the function returns. Thread-safe; blocking. Nothing is
/// ever deleted: billed history stays readable. Errors: invalid_request naming the field,
/// not_found, conflict (taken code, idempotency token used for another request), store_unavailable,
/// corrupt_data. A patch that changes nothing succeeds and leaves no trace.
class IdentityStore {
  public:
    /// `pool` outlives the store.
    explicit IdentityStore(ConnectionPool* pool, DirectoryChanged on_changed = {},
                           FillRandom fill = fill_secure_random)
        : pool_(pool), on_changed_(std::move(on_changed)), fill_(fill) {}

    Result<Created<Customer>> create_customer(const NewCustomer& request, const Change& change);
    Result<Customer> update_customer(CustomerId id, const CustomerPatch& patch,
                                     const Change& change);
    Result<Customer> customer(CustomerId id);
    Result<Customer> customer(std::string_view code);
    Result<std::vector<Customer>> customers(PageRequest page);

    Result<Created<Project>> create_project(const NewProject& request, const Change& change);
    Result<Project> update_project(ProjectId id, const ProjectPatch& patch, const Change& change);
    Result<Project> project(ProjectId id);
    Result<Project> project(CustomerId customer, std::string_view code);
    Result<std::vector<Project>> projects(PageRequest page,
                                          std::optional<CustomerId> customer = {});

    Result<CreatedKey> create_key(const NewKey& request, const Change& change);
    Result<ApiKey> update_key(KeyId id, const KeyPatch& patch, const Change& change);
    /// A new key like the old one (project, name), which ends now or after the overlap. Errors:
    /// conflict when it is disabled.
    Result<CreatedKey> rotate_key(KeyId id, const KeyRotation& rotation, const Change& change);
    Result<ApiKey> key(KeyId id);
    Result<std::vector<ApiKey>> keys(PageRequest page, std::optional<ProjectId> project = {},
                                     std::optional<CustomerId> customer = {});

    Result<CreatedAdminToken> create_admin_token(const NewAdminToken& request,
                                                 const Change& change);
    Result<AdminToken> update_admin_token(std::uint32_t id, const AdminTokenPatch& patch,
                                          const Change& change);
    Result<AdminToken> admin_token(std::uint32_t id);
    Result<std::vector<AdminToken>> admin_tokens(PageRequest page);
    /// Errors: unauthenticated (unknown, disabled or expired; the text says which, never the
    /// token).
    Result<AdminToken> authenticate_admin(std::string_view presented, UtcMicros now);

    Result<std::vector<AuditEntry>> audit(const AuditFilter& filter);
    Result<std::int64_t> verify_audit_log();

  private:
    enum class Affects : std::uint8_t { directory, tokens_only };
    using Work = std::function<Status(SqlConnection&)>;
    /// Runs `work` in one transaction, serialised with all other changes, and tells of it.
    Status transact(Affects affects, const Work& work);

    ConnectionPool* pool_;
    DirectoryChanged on_changed_;
    FillRandom fill_;
};

}  // namespace tg
