#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/rng.h"

namespace tg {

/// What one call says about the health of the deployment it went to.
enum class CallVerdict : std::uint8_t {
    success,  ///< it answers, also where the answer refuses: any 4xx
    failure,  ///< it could not be reached, was too slow, failed (5xx), or broke off in the middle
    neutral,  ///< nothing: the client left, or we stopped; 429, which pacing deals with
};

/// How a call ended, as far as health goes.
struct CallEnd {
    int status = 0;                       ///< of the answer; 0: there was none
    std::optional<ErrorCode> error = {};  ///< connecting, waiting, or in the middle of the answer
};
/// An error decides before a status: a stream that was cut began with 200.
CallVerdict verdict_of(const CallEnd& end);

struct BreakerOptions {
    int consecutive_failures = 5;  ///< open after so many in a row
    double failure_share = 0.5;    ///< open at this share of the window, from calls_min calls on
    int calls_min = 20;
    std::int64_t window_ms = 30'000;
    std::int64_t open_first_ms = 5'000;  ///< doubles each time a probe fails
    std::int64_t open_max_ms = 120'000;
    /// The open time is lengthened by up to this share, so that many processes do not probe as one.
    double open_jitter = 0.2;
    int probes_max = 2;                      ///< at once, while half open
    int probes_to_close = 3;                 ///< successes in a row that close it
    std::int64_t probe_timeout_ms = 60'000;  ///< a probe's place is given to another after that
    /// Closed for so long, the next open time starts from open_first_ms again.
    std::int64_t forgive_ms = 300'000;
    friend bool operator==(const BreakerOptions&, const BreakerOptions&) = default;
};

enum class BreakerState : std::uint8_t { closed, open, half_open };
std::string_view name(BreakerState state);

/// A call that the breaker let through; given back with its verdict.
struct BreakerPass {
    std::uint32_t epoch = 0;
    bool is_probe = false;
};

/// Keeps calls away from a deployment that fails, and lets a few through to see whether it is back.
///
/// A pure state machine in virtual time: `now_ns` is monotonic nanoseconds. Not thread-safe: owned
/// by one loop or lock. No allocation. The shape follows M. Nygard's "Release It!" and Envoy's
/// outlier detection; 429 and other 4xx never open it (see verdict_of).
class CircuitBreaker {
  public:
    /// `rng` outlives the breaker and is used for jitter only.
    CircuitBreaker(const BreakerOptions& options, Rng* rng);

    /// May a call go there now? Changes nothing but open to half open when its time has come.
    bool allows(std::int64_t now_ns);
    /// Lets one call through, or not. Every pass comes back through end(), whatever happens.
    std::optional<BreakerPass> begin(std::int64_t now_ns);
    void end(std::int64_t now_ns, const BreakerPass& pass, CallVerdict verdict);

    BreakerState state(std::int64_t now_ns);
    /// When it will be half open; 0 unless open.
    std::int64_t open_until_ns() const { return state_ == BreakerState::open ? open_until_ns_ : 0; }
    std::uint64_t times_opened() const { return times_opened_; }

  private:
    static constexpr int kSlots = 10;
    struct Slot {
        std::int64_t index = -1;
        int calls = 0, failures = 0;
    };
    void advance(std::int64_t now_ns);
    void count(std::int64_t now_ns, bool is_failure);
    bool is_failing(std::int64_t now_ns) const;
    void open(std::int64_t now_ns);
    void close(std::int64_t now_ns);
    void end_probe(std::int64_t now_ns, CallVerdict verdict);

    BreakerOptions options_;
    Rng* rng_;
    BreakerState state_ = BreakerState::closed;
    std::uint32_t epoch_ = 0;  ///< of the state: what was begun before a change says nothing after
    std::array<Slot, kSlots> slots_;
    int failures_in_a_row_ = 0;
    int opened_in_a_row_ = 0;
    std::uint64_t times_opened_ = 0;
    std::int64_t open_until_ns_ = 0, closed_at_ns_ = 0;
    int probes_ = 0, probe_successes_ = 0;
    std::int64_t last_probe_ns_ = 0;
};

}  // namespace tg
