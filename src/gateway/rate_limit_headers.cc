#include "gateway/rate_limit_headers.h"

#include <algorithm>
#include <charconv>

#include "net/http_parser.h"

namespace tg {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
/// Ten years: longer durations are nonsense, and every product below fits 64 bits.
constexpr std::int64_t kDurationMaxNs = 3652LL * 86'400 * kSecondNs;

constexpr std::array<std::string_view, kLimitMeters> kMeterNames = {
    "requests", "tokens", "input-tokens", "output-tokens"};

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

/// Takes `prefix`, given in lower case, off the front of `text` in any case.
bool take_prefix(std::string_view* text, std::string_view prefix) {
    if (text->size() < prefix.size()) return false;
    if (!equals_ignoring_case(text->substr(0, prefix.size()), prefix)) return false;
    text->remove_prefix(prefix.size());
    return true;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
    return value;
}

/// Takes an unsigned decimal ("3", "3.5", ".5") off the front, as value x `unit`, rounded down.
struct Decimal {
    std::int64_t whole = 0;
    std::int64_t nano = 0;  ///< fraction in 10^-9; further digits are dropped
};
std::optional<Decimal> take_decimal(std::string_view* text) {
    Decimal out;
    std::size_t at = 0, digits = 0;
    for (; at < text->size() && (*text)[at] >= '0' && (*text)[at] <= '9'; ++at, ++digits) {
        out.whole = out.whole * 10 + ((*text)[at] - '0');
        if (out.whole > 10'000'000'000'000) return std::nullopt;
    }
    if (at < text->size() && (*text)[at] == '.') {
        std::int64_t scale = 100'000'000;
        for (++at; at < text->size() && (*text)[at] >= '0' && (*text)[at] <= '9'; ++at, ++digits) {
            out.nano += ((*text)[at] - '0') * scale;
            scale /= 10;
        }
    }
    if (digits == 0) return std::nullopt;
    text->remove_prefix(at);
    return out;
}

std::optional<std::int64_t> times(const Decimal& value, std::int64_t unit_ns) {
    const __int128 ns = static_cast<__int128>(value.whole) * unit_ns +
                        static_cast<__int128>(value.nano) * unit_ns / kSecondNs;
    if (ns > kDurationMaxNs) return std::nullopt;
    return static_cast<std::int64_t>(ns);
}

std::optional<std::int64_t> take_unit_ns(std::string_view* text) {
    // "ms" before "m": the longest unit that fits is meant.
    if (take_prefix(text, "ms")) return 1'000'000;
    if (take_prefix(text, "ns")) return 1;
    if (take_prefix(text, "us") || take_prefix(text, "\xc2\xb5s")) return 1'000;
    if (take_prefix(text, "h")) return 3600 * kSecondNs;
    if (take_prefix(text, "m")) return 60 * kSecondNs;
    if (take_prefix(text, "s")) return kSecondNs;
    return std::nullopt;
}

std::int64_t ns_until(std::int64_t then_micros, UtcMicros now) {
    const __int128 ns = (static_cast<__int128>(then_micros) - now.micros) * 1000;
    return static_cast<std::int64_t>(std::clamp<__int128>(ns, 0, kDurationMaxNs));
}

int month_of(std::string_view text) {
    constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int month = 0; month < 12; ++month)
        if (text == kMonths.substr(static_cast<std::size_t>(month) * 3, 3)) return month + 1;
    return 0;
}

/// `pattern` against `text`: D and _ take a digit (_ may be a space), * any character, others
/// themselves.
/// Fields are found by their place, so the shape is checked once and the numbers read after it.
bool has_shape(std::string_view text, std::string_view pattern) {
    if (text.size() != pattern.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (pattern[i] == 'D' && !is_digit) return false;
        if (pattern[i] == '_' && !is_digit && text[i] != ' ') return false;
        if (pattern[i] != 'D' && pattern[i] != '_' && pattern[i] != '*' && pattern[i] != text[i])
            return false;
    }
    return true;
}

