#include "identity/identity_store.h"
#include "identity/internal/rows.h"

namespace tg {

using namespace identity_internal;

Result<Created<Project>> IdentityStore::create_project(const NewProject& request,
                                                       const Change& change) {
    TG_CHECK_OK(check_code("project code", request.code));
    TG_CHECK_OK(check_text("name", request.name, false));
    TG_CHECK_OK(check_text("department", request.department, true));
    TG_CHECK_OK(check_text("environment", request.environment, true));
    TG_TRY(const DataPolicy policy, request.data_policy.applied_to({}));
    Created<Project> out;
    TG_CHECK_OK(transact(Affects::directory, [&](SqlConnection& connection) -> Status {
        TG_TRY(const auto replay, find_replay(connection, change, "project"));
        if (replay) {
            TG_TRY(out.value, find_project(connection, ProjectId(*replay)));
            out.was_replayed = true;
            return {};
        }
        TG_TRY(const Customer customer, find_customer(connection, request.customer));
        TG_CHECK_OK(check_narrows(customer.data_policy, policy));
        auto id = insert_returning_id(
            connection,
            "INSERT INTO projects (customer_id, code, name, department, environment, is_active, "
            "zero_retention, allow_web_search, keep_end_user, regions, pool, pool_on_request, "
            "created_at, updated_at) "
            "VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            {std::int64_t{customer.id.get()}, request.code, request.name, request.department,
             request.environment, std::int64_t{policy.is_zero_retention},
             std::int64_t{policy.allows_web_search}, std::int64_t{policy.keeps_end_user},
             value_of(policy.regions), policy.pool, policy.pool_on_request, change.at.micros,
             change.at.micros});
        if (!id.ok() && id.error().code == ErrorCode::conflict) {
            return fail(ErrorCode::conflict, "customer '" + customer.code + "' has a project '" +
                                                 request.code + "' already; choose another code");
        }
        if (!id.ok()) return fail(std::move(id).error());
        TG_TRY(out.value, find_project(connection, ProjectId(*id)));
        TG_CHECK_OK(remember(connection, change, "project", *id));
        return record(connection, change, "create", "project", *id, "", to_json(out.value));
    }));
    return out;
}

Result<Project> IdentityStore::update_project(ProjectId id, const ProjectPatch& patch,
                                              const Change& change) {
    if (patch.name) TG_CHECK_OK(check_text("name", *patch.name, false));
    if (patch.department) TG_CHECK_OK(check_text("department", *patch.department, true));
    if (patch.environment) TG_CHECK_OK(check_text("environment", *patch.environment, true));
    Project project;
    TG_CHECK_OK(transact(Affects::directory, [&](SqlConnection& connection) -> Status {
        TG_TRY(project, find_project(connection, id));
        std::string before = to_json(project);
        project.name = patch.name.value_or(project.name);
        project.department = patch.department.value_or(project.department);
        project.environment = patch.environment.value_or(project.environment);
        project.is_active = patch.is_active.value_or(project.is_active);
        if (!patch.data_policy.is_empty()) {
            TG_TRY(project.own_policy, patch.data_policy.applied_to(project.own_policy));
            TG_TRY(const Customer customer, find_customer(connection, project.customer));
            TG_CHECK_OK(check_narrows(customer.data_policy, project.own_policy));
            project.data_policy = narrow(customer.data_policy, project.own_policy);
        }
        std::string after = to_json(project);
        if (after == before) return {};
        const DataPolicy& policy = project.own_policy;
        TG_TRY(const std::int64_t rows,
               connection.execute(
                   "UPDATE projects SET name = ?, department = ?, environment = ?, is_active = ?, "
                   "zero_retention = ?, allow_web_search = ?, keep_end_user = ?, regions = ?, "
                   "pool = ?, pool_on_request = ?, updated_at = ? WHERE id = ?",
                   {project.name, project.department, project.environment,
                    std::int64_t{project.is_active}, std::int64_t{policy.is_zero_retention},
                    std::int64_t{policy.allows_web_search}, std::int64_t{policy.keeps_end_user},
                    value_of(policy.regions), policy.pool, policy.pool_on_request, change.at.micros,
                    std::int64_t{id.get()}}));
        TG_ASSERT(rows == 1);
        return record(connection, change, "update", "project", id.get(), std::move(before),
                      std::move(after));
    }));
    return project;
}

Result<Project> IdentityStore::project(ProjectId id) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    return find_project(*connection, id);
}

Result<Project> IdentityStore::project(CustomerId customer, std::string_view code) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    const SqlValue values[] = {std::int64_t{customer.get()}, std::string(code)};
    return read_one(*connection,
                    std::string(kProjectSelect) + " WHERE p.customer_id = ? AND p.code = ?", values,
                    project_of, "project '" + std::string(code) + "'");
}

Result<std::vector<Project>> IdentityStore::projects(PageRequest page,
                                                     std::optional<CustomerId> customer) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    std::string sql = std::string(kProjectSelect) + " WHERE p.id > ?";
    std::vector<SqlValue> values{std::int64_t{page.after_id}};
    if (customer) {
        sql += " AND p.customer_id = ?";
        values.emplace_back(std::int64_t{customer->get()});
    }
    values.emplace_back(std::int64_t{page.limit});
    return read_rows(*connection, sql + " ORDER BY p.id LIMIT ?", values, project_of);
}

}  // namespace tg
