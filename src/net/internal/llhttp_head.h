#pragma once
// For tests and fuzzing: a head as llhttp, Node's parser, reads it.
#include <llhttp.h>

#include <optional>
#include <string>
#include <string_view>

#include "net/http_parser.h"

namespace tg {

/// Method or status, target, and every name and value, in the form of head_text(); nullopt when
/// llhttp refuses the head for another reason than its target, about which it knows rules of its
/// own.
inline std::optional<std::string> llhttp_head(HttpParser::Kind kind, std::string_view head) {
    struct State {
        std::string text, target;
    } state;
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_url = [](llhttp_t* p, const char* at, std::size_t size) {
        static_cast<State*>(p->data)->target.append(at, size);
        return 0;
    };
    settings.on_header_field = [](llhttp_t* p, const char* at, std::size_t size) {
        static_cast<State*>(p->data)->text.append(" ").append(at, size);
        return 0;
    };
    settings.on_header_value = [](llhttp_t* p, const char* at, std::size_t size) {
        while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t')) --size;
        static_cast<State*>(p->data)->text.append("=").append(at, size);
        return 0;
    };
    settings.on_headers_complete = [](llhttp_t*) -> int { return HPE_PAUSED; };
    llhttp_t parser;
    llhttp_init(&parser, kind == HttpParser::Kind::request ? HTTP_REQUEST : HTTP_RESPONSE,
                &settings);
    parser.data = &state;
    const llhttp_errno_t error = llhttp_execute(&parser, head.data(), head.size());
    if (error == HPE_INVALID_URL) return "target";
    if (error != HPE_PAUSED) return std::nullopt;
    if (kind == HttpParser::Kind::response) return std::to_string(parser.status_code) + state.text;
    return std::string(llhttp_method_name(static_cast<llhttp_method_t>(parser.method))) + " " +
           state.target + state.text;
}

/// The same of a head that our parser read.
inline std::string head_text(const HttpHead& head) {
    std::string out = head.status() != 0
                          ? std::to_string(head.status())
                          : std::string(head.method()) + " " + std::string(head.target());
    for (const HttpHeader& h : head.headers())
        out.append(" ").append(head.name(h)).append("=").append(head.value(h));
    return out;
}

}  // namespace tg
