#include "admission/fleet_driver.h"

#include <chrono>

#include "base/log.h"
#include "base/thread_name.h"

namespace tg {
namespace {

/// The thread looks at least so often, whatever is due.
constexpr std::int64_t kLookUs = 100'000;

}  // namespace

FleetReport FleetDriver::Levels::report(LevelHandle level, std::int64_t now_us) {
    return admission_->fleet_report(level, now_us);
}
void FleetDriver::Levels::set_share(LevelHandle level, const FleetShare& share,
                                    std::int64_t now_us) {
    admission_->set_share(level, share, now_us);
}
void FleetDriver::Levels::drop_share(LevelHandle level, std::int64_t now_us) {
    admission_->drop_share(level, now_us);
}
void FleetDriver::Levels::set_shares_until(std::int64_t until_us) {
    admission_->set_shares_until(until_us);
}

FleetDriver::FleetDriver(Parts parts)
    : parts_(std::move(parts)), levels_(parts_.admission), member_(parts_.options) {
    member_.add(&levels_);
    if (parts_.metrics == nullptr) return;
    const auto value = [this](std::string_view metric, std::string_view help, auto read) {
        parts_.metrics->callback(
            metric, help, [this, read] { return static_cast<std::int64_t>(read(counts())); });
    };
    value("tollgate_fleet_attached", "1 while this process holds its leases of shared limits.",
          [](const FleetCounts& c) { return c.is_attached; });
    value("tollgate_fleet_members", "Processes that share the limits, as last heard.",
          [](const FleetCounts& c) { return c.members; });
    value("tollgate_fleet_levels", "Limited levels of which this process holds a share.",
          [](const FleetCounts& c) { return c.levels; });
    value("tollgate_fleet_levels_pressed", "Of those, levels that are wanted more than there is.",
          [](const FleetCounts& c) { return c.pressed; });
    value("tollgate_fleet_calls", "Calls of the sharing script since the start.",
          [](const FleetCounts& c) { return c.calls; });
    value("tollgate_fleet_failures", "Of those, calls without a valid answer.",
          [](const FleetCounts& c) { return c.failures; });
    value("tollgate_fleet_epochs", "Times that shares had to be said anew since the start.",
          [](const FleetCounts& c) { return c.epochs; });
}

FleetDriver::~FleetDriver() {
    end(false);
}

void FleetDriver::start() {
    parts_.admission->set_share_listener([this] { wake(); });
    thread_ = std::thread([this] {
        set_thread_name("tg-fleet");
        run();
    });
}

void FleetDriver::stop() {
    end(true);
}

void FleetDriver::abandon() {
    end(false);
}

void FleetDriver::end(bool says_so) {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
        is_leaving_ = says_so;
        wake_.notify_one();
    }
    thread_.join();
    parts_.admission->set_share_listener({});
}

void FleetDriver::wake() {
    if (is_woken_.exchange(true)) return;
    const std::lock_guard lock(mutex_);
    wake_.notify_one();
}

void FleetDriver::want(FleetLevels* where, const FleetWant& want) {
    {
        const std::lock_guard lock(mutex_);
        wants_.emplace_back(where, want);
    }
    wake();
}

void FleetDriver::run() {
    for (;;) {
        if (step()) continue;
        const std::int64_t due_us = std::min(member_.next_due_us(), now_us() + kLookUs);
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock,
                       std::chrono::microseconds(std::max<std::int64_t>(due_us - now_us(), 0)),
                       [this] { return is_stopping_ || is_woken_.load(); });
        if (!is_stopping_) continue;
        const bool is_leaving = is_leaving_;
        lock.unlock();
        if (is_leaving) call(member_.leave(now_us()));
        return;
    }
}

/// Takes up what is wanted and makes the calls that are due. False when there were none.
bool FleetDriver::step() {
    is_woken_.store(false);
    const std::int64_t now = now_us();
    if (const std::uint64_t lapses = parts_.admission->counts().share_lapses;
        lapses != lapses_seen_) {
        lapses_seen_ = lapses;
        log_warn("fleet_shares_lapsed", {{"times", lapses}});
        member_.on_lapse(now);
    }
    for (const FleetWant& want : parts_.admission->take_share_wants())
        member_.want(&levels_, want, now);
    std::vector<std::pair<FleetLevels*, FleetWant>> wants;
    {
        const std::lock_guard lock(mutex_);
        if (is_stopping_) return false;
        wants.swap(wants_);
    }
    for (const auto& [where, want] : wants) member_.want(where, want, now);
    const std::vector<FleetCall> calls = member_.due(now);
    if (calls.empty()) return false;
    return call(calls);
}

bool FleetDriver::call(const std::vector<FleetCall>& calls) {
    std::vector<RedisScriptCall> asked;
    for (const FleetCall& one : calls)
        asked.push_back(
            {.key = one.key, .arguments = one.arguments, .run_id_at = FleetCall::kRunArgument});
    const std::vector<RedisScriptReply> replies =
        parts_.redis->run_script(fleet_share_script(), asked);
    Status status;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        if (!replies[i].ok()) {
            member_.on_failure(calls[i], now_us());
            status = fail(replies[i].error());
        } else if (Status taken = member_.on_reply(calls[i], *replies[i], now_us()); !taken.ok()) {
            status = std::move(taken);
        }
    }
    note(status);
    if (parts_.on_shares) parts_.on_shares();
    return true;
}

void FleetDriver::note(const Status& status) {
    const FleetCounts counts = member_.counts();
    const std::string problem = status.ok() ? std::string() : status.error().text();
    bool was_attached = false, has_news = false;
    {
        const std::lock_guard lock(mutex_);
        was_attached = counts_.is_attached;
        has_news = problem_.empty() != problem.empty();
        counts_ = counts;
        problem_ = problem;
    }
    if (has_news && !problem.empty())
        log_warn("fleet_redis_failed", {{"server", parts_.redis->server()}, {"detail", problem}});
    if (counts.is_attached && !was_attached)
        log_info("fleet_attached",
                 {{"server", parts_.redis->server()}, {"members", counts.members}});
    if (!counts.is_attached && was_attached)
        log_error("fleet_leases_lost",
                  {{"behaviour", parts_.options.on_loss == FleetLoss::share ? "share" : "refuse"},
                   {"detail", problem}});
}

FleetCounts FleetDriver::counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
}

std::string FleetDriver::not_ready() const {
    const std::lock_guard lock(mutex_);
    if (counts_.is_attached) return {};
    const bool goes_on = parts_.options.on_loss == FleetLoss::share && counts_.epochs > 0;
    if (goes_on) return {};
    return "fleet: no lease of the shared limits" + (problem_.empty() ? "" : ": " + problem_);
}

}  // namespace tg
