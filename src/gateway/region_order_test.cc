#include "gateway/region_order.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000'000'000;

std::vector<RegionPrior> regions() {
    return {{"asia-southeast", 1'800}, {"us-west", 3'200}, {"europe-central", 4'500}};
}

std::vector<std::uint32_t> order_of(RegionOrder* order, std::int64_t now) {
    const auto span = order->order(now);
    return {span.begin(), span.end()};
}

TEST(RegionOrder, BeginsAsConfigured) {
    RegionOrder order(regions());
    EXPECT_EQ(order_of(&order, 0), (std::vector<std::uint32_t>{0, 1, 2}));
    // A region of unknown latency keeps its place.
    RegionOrder unknown({{"a", 0}, {"b", 0}, {"c", 0}});
    EXPECT_EQ(order_of(&unknown, 0), (std::vector<std::uint32_t>{0, 1, 2}));
}

TEST(RegionOrder, FollowsMeasuredLatency) {
    RegionOrder order(regions());
    std::int64_t now = 0;
    for (int i = 0; i < 60; ++i) {
        now += kSecond;
        order.observe(now, 0, CallVerdict::success, 2'000 * kMs);
        order.observe(now, 2, CallVerdict::success, 700 * kMs);
    }
    EXPECT_EQ(order_of(&order, now), (std::vector<std::uint32_t>{2, 0, 1}));
    EXPECT_EQ(order.rank(now, 2), 0U);
    // Without use it fades to what was configured, and comes back to its place.
    EXPECT_EQ(order_of(&order, now + 7'200 * kSecond), (std::vector<std::uint32_t>{0, 1, 2}));
}

TEST(RegionOrder, AFailingRegionGoesBack) {
    RegionOrder order(regions());
    std::int64_t now = 0;
    for (int i = 0; i < 60; ++i) {
        now += kSecond;
        order.observe(now, 0, i % 2 == 0 ? CallVerdict::failure : CallVerdict::success,
                      1'800 * kMs);
        order.observe(now, 0, CallVerdict::neutral, 0);
    }
    EXPECT_EQ(order_of(&order, now).front(), 1U);
    EXPECT_EQ(order_of(&order, now).back(), 0U);
}

TEST(RegionOrder, EqualsDoNotChangePlaces) {
    RegionOrder order({{"a", 1'000}, {"b", 1'000}});
    std::int64_t now = 0;
    for (int i = 0; i < 1'000; ++i) {
        now += kSecond;
        order.observe(now, 0, CallVerdict::success, (1'000 + i % 7 * 10) * kMs);
        order.observe(now, 1, CallVerdict::success, (1'000 - i % 5 * 10) * kMs);
        ASSERT_EQ(order_of(&order, now).front(), 0U);
    }
}

}  // namespace
}  // namespace tg
