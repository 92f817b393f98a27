#pragma once
#include <queue>
#include <unordered_map>
#include <vector>

#include "admission/admission_types.h"
#include "admission/internal/fair_queue.h"
#include "admission/internal/level.h"
#include "admission/internal/slot_pool.h"

namespace tg::admission_internal {

inline constexpr std::uint32_t kNoLevel = 0xffff'ffff;
/// Flows of a level's line that are tried when capacity comes free, in fair order. What stands
/// behind them is not looked at: bounds the work of one call.
inline constexpr std::uint32_t kTriesMax = 16;
/// Heads of a level's line that hold a booking. One would keep large requests from starving; a few
/// more let poll() be called when they fit, not when something happens.
inline constexpr std::uint32_t kHeadBookingsMax = 4;
/// Bookings of one level that are due to waiters and appointments; each costs every reserve there.
inline constexpr std::size_t kBookingsMax = 128;

/// What a refused client may count on.
struct Appointment {
    std::uint64_t customer = 0;
    std::uint64_t flow = 0;
    std::uint32_t generation = 0;  ///< odd: in use
    std::uint8_t level_count = 0;
    std::array<std::uint32_t, kLevelsMax> levels{};
    Amounts amounts{};
    std::int64_t tick = 0;

    std::span<const std::uint32_t> level_span() const { return {levels.data(), level_count}; }
};

/// The first level that does not allow something, and why.
struct Block {
    std::uint32_t level = kNoLevel;
    LimitKind kind = LimitKind::requests;
    explicit operator bool() const { return level != kNoLevel; }
};

struct Expectation {
    std::int64_t wait_us = 0;
    std::uint32_t position = 1;
};

/// A time at which something is to be looked at. Stale ones are recognised when they come up.
struct Timer {
    std::int64_t at_us;
    std::uint32_t index;
    std::uint32_t generation;
    bool operator>(const Timer& other) const { return at_us > other.at_us; }
};
using Timers = std::priority_queue<Timer, std::vector<Timer>, std::greater<>>;

/// What AdmissionCore is made of. The parts: taking and giving back (admission_core.cc), the line
/// (line.cc), appointments (appointments.cc).
class AdmissionState {
  public:
    explicit AdmissionState(const AdmissionOptions& options);

    // --- time and levels ---
    void advance(std::int64_t now_us);
    LevelHandle intern(LevelId id, const Limits& limits);
    bool forget(std::uint32_t index);
    std::uint32_t index_of(LevelHandle handle) const;
    Level& level(std::uint32_t index) { return levels_[index]; }
    const Level& level(std::uint32_t index) const { return levels_[index]; }
    void expire(std::uint32_t index) { levels_[index].expire(tick_, span_); }
    void free_idle_history(std::uint32_t levels_max);

    // --- the fleet ---
    void want_shares(const Slot& slot);
    FleetReport report(std::uint32_t index);
    void set_share(std::uint32_t index, const FleetShare& share);
    void drop_share(std::uint32_t index);
    void set_shares_until(std::int64_t until_us) { shares_until_us_ = until_us; }
    std::vector<FleetWant> wants;

    // --- taking and giving back ---
    Decision reserve(const AdmissionRequest& request);
    Slot& admitted_slot(Ticket ticket);
    void end_admitted(Ticket ticket, const Amounts& actual, bool was_sent);

    // --- the line ---
    bool cancel_waiting(Ticket ticket);
    void touch(std::uint32_t level);
    void drain();
    void run_timers();
    std::int64_t next_event_us();

    const AdmissionOptions options;
    SlotPool slots;
    FairQueue queue;
    std::vector<WaitOutcome> outcomes;
    AdmissionCounts counts{};

    std::int64_t now_us() const { return now_us_; }
    std::int64_t tick() const { return tick_; }
    std::int64_t span() const { return span_; }
    std::int64_t granularity_us() const { return granularity_us_; }

