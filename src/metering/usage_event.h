#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"
#include "base/strong.h"
#include "base/usage.h"

namespace tg {

/// Which provider endpoint a call used. On disk; never renumber.
enum class Endpoint : std::uint8_t {
    other = 0,
    chat_completions = 1,
    completions = 2,
    embeddings = 3,
    responses = 4,
    images = 5,
    audio_speech = 6,
    audio_transcriptions = 7,
    moderations = 8,
    files = 9,
    batches = 10,
    fine_tuning = 11,
    models = 12,
    messages = 13,
    generate_content = 14,
    realtime = 15,
};
inline constexpr int kEndpointCount = 16;
std::string_view name(Endpoint endpoint);

/// How a call ended, seen from the gate. On disk; never renumber.
enum class Outcome : std::uint8_t {
    ok = 0,
    upstream_error = 1,   ///< the provider answered with an error status
    upstream_broken = 2,  ///< the provider's answer was cut, stalled or malformed
    client_gone = 3,      ///< the client left before the end
    unreachable = 4,      ///< no connection, or no byte before the deadline
    crash = 5,            ///< the gate died; settled from the reservation at the next start
};
inline constexpr int kOutcomeCount = 6;
std::string_view name(Outcome outcome);

/// Bits of UsageEvent::flags.
inline constexpr std::uint16_t kEventStream = 1;  ///< answered as server-sent events
inline constexpr std::uint16_t kEventFallbackPrice =
    2;  ///< priced by the explicit rule for unknown models (B1)
inline constexpr std::uint16_t kEventUnpriced =
    4;  ///< passed through without a price; shown for reconciliation
inline constexpr std::uint16_t kEventUsageMismatch =
    8;  ///< the provider's classes did not add up to its total
inline constexpr std::uint16_t kEventZeroRetention =
    16;  ///< served under zero data retention: switches set, covered account only
inline constexpr std::uint16_t kEventPinnedRegion = 32;  ///< served under a residency policy
inline constexpr std::uint16_t kEventDedicated = 64;     ///< served by the caller's dedicated pool
inline constexpr std::uint16_t kEventFallbackModel = 128;  ///< another model than asked answered
inline constexpr std::uint16_t kEventHedged =
    256;  ///< a second call was made for it at the same time
inline constexpr std::uint16_t kEventPolicyRefused =
    512;  ///< RESERVED and ABANDONED only: the data policy forbade it, nothing was sent upstream

/// Longest text of a record in bytes. A longer one is cut at a UTF-8 boundary when it is written.
inline constexpr std::size_t kEventTextMax = 255;

/// Who pays for a call. Copied into every record, so that one event is readable alone.
struct Payer {
    CustomerId customer;
    ProjectId project;
    KeyId key;
};

/// Written before the first byte goes upstream. Holds enough to settle by estimate after a crash.
struct ReservedRecord {
    RequestId id;
    Payer payer;
    UtcMicros started_at;
    Endpoint endpoint = Endpoint::other;
    ServiceTier tier = ServiceTier::standard;
    std::uint16_t flags = 0;
    PriceVersionId price_version;
    std::int64_t estimated_input_tokens = 0;  ///< counted, or from the bytes by the learned ratio
    std::int64_t estimated_output_tokens =
        0;                   ///< most the call may produce (max_tokens), or the learned mean
    std::string_view model;  ///< as asked; views into the caller's buffers when writing, into the
                             ///< file when reading
    std::string_view deployment;  ///< upstream account tried first
    std::string_view provider;
    std::string_view region;
    std::string_view end_user;
};

/// One call that reached an upstream: what every bill line is made of. Written once, never changed.
struct UsageEvent {
    RequestId id;
    Payer payer;
    UtcMicros started_at;  ///< request head complete; chooses the price version
    UtcMicros
        ended_at;  ///< last byte or error; `occurred_at` of the event, chooses the billing month
    Endpoint endpoint = Endpoint::other;
    ServiceTier tier = ServiceTier::standard;  ///< as the provider answered
    UsageSource source = UsageSource::none;
    Outcome outcome = Outcome::ok;
    std::uint16_t http_status = 0;  ///< the provider's status; 0 when it never answered
    std::uint16_t flags = 0;
    std::uint16_t attempts = 1;    ///< upstream calls made for it
    PriceVersionId price_version;  ///< price book version in force at started_at
    std::uint32_t first_byte_ms = 0;
    std::string_view model;           ///< that served, by the name clients ask for: what is billed
    std::string_view upstream_model;  ///< as answered by the provider
    std::string_view deployment;
    std::string_view provider;
    std::string_view region;
    std::string_view end_user;
    std::string_view upstream_request_id;
    std::string_view asked_model;  ///< what the client asked for, when another model served
                                   ///< (kEventFallbackModel); else empty
    Usage usage;
};

}  // namespace tg
