#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "base/json_writer.h"

namespace tg {
namespace {

std::atomic<LogLevel> g_level{LogLevel::info};
constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};

}  // namespace

Result<LogLevel> parse_log_level(std::string_view name) {
    for (int i = 0; i < 4; ++i) {
        if (kNames[i] == name) return static_cast<LogLevel>(i);
    }
    return fail(ErrorCode::invalid_config, "log level '" + std::string(name) +
                                               "' is not known; use debug, info, warn or error");
}

void set_log_level(LogLevel level) {
    g_level.store(level, std::memory_order_relaxed);
}
bool is_log_enabled(LogLevel level) {
    return level >= g_level.load(std::memory_order_relaxed);
}

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
    thread_local std::string line;
    line.clear();
    JsonWriter w(line);
    w.begin_object();
    w.field("ts", format_rfc3339(system_clock().now()));
    w.field("level", kNames[static_cast<int>(level)]);
    w.field("event", event);
    for (const LogField& field : fields) {
        w.key(field.key);
        std::visit([&](const auto& v) { w.value(v); }, field.value);
    }
    w.end_object();
    line.push_back('\n');
    std::string_view rest = line;
    while (!rest.empty()) {
        const ssize_t n = ::write(STDERR_FILENO, rest.data(), rest.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;  // a log that cannot be written must not stop the gate
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
}

}  // namespace tg
