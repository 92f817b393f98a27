#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace tg {

/// An IANA time zone, read from the system's tz database (TZif, RFC 8536). Immutable, so safe to
/// share.
class TimeZone {
  public:
    /// Errors: invalid_request naming the zone.
    static Result<TimeZone> load(std::string_view name);
    /// The same from the bytes of a TZif file; for tests.
    static Result<TimeZone> parse(std::string_view name, std::string_view tzif);

    const std::string& name() const { return name_; }
    std::int64_t offset_seconds_at(UtcMicros time) const;
    /// First instant of the local day, in UTC.
    UtcMicros start_of_day(int year, int month, int day) const;
    UtcMicros start_of_month(YearMonth month) const {
        return start_of_day(month.year, month.month, 1);
    }
    UtcMicros end_of_month(YearMonth month) const;
    YearMonth month_of(UtcMicros time) const;
    /// Local day number: days since 1970-01-01 in this zone's calendar.
    std::int32_t local_day(UtcMicros time) const;

  private:
    struct Change {
        std::int64_t at_seconds;
        std::int64_t offset_seconds;
    };
    /// A POSIX TZ rule such as EST5EDT,M3.2.0,M11.1.0: what holds after the last listed change.
    struct Rule {
        struct Switch {
            int month = 0, week = 0, weekday = 0;
            std::int64_t second_of_day = 7200;
        };
        bool is_set = false, has_daylight = false;
        std::int64_t standard_offset = 0, daylight_offset = 0;
        Switch to_daylight, to_standard;
    };
    static Result<Rule> parse_rule(std::string_view text);
    std::int64_t rule_offset_at(std::int64_t seconds) const;

    std::string name_;
    std::int64_t first_offset_ = 0;
    std::vector<Change> changes_;
    Rule rule_;
};

}  // namespace tg
