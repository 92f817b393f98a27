#include <gtest/gtest.h>

#include "store/redis.h"

namespace tg {
namespace {

TEST(RedisUrl, Forms) {
    const auto single = parse_redis_url("redis://cache.internal");
    ASSERT_TRUE(single.ok()) << single.error().text();
    EXPECT_EQ(single->kind, RedisUrl::Kind::single);
    EXPECT_FALSE(single->is_tls);
    EXPECT_EQ(single->hosts, (std::vector<RedisEndpoint>{{"cache.internal", 6379}}));
    EXPECT_EQ(single->database, 0);

    const auto full = parse_redis_url("rediss://gate:p%40ss%2F@[::1]:7000/3?ca_file=/etc/ca.pem");
    ASSERT_TRUE(full.ok()) << full.error().text();
    EXPECT_TRUE(full->is_tls);
    EXPECT_EQ(full->user, "gate");
    EXPECT_EQ(full->password, "p@ss/");
    EXPECT_EQ(full->hosts[0].text(), "[::1]:7000");
    EXPECT_EQ(full->database, 3);
    EXPECT_EQ(full->ca_file, "/etc/ca.pem");

    const auto sentinel = parse_redis_url("redis+sentinel://:x@a,b:5000,c/limits/2");
    ASSERT_TRUE(sentinel.ok()) << sentinel.error().text();
    EXPECT_EQ(sentinel->hosts,
              (std::vector<RedisEndpoint>{{"a", 26379}, {"b", 5000}, {"c", 26379}}));
    EXPECT_EQ(sentinel->master, "limits");
    EXPECT_EQ(sentinel->database, 2);

    const auto cluster = parse_redis_url("redis+cluster://a:1,b:2");
    ASSERT_TRUE(cluster.ok()) << cluster.error().text();
    EXPECT_EQ(cluster->kind, RedisUrl::Kind::cluster);
    EXPECT_EQ(cluster->hosts.size(), 2U);
}

TEST(RedisUrl, SaysWhatIsWrongAndKeepsThePasswordToItself) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"cache:6379", "'://'"},
        {"http://cache", "scheme"},
        {"redis+raft://cache", "kind"},
        {"redis://", "host is empty"},
        {"redis://a,b", "one host"},
        {"redis://hunter2@a", "no password"},
        {"redis://a:0", "port '0'"},
        {"redis://a:70000", "port '70000'"},
        {"redis://a/x", "database 'x'"},
        {"redis+cluster://a/1", "database 0 only"},
        {"redis+sentinel://a", "master's name"},
        {"redis://[::1", "']'"},
        {"redis://:hunter2%zz@a", "hex"},
        {"redis://a?tls=1", "parameter 'tls'"},
    };
    for (const auto& [url, expected] : cases) {
        const auto parsed = parse_redis_url(url);
        ASSERT_FALSE(parsed.ok()) << url;
        EXPECT_EQ(parsed.error().code, ErrorCode::invalid_config);
        EXPECT_NE(parsed.error().detail.find(expected), std::string::npos)
            << url << ": " << parsed.error().detail;
        EXPECT_EQ(parsed.error().detail.find("hunter2"), std::string::npos) << url;
    }
}

// Slots as Redis's own CLUSTER KEYSLOT gives them.
TEST(RedisUrl, SlotsOfKeys) {
    EXPECT_EQ(redis_slot("123456789"), 12739U);  // the specification's check value, 0x31C3
    EXPECT_EQ(redis_slot("tollgate:fleet:{3}"), redis_slot("{3}:other"));
    EXPECT_EQ(redis_slot("{}x"), redis_slot("{}x"));
    EXPECT_NE(redis_slot("{}x"), redis_slot("{}y"));
}

}  // namespace
}  // namespace tg
