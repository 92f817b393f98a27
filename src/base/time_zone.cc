#include "base/time_zone.h"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace tg {
namespace {

constexpr std::int64_t kDay = 86400;

std::int64_t big_endian(std::string_view bytes, std::size_t at, std::size_t width) {
    std::uint64_t value = (static_cast<unsigned char>(bytes[at]) & 0x80U) != 0 ? ~0ULL : 0;
    for (std::size_t i = 0; i < width; ++i)
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return static_cast<std::int64_t>(value);
}

/// Reads the pieces of a POSIX TZ string from the front of `rest`.
struct RuleReader {
    std::string_view rest;

    bool take(char c) {
        if (rest.empty() || rest[0] != c) return false;
        rest.remove_prefix(1);
        return true;
    }
    bool name() {
        if (take('<')) {
            const std::size_t end = rest.find('>');
            if (end == std::string_view::npos) return false;
            rest.remove_prefix(end + 1);
            return true;
        }
        std::size_t n = 0;
        while (n < rest.size() && ((rest[n] | 0x20) >= 'a' && (rest[n] | 0x20) <= 'z')) ++n;
        rest.remove_prefix(n);
        return n >= 3;
    }
    bool number(int& out) {
        std::size_t n = 0;
        out = 0;
        while (n < rest.size() && n < 5 && rest[n] >= '0' && rest[n] <= '9')
            out = out * 10 + (rest[n++] - '0');
        rest.remove_prefix(n);
        return n > 0;
    }
    bool time(std::int64_t& seconds) {
        const bool is_negative = take('-');
        if (!is_negative) take('+');
        int h = 0, m = 0, s = 0;
        if (!number(h)) return false;
        if (take(':') && !number(m)) return false;
        if (take(':') && !number(s)) return false;
        seconds = (h * 3600 + m * 60 + s) * (is_negative ? -1 : 1);
        return true;
    }
};

}  // namespace

