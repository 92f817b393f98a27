#include "gateway/route_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <set>

#include "gateway/circuit_breaker.h"
#include "gateway/health_schedule.h"
#include "gateway/hedge_policy.h"
#include "gateway/latency_estimate.h"
#include "gateway/outlier_ejection.h"

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000'000'000;

/// Deployments a, b, c ... of region r0, r1, r2 ...
struct Pool {
    explicit Pool(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            traits.push_back({.name = std::string(1, static_cast<char>('a' + i)),
                              .provider = "openai",
                              .region = "r" + std::to_string(i),
                              .pool = ""});
        }
        for (std::size_t i = 0; i < count; ++i) {
            RouteOption option;
            option.traits = &traits[i];
            option.index = option.rank = static_cast<std::uint32_t>(i);
            options.push_back(option);
        }
    }
    std::string choose(const RoutePolicy& policy, std::int64_t now = 0) {
        choose_route(now, policy, options, &rng, &choice);
        std::string names;
        for (const RouteCandidate& each : choice.candidates)
            names += options[each.option].traits->name;
        return names;
    }
    std::deque<DeploymentTraits> traits;
    std::vector<RouteOption> options;
    Rng rng{11};
    RouteChoice choice;
};

TEST(RouteChoice, PoliciesLeaveOut) {
    Pool pool(5);
    pool.traits[1].is_zero_retention_covered = true;
    pool.traits[2].pool = "acme";
    pool.traits[3].provider = "azure";
    pool.traits[4].region = "";
    EXPECT_EQ(pool.choose({}), "abde");
    EXPECT_EQ(pool.choose({.requires_zero_retention = true}), "b");
    EXPECT_EQ(pool.choose({.pool = "acme"}), "c");
    EXPECT_EQ(pool.choose({.pool = "nobody"}), "");
    EXPECT_EQ(pool.choose({.providers = std::vector<std::string>{"azure"}}), "d");
    EXPECT_EQ(pool.choose({.regions = std::vector<std::string>{"r3", "r0", ""}}), "ad");
    EXPECT_EQ(pool.choose({.regions = std::vector<std::string>{}}), "");
    EXPECT_EQ(pool.choice.soonest_ns, kNeverNs);
    EXPECT_EQ(describe_left_out(0, pool.choice, pool.options).substr(0, 23),
              "a: region not allowed; ");
}

TEST(RouteChoice, StatesLeaveOutAndSayUntilWhen) {
    Pool pool(5);
    pool.options[0].breaker_allows = false;
    pool.options[0].breaker_until_ns = 5 * kSecond;
    pool.options[1].start = {3 * kSecond, PacerBound::requests};
    pool.options[2].start = {kNeverNs, PacerBound::too_large};
    pool.options[3].start = {300 * kSecond, PacerBound::exhausted};
    pool.options[4].was_tried = true;
    EXPECT_EQ(pool.choose({}, kSecond), "");
    EXPECT_EQ(pool.choice.soonest_ns, 3 * kSecond);
    EXPECT_EQ(describe_left_out(kSecond, pool.choice, pool.options),
              "a: failing, free in 4 s; b: limit reached, free in 2 s; c: the request is larger "
              "than its limit; d: quota used up, free in 299 s; e: failed for this request");
    EXPECT_EQ(pool.choose({.wait_max_ns = 2 * kSecond}, kSecond), "b");
    EXPECT_EQ(pool.choice.candidates.front().start_ns, 3 * kSecond);
}

TEST(RouteChoice, Orders) {
    Pool pool(4);
    const std::array<double, 4> loads = {4e9, 1e9, 3e9, 2e9};
    for (std::size_t i = 0; i < 4; ++i) {
        pool.options[i].load_ns = loads[i];
        pool.options[i].price_nano_per_mtok = 100 - static_cast<std::int64_t>(i % 2) * 50;
        pool.options[i].remaining_share = 0.1 * static_cast<double>(i + 1);
    }
    EXPECT_EQ(pool.choose({.order = RouteOrder::ordered}), "abcd");
    EXPECT_EQ(pool.choose({.order = RouteOrder::latency}), "bdca");
    EXPECT_EQ(pool.choose({.order = RouteOrder::price}), "bdca");
    EXPECT_EQ(pool.choose({.order = RouteOrder::remaining}), "dcba");
}

