// A fleet on a real Redis that is killed, stalled, cut off and restarted: real threads, sockets and
// time, with a window of a second.
#include <gtest/gtest.h>

#include <array>
#include <deque>

#include "admission/fleet_driver.h"
#include "store/test_redis.h"

namespace tg {
namespace {

constexpr std::int64_t kWindowUs = 1'000'000;
constexpr std::int64_t kLimit = 600;

std::int64_t now_us() {
    return system_clock().monotonic_ns() / 1000;
}

/// Passes bytes between a process and Redis until it is told to drop them.
class DroppingProxy {
  public:
    explicit DroppingProxy(int to_port) : to_port_(to_port) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address = loopback(0);
        EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(listener_, 16), 0);
        socklen_t size = sizeof address;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { run(); });
    }
    ~DroppingProxy() {
        is_stopping_ = true;
        thread_.join();
        ::close(listener_);
        for (const auto& [a, b] : pairs_) {
            ::close(a);
            ::close(b);
        }
    }
    std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
    std::atomic<bool> is_dropping{false};

  private:
    static sockaddr_in loopback(int port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return address;
    }
    void run() {
        while (!is_stopping_) {
            std::vector<pollfd> fds = {{.fd = listener_, .events = POLLIN, .revents = 0}};
            for (const auto& [a, b] : pairs_) {
                fds.push_back({.fd = a, .events = POLLIN, .revents = 0});
                fds.push_back({.fd = b, .events = POLLIN, .revents = 0});
            }
            ::poll(fds.data(), fds.size(), 5);
            std::deque<std::pair<int, int>> kept;
            for (std::size_t i = 0; i < pairs_.size(); ++i) {
                const auto [a, b] = pairs_[i];
                const bool is_alive = pass(a, b, fds[1 + 2 * i]) && pass(b, a, fds[2 + 2 * i]);
                if (is_alive) {
                    kept.emplace_back(a, b);
                } else {
                    ::close(a);
                    ::close(b);
                }
            }
            pairs_ = kept;
            if (fds[0].revents != 0) accept_one();
        }
    }
    void accept_one() {
        const int from = ::accept(listener_, nullptr, nullptr);
        const int to = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_in address = loopback(to_port_);
        if (::connect(to, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
            pairs_.emplace_back(from, to);
            return;
        }
        ::close(from);
        ::close(to);
    }
    bool pass(int from, int to, const pollfd& ready) {
        if (ready.revents == 0) return true;
        std::array<char, 65536> bytes{};
        const ssize_t got = ::recv(from, bytes.data(), bytes.size(), 0);
        if (got <= 0) return false;
        if (is_dropping) return true;  // as a network that has lost its way
        return ::send(to, bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) == got;
    }

    int to_port_;
    int listener_ = -1, port_ = 0;
    std::deque<std::pair<int, int>> pairs_;
    std::atomic<bool> is_stopping_{false};
    std::thread thread_;
};

/// One gateway process's part: its admission and driver, in threads of this test.
struct Process {
    Process(const std::string& url, const std::string& name, FleetLoss on_loss,
            std::int64_t limit) {
        auto parsed = parse_redis_url(url);
        EXPECT_TRUE(parsed.ok()) << parsed.error().text();
        FleetOptions options{.member = name};
        options.window_us = kWindowUs;
        options.lease_us = 400'000;
        options.renew_us = 30'000;
        options.refresh_us = 150'000;
        options.margin_us = 100'000;
        options.groups = 3;
        options.on_loss = on_loss;
        level = admission.intern({LevelKind::key, 7}, {.requests = limit});
        driver = std::make_unique<FleetDriver>(
            FleetDriver::Parts{.options = options,
                               .redis = make_redis_client({.url = *parsed,
                                                           .connect_timeout_ms = 100,
                                                           .call_timeout_ms = 60,
                                                           .backoff_ms = 5,
                                                           .backoff_max_ms = 40}),
                               .admission = &admission});
        driver->start();
    }

    Admission admission{AdmissionOptions{.window_us = kWindowUs, .is_fleet = true}};
    LevelHandle level{};
    std::unique_ptr<FleetDriver> driver;
    bool is_alive = true;
    std::int64_t admitted = 0;
};

/// Four processes that are asked for more than the limit, without waiting, and what they let pass.
class Fleet {
  public:
    explicit Fleet(FleetLoss on_loss, std::int64_t limit = kLimit)
        : on_loss_(on_loss), limit_(limit) {}

