#include "base/json_writer.h"

#include <charconv>

namespace tg {
namespace {

/// Length of the valid UTF-8 sequence at the front of `text`, or 0 (RFC 3629: no surrogates, no
/// overlong forms).
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto is_tail = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
        return i < text.size() && byte(i) >= low && byte(i) <= high;
    };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return is_tail(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const unsigned low = first == 0xe0 ? 0xa0 : 0x80, high = first == 0xed ? 0x9f : 0xbf;
        return is_tail(1, low, high) && is_tail(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const unsigned low = first == 0xf0 ? 0x90 : 0x80, high = first == 0xf4 ? 0x8f : 0xbf;
        return is_tail(1, low, high) && is_tail(2) && is_tail(3) ? 4 : 0;
    }
    return 0;
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view text) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::size_t i = 0;
    while (i < text.size()) {
        std::size_t run = i;
        while (run < text.size() && text[run] >= 0x20 && text[run] != '"' && text[run] != '\\' &&
               text[run] != 0x7f)
            ++run;
        out.append(text, i, run - i);
        i = run;
        if (i == text.size()) break;
        const char c = text[i];
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
            ++i;
        } else if (c == '\n') {
            out.append("\\n");
            ++i;
        } else if (static_cast<unsigned char>(c) < 0x80) {
            out.append("\\u00");
            out.push_back(kDigits[c >> 4]);
            out.push_back(kDigits[c & 15]);
            ++i;
        } else if (const std::size_t length = utf8_length(text.substr(i)); length > 0) {
            out.append(text, i, length);
            i += length;
        } else {
            out.append("\xef\xbf\xbd");
            ++i;
        }
    }
}

void JsonWriter::separate() {
    if (needs_comma_) out_->push_back(',');
    needs_comma_ = true;
}

JsonWriter& JsonWriter::begin_object() {
    separate();
    out_->push_back('{');
    needs_comma_ = false;
    return *this;
}
JsonWriter& JsonWriter::end_object() {
    out_->push_back('}');
    needs_comma_ = true;
    return *this;
}
JsonWriter& JsonWriter::begin_array() {
    separate();
    out_->push_back('[');
    needs_comma_ = false;
    return *this;
}
JsonWriter& JsonWriter::end_array() {
    out_->push_back(']');
    needs_comma_ = true;
    return *this;
}
JsonWriter& JsonWriter::key(std::string_view name) {
    separate();
    out_->push_back('"');
    append_json_escaped(*out_, name);
    out_->append("\":");
    needs_comma_ = false;
    return *this;
}
JsonWriter& JsonWriter::value(std::string_view text) {
    separate();
    out_->push_back('"');
    append_json_escaped(*out_, text);
    out_->push_back('"');
    return *this;
}
JsonWriter& JsonWriter::value(std::int64_t number) {
    separate();
    char text[24];
    const auto end = std::to_chars(text, text + sizeof text, number).ptr;
    out_->append(text, end);
    return *this;
}
JsonWriter& JsonWriter::value(std::uint64_t number) {
    separate();
    char text[24];
    const auto end = std::to_chars(text, text + sizeof text, number).ptr;
    out_->append(text, end);
    return *this;
}
JsonWriter& JsonWriter::value(int128 number) {
    return raw(to_string(number));
}
JsonWriter& JsonWriter::value(bool flag) {
    return raw(flag ? "true" : "false");
}
JsonWriter& JsonWriter::null() {
    return raw("null");
}
JsonWriter& JsonWriter::raw(std::string_view json) {
    separate();
    out_->append(json);
    return *this;
}

}  // namespace tg
