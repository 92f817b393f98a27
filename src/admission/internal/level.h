#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "admission/fleet_types.h"
#include "admission/internal/share_tracker.h"
#include "admission/internal/sliding_window.h"
#include "admission/limits.h"

namespace tg::admission_internal {

struct Flow;

/// Capacity that is promised from `tick` on: to a waiter at the head of the line, or to a refused
/// client that was told when to come back. From `tick` until it is used or dropped it counts as
/// taken; before that it only keeps others from taking what would be missing then.
struct Booking {
    std::int64_t tick = 0;
    std::uint32_t owner = 0;  ///< names it among the level's bookings
    bool is_appointment = false;
    bool holds_slot = false;  ///< the next free slot of concurrency is kept for it at once
    Amounts amounts{};
    Amounts surviving = kNoAmounts;  ///< what of the window's entries will still count at `tick`
};

/// Where a flow stood in the fair order when it was parked.
struct ParkedFlow {
    std::int64_t class_start;
    std::int64_t customer_start;
    std::int64_t flow_start;
    std::uint64_t flow_number;
    Flow* flow;
    bool operator<(const ParkedFlow& other) const {
        return std::tie(class_start, customer_start, flow_start, flow_number) <
               std::tie(other.class_start, other.customer_start, other.flow_start,
                        other.flow_number);
    }
};

/// What a level has only while somebody waits for it or has been promised something.
struct LevelLine {
    std::vector<Booking> bookings;    ///< by tick, then in the order made
    std::set<ParkedFlow> parked;      ///< flows whose head this level blocks
    std::uint32_t head_bookings = 0;  ///< of flows that are parked here
    std::uint32_t waiting = 0;        ///< requests that name this level
    Amounts waiting_amounts = kNoAmounts;
    Amounts promised = kNoAmounts;  ///< to appointments
    std::uint32_t appointments = 0;
    std::int64_t slots_kept = 0;  ///< bookings that hold a slot before they are due
    bool is_touched = false;      ///< capacity may have come free since its line was last tried

    bool is_idle() const { return bookings.empty() && waiting == 0 && !is_touched; }
};

/// What the calls in flight will give back when they end, learned from those that have ended.
struct Relief {
    std::int64_t output_tokens = 0;
    std::int64_t after_ticks = 0;
};

/// What a level of a fleet has besides: there limits_ is this process's share.
struct FleetPart {
    Limits whole{};              ///< of the level, over all processes
    FleetAmounts others_used{};  ///< by the other processes, as last heard
    bool is_final = false;       ///< there is no more to be had: the share is what to reckon with
    bool is_away = false;        ///< the fleet cannot be reached
    bool is_wanted = false;      ///< stands among those that want a share
    bool is_held = false;        ///< the fleet's driver knows it
};

/// One limited thing: limits, window, slots and line. Not synchronised. Ticks, not microseconds.
class alignas(64) Level {
  public:
    enum class Use : std::uint8_t { alone, fleet };
    Level(LevelId id, const Limits& limits, Use use = Use::alone)
        : limits_(limits), is_shared_(tg::is_shared(id.kind)), id_(id) {
        if (use == Use::alone) return;
        fleet_ = std::make_unique<FleetPart>(FleetPart{.whole = limits});
        set_share({0, 0, 0, 0, 0});
    }

    LevelId id() const { return id_; }
    bool is_shared() const { return is_shared_; }
    /// What is allowed in all, by whatever process.
    const Limits& limits() const { return fleet_ ? fleet_->whole : limits_; }
    void set_limits(const Limits& limits);
    FleetPart* fleet() { return fleet_.get(); }
    const FleetPart* fleet() const { return fleet_.get(); }
    /// What this process may use of it; the same as limits() without a fleet.
    const Limits& share() const { return limits_; }
    void set_share(const Limits& share);  ///< only with a fleet; kinds without limit stay so
    /// May more be had from the fleet by asking?
    bool may_grow() const { return fleet_ && !fleet_->is_final; }
    std::int64_t others_used(LimitKind kind) const {
        return fleet_ ? fleet_->others_used[static_cast<std::size_t>(kind)] : 0;
    }
    FleetReport report(std::int64_t tick, std::int64_t span) const;  ///< without `need`
    SlidingWindow& window() { return window_; }
    const SlidingWindow& window() const { return window_; }
    std::int64_t in_flight() const { return in_flight_; }
    LevelLine* line() { return line_.get(); }
    const LevelLine* line() const { return line_.get(); }
    LevelLine& ensure_line();
    void drop_idle();  ///< what an idle level does not need

    void expire(std::int64_t tick, std::int64_t span) { window_.expire(tick, span); }
    /// A request touches memory of each level that nobody has touched for long: asked for ahead,
    /// the levels' delays overlap instead of adding up.
    void prefetch(std::size_t bytes = sizeof(Level)) const {
        const char* first = reinterpret_cast<const char*>(this);
        for (std::size_t at = 0; at < bytes; at += kCacheLine) __builtin_prefetch(first + at, 1);
    }
    static constexpr std::size_t kCacheLine = 64;
    static constexpr std::size_t kReserveBytes = 3 * kCacheLine;

