#pragma once
#include <array>
#include <cstdint>

namespace tg {

/// Sum of what was added during the last minute, as far as a provider may still count it: an amount
/// counts for `hold_ns` after the end of its slot of 67 ms, so never shorter than `hold_ns` and 34
/// ms longer on average. Fixed memory (8 KB), no allocation; add() is O(1) amortised,
/// earliest_below() looks at no more than 100 numbers.
///
/// Times are monotonic nanoseconds; one that lies before an earlier one is taken as that. Not
/// thread-safe.
class MinuteWindow {
  public:
    static constexpr std::int64_t kHoldMaxNs = 68'000'000'000;

    /// `hold_ns` in (0, kHoldMaxNs].
    explicit MinuteWindow(std::int64_t hold_ns);

    /// Returns the slot, for subtract().
    std::int64_t add(std::int64_t now_ns, std::int64_t amount);
    /// Takes back some of what was added to `slot`; nothing when the slot has left the window.
    void subtract(std::int64_t now_ns, std::int64_t slot, std::int64_t amount);
    std::int64_t used(std::int64_t now_ns);
    /// What of used() will still count at `later_ns`.
    std::int64_t used_at(std::int64_t now_ns, std::int64_t later_ns);
    /// When used() will be at most `target` if nothing is added: `now_ns` when it is already.
    /// `target` >= 0.
    std::int64_t earliest_below(std::int64_t now_ns, std::int64_t target);

  private:
    static constexpr int kSlotShift = 26;
    static constexpr std::int64_t kSlots = 1024, kPerBlock = 32, kBlocks = kSlots / kPerBlock;
    void advance(std::int64_t now_ns);
    std::int64_t& slot(std::int64_t index) { return slots_[index & (kSlots - 1)]; }
    std::int64_t& block(std::int64_t index) { return blocks_[(index / kPerBlock) & (kBlocks - 1)]; }

    std::int64_t hold_ns_;
    std::int64_t oldest_ = 0;  ///< the first slot that still counts
    std::int64_t newest_ = 0;
    std::int64_t sum_ = 0;
    std::array<std::int64_t, kSlots> slots_{};
    std::array<std::int64_t, kBlocks> blocks_{};
};

}  // namespace tg
