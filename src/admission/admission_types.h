#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "admission/fleet_types.h"
#include "admission/limits.h"

namespace tg {

inline constexpr std::size_t kLevelsMax = 8;  ///< levels one request may name

/// Classes share a contended level by weight, so none starves; within a class customers are equal
/// unless their weights differ.
enum class PriorityClass : std::uint8_t { interactive, standard, deferrable };
inline constexpr std::size_t kPriorityClassCount = 3;

struct AdmissionOptions {
    std::int64_t window_us = 60'000'000;
    /// Times are cut to this. An entry counts until it is a whole window old, and at most one
    /// granule longer: so no real window ever holds more than the limit.
    std::int64_t granularity_us = 1'000;

    std::uint32_t queue_max = 10'000;          ///< waiting, in total
    std::uint32_t queue_customer_max = 1'000;  ///< waiting, of one customer
    std::array<std::uint32_t, kPriorityClassCount> class_weights = {16, 4, 1};
    /// How far a flow that was held back may be ahead of the others' virtual time when it comes
    /// back, in tokens: what was lost for longer is not made good at the others' cost.
    std::int64_t fair_credit_max = 200'000;

    /// Of a level that several customers share (model, account): kept free from those that have
    /// lately taken more than the average, for those that have not. Without it a window that is
    /// always full gives back only what was taken a minute ago, and everybody queues behind that.
    std::int32_t shared_guard_per_mille = 30;

    /// Appointments: what a refused client may count on. All bounds apply; beyond them a
    /// refusal still names a time, but is_promised is false.
    std::uint32_t appointments_flow_max = 4;
    std::uint32_t appointments_customer_max = 32;
    std::uint32_t appointments_level_max = 64;
    std::uint32_t appointments_max = 10'000;
    /// How long after Retry-After the capacity is kept: a second for the header's rounding, the
    /// rest for the way there and the client's timer.
    std::int64_t appointment_grace_us = 5'000'000;

    /// Several processes share the limits: a level begins with nothing of them, and has what
    /// set_share() says. See FleetMember.
    bool is_fleet = false;
    /// What a request waits at least, whatever its deadline, where more of a limit may be had from
    /// the fleet by asking for it.
    std::int64_t share_wait_us = 250'000;
};

/// One request that wants to pass.
struct AdmissionRequest {
    std::span<const LevelHandle> levels{};  ///< each at most once, at most kLevelsMax
    Amounts amounts{};                      ///< the most it may use, or the learned estimate
    PriorityClass priority = PriorityClass::standard;
    std::uint64_t customer = 0;  ///< who shares fairly with whom
    /// What is first in, first out within a customer: the key, or key and model where the models
    /// have limits of their own. Requests of a flow should name the same levels.
    std::uint64_t flow = 0;
    std::uint32_t customer_weight = 1;  ///< share among customers, 1..1000
    std::uint32_t flow_weight = 1;      ///< share among the customer's flows, 1..1000
    std::int64_t max_wait_us = 0;       ///< deadline for the waiting alone; 0: never waits
    std::uint64_t context = 0;          ///< handed back in the outcome
};

/// A request that waits or was admitted. Ends with settle(), release() or cancel(), or with a
/// refusal in an outcome; using it after that is a bug and aborts.
struct Ticket {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;  ///< 0 is no ticket
    friend bool operator==(Ticket, Ticket) = default;
};

enum class RefusalReason : std::uint8_t {
    too_large,   ///< more than a limit allows at all: waiting does not help
    limit,       ///< the expected wait does not fit max_wait_us
    queue_full,  ///< the queue's bounds
    deadline,    ///< waited, and cannot be or was not admitted in time
};

/// Why a request was turned away, and when it may come back.
struct Refusal {
    RefusalReason reason = RefusalReason::limit;
    LevelId level{};  ///< the level that stands in the way
    LimitKind kind = LimitKind::requests;
    std::int64_t limit = 0;
    std::int64_t used = 0;  ///< of that kind at that level, with what is held for others
    /// A client that comes back after this, and within the grace, with the same flow, levels and
    /// no larger amounts is admitted at once when is_promised. 0 with too_large.
    std::int64_t retry_after_us = 0;
    bool is_promised = false;
    /// Several processes share this limit and cannot reach each other: only what this one holds of
    /// it may be used.
    bool is_fleet_away = false;
    std::uint32_t position = 0;  ///< it would have had, 1 = next
    std::int64_t expected_wait_us = 0;
};

enum class Verdict : std::uint8_t { admitted, queued, refused };

/// The answer to reserve().
struct Decision {
    Verdict verdict = Verdict::refused;
    Ticket ticket{};             ///< admitted or queued
    std::uint32_t position = 0;  ///< queued: 1 = next at the level that blocks it
    std::int64_t expected_wait_us = 0;
    Refusal refusal{};  ///< refused
};

/// What became of a queued request.
struct WaitOutcome {
    Ticket ticket{};  ///< of a refused one: only its name, it has ended
    std::uint64_t context = 0;
    bool is_admitted = false;
    std::int64_t waited_us = 0;
    Refusal refusal{};  ///< when not admitted
};

/// One kind of limit as the client may see it: the level with the least left.
struct LimitStatus {
    std::int64_t limit = kUnlimited;
    std::int64_t remaining = kUnlimited;
    std::int64_t reset_us = 0;  ///< until all of the limit is free again if nothing more is sent
};

/// For the x-ratelimit-* headers. `tokens` is the tightest of total, input and output.
struct RateStatus {
    LimitStatus requests{};
    LimitStatus tokens{};
};

/// For metrics.
struct AdmissionCounts {
    std::uint64_t admitted = 0;  ///< at once or after waiting
    std::uint64_t waited = 0;    ///< of those, after waiting
    std::uint64_t refused = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t appointments_made = 0;
    std::uint64_t appointments_kept = 0;  ///< claimed and admitted at once
    /// Claimed, but what the promise was made on did not hold (a call used more than it had
    /// reserved, a limit was lowered, no slot of concurrency came free): first in line instead.
    std::uint64_t appointments_late = 0;
    std::uint64_t share_lapses = 0;  ///< times that all shares ran out, see set_shares_until()
    std::uint32_t waiting = 0;       ///< now
    std::uint32_t in_flight = 0;     ///< now
    std::uint32_t appointments = 0;
};

}  // namespace tg
