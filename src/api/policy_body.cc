#include "api/internal/policy_body.h"

namespace tg::api {
namespace {

/// null is anywhere; a list names the only regions.
void read_regions(Body& policy, DataPolicyPatch* out) {
    const JsonValue* value = policy.value("regions");
    if (value == nullptr) return;
    out->regions.emplace();
    if (value->kind == JsonValue::Kind::null) return;
    const auto refuse = [&] {
        policy.note_error(
            "'regions' must be a list of names such as [\"eu\"], or null for anywhere");
    };
    if (value->kind != JsonValue::Kind::array) return refuse();
    out->regions->emplace();
    for (const JsonValue& item : value->items) {
        if (item.kind != JsonValue::Kind::text) return refuse();
        (*out->regions)->push_back(item.text);
    }
}

}  // namespace

DataPolicyPatch data_policy(Body& body) {
    DataPolicyPatch out;
    const JsonValue* value = body.value("data_policy");
    if (value == nullptr) return out;
    if (value->kind != JsonValue::Kind::object) {
        body.note_error("'data_policy' must be an object");
        return out;
    }
    Body policy(*value);
    out.is_zero_retention = policy.flag("zero_retention");
    out.allows_web_search = policy.flag("allow_web_search");
    out.keeps_end_user = policy.flag("keep_end_user");
    read_regions(policy, &out);
    out.pool = policy.text("pool");
    out.pool_on_request = policy.text("pool_on_request");
    if (const Status status = policy.finish(); !status.ok())
        body.note_error("data_policy: " + status.error().detail);
    return out;
}

}  // namespace tg::api
