#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace tg {

/// A moment to be woken at. Intrusive: arming and cancelling allocate nothing and take constant
/// time.
class Timer {
  public:
    virtual void on_timer() = 0;
    bool is_armed() const { return prev_ != nullptr; }

  protected:
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { unlink(); }

  private:
    friend class TimerWheel;
    void unlink() {
        if (prev_ == nullptr) return;
        *prev_ = next_;
        if (next_ != nullptr) next_->prev_ = prev_;
        prev_ = nullptr;
        next_ = nullptr;
    }
    Timer* next_ = nullptr;
    Timer** prev_ = nullptr;
    std::int64_t deadline_tick_ = 0;
};

/// Hashed timing wheel (Varghese and Lauck, 1987), scheme 6: one tick is about 4 ms, a timer fires
/// in the first tick at or after its deadline. Not thread-safe.
class TimerWheel {
  public:
    static constexpr int kTickShift = 22;  // 2^22 ns = 4.19 ms
    static constexpr std::size_t kSlots = 4096;

    explicit TimerWheel(std::int64_t now_ns) : current_tick_(now_ns >> kTickShift) {}

    /// Re-arming an armed timer moves it. Any deadline will do: a past one fires with the next
    /// tick, one after kTickMax (146 years) counts as that.
    void arm(Timer* timer, std::int64_t deadline_ns) {
        timer->unlink();
        std::int64_t tick = deadline_ns >> kTickShift;
        if ((deadline_ns & ((std::int64_t{1} << kTickShift) - 1)) != 0) ++tick;
        tick = std::clamp(tick, current_tick_ + 1, kTickMax);
        timer->deadline_tick_ = tick;
        const std::size_t slot = static_cast<std::size_t>(tick) % kSlots;
        occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
        Timer** head = &slots_[slot];
        timer->next_ = *head;
        if (*head != nullptr) (*head)->prev_ = &timer->next_;
        timer->prev_ = head;
        *head = timer;
        if (tick < next_tick_) next_tick_ = tick;
    }
    /// As arm(), but a timer that is armed for an earlier moment stays there: on_timer() has to
    /// look whether it is time. Costs nothing for a timer that is used again and again.
    void arm_by(Timer* timer, std::int64_t deadline_ns) {
        if (!timer->is_armed() || deadline_ns < timer->deadline_tick_ << kTickShift)
            arm(timer, deadline_ns);
    }
    static void cancel(Timer* timer) { timer->unlink(); }

    /// Fires what is due. Timers may arm and cancel any timer from on_timer().
    void advance(std::int64_t now_ns);
    /// Nanoseconds until a timer may be due (never later than the first that is); -1 when none is
    /// armed.
    std::int64_t ns_to_next(std::int64_t now_ns);

  private:
    static constexpr std::int64_t kNever = INT64_MAX;
    static constexpr std::int64_t kTickMax = INT64_MAX >> (kTickShift + 1);
    std::array<Timer*, kSlots> slots_{};
    /// One bit a slot, set when a timer was put there; cleared by the search that finds it empty.
    std::array<std::uint64_t, kSlots / 64> occupied_{};
    std::int64_t current_tick_;
    std::int64_t next_tick_ = kNever;  ///< no timer is due before this tick
};

}  // namespace tg
