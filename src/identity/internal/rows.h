#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "identity/identity_store.h"
#include "store/read_rows.h"
#include "store/sql.h"

namespace tg::identity_internal {

/// What is stored of a secret: its SHA-256 in hexadecimal.
std::string hash_text(std::string_view secret);
bool parse_hash(std::string_view digits, Sha256* out);  ///< 64 hexadecimal digits

/// Column lists and the readers of their rows, kept side by side because they belong together.
inline constexpr std::string_view kCustomerColumns =
    "id, code, name, time_zone, is_active, created_at, zero_retention, allow_web_search, "
    "keep_end_user, regions, pool, pool_on_request";
/// With the customer's policy, below which a project's stands. Conditions name columns as p.name.
inline constexpr std::string_view kProjectSelect =
    "SELECT p.id, p.customer_id, p.code, p.name, p.department, p.environment, p.is_active, "
    "p.created_at, p.zero_retention, p.allow_web_search, p.keep_end_user, p.regions, p.pool, "
    "p.pool_on_request, c.zero_retention, c.allow_web_search, c.keep_end_user, c.regions, c.pool, "
    "c.pool_on_request FROM projects p JOIN customers c ON c.id = p.customer_id";
inline constexpr std::string_view kKeyColumns =
    "id, project_id, name, hint, hash, expires_at, is_active, created_at";
inline constexpr std::string_view kTokenColumns =
    "id, name, hint, scopes, expires_at, is_active, created_at";
/// The six columns of a policy, from `first` on.
DataPolicy policy_of(const SqlRow& row, int first);
Result<Customer> customer_of(const SqlRow& row);
Result<Project> project_of(const SqlRow& row);
Result<ApiKey> key_of(const SqlRow& row);
Result<AdminToken> token_of(const SqlRow& row);

/// For the audit log; secrets and hashes are left out.
std::string to_json(const Customer& customer);
std::string to_json(const Project& project);
std::string to_json(const ApiKey& key);
std::string to_json(const AdminToken& token);

/// Errors: invalid_request naming the field, the value where it is short, and the rule.
Status check_code(std::string_view field, std::string_view code);
Status check_text(std::string_view field, std::string_view text, bool may_be_empty);
Status check_time_zone(std::string_view name);

inline SqlValue value_of(const std::optional<UtcMicros>& time) {
    return time ? SqlValue(time->micros) : SqlValue(std::monostate{});
}
/// Regions as they are stored: NULL is anywhere, '' nowhere.
SqlValue value_of(const std::optional<std::vector<std::string>>& regions);
inline SqlValue value_of(const std::optional<ProjectId>& project) {
    return project ? SqlValue(std::int64_t{project->get()}) : SqlValue(std::monostate{});
}

/// The one row of a query. Errors: not_found saying that `what` does not exist.
template <typename T>
Result<T> read_one(SqlConnection& connection, std::string_view sql,
                   std::span<const SqlValue> values, Result<T> (*read)(const SqlRow&),
                   std::string_view what) {
    TG_TRY(std::vector<T> rows, read_rows(connection, sql, values, read));
    if (rows.empty()) return fail(ErrorCode::not_found, std::string(what) + " does not exist");
    return std::move(rows.front());
}

Result<Customer> find_customer(SqlConnection& connection, CustomerId id);
Result<Project> find_project(SqlConnection& connection, ProjectId id);
Result<ApiKey> find_key(SqlConnection& connection, KeyId id);
Result<AdminToken> find_token(SqlConnection& connection, std::uint32_t id);

/// Writes the act to the audit log.
Status record(SqlConnection& connection, const Change& change, std::string_view action,
              std::string_view kind, std::uint32_t id, std::string before, std::string after);

/// What an earlier create with the same idempotency token made, or none. Runs inside the serialised
/// transaction. Errors: conflict when the token was used for another request, invalid_request for a
/// bad token.
Result<std::optional<std::uint32_t>> find_replay(SqlConnection& connection, const Change& change,
                                                 std::string_view kind);
Status remember(SqlConnection& connection, const Change& change, std::string_view kind,
                std::uint32_t id);

/// The id of INSERT ... RETURNING id. Errors: as query(), corrupt_data when ids have run out.
Result<std::uint32_t> insert_returning_id(SqlConnection& connection, std::string_view sql,
                                          std::initializer_list<SqlValue> values);

}  // namespace tg::identity_internal
