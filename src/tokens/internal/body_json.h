#pragma once
#include <simdjson.h>

#include <string_view>

namespace tg::bpe {

/// Parses a request body for counting. Ill-formed UTF-8 and lone surrogates ("\ud83d", what cutting
/// a string inside an emoji leaves) are read as U+FFFD: a body is not refused for something that a
/// count can live with.
simdjson::simdjson_result<simdjson::dom::element> parse_body(simdjson::dom::parser* parser,
                                                             std::string_view body);

}  // namespace tg::bpe