int number_at(std::string_view text, std::size_t at, std::size_t digits) {
    int value = 0;
    for (const char c : text.substr(at, digits)) value = value * 10 + (c == ' ' ? 0 : c - '0');
    return value;
}

std::optional<UtcMicros> checked_time(const Civil& civil) {
    constexpr std::array<int, 12> kDays = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (civil.month < 1 || civil.day < 1 || civil.day > kDays[civil.month - 1]) return std::nullopt;
    if (civil.hour > 23 || civil.minute > 59 || civil.second > 60) return std::nullopt;
    return from_civil(civil);
}

bool store(std::string_view field, std::string_view value, UtcMicros now, MeterReport* meter) {
    if (field == "reset") {
        const auto reset = parse_reset(value, now);
        if (reset) meter->reset_ns = *reset;
        return reset.has_value();
    }
    const auto number = whole_number(value);
    if (!number || *number > kLimitMax) return false;
    // A limit of nothing is how some proxies say that they do not know.
    if (field == "limit" && *number == 0) return false;
    (field == "limit" ? meter->limit : meter->remaining) = *number;
    return true;
}

std::optional<LimitMeter> meter_named(std::string_view text) {
    for (std::size_t i = 0; i < kLimitMeters; ++i)
        if (equals_ignoring_case(text, kMeterNames[i])) return static_cast<LimitMeter>(i);
    return std::nullopt;
}

bool read_x_rate_limit(std::string_view rest, std::string_view value, UtcMicros now,
                       RateLimitReport* report) {
    for (const std::string_view field : {"limit", "remaining", "reset"}) {
        std::string_view meter = rest;
        if (!take_prefix(&meter, field)) continue;
        if (meter.empty()) return store(field, value, now, &report->of(LimitMeter::requests));
        if (!take_prefix(&meter, "-")) return false;
        const auto which = meter_named(meter);
        return which && store(field, value, now, &report->of(*which));
    }
    return false;
}

bool read_anthropic(std::string_view rest, std::string_view value, UtcMicros now,
                    RateLimitReport* report) {
    for (const std::string_view field : {"limit", "remaining", "reset"}) {
        if (rest.size() <= field.size() + 1) continue;
        const std::size_t split = rest.size() - field.size();
        if (rest[split - 1] != '-' || !equals_ignoring_case(rest.substr(split), field)) continue;
        const auto which = meter_named(rest.substr(0, split - 1));
        return which && store(field, value, now, &report->of(*which));
    }
    return false;
}

bool read_retry_after(std::string_view value, UtcMicros now, RateLimitReport* report) {
    if (report->is_retry_after_in_ms) return false;
    std::string_view rest = value;
    std::optional<std::int64_t> ns;
    if (const auto seconds = take_decimal(&rest); seconds && rest.empty()) {
        ns = times(*seconds, kSecondNs);
    } else if (const auto date = parse_http_date(value)) {
        ns = ns_until(date->micros, now);
    }
    if (ns) report->retry_after_ns = std::min(*ns, kRetryAfterMaxNs);
    return ns.has_value();
}

bool read_retry_after_ms(std::string_view value, RateLimitReport* report) {
    std::string_view rest = value;
    const auto millis = take_decimal(&rest);
    if (!millis || !rest.empty()) return false;
    const auto ns = times(*millis, 1'000'000);
    if (!ns) return false;
    report->retry_after_ns = std::min(*ns, kRetryAfterMaxNs);
    report->is_retry_after_in_ms = true;
    return true;
}

}  // namespace

std::string_view name(LimitMeter meter) {
    constexpr std::array<std::string_view, kLimitMeters> kNames = {"requests", "total_tokens",
                                                                   "input_tokens", "output_tokens"};
    return kNames[static_cast<std::size_t>(meter)];
}

std::optional<std::int64_t> parse_go_duration(std::string_view text) {
    if (text == "0") return 0;
    if (text.empty()) return std::nullopt;
    std::int64_t total = 0;
    while (!text.empty()) {
        const auto value = take_decimal(&text);
        if (!value) return std::nullopt;
        const auto unit = take_unit_ns(&text);
        if (!unit) return std::nullopt;
        const auto part = times(*value, *unit);
        if (!part || total + *part > kDurationMaxNs) return std::nullopt;
        total += *part;
    }
    return total;
}

