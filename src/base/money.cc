#include "base/money.h"

#include <algorithm>

namespace tg {
namespace {

constexpr int kMaxScale = 38;  // 10^38 is the largest power of ten in 128 bits

int128 power_of_ten(int exponent) {
    int128 value = 1;
    for (int i = 0; i < exponent; ++i) value *= 10;
    return value;
}

struct Decimal {
    bool is_negative = false;
    std::string digits;  // without leading zeros
    int exponent = 0;    // value = digits x 10^exponent
};

Result<Decimal> parse_decimal(std::string_view text) {
    const std::string_view original = text;
    const auto bad = [&] {
        return fail(ErrorCode::invalid_request,
                    "'" + std::string(original.substr(0, 40)) + "' is not a decimal number");
    };
    Decimal out;
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
        out.is_negative = text[0] == '-';
        text.remove_prefix(1);
    }
    bool saw_digit = false, saw_point = false;
    std::size_t i = 0;
    for (; i < text.size(); ++i) {
        const char c = text[i];
        if (c >= '0' && c <= '9') {
            saw_digit = true;
            if (!out.digits.empty() || c != '0') out.digits.push_back(c);
            if (saw_point) --out.exponent;
        } else if (c == '.' && !saw_point) {
            saw_point = true;
        } else {
            break;
        }
    }
    if (!saw_digit || out.digits.size() > 200) return bad();
    if (i < text.size()) {
        if (text[i] != 'e' && text[i] != 'E') return bad();
        ++i;
        bool exponent_negative = false;
        if (i < text.size() && (text[i] == '-' || text[i] == '+'))
            exponent_negative = text[i++] == '-';
        if (i == text.size() || text.size() - i > 4) return bad();
        int exponent = 0;
        for (; i < text.size(); ++i) {
            if (text[i] < '0' || text[i] > '9') return bad();
            exponent = exponent * 10 + (text[i] - '0');
        }
        out.exponent += exponent_negative ? -exponent : exponent;
    }
    return out;
}

Result<int128> scale_decimal(std::string_view text, int scale, bool allow_rounding,
                             bool* was_rounded) {
    if (was_rounded != nullptr) *was_rounded = false;
    TG_TRY(Decimal decimal, parse_decimal(text));
    int shift = decimal.exponent + scale;
    while (shift < 0 && !decimal.digits.empty() && decimal.digits.back() == '0') {
        decimal.digits.pop_back();
        ++shift;
    }
    if (decimal.digits.empty()) return int128{0};
    bool round_away = false;
    if (shift < 0) {
        if (!allow_rounding) {
            return fail(ErrorCode::invalid_request,
                        "'" + std::string(text.substr(0, 40)) +
                            "' has more decimal places than can be kept exactly");
        }
        if (was_rounded != nullptr) *was_rounded = true;
        const auto drop = static_cast<std::size_t>(-shift);
        if (drop > decimal.digits.size()) return int128{0};
        round_away = decimal.digits[decimal.digits.size() - drop] >= '5';
        decimal.digits.resize(decimal.digits.size() - drop);
        shift = 0;
    }
    if (decimal.digits.size() + static_cast<std::size_t>(shift) > kMaxScale) {
        return fail(ErrorCode::invalid_request,
                    "'" + std::string(text.substr(0, 40)) + "' is too large");
    }
    int128 value = 0;
    for (const char c : decimal.digits) value = value * 10 + (c - '0');
    value = value * power_of_ten(shift) + (round_away ? 1 : 0);
    return decimal.is_negative ? -value : value;
}

}  // namespace

std::string_view code(Currency currency) {
    return currency == Currency::usd ? "USD" : "CNY";
}

Result<Currency> parse_currency(std::string_view code) {
    if (code == "USD") return Currency::usd;
    if (code == "CNY" || code == "RMB") return Currency::cny;
    return fail(ErrorCode::invalid_request,
                "currency '" + std::string(code) + "' is not known; use USD or CNY");
}

