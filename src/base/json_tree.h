#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tg {

struct JsonField;

/// A parsed JSON value that keeps every number as the text it was written in, so that a price never
/// becomes a double.
struct JsonNode {
    enum class Kind : std::uint8_t {
        null,
        boolean,
        number,
        string,
        array,
        object
    } kind = Kind::null;
    bool flag = false;
    std::string text;  ///< of a string (unescaped) or a number (as written)
    std::vector<JsonNode> items;
    std::vector<JsonField> fields;  ///< in order, repeated keys kept

    bool is(Kind k) const { return kind == k; }
    /// The first field of that name, or null.
    const JsonNode* find(std::string_view key) const;
    /// The text of a string field, or "".
    std::string_view string_field(std::string_view key) const;
};

struct JsonField {
    std::string key;
    JsonNode value;
};

/// Parses one object or array, strictly (RFC 8259), nested at most 32 deep.
/// Errors: invalid_request saying what is wrong.
Result<JsonNode> parse_json_tree(std::string_view text);

}  // namespace tg
