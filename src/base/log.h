#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/ids.h"

namespace tg {

enum class LogLevel : std::uint8_t { debug, info, warn, error };
Result<LogLevel> parse_log_level(std::string_view name);

/// One key and value of a log line. Values never hold prompts, completions, keys or credentials.
struct LogField {
    std::string_view key;
    std::variant<std::string_view, std::int64_t, bool> value;

    LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
    LogField(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
    LogField(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
    template <std::integral T>
    LogField(std::string_view k, T v) : key(k), value(static_cast<std::int64_t>(v)) {}
    LogField(std::string_view k, bool v) : key(k), value(v) {}
};

/// Lines below `level` cost one relaxed load. Thread-safe; each line is one write(2) to standard
/// error.
void set_log_level(LogLevel level);
bool is_log_enabled(LogLevel level);

/// Writes {"ts":...,"level":...,"event":"upstream_retry","deployment":"eu-1",...}. `event` is a
/// stable snake_case name.
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

inline void log_debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
    if (is_log_enabled(LogLevel::debug)) log(LogLevel::debug, event, fields);
}
inline void log_info(std::string_view event, std::initializer_list<LogField> fields = {}) {
    if (is_log_enabled(LogLevel::info)) log(LogLevel::info, event, fields);
}
inline void log_warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
    if (is_log_enabled(LogLevel::warn)) log(LogLevel::warn, event, fields);
}
inline void log_error(std::string_view event, std::initializer_list<LogField> fields = {}) {
    if (is_log_enabled(LogLevel::error)) log(LogLevel::error, event, fields);
}

}  // namespace tg
