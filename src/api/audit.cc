#include "api/internal/route.h"

namespace tg::api {
namespace {

void write_side(JsonWriter& json, std::string_view name, const std::string& object) {
    json.key(name);
    if (object.empty()) {
        json.null();
    } else {
        json.raw(object);
    }
}

void write_entry(JsonWriter& json, const AuditEntry& entry) {
    json.begin_object().field("id", entry.id);
    write_time(json, "at", entry.at);
    json.field("actor", entry.actor)
        .field("action", entry.action)
        .field("subject_kind", entry.subject_kind)
        .field("subject_id", entry.subject_id);
    write_side(json, "before", entry.before);
    write_side(json, "after", entry.after);
    json.field("hash", entry.hash).end_object();
}

/// Newest first, so the cursor goes down: next_after is the oldest id of the page.
Result<ApiReply> list(Call& call) {
    TG_TRY(const std::int64_t limit, call.query.integer("limit", 100, 1, 1000));
    TG_TRY(const std::int64_t after,
           call.query.integer("after", 0, 0, std::numeric_limits<std::int64_t>::max()));
    const AuditFilter filter{.subject_kind = call.query.text("subject_kind").value_or(""),
                             .subject_id = call.query.text("subject_id").value_or(""),
                             .before_id = after,
                             .limit = static_cast<int>(limit) + 1};
    TG_TRY(const std::vector<AuditEntry> rows, call.identity->audit(filter));
    return list_reply(rows, static_cast<int>(limit), write_entry,
                      [](const AuditEntry& entry) { return entry.id; });
}

Result<ApiReply> verify(Call& call) {
    const Result<std::int64_t> verified = call.identity->verify_audit_log();
    if (!verified.ok() && verified.error().code != ErrorCode::corrupt_data)
        return fail(verified.error());
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("is_whole", verified.ok());
    if (verified.ok()) {
        json.field("entries", *verified);
    } else {
        json.field("problem", verified.error().detail);
    }
    json.end_object();
    return json_reply(200, std::move(out));
}

}  // namespace

std::span<const Route> audit_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/audit", kReaders, list, {"after", "limit", "subject_kind", "subject_id"}},
        {"GET", "/audit/verification", kReaders, verify},
    };
    return kRoutes;
}

}  // namespace tg::api
