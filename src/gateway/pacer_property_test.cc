// The pacer against simulated providers, with an endless queue behind it: how often is it refused,
// and how much of the limit does it use. The figures are printed, one line a run.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <tuple>

#include "gateway/test_upstream.h"

namespace tg {
namespace {

using Counting = TestUpstreamSpec::Counting;

PacerOptions options_for(const TestUpstreamSpec& spec) {
    PacerOptions options;
    options.limits[static_cast<std::size_t>(LimitMeter::requests)] = spec.rpm;
    options.limits[static_cast<std::size_t>(LimitMeter::total_tokens)] = spec.tpm;
    return options;
}

// 300 + 50 tokens x 5,000 requests are less than 2,000,000: requests bind. 2,000 a request: tokens.
struct Load {
    std::int64_t input_mean = 300, output_reserved = 50;
    std::int64_t busy_s = 20, idle_s = 0;
};
constexpr Load kManyRequests, kManyTokens{.input_mean = 1'500, .output_reserved = 500};

/// As an owner configures a provider that is known to keep a full minute's bucket.
enum class Told : std::uint8_t { nothing, bucket };

struct Bar {
    double refused_max = 0.001, utilisation_min = 0.97;
    std::int64_t seconds = 420;
};

void check(const std::string& name, const TestUpstreamSpec& spec, const Load& load, const Bar& bar,
           Told told = Told::nothing) {
    for (const std::uint64_t seed : {1, 2}) {
        PacerOptions options = options_for(spec);
        if (told == Told::bucket) {
            options.counting = PacerCounting::bucket;
            options.burst_s = 60;
        }
        TestSaturation saturation(spec, options, seed);
        saturation.input_mean = load.input_mean;
        saturation.output_reserved = load.output_reserved;
        saturation.busy_s = load.busy_s;
        saturation.idle_s = load.idle_s;
        const TestRunResult result = saturation.run(bar.seconds);
        std::printf("PACER %-44s seed %llu attempts %6lld refused %.4f %% utilisation %.2f %%\n",
                    name.c_str(), static_cast<unsigned long long>(seed),
                    static_cast<long long>(result.attempts), result.refused_share() * 100,
                    result.utilisation() * 100);
        EXPECT_LE(result.refused_share(), bar.refused_max) << name << " seed " << seed;
        EXPECT_GE(result.utilisation(), bar.utilisation_min) << name << " seed " << seed;
    }
}

std::string with(Counting counting, const std::string& what) {
    return (counting == Counting::bucket ? "bucket: " : "window: ") + what;
}

TEST(PacerProperty, WithoutDrift) {
    for (const Counting counting : {Counting::bucket, Counting::window}) {
        check(with(counting, "requests"), {.counting = counting}, kManyRequests, {});
        check(with(counting, "tokens"), {.counting = counting}, kManyTokens, {});
        TestUpstreamSpec slow{.counting = counting};
        slow.delay_max_ms = 1'200;
        slow.answer_mean_ms = 12'000;
        check(with(counting, "slow network and answers"), slow, kManyTokens, {});
        check(with(counting, "500 a minute"), {.counting = counting, .rpm = 500, .tpm = 400'000},
              kManyRequests, {});
        check(with(counting, "60 a minute"), {.counting = counting, .rpm = 60, .tpm = 40'000},
              kManyRequests, {});
        check(with(counting, "10 million tokens"),
              {.counting = counting, .rpm = 10'000, .tpm = 10'000'000}, kManyTokens,
              {.seconds = 400});
        TestUpstreamSpec silent{.counting = counting};
        silent.tells_limits = silent.tells_retry_after = false;
        check(with(counting, "tells nothing"), silent, kManyTokens, {});
    }
    check("window: slots of 10 ms", {.counting = Counting::window, .slot_ms = 10}, kManyTokens, {});
}

/// A provider that keeps a shallower bucket than was believed is learned by a few 429s.
TEST(PacerProperty, ShallowBucket) {
    check("bucket: 10 s deep", {.counting = Counting::bucket, .bucket_depth_s = 10}, kManyTokens,
          {.refused_max = 0.0025});
    TestUpstreamSpec silent{.counting = Counting::bucket, .bucket_depth_s = 10};
    silent.tells_limits = silent.tells_retry_after = false;
    check("bucket: 10 s deep, tells nothing", silent, kManyTokens, {.refused_max = 0.0025});
}

/// The queue is endless for a while, then empty, again and again: bursts at all phases.
TEST(PacerProperty, Pulses) {
    for (const Counting counting : {Counting::bucket, Counting::window}) {
        for (const auto& [busy, idle, share] :
             {std::tuple{5, 20, 0.7}, {20, 45, 0.7}, {50, 33, 0.65}}) {
            Load load = kManyRequests;
            load.busy_s = busy;
            load.idle_s = idle;
            TestUpstreamSpec spec{.counting = counting};
            const std::string pulse = std::to_string(busy) + " s of " + std::to_string(busy + idle);
            check(with(counting, pulse), spec, load, {.utilisation_min = share});
            spec.drift = 1.05;
            spec.other_share = 0.04;
            check(with(counting, pulse + ", +5 %, other"), spec, load,
                  {.refused_max = 0.002, .utilisation_min = share});
        }
    }
}

TEST(PacerProperty, WithDrift) {
    for (const Counting counting : {Counting::bucket, Counting::window}) {
        TestUpstreamSpec spec{.counting = counting};
        spec.drift = 1.05;
        check(with(counting, "+5 %"), spec, kManyTokens, {.refused_max = 0.002});
        spec.other_share = 0.04;
        check(with(counting, "+5 %, other 4 %"), spec, kManyTokens, {.refused_max = 0.002});
        spec.cut_to = 0.85;
        spec.cut_from_s = 400;
        spec.cut_until_s = 700;
        const Bar bar{.refused_max = 0.002, .seconds = 1'200};
        check(with(counting, "+5 %, other 4 %, cut, tokens"), spec, kManyTokens, bar);
        check(with(counting, "+5 %, other 4 %, cut, requests"), spec, kManyRequests, bar);
    }
}

/// A provider known to keep a bucket: all of it is used. One that keeps a window after all refuses
/// some, and the headers hold the pacer back.
TEST(PacerProperty, KnownBucket) {
    TestUpstreamSpec spec{.counting = Counting::bucket};
    check("known bucket", spec, kManyTokens, {}, Told::bucket);
    Load pulses = kManyRequests;
    pulses.idle_s = 45;
    check("known bucket: 20 s of 65", spec, pulses, {.utilisation_min = 0.9}, Told::bucket);
    spec.drift = 1.05;
    spec.other_share = 0.04;
    spec.cut_to = 0.85;
    spec.cut_from_s = 400;
    spec.cut_until_s = 700;
    check("known bucket: +5 %, other 4 %, cut", spec, kManyTokens,
          {.refused_max = 0.002, .seconds = 1'200}, Told::bucket);
    check("wrongly known bucket", {.counting = Counting::window}, kManyTokens,
          {.refused_max = 0.04, .utilisation_min = 0.93}, Told::bucket);
}

/// Nothing but 429s tells of the cut.
TEST(PacerProperty, CutWithoutHeaders) {
    for (const Counting counting : {Counting::bucket, Counting::window}) {
        TestUpstreamSpec spec{.counting = counting};
        spec.tells_limits = spec.tells_retry_after = false;
        spec.cut_to = 0.85;
        spec.cut_from_s = 400;
        spec.cut_until_s = 700;
        check(with(counting, "cut, tells nothing"), spec, kManyTokens,
              {.refused_max = 0.002, .utilisation_min = 0.95, .seconds = 1'200});
    }
}

}  // namespace
}  // namespace tg
