// A real cluster and real sentinels: slots that move, masters that fall.
#include <gtest/gtest.h>

#include "store/redis.h"
#include "store/test_redis.h"

namespace tg {
namespace {

constexpr std::string_view kCount = "return {tostring(redis.call('INCR', KEYS[1])), ARGV[1] or ''}";

std::unique_ptr<RedisClient> client_of(const std::string& url) {
    auto parsed = parse_redis_url(url);
    EXPECT_TRUE(parsed.ok()) << parsed.error().text();
    return make_redis_client({.url = *parsed,
                              .connect_timeout_ms = 1000,
                              .call_timeout_ms = 1000,
                              .backoff_ms = 1,
                              .backoff_max_ms = 20});
}

std::vector<RedisScriptCall> calls_to_groups(int groups) {
    std::vector<RedisScriptCall> calls;
    for (int i = 0; i < groups; ++i)
        calls.push_back({.key = "{" + std::to_string(i) + "}", .arguments = {"?"}, .run_id_at = 0});
    return calls;
}

TEST(RedisCluster, EachKeyGoesToItsNode) {
    TestRedisCluster cluster;
    const auto client = client_of(cluster.url());
    const auto calls = calls_to_groups(32);
    for (int round = 1; round <= 2; ++round) {
        const auto replies = client->run_script(kCount, calls);
        for (std::size_t i = 0; i < calls.size(); ++i) {
            ASSERT_TRUE(replies[i].ok()) << replies[i].error().text();
            EXPECT_EQ((*replies[i])[0], std::to_string(round));
            const std::size_t owner = TestRedisCluster::owner(redis_slot(calls[i].key));
            const std::string info = cluster.node(owner).command({"INFO", "server"});
            EXPECT_NE(info.find("run_id:" + (*replies[i])[1]), std::string::npos);
        }
    }
}

TEST(RedisCluster, MovedSlotsAreFollowedAndLostNodesFailAlone) {
    TestRedisCluster cluster;
    const auto client = client_of(cluster.url());
    const RedisScriptCall call{.key = "{0}", .arguments = {"?"}, .run_id_at = 0};
    const std::uint32_t slot = redis_slot(call.key);
    const std::size_t from = TestRedisCluster::owner(slot), to = (from + 1) % 3;
    ASSERT_TRUE(client->run_script(kCount, std::span(&call, 1))[0].ok());

    // Under way: what is there stays there, what is not is asked for at the new node.
    const std::string number = std::to_string(slot);
    ASSERT_EQ(
        cluster.node(to).command({"CLUSTER", "SETSLOT", number, "IMPORTING", cluster.id(from)}),
        "OK");
    ASSERT_EQ(
        cluster.node(from).command({"CLUSTER", "SETSLOT", number, "MIGRATING", cluster.id(to)}),
        "OK");
    ASSERT_EQ(cluster.node(from).command({"DEL", "{0}"}), "1");
    const auto asked = client->run_script(kCount, std::span(&call, 1));
    ASSERT_TRUE(asked[0].ok()) << asked[0].error().text();
    EXPECT_EQ((*asked[0])[0], "1");
    EXPECT_NE(cluster.node(to).command({"INFO", "server"}).find((*asked[0])[1]), std::string::npos);

    // Done: the old node says where it went.
    for (const std::size_t i : {to, from, (from + 2) % 3})
        ASSERT_EQ(cluster.node(i).command({"CLUSTER", "SETSLOT", number, "NODE", cluster.id(to)}),
                  "OK");
    const auto moved = client->run_script(kCount, std::span(&call, 1));
    ASSERT_TRUE(moved[0].ok()) << moved[0].error().text();
    EXPECT_EQ((*moved[0])[0], "2");

    const std::size_t lost = (from + 2) % 3;
    cluster.node(lost).kill();
    const auto calls = calls_to_groups(16);
    const auto replies = client->run_script(kCount, calls);
    std::size_t failed = 0;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        const bool is_lost = TestRedisCluster::owner(redis_slot(calls[i].key)) == lost;
        EXPECT_EQ(replies[i].ok(), !is_lost) << calls[i].key;
        if (is_lost) ++failed;
    }
    EXPECT_GT(failed, 0U);
}

TEST(RedisSentinel, FollowsTheMaster) {
    TestRedisSentinels sentinels;
    std::string others = sentinels.url();
    others.replace(others.rfind("limits"), 6, "others");
    const RedisScriptCall any{.key = "n"};
    const auto unknown = client_of(others)->run_script(kCount, std::span(&any, 1));
    ASSERT_FALSE(unknown[0].ok());
    EXPECT_NE(unknown[0].error().detail.find("no master 'others'"), std::string::npos)
        << unknown[0].error().detail;

    const auto client = client_of(sentinels.url());
    const RedisScriptCall call{.key = "n", .arguments = {"?"}, .run_id_at = 0};
    const auto before = client->run_script(kCount, std::span(&call, 1));
    ASSERT_TRUE(before[0].ok()) << before[0].error().text();
    EXPECT_EQ(client->server(), sentinels.master().address());

    sentinels.sentinel(0).kill();  // the one that is asked first
    sentinels.master().kill();
    RedisScriptReply after = fail(ErrorCode::internal);
    ASSERT_TRUE(is_soon([&] {
        after = std::move(client->run_script(kCount, std::span(&call, 1))[0]);
        return after.ok();
    })) << after.error().text();
    EXPECT_EQ(client->server(), sentinels.replica().address());
    EXPECT_NE((*after)[1], (*before[0])[1]);  // another run: another life of the data
}

}  // namespace
}  // namespace tg
