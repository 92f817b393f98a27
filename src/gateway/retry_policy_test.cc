#include "gateway/retry_policy.h"

#include <gtest/gtest.h>

#include <vector>

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000'000'000;

struct Fixture {
    RetryOptions options;
    RetryBudget budget{0.2, 1, 10};
    Rng rng{5};
    RetryDecision decide(const AttemptEnd& end, int attempts = 1, bool has_other = false,
                         std::int64_t deadline = 60 * kSecond) {
        return decide_retry(0, options, attempts, end, has_other, deadline, &budget, &rng);
    }
};

TEST(RetryPolicy, StatusTable) {
    for (const int status : {408, 409, 429, 500, 502, 503, 504, 529})
        EXPECT_TRUE(is_retryable({.status = status})) << status;
    for (const int status : {200, 301, 400, 401, 402, 403, 404, 413, 422, 431, 499, 501, 505})
        EXPECT_FALSE(is_retryable({.status = status})) << status;
    EXPECT_FALSE(is_retryable({.status = 503, .should_retry = false}));
    EXPECT_TRUE(is_retryable({.status = 400, .should_retry = true}));
}

TEST(RetryPolicy, ErrorTable) {
    for (const ErrorCode code : {ErrorCode::upstream_unreachable, ErrorCode::upstream_timeout,
                                 ErrorCode::upstream_broken}) {
        EXPECT_TRUE(is_retryable({.error = code}));
    }
    for (const ErrorCode code :
         {ErrorCode::cancelled, ErrorCode::shutting_down, ErrorCode::invalid_request,
          ErrorCode::upstream_rejected, ErrorCode::journal_unavailable}) {
        EXPECT_FALSE(is_retryable({.status = 500, .error = code}));
    }
}

TEST(RetryPolicy, Refusals) {
    struct Case {
        AttemptEnd end;
        int attempts;
        bool has_other;
        std::int64_t deadline;
        NoRetry expected;
    };
    const std::int64_t far = 60 * kSecond;
    const std::vector<Case> cases = {
        {{.status = 500}, 1, false, far, NoRetry::none},
        {{.status = 400}, 1, true, far, NoRetry::not_retryable},
        {{.status = 500, .has_sent_first_byte = true}, 1, true, far, NoRetry::first_byte_sent},
        {{.status = 500, .has_reached_upstream = true, .can_repeat_body = false},
         1,
         true,
         far,
         NoRetry::body_gone},
        {{.error = ErrorCode::upstream_unreachable, .can_repeat_body = false},
         1,
         true,
         far,
         NoRetry::none},
        {{.status = 500}, 3, true, far, NoRetry::attempts},
        {{.status = 429, .retry_after_ns = 5 * kSecond}, 1, false, 5 * kSecond, NoRetry::deadline},
        {{.status = 429, .retry_after_ns = 5 * kSecond}, 1, true, 5 * kSecond, NoRetry::none},
        {{.status = 429, .retry_after_ns = 61 * kSecond},
         1,
         false,
         600 * kSecond,
         NoRetry::retry_after_too_long},
        {{.status = 429, .can_heal = false}, 1, false, far, NoRetry::not_retryable},
        {{.status = 429, .can_heal = false}, 1, true, far, NoRetry::none},
        {{.status = 503, .should_retry = false}, 1, true, far, NoRetry::none},
        {{.status = 503, .should_retry = false}, 1, false, far, NoRetry::not_retryable},
        {{.status = 409, .should_retry = false}, 1, true, far, NoRetry::not_retryable},
        {{.status = 500}, 1, true, 400 * kMs, NoRetry::deadline},
    };
    for (const Case& each : cases) {
        Fixture f;
        EXPECT_EQ(f.decide(each.end, each.attempts, each.has_other, each.deadline).refused,
                  each.expected)
            << each.end.status << " expected " << name(each.expected);
    }
}

TEST(RetryPolicy, FullJitterGrowsToItsCap) {
    Fixture f;
    f.options.attempts_max = 100;
    f.budget = RetryBudget(0, 0, 1e9);
    for (int attempts = 1; attempts < 12; ++attempts) {
        const std::int64_t ceiling = std::min<std::int64_t>(250LL << (attempts - 1), 8'000) * kMs;
        std::int64_t lowest = ceiling, highest = 0, sum = 0;
        for (int i = 0; i < 500; ++i) {
            const RetryDecision decision = f.decide({.status = 500}, attempts);
            ASSERT_TRUE(decision.is_retry());
            ASSERT_LE(decision.at_ns, ceiling);
            lowest = std::min(lowest, decision.at_ns);
            highest = std::max(highest, decision.at_ns);
            sum += decision.at_ns / 500;
        }
        EXPECT_LT(lowest, ceiling / 20);
        EXPECT_GT(highest, ceiling * 19 / 20);
        EXPECT_NEAR(static_cast<double>(sum), static_cast<double>(ceiling) / 2,
                    static_cast<double>(ceiling) / 10);
    }
}

TEST(RetryPolicy, RetryAfterIsObeyedAndElsewhereIsAtOnce) {
    Fixture f;
    const AttemptEnd end{.status = 429, .retry_after_ns = 3 * kSecond};
    for (int i = 0; i < 5; ++i) {
        const RetryDecision decision = f.decide(end);
        EXPECT_GE(decision.at_ns, 3 * kSecond);
        EXPECT_LE(decision.at_ns, 3 * kSecond + 63 * kMs);
    }
    EXPECT_EQ(f.decide(end, 1, true).at_ns, 0);
}

TEST(RetryBudget, RetriesAreAShareOfRequests) {
    RetryBudget budget(0.2, 0, 10);
    int retries = 0;
    for (int i = 0; i < 10'000; ++i) {
        budget.on_request(0);
        for (int extra = 0; extra < 2; ++extra) retries += budget.withdraw(0) ? 1 : 0;
    }
    EXPECT_NEAR(retries, 2'010, 1);  // a fifth, and what was saved up
}

TEST(RetryBudget, RefillsWithTimeUpToItsMost) {
    RetryBudget budget(0.2, 0.5, 3);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.withdraw(0));
    EXPECT_FALSE(budget.withdraw(0));
    EXPECT_FALSE(budget.withdraw(1'900 * kMs));
    EXPECT_TRUE(budget.withdraw(2 * kSecond));
    EXPECT_DOUBLE_EQ(budget.balance(1'000 * kSecond), 3);
}

TEST(RetryPolicy, ARefusalCostsNoBudget) {
    Fixture f;
    const double before = f.budget.balance(0);
    f.decide({.status = 400});
    f.decide({.status = 500}, 3);
    f.decide({.status = 500}, 1, false, 0);
    EXPECT_DOUBLE_EQ(f.budget.balance(0), before);
    for (int i = 0; i < 10; ++i) f.decide({.status = 500});
    EXPECT_EQ(f.decide({.status = 500}).refused, NoRetry::budget);
}

}  // namespace
}  // namespace tg
