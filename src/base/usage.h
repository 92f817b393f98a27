#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace tg {

/// What a provider bills, as disjoint classes: no token is in two of them, whatever the provider's
/// own fields overlap. The numeric values are on disk (journal format) and never change; add at the
/// end.
enum class Meter : std::uint8_t {
    input = 0,       ///< prompt tokens at the plain rate: neither cached, nor written to cache, nor
                     ///< audio or image
    cache_read = 1,  ///< prompt tokens served from the provider's cache
    cache_write =
        2,  ///< prompt tokens written to cache, shortest lifetime (Anthropic 5 min, OpenAI 30 min)
    cache_write_long = 3,  ///< the same, long lifetime (Anthropic 1 h, OpenAI 12 h)
    input_audio = 4,
    input_audio_cached = 5,
    input_image = 6,
    input_image_cached = 7,
    output = 8,     ///< visible completion tokens
    reasoning = 9,  ///< thinking tokens that are billed but not shown
    output_audio = 10,
    output_image = 11,
    training = 12,
    request = 13,    ///< calls priced per call
    image = 14,      ///< generated images
    audio_ms = 15,   ///< audio transcribed or made, in milliseconds
    character = 16,  ///< characters spoken or embedded
    page = 17,
    web_search_low = 18,  ///< hosted tool calls, by search context size
    web_search_medium = 19,
    web_search_high = 20,
    file_search = 21,
    code_interpreter = 22,  ///< sessions
    search_unit = 23,       ///< rerank queries or units
    citation = 24,
    video_ms = 25,
    image_in = 26,  ///< images given, where they are priced per image and not by token
    pixel = 27,     ///< pixels generated
};
inline constexpr int kMeterCount = 28;
std::string_view name(Meter meter);  ///< "cache_read"
Result<Meter> parse_meter(std::string_view name);
/// Tokens that count as input for long-context bands and for input limits: the first eight meters.
constexpr bool is_input(Meter m) {
    return m <= Meter::input_image_cached;
}
constexpr bool is_output_token(Meter m) {
    return m >= Meter::output && m <= Meter::output_image;
}
inline constexpr int kInputMeterCount = 8, kOutputMeterCount = 4;
static_assert(is_input(Meter{kInputMeterCount - 1}) && !is_input(Meter{kInputMeterCount}));
static_assert(is_output_token(Meter{kInputMeterCount}) &&
              is_output_token(Meter{kInputMeterCount + kOutputMeterCount - 1}) &&
              !is_output_token(Meter{kInputMeterCount + kOutputMeterCount}));

struct Usage {
    std::array<std::int64_t, kMeterCount> quantity{};

    std::int64_t& operator[](Meter m) { return quantity[static_cast<std::size_t>(m)]; }
    std::int64_t operator[](Meter m) const { return quantity[static_cast<std::size_t>(m)]; }
    std::int64_t input_tokens() const;
    std::int64_t output_tokens() const;
    bool is_empty() const;
    friend bool operator==(const Usage&, const Usage&) = default;
};

/// Where a settled quantity comes from. On disk; never renumber.
enum class UsageSource : std::uint8_t {
    none = 0,         ///< nothing was billed upstream (refused by the provider before work began)
    provider = 1,     ///< the provider's own usage object
    estimated = 2,    ///< counted by us: the client left or the stream broke before usage arrived
    unconfirmed = 3,  ///< taken from the reservation after a crash; to be reconciled
};
inline constexpr int kUsageSourceCount = 4;
std::string_view name(UsageSource source);

/// The tier in the provider's answer decides the price. On disk; never renumber.
enum class ServiceTier : std::uint8_t {
    standard = 0,
    batch = 1,
    flex = 2,
    priority = 3,
    fast = 4,
    scale = 5
};
inline constexpr int kServiceTierCount = 6;
std::string_view name(ServiceTier tier);
/// "auto", "default" and unknown names are standard; `was_known` (may be null) tells.
ServiceTier parse_service_tier(std::string_view name, bool* was_known = nullptr);

}  // namespace tg