  private:
    void hold(std::uint32_t index);
    void lapse_shares();
    Amounts needed(const Level& level, const Slot& slot) const;
    Block first_block(const Slot& slot) const;
    Block never_allowed(const Slot& slot) const;
    std::uint32_t fill_slot(const AdmissionRequest& request);
    void take(std::uint32_t index);
    Decision admitted(std::uint32_t index);
    Decision reserve_in_line(const AdmissionRequest& request, std::uint32_t index);
    Decision stand_in_line(Flow& flow, std::uint32_t index, const Expectation& expected);
    Decision refuse_now(std::uint32_t index, RefusalReason reason, Block block,
                        const Expectation& expected);
    Decision queued(std::uint32_t index, const Expectation& expected);

    // line.cc
    void join(Flow& flow, std::uint32_t index, bool in_front);
    void leave(std::uint32_t index);
    void unpark(Flow& flow);
    void park(Flow& flow, std::uint32_t level);
    void unpark_next(std::uint32_t level);
    Block head_block(std::uint32_t index);
    void try_head(Flow& flow);
    void plan(Flow& flow, std::uint32_t index, Block block);
    void end_hopeless_behind(std::uint32_t head, std::int64_t expected_us, Block block);
    void admit_head(Flow& flow, std::uint32_t index);
    void end_waiting(std::uint32_t index, RefusalReason reason, Block block);
    void book(std::uint32_t index, std::int64_t tick);
    void unbook(std::uint32_t index);
    void wake_at(std::uint32_t index, std::int64_t at_us);
    bool has_room_to_book(std::span<const std::uint32_t> levels) const;
    std::optional<std::int64_t> firm_tick(const Slot& slot, std::int64_t from) const;
    /// For a request at the head of its flow, with the bookings made so far before it.
    std::int64_t head_expected_us(const Slot& slot) const;
    /// For one that joins its flow's line.
    Expectation expectation(const Slot& slot, const Flow& flow) const;

    // appointments.cc
    Refusal make_refusal(const Slot& slot, RefusalReason reason, Block block,
                         const Expectation& expected);
    /// The appointment that the request may be admitted on, or kNoSlot.
    std::uint32_t find_appointment(const Slot& slot) const;
    Decision claim(const AdmissionRequest& request, std::uint32_t appointment, std::uint32_t index);
    void make_appointment(const Slot& slot, Block block, std::int64_t expected_wait_us,
                          Refusal* refusal);
    void drop_appointment(std::uint32_t index);
    bool may_have_appointment(const Slot& slot) const;

    std::int64_t granularity_us_;
    std::int64_t span_;  ///< of the window, in ticks
    std::int64_t now_us_ = 0;
    std::int64_t tick_ = 0;

    LevelTable levels_;
    std::vector<std::uint32_t> held_;  ///< levels of which the fleet left something to us
    std::int64_t shares_until_us_ = std::numeric_limits<std::int64_t>::max();
    std::unordered_map<LevelId, std::uint32_t> level_of_;
    std::vector<std::uint32_t> forgotten_;
    std::uint32_t first_active_ = kNoLevel;  ///< levels with a history, by when they got it
    std::uint32_t last_active_ = kNoLevel;

    std::vector<std::uint32_t> touched_;
    Timers wakes_;      ///< of waiters: fits by then
    Timers deadlines_;  ///< of waiters
    int drain_round_ = 0;
    std::uint32_t current_ = kNoSlot;  ///< the request of the running reserve()
    std::optional<Refusal> current_refusal_;

    std::vector<Appointment> appointments_;
    std::vector<std::uint32_t> free_appointments_;
    std::unordered_multimap<std::uint64_t, std::uint32_t> appointments_of_flow_;
    std::unordered_map<std::uint64_t, std::uint32_t> appointments_of_customer_;
    Timers appointment_ends_;
};

}  // namespace tg::admission_internal
