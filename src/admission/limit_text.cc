#include "admission/limit_text.h"

#include <charconv>

namespace tg {
namespace {

void write_limit(JsonWriter& json, LimitKind kind, const std::optional<std::int64_t>& limit) {
    json.key(name(kind));
    if (!limit) {
        json.null();
    } else if (*limit == kUnlimited) {
        json.value(kUnlimitedText);
    } else {
        json.value(*limit);
    }
}

template <typename T>
void write_optional(JsonWriter& json, std::string_view field, const std::optional<T>& value) {
    json.key(field);
    if (value) {
        json.value(*value);
    } else {
        json.null();
    }
}

}  // namespace

std::string limit_text(std::int64_t limit) {
    return limit == kUnlimited ? std::string(kUnlimitedText) : std::to_string(limit);
}

Result<std::int64_t> parse_limit(std::string_view field, std::string_view text) {
    if (text == kUnlimitedText) return kUnlimited;
    std::int64_t value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) {
        return fail(ErrorCode::invalid_request, std::string(field) + " is '" +
                                                    std::string(text.substr(0, 40)) +
                                                    "'; give a number, or unlimited");
    }
    TG_CHECK_OK(check_limit(field, value));
    return value;
}

std::string_view name(PriorityClass priority) {
    switch (priority) {
        case PriorityClass::interactive:
            return "interactive";
        case PriorityClass::standard:
            return "standard";
        case PriorityClass::deferrable:
            return "deferrable";
    }
    return "unknown";
}

std::optional<PriorityClass> parse_priority(std::string_view text) {
    for (const PriorityClass priority :
         {PriorityClass::interactive, PriorityClass::standard, PriorityClass::deferrable})
        if (name(priority) == text) return priority;
    return std::nullopt;
}

void write_limits(JsonWriter& json, const Limits& limits) {
    for (const LimitKind kind : kLimitKinds) write_limit(json, kind, limits.of(kind));
}

void write_tier_members(JsonWriter& json, const Tier& tier) {
    json.field("code", tier.code).field("name", tier.name);
    write_limits(json, tier.limits);
    json.field("retention", name(tier.retention))
        .field("support_response_minutes", tier.support_response_minutes)
        .field("sla_availability_per_mille10", tier.sla_availability_per_mille10)
        .field("has_fine_tuning", tier.has_fine_tuning)
        .field("discount_min_per_mille", tier.discount_min_per_mille)
        .field("discount_max_per_mille", tier.discount_max_per_mille)
        .field("dedicated_instances_max", tier.dedicated_instances_max);
}

void write_assignment_members(JsonWriter& json, const LimitAssignment& assignment) {
    json.key("tier");
    if (assignment.tier.empty()) {
        json.null();
    } else {
        json.value(assignment.tier);
    }
    for (const LimitKind kind : kLimitKinds) write_limit(json, kind, assignment.own.of(kind));
    write_optional(json, "weight", assignment.weight);
    json.key("priority");
    if (assignment.priority) {
        json.value(name(*assignment.priority));
    } else {
        json.null();
    }
    write_optional(json, "max_wait_ms", assignment.max_wait_ms);
}

}  // namespace tg
