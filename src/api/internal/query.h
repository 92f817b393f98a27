#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace tg::api {

/// %XX and, where `plus_is_space`, +. Errors: invalid_request for a broken escape.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space);

/// The parameters behind the '?'.
class Query {
  public:
    /// Errors: invalid_request for a broken escape, a repeated name, or one that is not in
    /// `allowed`.
    static Result<Query> parse(std::string_view text, const std::vector<std::string_view>& allowed);

    std::optional<std::string> text(std::string_view name) const;
    /// Errors: invalid_request naming the parameter and its bounds.
    Result<std::int64_t> integer(std::string_view name, std::int64_t fallback, std::int64_t min,
                                 std::int64_t max) const;
    Result<std::optional<std::uint32_t>> id(std::string_view name) const;
    Result<bool> flag(std::string_view name) const;  ///< "true", "false"; absent is false
    Result<std::optional<UtcMicros>> time(std::string_view name) const;

  private:
    std::vector<std::pair<std::string, std::string>> values_;
};

/// A whole decimal number above 0 that fits an id.
std::optional<std::uint32_t> parse_id(std::string_view text);

}  // namespace tg::api