Result<TimeZone> TimeZone::load(std::string_view name) {
    const bool is_safe =
        !name.empty() && name[0] != '/' && name.find("..") == std::string_view::npos;
    std::ifstream file;
    if (is_safe) file.open("/usr/share/zoneinfo/" + std::string(name), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (bytes.empty()) {
        return fail(ErrorCode::invalid_request,
                    "time zone '" + std::string(name) +
                        "' is not known; use an IANA name such as Asia/Shanghai");
    }
    return parse(name, bytes);
}

Result<TimeZone> TimeZone::parse(std::string_view name, std::string_view tzif) {
    const auto bad = [&] {
        return fail(ErrorCode::corrupt_data, "time zone file of '" + std::string(name) + "'");
    };
    constexpr std::size_t kHeader = 44;
    if (tzif.size() < kHeader || tzif.substr(0, 4) != "TZif" || tzif[4] < '2') return bad();
    const auto count = [&](std::size_t base, int i) {
        return static_cast<std::size_t>(
            big_endian(tzif, base + 20 + static_cast<std::size_t>(i) * 4, 4));
    };
    // The second, 64-bit block follows the first, whose size its header tells: isut, isstd, leap,
    // time, type, char.
    const std::size_t first = count(0, 3) * 5 + count(0, 4) * 6 + count(0, 5) + count(0, 2) * 8 +
                              count(0, 1) + count(0, 0);
    const std::size_t base = kHeader + first;
    if (tzif.size() < base + kHeader) return bad();
    const std::size_t times = count(base, 3), types = count(base, 4);
    const std::size_t at_times = base + kHeader, at_kinds = at_times + times * 8,
                      at_types = at_kinds + times;
    const std::size_t at_footer = at_types + types * 6 + count(base, 5) + count(base, 2) * 12 +
                                  count(base, 1) + count(base, 0);
    if (types == 0 || times > 100'000 || tzif.size() < at_footer) return bad();

    TimeZone zone;
    zone.name_ = name;
    zone.first_offset_ = big_endian(tzif, at_types, 4);
    for (std::size_t i = 0; i < times; ++i) {
        const auto kind = static_cast<unsigned char>(tzif[at_kinds + i]);
        if (kind >= types) return bad();
        zone.changes_.push_back(
            {big_endian(tzif, at_times + i * 8, 8), big_endian(tzif, at_types + kind * 6U, 4)});
    }
    std::string_view footer = tzif.substr(at_footer);
    if (footer.size() > 2 && footer.front() == '\n') {
        TG_TRY(zone.rule_, parse_rule(footer.substr(1, footer.find('\n', 1) - 1)));
    }
    return zone;
}

Result<TimeZone::Rule> TimeZone::parse_rule(std::string_view text) {
    const auto bad = [&] {
        return fail(ErrorCode::corrupt_data, "time zone rule '" + std::string(text) + "'");
    };
    Rule rule;
    RuleReader in{text};
    std::int64_t west = 0;
    if (!in.name() || !in.time(west)) return bad();
    rule.is_set = true;
    rule.standard_offset = -west;
    if (in.rest.empty()) return rule;
    if (!in.name()) return bad();
    rule.has_daylight = true;
    rule.daylight_offset = rule.standard_offset + 3600;
    if (!in.rest.empty() && in.rest[0] != ',') {
        if (!in.time(west)) return bad();
        rule.daylight_offset = -west;
    }
    for (Rule::Switch* each : {&rule.to_daylight, &rule.to_standard}) {
        if (!in.take(',') || !in.take('M') || !in.number(each->month) || !in.take('.') ||
            !in.number(each->week) || !in.take('.') || !in.number(each->weekday)) {
            return bad();
        }
        if (in.take('/') && !in.time(each->second_of_day)) return bad();
    }
    return rule;
}

std::int64_t TimeZone::rule_offset_at(std::int64_t seconds) const {
    if (!rule_.has_daylight) return rule_.standard_offset;
    const int year = to_civil({seconds * 1'000'000}, rule_.standard_offset).year;
    const auto instant = [&](const Rule::Switch& s, std::int64_t offset_before) {
        const std::int64_t first = days_from_civil(year, s.month, 1);
        const std::int64_t weekday = ((first + 4) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
        std::int64_t day = first + (s.weekday - weekday + 7) % 7 + (s.week - 1) * 7;
        const std::int64_t next =
            s.month == 12 ? days_from_civil(year + 1, 1, 1) : days_from_civil(year, s.month + 1, 1);
        while (day >= next) day -= 7;
        return day * kDay + s.second_of_day - offset_before;
    };
    const std::int64_t on = instant(rule_.to_daylight, rule_.standard_offset);
    const std::int64_t off = instant(rule_.to_standard, rule_.daylight_offset);
    const bool is_daylight =
        on < off ? seconds >= on && seconds < off : seconds >= on || seconds < off;
    return is_daylight ? rule_.daylight_offset : rule_.standard_offset;
}

std::int64_t TimeZone::offset_seconds_at(UtcMicros time) const {
    const std::int64_t seconds =
        time.micros >= 0 ? time.micros / 1'000'000 : (time.micros - 999'999) / 1'000'000;
    const auto after = std::ranges::upper_bound(changes_, seconds, {}, &Change::at_seconds);
    if (after == changes_.end() && rule_.is_set) return rule_offset_at(seconds);
    return after == changes_.begin() ? first_offset_ : std::prev(after)->offset_seconds;
}

UtcMicros TimeZone::start_of_day(int year, int month, int day) const {
    const std::int64_t local = days_from_civil(year, month, day) * kDay;
    // The offset depends on the instant and the instant on the offset: the earliest instant whose
    // local time is not before midnight is found from the offsets a day around it.
    for (const std::int64_t probe : {local - kDay, local + kDay}) {
        const std::int64_t start = local - offset_seconds_at({probe * 1'000'000});
        if (start + offset_seconds_at({start * 1'000'000}) == local) return {start * 1'000'000};
    }
    // Midnight does not exist that day (a change jumps over it): the day starts at the change.
    const std::int64_t guess = local - offset_seconds_at({(local - kDay) * 1'000'000});
    const auto after = std::ranges::upper_bound(changes_, guess - kDay, {}, &Change::at_seconds);
    return {(after == changes_.end() ? guess : after->at_seconds) * 1'000'000};
}

UtcMicros TimeZone::end_of_month(YearMonth month) const {
    return month.month == 12 ? start_of_day(month.year + 1, 1, 1)
                             : start_of_day(month.year, month.month + 1, 1);
}

YearMonth TimeZone::month_of(UtcMicros time) const {
    const Civil civil = to_civil(time, offset_seconds_at(time));
    return {civil.year, civil.month};
}

std::int32_t TimeZone::local_day(UtcMicros time) const {
    const Civil civil = to_civil(time, offset_seconds_at(time));
    return static_cast<std::int32_t>(days_from_civil(civil.year, civil.month, civil.day));
}

}  // namespace tg
