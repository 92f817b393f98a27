#include "base/json_tree.h"

#include <simdjson.h>

#include <algorithm>

namespace tg {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

std::unexpected<Error> bad_json(std::string_view why) {
    return fail(ErrorCode::invalid_request, "not valid JSON: " + std::string(why));
}
std::unexpected<Error> bad_json(simdjson::error_code code) {
    return bad_json(simdjson::error_message(code));
}

std::size_t skip_digits(std::string_view text, std::size_t at) {
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at;
}

bool is_json_number(std::string_view text) {
    std::size_t at = !text.empty() && text[0] == '-' ? 1 : 0;
    const std::size_t whole = at;
    at = skip_digits(text, at);
    if (at == whole || (text[whole] == '0' && at > whole + 1)) return false;
    if (at < text.size() && text[at] == '.') {
        const std::size_t decimals = ++at;
        at = skip_digits(text, at);
        if (at == decimals) return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        const std::size_t exponent = at;
        at = skip_digits(text, at);
        if (at == exponent) return false;
    }
    return at == text.size();
}

Status read_scalar(ondemand::value value, ondemand::json_type type, JsonNode& node) {
    if (type == ondemand::json_type::string) {
        std::string_view text;
        if (const auto error = value.get_string().get(text)) return bad_json(error);
        node.kind = JsonNode::Kind::string;
        node.text = text;
    } else if (type == ondemand::json_type::number) {
        std::string_view text = value.raw_json_token();
        while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\r' ||
                                 text.back() == '\t')) {
            text.remove_suffix(1);
        }
        if (!is_json_number(text))
            return bad_json("'" + std::string(text.substr(0, 40)) + "' is not a number");
        node.kind = JsonNode::Kind::number;
        node.text = text;
    } else if (type == ondemand::json_type::boolean) {
        if (const auto error = value.get_bool().get(node.flag)) return bad_json(error);
        node.kind = JsonNode::Kind::boolean;
    } else {
        bool is_null = false;
        if (const auto error = simdjson::simdjson_result<bool>(value.is_null()).get(is_null))
            return bad_json(error);
        if (!is_null) return bad_json("a word that is neither true, false nor null");
    }
    return {};
}

Status read_value(ondemand::value value, int depth, JsonNode& node);

Status read_object(ondemand::object object, int depth, JsonNode& node) {
    node.kind = JsonNode::Kind::object;
    for (auto field : object) {
        std::string_view key;
        if (const auto error = field.unescaped_key().get(key)) return bad_json(error);
        auto& [name, child] = node.fields.emplace_back();
        name = key;
        ondemand::value value;
        if (const auto error = field.value().get(value)) return bad_json(error);
        TG_CHECK_OK(read_value(value, depth, child));
    }
    return {};
}

Status read_array(ondemand::array array, int depth, JsonNode& node) {
    node.kind = JsonNode::Kind::array;
    for (auto item : array) {
        ondemand::value value;
        if (const auto error = item.get(value)) return bad_json(error);
        TG_CHECK_OK(read_value(value, depth, node.items.emplace_back()));
    }
    return {};
}

Status read_value(ondemand::value value, int depth, JsonNode& node) {
    if (depth >= kMaxDepth) return bad_json("nested more than 32 deep");
    ondemand::json_type type{};
    if (const auto error = value.type().get(type)) return bad_json(error);
    if (type == ondemand::json_type::object) {
        ondemand::object object;
        if (const auto error = value.get_object().get(object)) return bad_json(error);
        return read_object(object, depth + 1, node);
    }
    if (type == ondemand::json_type::array) {
        ondemand::array array;
        if (const auto error = value.get_array().get(array)) return bad_json(error);
        return read_array(array, depth + 1, node);
    }
    return read_scalar(value, type, node);
}

}  // namespace

const JsonNode* JsonNode::find(std::string_view key) const {
    const auto at =
        std::ranges::find_if(fields, [&](const JsonField& field) { return field.key == key; });
    return at == fields.end() ? nullptr : &at->value;
}

std::string_view JsonNode::string_field(std::string_view key) const {
    const JsonNode* node = find(key);
    return node != nullptr && node->is(Kind::string) ? std::string_view(node->text)
                                                     : std::string_view();
}

Result<JsonNode> parse_json_tree(std::string_view text) {
    if (text.size() > kMaxBytes) return bad_json("longer than 64 MB");
    const simdjson::padded_string padded(text);
    ondemand::parser parser;
    ondemand::document document;
    if (const auto error = parser.iterate(padded).get(document)) return bad_json(error);
    ondemand::json_type type{};
    if (const auto error = document.type().get(type)) return bad_json(error);
    JsonNode root;
    if (type == ondemand::json_type::object) {
        ondemand::object object;
        if (const auto error = document.get_object().get(object)) return bad_json(error);
        TG_CHECK_OK(read_object(object, 0, root));
    } else if (type == ondemand::json_type::array) {
        ondemand::array array;
        if (const auto error = document.get_array().get(array)) return bad_json(error);
        TG_CHECK_OK(read_array(array, 0, root));
    } else {
        return bad_json("an object or an array is expected");
    }
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
        return bad_json("text after the end of the value");
    return root;
}

}  // namespace tg
