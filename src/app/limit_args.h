#pragma once
#include <array>
#include <functional>
#include <optional>
#include <string>

#include "admission/limit_store.h"
#include "app/commands.h"
#include "store/connection_pool.h"

namespace tg {

/// The store of the configuration, for one command about limits.
struct LimitSession {
    explicit LimitSession(const Config& config);
    ConnectionPool pool;
    IdentityStore identity;
    LimitStore limits;
    Change change;
};
/// Opens it for `body`, and tells a running server afterwards.
Status with_limits(const Config& config, CommandContext* context,
                   const std::function<Status(LimitSession&)>& body);

/// --requests, --input-tokens, --output-tokens, --total-tokens, --concurrency.
struct LimitArgs {
    std::array<std::string, kLimitKindCount> values{};  ///< empty: not given

    void add_to(Command command, const std::string& help);
    /// None when it is not given. Errors: invalid_request.
    Result<std::optional<std::int64_t>> value(LimitKind kind) const;
};

void add_tier_commands(Command app, CommandContext* context);

}  // namespace tg
