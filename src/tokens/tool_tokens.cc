#include "tokens/internal/tool_tokens.h"

namespace tg::bpe {

namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

std::string_view string_in(object from, std::string_view key) {
    std::string_view found;
    return from[key].get_string().get(found) == simdjson::SUCCESS ? found : std::string_view();
}

std::string_view without_full_stop(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    return text;
}

// "string", or "string|null" for a list of types.
std::string type_of(object schema) {
    std::string type(string_in(schema, "type"));
    array types;
    if (schema["type"].get_array().get(types) != simdjson::SUCCESS) return type;
    for (const element item : types) {
        std::string_view one;
        if (item.get_string().get(one) != simdjson::SUCCESS) continue;
        if (!type.empty()) type += '|';
        type += one;
    }
    return type;
}

}  // namespace

ToolLayout tool_layout(Encoding encoding) {
    return {.function_start = encoding == Encoding::o200k_base ? 7 : 10};
}

std::int64_t ToolCounter::count(simdjson::simdjson_result<element> tools) const {
    array items;
    if (tools.get_array().get(items) != simdjson::SUCCESS || items.size() == 0) return 0;
    return list(items) + layout_.functions_end;
}

std::int64_t ToolCounter::list(array tools) const {
    std::int64_t total = 0;
    for (const element item : tools) {
        if (object one; item.get_object().get(one) == simdjson::SUCCESS) total += tool(one);
    }
    return total;
}

std::int64_t ToolCounter::tool(object tool) const {
    if (object nested; tool["function"].get_object().get(nested) == simdjson::SUCCESS)
        return function(nested);
    if (object nested; tool["custom"].get_object().get(nested) == simdjson::SUCCESS)
        return function(nested);
    const std::string_view type = string_in(tool, "type");
    // Legacy `functions` have no type.
    if (type == "function" || type == "custom" || type == "namespace" || type.empty())
        return function(tool);
    return layout_.function_start + text_.count_json(tool);
}

std::int64_t ToolCounter::function(object function) const {
    std::string line(string_in(function, "name"));
    line += ':';
    line += without_full_stop(string_in(function, "description"));
    std::int64_t total = layout_.function_start + text_.count(line);
    if (object parameters;
        function["parameters"].get_object().get(parameters) == simdjson::SUCCESS) {
        total += properties(parameters);
    }
    if (element format; function["format"].get(format) == simdjson::SUCCESS)
        total += text_.count_json(format);
    if (array tools; function["tools"].get_array().get(tools) == simdjson::SUCCESS)
        total += list(tools);
    return total;
}

std::int64_t ToolCounter::properties(object schema) const {
    std::int64_t total = 0;
    object members;
    if (schema["properties"].get_object().get(members) == simdjson::SUCCESS && members.size() > 0) {
        total += layout_.properties_start;
        for (const auto& [name, value] : members) {
            object member;
            if (value.get_object().get(member) == simdjson::SUCCESS)
                total += property(name, member);
        }
    }
    for (const std::string_view keyword :
         {"$defs", "definitions", "anyOf", "oneOf", "allOf", "$ref"}) {
        if (element value; schema[keyword].get(value) == simdjson::SUCCESS)
            total += text_.count_json(value);
    }
    return total;
}

std::int64_t ToolCounter::property(std::string_view name, object schema) const {
    std::string line(name);
    line += ':';
    line += type_of(schema);
    line += ':';
    line += without_full_stop(string_in(schema, "description"));
    std::int64_t total =
        layout_.property + text_.count(line) + enumeration(schema) + properties(schema);
    if (object items; schema["items"].get_object().get(items) == simdjson::SUCCESS) {
        total += enumeration(items) + properties(items);
    }
    return total;
}

std::int64_t ToolCounter::enumeration(object schema) const {
    array items;
    if (schema["enum"].get_array().get(items) != simdjson::SUCCESS || items.size() == 0) return 0;
    std::int64_t total = layout_.enum_start;
    for (const element item : items) {
        std::string_view text;
        total += layout_.enum_item;
        total += item.get_string().get(text) == simdjson::SUCCESS ? text_.count(text)
                                                                  : text_.count_json(item);
    }
    return total;
}

std::int64_t ToolCounter::output_schema(object format) const {
    std::int64_t total =
        text_.count(string_in(format, "name")) + text_.count(string_in(format, "description"));
    if (element schema; format["schema"].get(schema) == simdjson::SUCCESS)
        total += text_.count_json(schema);
    return total;
}

}  // namespace tg::bpe
