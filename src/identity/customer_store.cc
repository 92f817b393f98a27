#include "identity/identity_store.h"
#include "identity/internal/rows.h"

namespace tg {

using namespace identity_internal;

Result<Created<Customer>> IdentityStore::create_customer(const NewCustomer& request,
                                                         const Change& change) {
    TG_CHECK_OK(check_code("customer code", request.code));
    TG_CHECK_OK(check_text("name", request.name, false));
    TG_CHECK_OK(check_time_zone(request.time_zone));
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
            "INSERT INTO customers (code, name, time_zone, is_active, created_at, updated_at) "
            "VALUES (?, ?, ?, 1, ?, ?) RETURNING id",
            {request.code, request.name, request.time_zone, change.at.micros, change.at.micros});
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
        std::string after = to_json(customer);
        if (after == before) return {};
        TG_TRY(
            const std::int64_t rows,
            connection.execute("UPDATE customers SET name = ?, time_zone = ?, is_active = ?, "
                               "updated_at = ? WHERE id = ?",
                               {customer.name, customer.time_zone, std::int64_t{customer.is_active},
                                change.at.micros, std::int64_t{id.get()}}));
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
    return read_all(*connection,
                    "SELECT " + std::string(kCustomerColumns) +
                        " FROM customers WHERE id > ? ORDER BY id LIMIT ?",
                    values, customer_of);
}

}  // namespace tg
