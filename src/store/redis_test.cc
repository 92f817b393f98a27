// One real Redis: what is answered, what fails and how, and coming back.
#include <gtest/gtest.h>

#include "store/redis.h"
#include "store/test_redis.h"

namespace tg {
namespace {

constexpr std::string_view kEcho = "return {ARGV[1], KEYS[1], ARGV[2] or ''}";
constexpr std::string_view kCount = "return {tostring(redis.call('INCR', KEYS[1])), ARGV[1] or ''}";

std::unique_ptr<RedisClient> client_of(const std::string& url,
                                       std::int64_t call_timeout_ms = 1000) {
    auto parsed = parse_redis_url(url);
    EXPECT_TRUE(parsed.ok()) << parsed.error().text();
    return make_redis_client({.url = *parsed,
                              .connect_timeout_ms = 2000,
                              .call_timeout_ms = call_timeout_ms,
                              .backoff_ms = 1,
                              .backoff_max_ms = 20});
}

RedisScriptReply run_one(RedisClient& client, std::string_view script, RedisScriptCall call) {
    auto replies = client.run_script(script, std::span(&call, 1));
    EXPECT_EQ(replies.size(), 1U);
    return std::move(replies[0]);
}

TEST(Redis, RunsScriptsPipelinedAndNamesTheServersRun) {
    TestRedis redis;
    const auto client = client_of(redis.url());
    std::vector<RedisScriptCall> calls;
    for (int i = 0; i < 100; ++i)
        calls.push_back({.key = "{k}" + std::to_string(i),
                         .arguments = {std::to_string(i), "?"},
                         .run_id_at = 1});
    const auto replies = client->run_script(kEcho, calls);
    ASSERT_EQ(replies.size(), 100U);
    const std::string info = redis.command({"INFO", "server"});
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(replies[i].ok()) << replies[i].error().text();
        EXPECT_EQ((*replies[i])[0], std::to_string(i));
        EXPECT_EQ((*replies[i])[1], "{k}" + std::to_string(i));
        EXPECT_NE(info.find("run_id:" + (*replies[i])[2]), std::string::npos);
        EXPECT_EQ((*replies[i])[2].size(), 40U);
    }
}

TEST(Redis, LoadsTheScriptAgainWhenItWasFlushed) {
    TestRedis redis;
    const auto client = client_of(redis.url());
    ASSERT_TRUE(run_one(*client, kCount, {.key = "n", .arguments = {"a"}}).ok());
    ASSERT_EQ(redis.command({"SCRIPT", "FLUSH"}), "OK");
    const auto reply = run_one(*client, kCount, {.key = "n", .arguments = {"b"}});
    ASSERT_TRUE(reply.ok()) << reply.error().text();
    EXPECT_EQ(*reply, (std::vector<std::string>{"2", "b"}));  // once, not twice
}

TEST(Redis, AScriptThatFailsIsSaidToBeWrong) {
    TestRedis redis;
    const auto client = client_of(redis.url());
    const auto failed = run_one(*client, "return redis.call('NOSUCH')", {.key = "k"});
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, ErrorCode::corrupt_data);
    const auto number = run_one(*client, "return 7", {.key = "k"});
    ASSERT_FALSE(number.ok());
    EXPECT_EQ(number.error().code, ErrorCode::corrupt_data);
    EXPECT_TRUE(run_one(*client, kEcho, {.key = "k", .arguments = {"fine"}}).ok());
}

TEST(Redis, PasswordAndDatabase) {
    TestRedis redis({.arguments = {"--requirepass", "s3cret"}, .password = "s3cret"});
    const auto client = client_of("redis://:s3cret@" + redis.address() + "/2");
    ASSERT_TRUE(run_one(*client, kCount, {.key = "n", .arguments = {""}}).ok());
    EXPECT_NE(redis.command({"INFO", "keyspace"}).find("db2:keys=1"), std::string::npos);

    const auto wrong = client_of("redis://:wrong-word@" + redis.address());
    const auto reply = run_one(*wrong, kEcho, {.key = "k", .arguments = {""}});
    ASSERT_FALSE(reply.ok());
    EXPECT_NE(reply.error().detail.find("AUTH"), std::string::npos);
    EXPECT_EQ(reply.error().detail.find("wrong-word"), std::string::npos);
}

