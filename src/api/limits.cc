#include "admission/limit_text.h"
#include "api/internal/limit_members.h"
#include "api/internal/route.h"

namespace tg::api {
namespace {

/// {"subject", "subject_id", "model", what is set, ...} of an open object.
void write_members(JsonWriter& json, const LimitAssignment& assignment) {
    const LimitSubject& subject = assignment.subject;
    json.field("subject", name(subject.scope)).key("subject_id");
    if (subject.id != 0) {
        json.value(subject.id);
    } else {
        json.null();
    }
    json.key("model");
    if (subject.model.empty()) {
        json.null();
    } else {
        json.value(subject.model);
    }
    write_assignment_members(json, assignment);
}

ApiReply view_reply(const LimitStore::View& view) {
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    write_members(json, view.assignment);
    json.key("in_force").begin_object();
    write_limits(json, view.in_force);
    json.end_object().end_object();
    return json_reply(200, std::move(out));
}

Result<ApiReply> list(Call& call) {
    TG_TRY(PageRequest page, call.page());
    const int limit = page.limit++;
    TG_TRY(const std::vector<LimitAssignment> rows, call.limits->assignments(page));
    return list_reply(
        rows, limit,
        [](JsonWriter& json, const LimitAssignment& assignment) {
            json.begin_object();
            write_members(json, assignment);
            json.end_object();
        },
        [](const LimitAssignment& assignment) { return assignment.row_id; });
}

// --- whose limits the path names ---

using SubjectOf = Result<LimitSubject> (*)(const Call& call);

Result<LimitSubject> everyone(const Call&) {
    return LimitSubject{};
}
Result<LimitSubject> customer(const Call& call) {
    TG_TRY(const Customer found, call.customer(call.path[0]));
    return LimitSubject::of(found.id);
}
Result<LimitSubject> project(const Call& call) {
    TG_TRY(const std::uint32_t id, call.path_id(0, "project"));
    return LimitSubject::of(ProjectId(id));
}
Result<LimitSubject> key(const Call& call) {
    TG_TRY(const std::uint32_t id, call.path_id(0, "key"));
    return LimitSubject::of(KeyId(id));
}
Result<LimitSubject> model(const Call& call) {
    return LimitSubject::of_model(call.path[0]);
}
Result<LimitSubject> customer_model(const Call& call) {
    TG_TRY(const Customer found, call.customer(call.path[0]));
    return LimitSubject::of_model(found.id, call.path[1]);
}

// --- what the body changes: null takes a value away ---

bool is_null(const JsonValue& value) {
    return value.kind == JsonValue::Kind::null;
}

/// `read` gets the body again, for a value that is not null.
template <typename Read>
auto nullable(Body& body, std::string_view name, const Read& read) {
    using T = typename decltype(read(name))::value_type;
    const JsonValue* value = body.value(name);
    std::optional<std::optional<T>> out;
    if (value == nullptr) return out;
    out = is_null(*value) ? std::optional<T>() : read(name);
    return out;
}

LimitPatch patch_of(Body& body) {
    LimitPatch patch;
    const auto text = [&](std::string_view member) { return body.text(member); };
    const auto integer = [&](std::string_view member) { return body.integer(member); };
    const auto limit = [&](std::string_view member) { return limit_of(body, member); };
    const auto priority = [&](std::string_view member) -> std::optional<PriorityClass> {
        const auto chosen = parse_priority(body.text(member).value_or(""));
        if (!chosen)
            body.note_error("'" + std::string(member) + "' must be " + std::string(kPriorityNames));
        return chosen;
    };
    patch.tier = nullable(body, "tier", text);
    for (const LimitKind kind : kLimitKinds)
        patch.own[static_cast<std::size_t>(kind)] = nullable(body, name(kind), limit);
    patch.weight = nullable(body, "weight", integer);
    patch.priority = nullable(body, "priority", priority);
    patch.max_wait_ms = nullable(body, "max_wait_ms", integer);
    return patch;
}

template <SubjectOf subject_of>
Result<ApiReply> get(Call& call) {
    TG_TRY(const LimitSubject subject, subject_of(call));
    TG_TRY(const LimitStore::View view, call.limits->limits(subject));
    return view_reply(view);
}

template <SubjectOf subject_of>
Result<ApiReply> update(Call& call) {
    TG_TRY(Body body, call.body());
    const LimitPatch patch = patch_of(body);
    TG_CHECK_OK(body.finish());
    TG_TRY(const LimitSubject subject, subject_of(call));
    TG_TRY(const LimitStore::View view, call.limits->change_limits(subject, patch, call.change()));
    return view_reply(view);
}

template <SubjectOf subject_of>
Result<ApiReply> clear(Call& call) {
    TG_TRY(const LimitSubject subject, subject_of(call));
    TG_TRY(const LimitStore::View view, call.limits->clear_limits(subject, call.change()));
    return view_reply(view);
}

template <SubjectOf subject_of>
void add_routes(std::string_view pattern, std::vector<Route>* out) {
    out->push_back({"GET", pattern, kReaders, get<subject_of>});
    out->push_back({"PATCH", pattern, kPlatformOrAccounts, update<subject_of>});
    out->push_back({"DELETE", pattern, kPlatformOrAccounts, clear<subject_of>});
}

}  // namespace

std::span<const Route> limit_routes() {
    static const std::vector<Route> kRoutes = [] {
        std::vector<Route> out{{"GET", "/limits", kReaders, list, {"after", "limit"}}};
        add_routes<everyone>("/limits/default", &out);
        add_routes<customer>("/customers/{customer}/limits", &out);
        add_routes<project>("/projects/{project}/limits", &out);
        add_routes<key>("/keys/{key}/limits", &out);
        add_routes<model>("/models/{model}/limits", &out);
        add_routes<customer_model>("/customers/{customer}/models/{model}/limits", &out);
        return out;
    }();
    return kRoutes;
}

}  // namespace tg::api
