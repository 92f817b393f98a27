#include "identity/directory_holder.h"

#include "identity/internal/rows.h"
#include "store/sql.h"

namespace tg {
namespace {

/// Kinds: 0 the version, 1 customers, 2 projects, 3 keys. One statement sees one state of the store
/// in both dialects.
constexpr std::string_view kLoad =
    "SELECT 0, version, CAST(NULL AS BIGINT), 1, CAST(NULL AS BIGINT), 0, '', '', '', '', "
    "0, 0, 0, CAST(NULL AS TEXT), '', '' FROM directory_version "
    "UNION ALL SELECT 1, id, CAST(NULL AS BIGINT), is_active, CAST(NULL AS BIGINT), created_at, "
    "code, name, time_zone, COALESCE((SELECT h.reason FROM customer_holds h WHERE h.customer_id = "
    "customers.id), ''), "
    "zero_retention, allow_web_search, keep_end_user, regions, pool, pool_on_request "
    "FROM customers "
    "UNION ALL SELECT 2, id, customer_id, is_active, CAST(NULL AS BIGINT), created_at, code, name, "
    "department, environment, "
    "zero_retention, allow_web_search, keep_end_user, regions, pool, pool_on_request "
    "FROM projects "
    "UNION ALL SELECT 3, id, project_id, is_active, expires_at, created_at, '', name, hint, hash, "
    "0, 0, 0, CAST(NULL AS TEXT), '', '' FROM api_keys "
    "ORDER BY 1, 2";

struct Loaded {
    std::int64_t version = 0;
    std::vector<Customer> customers;
    std::vector<Project> projects;
    std::vector<ApiKey> keys;
    std::string error;
};

void add_key(const SqlRow& row, Loaded& out) {
    ApiKey key{.id = KeyId(static_cast<std::uint32_t>(row.integer(1))),
               .name = std::string(row.text(7)),
               .hint = std::string(row.text(8)),
               .is_active = row.integer(3) != 0,
               .created_at = {row.integer(5)}};
    if (!row.is_null(2)) key.project = ProjectId(static_cast<std::uint32_t>(row.integer(2)));
    if (!row.is_null(4)) key.expires_at = UtcMicros{row.integer(4)};
    if (!identity_internal::parse_hash(row.text(9), &key.hash)) {
        out.error = "the hash of API key " + std::to_string(row.integer(1)) +
                    " is no SHA-256 in hexadecimal";
    }
    out.keys.push_back(std::move(key));
}

void add_row(const SqlRow& row, Loaded& out) {
    const auto id = static_cast<std::uint32_t>(row.integer(1));
    switch (row.integer(0)) {
        case 0:
            out.version = row.integer(1);
            break;
        case 1:
            out.customers.push_back({.id = CustomerId(id),
                                     .code = std::string(row.text(6)),
                                     .name = std::string(row.text(7)),
                                     .time_zone = std::string(row.text(8)),
                                     .is_active = row.integer(3) != 0,
                                     .hold = std::string(row.text(9)),
                                     .data_policy = identity_internal::policy_of(row, 10),
                                     .created_at = {row.integer(5)}});
            break;
        case 2:
            out.projects.push_back(
                {.id = ProjectId(id),
                 .customer = CustomerId(static_cast<std::uint32_t>(row.integer(2))),
                 .code = std::string(row.text(6)),
                 .name = std::string(row.text(7)),
                 .department = std::string(row.text(8)),
                 .environment = std::string(row.text(9)),
                 .is_active = row.integer(3) != 0,
                 .own_policy = identity_internal::policy_of(row, 10),
                 .created_at = {row.integer(5)}});
            break;
        default:
            add_key(row, out);
    }
}

/// A project's policy stands below its customer's.
void join_policies(Loaded* loaded) {
    std::unordered_map<CustomerId, const DataPolicy*> policies;
    for (const Customer& customer : loaded->customers)
        policies.emplace(customer.id, &customer.data_policy);
    for (Project& project : loaded->projects) {
        const auto found = policies.find(project.customer);
        project.data_policy = found == policies.end() ? project.own_policy
                                                      : narrow(*found->second, project.own_policy);
    }
}

}  // namespace

Result<std::shared_ptr<const Directory>> load_directory(SqlConnection& connection) {
    Loaded loaded;
    TG_CHECK_OK(connection.query(kLoad, {}, [&](const SqlRow& row) {
        add_row(row, loaded);
        return loaded.error.empty();
    }));
    if (!loaded.error.empty()) return fail(ErrorCode::corrupt_data, std::move(loaded.error));
    if (loaded.version == 0)
        return fail(ErrorCode::corrupt_data,
                    "the store has no directory version; run the migrations");
    join_policies(&loaded);
    return std::shared_ptr<const Directory>(
        std::make_shared<Directory>(std::move(loaded.customers), std::move(loaded.projects),
                                    std::move(loaded.keys), loaded.version));
}

DirectoryHolder::DirectoryHolder()
    : current_(std::make_shared<Directory>(std::vector<Customer>{}, std::vector<Project>{},
                                           std::vector<ApiKey>{})) {}

void DirectoryHolder::publish(std::shared_ptr<const Directory> next) {
    current_.publish(std::move(next));
}

Result<bool> DirectoryHolder::refresh(SqlConnection& connection) {
    const std::lock_guard lock(refresh_mutex_);
    std::int64_t version = 0;
    TG_CHECK_OK(
        connection.query("SELECT version FROM directory_version", {}, [&](const SqlRow& row) {
            version = row.integer(0);
            return true;
        }));
    if (version == current_.get()->version()) return false;
    TG_TRY(auto loaded, load_directory(connection));
    current_.publish(std::move(loaded));
    return true;
}

}  // namespace tg