    void add(const std::string& url) {
        processes_.push_back(std::make_unique<Process>(url, "p" + std::to_string(processes_.size()),
                                                       on_loss_, limit_));
    }
    Process& process(std::size_t i) { return *processes_[i]; }
    void kill(std::size_t i) {
        processes_[i]->driver->abandon();
        processes_[i]->is_alive = false;
    }
    /// Sends as much as is let pass for so long.
    void run(std::int64_t ms) {
        const std::int64_t end_us = now_us() + ms * 1000;
        std::vector<WaitOutcome> outcomes;
        while (now_us() < end_us) {
            for (const auto& process : processes_) {
                if (!process->is_alive) continue;
                for (int i = 0; i < 4; ++i) {
                    const std::int64_t at_us = now_us();
                    const Decision decision =
                        process->admission.reserve({.levels = std::span(&process->level, 1),
                                                    .customer = 1,
                                                    .flow = 1,
                                                    .context = static_cast<std::uint64_t>(at_us)},
                                                   at_us);
                    if (decision.verdict == Verdict::admitted)
                        note(*process, decision.ticket, at_us);
                }
                outcomes.clear();
                process->admission.poll(now_us(), &outcomes);
                for (const WaitOutcome& outcome : outcomes)
                    if (outcome.is_admitted)
                        note(*process, outcome.ticket,
                             static_cast<std::int64_t>(outcome.context) + outcome.waited_us);
            }
            ::poll(nullptr, 0, 1);
        }
    }
    /// Goes on until so much of the limit has passed within the last window. How soon depends on
    /// how busy the machine is; that it comes does not.
    bool carries(std::int64_t percent) {
        return is_soon([&] {
            run(50);
            return admitted_since(now_us() - kWindowUs) >= limit_ * percent / 100;
        });
    }
    /// The most that any window held.
    std::int64_t peak() {
        std::ranges::sort(taken_us_);
        std::int64_t most = 0;
        std::size_t tail = 0;
        for (std::size_t i = 0; i < taken_us_.size(); ++i) {
            while (taken_us_[tail] <= taken_us_[i] - kWindowUs) ++tail;
            most = std::max(most, static_cast<std::int64_t>(i - tail + 1));
        }
        return most;
    }
    std::int64_t admitted_since(std::int64_t from_us) {
        std::ranges::sort(taken_us_);
        return taken_us_.end() - std::ranges::lower_bound(taken_us_, from_us);
    }
    bool is_attached() const {
        for (const auto& process : processes_)
            if (process->is_alive && !process->driver->counts().is_open) return false;
        return true;
    }

  private:
    void note(Process& process, Ticket ticket, std::int64_t at_us) {
        taken_us_.push_back(at_us);
        ++process.admitted;
        process.admission.settle(ticket, {}, at_us);
    }

    FleetLoss on_loss_;
    std::int64_t limit_;
    std::vector<std::unique_ptr<Process>> processes_;
    std::vector<std::int64_t> taken_us_;
};

TEST(FleetChaos, FourProcessesShareALimitThroughRedis) {
    TestRedis redis;
    Fleet fleet(FleetLoss::refuse);
    for (int i = 0; i < 4; ++i) fleet.add(redis.url());
    ASSERT_TRUE(is_soon([&] { return fleet.is_attached(); }));
    fleet.run(2500);
    EXPECT_TRUE(fleet.carries(85));
    EXPECT_LE(fleet.peak(), kLimit);
    for (int i = 0; i < 4; ++i) EXPECT_GT(fleet.process(i).admitted, 0);
}

// Killed, restarted empty, and one process killed meanwhile: never more than the limit, with either
// behaviour; with `share` requests go on while Redis is away.
TEST(FleetChaos, RedisRestartedEmptyAndAProcessKilled) {
    for (const FleetLoss on_loss : {FleetLoss::share, FleetLoss::refuse}) {
        TestRedis redis;
        Fleet fleet(on_loss);
        for (int i = 0; i < 4; ++i) fleet.add(redis.url());
        ASSERT_TRUE(is_soon([&] { return fleet.is_attached(); }));
        fleet.run(1200);
        redis.kill();
        fleet.run(600);
        fleet.kill(2);
        if (on_loss == FleetLoss::share) {
            EXPECT_TRUE(fleet.carries(50));
        } else {
            const std::int64_t away_us = now_us();
            fleet.run(1000);
            EXPECT_EQ(fleet.admitted_since(away_us), 0);
        }
        redis.start();
        fleet.run(1500);
        EXPECT_TRUE(fleet.carries(85)) << "it came back";
        EXPECT_LE(fleet.peak(), kLimit);
    }
}

