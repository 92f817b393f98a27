#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/money.h"

namespace tg {

/// Appends `text` as the inside of a JSON string. Invalid UTF-8 becomes U+FFFD, so that the output
/// is always valid.
void append_json_escaped(std::string& out, std::string_view text);

/// Writes JSON into a string, in order, without a tree. Commas are its business; balance is the
/// caller's.
///   JsonWriter w(out); w.begin_object().field("id",
///   id).key("tags").begin_array().value("a").end_array().end_object();
class JsonWriter {
  public:
    explicit JsonWriter(std::string& out) : out_(&out) {}

    JsonWriter& begin_object();
    JsonWriter& end_object();
    JsonWriter& begin_array();
    JsonWriter& end_array();
    JsonWriter& key(std::string_view name);

    JsonWriter& value(std::string_view text);
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(std::int64_t number);
    JsonWriter& value(std::uint64_t number);
    JsonWriter& value(int number) { return value(static_cast<std::int64_t>(number)); }
    JsonWriter& value(unsigned number) { return value(static_cast<std::uint64_t>(number)); }
    JsonWriter& value(int128 number);
    JsonWriter& value(bool flag);
    JsonWriter& null();
    /// Text that is JSON already.
    JsonWriter& raw(std::string_view json);

    template <typename T>
    JsonWriter& field(std::string_view name, const T& v) {
        key(name);
        return value(v);
    }
    JsonWriter& field(std::string_view name, const char* v) {
        key(name);
        return value(std::string_view(v));
    }

  private:
    void separate();
    std::string* out_;
    bool needs_comma_ = false;
};

}  // namespace tg
