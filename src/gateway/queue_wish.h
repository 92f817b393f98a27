#pragma once
#include <cstdint>
#include <string_view>

#include "admission/limit_table.h"
#include "base/result.h"

namespace tg {

/// How a request may wait for a limit.
struct QueueWish {
    PriorityClass priority = PriorityClass::standard;
    std::int64_t max_wait_ms = 0;
};

/// What the client says of it; all may be empty.
struct QueueHeaders {
    std::string_view timeout_ms{};    ///< x-tollgate-queue-timeout-ms
    std::string_view prefer{};        ///< Prefer (RFC 7240): "wait=10" is seconds
    std::string_view priority{};      ///< x-tollgate-priority
    std::string_view service_tier{};  ///< of the body: "flex" is OpenAI's word for deferrable
};

/// The wait: the header's, else Prefer's, else the policy's, else `default_wait_ms`; at most an
/// hour. The class: the policy's, or a lower one that the client asks for; a higher one is not
/// given. A Prefer that is not understood is ignored, as RFC 7240 has it.
/// Errors: invalid_request naming the header, its value and what it may be.
Result<QueueWish> queue_wish(const QueueHeaders& headers, const CallerPolicy& policy,
                             std::int64_t default_wait_ms);

}  // namespace tg
