#include "api/internal/route.h"
#include "billing/usage_report.h"
#include "metering/usage_event.h"

namespace tg::api {
namespace {

void write_flags(JsonWriter& json, int flags) {
    json.key("flags").begin_array();
    for (const auto& [bit, text] :
         {std::pair{kEventStream, "stream"}, std::pair{kEventFallbackPrice, "fallback_price"},
          std::pair{kEventUnpriced, "unpriced"}, std::pair{kEventUsageMismatch, "usage_mismatch"},
          std::pair{kEventZeroRetention, "zero_retention"},
          std::pair{kEventPinnedRegion, "pinned_region"}, std::pair{kEventDedicated, "dedicated"},
          std::pair{kEventFallbackModel, "fallback_model"}, std::pair{kEventHedged, "hedged"}}) {
        if ((flags & bit) != 0) json.value(text);
    }
    json.end_array();
}

void write_event(JsonWriter& json, const StoredEvent& event) {
    json.begin_object()
        .field("id", event.id.text())
        .field("customer", event.customer)
        .field("project", event.project)
        .field("department", event.department)
        .field("environment", event.environment)
        .field("key", event.key_hint)
        .field("started_at", format_rfc3339(event.started_at))
        .field("ended_at", format_rfc3339(event.ended_at))
        .field("endpoint", event.endpoint)
        .field("model", event.model)
        .field("asked_model", event.asked_model)
        .field("upstream_model", event.upstream_model)
        .field("deployment", event.deployment)
        .field("provider", event.provider)
        .field("region", event.region)
        .field("end_user", event.end_user)
        .field("upstream_request_id", event.upstream_request_id)
        .field("tier", event.tier)
        .field("source", event.source)
        .field("outcome", event.outcome)
        .field("http_status", event.http_status)
        .field("attempts", event.attempts)
        .field("first_byte_ms", event.first_byte_ms)
        .field("price_version", event.price_version.get());
    write_flags(json, event.flags);
    json.key("usage").begin_object();
    for (int i = 0; i < kMeterCount; ++i) {
        const auto meter = static_cast<Meter>(i);
        if (event.usage[meter] != 0) json.field(name(meter), event.usage[meter]);
    }
    json.end_object()
        .field("currency", code(event.currency))
        .field("charge", format_amount(event.charge))
        .end_object();
}

Result<ApiReply> recent(Call& call) {
    const std::optional<std::string> wanted = call.query.text("customer");
    if (!wanted)
        return fail(ErrorCode::invalid_request,
                    "the parameter 'customer' is missing: whose calls?");
    TG_TRY(const std::int64_t count, call.query.integer("count", 100, 1, 100));
    TG_TRY(const Customer customer, call.customer(*wanted));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<StoredEvent> events,
           recent_events(*connection, customer.id, static_cast<int>(count)));
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("data").begin_array();
    for (const StoredEvent& event : events) write_event(json, event);
    json.end_array().end_object();
    return json_reply(200, std::move(out));
}

Result<ApiReply> get(Call& call) {
    TG_TRY(const RequestId id, RequestId::parse(call.path[0]));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const StoredEvent event, find_event(*connection, id));
    std::string out;
    JsonWriter json(out);
    write_event(json, event);
    return json_reply(200, std::move(out));
}

}  // namespace

std::span<const Route> event_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/events", kReaders, recent, {"customer", "count"}},
        {"GET", "/events/{event}", kReaders, get},
    };
    return kRoutes;
}

}  // namespace tg::api
