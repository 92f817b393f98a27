#include "app/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

namespace tg {
namespace {

const char* no_environment(const char*) {
    return nullptr;
}
const char* some_environment(const char* name) {
    return std::string_view(name) == "KEY" ? "sk-from-environment" : nullptr;
}

std::string read(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Config, TheDocumentedFileIsValidAndHoldsTheDefaults) {
    const ConfigResult documented =
        parse_config(read(TG_SOURCE_DIR "/deploy/tollgate.yaml"), no_environment);
    EXPECT_TRUE(documented.ok()) << documented.report("deploy/tollgate.yaml");
    const Config& c = documented.config;
    const Config defaults;
    EXPECT_EQ(c.listen, defaults.listen);
    EXPECT_EQ(c.admin_listen, defaults.admin_listen);
    EXPECT_EQ(c.workers, defaults.workers);
    EXPECT_EQ(c.var_dir, defaults.var_dir);
    EXPECT_EQ(c.is_metering_on, defaults.is_metering_on);
    EXPECT_EQ(c.journal.segment_bytes, defaults.journal.segment_bytes);
    EXPECT_EQ(c.journal.commit_interval_us, defaults.journal.commit_interval_us);
    EXPECT_EQ(c.journal.sync, defaults.journal.sync);
    EXPECT_EQ(c.server.limits.head_bytes, defaults.server.limits.head_bytes);
    EXPECT_EQ(c.server.limits.headers, defaults.server.limits.headers);
    EXPECT_EQ(c.server.connections_max, defaults.server.connections_max);
    EXPECT_EQ(c.server.head_timeout_ms, defaults.server.head_timeout_ms);
    EXPECT_EQ(c.server.idle_timeout_ms, defaults.server.idle_timeout_ms);
    EXPECT_EQ(c.server.body_timeout_ms, defaults.server.body_timeout_ms);
    EXPECT_EQ(c.server.write_timeout_ms, defaults.server.write_timeout_ms);
    EXPECT_EQ(c.gateway.json_body_bytes, defaults.gateway.json_body_bytes);
    EXPECT_EQ(c.gateway.first_byte_timeout_ms, defaults.gateway.first_byte_timeout_ms);
    EXPECT_EQ(c.gateway.drain_after_disconnect_ms, defaults.gateway.drain_after_disconnect_ms);
    EXPECT_EQ(c.gateway.queue_max_wait_ms, defaults.gateway.queue_max_wait_ms);
    EXPECT_EQ(c.admission.queue_max, defaults.admission.queue_max);
    EXPECT_EQ(c.admission.queue_customer_max, defaults.admission.queue_customer_max);
    EXPECT_EQ(c.gateway.attempts_max, defaults.gateway.attempts_max);
    EXPECT_EQ(c.gateway.request_log, defaults.gateway.request_log);
    const RoutingOptions &r = c.gateway.routing, &d = defaults.gateway.routing;
    EXPECT_EQ(r.order, d.order);
    EXPECT_EQ(r.scan, d.scan);
    EXPECT_EQ(r.wait_max_ms, d.wait_max_ms);
    EXPECT_EQ(r.waiting_max, d.waiting_max);
    EXPECT_EQ(r.retries_same_upstream, d.retries_same_upstream);
    EXPECT_EQ(r.retry.backoff_first_ms, d.retry.backoff_first_ms);
    EXPECT_EQ(r.retry.backoff_max_ms, d.retry.backoff_max_ms);
    EXPECT_EQ(r.retry.retry_after_max_ms, d.retry.retry_after_max_ms);
    EXPECT_DOUBLE_EQ(r.retry_budget_share, d.retry_budget_share);
    EXPECT_DOUBLE_EQ(r.retry_budget_per_second, d.retry_budget_per_second);
    EXPECT_DOUBLE_EQ(r.retry_budget_max, d.retry_budget_max);
    EXPECT_EQ(r.has_breaker, d.has_breaker);
    EXPECT_EQ(r.breaker, d.breaker);
    EXPECT_EQ(r.has_ejection, d.has_ejection);
    EXPECT_EQ(r.ejection, d.ejection);
    EXPECT_EQ(r.has_health_checks, d.has_health_checks);
    EXPECT_EQ(r.health, d.health);
    EXPECT_EQ(r.health_path, d.health_path);
    EXPECT_EQ(r.hedge.is_enabled, d.hedge.is_enabled);
    EXPECT_DOUBLE_EQ(r.hedge.quantile, d.hedge.quantile);
    EXPECT_EQ(r.hedge.delay_min_ms, d.hedge.delay_min_ms);
    EXPECT_EQ(r.hedge.delay_max_ms, d.hedge.delay_max_ms);
    EXPECT_DOUBLE_EQ(r.hedge_budget_share, d.hedge_budget_share);
    EXPECT_EQ(r.regions.size(), d.regions.size());
    EXPECT_EQ(r.fallbacks.size(), d.fallbacks.size());
    EXPECT_EQ(c.shutdown_timeout_ms, defaults.shutdown_timeout_ms);
    EXPECT_EQ(c.unknown_model, defaults.unknown_model);
    EXPECT_EQ(c.usd_cny_e8, defaults.usd_cny_e8);
    EXPECT_EQ(c.vat_ppm, defaults.vat_ppm);
    EXPECT_EQ(c.finalise_by, defaults.finalise_by);
    EXPECT_EQ(c.has_core_dumps, defaults.has_core_dumps);
    EXPECT_EQ(c.log_level, defaults.log_level);
}

TEST(Config, AnEmptyFileIsTheDefaults) {
    EXPECT_TRUE(parse_config("", no_environment).ok());
}

TEST(Config, ReadsWhatIsWritten) {
    const ConfigResult result = parse_config(R"(
listen: "[::1]:9000"
workers: 3
timeouts: {head: 250ms, first_byte: 2h}
limits: {json_body_bytes: 1MB}
queue: {max_wait: 90s, max_waiting: 7, max_waiting_per_customer: 0}
journal: {sync: relaxed, commit_interval: 5ms}
upstreams:
  - name: main
    base_url: https://example.com/v1
    api_key: ${KEY}
    models: [gpt-4o, {name: mini, upstream_name: gpt-4o-mini}]
billing: {usd_cny_rate: "7.1234", vat_percent: "13", finalise_by: second_person}
)",
                                             some_environment);
    ASSERT_TRUE(result.ok()) << result.report("t");
    const Config& c = result.config;
    EXPECT_EQ(c.listen, "[::1]:9000");
    EXPECT_EQ(c.workers, 3);
    EXPECT_EQ(c.server.head_timeout_ms, 250);
    EXPECT_EQ(c.gateway.first_byte_timeout_ms, 7'200'000);
    EXPECT_EQ(c.gateway.json_body_bytes, 1U << 20);
    EXPECT_EQ(c.gateway.queue_max_wait_ms, 90'000);
    EXPECT_EQ(c.admission.queue_max, 7U);
    EXPECT_EQ(c.admission.queue_customer_max, 0U);
    EXPECT_EQ(c.journal.sync, JournalOptions::Sync::relaxed);
    EXPECT_EQ(c.journal.commit_interval_us, 5000);
    ASSERT_EQ(c.gateway.upstreams.size(), 1U);
    EXPECT_EQ(c.gateway.upstreams[0].api_key, "sk-from-environment");
    ASSERT_EQ(c.gateway.upstreams[0].models.size(), 2U);
    EXPECT_EQ(c.gateway.upstreams[0].models[1].upstream_name, "gpt-4o-mini");
    EXPECT_EQ(c.usd_cny_e8, 712'340'000);
    EXPECT_EQ(c.vat_ppm, 130'000);
    EXPECT_EQ(c.finalise_by, FinalBy::second_person);
}

TEST(Config, ReadsAccountsAndRouting) {
    const ConfigResult result = parse_config(R"(
upstreams:
  - name: eu-1
    region: eu
    pool: acme
    weight: 2.5
    rank: 3
    zero_retention: {reference: "ZDR-2026/17", since: 2026-01-01}
    limits: {requests_per_minute: 5000, tokens_per_minute: 2000000, input_tokens_per_minute: 7,
             output_tokens_per_minute: 8, concurrency: 9, burst: 10s, counting: bucket}
    models:
      - {name: gpt-4o, limits: {requests_per_minute: 500}}
      - gpt-4o-mini
  - {name: us-1, region: us, models: [gpt-4o-mini]}
routing:
  order: regions
  scan: two_choices
  wait_max: 12s
  waiting_max: 7
  retries: {same_upstream: false, backoff_first: 100ms, budget_percent: 12.5, budget_per_second: 0.5}
  breaker: {enabled: false, failure_percent: 30}
  ejection: {enabled: false, pool_percent_max: 40}
  health: {enabled: true, path: /health, interval: 5s}
  hedging: {enabled: true, percentile: 90, budget_percent: 2}
  regions: [{name: eu, expected: 800ms}, {name: us}]
  fallbacks: {gpt-4o: [gpt-4o-mini]}
)",
                                             no_environment);
    ASSERT_TRUE(result.ok()) << result.report("t");
    const UpstreamOptions& eu = result.config.gateway.upstreams[0];
    EXPECT_EQ(eu.pool, "acme");
    EXPECT_DOUBLE_EQ(eu.weight, 2.5);
    EXPECT_EQ(eu.rank, 3U);
    ASSERT_TRUE(eu.zero_retention);
    EXPECT_EQ(eu.zero_retention->reference, "ZDR-2026/17");
    EXPECT_EQ(eu.zero_retention->since, "2026-01-01");
    EXPECT_EQ(eu.limits, (UpstreamLimits{5000, 2000000, 7, 8, 9, 10'000, PacerCounting::bucket}));
    EXPECT_EQ(eu.models[0].limits.requests_per_minute, 500);
    EXPECT_FALSE(result.config.gateway.upstreams[1].zero_retention);
    const RoutingOptions& r = result.config.gateway.routing;
    EXPECT_EQ(r.order, RoutingOrder::regions);
    EXPECT_EQ(r.scan, RouteScan::two_choices);
    EXPECT_EQ(r.wait_max_ms, 12'000);
    EXPECT_EQ(r.waiting_max, 7);
    EXPECT_FALSE(r.retries_same_upstream || r.has_breaker || r.has_ejection);
    EXPECT_EQ(r.retry.backoff_first_ms, 100);
    EXPECT_DOUBLE_EQ(r.retry_budget_share, 0.125);
    EXPECT_DOUBLE_EQ(r.retry_budget_per_second, 0.5);
    EXPECT_DOUBLE_EQ(r.breaker.failure_share, 0.3);
    EXPECT_DOUBLE_EQ(r.ejection.ejected_share_max, 0.4);
    EXPECT_TRUE(r.has_health_checks && r.hedge.is_enabled);
    EXPECT_EQ(r.health_path, "/health");
    EXPECT_DOUBLE_EQ(r.hedge.quantile, 0.9);
    EXPECT_EQ(r.regions, (std::vector<RegionPrior>{{"eu", 800}, {"us", 0}}));
    ASSERT_EQ(r.fallbacks.size(), 1U);
    EXPECT_EQ(r.fallbacks[0].model, "gpt-4o");
    EXPECT_EQ(r.fallbacks[0].instead, std::vector<std::string>{"gpt-4o-mini"});
}

struct BadCase {
    const char* yaml;
    int line;
    const char* says;
};

TEST(Config, ProblemsSayWhereWhatAndWhatToDo) {
    const BadCase cases[] = {
        {"lissten: 127.0.0.1:1", 1, "did you mean 'listen'?"},
        {"log:\n  level: loud", 2, "one of: debug, info, warn, error"},
        {"workers: many", 1, "not a whole number"},
        {"workers: 99999", 1, "from 0 to 256"},
        {"listen: nowhere", 1, "write it as 127.0.0.1:8080"},
        {"timeouts:\n  head: 10", 2, "write 250ms, 30s, 5m or 1h"},
        {"limits:\n\n  json_body_bytes: 1XB", 3, "write 64KB, 16MB or 1GB"},
        {"store: mysql://x", 1, "sqlite:PATH or postgres://"},
        {"upstreams:\n  - name: a\n    base_url: example.com\n    models: ['*']", 2,
         "write it as https://"},
        {"upstreams:\n  - name: a", 2, "serves no models"},
        {"upstreams:\n  - name: a\n    api_key: ${NOT_SET}\n    models: ['*']", 3,
         "'NOT_SET' is not set"},
        {"upstreams:\n  - name: a\n    api_key_file: /does/not/exist\n    models: ['*']", 3,
         "cannot be read"},
        {"admin:\n  token: short", 2, "at least 20 characters"},
        {"tls:\n  certificate_file: /x", 2, "both certificate_file and key_file"},
        {"billing:\n  usd_cny_rate: seven", 2, "not a decimal number"},
        {"billing:\n  time_zone: Mars/Olympus", 2, "not known"},
        {"prices:\n  unknown_model: price_as", 2, "'prices.price_as' must name"},
        {"listen: 127.0.0.1:1\nlisten: 127.0.0.1:2", 2, "a second time"},
        {"upstreams:\n  - name: a\n    models: ['*']\n    limits: {requests_per_minute: 0}", 4,
         "from 1 to"},
        {"upstreams:\n  - name: a\n    models: ['*']\n    zero_retention: {since: 2026-01-01}", 4,
         "needs both"},
        {"upstreams:\n  - name: a\n    models: ['*']\n    zero_retention:\n      reference: x\n"
         "      since: tomorrow",
         6, "write it as 2026-01-01"},
        {"upstreams:\n  - name: a\n    models:\n      - {name: '*', limits: {concurrency: 1}}", 4,
         "one limit for many models"},
        {"routing:\n  order: fastest", 2, "one of: ordered, regions, latency"},
        {"routing:\n  wait_max: 30", 2, "write 250ms"},
        {"routing:\n  breaker:\n    failure_percent: 101", 3, "from 1 to 100"},
        {"routing:\n  breaker:\n    open_max: 1s", 3, "less than its open_first"},
        {"routing:\n  health:\n    path: models", 3, "write what follows the base URL"},
        {"routing:\n  regions:\n    - {expected: 1s}", 3, "a region needs a name"},
        {"routing:\n  fallbacks: [a]", 2, "must be a mapping of names"},
        {"routing:\n  fallbacks:\n    gpt-4o: gpt-4o-mini", 3, "must be a list of models"},
        {"routing:\n  fallbacks:\n    gpt-4o:\n      - gpt-4o", 4, "name of another model"},
        {"upstreams:\n  - {name: a, models: [gpt-4o]}\nrouting:\n  fallbacks: {gpt-4o: [mini]}", 4,
         "no upstream serves 'mini'"},
        {"log: [1, 2]", 1, "must be a mapping"},
        {"a: b: c", 1, "not valid YAML"},
    };
    for (const BadCase& bad : cases) {
        const ConfigResult result = parse_config(bad.yaml, no_environment);
        ASSERT_FALSE(result.ok()) << bad.yaml;
        const std::string report = result.report("tollgate.yaml");
        EXPECT_NE(report.find(bad.says), std::string::npos) << bad.yaml << "\n" << report;
        EXPECT_NE(report.find("tollgate.yaml:" + std::to_string(bad.line) + ":"), std::string::npos)
            << bad.yaml << "\n"
            << report;
    }
}

TEST(Config, AnAccountIsMarkedAsCoveredByNamingTheAgreement) {
    const auto account = [](const std::string& lines) {
        return parse_config("upstreams:\n  - name: a\n    models: [\"*\"]\n    " + lines + "\n",
                            no_environment);
    };
    const ConfigResult good =
        account("zero_retention: {reference: \"ZDR-7\", since: \"2026-01-01\"}\n    pool: gpu");
    ASSERT_TRUE(good.ok()) << good.report("x");
    const UpstreamOptions& upstream = good.config.gateway.upstreams.at(0);
    EXPECT_EQ(upstream.zero_retention->reference, "ZDR-7");
    EXPECT_EQ(upstream.zero_retention->since, "2026-01-01");
    EXPECT_EQ(upstream.pool, "gpu");
    EXPECT_FALSE(account("region: eu").config.gateway.upstreams.at(0).zero_retention);
    const std::pair<const char*, const char*> cases[] = {
        {"zero_retention: {since: \"2026-01-01\"}", "'zero_retention' needs both"},
        {"zero_retention: {reference: r}", "'zero_retention' needs both"},
        {"zero_retention: {reference: r, since: \"2026\"}", "'2026' is no day"},
        {"zero_retention: {reference: r, since: \"2999-01-01\"}", "lies in the future"},
        {"zero_retention: {reference: r, since: \"2026-01-01\", until: x}", "until"},
    };
    for (const auto& [lines, says] : cases) {
        const ConfigResult bad = account(lines);
        EXPECT_FALSE(bad.ok()) << lines;
        EXPECT_NE(bad.report("x").find(says), std::string::npos) << bad.report("x");
    }
    EXPECT_TRUE(
        parse_config("security:\n  core_dumps: on\n", no_environment).config.has_core_dumps);
    EXPECT_FALSE(parse_config("security: {core_dumps: maybe}\n", no_environment).ok());
}

TEST(Config, AllProblemsAreReportedAtOnce) {
    EXPECT_EQ(parse_config("workers: x\nlisten: y\nnope: 1", no_environment).problems.size(), 3U);
}

TEST(Config, SecretsComeFromFilesAndDefaultsFromTheText) {
    const std::string file = testing::TempDir() + "tg_secret_" + std::to_string(::getpid());
    std::ofstream(file) << "sk-in-a-file\r\nsecond line\n";
    const ConfigResult result = parse_config(
        "upstreams:\n  - {name: a, region: '${REGION:-eu}', organization: 'a$$b', api_key_file: " +
            file + ", models: ['*']}",
        no_environment);
    std::remove(file.c_str());
    ASSERT_TRUE(result.ok()) << result.report("t");
    EXPECT_EQ(result.config.gateway.upstreams[0].api_key, "sk-in-a-file");
    EXPECT_EQ(result.config.gateway.upstreams[0].region, "eu");
    EXPECT_EQ(result.config.gateway.upstreams[0].organization, "a$b");
}

}  // namespace
}  // namespace tg
