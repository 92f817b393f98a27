#pragma once
#include <string>
#include <string_view>

#include "admission/admission_types.h"
#include "base/error.h"

namespace tg {

/// Whose levels a refused call named, for people.
struct RefusedCaller {
    std::string_view key_hint{}, project{}, customer{}, model{};
};

/// A limit's refusal as OpenAI's clients read it: status 429, type "requests" or "tokens", code
/// rate_limit_exceeded; the message in the order of OpenAI's own ("Limit 500, Used 500, Requested
/// 1. Please try again in 1.2s."), which programs look for. Source: OpenAI, "Error codes", 429, and
/// bodies seen.
struct RefusalAnswer {
    Error error;                  ///< rate_limited, queue_full or queue_timeout
    std::string_view error_type;  ///< "requests" or "tokens"
    std::int64_t retry_after_us = 0;
    bool is_retry_useless = false;  ///< the same request can never pass
};
RefusalAnswer refusal_answer(const Refusal& refusal, const Amounts& requested,
                             std::int64_t max_wait_ms, const RefusedCaller& caller);

}  // namespace tg
