#include "gateway/queue_wish.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

constexpr std::int64_t kDefaultMs = 30'000;

std::int64_t wait_ms(const QueueHeaders& headers, const CallerPolicy& policy = {}) {
    return queue_wish(headers, policy, kDefaultMs).value().max_wait_ms;
}
PriorityClass priority(const QueueHeaders& headers, PriorityClass allowed) {
    return queue_wish(headers, {.priority = allowed}, kDefaultMs).value().priority;
}

TEST(QueueWish, TheWaitIsTheHeadersElsePrefersElseThePolicysElseTheDefault) {
    const CallerPolicy policy{.max_wait_ms = 5'000};
    EXPECT_EQ(wait_ms({}), kDefaultMs);
    EXPECT_EQ(wait_ms({}, policy), 5'000);
    EXPECT_EQ(wait_ms({.prefer = "respond-async, wait=10"}, policy), 10'000);
    EXPECT_EQ(wait_ms({.prefer = "Wait=7; foo"}, policy), 7'000);
    EXPECT_EQ(wait_ms({.timeout_ms = "250", .prefer = "wait=10"}, policy), 250);
    EXPECT_EQ(wait_ms({.timeout_ms = "0"}, policy), 0);
}

TEST(QueueWish, APreferenceThatIsNotUnderstoodIsIgnored) {
    EXPECT_EQ(wait_ms({.prefer = "wait=soon"}), kDefaultMs);
    EXPECT_EQ(wait_ms({.prefer = "return=minimal"}), kDefaultMs);
    EXPECT_EQ(wait_ms({.prefer = "wait=99999999999"}), 3'600'000);
}

TEST(QueueWish, PriorityOnlyGoesDown) {
    using enum PriorityClass;
    EXPECT_EQ(priority({}, standard), standard);
    EXPECT_EQ(priority({.priority = "interactive"}, standard), standard);
    EXPECT_EQ(priority({.priority = "standard"}, interactive), standard);
    EXPECT_EQ(priority({.priority = "deferrable"}, interactive), deferrable);
    EXPECT_EQ(priority({.service_tier = "flex"}, interactive), deferrable);
    EXPECT_EQ(priority({.service_tier = "default"}, interactive), interactive);
}

TEST(QueueWish, BadHeadersAreRefusedByName) {
    const auto refused = [](const QueueHeaders& headers, std::string_view says) {
        const auto wish = queue_wish(headers, {}, kDefaultMs);
        ASSERT_FALSE(wish.ok()) << says;
        EXPECT_EQ(wish.error().code, ErrorCode::invalid_request);
        EXPECT_NE(wish.error().detail.find(says), std::string::npos) << wish.error().detail;
    };
    refused({.timeout_ms = "10s"}, "x-tollgate-queue-timeout-ms is '10s'");
    refused({.timeout_ms = "-1"}, "0 to 3600000");
    refused({.timeout_ms = "3600001"}, "0 to 3600000");
    refused({.priority = "urgent"}, "x-tollgate-priority is 'urgent'");
}

}  // namespace
}  // namespace tg
