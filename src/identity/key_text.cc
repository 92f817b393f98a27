#include "identity/key_text.h"

#include <array>

#include "base/check.h"
#include "base/hash.h"

namespace tg {
namespace {

constexpr std::string_view kDigits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// CRC-32C of everything before it, in base 62, most significant digit first.
std::array<char, kKeyChecksumChars> checksum_of(std::string_view text) {
    std::uint32_t rest = crc32c(text.data(), text.size());
    std::array<char, kKeyChecksumChars> out{};
    for (std::size_t i = kKeyChecksumChars; i-- > 0;) {
        out[i] = kDigits[rest % kDigits.size()];
        rest /= static_cast<std::uint32_t>(kDigits.size());
    }
    return out;
}

}  // namespace

std::string generate_key_text(std::string_view prefix, FillRandom fill) {
    // Bytes from 248 on are dropped: 248 is the last multiple of 62, and a remainder would favour
    // the first digits.
    constexpr unsigned kUnbiased = 248;
    std::string out(prefix);
    while (out.size() < prefix.size() + kKeyRandomChars) {
        std::array<unsigned char, 64> bytes{};
        fill(bytes.data(), bytes.size());
        for (const unsigned char byte : bytes) {
            if (byte < kUnbiased && out.size() < prefix.size() + kKeyRandomChars)
                out.push_back(kDigits[byte % kDigits.size()]);
        }
    }
    const auto checksum = checksum_of(out);
    out.append(checksum.data(), checksum.size());
    return out;
}

KeyTextCheck check_key_text(std::string_view text, std::string_view prefix) {
    if (!text.starts_with(prefix) ||
        text.size() != prefix.size() + kKeyRandomChars + kKeyChecksumChars) {
        return KeyTextCheck::foreign;
    }
    for (const char c : text.substr(prefix.size())) {
        if (kDigits.find(c) == std::string_view::npos) return KeyTextCheck::foreign;
    }
    const auto checksum = checksum_of(text.substr(0, text.size() - kKeyChecksumChars));
    const bool is_right = text.ends_with(std::string_view(checksum.data(), checksum.size()));
    return is_right ? KeyTextCheck::well_formed : KeyTextCheck::mistyped;
}

std::string key_hint(std::string_view text) {
    constexpr std::size_t kFirst = 10, kLast = 4;
    TG_ASSERT(text.size() >= 3 * (kFirst + kLast));
    return std::string(text.substr(0, kFirst)).append("…").append(text.substr(text.size() - kLast));
}

std::string mask_secrets(std::string_view text) {
    constexpr std::size_t kHarmless = 8;
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::string_view rest = text.substr(at);
        std::size_t prefix = 0;
        for (const std::string_view known : {kApiKeyPrefix, kAdminTokenPrefix}) {
            if (rest.starts_with(known)) prefix = known.size();
        }
        const std::size_t end =
            prefix == 0 ? 0 : std::min(rest.find_first_not_of(kDigits, prefix), rest.size());
        if (end > prefix + kHarmless) {
            out.append(rest.substr(0, prefix)).append("…");
            at += end;
        } else {
            out.push_back(text[at++]);
        }
    }
    return out;
}

}  // namespace tg