std::optional<std::int64_t> parse_reset(std::string_view text, UtcMicros utc_now) {
    text = trimmed(text);
    std::string_view rest = text;
    const auto number = take_decimal(&rest);
    if (number && rest.empty()) {
        constexpr std::int64_t kEpochSecondsFrom = 1'000'000'000;
        constexpr std::int64_t kEpochMillisFrom = 1'000'000'000'000;
        if (number->whole >= kEpochMillisFrom) return ns_until(number->whole * 1000, utc_now);
        if (number->whole >= kEpochSecondsFrom) {
            return ns_until(number->whole * 1'000'000 + number->nano / 1000, utc_now);
        }
        return times(*number, kSecondNs);
    }
    if (const auto duration = parse_go_duration(text)) return duration;
    if (const auto time = parse_rfc3339(text); time.ok() && text.size() > 10)
        return ns_until(time->micros, utc_now);
    if (const auto date = parse_http_date(text)) return ns_until(date->micros, utc_now);
    return std::nullopt;
}

std::optional<UtcMicros> parse_http_date(std::string_view text) {
    Civil civil;
    if (has_shape(text, "***, DD *** DDDD DD:DD:DD GMT")) {  // Sun, 06 Nov 1994 08:49:37 GMT
        civil = {number_at(text, 12, 4), month_of(text.substr(8, 3)), number_at(text, 5, 2),
                 number_at(text, 17, 2), number_at(text, 20, 2),      number_at(text, 23, 2)};
        return checked_time(civil);
    }
    if (has_shape(text, "*** *** _D DD:DD:DD DDDD")) {  // asctime: Sun Nov  6 08:49:37 1994
        civil = {number_at(text, 20, 4), month_of(text.substr(4, 3)), number_at(text, 8, 2),
                 number_at(text, 11, 2), number_at(text, 14, 2),      number_at(text, 17, 2)};
        return checked_time(civil);
    }
    // RFC 850: Sunday, 06-Nov-94 08:49:37 GMT; the year is of this century's first 70 or the last.
    const std::size_t comma = text.find(", ");
    if (comma == std::string_view::npos) return std::nullopt;
    text = text.substr(comma + 2);
    if (!has_shape(text, "DD-***-DD DD:DD:DD GMT")) return std::nullopt;
    const int year = number_at(text, 7, 2);
    civil = {year < 70 ? 2000 + year : 1900 + year,
             month_of(text.substr(3, 3)),
             number_at(text, 0, 2),
             number_at(text, 10, 2),
             number_at(text, 13, 2),
             number_at(text, 16, 2)};
    return checked_time(civil);
}

bool read_rate_limit_header(std::string_view name, std::string_view value, UtcMicros utc_now,
                            RateLimitReport* report) {
    if (name.size() < 11 || value.size() > 64) return false;
    value = trimmed(value);
    std::string_view rest = name;
    switch (name.front() | 0x20) {
        case 'a':
            return take_prefix(&rest, "anthropic-ratelimit-") &&
                   read_anthropic(rest, value, utc_now, report);
        case 'r':
            if (equals_ignoring_case(name, "retry-after"))
                return read_retry_after(value, utc_now, report);
            return equals_ignoring_case(name, "retry-after-ms") &&
                   read_retry_after_ms(value, report);
        case 'x':
            if (take_prefix(&rest, "x-ratelimit-"))
                return read_x_rate_limit(rest, value, utc_now, report);
            if (equals_ignoring_case(name, "x-ms-retry-after-ms"))
                return read_retry_after_ms(value, report);
            if (!equals_ignoring_case(name, "x-should-retry")) return false;
            if (value != "true" && value != "false") return false;
            report->should_retry = value == "true";
            return true;
        default:
            return false;
    }
}

}  // namespace tg
