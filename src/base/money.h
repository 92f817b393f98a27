#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tg {

__extension__ using int128 = __int128;
__extension__ using uint128 = unsigned __int128;

enum class Currency : std::uint8_t { usd, cny };
inline constexpr int kCurrencyCount = 2;
std::string_view code(Currency currency);  ///< "USD", "CNY"
Result<Currency> parse_currency(std::string_view code);

/// Price of 1,000,000 units (tokens, calls, seconds, characters) in nano-units of a currency.
/// One nano per million units is 10^-15 a unit, so quantity x price is an exact integer of
/// femto-units.
struct NanoPerM {
    std::int64_t nano = 0;
    friend constexpr auto operator<=>(NanoPerM, NanoPerM) = default;
};

/// An exact amount in 10^-15 of its currency. Holds 1.7e23 dollars; sums of events never round.
struct Femto {
    int128 value = 0;
    friend constexpr auto operator<=>(const Femto&, const Femto&) = default;
    friend constexpr Femto operator+(Femto a, Femto b) { return {a.value + b.value}; }
    friend constexpr Femto operator-(Femto a, Femto b) { return {a.value - b.value}; }
    constexpr Femto& operator+=(Femto other) {
        value += other.value;
        return *this;
    }
};

inline constexpr std::int64_t kUnitsPerM = 1'000'000;
inline constexpr int128 kFemtoPerNano = 1'000'000;
inline constexpr int128 kFemtoPerCent = 10'000'000'000'000;
inline constexpr int128 kFemtoPerUnit = int128{1'000'000'000} * 1'000'000;

constexpr Femto operator*(std::int64_t quantity, NanoPerM price) {
    return {int128{quantity} * price.nano};
}

/// Two columns of a store, which has no 128-bit integer: amount = nano x 10^6 + femto, 0 <= femto <
/// 10^6. Sums of either column stay exact in 64 bits, and (sum nano, sum femto) converts back.
struct SplitFemto {
    std::int64_t nano = 0;
    std::int64_t femto = 0;
};
SplitFemto split(Femto amount);
Femto join(SplitFemto parts);

enum class Rounding : std::uint8_t { half_up, ceil };

/// numerator / denominator with the named rule; half_up rounds halves away from zero, so that a
/// reversal is exact. denominator > 0.
int128 divide(int128 numerator, int128 denominator, Rounding rounding);

/// The decimal number in `text` ("2.5e-06", "-0.10", "1E3") times 10^scale, exactly.
/// Errors: invalid_request when the text is no number, when the result is no integer (too many
/// digits), or too large.
Result<int128> parse_scaled(std::string_view text, int scale);
/// The same, rounding half away from zero where digits are lost; `was_rounded` (may be null) tells.
Result<int128> parse_scaled_rounded(std::string_view text, int scale, bool* was_rounded);

/// value x 10^-scale in plain decimal notation; trailing zeros are dropped down to `min_decimals`.
std::string format_scaled(int128 value, int scale, int min_decimals);
std::string format_amount(Femto amount, int min_decimals = 2);  ///< "0.0000350625", "12.50"
std::string format_cents(std::int64_t cents);                   ///< 123456 -> "1,234.56"
std::string format_grouped(std::int64_t number);                ///< 1234567 -> "1,234,567"
std::string to_string(int128 value);

}  // namespace tg
