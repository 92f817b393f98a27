// The fleet's protocol in virtual time: the script in Lua, processes with real admission cores.
#include <gtest/gtest.h>

#include "admission/test_fleet.h"

namespace tg {
namespace {

using test::FleetWorld;
using test::FleetWorldOptions;

constexpr std::int64_t kMinute = 60'000;

std::int64_t per_mille_used(const FleetWorld& world, std::int64_t from_us, std::int64_t limit) {
    const std::int64_t minutes_us = world.now_us - from_us;
    return world.admitted(LimitKind::requests, from_us, world.now_us) * 1000 * 60'000'000 /
           (limit * minutes_us);
}

// Given four processes with very different loads, together half as much again as the limit, the
// limit is used and never passed.
TEST(Fleet, SkewedLoadUsesTheLimitAndNeverMore) {
    FleetWorld world({});
    world.weights = {70, 20, 8, 2};
    world.per_minute = 9000;
    world.run(2 * kMinute);
    const std::int64_t from_us = world.now_us;
    world.run(3 * kMinute);
    EXPECT_LE(world.peak(LimitKind::requests), 6000);
    EXPECT_GE(per_mille_used(world, from_us, 6000), 985);
    RecordProperty("used_per_mille", static_cast<int>(per_mille_used(world, from_us, 6000)));
    std::printf("used %ld per mille, %lu calls\n", per_mille_used(world, from_us, 6000),
                world.redis.calls);
}

TEST(Fleet, ShiftingLoadIsFollowed) {
    FleetWorld world({});
    world.per_minute = 9000;
    world.weights = {97, 1, 1, 1};
    world.run(2 * kMinute);
    const std::int64_t from_us = world.now_us;
    for (std::size_t i = 0; i < 8; ++i) {
        world.weights.assign(4, 1);
        world.weights[i % 4] = 97;
        world.run(40'000);
    }
    EXPECT_LE(world.peak(LimitKind::requests), 6000);
    EXPECT_GE(per_mille_used(world, from_us, 6000), 970);
    std::printf("used %ld per mille\n", per_mille_used(world, from_us, 6000));
}

TEST(Fleet, WhatAKilledProcessUsedComesBackAsItLeavesTheWindow) {
    FleetWorld world({});
    world.per_minute = 9000;
    world.run(2 * kMinute);
    world.kill(1);
    world.weights[1] = 0;
    const std::int64_t from_us = world.now_us;
    world.run(kMinute);
    const std::int64_t used = per_mille_used(world, from_us, 6000);
    world.run(2 * kMinute);
    EXPECT_LE(world.peak(LimitKind::requests), 6000);
    EXPECT_GE(used, 950);
    std::printf("used %ld per mille in the minute after\n", used);
}

}  // namespace
}  // namespace tg
