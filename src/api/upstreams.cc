#include <cmath>

#include "api/internal/route.h"
#include "gateway/upstream_status.h"

namespace tg::api {
namespace {

std::int64_t whole(double value) {
    return std::llround(value);
}

std::string_view reason_name(OutlierReason reason) {
    switch (reason) {
        case OutlierReason::none:
            return "none";
        case OutlierReason::failures:
            return "failures";
        case OutlierReason::latency:
            return "latency";
    }
    return "unknown";
}

void write_limits(JsonWriter& json, const UpstreamLimitsStatus& limits, std::int64_t now_ns) {
    const PacerState& pacer = limits.pacer;
    json.begin_object()
        .field("model", limits.model)
        .field("waiting", limits.waiting)
        .field("in_flight", pacer.in_flight)
        .field("refusals", pacer.refusals)
        .field("is_exhausted", pacer.is_exhausted)
        .field("blocked_ms",
               std::max<std::int64_t>(pacer.blocked_until_ns - now_ns, 0) / 1'000'000);
    json.key("meters").begin_array();
    for (std::size_t i = 0; i < kLimitMeters; ++i) {
        const PacerMeterState& meter = pacer.meters[i];
        if (meter.limit <= 0) continue;
        json.begin_object()
            .field("meter", name(static_cast<LimitMeter>(i)))
            .field("limit_per_minute", whole(meter.limit))
            .field("used", meter.used)
            .field("excess", whole(meter.excess))
            .field("remaining_ppm", whole(meter.remaining_share * 1e6))
            .field("share_ppm", whole(meter.share * 1e6))
            .field("burst_ms", whole(meter.burst_s * 1e3))
            .end_object();
    }
    json.end_array().end_object();
}

void write_upstream(JsonWriter& json, const UpstreamStatus& it, std::int64_t now_ns) {
    json.begin_object()
        .field("name", it.name)
        .field("provider", it.provider)
        .field("region", it.region)
        .field("pool", it.pool)
        .field("is_zero_retention_covered", it.is_zero_retention_covered)
        .field("breaker", name(it.breaker))
        .field("breaker_open_ms", it.breaker_open_ms)
        .field("breaker_opened", static_cast<std::int64_t>(it.breaker_opened))
        .field("ejected", reason_name(it.ejected));
    json.key("is_healthy");
    if (it.is_healthy) {
        json.value(*it.is_healthy);
    } else {
        json.null();
    }
    json.field("in_flight", it.in_flight)
        .field("waiting", it.waiting)
        .field("first_byte_peak_ms", whole(it.first_byte_peak_ms))
        .field("first_byte_mean_ms", whole(it.first_byte_mean_ms));
    json.key("first_byte_p95_ms");
    if (it.first_byte_p95_ms) {
        json.value(*it.first_byte_p95_ms);
    } else {
        json.null();
    }
    json.field("attempts", static_cast<std::int64_t>(it.attempts))
        .field("failures", static_cast<std::int64_t>(it.failures))
        .field("limited", static_cast<std::int64_t>(it.limited));
    json.key("limits").begin_array();
    for (const UpstreamLimitsStatus& limits : it.limits) write_limits(json, limits, now_ns);
    json.end_array().end_object();
}

Result<ApiReply> list(Call& call) {
    if (!call.options->upstreams) {
        return fail(
            ErrorCode::unsupported,
            "this process serves no calls, so it knows nothing of upstreams; ask a gateway");
    }
    const std::int64_t now_ns = call.options->clock->monotonic_ns();
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const UpstreamStatus& status : call.options->upstreams(now_ns))
        write_upstream(json, status, now_ns);
    json.end_array().end_object();
    return json_reply(200, std::move(body));
}

}  // namespace

std::span<const Route> upstream_routes() {
    static const std::vector<Route> kRoutes = {{"GET", "/upstreams", kReaders, list}};
    return kRoutes;
}

}  // namespace tg::api
