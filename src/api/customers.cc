#include "api/internal/policy_body.h"
#include "api/internal/route.h"

namespace tg::api {
namespace {

void write_policies(JsonWriter& json, const Customer& customer) {
    json.key("data_policy");
    write_json(json, customer.data_policy);
}

void write_customer(JsonWriter& json, const Customer& customer) {
    json.begin_object()
        .field("id", customer.id.get())
        .field("code", customer.code)
        .field("name", customer.name)
        .field("time_zone", customer.time_zone)
        .field("is_active", customer.is_active);
    write_policies(json, customer);
    write_time(json, "created_at", customer.created_at);
    json.end_object();
}

std::string customer_json(const Customer& customer) {
    std::string out;
    JsonWriter json(out);
    write_customer(json, customer);
    return out;
}

Result<ApiReply> list(Call& call) {
    TG_TRY(PageRequest page, call.page());
    const int limit = page.limit++;
    TG_TRY(const std::vector<Customer> rows, call.identity->customers(page));
    return list_reply(rows, limit, write_customer,
                      [](const Customer& customer) { return customer.id.get(); });
}

Result<ApiReply> create(Call& call) {
    TG_TRY(Body body, call.body());
    const NewCustomer request{
        .code = body.required_text("code"),
        .name = body.required_text("name"),
        .time_zone = body.text("time_zone").value_or(call.options->default_time_zone),
        .data_policy = data_policy(body)};
    TG_CHECK_OK(body.finish());
    TG_TRY(const Created<Customer> made, call.identity->create_customer(request, call.change()));
    return created_reply(customer_json(made.value),
                         "/customers/" + std::to_string(made.value.id.get()), made.was_replayed);
}

Result<ApiReply> get(Call& call) {
    TG_TRY(const Customer customer, call.customer(call.path[0]));
    return json_reply(200, customer_json(customer));
}

Result<ApiReply> update(Call& call) {
    TG_TRY(Body body, call.body());
    const CustomerPatch patch{.name = body.text("name"),
                              .time_zone = body.text("time_zone"),
                              .is_active = body.flag("is_active"),
                              .data_policy = data_policy(body)};
    TG_CHECK_OK(body.finish());
    TG_TRY(const Customer found, call.customer(call.path[0]));
    TG_TRY(const Customer customer, call.identity->update_customer(found.id, patch, call.change()));
    return json_reply(200, customer_json(customer));
}

}  // namespace

std::span<const Route> customer_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/customers", kReaders, list, {"after", "limit"}},
        {"POST", "/customers", kAccountManagers, create},
        {"GET", "/customers/{customer}", kReaders, get},
        {"PATCH", "/customers/{customer}", kAccountManagers, update},
    };
    return kRoutes;
}

}  // namespace tg::api
