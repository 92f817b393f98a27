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
    world.run(kMinute);
    EXPECT_LE(world.peak(LimitKind::requests), 6000);
    EXPECT_GE(per_mille_used(world, from_us, 6000), 985);
    RecordProperty("used_per_mille", static_cast<int>(per_mille_used(world, from_us, 6000)));
}

TEST(Fleet, ShiftingLoadIsFollowed) {
    FleetWorld world({});
    world.per_minute = 9000;
    world.weights = {97, 1, 1, 1};
    world.run(3 * kMinute / 2);
    const std::int64_t from_us = world.now_us;
    for (std::size_t i = 0; i < 5; ++i) {
        world.weights.assign(4, 1);
        world.weights[i % 4] = 97;
        world.run(40'000);
    }
    EXPECT_LE(world.peak(LimitKind::requests), 6000);
    EXPECT_GE(per_mille_used(world, from_us, 6000), 970);
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
    world.run(kMinute / 2);
    EXPECT_LE(world.peak(LimitKind::requests), 6000);
    EXPECT_GE(used, 950);
}

// What a process knows of a level before and after the fleet leaves it a share.
TEST(Fleet, ALevelBeginsWithNothingAndAsksOnce) {
    AdmissionCore core({.is_fleet = true});
    const LevelHandle level = core.intern({LevelKind::key, 1}, {.requests = 10});
    const auto send = [&](std::int64_t at_us, std::int64_t max_wait_us) {
        return core.reserve(
            {.levels = std::span(&level, 1), .customer = 5, .flow = 1, .max_wait_us = max_wait_us},
            at_us);
    };
    EXPECT_EQ(send(0, 0).verdict, Verdict::queued) << "for as long as asking may take";
    EXPECT_EQ(send(0, 0).verdict, Verdict::queued);
    const auto wants = core.take_share_wants();
    ASSERT_EQ(wants.size(), 1U);
    EXPECT_EQ(wants[0].id, (LevelId{LevelKind::key, 1}));
    EXPECT_EQ(wants[0].customer, 5U);
    const FleetReport report = core.fleet_report(level, 1000);
    EXPECT_EQ(report.waiting[0], 2);
    EXPECT_EQ(report.need[0], 1);
    EXPECT_EQ(report.limits.requests, 10);
    EXPECT_EQ(report.share.requests, 0);

    core.set_share(level, {.share = {.requests = 4}, .others_used = {5, 0, 0, 0, 0}}, 2000);
    std::vector<WaitOutcome> outcomes;
    core.poll(2000, &outcomes);
    ASSERT_EQ(outcomes.size(), 2U);
    EXPECT_TRUE(outcomes[0].is_admitted && outcomes[1].is_admitted);
    const RateStatus status = core.rate_status(std::span(&level, 1), 2000);
    EXPECT_EQ(status.requests.limit, 10) << "clients see the whole limit";
    EXPECT_EQ(status.requests.remaining, 3) << "and what all have left of it";

    EXPECT_EQ(send(3000, 0).verdict, Verdict::admitted);
    EXPECT_EQ(send(3000, 0).verdict, Verdict::admitted);
    EXPECT_EQ(send(3000, 0).verdict, Verdict::queued) << "more may be had";
    core.set_share(level, {.share = {.requests = 4}, .is_final = true}, 4000);
    outcomes.clear();
    core.poll(4000 + 250'000, &outcomes);
    ASSERT_EQ(outcomes.size(), 1U);
    EXPECT_FALSE(outcomes[0].is_admitted);
    EXPECT_EQ(outcomes[0].refusal.limit, 10);
    EXPECT_EQ(send(300'000, 0).verdict, Verdict::refused) << "there is no more";
}

TEST(Fleet, NobodyAnswers) {
    AdmissionCore core({.is_fleet = true});
    const LevelHandle level = core.intern({LevelKind::key, 1}, {.requests = 10});
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(
            core.reserve({.levels = std::span(&level, 1), .customer = 1, .flow = 1}, i).verdict,
            Verdict::queued);
    std::vector<WaitOutcome> outcomes;
    core.poll(10'000'000, &outcomes);
    ASSERT_EQ(outcomes.size(), 3U);
    for (const WaitOutcome& outcome : outcomes) EXPECT_FALSE(outcome.is_admitted);
}

TEST(Fleet, SharesLapseByThemselves) {
    AdmissionCore core({.is_fleet = true});
    const LevelHandle level = core.intern({LevelKind::key, 1}, {.requests = 10});
    const auto send = [&](std::int64_t at_us) {
        return core.reserve({.levels = std::span(&level, 1), .customer = 1, .flow = 1}, at_us)
            .verdict;
    };
    (void)core.fleet_report(level, 0);
    core.set_share(level, {.share = {.requests = 10}}, 0);
    core.set_shares_until(2'000'000);
    EXPECT_EQ(send(2'000'000), Verdict::admitted);
    EXPECT_EQ(send(2'000'001), Verdict::queued);
    EXPECT_EQ(core.counts().share_lapses, 1U);
    EXPECT_EQ(core.fleet_report(level, 2'000'001).share.requests, 0);
    core.set_share(level, {.share = {.requests = 10}}, 2'100'000);
    std::vector<WaitOutcome> outcomes;
    core.poll(2'100'000, &outcomes);
    EXPECT_EQ(outcomes.size(), 1U);
}

// An edited limit holds at once where it is lower, and is asked for where it is higher.
TEST(Fleet, EditedLimits) {
    AdmissionCore core({.is_fleet = true});
    const LevelHandle level = core.intern({LevelKind::key, 1}, {.requests = 10});
    (void)core.fleet_report(level, 0);
    core.set_share(level, {.share = {.requests = 8}, .is_final = true}, 0);
    core.set_limits(level, {.requests = 5}, 1);
    EXPECT_EQ(core.limits(level).requests, 5);
    EXPECT_EQ(core.fleet_report(level, 1).share.requests, 5);
    core.set_limits(level, {.requests = 5, .total_tokens = 100}, 2);
    EXPECT_EQ(core.fleet_report(level, 2).share.total_tokens, 0);
    core.set_limits(level, {}, 3);
    EXPECT_EQ(core.fleet_report(level, 3).share, Limits{});
}

}  // namespace
}  // namespace tg