// A Redis that stands still for longer than lease and window, and then goes on with all it knew and
// all that was sent to it meanwhile.
TEST(FleetChaos, RedisStalled) {
    TestRedis redis;
    Fleet fleet(FleetLoss::share);
    for (int i = 0; i < 4; ++i) fleet.add(redis.url());
    ASSERT_TRUE(is_soon([&] { return fleet.is_attached(); }));
    fleet.run(1500);
    redis.stall();
    fleet.run(2600);
    redis.go_on();
    fleet.run(2500);
    EXPECT_LE(fleet.peak(), kLimit);
}

// One process alone cut off: with `refuse` it stops when its lease ends, and the others have the
// whole limit once what it used has left the window.
TEST(FleetChaos, OneProcessCutOff) {
    TestRedis redis;
    DroppingProxy proxy(redis.port());
    Fleet fleet(FleetLoss::refuse);
    fleet.add(proxy.url());
    for (int i = 0; i < 3; ++i) fleet.add(redis.url());
    ASSERT_TRUE(is_soon([&] { return fleet.is_attached(); }));
    fleet.run(1500);
    proxy.is_dropping = true;
    fleet.run(800);
    const std::int64_t admitted = fleet.process(0).admitted;
    fleet.run(2300);
    EXPECT_TRUE(fleet.carries(85)) << "the others have all of it";
    EXPECT_EQ(fleet.process(0).admitted, admitted);
    proxy.is_dropping = false;
    EXPECT_TRUE(is_soon([&] {
        fleet.run(50);
        return fleet.process(0).admitted > admitted;
    }));
    EXPECT_LE(fleet.peak(), kLimit);
}

TEST(FleetChaos, AProcessThatEndsGivesBackAtOnce) {
    TestRedis redis;
    Fleet fleet(FleetLoss::refuse);
    fleet.add(redis.url());
    fleet.add(redis.url());
    ASSERT_TRUE(is_soon([&] { return fleet.is_attached(); }));
    fleet.process(1).is_alive = false;  // takes nothing yet
    fleet.run(1600);
    fleet.process(1).driver->stop();
    EXPECT_NE(fleet.process(1).driver->not_ready(), "x");
    EXPECT_TRUE(fleet.carries(85));
    EXPECT_LE(fleet.peak(), kLimit);
}

TEST(FleetChaos, AClusterWhoseNodeDiesAndSentinelsWhoseMasterDies) {
    TestRedisCluster cluster;
    Fleet on_cluster(FleetLoss::refuse);
    for (int i = 0; i < 3; ++i) on_cluster.add(cluster.url());
    ASSERT_TRUE(is_soon([&] { return on_cluster.is_attached(); }));
    on_cluster.run(1800);
    EXPECT_TRUE(on_cluster.carries(80));
    EXPECT_LE(on_cluster.peak(), kLimit);

    TestRedisSentinels sentinels;
    Fleet on_sentinels(FleetLoss::share);
    for (int i = 0; i < 3; ++i) on_sentinels.add(sentinels.url());
    ASSERT_TRUE(is_soon([&] { return on_sentinels.is_attached(); }));
    on_sentinels.run(800);
    sentinels.master().kill();
    on_sentinels.run(2500);
    EXPECT_TRUE(is_soon([&] {
        on_sentinels.run(50);
        return on_sentinels.is_attached();
    }));
    on_sentinels.run(1000);
    EXPECT_TRUE(on_sentinels.carries(70));
    EXPECT_LE(on_sentinels.peak(), kLimit);
}

// Nobody there from the start: nothing passes, and it is said why.
TEST(FleetChaos, WithoutRedisNothingPassesAndItIsSaidWhy) {
    Fleet fleet(FleetLoss::share);
    fleet.add("redis://127.0.0.1:1");
    fleet.run(300);
    EXPECT_EQ(fleet.peak(), 0);
    const std::string why = fleet.process(0).driver->not_ready();
    EXPECT_NE(why.find("127.0.0.1:1"), std::string::npos) << why;
}

}  // namespace
}  // namespace tg
