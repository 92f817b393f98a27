#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tg {

/// Microseconds since 1970-01-01T00:00:00Z. All stored times are this.
struct UtcMicros {
    std::int64_t micros = 0;
    friend constexpr auto operator<=>(UtcMicros, UtcMicros) = default;
};

/// Where the time comes from; tests inject ManualClock, so that nothing ever sleeps to pass.
class Clock {
  public:
    virtual ~Clock() = default;
    virtual UtcMicros now() const = 0;
    /// Never goes back; for timeouts and durations only.
    virtual std::int64_t monotonic_ns() const = 0;
};

/// The machine's clocks. Thread-safe.
Clock& system_clock();

/// Goes on only when a test says so. Thread-safe: what is tested may look at it from threads of its
/// own.
class ManualClock final : public Clock {
  public:
    explicit ManualClock(UtcMicros start) : micros_(start.micros) {}
    UtcMicros now() const override { return {micros_.load()}; }
    std::int64_t monotonic_ns() const override { return micros_.load() * 1000; }
    void set(UtcMicros now) { micros_ = now.micros; }
    void advance_micros(std::int64_t micros) { micros_ += micros; }

  private:
    std::atomic<std::int64_t> micros_;
};

/// A calendar day and time of day without a zone.
struct Civil {
    int year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0;
    int micros = 0;
};
Civil to_civil(UtcMicros time, std::int64_t offset_seconds = 0);
UtcMicros from_civil(const Civil& civil, std::int64_t offset_seconds = 0);

/// Days since 1970-01-01 of a proleptic Gregorian date (H. Hinnant's "days_from_civil" relation).
std::int64_t days_from_civil(int year, int month, int day);

std::string format_rfc3339(
    UtcMicros time);  ///< "2026-11-24T03:12:59.000123Z"; whole seconds have no fraction
/// "2026-11-24", "2026-11-24T03:12:59Z" or with an offset "+08:00". Errors: invalid_request.
Result<UtcMicros> parse_rfc3339(std::string_view text);

struct YearMonth {
    int year = 1970, month = 1;
    friend constexpr auto operator<=>(YearMonth, YearMonth) = default;
};
Result<YearMonth> parse_year_month(std::string_view text);  ///< "2026-11"
std::string to_string(YearMonth month);

/// A day of some calendar, by its number since 1970-01-01: "2026-11-05".
std::string day_text(std::int64_t day);
/// Errors: invalid_request.
Result<std::int32_t> parse_day(std::string_view text);

}  // namespace tg
