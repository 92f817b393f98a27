#include "invoicing/tax_number.h"

#include <algorithm>

namespace tg {
namespace {

/// Digits and capitals without I, O, S, V and Z, which look like digits; a character's place is its
/// value (GB 32100-2015, table B.1).
constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY";
constexpr std::size_t kCreditCodeSize = 18;

Result<char> check_character(std::string_view code) {
    std::size_t sum = 0, weight = 1;
    for (std::size_t i = 0; i + 1 < kCreditCodeSize; ++i) {
        const std::size_t value = kAlphabet.find(code[i]);
        if (value == std::string_view::npos) {
            return fail(ErrorCode::invalid_request,
                        "tax number '" + std::string(code) + "' has '" + code[i] + "' at place " +
                            std::to_string(i + 1) +
                            ", which a unified social credit code cannot have: it has digits, and "
                            "capitals without I, O, S, V and Z");
        }
        sum += value * weight;
        weight = weight * 3 % kAlphabet.size();
    }
    return kAlphabet[(kAlphabet.size() - sum % kAlphabet.size()) % kAlphabet.size()];
}

}  // namespace

Result<std::string> parse_tax_number(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == ' ') continue;
        out.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
    }
    const bool is_plain = std::ranges::all_of(
        out, [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
    constexpr std::size_t kSizes[] = {15, 17, kCreditCodeSize, 20};
    if (!is_plain || std::ranges::find(kSizes, out.size()) == std::end(kSizes)) {
        return fail(ErrorCode::invalid_request,
                    "'" + std::string(text.substr(0, 64)) +
                        "' is no tax number: it has 18 letters and digits (15, 17 or 20 in older "
                        "ones), this has " +
                        std::to_string(out.size()));
    }
    if (out.size() != kCreditCodeSize) return out;
    TG_TRY(const char check, check_character(out));
    if (out.back() == check) return out;
    return fail(ErrorCode::invalid_request,
                "tax number '" + out + "' has a wrong character: with '" +
                    out.substr(0, kCreditCodeSize - 1) + "' the last one would be '" + check +
                    "'; compare it with the business licence");
}

}  // namespace tg
