#include "api/internal/body.h"

#include <limits>

#include "base/money.h"

namespace tg::api {

Body::Body(JsonValue object) : object_(std::move(object)), is_taken_(object_.members.size()) {}

void Body::note_error(std::string text) {
    if (error_.empty()) error_ = std::move(text);
}

const JsonValue* Body::take(std::string_view name) {
    for (std::size_t i = 0; i < object_.members.size(); ++i) {
        if (object_.members[i].first != name) continue;
        is_taken_[i] = true;
        return &object_.members[i].second;
    }
    return nullptr;
}

const JsonValue* Body::value(std::string_view name) {
    return take(name);
}

std::optional<std::string> Body::text(std::string_view name) {
    const JsonValue* found = take(name);
    if (found == nullptr) return std::nullopt;
    if (found->kind == JsonValue::Kind::text) return found->text;
    note_error("'" + std::string(name) + "' must be a text");
    return std::nullopt;
}

std::string Body::required_text(std::string_view name) {
    if (std::optional<std::string> found = text(name)) return *std::move(found);
    note_error("'" + std::string(name) + "' is missing");
    return {};
}

std::optional<std::int64_t> Body::integer(std::string_view name) {
    const JsonValue* found = take(name);
    if (found == nullptr) return std::nullopt;
    if (found->kind == JsonValue::Kind::integer) return found->integer;
    note_error("'" + std::string(name) + "' must be an integer");
    return std::nullopt;
}

std::optional<std::int64_t> Body::cents(std::string_view name) {
    const std::optional<std::string> found = text(name);
    if (!found) return std::nullopt;
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    const Result<int128> cents = parse_scaled(*found, 2);
    if (cents.ok() && *cents >= -kMax && *cents <= kMax) return static_cast<std::int64_t>(*cents);
    note_error("'" + std::string(name) +
               "' must be an amount such as \"12.50\", with at most two decimals");
    return std::nullopt;
}

std::int64_t Body::required_cents(std::string_view name) {
    if (const std::optional<std::int64_t> found = cents(name)) return *found;
    note_error("'" + std::string(name) + "' is missing");
    return 0;
}

std::optional<std::uint32_t> Body::id(std::string_view name) {
    const JsonValue* found = take(name);
    if (found == nullptr || found->kind == JsonValue::Kind::null) return std::nullopt;
    if (found->kind == JsonValue::Kind::integer && found->integer > 0 &&
        found->integer <= std::numeric_limits<std::uint32_t>::max()) {
        return static_cast<std::uint32_t>(found->integer);
    }
    note_error("'" + std::string(name) + "' must be an id: an integer above 0");
    return std::nullopt;
}

std::optional<bool> Body::flag(std::string_view name) {
    const JsonValue* found = take(name);
    if (found == nullptr) return std::nullopt;
    if (found->kind == JsonValue::Kind::flag) return found->flag;
    note_error("'" + std::string(name) + "' must be true or false");
    return std::nullopt;
}

std::optional<std::optional<UtcMicros>> Body::time(std::string_view name) {
    const JsonValue* found = take(name);
    if (found == nullptr) return std::nullopt;
    if (found->kind == JsonValue::Kind::null) return std::optional<UtcMicros>{};
    if (found->kind == JsonValue::Kind::text) {
        if (const auto time = parse_rfc3339(found->text); time.ok()) return std::optional(*time);
    }
    note_error("'" + std::string(name) +
               "' must be a time such as \"2026-12-31T23:59:59Z\", or null");
    return std::nullopt;
}

Status Body::finish() {
    if (!error_.empty()) return fail(ErrorCode::invalid_request, error_);
    for (std::size_t i = 0; i < is_taken_.size(); ++i) {
        if (!is_taken_[i]) {
            return fail(ErrorCode::invalid_request,
                        "'" + object_.members[i].first.substr(0, 64) +
                            "' is no member of this request; see /admin/v1/openapi.yaml");
        }
    }
    return {};
}

Result<Body> parse_body(std::string_view text) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return Body(JsonValue{.kind = JsonValue::Kind::object});
    TG_TRY(JsonValue value, parse_json(text));
    if (value.kind != JsonValue::Kind::object)
        return fail(ErrorCode::invalid_request, "the body must be a JSON object");
    return Body(std::move(value));
}

}  // namespace tg::api
