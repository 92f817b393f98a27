#include "base/json_writer.h"

#include <charconv>

#include "base/utf8.h"

namespace tg {
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