SplitFemto split(Femto amount) {
    int128 nano = amount.value / kFemtoPerNano;
    int128 femto = amount.value % kFemtoPerNano;
    if (femto < 0) {
        femto += kFemtoPerNano;
        nano -= 1;
    }
    TG_ASSERT(nano <= INT64_MAX && nano >= INT64_MIN);
    return {static_cast<std::int64_t>(nano), static_cast<std::int64_t>(femto)};
}

Femto join(SplitFemto parts) {
    return {int128{parts.nano} * kFemtoPerNano + parts.femto};
}

int128 divide(int128 numerator, int128 denominator, Rounding rounding) {
    TG_ASSERT(denominator > 0);
    const int128 quotient = numerator / denominator;
    const int128 remainder = numerator % denominator;
    if (remainder == 0) return quotient;
    if (rounding == Rounding::ceil) return remainder > 0 ? quotient + 1 : quotient;
    const int128 magnitude = remainder < 0 ? -remainder : remainder;
    if (magnitude >= denominator - magnitude) return numerator < 0 ? quotient - 1 : quotient + 1;
    return quotient;
}

Result<int128> parse_scaled(std::string_view text, int scale) {
    return scale_decimal(text, scale, /*allow_rounding=*/false, nullptr);
}

Result<int128> parse_scaled_rounded(std::string_view text, int scale, bool* was_rounded) {
    return scale_decimal(text, scale, /*allow_rounding=*/true, was_rounded);
}

std::string to_string(int128 value) {
    return format_scaled(value, 0, 0);
}

std::string format_scaled(int128 value, int scale, int min_decimals) {
    const bool is_negative = value < 0;
    uint128 rest = is_negative ? -static_cast<uint128>(value) : static_cast<uint128>(value);
    // From the last digit on. 39 digits are the most of 128 bits; a larger scale only adds zeros.
    char text[kMaxScale + 4 + kMaxScale];
    char* const end = text + sizeof text;
    char* at = end;
    int written = 0;
    const auto push = [&](unsigned digit) {
        if (written == scale && scale > 0) *--at = '.';
        *--at = static_cast<char>('0' + digit);
        ++written;
    };
    while (rest > UINT64_MAX) {
        push(static_cast<unsigned>(rest % 10));
        rest /= 10;
    }
    // 64 bits are divided many times faster.
    auto low = static_cast<std::uint64_t>(rest);
    while (low != 0 || written <= scale) {
        push(static_cast<unsigned>(low % 10));
        low /= 10;
    }
    if (is_negative) *--at = '-';
    std::string out(at, static_cast<std::size_t>(end - at));
    if (scale == 0) {
        if (min_decimals > 0) out.append(".").append(static_cast<std::size_t>(min_decimals), '0');
        return out;
    }
    int decimals = scale;
    for (; decimals > min_decimals && out.back() == '0'; --decimals) out.pop_back();
    if (decimals == 0) out.pop_back();  // the point
    for (; decimals < min_decimals; ++decimals) out.push_back('0');
    return out;
}

std::string format_amount(Femto amount, int min_decimals) {
    return format_scaled(amount.value, 15, min_decimals);
}

namespace {

/// A comma between every three of the digits before `end`.
std::string with_commas(std::string plain, std::size_t end) {
    const std::size_t first = plain[0] == '-' ? 1 : 0;
    while (end > first + 3) {
        end -= 3;
        plain.insert(end, ",");
    }
    return plain;
}

}  // namespace

std::string format_cents(std::int64_t cents) {
    std::string plain = format_scaled(cents, 2, 2);
    const std::size_t point = plain.size() - 3;
    return with_commas(std::move(plain), point);
}

std::string format_grouped(std::int64_t number) {
    std::string plain = std::to_string(number);
    const std::size_t end = plain.size();
    return with_commas(std::move(plain), end);
}

}  // namespace tg
