#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/rng.h"

namespace tg {

/// A secret is a prefix and 43 characters [0-9A-Za-z]: 37 random ones (220 bits) and 6 of a
/// checksum, so that a typing error is told from a revoked key and a scanner of leaked secrets
/// recognises ours without asking.
inline constexpr std::string_view kApiKeyPrefix = "sk-tg-";
inline constexpr std::string_view kAdminTokenPrefix = "tg-admin-";
inline constexpr std::size_t kKeyRandomChars = 37, kKeyChecksumChars = 6;

/// Where the random bytes come from; fill_secure_random everywhere but in tests.
using FillRandom = void (*)(void* out, std::size_t bytes);

std::string generate_key_text(std::string_view prefix, FillRandom fill = fill_secure_random);

enum class KeyTextCheck : std::uint8_t {
    well_formed,
    mistyped,  ///< our prefix and length, but the checksum does not fit
    foreign,   ///< not of our form
};
KeyTextCheck check_key_text(std::string_view text, std::string_view prefix);

/// First ten and last four characters: enough for a person to recognise a secret, useless to anyone
/// else.
std::string key_hint(std::string_view text);

/// `text` with every secret of ours in it cut to its prefix and "…": for texts that repeat what a
/// caller sent.
std::string mask_secrets(std::string_view text);

}  // namespace tg
