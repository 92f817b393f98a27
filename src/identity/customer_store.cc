#include "identity/identity_store.h"
#include "identity/internal/rows.h"

namespace tg {

using namespace identity_internal;

namespace {

/// A customer's policy holds for all its projects at once: none may be left without any region, or
/// in a pool that is not the customer's.
Status check_projects_fit(SqlConnection& connection, const Customer& customer) {
    const SqlValue values[] = {std::int64_t{customer.id.get()}};
    TG_TRY(const std::vector<Project> projects,
           read_rows(connection, std::string(kProjectSelect) + " WHERE p.customer_id = ?", values,
                     project_of));
    const DataPolicy& outer = customer.data_policy;
    for (const Project& project : projects) {
        const DataPolicy& own = project.own_policy;
        const DataPolicy joined = narrow(outer, own);
        if (outer.regions && own.regions && !outer.regions->empty() && !own.regions->empty() &&
            joined.regions->empty()) {
            return fail(ErrorCode::conflict,
                        "project '" + project.code + "' is pinned to " + regions_text(own.regions) +
                            ", of which " + regions_text(outer.regions) +
                            " leaves nothing; change the project's policy first");
        }
        if (!outer.pool.empty() && !own.pool.empty() && outer.pool != own.pool) {
            return fail(ErrorCode::conflict, "project '" + project.code + "' has the pool '" +
                                                 own.pool + "', which is not '" + outer.pool +
                                                 "'; change the project's policy first");
        }
    }
    return {};
}

}  // namespace

Result<Created<Customer>> IdentityStore::create_customer(const NewCustomer& request,
                                                         const Change& change) {
    TG_CHECK_OK(check_code("customer code", request.code));
    TG_CHECK_OK(check_text("name", request.name, false));
    TG_CHECK_OK(check_time_zone(request.time_zone));
    TG_TRY(const DataPolicy policy, request.data_policy.applied_to({}));
    Created<Customer> out;
    TG_CHECK_OK(transact(Affects::directory, [&](SqlConnection& connection) -> Status {
        TG_TRY(const auto replay, find_replay(connection, change, "customer"));
        if (replay) {
            TG_TRY(out.value, find_customer(connection, CustomerId(*replay)));
            out.was_replayed = true;
            return {};
        }
        auto id = insert_returning_id(
            connection,
            "INSERT INTO customers (code, name, time_zone, is_active, zero_retention, "
            "allow_web_search, keep_end_user, regions, pool, pool_on_request, created_at, "
            "updated_at) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            {request.code, request.name, request.time_zone, std::int64_t{policy.is_zero_retention},
             std::int64_t{policy.allows_web_search}, std::int64_t{policy.keeps_end_user},
             value_of(policy.regions), policy.pool, policy.pool_on_request, change.at.micros,
             change.at.micros});
        if (!id.ok() && id.error().code == ErrorCode::conflict) {
            return fail(ErrorCode::conflict,
                        "customer code '" + request.code + "' is taken; choose another");
        }
        if (!id.ok()) return fail(std::move(id).error());
        TG_TRY(out.value, find_customer(connection, CustomerId(*id)));
        TG_CHECK_OK(remember(connection, change, "customer", *id));
        return record(connection, change, "create", "customer", *id, "", to_json(out.value));
    }));
    return out;
}

Result<Customer> IdentityStore::update_customer(CustomerId id, const CustomerPatch& patch,
                                                const Change& change) {
    if (patch.name) TG_CHECK_OK(check_text("name", *patch.name, false));
    if (patch.time_zone) TG_CHECK_OK(check_time_zone(*patch.time_zone));
    Customer customer;
    TG_CHECK_OK(transact(Affects::directory, [&](SqlConnection& connection) -> Status {
        TG_TRY(customer, find_customer(connection, id));
        std::string before = to_json(customer);
        customer.name = patch.name.value_or(customer.name);
        customer.time_zone = patch.time_zone.value_or(customer.time_zone);
        customer.is_active = patch.is_active.value_or(customer.is_active);
        if (!patch.data_policy.is_empty()) {
            TG_TRY(customer.data_policy, patch.data_policy.applied_to(customer.data_policy));
            TG_CHECK_OK(check_projects_fit(connection, customer));
        }
        std::string after = to_json(customer);
        if (after == before) return {};
        const DataPolicy& policy = customer.data_policy;
        TG_TRY(const std::int64_t rows,
               connection.execute(
                   "UPDATE customers SET name = ?, time_zone = ?, is_active = ?, "
                   "zero_retention = ?, allow_web_search = ?, keep_end_user = ?, regions = ?, "
                   "pool = ?, pool_on_request = ?, updated_at = ? WHERE id = ?",
                   {customer.name, customer.time_zone, std::int64_t{customer.is_active},
                    std::int64_t{policy.is_zero_retention}, std::int64_t{policy.allows_web_search},
                    std::int64_t{policy.keeps_end_user}, value_of(policy.regions), policy.pool,
                    policy.pool_on_request, change.at.micros, std::int64_t{id.get()}}));
        TG_ASSERT(rows == 1);
        return record(connection, change, "update", "customer", id.get(), std::move(before),
                      std::move(after));
    }));
    return customer;
}

Result<Customer> IdentityStore::customer(CustomerId id) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    return find_customer(*connection, id);
}

Result<Customer> IdentityStore::customer(std::string_view code) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    const SqlValue values[] = {std::string(code)};
    return read_one(*connection,
                    "SELECT " + std::string(kCustomerColumns) + " FROM customers WHERE code = ?",
                    values, customer_of, "customer '" + std::string(code) + "'");
}

Result<std::vector<Customer>> IdentityStore::customers(PageRequest page) {
    TG_TRY(const ConnectionPool::Lease connection, pool_->take());
    const SqlValue values[] = {std::int64_t{page.after_id}, std::int64_t{page.limit}};
    return read_rows(*connection,
                     "SELECT " + std::string(kCustomerColumns) +
                         " FROM customers WHERE id > ? ORDER BY id LIMIT ?",
                     values, customer_of);
}

}  // namespace tg
