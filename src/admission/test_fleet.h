#pragma once
// For tests: a fleet in virtual time. The script runs in Lua 5.1 as in Redis, against a hash in
// memory; processes are an AdmissionCore and a FleetMember each.
#include <gtest/gtest.h>
#include <lua.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "admission/admission_core.h"
#include "admission/fleet_member.h"
#include "base/check.h"
#include "base/rng.h"

namespace tg::test {

/// What of Redis the script needs. One thread.
class LuaRedis {
  public:
    LuaRedis() : lua_(luaL_newstate()) {
        luaL_openlibs(lua_);
        lua_pushlightuserdata(lua_, this);
        lua_pushcclosure(lua_, &LuaRedis::call_from_lua, 1);
        lua_setglobal(lua_, "redis_call");
        run("redis = {call = redis_call}");
        const std::string script(fleet_share_script());
        if (luaL_loadbuffer(lua_, script.data(), script.size(), "fleet_share") != 0)
            fatal(lua_tostring(lua_, -1));
        script_ = luaL_ref(lua_, LUA_REGISTRYINDEX);
    }
    ~LuaRedis() { lua_close(lua_); }
    LuaRedis(const LuaRedis&) = delete;
    LuaRedis& operator=(const LuaRedis&) = delete;

    std::int64_t now_ms = 0;
    std::string run_id = "run-1";
    std::uint64_t calls = 0;
    std::map<std::string, std::map<std::string, std::string>> hashes;

    void lose_all() {
        hashes.clear();
        run_id = "run-" + std::to_string(++lives_);
    }

    std::vector<std::string> eval(const FleetCall& call) {
        ++calls;
        std::vector<std::string> arguments = call.arguments;
        arguments[FleetCall::kRunArgument] = run_id;
        push_list({call.key});
        lua_setglobal(lua_, "KEYS");
        push_list(arguments);
        lua_setglobal(lua_, "ARGV");
        lua_rawgeti(lua_, LUA_REGISTRYINDEX, script_);
        if (lua_pcall(lua_, 0, 1, 0) != 0) fatal(lua_tostring(lua_, -1));
        std::vector<std::string> reply;
        const int count = static_cast<int>(lua_objlen(lua_, -1));
        for (int i = 1; i <= count; ++i) {
            lua_rawgeti(lua_, -1, i);
            reply.emplace_back(lua_tostring(lua_, -1));
            lua_pop(lua_, 1);
        }
        lua_pop(lua_, 1);
        return reply;
    }

  private:
    [[noreturn]] static void fatal(const char* what) {
        std::fprintf(stderr, "fleet script: %s\n", what);
        std::abort();
    }
    void run(const char* text) {
        if (luaL_dostring(lua_, text) != 0) fatal(lua_tostring(lua_, -1));
    }
    void push_list(const std::vector<std::string>& list) {
        lua_createtable(lua_, static_cast<int>(list.size()), 0);
        for (std::size_t i = 0; i < list.size(); ++i) {
            lua_pushlstring(lua_, list[i].data(), list[i].size());
            lua_rawseti(lua_, -2, static_cast<int>(i + 1));
        }
    }
    void push_field(const std::string& key, const std::string& field) {
        const auto& hash = hashes[key];
        const auto at = hash.find(field);
        if (at == hash.end())
            lua_pushboolean(lua_, 0);
        else
            lua_pushlstring(lua_, at->second.data(), at->second.size());
    }
    int answer(const std::vector<std::string>& words) {
        const std::string& name = words[0];
        if (name == "TIME") {
            push_list({std::to_string(now_ms / 1000), std::to_string(now_ms % 1000 * 1000)});
        } else if (name == "HMGET") {
            lua_newtable(lua_);
            for (std::size_t i = 2; i < words.size(); ++i) {
                push_field(words[1], words[i]);
                lua_rawseti(lua_, -2, static_cast<int>(i - 1));
            }
        } else if (name == "HGET") {
            push_field(words[1], words[2]);
        } else {
            if (name == "HSET") {
                for (std::size_t i = 2; i + 1 < words.size(); i += 2)
                    hashes[words[1]][words[i]] = words[i + 1];
            } else if (name == "HDEL") {
                hashes[words[1]].erase(words[2]);
            } else if (name == "DEL") {
                hashes.erase(words[1]);
            } else if (name != "PEXPIRE") {
                fatal(name.c_str());
            }
            lua_pushnumber(lua_, 1);
        }
        return 1;
    }
    static int call_from_lua(lua_State* lua) {
        auto* self = static_cast<LuaRedis*>(lua_touserdata(lua, lua_upvalueindex(1)));
        std::vector<std::string> words;
        for (int i = 1; i <= lua_gettop(lua); ++i) {
            std::size_t size = 0;
            const char* text = lua_tolstring(lua, i, &size);
            words.emplace_back(text, size);
        }
        return self->answer(words);
    }

