#include "api/internal/route.h"

namespace tg::api {
namespace {

void write_members(JsonWriter& json, const ApiKey& key) {
    json.field("id", key.id.get()).key("project_id");
    if (key.project) {
        json.value(key.project->get());
    } else {
        json.null();
    }
    json.field("name", key.name).field("hint", key.hint);
    write_time(json, "expires_at", key.expires_at);
    json.field("is_active", key.is_active);
    write_time(json, "created_at", key.created_at);
}

void write_key(JsonWriter& json, const ApiKey& key) {
    json.begin_object();
    write_members(json, key);
    json.end_object();
}

ApiReply key_reply(const ApiKey& key) {
    std::string out;
    JsonWriter json(out);
    write_key(json, key);
    return json_reply(200, std::move(out));
}

/// The only answer that ever holds a key. A replay has none to show: it is not kept.
ApiReply created_key_reply(const CreatedKey& made) {
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    write_members(json, made.key);
    json.key("key");
    if (made.was_replayed) {
        json.null();
    } else {
        json.value(made.secret);
    }
    json.end_object();
    return created_reply(std::move(out), "/keys/" + std::to_string(made.key.id.get()),
                         made.was_replayed);
}

Result<ApiReply> list(Call& call) {
    TG_TRY(PageRequest page, call.page());
    const int limit = page.limit++;
    TG_TRY(const auto project, call.query.id("project"));
    std::optional<CustomerId> customer;
    if (const auto wanted = call.query.text("customer")) {
        TG_TRY(const Customer found, call.customer(*wanted));
        customer = found.id;
    }
    TG_TRY(const std::vector<ApiKey> rows,
           call.identity->keys(page, project ? std::optional(ProjectId(*project)) : std::nullopt,
                               customer));
    return list_reply(rows, limit, write_key, [](const ApiKey& key) { return key.id.get(); });
}

std::optional<ProjectId> project_of(Body& body) {
    const auto id = body.id("project_id");
    return id ? std::optional(ProjectId(*id)) : std::nullopt;
}

Result<ApiReply> create(Call& call) {
    TG_TRY(Body body, call.body());
    const NewKey request{.project = project_of(body),
                         .name = body.required_text("name"),
                         .expires_at = body.time("expires_at").value_or(std::nullopt)};
    TG_CHECK_OK(body.finish());
    TG_TRY(const CreatedKey made, call.identity->create_key(request, call.change()));
    return created_key_reply(made);
}

Result<ApiReply> get(Call& call) {
    TG_TRY(const std::uint32_t id, call.path_id(0, "key"));
    TG_TRY(const ApiKey key, call.identity->key(KeyId(id)));
    return key_reply(key);
}

Result<ApiReply> update(Call& call) {
    TG_TRY(const std::uint32_t id, call.path_id(0, "key"));
    TG_TRY(Body body, call.body());
    const KeyPatch patch{.name = body.text("name"),
                         .project = project_of(body),
                         .expires_at = body.time("expires_at"),
                         .is_active = body.flag("is_active")};
    TG_CHECK_OK(body.finish());
    TG_TRY(const ApiKey key, call.identity->update_key(KeyId(id), patch, call.change()));
    return key_reply(key);
}

Result<ApiReply> set_active(Call& call, bool is_active) {
    TG_TRY(const std::uint32_t id, call.path_id(0, "key"));
    TG_TRY(Body body, call.body());
    TG_CHECK_OK(body.finish());
    TG_TRY(const ApiKey key,
           call.identity->update_key(KeyId(id), {.is_active = is_active}, call.change()));
    return key_reply(key);
}
Result<ApiReply> disable(Call& call) {
    return set_active(call, false);
}
Result<ApiReply> enable(Call& call) {
    return set_active(call, true);
}

Result<ApiReply> rotate(Call& call) {
    constexpr std::int64_t kOverlapMaxSeconds = std::int64_t{366} * 24 * 3600;
    TG_TRY(const std::uint32_t id, call.path_id(0, "key"));
    TG_TRY(Body body, call.body());
    const std::int64_t overlap = body.integer("overlap_seconds").value_or(0);
    const KeyRotation rotation{
        .overlap_micros = std::clamp<std::int64_t>(overlap, -1, kOverlapMaxSeconds + 1) * 1'000'000,
        .expires_at = body.time("expires_at").value_or(std::nullopt)};
    TG_CHECK_OK(body.finish());
    TG_TRY(const CreatedKey made, call.identity->rotate_key(KeyId(id), rotation, call.change()));
    return created_key_reply(made);
}

}  // namespace

std::span<const Route> key_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/keys", kReaders, list, {"after", "limit", "project", "customer"}},
        {"POST", "/keys", kPlatform, create},
        {"GET", "/keys/{key}", kReaders, get},
        {"PATCH", "/keys/{key}", kPlatform, update},
        {"POST", "/keys/{key}/disable", kPlatform, disable},
        {"POST", "/keys/{key}/enable", kPlatform, enable},
        {"POST", "/keys/{key}/rotate", kPlatform, rotate},
    };
    return kRoutes;
}

}  // namespace tg::api
