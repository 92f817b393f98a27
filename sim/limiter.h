#pragma once
#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "sim/knobs.h"

namespace tg::sim {

/// How a minute is counted. bucket: a full minute's worth at once, refilled continuously (OpenAI's
/// x-ratelimit-reset is the time until it is full again). window: the last 60 seconds, in slots of
/// one second.
enum class LimitModel : std::uint8_t { bucket, window };

/// What one meter of a key stands at.
struct MeterState {
    std::int64_t limit = 0;  ///< 0: not limited
    std::int64_t remaining = 0;
    std::int64_t reset_ns = 0;
};

struct LimitDecision {
    enum class Refused : std::uint8_t { no, requests, tokens };
    Refused refused = Refused::no;
    bool can_heal = true;  ///< false: the request alone is larger than the limit
    std::int64_t requested = 0, used = 0;
    std::int64_t retry_ns = 0;
    MeterState requests, tokens;
};

/// Requests and tokens per minute of each API key. Thread-safe.
class Limiter {
  public:
    explicit Limiter(LimitModel model) : model_(model) {}

    /// Takes one request and `tokens` tokens when both fit; a refused request takes nothing.
    /// `rpm` and `tpm` 0 are unlimited. `now_ns` is monotonic.
    LimitDecision take(std::uint64_t key_hash, std::int64_t tokens, std::int64_t rpm,
                       std::int64_t tpm, std::int64_t now_ns);
    void reset();

  private:
    static constexpr int kSlots = 60;
    struct Meter {
        std::int64_t full_at_ns = 0;  ///< bucket: when it will be full again
        std::array<std::int64_t, kSlots> slots{};
        std::int64_t newest_slot = 0;  ///< window: second of the newest slot
    };
    struct Key {
        Meter requests, tokens;
    };
    struct Fit {
        bool fits = true, can_heal = true;
        std::int64_t used = 0, retry_ns = 0;
    };
    Fit look(Meter& meter, std::int64_t amount, std::int64_t limit, std::int64_t now_ns) const;
    void take_from(Meter& meter, std::int64_t amount, std::int64_t limit,
                   std::int64_t now_ns) const;
    MeterState state(Meter& meter, std::int64_t limit, std::int64_t now_ns) const;

    LimitModel model_;
    std::mutex mutex_;
    std::unordered_map<std::uint64_t, Key> keys_;
};

/// OpenAI's way to write a duration: "6ms", "1.5s", "6m0s"; rounded up to whole milliseconds.
std::string go_duration(std::int64_t ns);
/// Header lines x-ratelimit-{limit,remaining,reset}-{requests,tokens}; nothing for a meter without
/// a limit.
void append_limit_headers(std::string& out, const LimitDecision& decision);

}  // namespace tg::sim