    lua_State* lua_;
    int script_ = 0;
    int lives_ = 1;
};

/// One gateway process.
class FleetProcess final : public FleetLevels {
  public:
    FleetProcess(FleetOptions fleet, AdmissionOptions admission)
        : core(admission), member(std::move(fleet)) {
        member.add(this);
    }
    FleetReport report(LevelHandle level, std::int64_t now_us) override {
        return core.fleet_report(level, now_us);
    }
    void set_share(LevelHandle level, const FleetShare& share, std::int64_t now_us) override {
        core.set_share(level, share, now_us);
    }
    void drop_share(LevelHandle level, std::int64_t now_us) override {
        core.drop_share(level, now_us);
    }
    void set_shares_until(std::int64_t until_us) override { core.set_shares_until(until_us); }

    AdmissionCore core;
    FleetMember member;
    std::uint64_t lapses = 0;
    bool is_alive = true;
    bool is_stopped = false;  ///< SIGSTOP: nothing of it runs, its clock goes on
    bool is_cut_off = false;  ///< its calls reach nobody
};

struct FleetWorldOptions {
    std::size_t processes = 4;
    Limits limits{.requests = 6000};
    FleetOptions fleet{};
    AdmissionOptions admission{};
    std::uint64_t seed = 1;
    std::int64_t call_us = 1'000'000;  ///< how long an admitted call lasts, on average
    std::int64_t max_wait_us = 5'000'000;
    Amounts amounts{};  ///< the most a request may use; what it uses is random
    std::int64_t timeout_us = 250'000;
};

/// Processes that share one level, stepped by milliseconds.
class FleetWorld {
  public:
    explicit FleetWorld(const FleetWorldOptions& options) : options_(options), rng_(options.seed) {
        options_.fleet.groups = 1;
        options_.admission.is_fleet = true;
        options_.admission.window_us = options_.fleet.window_us;
        weights.assign(options.processes, 1);
        for (std::size_t i = 0; i < options.processes; ++i) start(i);
    }

    // --- what the test turns ---
    std::vector<std::uint64_t> weights;  ///< how the load is spread
    std::int64_t per_minute = 0;         ///< requests that arrive, over all
    bool is_redis_down = false;          ///< answers nothing, forgets nothing
    bool is_redis_stalled = false;       ///< calls wait, and are executed later
    std::uint32_t lost_per_mille = 0;    ///< of calls and of answers
    LuaRedis redis;
    std::int64_t now_us = 1'000'000'000;

    FleetProcess& process(std::size_t i) { return *processes_[i]; }
    void start(std::size_t i) {
        FleetOptions fleet = options_.fleet;
        fleet.member = "p" + std::to_string(i) + "-" + std::to_string(++starts_);
        if (processes_.size() <= i) processes_.resize(i + 1);
        processes_[i] = std::make_unique<FleetProcess>(fleet, options_.admission);
        ++generations_[i];
        levels_[i] = processes_[i]->core.intern({LevelKind::key, 7}, options_.limits);
    }
    void kill(std::size_t i) { processes_[i]->is_alive = false; }

    void run(std::int64_t ms) {
        for (; ms > 0; --ms) step();
    }

