#include <gtest/gtest.h>

#include "app/config.h"

namespace tg {
namespace {

const char* no_environment(const char*) {
    return nullptr;
}

TEST(FleetConfig, IsOffUnlessRedisIsNamed) {
    const ConfigResult none = parse_config("{}", no_environment);
    ASSERT_TRUE(none.ok());
    EXPECT_FALSE(none.config.fleet.is_on);
    EXPECT_FALSE(none.config.admission.is_fleet);
}

TEST(FleetConfig, ReadsWhatItNeeds) {
    const ConfigResult read = parse_config(
        "fleet: {redis: 'redis+sentinel://:pw@a,b/limits', process: gate-1, on_redis_loss: refuse, "
        "share_percent: 40, lease: 4s, renew: 200ms, call_timeout: 1s}",
        no_environment);
    ASSERT_TRUE(read.ok()) << read.report("f");
    const FleetConfig& fleet = read.config.fleet;
    EXPECT_TRUE(fleet.is_on && read.config.admission.is_fleet);
    EXPECT_EQ(fleet.redis.master, "limits");
    EXPECT_EQ(fleet.process, "gate-1");
    EXPECT_EQ(fleet.options.on_loss, FleetLoss::refuse);
    EXPECT_EQ(fleet.options.loss_share_percent, 40);
    EXPECT_EQ(fleet.options.lease_us, 4'000'000);
    EXPECT_EQ(fleet.options.renew_us, 200'000);
    EXPECT_EQ(fleet.call_timeout_ms, 1000);
}

TEST(FleetConfig, SaysWhatIsWrong) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"fleet: {redis: 'redis://:hunter2@a:x'}", "port 'x'"},
        {"fleet: {redis: 'redis://a', process: 'a b'}", "fleet.process"},
        {"fleet: {redis: 'redis://a', on_redis_loss: maybe}", "refuse"},
        {"fleet: {redis: 'redis://a', lease: 1s, renew: 300ms}", "quarter"},
        {"fleet: {redis: 'redis://a', nodes: 3}", "nodes"},
    };
    for (const auto& [yaml, expected] : cases) {
        const ConfigResult read = parse_config(yaml, no_environment);
        EXPECT_FALSE(read.ok()) << yaml;
        const std::string report = read.report("f");
        EXPECT_NE(report.find(expected), std::string::npos) << report;
        EXPECT_EQ(report.find("hunter2"), std::string::npos) << report;
    }
}

}  // namespace
}  // namespace tg
