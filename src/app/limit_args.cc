#include "app/limit_args.h"

#include "admission/limit_text.h"
#include "app/notify.h"
#include "app/output.h"

namespace tg {

LimitSession::LimitSession(const Config& config)
    : pool(config.effective_store_url(), 1),
      identity(&pool, {}),
      limits(&pool, {}),
      change{.actor = "cli:" + user_name(), .at = system_clock().now()} {}

Status with_limits(const Config& config, CommandContext* context,
                   const std::function<Status(LimitSession&)>& body) {
    TG_TRY(const auto migrated, context->open_store(config));
    LimitSession session(config);
    TG_CHECK_OK(body(session));
    notify_server(config);
    return {};
}

void LimitArgs::add_to(Command command, const std::string& help) {
    for (const LimitKind kind : kLimitKinds) {
        std::string option = "--" + std::string(name(kind));
        std::ranges::replace(option, '_', '-');
        command.add_option(option, values[static_cast<std::size_t>(kind)],
                           (kind == LimitKind::concurrency ? "at once: " : "a minute: ") + help);
    }
}

Result<std::optional<std::int64_t>> LimitArgs::value(LimitKind kind) const {
    const std::string& text = values[static_cast<std::size_t>(kind)];
    if (text.empty()) return std::optional<std::int64_t>();
    TG_TRY(const std::int64_t limit, parse_limit(name(kind), text));
    return std::optional(limit);
}

}  // namespace tg
