#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tg {

/// Every way an expected failure can be named. The wire name is stable: clients, dashboards and the
/// journal use it.
enum class ErrorCode : std::uint8_t {
    // What a caller did.
    invalid_request,
    invalid_config,
    unauthenticated,
    key_disabled,
    key_expired,
    key_without_project,
    forbidden,
    not_found,
    method_not_allowed,
    conflict,
    request_too_large,
    headers_too_large,
    request_timeout,
    unsupported,
    model_unknown,
    model_unpriced,
    // Limits and money.
    rate_limited,
    queue_full,
    queue_timeout,
    budget_exhausted,
    policy_refused,  ///< the project's data policy (retention, residency, pool) forbids it
    // The other side.
    upstream_limited,      ///< every account that may serve it is at its limit
    upstream_unavailable,  ///< every account that may serve it has failed lately and is not asked
    upstream_unreachable,
    upstream_timeout,
    upstream_broken,
    upstream_rejected,
    // Ourselves.
    journal_unavailable,
    store_unavailable,
    shutting_down,
    overloaded,
    corrupt_data,
    io_error,
    cancelled,
    internal,
};

inline constexpr int kErrorCodeCount = static_cast<int>(ErrorCode::internal) + 1;

struct ErrorInfo {
    std::string_view name;  ///< stable wire name, snake_case
    int http_status;        ///< what a data-plane or admin client gets
    bool is_retryable;      ///< may the same request succeed later without a change?
};

/// The one table of statuses and the "retry?" answer.
const ErrorInfo& info(ErrorCode code);
inline std::string_view name(ErrorCode code) {
    return info(code).name;
}

/// An expected failure. `detail` says what happened, which value, and what to do; it never holds a
/// key or a prompt.
struct Error {
    ErrorCode code = ErrorCode::internal;
    std::string detail;

    /// "name: detail", for logs and command lines.
    std::string text() const;
};

}  // namespace tg