TEST(RouteChoice, WaitingAndLastResortsComeLater) {
    Pool pool(4);
    pool.options[0].is_ejected = true;
    pool.options[1].start = {2 * kSecond, PacerBound::requests};
    pool.options[2].start = {kSecond, PacerBound::requests};
    EXPECT_EQ(pool.choose({.wait_max_ns = 5 * kSecond}), "dcba");
    EXPECT_TRUE(pool.choice.candidates.back().is_last_resort);
    pool.options[3].is_unhealthy = true;
    EXPECT_EQ(pool.choose({}), "ad");
}

TEST(RouteChoice, WeightsAreShares) {
    Pool pool(3);
    pool.options[0].weight = 3;
    pool.options[1].weight = 1;
    pool.options[2].weight = 0;
    std::map<std::string, int> first;
    for (int i = 0; i < 20'000; ++i) {
        const std::string order = pool.choose({.order = RouteOrder::weight});
        ASSERT_EQ(order.back(), 'c');
        ++first[order.substr(0, 1)];
    }
    EXPECT_NEAR(first["a"], 15'000, 300);
    EXPECT_NEAR(first["b"], 5'000, 300);
}

TEST(RouteChoice, TwoChoicesSpreadAndAvoidTheWorst) {
    Pool pool(4);
    for (std::size_t i = 0; i < 4; ++i) pool.options[i].load_ns = static_cast<double>(i + 1) * 1e9;
    std::map<char, int> first;
    const RoutePolicy policy{.order = RouteOrder::latency, .scan = RouteScan::two_choices};
    for (int i = 0; i < 12'000; ++i) {
        const std::string order = pool.choose(policy);
        ASSERT_EQ(std::set<char>(order.begin(), order.end()).size(), 4U);
        ++first[order.front()];
    }
    EXPECT_NEAR(first['a'], 6'000, 250);
    EXPECT_NEAR(first['b'], 4'000, 250);
    EXPECT_NEAR(first['c'], 2'000, 250);
    EXPECT_EQ(first['d'], 0);
}

/// One deployment with everything that keeps state about it.
struct Live {
    Live(const PacerOptions& options, Rng* rng, std::int64_t now)
        : pacer(options), breaker({}, rng), health({}, rng, now) {}
    AccountPacer pacer;
    CircuitBreaker breaker;
    HealthSchedule health;
    LatencyEstimate latency;
};

/// A world of random deployments, policies and failures. Every try of every request, the first, the
/// retries and the hedges, is checked against the policy by code that shares nothing with
/// permits().
class ResidencyWorld {
  public:
    explicit ResidencyWorld(std::uint64_t seed) : seed_(seed), rng_(seed) {
        const std::size_t count = 1 + rng_.below(8);
        outliers_ = std::make_unique<OutlierEjection>(OutlierOptions{}, count);
        for (std::size_t i = 0; i < count; ++i) {
            DeploymentTraits traits;
            traits.name = "d" + std::to_string(i);
            traits.provider = pick({"openai", "azure", "anthropic"});
            traits.region = pick({"", "eu", "us", "cn", "EU", "eu-1"});
            traits.pool = pick({"", "", "acme"});
            traits.is_zero_retention_covered = rng_.below(2) == 0;
            traits_.push_back(traits);
            PacerOptions options;
            options.limits[0] = static_cast<std::int64_t>(rng_.below(3)) * 200;
            options.concurrency_max = static_cast<std::int64_t>(rng_.below(3)) * 5;
            live_.push_back(std::make_unique<Live>(options, &rng_, 0));
        }
    }

    void run(int requests) {
        for (int i = 0; i < requests; ++i) {
            now_ += static_cast<std::int64_t>(rng_.below(600)) * kMs;
            // Now and then a deployment changes from good to bad or back.
            if (rng_.below(20) == 0) broken_ ^= 1ULL << rng_.below(traits_.size());
            for (auto& live : live_) {
                if (live->health.begin_probe(now_)) live->health.on_result(now_, rng_.below(3) > 0);
            }
            request();
        }
    }
    int tries() const { return tries_; }

  private:
    std::string pick(std::initializer_list<const char*> values) {
        return *(values.begin() + rng_.below(values.size()));
    }
    RoutePolicy random_policy() {
        RoutePolicy policy;
        if (rng_.below(3) > 0) {
            policy.regions.emplace();
            for (std::uint64_t n = rng_.below(3); n > 0; --n)
                policy.regions->push_back(pick({"eu", "us", "cn", ""}));
        }
        if (rng_.below(4) == 0) policy.providers = {pick({"openai", "azure"})};
        policy.requires_zero_retention = rng_.below(3) == 0;
        policy.pool = pick({"", "", "acme"});
        policy.order = static_cast<RouteOrder>(rng_.below(5));
        policy.scan = static_cast<RouteScan>(rng_.below(2));
        policy.wait_max_ns = static_cast<std::int64_t>(rng_.below(3)) * kSecond;
        return policy;
    }
    std::set<std::size_t> allowed(const RoutePolicy& policy) const {
        std::set<std::size_t> out;
        for (std::size_t i = 0; i < traits_.size(); ++i) {
            bool is_in_region = !policy.regions.has_value();
            if (policy.regions)
                for (const std::string& region : *policy.regions)
                    is_in_region |= !region.empty() && region == traits_[i].region;
            bool is_of_provider = !policy.providers.has_value();
            if (policy.providers)
                for (const std::string& provider : *policy.providers)
                    is_of_provider |= provider == traits_[i].provider;
            const bool is_covered =
                traits_[i].is_zero_retention_covered || !policy.requires_zero_retention;
            if (is_in_region && is_of_provider && is_covered && traits_[i].pool == policy.pool)
                out.insert(i);
        }
        return out;
    }

    std::vector<RouteOption> look(const std::set<std::size_t>& tried) {
        std::vector<RouteOption> options;
        for (std::size_t i = 0; i < traits_.size(); ++i) {
            Live& live = *live_[i];
            RouteOption option;
            option.traits = &traits_[i];
            option.index = option.rank = static_cast<std::uint32_t>(i);
            option.load_ns = live.latency.load_ns(now_);
            option.start = live.pacer.earliest_start(now_, {});
            option.breaker_allows = live.breaker.allows(now_);
            option.breaker_until_ns = live.breaker.open_until_ns();
            option.is_ejected = outliers_->is_ejected(now_, i);
            option.is_unhealthy = !live.health.is_healthy();
            option.was_tried = tried.contains(i);
            options.push_back(option);
        }
        return options;
    }

    /// Sends to `index`; true when it answered.
    bool attempt(std::size_t index) {
        ++tries_;
        Live& live = *live_[index];
        auto ticket = live.pacer.take(now_, {});
        const auto pass = live.breaker.begin(now_);
        if (!ticket || !pass) {
            if (ticket) live.pacer.on_end(now_, &*ticket, {.has_reached_upstream = false});
            if (pass) live.breaker.end(now_, *pass, CallVerdict::neutral);
            return false;
        }
        live.latency.on_start();
        const bool is_broken = (broken_ >> index & 1) != 0 || rng_.below(20) == 0;
        const CallEnd end{.status = is_broken ? (rng_.below(4) == 0 ? 429 : 503) : 200,
                          .error = {}};
        now_ += static_cast<std::int64_t>(rng_.below(300)) * kMs;
        live.pacer.on_answer(now_, &*ticket,
                             {.status = end.status, .report = {}, .refused_meter = {}});
        live.pacer.on_end(now_, &*ticket, {});
        live.breaker.end(now_, *pass, verdict_of(end));
        live.health.on_traffic(now_, verdict_of(end));
        outliers_->observe(now_, index, verdict_of(end), 300 * kMs);
        live.latency.on_first_byte(now_, 300 * kMs);
        live.latency.on_end();
        return !is_broken;
    }

    void request() {
        const RoutePolicy policy = random_policy();
        const std::set<std::size_t> permitted = allowed(policy);
        std::set<std::size_t> tried;
        budget_.on_request(now_);
        const std::int64_t deadline = now_ + 20 * kSecond;
        for (int attempts = 1;; ++attempts) {
            const std::vector<RouteOption> options = look(tried);
            choose_route(now_, policy, options, &rng_, &choice_);
            check(options, permitted);
            if (choice_.candidates.empty()) return;
            const RouteCandidate first = choice_.candidates.front();
            now_ = std::max(now_, first.start_ns);
            bool is_ok = attempt(options[first.option].index);
            tried.insert(options[first.option].index);
            if (!is_ok && choice_.candidates.size() > 1) {
                // A hedge goes to the next candidate of the same choice.
                const HedgeCall call{.sent_ns = now_ - 2 * kSecond,
                                     .deadline_ns = deadline,
                                     .usual_ns = kSecond,
                                     .has_free_candidate = true};
                if (decide_hedge(now_, {.is_enabled = true}, call, &budget_).is_hedge()) {
                    const auto second = options[choice_.candidates[1].option].index;
                    ASSERT_TRUE(permitted.contains(second)) << "seed " << seed_;
                    is_ok = attempt(second);
                    tried.insert(second);
                }
            }
            if (is_ok) return;
            choose_route(now_, policy, look(tried), &rng_, &choice_);
            const bool has_other = !choice_.candidates.empty();
            const RetryDecision retry =
                decide_retry(now_, {.attempts_max = 6}, attempts, {.status = 503}, has_other,
                             deadline, &budget_, &rng_);
            if (!retry.is_retry()) return;
            now_ = retry.at_ns;
            if (!has_other) tried.clear();
        }
    }

    void check(const std::vector<RouteOption>& options, const std::set<std::size_t>& permitted) {
        std::set<std::size_t> seen;
        for (const RouteCandidate& each : choice_.candidates) {
            ASSERT_TRUE(permitted.contains(options[each.option].index)) << "seed " << seed_;
            ASSERT_TRUE(seen.insert(each.option).second) << "seed " << seed_;
        }
        for (const RouteRefusal& each : choice_.left_out) {
            ASSERT_TRUE(seen.insert(each.option).second) << "seed " << seed_;
            const bool is_policy = each.reason <= LeftOut::provider;
            ASSERT_EQ(is_policy, !permitted.contains(options[each.option].index)) << seed_;
        }
        ASSERT_EQ(seen.size(), options.size()) << "seed " << seed_;
    }

    std::uint64_t seed_;
    Rng rng_;
    std::int64_t now_ = 0;
    std::uint64_t broken_ = 0;
    std::vector<DeploymentTraits> traits_;
    std::vector<std::unique_ptr<Live>> live_;
    std::unique_ptr<OutlierEjection> outliers_;
    RetryBudget budget_{0.5, 1, 50};
    RouteChoice choice_;
    int tries_ = 0;
};

TEST(RouteChoice, NoSequenceOfFailuresLeavesThePolicy) {
    int tries = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        ResidencyWorld world(seed);
        world.run(300);
        if (testing::Test::HasFatalFailure()) return;
        tries += world.tries();
    }
    EXPECT_GT(tries, 10'000);
}

}  // namespace
}  // namespace tg
