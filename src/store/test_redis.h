#pragma once
// For tests of any module: Redis servers of their own, on free loopback ports, in temporary
// folders, stopped by their process id. Needs Debian's redis-server; a test that cannot start one
// fails.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"

namespace tg {

/// Looks every few milliseconds until it is so, for at most so long.
inline bool is_soon(const std::function<bool()>& so, std::int64_t within_ms = 15'000) {
    const std::int64_t until_ns = system_clock().monotonic_ns() + within_ms * 1'000'000;
    for (;;) {
        if (so()) return true;
        if (system_clock().monotonic_ns() > until_ns) return false;
        ::poll(nullptr, 0, 5);
    }
}

/// A port that nobody listens on now, below those the system gives out, and whose port + 10000 is
/// one too (the cluster's bus).
inline int free_redis_port() {
    std::uint64_t seed = 0;
    fill_secure_random(&seed, sizeof seed);
    Rng rng(seed);
    const auto is_free = [](int port) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const bool is_bound =
            ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        ::close(fd);
        return is_bound;
    };
    for (;;) {
        const int port = 11'000 + static_cast<int>(rng.below(11'000));
        if (is_free(port) && is_free(port + 10'000)) return port;
    }
}

class TestRedis {
  public:
    struct Options {
        std::vector<std::string> arguments{};  ///< further ones: "--requirepass", "x"
        bool is_sentinel = false;
        std::string configuration{};  ///< of a sentinel
        std::string password{};       ///< for command()
        int plain_port = 0;           ///< where the server speaks TLS only: 0
    };
    TestRedis() : TestRedis(Options{}) {}
    explicit TestRedis(Options options) : options_(std::move(options)) {
        folder_ = std::filesystem::temp_directory_path() /
                  ("tollgate-redis-" + std::to_string(::getpid()) + "-" +
                   std::to_string(++count()) + "-" + std::to_string(free_redis_port()));
        std::filesystem::create_directory(folder_);
        for (int i = 0; i < 5 && pid_ == 0; ++i) {
            port_ = free_redis_port();
            start();
        }
    }
    ~TestRedis() {
        kill();
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    TestRedis(const TestRedis&) = delete;
    TestRedis& operator=(const TestRedis&) = delete;

    int port() const { return port_; }
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    std::string url() const { return "redis://" + address(); }
    const std::filesystem::path& folder() const { return folder_; }

    /// Starts it, empty, on the port it has.
    void start() {
        std::vector<std::string> words = {"redis-server"};
        if (options_.is_sentinel) {
            const auto file = folder_ / "sentinel.conf";
            std::ofstream(file) << "port " << port_ << "\nbind 127.0.0.1\ndir " << folder_.string()
                                << "\n"
                                << options_.configuration;
            words.insert(words.end(), {file.string(), "--sentinel"});
        } else {
            words.insert(words.end(), {"--port", std::to_string(port_), "--bind", "127.0.0.1",
                                       "--save", "", "--appendonly", "no", "--dir",
                                       folder_.string(), "--enable-debug-command", "local"});
        }
        words.insert(words.end(), options_.arguments.begin(), options_.arguments.end());
        pid_ = spawn(words);
        const bool is_up = is_soon([this] {
            int status = 0;
            if (::waitpid(pid_, &status, WNOHANG) == pid_) {
                pid_ = 0;
                return true;
            }
            return is_listening();
        });
        if (!is_up) kill();
    }
    void kill() {
        if (pid_ == 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    void stall() { ::kill(pid_, SIGSTOP); }
    void go_on() { ::kill(pid_, SIGCONT); }

    /// The answer as text; of a list its items, a line each; of an error its text.
    std::string command(const std::vector<std::string>& words) {
        const timeval timeout{.tv_sec = 2, .tv_usec = 0};
        std::unique_ptr<redisContext, decltype(&redisFree)> context(
            redisConnectWithTimeout("127.0.0.1", port_, timeout), &redisFree);
        if (!context || context->err != 0) return "no connection";
        redisSetTimeout(context.get(), timeout);
        if (!options_.password.empty()) run(context.get(), {"AUTH", options_.password});
        return run(context.get(), words);
    }

  private:
    static int& count() {
        static int count = 0;
        return count;
    }
    pid_t spawn(const std::vector<std::string>& words) {
        std::vector<char*> argv;
        for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        const std::string log = (folder_ / "log").string();
        const pid_t parent = ::getpid();
        const pid_t pid = ::fork();
        if (pid != 0) return pid;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(1);
        if (std::freopen(log.c_str(), "a", stdout) == nullptr) ::_exit(1);
        ::dup2(1, 2);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    bool is_listening() const {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port_));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const bool is_up =
            ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        ::close(fd);
        return is_up;
    }
    static std::string run(redisContext* context, const std::vector<std::string>& words) {
        std::vector<const char*> argv;
        std::vector<std::size_t> sizes;
        for (const std::string& word : words) {
            argv.push_back(word.data());
            sizes.push_back(word.size());
        }
        auto* reply = static_cast<redisReply*>(
            redisCommandArgv(context, static_cast<int>(argv.size()), argv.data(), sizes.data()));
        if (reply == nullptr) return "no answer";
        std::string out;
        if (reply->type == REDIS_REPLY_INTEGER) out = std::to_string(reply->integer);
        if (reply->str != nullptr) out.assign(reply->str, reply->len);
        for (std::size_t i = 0; i < reply->elements; ++i)
            if (reply->element[i]->str != nullptr) out.append(reply->element[i]->str).append("\n");
        freeReplyObject(reply);
        return out;
    }

    Options options_;
    std::filesystem::path folder_;
    int port_ = 0;
    pid_t pid_ = 0;
};

/// Three masters that share the slots.
class TestRedisCluster {
  public:
    TestRedisCluster() {
        for (int i = 0; i < 3; ++i)
            nodes_.push_back(std::make_unique<TestRedis>(TestRedis::Options{
                .arguments = {"--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
                              "--cluster-require-full-coverage", "no"}}));
        const std::vector<std::pair<int, int>> ranges = {{0, 5460}, {5461, 10922}, {10923, 16383}};
        for (std::size_t i = 0; i < 3; ++i) {
            nodes_[i]->command({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
            nodes_[i]->command({"CLUSTER", "ADDSLOTSRANGE", std::to_string(ranges[i].first),
                                std::to_string(ranges[i].second)});
            if (i > 0)
                nodes_[i]->command(
                    {"CLUSTER", "MEET", "127.0.0.1", std::to_string(nodes_[0]->port())});
        }
        const bool is_ok = is_soon([this] {
            for (const auto& node : nodes_) {
                const std::string info = node->command({"CLUSTER", "INFO"});
                if (info.find("cluster_state:ok") == std::string::npos ||
                    info.find("cluster_slots_assigned:16384") == std::string::npos)
                    return false;
            }
            return true;
        });
        EXPECT_TRUE(is_ok) << "the cluster does not form";
    }
    TestRedis& node(std::size_t i) { return *nodes_[i]; }
    std::string url() const { return "redis+cluster://" + nodes_[0]->address(); }
    /// Which node has the slot.
    static std::size_t owner(std::uint32_t slot) {
        return slot <= 5460 ? 0 : slot <= 10922 ? 1 : 2;
    }
    std::string id(std::size_t i) { return nodes_[i]->command({"CLUSTER", "MYID"}); }

  private:
    std::vector<std::unique_ptr<TestRedis>> nodes_;
};

/// A master, a replica and three sentinels that watch them under the name "limits".
class TestRedisSentinels {
  public:
    TestRedisSentinels()
        : replica_(TestRedis::Options{.arguments = {"--replicaof", "127.0.0.1",
                                                    std::to_string(master_.port()),
                                                    "--repl-diskless-sync-delay", "0"}}) {
        EXPECT_TRUE(is_soon([this] {
            return replica_.command({"INFO", "replication"}).find("master_link_status:up") !=
                   std::string::npos;
        }));
        for (int i = 0; i < 3; ++i)
            sentinels_.push_back(std::make_unique<TestRedis>(TestRedis::Options{
                .is_sentinel = true,
                .configuration = "sentinel monitor limits 127.0.0.1 " +
                                 std::to_string(master_.port()) +
                                 " 2\nsentinel down-after-milliseconds limits 400\n"
                                 "sentinel failover-timeout limits 3000\n"}));
        EXPECT_TRUE(is_soon([this] {
            for (const auto& sentinel : sentinels_) {
                const std::string masters = sentinel->command({"SENTINEL", "MASTER", "limits"});
                if (masters.find("num-other-sentinels\n2\n") == std::string::npos ||
                    masters.find("num-slaves\n1\n") == std::string::npos)
                    return false;
            }
            return true;
        })) << "the sentinels do not find each other";
    }
    TestRedis& master() { return master_; }
    TestRedis& replica() { return replica_; }
    TestRedis& sentinel(std::size_t i) { return *sentinels_[i]; }
    std::string url() const {
        return "redis+sentinel://" + sentinels_[0]->address() + "," + sentinels_[1]->address() +
               "," + sentinels_[2]->address() + "/limits";
    }

  private:
    TestRedis master_;
    TestRedis replica_;
    std::vector<std::unique_ptr<TestRedis>> sentinels_;
};

}  // namespace tg
