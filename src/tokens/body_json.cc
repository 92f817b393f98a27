#include "tokens/internal/body_json.h"

#include <string>

#include "tokens/internal/utf8_repair.h"

namespace tg::bpe {

namespace {

// The code unit of the escape "\uXXXX" at `at`, or -1.
int escaped_unit(std::string_view text, std::size_t at) {
    if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
    int unit = 0;
    for (std::size_t i = at + 2; i < at + 6; ++i) {
        const char c = text[i];
        const bool is_digit = c >= '0' && c <= '9';
        const char letter = static_cast<char>(c | 0x20);
        if (!is_digit && (letter < 'a' || letter > 'f')) return -1;
        unit = unit << 4 | (is_digit ? c - '0' : letter - 'a' + 10);
    }
    return unit;
}

bool is_high(int unit) {
    return unit >= 0xd800 && unit < 0xdc00;
}
bool is_low(int unit) {
    return unit >= 0xdc00 && unit < 0xe000;
}

void replace_lone_surrogates(std::string* body) {
    for (std::size_t at = 0; at < body->size();) {
        if ((*body)[at] != '\\') {
            ++at;
            continue;
        }
        const int unit = escaped_unit(*body, at);
        if (is_high(unit) && is_low(escaped_unit(*body, at + 6))) {
            at += 12;
        } else if (is_high(unit) || is_low(unit)) {
            body->replace(at, 6, "\\ufffd");
            at += 6;
        } else {
            at += 2;  // the escaped character may be another backslash
        }
    }
}

}  // namespace

simdjson::simdjson_result<simdjson::dom::element> parse_body(simdjson::dom::parser* parser,
                                                             std::string_view body) {
    const auto parsed = parser->parse(body.data(), body.size());
    if (parsed.error() != simdjson::UTF8_ERROR && parsed.error() != simdjson::STRING_ERROR)
        return parsed;
    std::string repaired;
    repair_utf8(body, &repaired);
    replace_lone_surrogates(&repaired);
    return parser->parse(repaired);
}

}  // namespace tg::bpe
