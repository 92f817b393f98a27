#include "gateway/refusal_answer.h"

#include "admission/rate_headers.h"

namespace tg {
namespace {

std::string_view unit(LimitKind kind) {
    switch (kind) {
        case LimitKind::requests:
            return "requests per minute";
        case LimitKind::input_tokens:
            return "input tokens per minute";
        case LimitKind::output_tokens:
            return "output tokens per minute";
        case LimitKind::total_tokens:
            return "tokens per minute";
        case LimitKind::concurrency:
            return "concurrent requests";
    }
    return "requests";
}

std::string level_text(LevelKind kind, const RefusedCaller& caller) {
    const auto quoted = [](std::string_view what, std::string_view text) {
        return std::string(what) + " '" + std::string(text) + "'";
    };
    switch (kind) {
        case LevelKind::key:
            return "API key " + std::string(caller.key_hint);
        case LevelKind::project:
            return quoted("project", caller.project);
        case LevelKind::customer:
            return quoted("customer", caller.customer);
        case LevelKind::model:
            return quoted("model", caller.model);
        case LevelKind::customer_model:
            return quoted("customer", caller.customer) + " on " + quoted("model", caller.model);
        case LevelKind::account:
        case LevelKind::other:
            break;
    }
    return "this gateway";
}

std::string figures(const Refusal& refusal, const Amounts& requested) {
    const bool is_slot = refusal.kind == LimitKind::concurrency;
    return "Limit " + std::to_string(refusal.limit) + ", Used " + std::to_string(refusal.used) +
           ", Requested " + std::to_string(is_slot ? 1 : requested.of(refusal.kind)) + ".";
}

/// What keeps it from waiting, or has ended its wait.
std::string why_not_waiting(const Refusal& refusal, std::int64_t max_wait_ms) {
    const std::string place = "would be number " + std::to_string(refusal.position) +
                              " in line and wait about " + format_reset(refusal.expected_wait_us);
    const std::string allowed = format_reset(max_wait_ms * 1000);
    switch (refusal.reason) {
        case RefusalReason::queue_full:
            return "The line of those who wait is full.";
        case RefusalReason::deadline:
            return "It could not be let through within the " + allowed +
                   " that it may wait (x-tollgate-queue-timeout-ms).";
        case RefusalReason::limit:
        case RefusalReason::too_large:
            break;
    }
    if (max_wait_ms == 0) return "It may not wait in line (x-tollgate-queue-timeout-ms: 0).";
    return "It " + place + ", longer than the " + allowed +
           " that it may wait (x-tollgate-queue-timeout-ms).";
}

ErrorCode code_of(RefusalReason reason) {
    switch (reason) {
        case RefusalReason::queue_full:
            return ErrorCode::queue_full;
        case RefusalReason::deadline:
            return ErrorCode::queue_timeout;
        case RefusalReason::limit:
        case RefusalReason::too_large:
            break;
    }
    return ErrorCode::rate_limited;
}

}  // namespace

RefusalAnswer refusal_answer(const Refusal& refusal, const Amounts& requested,
                             std::int64_t max_wait_ms, const RefusedCaller& caller) {
    const bool is_tokens =
        refusal.kind != LimitKind::requests && refusal.kind != LimitKind::concurrency;
    const std::string where =
        level_text(refusal.level.kind, caller) + " on " + std::string(unit(refusal.kind));
    RefusalAnswer out{.error = {code_of(refusal.reason), {}},
                      .error_type = is_tokens ? "tokens" : "requests"};
    if (refusal.reason == RefusalReason::too_large) {
        out.is_retry_useless = true;
        out.error.detail =
            "Request too large for " + where + ": " + figures(refusal, requested) +
            (refusal.limit == 0 ? " Nothing is allowed there: ask for a limit."
                                : " It can never pass: send a smaller request, lower max_tokens, "
                                  "or ask for a higher limit.");
        return out;
    }
    out.retry_after_us = refusal.retry_after_us;
    out.error.detail = "Rate limit reached for " + where + ": " + figures(refusal, requested) +
                       " Please try again in " + format_reset(refusal.retry_after_us) + ". " +
                       why_not_waiting(refusal, max_wait_ms);
    if (refusal.is_fleet_away)
        out.error.detail +=
            " This gateway shares the limit with others and cannot reach them at the moment, so it "
            "uses no more than its own part.";
    return out;
}

}  // namespace tg
