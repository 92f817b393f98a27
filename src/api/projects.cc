#include "api/internal/policy_body.h"
#include "api/internal/route.h"

namespace tg::api {
namespace {

void write_policies(JsonWriter& json, const Project& project) {
    json.key("data_policy");
    write_json(json, project.own_policy);
    json.key("effective_data_policy");
    write_json(json, project.data_policy);
}

void write_project(JsonWriter& json, const Project& project) {
    json.begin_object()
        .field("id", project.id.get())
        .field("customer_id", project.customer.get())
        .field("code", project.code)
        .field("name", project.name)
        .field("department", project.department)
        .field("environment", project.environment)
        .field("is_active", project.is_active);
    write_policies(json, project);
    write_time(json, "created_at", project.created_at);
    json.end_object();
}

std::string project_json(const Project& project) {
    std::string out;
    JsonWriter json(out);
    write_project(json, project);
    return out;
}

Result<ApiReply> list(Call& call) {
    TG_TRY(PageRequest page, call.page());
    const int limit = page.limit++;
    std::optional<CustomerId> customer;
    if (const auto wanted = call.query.text("customer")) {
        TG_TRY(const Customer found, call.customer(*wanted));
        customer = found.id;
    }
    TG_TRY(const std::vector<Project> rows, call.identity->projects(page, customer));
    return list_reply(rows, limit, write_project,
                      [](const Project& project) { return project.id.get(); });
}

/// "customer" is a text (code, or id as text) or an integer (id).
std::string customer_name(Body& body) {
    const JsonValue* value = body.value("customer");
    if (value != nullptr && value->kind == JsonValue::Kind::integer)
        return std::to_string(value->integer);
    if (value != nullptr && value->kind == JsonValue::Kind::text) return value->text;
    body.note_error("'customer' is missing: the id or the code of a customer");
    return {};
}

Result<ApiReply> create(Call& call) {
    TG_TRY(Body body, call.body());
    const std::string customer = customer_name(body);
    NewProject request{.code = body.required_text("code"),
                       .name = body.required_text("name"),
                       .department = body.text("department").value_or(""),
                       .environment = body.text("environment").value_or("production"),
                       .data_policy = data_policy(body)};
    TG_CHECK_OK(body.finish());
    TG_TRY(const Customer found, call.customer(customer));
    request.customer = found.id;
    TG_TRY(const Created<Project> made, call.identity->create_project(request, call.change()));
    return created_reply(project_json(made.value),
                         "/projects/" + std::to_string(made.value.id.get()), made.was_replayed);
}

Result<ApiReply> get(Call& call) {
    TG_TRY(const std::uint32_t id, call.path_id(0, "project"));
    TG_TRY(const Project project, call.identity->project(ProjectId(id)));
    return json_reply(200, project_json(project));
}

Result<ApiReply> update(Call& call) {
    TG_TRY(const std::uint32_t id, call.path_id(0, "project"));
    TG_TRY(Body body, call.body());
    const ProjectPatch patch{.name = body.text("name"),
                             .department = body.text("department"),
                             .environment = body.text("environment"),
                             .is_active = body.flag("is_active"),
                             .data_policy = data_policy(body)};
    TG_CHECK_OK(body.finish());
    TG_TRY(const Project project,
           call.identity->update_project(ProjectId(id), patch, call.change()));
    return json_reply(200, project_json(project));
}

}  // namespace

std::span<const Route> project_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/projects", kReaders, list, {"after", "limit", "customer"}},
        {"POST", "/projects", kPlatformOrAccounts, create},
        {"GET", "/projects/{project}", kReaders, get},
        {"PATCH", "/projects/{project}", kPlatformOrAccounts, update},
    };
    return kRoutes;
}

}  // namespace tg::api
