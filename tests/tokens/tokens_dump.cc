// Shows what the tokenizer makes of texts, for tests that compare it with other tokenizers.
// usage: tokens_dump < NDJSON
// Each line of input is a JSON string (the text) or {"hex": "..."} (any bytes); each line of output
// is
// [[o200k_base ids], [cl100k_base ids]]. Exits 1 when counting and encoding disagree, 2 on a line
// that is neither.
#include <simdjson.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "tokens/tokenizer.h"

namespace {

bool read_hex_bytes(std::string_view digits, std::string* out) {
    const auto value = [](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    if (digits.size() % 2 != 0) return false;
    out->clear();
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        const int high = value(digits[i]);
        const int low = value(digits[i + 1]);
        if (high < 0 || low < 0) return false;
        out->push_back(static_cast<char>(high << 4 | low));
    }
    return true;
}

bool read_text(simdjson::dom::parser* parser, const std::string& line, std::string* text) {
    simdjson::dom::element element;
    if (parser->parse(line).get(element) != simdjson::SUCCESS) return false;
    std::string_view found;
    if (element.get_string().get(found) == simdjson::SUCCESS) {
        *text = found;
        return true;
    }
    return element["hex"].get_string().get(found) == simdjson::SUCCESS &&
           read_hex_bytes(found, text);
}

bool dump(tg::Encoding encoding, const std::string& text, std::string* out) {
    static thread_local std::vector<std::uint32_t> ids;
    ids.clear();
    const tg::Tokenizer& tokenizer = tg::tokenizer(encoding);
    tokenizer.encode(text, &ids);
    out->push_back('[');
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i > 0) out->push_back(',');
        *out += std::to_string(ids[i]);
    }
    out->push_back(']');
    return tokenizer.count(text) == static_cast<std::int64_t>(ids.size());
}

}  // namespace

int main() {
    std::ios::sync_with_stdio(false);
    simdjson::dom::parser parser;
    std::string text;
    std::string out;
    for (std::string line; std::getline(std::cin, line);) {
        if (!read_text(&parser, line, &text)) {
            std::cerr << "tokens_dump: error: neither a JSON string nor {\"hex\": ...}: " << line
                      << '\n';
            return 2;
        }
        out = "[";
        bool agrees = dump(tg::Encoding::o200k_base, text, &out);
        out.push_back(',');
        agrees = dump(tg::Encoding::cl100k_base, text, &out) && agrees;
        out += "]\n";
        std::cout << out;
        if (!agrees) {
            std::cerr << "tokens_dump: error: count() and encode() disagree on " << line << '\n';
            return 1;
        }
    }
    return 0;
}
