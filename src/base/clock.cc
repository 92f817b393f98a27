#include "base/clock.h"

#include <time.h>

#include <cstdio>

namespace tg {
namespace {

class SystemClock final : public Clock {
  public:
    UtcMicros now() const override {
        timespec ts{};
        ::clock_gettime(CLOCK_REALTIME, &ts);
        return {ts.tv_sec * 1'000'000 + ts.tv_nsec / 1000};
    }
    std::int64_t monotonic_ns() const override {
        timespec ts{};
        ::clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * 1'000'000'000 + ts.tv_nsec;
    }
};

/// Reads exactly `width` digits; -1 when they are not there.
int digits(std::string_view text, std::size_t at, std::size_t width) {
    if (text.size() < at + width) return -1;
    int value = 0;
    for (std::size_t i = at; i < at + width; ++i) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

int days_in_month(int year, int month) {
    return static_cast<int>(
        days_from_civil(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) -
        days_from_civil(year, month, 1));
}

bool is_valid(const Civil& c) {
    return c.year >= 1970 && c.year <= 9999 && c.month >= 1 && c.month <= 12 && c.day >= 1 &&
           c.day <= days_in_month(c.year, c.month) && c.hour >= 0 && c.hour < 24 && c.minute >= 0 &&
           c.minute < 60 && c.second >= 0 && c.second < 60;
}

}  // namespace

Clock& system_clock() {
    static SystemClock clock;
    return clock;
}

std::int64_t days_from_civil(int year, int month, int day) {
    const std::int64_t y = month <= 2 ? year - 1 : year;
    const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
    const std::int64_t year_of_era = y - era * 400;
    const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const std::int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

Civil to_civil(UtcMicros time, std::int64_t offset_seconds) {
    const std::int64_t total = time.micros + offset_seconds * 1'000'000;
    std::int64_t days = total / 86'400'000'000;
    std::int64_t rest = total % 86'400'000'000;
    if (rest < 0) {
        rest += 86'400'000'000;
        --days;
    }
    const std::int64_t z = days + 719468;
    const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    const std::int64_t day_of_era = z - era * 146097;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const std::int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t mp = (5 * day_of_year + 2) / 153;
    Civil c;
    c.day = static_cast<int>(day_of_year - (153 * mp + 2) / 5 + 1);
    c.month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
    c.year = static_cast<int>(year_of_era + era * 400 + (c.month <= 2 ? 1 : 0));
    c.micros = static_cast<int>(rest % 1'000'000);
    rest /= 1'000'000;
    c.hour = static_cast<int>(rest / 3600);
    c.minute = static_cast<int>(rest / 60 % 60);
    c.second = static_cast<int>(rest % 60);
    return c;
}

UtcMicros from_civil(const Civil& c, std::int64_t offset_seconds) {
    const std::int64_t seconds =
        days_from_civil(c.year, c.month, c.day) * 86400 + c.hour * 3600 + c.minute * 60 + c.second;
    return {(seconds - offset_seconds) * 1'000'000 + c.micros};
}

std::string format_rfc3339(UtcMicros time) {
    const Civil c = to_civil(time);
    char text[64];
    int n = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d", c.year, c.month,
                          c.day, c.hour, c.minute, c.second);
    if (c.micros != 0)
        n += std::snprintf(text + n, sizeof text - static_cast<std::size_t>(n), ".%06d", c.micros);
    return std::string(text, static_cast<std::size_t>(n)) + "Z";
}

Result<UtcMicros> parse_rfc3339(std::string_view text) {
    const auto bad = [&] {
        return fail(ErrorCode::invalid_request,
                    "'" + std::string(text.substr(0, 40)) +
                        "' is not a time; write 2026-11-24 or 2026-11-24T03:12:59Z");
    };
    Civil c;
    c.year = digits(text, 0, 4);
    c.month = digits(text, 5, 2);
    c.day = digits(text, 8, 2);
    if (text.size() < 10 || text[4] != '-' || text[7] != '-') return bad();
    if (text.size() == 10) return is_valid(c) ? Result<UtcMicros>(from_civil(c)) : bad();
    if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return bad();
    c.hour = digits(text, 11, 2);
    c.minute = digits(text, 14, 2);
    c.second = digits(text, 17, 2);
    if (text.size() < 20 || text[13] != ':' || text[16] != ':' || !is_valid(c)) return bad();
    std::size_t at = 19;
    if (text[at] == '.') {
        int scale = 100'000;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10) {
            c.micros += (text[at] - '0') * scale;
        }
    }
    if (at + 1 == text.size() && (text[at] == 'Z' || text[at] == 'z')) return from_civil(c);
    if (at + 6 != text.size() || (text[at] != '+' && text[at] != '-') || text[at + 3] != ':')
        return bad();
    const int hours = digits(text, at + 1, 2), minutes = digits(text, at + 4, 2);
    if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59) return bad();
    const std::int64_t offset = (hours * 3600 + minutes * 60) * (text[at] == '-' ? -1 : 1);
    return from_civil(c, offset);
}

Result<YearMonth> parse_year_month(std::string_view text) {
    const YearMonth out{digits(text, 0, 4), digits(text, 5, 2)};
    if (text.size() != 7 || text[4] != '-' || out.year < 1970 || out.month < 1 || out.month > 12) {
        return fail(ErrorCode::invalid_request, "'" + std::string(text.substr(0, 40)) +
                                                    "' is not a month; write it as 2026-11");
    }
    return out;
}

std::string to_string(YearMonth month) {
    char text[32];
    const int n = std::snprintf(text, sizeof text, "%04d-%02d", month.year, month.month);
    return {text, static_cast<std::size_t>(n)};
}

std::string day_text(std::int64_t day) {
    return format_rfc3339({day * std::int64_t{86'400'000'000}}).substr(0, 10);
}

Result<std::int32_t> parse_day(std::string_view text) {
    const Result<UtcMicros> midnight = parse_rfc3339(text);
    if (!midnight.ok() || text.size() != 10) {
        return fail(ErrorCode::invalid_request,
                    "'" + std::string(text.substr(0, 40)) + "' is no day such as 2026-03-31");
    }
    return static_cast<std::int32_t>(midnight->micros / 86'400'000'000);
}

}  // namespace tg
