#include "gateway/queue_wish.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "admission/limit_store.h"
#include "admission/limit_text.h"
#include "net/http_field.h"

namespace tg {
namespace {

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
    return value;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

/// The seconds of "wait=10" among the preferences.
std::optional<std::int64_t> preferred_wait_ms(std::string_view prefer) {
    while (!prefer.empty()) {
        const std::size_t end = std::min(prefer.find_first_of(",;"), prefer.size());
        const std::string_view one = trimmed(prefer.substr(0, end));
        prefer.remove_prefix(std::min(end + 1, prefer.size()));
        if (one.size() < 5 || !equals_ignoring_case(one.substr(0, 5), "wait=")) continue;
        const auto seconds = whole_number(trimmed(one.substr(5)));
        if (seconds) return std::min(*seconds, kMaxWaitMsMax / 1000) * 1000;
    }
    return std::nullopt;
}

}  // namespace

Result<QueueWish> queue_wish(const QueueHeaders& headers, const CallerPolicy& policy,
                             std::int64_t default_wait_ms) {
    QueueWish wish{.priority = policy.priority,
                   .max_wait_ms = policy.max_wait_ms.value_or(default_wait_ms)};
    if (!headers.timeout_ms.empty()) {
        const auto wait_ms = whole_number(headers.timeout_ms);
        if (!wait_ms || *wait_ms > kMaxWaitMsMax) {
            return fail(
                ErrorCode::invalid_request,
                "x-tollgate-queue-timeout-ms is '" + std::string(headers.timeout_ms.substr(0, 40)) +
                    "'; it must be milliseconds from 0 to " + std::to_string(kMaxWaitMsMax));
        }
        wish.max_wait_ms = *wait_ms;
    } else if (const auto wait_ms = preferred_wait_ms(headers.prefer)) {
        wish.max_wait_ms = *wait_ms;
    }
    if (!headers.priority.empty()) {
        const auto asked = parse_priority(headers.priority);
        if (!asked) {
            return fail(ErrorCode::invalid_request,
                        "x-tollgate-priority is '" + std::string(headers.priority.substr(0, 40)) +
                            "'; it must be " + std::string(kPriorityNames));
        }
        wish.priority = std::max(wish.priority, *asked);
    }
    if (headers.service_tier == "flex") wish.priority = PriorityClass::deferrable;
    return wish;
}

}  // namespace tg
