#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/internal/json_value.h"
#include "base/clock.h"

namespace tg::api {

/// Takes the members of a JSON object one by one. The first mistake is kept; finish() reports it,
/// or a member that nobody asked for, so that a misspelt name is never ignored. Values are only to
/// be used after finish() succeeded.
class Body {
  public:
    explicit Body(JsonValue object);

    std::optional<std::string> text(std::string_view name);
    std::optional<std::int64_t> integer(std::string_view name);
    std::optional<bool> flag(std::string_view name);
    /// A row id. `or_null`: null counts as absent.
    std::optional<std::uint32_t> id(std::string_view name);
    /// RFC 3339, or null for "never": the inner optional.
    std::optional<std::optional<UtcMicros>> time(std::string_view name);
    /// Any value; for members with a form of their own.
    const JsonValue* value(std::string_view name);
    /// "12.50" or "-12.50", in cents or fen.
    std::optional<std::int64_t> cents(std::string_view name);

    std::string required_text(std::string_view name);
    std::int64_t required_cents(std::string_view name);
    void note_error(std::string text);

    /// Errors: invalid_request.
    Status finish();

  private:
    const JsonValue* take(std::string_view name);
    JsonValue object_;
    std::vector<bool> is_taken_;
    std::string error_;
};

/// The body as an object; an empty body is an empty object. Errors: invalid_request.
Result<Body> parse_body(std::string_view text);

}  // namespace tg::api
