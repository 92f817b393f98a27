#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "admission/admission.h"
#include "admission/fleet_member.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "store/redis.h"

namespace tg {

/// A thread that keeps this process's shares of the fleet's limits: a FleetMember, a Redis client,
/// and the Admission that enforces them. Requests never wait for it, but for the first use of a
/// level and where a share is used up and more may be had.
class FleetDriver {
  public:
    struct Parts {
        FleetOptions options{};
        std::unique_ptr<RedisClient> redis{};
        Clock* clock = &system_clock();
        Admission* admission = nullptr;  ///< with AdmissionOptions::is_fleet; outlives the driver
        /// After shares have changed, from the driver's thread: those who wait may have been
        /// admitted or refused.
        std::function<void()> on_shares{};
        MetricsRegistry* metrics = nullptr;  ///< null: none
    };
    explicit FleetDriver(Parts parts);
    ~FleetDriver();
    FleetDriver(const FleetDriver&) = delete;
    FleetDriver& operator=(const FleetDriver&) = delete;

    /// Further enforcers, before start(). Each call of theirs comes from the driver's thread.
    void add(FleetLevels* where) { member_.add(where); }
    /// A level of `where` needs more than its share. Any thread.
    void want(FleetLevels* where, const FleetWant& want);
    void start();
    /// Gives back what is not in use, as far as Redis can be reached now, and ends. What is
    /// admitted afterwards is nothing.
    void stop();
    /// Ends without a word to anybody, as a process that is killed.
    void abandon();

    FleetCounts counts() const;
    /// Why requests are not let through for now, or empty.
    std::string not_ready() const;

  private:
    class Levels final : public FleetLevels {
      public:
        explicit Levels(Admission* admission) : admission_(admission) {}
        FleetReport report(LevelHandle level, std::int64_t now_us) override;
        void set_share(LevelHandle level, const FleetShare& share, std::int64_t now_us) override;
        void drop_share(LevelHandle level, std::int64_t now_us) override;
        void set_shares_until(std::int64_t until_us) override;

      private:
        Admission* admission_;
    };

    std::int64_t now_us() const { return parts_.clock->monotonic_ns() / 1000; }
    void run();
    bool step();
    bool call(const std::vector<FleetCall>& calls);
    void note(const Status& status);
    void wake();
    void end(bool says_so);

    Parts parts_;
    Levels levels_;
    FleetMember member_;  ///< the thread's
    std::thread thread_;
    std::uint64_t lapses_seen_ = 0;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::atomic<bool> is_woken_{false};
    bool is_stopping_ = false, is_leaving_ = false;
    std::vector<std::pair<FleetLevels*, FleetWant>> wants_;
    FleetCounts counts_;
    std::string problem_ = "Redis has not been reached yet";  ///< of the last call; empty: none
};

}  // namespace tg
