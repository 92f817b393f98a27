#include "api/internal/json_value.h"

#include <simdjson.h>

#include "base/json_writer.h"

namespace tg::api {
namespace {

constexpr int kDepthMax = 32;

Result<JsonValue> convert(const simdjson::dom::element& element, int depth);

Result<JsonValue> convert_object(const simdjson::dom::object& object, int depth) {
    JsonValue out{.kind = JsonValue::Kind::object};
    for (const auto& [key, member] : object) {
        for (const auto& [known, value] : out.members) {
            if (known == key)
                return fail(ErrorCode::invalid_request,
                            "the member '" + known + "' is given twice");
        }
        TG_TRY(JsonValue value, convert(member, depth + 1));
        out.members.emplace_back(std::string(key), std::move(value));
    }
    return out;
}

Result<JsonValue> convert(const simdjson::dom::element& element, int depth) {
    if (depth > kDepthMax)
        return fail(ErrorCode::invalid_request, "the JSON is nested deeper than 32 levels");
    switch (element.type()) {
        case simdjson::dom::element_type::OBJECT:
            return convert_object(element.get_object().value_unsafe(), depth);
        case simdjson::dom::element_type::ARRAY: {
            JsonValue out{.kind = JsonValue::Kind::array};
            for (const simdjson::dom::element item : element.get_array().value_unsafe()) {
                TG_TRY(JsonValue value, convert(item, depth + 1));
                out.items.push_back(std::move(value));
            }
            return out;
        }
        case simdjson::dom::element_type::STRING:
            return JsonValue{.kind = JsonValue::Kind::text,
                             .text = std::string(element.get_string().value_unsafe())};
        case simdjson::dom::element_type::INT64:
            return JsonValue{.kind = JsonValue::Kind::integer,
                             .integer = element.get_int64().value_unsafe()};
        case simdjson::dom::element_type::BOOL:
            return JsonValue{.kind = JsonValue::Kind::flag,
                             .flag = element.get_bool().value_unsafe()};
        case simdjson::dom::element_type::NULL_VALUE:
            return JsonValue{};
        case simdjson::dom::element_type::UINT64:
        case simdjson::dom::element_type::DOUBLE:
            break;
    }
    return fail(ErrorCode::invalid_request,
                "a number in the body is no 64-bit integer; decimals are given as text, for "
                "example \"2.50\"");
}

void write_json(JsonWriter& json, const JsonValue& value) {
    switch (value.kind) {
        case JsonValue::Kind::null:
            json.null();
            break;
        case JsonValue::Kind::flag:
            json.value(value.flag);
            break;
        case JsonValue::Kind::integer:
            json.value(value.integer);
            break;
        case JsonValue::Kind::text:
            json.value(value.text);
            break;
        case JsonValue::Kind::array:
            json.begin_array();
            for (const JsonValue& item : value.items) write_json(json, item);
            json.end_array();
            break;
        case JsonValue::Kind::object:
            json.begin_object();
            for (const auto& [name, member] : value.members) write_json(json.key(name), member);
            json.end_object();
            break;
    }
}

}  // namespace

Result<JsonValue> parse_json(std::string_view text) {
    simdjson::dom::parser parser;
    const simdjson::padded_string padded(text);
    simdjson::dom::element element;
    if (const simdjson::error_code error = parser.parse(padded).get(element);
        error != simdjson::SUCCESS) {
        return fail(ErrorCode::invalid_request,
                    std::string("the body is no valid JSON: ") + simdjson::error_message(error));
    }
    return convert(element, 0);
}

std::string json_text(const JsonValue& value) {
    std::string out;
    JsonWriter json(out);
    write_json(json, value);
    return out;
}

}  // namespace tg::api
