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
    EXPECT_EQ(c.gateway.attempts_max, defaults.gateway.attempts_max);
    EXPECT_EQ(c.gateway.request_log, defaults.gateway.request_log);
    EXPECT_EQ(c.shutdown_timeout_ms, defaults.shutdown_timeout_ms);
    EXPECT_EQ(c.unknown_model, defaults.unknown_model);
    EXPECT_EQ(c.usd_cny_e8, defaults.usd_cny_e8);
    EXPECT_EQ(c.vat_ppm, defaults.vat_ppm);
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
journal: {sync: relaxed, commit_interval: 5ms}
upstreams:
  - name: main
    base_url: https://example.com/v1
    api_key: ${KEY}
    models: [gpt-4o, {name: mini, upstream_name: gpt-4o-mini}]
billing: {usd_cny_rate: "7.1234", vat_percent: "13"}
)",
                                             some_environment);
    ASSERT_TRUE(result.ok()) << result.report("t");
    const Config& c = result.config;
    EXPECT_EQ(c.listen, "[::1]:9000");
    EXPECT_EQ(c.workers, 3);
    EXPECT_EQ(c.server.head_timeout_ms, 250);
    EXPECT_EQ(c.gateway.first_byte_timeout_ms, 7'200'000);
    EXPECT_EQ(c.gateway.json_body_bytes, 1U << 20);
    EXPECT_EQ(c.journal.sync, JournalOptions::Sync::relaxed);
    EXPECT_EQ(c.journal.commit_interval_us, 5000);
    ASSERT_EQ(c.gateway.upstreams.size(), 1U);
    EXPECT_EQ(c.gateway.upstreams[0].api_key, "sk-from-environment");
    ASSERT_EQ(c.gateway.upstreams[0].models.size(), 2U);
    EXPECT_EQ(c.gateway.upstreams[0].models[1].upstream_name, "gpt-4o-mini");
    EXPECT_EQ(c.usd_cny_e8, 712'340'000);
    EXPECT_EQ(c.vat_ppm, 130'000);
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
