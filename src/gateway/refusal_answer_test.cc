#include "gateway/refusal_answer.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

constexpr RefusedCaller kCaller{
    .key_hint = "sk-tg-3fGh...x9Qz", .project = "chat", .customer = "acme", .model = "gpt-4o"};

Refusal refusal(RefusalReason reason, LevelKind level, LimitKind kind) {
    return {.reason = reason,
            .level = {level, 1},
            .kind = kind,
            .limit = 500,
            .used = 499,
            .retry_after_us = 8'640'000,
            .is_promised = true,
            .position = 3,
            .expected_wait_us = 61'500'000};
}

TEST(RefusalAnswer, NamesTheLevelTheFiguresThePlaceAndTheTime) {
    const RefusalAnswer answer =
        refusal_answer(refusal(RefusalReason::limit, LevelKind::key, LimitKind::total_tokens),
                       {1, 1'000, 24}, 30'000, kCaller);
    EXPECT_EQ(answer.error.code, ErrorCode::rate_limited);
    EXPECT_EQ(answer.error_type, "tokens");
    EXPECT_EQ(answer.retry_after_us, 8'640'000);
    EXPECT_FALSE(answer.is_retry_useless);
    EXPECT_EQ(answer.error.detail,
              "Rate limit reached for API key sk-tg-3fGh...x9Qz on tokens per minute: Limit 500, "
              "Used 499, Requested 1024. Please try again in 8.64s. It would be number 3 in line "
              "and wait about 1m1.5s, longer than the 30s that it may wait "
              "(x-tollgate-queue-timeout-ms).");
}

TEST(RefusalAnswer, SaysWhenItIsTheFleetThatCannotBeReached) {
    Refusal away = refusal(RefusalReason::limit, LevelKind::key, LimitKind::requests);
    away.is_fleet_away = true;
    const RefusalAnswer answer = refusal_answer(away, {}, 0, kCaller);
    EXPECT_NE(answer.error.detail.find("shares the limit with others and cannot reach them"),
              std::string::npos);
}

TEST(RefusalAnswer, EachReasonHasItsCode) {
    const auto code = [](RefusalReason reason) {
        return refusal_answer(refusal(reason, LevelKind::customer, LimitKind::requests), {}, 1'000,
                              kCaller)
            .error.code;
    };
    EXPECT_EQ(code(RefusalReason::limit), ErrorCode::rate_limited);
    EXPECT_EQ(code(RefusalReason::queue_full), ErrorCode::queue_full);
    EXPECT_EQ(code(RefusalReason::deadline), ErrorCode::queue_timeout);
    EXPECT_EQ(code(RefusalReason::too_large), ErrorCode::rate_limited);
}

TEST(RefusalAnswer, WhatCanNeverPassHasNoTimeToComeBack) {
    const RefusalAnswer large = refusal_answer(
        refusal(RefusalReason::too_large, LevelKind::customer_model, LimitKind::output_tokens),
        {1, 0, 9'000}, 0, kCaller);
    EXPECT_TRUE(large.is_retry_useless);
    EXPECT_EQ(large.retry_after_us, 0);
    EXPECT_EQ(large.error.detail,
              "Request too large for customer 'acme' on model 'gpt-4o' on output tokens per "
              "minute: Limit 500, Used 499, Requested 9000. It can never pass: send a smaller "
              "request, lower max_tokens, or ask for a higher limit.");
    Refusal nothing = refusal(RefusalReason::too_large, LevelKind::project, LimitKind::requests);
    nothing.limit = 0;
    EXPECT_NE(refusal_answer(nothing, {}, 0, kCaller).error.detail.find("Nothing is allowed"),
              std::string::npos);
}

TEST(RefusalAnswer, ConcurrencyIsAKindOfRequests) {
    const RefusalAnswer answer = refusal_answer(
        refusal(RefusalReason::limit, LevelKind::model, LimitKind::concurrency), {}, 0, kCaller);
    EXPECT_EQ(answer.error_type, "requests");
    EXPECT_NE(answer.error.detail.find("model 'gpt-4o' on concurrent requests: Limit 500, Used "
                                       "499, Requested 1."),
              std::string::npos)
        << answer.error.detail;
    EXPECT_NE(answer.error.detail.find("may not wait in line"), std::string::npos);
}

}  // namespace
}  // namespace tg
