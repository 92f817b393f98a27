// The replay's parts against small worlds that can be reckoned by hand, and against each other.
#include <gtest/gtest.h>

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <sstream>

#include "app/replay_oracle.h"
#include "app/replay_report.h"
#include "app/replay_strategies.h"

namespace tg {
namespace {

using Counting = ReplayUpstreamSpec::Counting;
constexpr std::int64_t kSecondUs = 1'000'000;

TEST(ReplayUpstream, WindowIsExact) {
    ReplayUpstream upstream({.counting = Counting::window, .rpm = 2, .tpm = 1'000});
    EXPECT_TRUE(upstream.arrive(0, 600, 100).is_accepted);
    const ReplayAnswer refused = upstream.arrive(kSecondUs, 300, 1);
    EXPECT_FALSE(refused.is_accepted);
    EXPECT_EQ(refused.report.retry_after_ns, 59'000'000'000);
    const ReplayAnswer second = upstream.arrive(2 * kSecondUs, 300, 0);
    EXPECT_TRUE(second.is_accepted);
    EXPECT_EQ(second.report.of(LimitMeter::requests).remaining, 0);
    EXPECT_EQ(second.report.of(LimitMeter::total_tokens).limit, 1'000);
    EXPECT_FALSE(upstream.arrive(60 * kSecondUs - 1, 1, 0).is_accepted);
    EXPECT_TRUE(upstream.arrive(60 * kSecondUs, 1, 0).is_accepted);
}

TEST(ReplayUpstream, BucketRefillsAllTheTime) {
    ReplayUpstream upstream({.counting = Counting::bucket, .rpm = 1'000, .tpm = 600});
    EXPECT_TRUE(upstream.arrive(0, 600, 0).is_accepted);
    const ReplayAnswer refused = upstream.arrive(kSecondUs, 20, 0);
    EXPECT_EQ(refused.report.retry_after_ns, 1'000'000'000);
    EXPECT_TRUE(upstream.arrive(2 * kSecondUs, 20, 0).is_accepted);
}

TEST(ReplayUpstream, Drifts) {
    const ReplayUpstreamSpec spec{.counting = Counting::window,
                                  .rpm = 1'000,
                                  .tpm = 1'000,
                                  .prompt_drift = 1.05,
                                  .other_share = 0.1,
                                  .cut_to = 0.5,
                                  .cut_from_us = 300 * kSecondUs,
                                  .cut_until_us = 400 * kSecondUs};
    EXPECT_EQ(spec.count_of(200, 7), 217);
    ReplayUpstream upstream(spec);
    const auto left = [&](std::int64_t at_s) {
        const ReplayAnswer answer = upstream.arrive(at_s * kSecondUs, 0, 0);
        return answer.report.of(LimitMeter::total_tokens).remaining;
    };
    EXPECT_NEAR(static_cast<double>(left(60)), 900, 2);
    EXPECT_NEAR(static_cast<double>(left(350)), 400, 20);
    EXPECT_NEAR(static_cast<double>(left(480)), 900, 2);
}

TEST(ReplayStrategies, RetriesAsSdksDo) {
    Rng rng(1);
    ReplayAnswer answer;
    answer.report.retry_after_ns = -1;
    const std::int64_t first = sdk_retry_at_us(0, 1, answer, &rng);
    EXPECT_TRUE(first >= 375'000 && first <= 500'000) << first;
    const std::int64_t second = sdk_retry_at_us(0, 2, answer, &rng);
    EXPECT_TRUE(second >= 750'000 && second <= 1'000'000) << second;
    EXPECT_EQ(sdk_retry_at_us(0, 3, answer, &rng), -1);
    answer.report.retry_after_ns = 7'000'000'000;
    EXPECT_EQ(sdk_retry_at_us(5, 1, answer, &rng), 7'000'005);
}

/// Traffic in waves above the limit: `per_second` requests for 30 of each 90 seconds.
ReplayTrace waves(std::uint64_t seed, int per_second, int minutes) {
    ReplayTrace trace;
    Rng rng(seed);
    for (std::int64_t second = 0; second < minutes * 60; ++second) {
        const int count = second % 90 < 30 ? per_second : 1;
        for (int i = 0; i < count; ++i)
            trace.requests.push_back(
                {.at_us = second * kSecondUs + static_cast<std::int64_t>(rng.below(kSecondUs)),
                 .tenant = static_cast<std::uint32_t>(rng.below(3)),
                 .input_tokens = static_cast<std::int64_t>(1 + rng.below(1'500)),
                 .output_tokens = static_cast<std::int64_t>(1 + rng.below(400))});
    }
    std::ranges::sort(trace.requests, {}, &ReplayRequest::at_us);
    return trace;
}

ReplayResult run(ReplayStrategyKind kind, const ReplayTrace& trace, const ReplayUpstreamSpec& spec,
                 std::int64_t deadline_us) {
    ReplayEngine engine(trace, spec, deadline_us, 1);
    const auto strategy = make_replay_strategy(kind, {spec.rpm, spec.tpm, spec.counting}, &engine);
    return engine.run(strategy.get());
}

/// given any strategy, when it is replayed, then each request ends once, none is served later than
/// allowed, and none serves more than the bound; the oracle's own schedule neither.
TEST(ReplayStrategies, NoneBeatsTheBound) {
    constexpr std::int64_t kDeadlineUs = 20 * kSecondUs;
    for (const Counting counting : {Counting::window, Counting::bucket}) {
        for (const std::uint64_t seed : {1, 2, 3}) {
            const ReplayTrace trace = waves(seed, 25, 9);
            const ReplayUpstreamSpec spec{.counting = counting, .rpm = 600, .tpm = 480'000};
            const ReplayOracle oracle = run_oracle(trace, spec, kDeadlineUs);
            EXPECT_LE(oracle.schedule.result.served, oracle.served_max);
            EXPECT_LT(oracle.served_max, oracle.schedule.result.requests);
            for (const ReplayStrategyKind kind : kReplayStrategies) {
                const ReplayResult result = run(kind, trace, spec, kDeadlineUs);
                EXPECT_EQ(result.served + result.failed, result.requests);
                EXPECT_LE(result.served, oracle.served_max) << name(kind) << " seed " << seed;
                EXPECT_LE(std::ranges::max(result.waits_us), kDeadlineUs) << name(kind);
                EXPECT_GE(result.attempts, result.served + result.limit_hits);
            }
        }
    }
}

/// The oracle's schedule, sent as it says to the very upstream, is never refused.
TEST(ReplayOracle, ScheduleIsAccepted) {
    for (const Counting counting : {Counting::window, Counting::bucket}) {
        const ReplayTrace trace = waves(7, 25, 9);
        const ReplayUpstreamSpec spec{.counting = counting, .rpm = 600, .tpm = 480'000};
        const ReplayOracle oracle = run_oracle(trace, spec, 20 * kSecondUs);
        ReplayUpstream upstream(spec);
        for (const auto& [at_us, request] : oracle.schedule.sends) {
            const ReplayRequest& it = trace.requests[request];
            EXPECT_TRUE(upstream.arrive(at_us, it.input_tokens, it.output_tokens).is_accepted);
        }
        EXPECT_EQ(std::ssize(oracle.schedule.sends), oracle.schedule.result.served);
        EXPECT_LT(oracle.in_order.result.served, oracle.schedule.result.served);
    }
}

TEST(ReplayOracle, DropsTheLargestWhenNotAllFit) {
    // A minute holds 1,000 tokens; ten of 100 fit once the one of 900 is left out.
    ReplayTrace trace;
    trace.requests.push_back({.at_us = 0, .input_tokens = 900});
    for (int i = 1; i <= 10; ++i) trace.requests.push_back({.at_us = i, .input_tokens = 100});
    const ReplayOracle oracle =
        run_oracle(trace, {.counting = Counting::window, .rpm = 100, .tpm = 1'000}, kSecondUs);
    EXPECT_EQ(oracle.schedule.result.served, 10);
    EXPECT_EQ(oracle.in_order.result.served, 2);  // 900 and the first of 100
    EXPECT_GE(oracle.served_max, 10);
}

TEST(ReplayStrategies, FullIsHardlyEverRefused) {
    const ReplayTrace trace = waves(5, 25, 9);
    for (const Counting counting : {Counting::window, Counting::bucket}) {
        const ReplayUpstreamSpec spec{.counting = counting, .rpm = 600, .tpm = 480'000};
        const ReplayResult none = run(ReplayStrategyKind::none, trace, spec, 60 * kSecondUs);
        const ReplayResult full = run(ReplayStrategyKind::full, trace, spec, 60 * kSecondUs);
        EXPECT_GT(none.limit_hit_share(), 0.02);
        EXPECT_LT(full.limit_hit_share(), 0.002);
        EXPECT_GT(full.success_share(), none.success_share());
    }
}

TEST(ReplayPlot, IsWellFormedXml) {
    ReplayReport report{.trace = "a <b> & \"c\".csv", .upstream = "window", .tier = "tier_5"};
    const ReplayTrace trace = waves(5, 25, 3);
    for (const ReplayStrategyKind kind : kReplayStrategies)
        report.rows.push_back(
            {std::string(name(kind)), run(kind, trace, {.rpm = 600, .tpm = 480'000}, kSecondUs)});
    std::istringstream in(replay_plot(report));
    boost::property_tree::ptree tree;
    ASSERT_NO_THROW(boost::property_tree::read_xml(in, tree));
    const auto& svg = tree.get_child("svg");
    EXPECT_EQ(svg.count("polyline"), 10U);  // two panels
    EXPECT_NE(svg.get<std::string>("text").find("a <b> & \"c\".csv"), std::string::npos);
}

}  // namespace
}  // namespace tg
