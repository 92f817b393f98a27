#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/usage.h"

namespace tg {

/// What the name of a price in LiteLLM's list means.
struct LitellmKey {
    enum class Use : std::uint8_t {
        none,         ///< not a price
        price,        ///< of `meter` under `tier` and `above_tokens`
        unmetered,    ///< a known price of something that no meter counts
        conditional,  ///< a known price under a condition that no component expresses
        unknown,      ///< looks like a price
    } use = Use::none;
    Meter meter = Meter::input;
    int scale = 15;             ///< nano-units per million = value x 10^scale
    bool is_secondary = false;  ///< gives way to another key of the same meter
    ServiceTier tier = ServiceTier::standard;
    std::optional<std::int64_t> above_tokens;
};

/// `mode` decides what a second, an image or a pixel is. Key names read from the list of 2026-07-24
/// (84 price keys).
LitellmKey parse_litellm_key(std::string_view key, std::string_view mode);

}  // namespace tg
