// Random fleets: whatever is killed, stopped, cut off, lost or delayed, no window holds more than
// the limit. In virtual time; a failure prints its seed.
#include <gtest/gtest.h>

#include <cstdlib>

#include "admission/test_fleet.h"

namespace tg {
namespace {

using test::FleetWorld;
using test::FleetWorldOptions;

/// A short window lets many of them pass: 12 s, lease 1 s.
FleetWorldOptions short_window(std::uint64_t seed) {
    FleetWorldOptions options;
    options.seed = seed;
    options.fleet.window_us = 12'000'000;
    options.fleet.lease_us = 1'000'000;
    options.fleet.margin_us = 200'000;
    options.fleet.idle_us = 3'000'000;
    return options;
}

/// Does something to the fleet, at random.
void disturb(FleetWorld& world, Rng& rng, std::vector<std::int64_t>* until_ms, std::int64_t at_ms) {
    const std::size_t i = rng.below(world.weights.size());
    const auto span_ms = static_cast<std::int64_t>(100 + rng.below(4000));
    switch (rng.below(9)) {
        case 0:
            world.kill(i);
            world.start(i);
            break;
        case 1:
            world.process(i).is_stopped = true;
            break;
        case 2:
            world.process(i).is_cut_off = true;
            break;
        case 3:
            world.is_redis_down = true;
            break;
        case 4:
            world.redis.lose_all();
            break;
        case 5:
            world.is_redis_stalled = true;
            break;
        case 6:
            world.lost_per_mille = static_cast<std::uint32_t>(rng.below(300));
            break;
        case 7:
            for (auto& weight : world.weights) weight = 1 + rng.below(100);
            break;
        default:
            world.kill(i);
            world.redis.lose_all();
            world.start(i);
    }
    until_ms->assign(1, at_ms + span_ms);
}

void calm(FleetWorld& world) {
    for (std::size_t i = 0; i < world.weights.size(); ++i) {
        world.process(i).is_stopped = false;
        world.process(i).is_cut_off = false;
    }
    world.is_redis_down = false;
    world.is_redis_stalled = false;
    world.lost_per_mille = 0;
}

void run_disturbed(FleetWorld& world, std::uint64_t seed, std::int64_t ms) {
    Rng rng(seed * 7919 + 1);
    std::vector<std::int64_t> until_ms;
    for (std::int64_t at_ms = 0; at_ms < ms; at_ms += 50) {
        if (!until_ms.empty() && at_ms >= until_ms[0]) {
            calm(world);
            until_ms.clear();
        }
        if (rng.below(40) == 0) disturb(world, rng, &until_ms, at_ms);
        world.run(50);
    }
    calm(world);
}

std::uint64_t worlds() {
    const char* count = std::getenv("TG_FLEET_WORLDS");
    return count != nullptr ? std::strtoull(count, nullptr, 10) : 3;
}

// With `refuse` nothing that is done to processes, calls and the store lets more than the limit
// pass in any window.
TEST(FleetProperty, NeverMoreThanTheLimitWithRefuse) {
    for (std::uint64_t seed = 1; seed <= worlds(); ++seed) {
        FleetWorldOptions options = short_window(seed);
        Rng rng(seed);
        options.fleet.on_loss = FleetLoss::refuse;
        options.processes = 2 + rng.below(4);
        const auto limit = static_cast<std::int64_t>(1 + rng.below(rng.below(2) == 0 ? 8 : 800));
        options.limits = {.requests = limit};
        options.call_us = 20'000 + static_cast<std::int64_t>(rng.below(4'000'000));
        FleetWorld world(options);
        for (auto& weight : world.weights) weight = 1 + rng.below(100);
        world.per_minute = limit * 5 * static_cast<std::int64_t>(1 + rng.below(3));
        run_disturbed(world, seed, 60'000);
        EXPECT_LE(world.peak(LimitKind::requests), limit) << "seed " << seed;
        EXPECT_GT(world.taken.size(), static_cast<std::size_t>(limit)) << "seed " << seed;
    }
}

// Tokens: reserved as the most, settled to less, at one limit or two.
TEST(FleetProperty, NeverMoreTokensThanTheLimitWithRefuse) {
    for (std::uint64_t seed = 1; seed <= worlds(); ++seed) {
        FleetWorldOptions options = short_window(seed + 1000);
        Rng rng(seed);
        options.fleet.on_loss = FleetLoss::refuse;
        options.processes = 2 + rng.below(3);
        options.amounts = {1, static_cast<std::int64_t>(rng.below(500)),
                           static_cast<std::int64_t>(1 + rng.below(3000))};
        const std::int64_t limit =
            options.amounts.total_tokens() * static_cast<std::int64_t>(1 + rng.below(60));
        options.limits = {.total_tokens = limit};
        if (rng.below(2) == 0) options.limits.output_tokens = limit * 3 / 4 + 3000;
        options.call_us = 20'000 + static_cast<std::int64_t>(rng.below(8'000'000));
        FleetWorld world(options);
        for (auto& weight : world.weights) weight = 1 + rng.below(100);
        world.per_minute = 5 * 3 * limit / options.amounts.total_tokens();
        run_disturbed(world, seed, 60'000);
        EXPECT_LE(world.peak(LimitKind::total_tokens), limit) << "seed " << seed;
        EXPECT_LE(world.peak(LimitKind::output_tokens), options.limits.output_tokens)
            << "seed " << seed;
        EXPECT_GT(world.taken.size(), 10U) << "seed " << seed;
    }
}

// With `share`, when the store is away for all alike: also never more.
TEST(FleetProperty, AStoreThatIsAwayForAllNeverLetsMorePassWithShare) {
    for (std::uint64_t seed = 1; seed <= worlds(); ++seed) {
        FleetWorldOptions options = short_window(seed + 2000);
        FleetWorld world(options);
        Rng rng(seed);
        for (auto& weight : world.weights) weight = 1 + rng.below(100);
        world.per_minute = 6000 * 8;
        world.run(30'000);
        for (int i = 0; i < 4; ++i) {
            world.is_redis_down = true;
            world.run(static_cast<std::int64_t>(rng.below(20'000)));
            if (rng.below(2) == 0) world.redis.lose_all();
            world.is_redis_down = false;
            world.run(static_cast<std::int64_t>(2000 + rng.below(15'000)));
            if (rng.below(2) == 0) world.weights[rng.below(4)] = 1 + rng.below(100);
        }
        EXPECT_LE(world.peak(LimitKind::requests), 6000) << "seed " << seed;
        const std::int64_t from_us = world.now_us - 60'000'000;
        EXPECT_GE(world.admitted(LimitKind::requests, from_us, world.now_us), 5 * 6000 * 92 / 100)
            << "seed " << seed;
    }
}

// With `share`, a process that alone is cut off goes on with what it held: the bound is the limit
// and that, and no more than loss_share_percent of the limit.
TEST(FleetProperty, AProcessCutOffAloneAddsWhatItHeldAtMost) {
    for (const std::int32_t percent : {100, 25}) {
        FleetWorldOptions options = short_window(3);
        options.fleet.loss_share_percent = percent;
        FleetWorld world(options);
        world.weights = {60, 20, 10, 10};
        world.per_minute = 6000 * 8;
        world.run(30'000);
        world.process(0).is_cut_off = true;
        world.run(40'000);
        const std::int64_t bound = 6000 + std::min<std::int64_t>(6000 * percent / 100, 6000);
        EXPECT_LE(world.peak(LimitKind::requests), bound);
        EXPECT_GT(world.peak(LimitKind::requests), 6000);  // the bound is about something
        world.process(0).is_cut_off = false;
        world.run(14'000);
        const std::int64_t from_us = world.now_us;
        world.run(30'000);
        EXPECT_LE(world.peak(LimitKind::requests, from_us), 6000);
    }
}

TEST(FleetProperty, ConcurrencyIsShared) {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
        FleetWorldOptions options = short_window(seed);
        options.limits = {.concurrency = 20};
        options.call_us = 500'000;
        FleetWorld world(options);
        world.per_minute = 60 * 60;
        world.weights = {50, 30, 15, 5};
        world.run(20'000);
        const std::int64_t from_us = world.now_us;
        world.run(40'000);
        EXPECT_LE(world.in_flight_peak, 20) << "seed " << seed;
        // 20 slots of calls of half a second each: 40 calls a second.
        EXPECT_GE(world.admitted(LimitKind::requests, from_us, world.now_us), 40 * 40 * 90 / 100)
            << "seed " << seed;
    }
}

// Limits of a few requests, or requests of most of a limit, are neither doubled nor stuck: each
// process has its turn.
TEST(FleetProperty, SmallLimitsAndLargeRequestsGoRound) {
    struct Case {
        Limits limits;
        Amounts amounts;
        std::int64_t per_window;
    };
    const std::vector<Case> cases = {
        {{.requests = 1}, {1, 0, 0}, 1},
        {{.requests = 3}, {1, 0, 0}, 3},
        {{.total_tokens = 10'000}, {1, 8'000, 0}, 1},
        {{.total_tokens = 10'000}, {1, 3'000, 0}, 3},
    };
    for (const Case& one : cases) {
        FleetWorldOptions options = short_window(5);
        options.limits = one.limits;
        options.amounts = one.amounts;
        options.max_wait_us = 600'000'000;
        options.call_us = 100'000;
        FleetWorld world(options);
        world.per_minute = 600;
        world.run(120'000);
        EXPECT_LE(world.peak(LimitKind::requests), one.per_window);
        const auto possible = static_cast<std::size_t>(one.per_window * 120 / 12);
        EXPECT_GE(world.taken.size(), possible * 80 / 100) << one.per_window;
        std::vector<std::size_t> by_process(4);
        for (const auto& taken : world.taken) ++by_process[taken.process];
        for (const std::size_t count : by_process)
            EXPECT_GE(count, std::max<std::size_t>(1, possible / 8));
    }
}

// Where there is plenty nobody waits longer than asking takes, and asking is rare.
TEST(FleetProperty, LightLoadHardlyAsks) {
    FleetWorldOptions options;
    FleetWorld world(options);
    world.run(5'000);
    world.per_minute = 1500;  // a quarter
    world.run(120'000);
    std::int64_t waited = 0, longest = 0;
    for (const std::int64_t wait_us : world.waits_us) {
        waited += wait_us > 0 ? 1 : 0;
        longest = std::max(longest, wait_us);
    }
    EXPECT_EQ(world.refused, 0U);
    EXPECT_LT(waited * 100, static_cast<std::int64_t>(world.waits_us.size()));  // 1 %
    EXPECT_LE(longest, 20'000);
    std::printf("%ld of %zu waited, at most %ld us\n", waited, world.waits_us.size(), longest);
}

}  // namespace
}  // namespace tg