TEST(Redis, NobodyThereIsSaidAtOnceAndTriedAgain) {
    auto redis = std::make_unique<TestRedis>();
    const auto client = client_of(redis->url());
    ASSERT_TRUE(run_one(*client, kCount, {.key = "n", .arguments = {""}}).ok());
    redis->kill();
    for (int i = 0; i < 3; ++i) {
        const auto reply = run_one(*client, kCount, {.key = "n", .arguments = {""}});
        ASSERT_FALSE(reply.ok());
        EXPECT_EQ(reply.error().code, ErrorCode::store_unavailable);
        EXPECT_NE(reply.error().detail.find(redis->address()), std::string::npos)
            << reply.error().detail;
    }
    redis->start();
    RedisScriptReply reply = fail(ErrorCode::internal);
    ASSERT_TRUE(is_soon([&] {
        reply = run_one(*client, kCount, {.key = "n", .arguments = {""}});
        return reply.ok();
    })) << reply.error().text();
    EXPECT_EQ((*reply)[0], "1");  // empty again
}

TEST(Redis, AStalledServerCostsTheTimeoutAndNoMore) {
    TestRedis redis;
    const auto client = client_of(redis.url(), 100);
    ASSERT_TRUE(run_one(*client, kCount, {.key = "n", .arguments = {""}}).ok());
    redis.stall();
    const std::int64_t begin_ns = system_clock().monotonic_ns();
    const auto reply = run_one(*client, kCount, {.key = "n", .arguments = {""}});
    const std::int64_t took_ms = (system_clock().monotonic_ns() - begin_ns) / 1'000'000;
    redis.go_on();
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().code, ErrorCode::store_unavailable);
    EXPECT_GE(took_ms, 99);
    EXPECT_LT(took_ms, 2000);
    EXPECT_TRUE(
        is_soon([&] { return run_one(*client, kCount, {.key = "n", .arguments = {""}}).ok(); }));
}

TEST(Redis, TlsIsCheckedAgainstTheAuthority) {
    const auto folder = std::filesystem::temp_directory_path() /
                        ("tollgate-redis-tls-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    const std::string at = folder.string();
    const std::string make =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=redis -addext subjectAltName=IP:127.0.0.1,DNS:localhost -keyout " +
        at + "/key.pem -out " + at + "/cert.pem 2>/dev/null";
    ASSERT_EQ(std::system(make.c_str()), 0);
    const int tls_port = free_redis_port();
    TestRedis redis(
        {.arguments = {"--tls-port", std::to_string(tls_port), "--tls-cert-file", at + "/cert.pem",
                       "--tls-key-file", at + "/key.pem", "--tls-ca-cert-file", at + "/cert.pem",
                       "--tls-auth-clients", "no"}});
    const std::string address = "rediss://127.0.0.1:" + std::to_string(tls_port);
    const auto trusting = client_of(address + "?ca_file=" + at + "/cert.pem");
    const auto reply = run_one(*trusting, kEcho, {.key = "k", .arguments = {"safe"}});
    EXPECT_TRUE(reply.ok()) << reply.error().text();

    const auto doubting = client_of(address);
    const auto refused = run_one(*doubting, kEcho, {.key = "k", .arguments = {"safe"}});
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().detail.find("not trusted"), std::string::npos)
        << refused.error().detail;

    const auto lost = client_of(address + "?ca_file=/no/such/file");
    const auto missing = run_one(*lost, kEcho, {.key = "k", .arguments = {"safe"}});
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, ErrorCode::invalid_config);
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tg
