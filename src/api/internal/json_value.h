#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tg::api {

/// A parsed JSON value. Numbers are 64-bit integers: amounts and prices travel as text, so that
/// none becomes a double.
struct JsonValue {
    enum class Kind : std::uint8_t { null, flag, integer, text, array, object } kind = Kind::null;
    bool flag = false;
    std::int64_t integer = 0;
    std::string text{};
    std::vector<JsonValue> items{};
    std::vector<std::pair<std::string, JsonValue>> members{};
};

/// Errors: invalid_request saying what is wrong: no JSON, a repeated member, a number that is no
/// 64-bit integer, deeper than 32.
Result<JsonValue> parse_json(std::string_view text);
std::string json_text(const JsonValue& value);

}  // namespace tg::api