    /// The kind that does not allow `amounts` at `tick` (expire() first), if any. With bookings:
    /// neither what is due nor what will be may come to lack anything.
    std::optional<LimitKind> blocks(const Amounts& amounts, std::int64_t tick,
                                    std::int64_t span) const {
        if (line_ && !line_->bookings.empty()) [[unlikely]]
            return blocks_with_bookings(amounts, tick, span);
        if (in_flight_ >= limits_.concurrency) return LimitKind::concurrency;
        return first_above(limits_, window_.used() + amounts);
    }
    /// The same for what `owner` has booked and is due: only what was booked before it matters,
    /// since what was booked later counted on it.
    std::optional<LimitKind> blocks_booked(const Amounts& amounts, std::uint32_t owner) const;
    /// The kind that does not allow `amounts` even when nothing is used.
    std::optional<LimitKind> never_allows(const Amounts& amounts) const {
        if (limits().concurrency < 1) return LimitKind::concurrency;
        return first_above(limits(), amounts);
    }
    /// Takes the amounts and a slot. Returns the window entry's sequence number.
    std::uint32_t take(const Amounts& amounts, std::int64_t tick, std::int64_t span);
    /// Corrects what was taken at `taken_tick` (expire() first; no effect once it has expired) and
    /// gives back the slot.
    void give_back(std::uint32_t sequence, std::int64_t taken_tick, const Amounts& reserved,
                   const Amounts& actual, std::int64_t tick, std::int64_t span);
    /// Learns from a call that has ended: how long it took, and how much of the output it had
    /// reserved it used (kNothingReserved: none was).
    void learn(std::int64_t held_ticks, std::int64_t output_used_per_mille);
    static constexpr std::int64_t kNothingReserved = -1;

    /// The first tick from `from` on at which the window allows `amounts`, all bookings kept and
    /// nothing given back early; none when the bookings leave no room. Concurrency is not looked
    /// at. Firm: holds whatever comes, short of corrections upwards and lowered limits.
    std::optional<std::int64_t> first_free_tick(const Amounts& amounts, std::int64_t from,
                                                std::int64_t span) const;
    /// The same as an expectation: calls in flight give back what they have over, `ahead` goes
    /// first, and more than a whole limit takes several windows. Also for concurrency.
    std::int64_t expected_tick(const Amounts& amounts, const Amounts& ahead,
                               std::int64_t ahead_requests, std::int64_t from,
                               std::int64_t span) const;

    void book(Booking booking, std::int64_t span);
    void unbook(std::uint32_t owner);

    /// Remembers who takes, at a shared level that is at least half used.
    void track(std::uint64_t customer, std::int64_t tokens, std::int64_t tick, std::int64_t span);
    /// What `amounts` need to be free here for this customer: more than themselves where it has
    /// taken more than others.
    Amounts needed(const Amounts& amounts, std::uint64_t customer,
                   std::int32_t guard_per_mille) const {
        if (!shares_ || !shares_->is_above_average(customer)) [[likely]]
            return amounts;
        return with_guard(amounts, guard_per_mille);
    }

    Amounts booked() const;  ///< the sum of all bookings
    /// Used at `tick` with what is due to others.
    std::int64_t used_or_due(LimitKind kind, std::int64_t tick) const;

  private:
    std::optional<LimitKind> blocks_with_bookings(const Amounts& amounts, std::int64_t tick,
                                                  std::int64_t span) const;
    Relief relief() const;
    Amounts with_guard(const Amounts& amounts, std::int32_t guard_per_mille) const;

    // What reserve() looks at: two cache lines. What it takes is noted in the third as well.
    Limits limits_;
    SlidingWindow window_;
    std::unique_ptr<LevelLine> line_;
    std::unique_ptr<ShareTracker> shares_;
    std::int64_t unsettled_output_tokens_ = 0;
    std::int32_t in_flight_ = 0;
    bool is_shared_;

  public:
    bool is_forgotten = false;

    // The list of levels that have a history, oldest first; the core's.
    std::uint32_t next_active = 0;
    std::int64_t active_since_tick = 0;

  private:
    std::unique_ptr<FleetPart> fleet_;  ///< null: one process has all of it
    std::int64_t unsettled_input_tokens_ = 0;
    std::int64_t held_ticks_ = 0;                ///< how long calls last: moving average
    std::int32_t output_used_per_mille_ = 1000;  ///< of the reserved output: moving average
    LevelId id_;
};

/// Levels at stable addresses, few enough blocks that finding one costs no cache miss.
class LevelTable {
  public:
    Level& operator[](std::uint32_t index) { return blocks_[index / kBlock][index % kBlock]; }
    const Level& operator[](std::uint32_t index) const {
        return blocks_[index / kBlock][index % kBlock];
    }
    std::uint32_t size() const { return size_; }
    void add(LevelId id, const Limits& limits, Level::Use use) {
        if (size_++ % kBlock == 0) {
            blocks_.emplace_back();
            blocks_.back().reserve(kBlock);
        }
        blocks_.back().emplace_back(id, limits, use);
    }

  private:
    static constexpr std::uint32_t kBlock = 4096;

    std::vector<std::vector<Level>> blocks_;
    std::uint32_t size_ = 0;
};

}  // namespace tg::admission_internal