    // --- what came of it ---
    struct Taken {
        std::int64_t at_us;
        std::int64_t end_us;
        std::size_t process;
        Amounts amounts;
    };
    std::vector<Taken> taken;
    std::uint64_t refused = 0, arrived = 0;
    std::vector<std::int64_t> waits_us;

    /// The most of a kind that was admitted within any whole window from `from_us` on.
    std::int64_t peak(LimitKind kind, std::int64_t from_us = 0) const {
        std::int64_t most = 0, sum = 0;
        std::size_t tail = 0;
        for (const Taken& entry : taken) {
            if (entry.at_us < from_us) {
                ++tail;
                continue;
            }
            sum += entry.amounts.of(kind);
            while (taken[tail].at_us <= entry.at_us - options_.fleet.window_us)
                sum -= taken[tail++].amounts.of(kind);
            most = std::max(most, sum);
        }
        return most;
    }
    std::int64_t admitted(LimitKind kind, std::int64_t from_us, std::int64_t to_us) const {
        std::int64_t sum = 0;
        for (const Taken& entry : taken)
            if (entry.at_us >= from_us && entry.at_us < to_us) sum += entry.amounts.of(kind);
        return sum;
    }
    std::int64_t in_flight_peak = 0;

  private:
    struct Event {
        std::int64_t at_us;
        std::uint64_t order;
        std::function<void()> what;
        bool operator<(const Event& other) const {
            return std::tie(other.at_us, other.order) < std::tie(at_us, order);
        }
    };
    void after(std::int64_t us, std::function<void()> what) {
        events_.push_back({now_us + us, ++order_, std::move(what)});
        std::push_heap(events_.begin(), events_.end());
    }
    std::int64_t below(std::int64_t n) {
        return n <= 0 ? 0 : static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(n)));
    }

    void step() {
        now_us += 1000;
        redis.now_ms = now_us / 1000 + 1'700'000'000'000;
        if (!is_redis_stalled) {
            std::deque<std::function<void()>> due;
            due.swap(stalled_);
            for (const auto& what : due) what();
        }
        while (!events_.empty() && events_.front().at_us <= now_us) {
            std::pop_heap(events_.begin(), events_.end());
            const auto what = std::move(events_.back().what);
            events_.pop_back();
            what();
        }
        arrive();
        for (std::size_t i = 0; i < processes_.size(); ++i) drive(i);
        std::int64_t in_flight = 0;
        for (std::size_t i = 0; i < processes_.size(); ++i)
            if (processes_[i]->is_alive) in_flight += processes_[i]->core.counts().in_flight;
        in_flight_peak = std::max(in_flight_peak, in_flight);
    }

    void arrive() {
        // A Bernoulli stream per millisecond, several where the load is higher.
        owed_ += per_minute;
        for (; owed_ >= 60'000; owed_ -= 60'000) {
            std::uint64_t sum = 0;
            for (const std::uint64_t weight : weights) sum += weight;
            std::uint64_t at = rng_.below(sum);
            std::size_t i = 0;
            while (at >= weights[i]) at -= weights[i++];
            FleetProcess& to = *processes_[i];
            if (to.is_alive && !to.is_stopped) send(i);
        }
    }

    void send(std::size_t i) {
        ++arrived;
        const Decision decision = processes_[i]->core.reserve({.levels = std::span(&levels_[i], 1),
                                                               .amounts = options_.amounts,
                                                               .customer = 1,
                                                               .flow = 1,
                                                               .max_wait_us = options_.max_wait_us},
                                                              now_us);
        if (decision.verdict == Verdict::admitted) admitted_now(i, decision.ticket, 0);
        if (decision.verdict == Verdict::refused) ++refused;
    }

    void admitted_now(std::size_t i, Ticket ticket, std::int64_t waited_us) {
        waits_us.push_back(waited_us);
        const Amounts& most = options_.amounts;
        const Amounts actual{most.requests, most.input_tokens, below(most.output_tokens + 1)};
        const std::int64_t call_us = options_.call_us / 2 + below(options_.call_us);
        taken.push_back({now_us, now_us + call_us, i, actual});
        end_call_after(call_us, i, generations_[i], ticket, actual);
    }
    void end_call_after(std::int64_t us, std::size_t i, std::uint64_t generation, Ticket ticket,
                        Amounts actual) {
        after(us, [this, i, generation, ticket, actual] {
            if (generations_[i] != generation || !processes_[i]->is_alive) return;
            if (processes_[i]->is_stopped)
                end_call_after(1000, i, generation, ticket, actual);
            else
                processes_[i]->core.settle(ticket, actual, now_us);
        });
    }

    void drive(std::size_t i) {
        FleetProcess& process = *processes_[i];
        if (!process.is_alive || process.is_stopped) return;
        std::vector<WaitOutcome> outcomes;
        process.core.poll(now_us, &outcomes);
        for (const WaitOutcome& outcome : outcomes) {
            if (outcome.is_admitted)
                admitted_now(i, outcome.ticket, outcome.waited_us);
            else
                ++refused;
        }
        if (const auto lapses = process.core.counts().share_lapses; lapses != process.lapses) {
            process.lapses = lapses;
            process.member.on_lapse(now_us);
        }
        for (const FleetWant& want : process.core.take_share_wants())
            process.member.want(&process, want, now_us);
        if (process.member.next_due_us() > now_us) return;
        for (const FleetCall& call : process.member.due(now_us)) call_redis(i, call);
    }

    /// A call takes a millisecond each way; it fails at its timeout, and may be executed all the
    /// same.
    void call_redis(std::size_t i, const FleetCall& call) {
        const std::uint64_t generation = generations_[i];
        auto is_answered = std::make_shared<bool>(false);
        const auto at_process = [this, i,
                                 generation](const std::function<void(FleetMember&)>& what) {
            if (generations_[i] != generation || !processes_[i]->is_alive) return;
            what(processes_[i]->member);
        };
        wait_for_timeout(i, generation, call, is_answered);
        const bool is_lost =
            is_redis_down || processes_[i]->is_cut_off || rng_.chance_per_mille(lost_per_mille);
        const bool is_answer_lost = rng_.chance_per_mille(lost_per_mille);
        if (is_lost) return;
        const std::string run = redis.run_id;
        std::function<void()> execute = [=, this] {
            if (redis.run_id != run || is_redis_down) return;  // the connection is gone
            const std::vector<std::string> reply = redis.eval(call);
            if (is_answer_lost) return;
            answer_after(
                1000,
                [=, this] {
                    at_process([&](FleetMember& member) {
                        if (*is_answered) return;
                        *is_answered = true;
                        const Status status = member.on_reply(call, reply, now_us);
                        EXPECT_TRUE(status.ok()) << status.error().text();
                    });
                },
                i);
        };
        after(1000, [this, execute] {
            if (is_redis_stalled)
                stalled_.push_back(execute);
            else
                execute();
        });
    }
    /// An answer that comes while its process is stopped is read when it goes on.
    void answer_after(std::int64_t us, std::function<void()> what, std::size_t i) {
        after(us, [this, what = std::move(what), i] {
            if (processes_[i]->is_stopped)
                answer_after(1000, what, i);
            else
                what();
        });
    }
    void wait_for_timeout(std::size_t i, std::uint64_t generation, const FleetCall& call,
                          const std::shared_ptr<bool>& is_answered) {
        answer_after(
            options_.timeout_us,
            [=, this] {
                if (*is_answered || generations_[i] != generation || !processes_[i]->is_alive)
                    return;
                *is_answered = true;
                processes_[i]->member.on_failure(call, now_us);
            },
            i);
    }

    FleetWorldOptions options_;
    Rng rng_;
    std::vector<std::unique_ptr<FleetProcess>> processes_;
    std::map<std::size_t, LevelHandle> levels_;
    std::map<std::size_t, std::uint64_t> generations_;
    std::vector<Event> events_;
    std::deque<std::function<void()>> stalled_;
    std::uint64_t order_ = 0;
    std::uint64_t starts_ = 0;
    std::int64_t owed_ = 0;
};

}  // namespace tg::test
