#include "metering/journal_text.h"

#include "base/json_writer.h"

namespace tg {
namespace {

constexpr std::string_view kKinds[] = {"", "reserved", "settled", "abandoned"};

struct FlagName {
    std::uint16_t flag;
    std::string_view name;
};
constexpr FlagName kFlags[] = {{kEventStream, "stream"},
                               {kEventFallbackPrice, "fallback_price"},
                               {kEventUnpriced, "unpriced"},
                               {kEventUsageMismatch, "usage_mismatch"},
                               {kEventZeroRetention, "zero_retention"},
                               {kEventPinnedRegion, "pinned_region"},
                               {kEventDedicated, "dedicated"},
                               {kEventFallbackModel, "fallback_model"},
                               {kEventHedged, "hedged"},
                               {kEventPolicyRefused, "policy_refused"}};

void write_id(JsonWriter& w, const RequestId& id) {
    char text[RequestId::kTextSize];
    id.write_text(text);
    w.field("id", std::string_view(text, sizeof text));
}

void write_payer(JsonWriter& w, const Payer& payer) {
    w.field("customer", payer.customer.get())
        .field("project", payer.project.get())
        .field("key", payer.key.get());
}

/// Known flags by name; others, which a newer version may have set, as numbers.
void write_flags(JsonWriter& w, std::uint16_t flags) {
    w.key("flags").begin_array();
    for (const FlagName& known : kFlags) {
        if ((flags & known.flag) != 0) w.value(known.name);
        flags = static_cast<std::uint16_t>(flags & ~known.flag);
    }
    if (flags != 0) w.value(static_cast<std::int64_t>(flags));
    w.end_array();
}

void write_reserved(JsonWriter& w, const ReservedRecord& r) {
    write_id(w, r.id);
    w.field("started_at", format_rfc3339(r.started_at));
    write_payer(w, r.payer);
    w.field("endpoint", name(r.endpoint)).field("service_tier", name(r.tier));
    write_flags(w, r.flags);
    w.field("price_version", r.price_version.get())
        .field("estimated_input_tokens", r.estimated_input_tokens)
        .field("estimated_output_tokens", r.estimated_output_tokens)
        .field("model", r.model)
        .field("deployment", r.deployment)
        .field("provider", r.provider)
        .field("region", r.region)
        .field("end_user", r.end_user);
}

void write_settled(JsonWriter& w, const UsageEvent& e) {
    write_id(w, e.id);
    w.field("started_at", format_rfc3339(e.started_at))
        .field("ended_at", format_rfc3339(e.ended_at));
    write_payer(w, e.payer);
    w.field("endpoint", name(e.endpoint))
        .field("service_tier", name(e.tier))
        .field("source", name(e.source))
        .field("outcome", name(e.outcome))
        .field("http_status", static_cast<std::int64_t>(e.http_status));
    write_flags(w, e.flags);
    w.field("attempts", static_cast<std::int64_t>(e.attempts))
        .field("price_version", e.price_version.get())
        .field("first_byte_ms", static_cast<std::int64_t>(e.first_byte_ms))
        .field("model", e.model)
        .field("upstream_model", e.upstream_model)
        .field("deployment", e.deployment)
        .field("provider", e.provider)
        .field("region", e.region)
        .field("end_user", e.end_user)
        .field("upstream_request_id", e.upstream_request_id);
    if (!e.asked_model.empty()) w.field("asked_model", e.asked_model);
    w.key("usage").begin_object();
    for (std::size_t i = 0; i < e.usage.quantity.size(); ++i) {
        if (e.usage.quantity[i] != 0) w.field(name(static_cast<Meter>(i)), e.usage.quantity[i]);
    }
    w.end_object();
}

}  // namespace

std::string to_string(Lsn lsn) {
    return std::to_string(lsn.segment()) + ":" + std::to_string(lsn.offset());
}

void append_json(std::string& out, const JournalRecord& record) {
    JsonWriter w(out);
    w.begin_object();
    w.field("at", to_string(record.at))
        .field("kind", kKinds[static_cast<std::size_t>(record.kind)])
        .field("recorded_at", format_rfc3339(record.recorded_at));
    switch (record.kind) {
        case RecordKind::reserved:
            write_reserved(w, record.reserved);
            break;
        case RecordKind::settled:
            write_settled(w, record.event);
            break;
        case RecordKind::abandoned:
            write_id(w, record.abandoned_id);
            w.field("abandoned_at", format_rfc3339(record.abandoned_at));
            break;
    }
    w.end_object();
}

std::string to_json(const JournalRecord& record) {
    std::string out;
    append_json(out, record);
    return out;
}

std::string to_json(const JournalSummary& s) {
    std::string out;
    JsonWriter w(out);
    w.begin_object();
    w.field("sound", s.is_sound())
        .field("segments", s.segments)
        .field("first_segment", s.first_segment)
        .field("last_segment", s.last_segment)
        .field("file_bytes", s.file_bytes)
        .field("record_bytes", s.record_bytes)
        .field("reserved", s.reserved)
        .field("settled", s.settled)
        .field("unconfirmed", s.unconfirmed)
        .field("abandoned", s.abandoned)
        .field("open_reservations", s.open_reservations);
    const bool has_records = s.reserved + s.settled + s.abandoned > 0;
    w.key("first_recorded_at");
    has_records ? w.value(format_rfc3339(s.first_recorded_at)) : w.null();
    w.key("last_recorded_at");
    has_records ? w.value(format_rfc3339(s.last_recorded_at)) : w.null();
    w.field("problem_count", s.problem_count).key("problems").begin_array();
    for (const JournalProblem& problem : s.problems) {
        w.begin_object()
            .field("file", problem.file)
            .field("offset", problem.offset)
            .field("what", problem.what);
        w.end_object();
    }
    w.end_array().end_object();
    return out;
}

}  // namespace tg
