#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace tg::sim {

/// Numbers that steer the simulator. Each one is a command line flag (--name-with-dashes) and can
/// be changed while it runs by POST /sim/config.
enum class Knob : std::uint8_t {
    rpm,
    tpm,
    latency_ms,
    latency_jitter_ms,
    token_interval_us,
    burst,
    tokens_per_event,
    output_median,
    output_max,
    overrun_tokens,
    cached_per_mille,
    every_class,
    slow_ms,
    zero_retention,
    ignore_store_false,
    fault_429,
    fault_500,
    fault_503,
    fault_slow,
    fault_stall,
    fault_cut,
    fault_malformed,
    fault_wrong_usage,
    fault_no_usage,
};
inline constexpr std::size_t kKnobCount = static_cast<std::size_t>(Knob::fault_no_usage) + 1;
inline constexpr Knob kFirstFault = Knob::fault_429;

struct KnobInfo {
    std::string_view name;
    std::int64_t fallback, min, max;
    std::string_view help;
};
const KnobInfo& info(Knob knob);

/// The current values. Thread-safe: each is read and written by itself.
class Knobs {
  public:
    Knobs();
    void reset();  ///< to what they were at start
    /// What reset() goes back to, for values given on the command line.
    void keep_as_start();
    std::int64_t get(Knob knob) const {
        return values_[static_cast<std::size_t>(knob)].load(std::memory_order_relaxed);
    }
    void set(Knob knob, std::int64_t value) {
        values_[static_cast<std::size_t>(knob)].store(value, std::memory_order_relaxed);
    }

  private:
    std::array<std::atomic<std::int64_t>, kKnobCount> values_;
    std::array<std::atomic<std::int64_t>, kKnobCount> start_;
};

}  // namespace tg::sim
