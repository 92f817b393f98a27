#include "app/config_routing.h"

#include <algorithm>

#include "base/clock.h"

namespace tg {
namespace {

constexpr std::int64_t kDayMs = 86'400'000, kHourMs = 3'600'000;

void read_int(YamlReader& in, const char* key, std::int64_t low, std::int64_t high, int* out) {
    std::int64_t value = *out;
    in.integer(key, low, high, &value);
    *out = static_cast<int>(value);
}

void read_real(YamlReader& in, const char* key, std::int64_t low, std::int64_t high, double* out) {
    constexpr std::int64_t kScale = 1'000;
    constexpr double kScaleReal = 1e3;
    auto value = static_cast<std::int64_t>(*out * kScaleReal + 0.5);
    in.decimal(key, 3, low * kScale, high * kScale, &value);
    *out = static_cast<double>(value) / kScaleReal;
}

/// A share of 1, written in percent.
void read_percent(YamlReader& in, const char* key, std::int64_t low, std::int64_t high,
                  double* out) {
    double percent = *out * 100;
    read_real(in, key, low, high, &percent);
    *out = percent / 100;
}

void read_limits(YamlReader& in, UpstreamLimits* out) {
    in.section("limits", [out](YamlReader& limits) {
        limits.integer("requests_per_minute", 1, kLimitMax, &out->requests_per_minute);
        limits.integer("tokens_per_minute", 1, kLimitMax, &out->tokens_per_minute);
        limits.integer("input_tokens_per_minute", 1, kLimitMax, &out->input_tokens_per_minute);
        limits.integer("output_tokens_per_minute", 1, kLimitMax, &out->output_tokens_per_minute);
        limits.integer("concurrency", 1, 1'000'000, &out->concurrency);
        limits.duration("burst", 100, 60'000, &out->burst_ms);
        limits.choice("counting", {"window", "bucket"}, [out](std::size_t i) {
            out->counting = i == 0 ? PacerCounting::both : PacerCounting::bucket;
        });
    });
}

void read_models(YamlReader& in, UpstreamOptions* out) {
    in.items("models", [&](const YAML::Node& node, const std::string& path) {
        UpstreamModel model;
        if (node.IsScalar()) {
            model.name = in.expand(node);
        } else {
            YamlReader inner(node, path, in.env(), in.problems());
            inner.text("name", &model.name);
            inner.text("upstream_name", &model.upstream_name);
            read_limits(inner, &model.limits);
            if (model.name == "*" && model.limits.is_set()) {
                inner.problem("limits",
                              "limits of the model '*' would be one limit for many models; write "
                              "them as the upstream's own 'limits'");
            }
        }
        if (model.name.empty()) in.problem_at(node, "a model needs a name");
        out->models.push_back(std::move(model));
    });
}

void read_zero_retention(YamlReader& in, UpstreamOptions* out) {
    in.section("zero_retention", [out](YamlReader& coverage) {
        ZeroRetentionCoverage found;
        coverage.text("reference", &found.reference);
        coverage.text("since", &found.since);
        if (found.reference.empty() && found.since.empty()) return;
        if (found.reference.empty() || found.since.empty()) {
            coverage.problem(found.reference.empty() ? "since" : "reference",
                             "'zero_retention' needs both: 'reference' (the agreement with the "
                             "provider) and 'since' (the day from which it holds, 2026-01-01)");
            return;
        }
        if (found.since.size() != 10 || !parse_rfc3339(found.since).ok()) {
            coverage.problem("since", "'zero_retention.since': '" + found.since +
                                          "' is no day; write it as 2026-01-01");
            return;
        }
        if (*parse_rfc3339(found.since) > system_clock().now()) {
            coverage.problem("since", "'zero_retention.since': '" + found.since +
                                          "' lies in the future; the account covers nothing "
                                          "before, so add it when that day has come");
            return;
        }
        out->zero_retention = std::move(found);
    });
}

void read_retries(YamlReader& in, RoutingOptions* out) {
    in.section("retries", [out](YamlReader& retries) {
        RetryOptions& retry = out->retry;
        retries.boolean("same_upstream", &out->retries_same_upstream);
        retries.duration("backoff_first", 1, kHourMs, &retry.backoff_first_ms);
        retries.duration("backoff_max", 1, kHourMs, &retry.backoff_max_ms);
        retries.duration("retry_after_max", 0, kHourMs, &retry.retry_after_max_ms);
        read_percent(retries, "budget_percent", 0, 100, &out->retry_budget_share);
        read_real(retries, "budget_per_second", 0, 1'000'000, &out->retry_budget_per_second);
        read_real(retries, "budget_max", 1, 1'000'000, &out->retry_budget_max);
        if (retry.backoff_max_ms < retry.backoff_first_ms)
            retries.problem("backoff_max",
                            "'routing.retries.backoff_max' is less than its backoff_first");
    });
}

void read_breaker(YamlReader& in, RoutingOptions* out) {
    in.section("breaker", [out](YamlReader& breaker) {
        BreakerOptions& it = out->breaker;
        breaker.boolean("enabled", &out->has_breaker);
        read_int(breaker, "consecutive_failures", 1, 1'000'000, &it.consecutive_failures);
        read_percent(breaker, "failure_percent", 1, 100, &it.failure_share);
        read_int(breaker, "calls_min", 1, 1'000'000, &it.calls_min);
        breaker.duration("window", 100, kHourMs, &it.window_ms);
        breaker.duration("open_first", 10, kHourMs, &it.open_first_ms);
        breaker.duration("open_max", 10, kHourMs, &it.open_max_ms);
        read_int(breaker, "probes", 1, 1000, &it.probes_max);
        read_int(breaker, "probes_to_close", 1, 1000, &it.probes_to_close);
        if (it.open_max_ms < it.open_first_ms)
            breaker.problem("open_max", "'routing.breaker.open_max' is less than its open_first");
    });
}

void read_ejection(YamlReader& in, RoutingOptions* out) {
    in.section("ejection", [out](YamlReader& ejection) {
        OutlierOptions& it = out->ejection;
        ejection.boolean("enabled", &out->has_ejection);
        ejection.duration("interval", 100, kHourMs, &it.interval_ms);
        read_int(ejection, "calls_min", 1, 1'000'000, &it.calls_min);
        read_percent(ejection, "failure_percent_over_peers", 0, 100, &it.failure_share_over_peers);
        read_real(ejection, "latency_times_peers", 0, 1000, &it.latency_times_peers);
        ejection.duration("time_first", 100, kDayMs, &it.ejection_first_ms);
        ejection.duration("time_max", 100, kDayMs, &it.ejection_max_ms);
        read_percent(ejection, "pool_percent_max", 0, 100, &it.ejected_share_max);
    });
}

void read_health(YamlReader& in, RoutingOptions* out) {
    in.section("health", [out](YamlReader& health) {
        HealthOptions& it = out->health;
        health.boolean("enabled", &out->has_health_checks);
        health.text("path", &out->health_path);
        health.duration("interval", 100, kDayMs, &it.interval_ms);
        health.duration("timeout", 50, kHourMs, &it.timeout_ms);
        health.duration("retry_first", 50, kHourMs, &it.retry_first_ms);
        health.duration("retry_max", 50, kDayMs, &it.retry_max_ms);
        read_int(health, "failures_to_unhealthy", 1, 1000, &it.failures_to_unhealthy);
        read_int(health, "successes_to_healthy", 1, 1000, &it.successes_to_healthy);
        const bool has_odd_byte = std::ranges::any_of(
            out->health_path, [](unsigned char c) { return c <= ' ' || c == 0x7f || c == '#'; });
        if (!out->health_path.starts_with("/") || has_odd_byte)
            health.problem("path", "'routing.health.path': '" + out->health_path +
                                       "' is no path; write what follows the base URL, as /models");
    });
}

void read_hedging(YamlReader& in, RoutingOptions* out) {
    in.section("hedging", [out](YamlReader& hedging) {
        HedgeOptions& it = out->hedge;
        hedging.boolean("enabled", &it.is_enabled);
        read_percent(hedging, "percentile", 50, 99, &it.quantile);
        hedging.duration("delay_min", 1, kHourMs, &it.delay_min_ms);
        hedging.duration("delay_max", 1, kHourMs, &it.delay_max_ms);
        read_percent(hedging, "budget_percent", 0, 100, &out->hedge_budget_share);
        if (it.delay_max_ms < it.delay_min_ms)
            hedging.problem("delay_max", "'routing.hedging.delay_max' is less than its delay_min");
    });
}

void read_regions(YamlReader& in, RoutingOptions* out) {
    in.list("regions", [out](YamlReader& region) {
        RegionPrior prior;
        region.text("name", &prior.name);
        region.duration("expected", 1, kHourMs, &prior.expected_ms);
        if (prior.name.empty())
            region.problem("name", "a region needs a name, as the upstreams' 'region' has it");
        if (std::ranges::find(out->regions, prior.name, &RegionPrior::name) != out->regions.end())
            region.problem("name", "the region '" + prior.name + "' is listed a second time");
        out->regions.push_back(std::move(prior));
    });
}

void read_fallbacks(YamlReader& in, RoutingOptions* out) {
    in.entries("fallbacks", [&](const std::string& model, const YAML::Node& node) {
        ModelFallback fallback{model, {}};
        if (!node.IsSequence() || node.size() == 0) {
            in.problem_at(node, "'routing.fallbacks." + model +
                                    "' must be a list of models, as [gpt-4o-mini]");
            return;
        }
        for (const YAML::Node& each : node) {
            if (each.IsScalar() && each.Scalar() != model && !each.Scalar().empty()) {
                fallback.instead.push_back(in.expand(each));
            } else {
                in.problem_at(each, "'routing.fallbacks." + model +
                                        "': a fallback is the name of another model");
            }
        }
        out->fallbacks.push_back(std::move(fallback));
    });
}

}  // namespace

void read_upstream_routing(YamlReader& in, UpstreamOptions* out) {
    in.text("pool", &out->pool);
    read_real(in, "weight", 0, 1'000'000, &out->weight);
    std::int64_t rank = out->rank;
    in.integer("rank", 0, 1000, &rank);
    out->rank = static_cast<std::uint32_t>(rank);
    read_zero_retention(in, out);
    read_limits(in, &out->limits);
    read_models(in, out);
}

void read_routing(YamlReader& in, RoutingOptions* out) {
    in.choice("order", {"ordered", "regions", "latency", "weight", "price", "remaining"},
              [out](std::size_t i) { out->order = static_cast<RoutingOrder>(i); });
    in.choice("scan", {"full", "two_choices"},
              [out](std::size_t i) { out->scan = static_cast<RouteScan>(i); });
    in.duration("wait_max", 0, kHourMs, &out->wait_max_ms);
    in.integer("waiting_max", 0, 1'000'000, &out->waiting_max);
    read_retries(in, out);
    read_breaker(in, out);
    read_ejection(in, out);
    read_health(in, out);
    read_hedging(in, out);
    read_regions(in, out);
    read_fallbacks(in, out);
}

void check_routing(YamlReader& in, const GatewayOptions& options) {
    const auto is_served = [&](std::string_view name) {
        return std::ranges::any_of(options.upstreams, [&](const UpstreamOptions& upstream) {
            return std::ranges::any_of(upstream.models, [&](const UpstreamModel& model) {
                return model.name == "*" || model.name == name;
            });
        });
    };
    for (const ModelFallback& fallback : options.routing.fallbacks) {
        for (const std::string& model : fallback.instead) {
            if (is_served(model)) continue;
            in.problem("routing", "'routing.fallbacks." + fallback.model +
                                      "': no upstream serves '" + model +
                                      "'; list it in an upstream's models");
        }
    }
}

}  // namespace tg
