#include "api/internal/route.h"

namespace tg::api {
namespace {

void write_members(JsonWriter& json, const AdminToken& token) {
    json.field("id", token.id)
        .field("name", token.name)
        .field("hint", token.hint)
        .key("scopes")
        .begin_array();
    for (const AdminScope scope : scopes_in(token.scopes)) json.value(name(scope));
    json.end_array();
    write_time(json, "expires_at", token.expires_at);
    json.field("is_active", token.is_active);
    write_time(json, "created_at", token.created_at);
}

void write_token(JsonWriter& json, const AdminToken& token) {
    json.begin_object();
    write_members(json, token);
    json.end_object();
}

ApiReply token_reply(const AdminToken& token) {
    std::string out;
    JsonWriter json(out);
    write_token(json, token);
    return json_reply(200, std::move(out));
}

/// ["read","finance"].
AdminScopes scopes_of(Body& body) {
    AdminScopes scopes;
    const JsonValue* value = body.value("scopes");
    if (value == nullptr || value->kind != JsonValue::Kind::array || value->items.empty()) {
        body.note_error("'scopes' is missing: a list such as [\"read\"] or [\"finance\"]");
        return scopes;
    }
    for (const JsonValue& item : value->items) {
        const Result<AdminScopes> scope =
            parse_admin_scope(item.kind == JsonValue::Kind::text ? item.text : "");
        if (scope.ok()) {
            scopes = scopes.with(*scope);
        } else {
            body.note_error("'scopes': " + scope.error().detail);
        }
    }
    return scopes;
}

Result<ApiReply> list(Call& call) {
    TG_TRY(PageRequest page, call.page());
    const int limit = page.limit++;
    TG_TRY(const std::vector<AdminToken> rows, call.identity->admin_tokens(page));
    return list_reply(rows, limit, write_token, [](const AdminToken& token) { return token.id; });
}

Result<ApiReply> create(Call& call) {
    TG_TRY(Body body, call.body());
    const NewAdminToken request{.name = body.required_text("name"),
                                .scopes = scopes_of(body),
                                .expires_at = body.time("expires_at").value_or(std::nullopt)};
    TG_CHECK_OK(body.finish());
    TG_TRY(const CreatedAdminToken made, call.identity->create_admin_token(request, call.change()));
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    write_members(json, made.token);
    json.key("token");
    if (made.was_replayed) {
        json.null();
    } else {
        json.value(made.secret);
    }
    json.end_object();
    return created_reply(std::move(out), "/admin-tokens/" + std::to_string(made.token.id),
                         made.was_replayed);
}

Result<ApiReply> get(Call& call) {
    TG_TRY(const std::uint32_t id, call.path_id(0, "admin token"));
    TG_TRY(const AdminToken token, call.identity->admin_token(id));
    return token_reply(token);
}

Result<ApiReply> update(Call& call) {
    TG_TRY(const std::uint32_t id, call.path_id(0, "admin token"));
    TG_TRY(Body body, call.body());
    const AdminTokenPatch patch{.name = body.text("name"), .is_active = body.flag("is_active")};
    TG_CHECK_OK(body.finish());
    TG_TRY(const AdminToken token, call.identity->update_admin_token(id, patch, call.change()));
    return token_reply(token);
}

Result<ApiReply> disable(Call& call) {
    TG_TRY(const std::uint32_t id, call.path_id(0, "admin token"));
    TG_TRY(Body body, call.body());
    TG_CHECK_OK(body.finish());
    TG_TRY(const AdminToken token,
           call.identity->update_admin_token(id, {.is_active = false}, call.change()));
    return token_reply(token);
}

}  // namespace

std::span<const Route> admin_token_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/admin-tokens", kReaders, list, {"after", "limit"}},
        {"POST", "/admin-tokens", kAdministrators, create},
        {"GET", "/admin-tokens/{token}", kReaders, get},
        {"PATCH", "/admin-tokens/{token}", kAdministrators, update},
        {"POST", "/admin-tokens/{token}/disable", kAdministrators, disable},
    };
    return kRoutes;
}

}  // namespace tg::api
