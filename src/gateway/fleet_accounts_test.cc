// Four processes pace one upstream account together, in virtual time.
#include "gateway/fleet_accounts.h"

#include <gtest/gtest.h>

#include <deque>

#include "admission/test_fleet.h"

namespace tg {
namespace {

constexpr std::int64_t kMsNs = 1'000'000;
constexpr std::int64_t kMinuteNs = 60'000 * kMsNs;

/// One process's side of the account, with an endless line before it while it is busy.
struct Account final : FleetAccount {
    explicit Account(const PacerOptions& options) : pacer(options) { pacer.join_fleet(); }
    State fleet_state(std::int64_t now_ns) override {
        State state{.use = pacer.use(now_ns)};
        if (waiting == 0) return state;
        state.waiting = {waiting, waiting * 350, waiting * 300, 0};
        state.next = cost;
        return state;
    }
    void set_fleet_share(const MinuteLimits& share, std::int64_t concurrency) override {
        pacer.set_fleet_share(share, concurrency);
    }
    void set_fleet_until(std::int64_t until_ns) override { pacer.set_fleet_until(until_ns); }

    AccountPacer pacer;
    PacerCost cost{1, 350, 300, 0};
    std::int64_t waiting = 0;
};

struct Process {
    Process(const FleetOptions& options, const PacerOptions& pacing)
        : member(options), account(std::make_shared<Account>(pacing)) {
        member.add(&accounts);
        level = accounts.add("eu-1", account);
    }
    FleetMember member;
    std::vector<FleetWant> wants;
    FleetAccounts accounts{[this](FleetLevels*, const FleetWant& want) { wants.push_back(want); }};
    std::shared_ptr<Account> account;
    LevelHandle level{};
    std::deque<std::pair<std::int64_t, PacerTicket>> calls;
    std::int64_t sent = 0;
    bool is_alive = true;
};

class World {
  public:
    World(std::size_t processes, const PacerOptions& pacing) {
        for (std::size_t i = 0; i < processes; ++i) {
            FleetOptions options{.member = "p" + std::to_string(i)};
            options.groups = 1;
            processes_.push_back(std::make_unique<Process>(options, pacing));
        }
    }
    Process& process(std::size_t i) { return *processes_[i]; }
    void run(std::int64_t ms) {
        for (; ms > 0; ms -= 5) step();
    }
    std::int64_t now_ns = 1'000'000 * kMsNs;
    std::vector<std::int64_t> sent_ns;
    test::LuaRedis redis;
    std::int64_t in_flight_peak = 0;

    std::int64_t peak() const {
        std::int64_t most = 0;
        std::size_t tail = 0;
        for (std::size_t i = 0; i < sent_ns.size(); ++i) {
            while (sent_ns[tail] <= sent_ns[i] - kMinuteNs) ++tail;
            most = std::max(most, static_cast<std::int64_t>(i - tail + 1));
        }
        return most;
    }
    std::int64_t sent_since(std::int64_t from_ns) const {
        return sent_ns.end() - std::ranges::lower_bound(sent_ns, from_ns);
    }

  private:
    void step() {
        now_ns += 5 * kMsNs;
        redis.now_ms = now_ns / kMsNs + 1'700'000'000'000;
        std::int64_t in_flight = 0;
        for (const auto& process : processes_) {
            if (!process->is_alive) continue;
            share(*process);
            send(*process);
            in_flight += static_cast<std::int64_t>(process->calls.size());
        }
        in_flight_peak = std::max(in_flight_peak, in_flight);
    }
    void share(Process& process) {
        const std::int64_t now_us = now_ns / 1000;
        for (const FleetWant& want : std::exchange(process.wants, {}))
            process.member.want(&process.accounts, want, now_us);
        for (const FleetCall& call : process.member.due(now_us)) {
            const Status status = process.member.on_reply(call, redis.eval(call), now_us);
            EXPECT_TRUE(status.ok()) << status.error().text();
        }
    }
    void send(Process& process) {
        Account& account = *process.account;
        while (!process.calls.empty() && process.calls.front().first <= now_ns) {
            account.pacer.on_end(now_ns, &process.calls.front().second, {});
            process.calls.pop_front();
        }
        while (account.waiting > 0) {
            auto ticket = account.pacer.take(now_ns, account.cost);
            if (!ticket) break;
            process.calls.emplace_back(now_ns + 1'000 * kMsNs, *ticket);
            sent_ns.push_back(now_ns);
            ++process.sent;
        }
    }
    std::vector<std::unique_ptr<Process>> processes_;
};

PacerOptions requests_per_minute(std::int64_t limit) {
    PacerOptions options;
    options.limits[static_cast<std::size_t>(LimitMeter::requests)] = limit;
    return options;
}

TEST(FleetAccounts, ShareAnAccountsMinute) {
    World world(4, requests_per_minute(3000));
    for (std::size_t i = 0; i < 4; ++i) world.process(i).account->waiting = 1000;
    world.run(120'000);
    const std::int64_t from_ns = world.now_ns;
    world.run(120'000);
    EXPECT_LE(world.peak(), 3000);
    EXPECT_GE(world.sent_since(from_ns), 2 * 3000 * 97 / 100);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_GT(world.process(i).sent, 3000 / 2);
}

TEST(FleetAccounts, FollowTheLoad) {
    World world(4, requests_per_minute(3000));
    world.process(0).account->waiting = 1000;
    world.run(120'000);
    world.process(0).account->waiting = 0;
    world.process(3).account->waiting = 1000;
    const std::int64_t from_ns = world.now_ns;
    world.run(120'000);
    EXPECT_LE(world.peak(), 3000);
    EXPECT_GE(world.sent_since(from_ns), 2 * 3000 * 93 / 100);
}

TEST(FleetAccounts, AKilledProcessesPartComesBack) {
    World world(4, requests_per_minute(3000));
    for (std::size_t i = 0; i < 4; ++i) world.process(i).account->waiting = 1000;
    world.run(120'000);
    world.process(2).is_alive = false;
    world.run(70'000);
    const std::int64_t from_ns = world.now_ns;
    world.run(60'000);
    EXPECT_LE(world.peak(), 3000);
    EXPECT_GE(world.sent_since(from_ns), 3000 * 95 / 100);
}

TEST(FleetAccounts, NothingIsSentWithoutALease) {
    World world(1, requests_per_minute(3000));
    world.process(0).account->waiting = 1000;
    world.run(10'000);
    AccountPacer& pacer = world.process(0).account->pacer;
    const PacerCost cost{1, 350, 300, 0};
    EXPECT_GT(pacer.earliest_start(world.now_ns + 2'500 * kMsNs, cost).at_ns,
              world.now_ns + 2'500 * kMsNs);
    EXPECT_NE(pacer.earliest_start(world.now_ns, {1, 0, 0, 0}).at_ns, kNeverNs);
    EXPECT_EQ(pacer.earliest_start(world.now_ns, {3001, 0, 0, 0}).at_ns, kNeverNs)
        << "more than the account allows, not only our share";
}

}  // namespace
}  // namespace tg
