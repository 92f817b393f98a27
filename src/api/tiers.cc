#include "admission/limit_text.h"
#include "api/internal/limit_members.h"
#include "api/internal/route.h"

namespace tg::api {

std::optional<std::int64_t> limit_of(Body& body, std::string_view name) {
    const JsonValue* value = body.value(name);
    if (value == nullptr) return std::nullopt;
    if (value->kind == JsonValue::Kind::integer) return value->integer;
    if (value->kind == JsonValue::Kind::text && value->text == kUnlimitedText) return kUnlimited;
    body.note_error("'" + std::string(name) + "' must be an integer, or \"unlimited\"");
    return std::nullopt;
}

namespace {

void write_tier(JsonWriter& json, const Tier& tier) {
    json.begin_object();
    write_tier_members(json, tier);
    json.end_object();
}

std::string tier_json(const Tier& tier) {
    std::string out;
    JsonWriter json(out);
    write_tier(json, tier);
    return out;
}

Result<ApiReply> list(Call& call) {
    TG_TRY(const std::vector<Tier> tiers, call.limits->tiers());
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const Tier& tier : tiers) write_tier(json, tier);
    json.end_array().end_object();
    return json_reply(200, std::move(body));
}

TierPatch patch_of(Body& body) {
    TierPatch patch{.name = body.text("name")};
    for (const LimitKind kind : kLimitKinds) patch.limits.of(kind) = limit_of(body, name(kind));
    if (const auto retention = body.text("retention")) {
        patch.retention = parse_retention(*retention);
        if (!patch.retention)
            body.note_error("'retention' must be standard_30_days, seven_days or zero");
    }
    patch.support_response_minutes = body.integer("support_response_minutes");
    patch.sla_availability_per_mille10 = body.integer("sla_availability_per_mille10");
    patch.has_fine_tuning = body.flag("has_fine_tuning");
    patch.discount_min_per_mille = body.integer("discount_min_per_mille");
    patch.discount_max_per_mille = body.integer("discount_max_per_mille");
    patch.dedicated_instances_max = body.integer("dedicated_instances_max");
    return patch;
}

Result<ApiReply> create(Call& call) {
    TG_TRY(Body body, call.body());
    const std::string code = body.required_text("code");
    const TierPatch patch = patch_of(body);
    TG_CHECK_OK(body.finish());
    TG_TRY(const Tier tier, call.limits->create_tier(code, patch, call.change()));
    return created_reply(tier_json(tier), "/tiers/" + tier.code, /*was_replayed=*/false);
}

Result<ApiReply> get(Call& call) {
    TG_TRY(const Tier tier, call.limits->tier(call.path[0]));
    return json_reply(200, tier_json(tier));
}

Result<ApiReply> update(Call& call) {
    TG_TRY(Body body, call.body());
    const TierPatch patch = patch_of(body);
    TG_CHECK_OK(body.finish());
    TG_TRY(const Tier tier, call.limits->update_tier(call.path[0], patch, call.change()));
    return json_reply(200, tier_json(tier));
}

Result<ApiReply> remove(Call& call) {
    TG_CHECK_OK(call.limits->delete_tier(call.path[0], call.change()));
    return json_reply(200, "{}");
}

}  // namespace

std::span<const Route> tier_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/tiers", kReaders, list},
        {"POST", "/tiers", kPlatform, create},
        {"GET", "/tiers/{tier}", kReaders, get},
        {"PATCH", "/tiers/{tier}", kPlatform, update},
        {"DELETE", "/tiers/{tier}", kPlatform, remove},
    };
    return kRoutes;
}

}  // namespace tg::api
