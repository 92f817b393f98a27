// Any header lines: what is read stays within its bounds, and reading the same line again changes
// nothing.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "gateway/rate_limit_headers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    const tg::UtcMicros now{1'795'000'000'000'000};
    tg::RateLimitReport report;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(line.size() == text.size() ? line.size() : line.size() + 1);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        const std::string_view name = line.substr(0, colon), value = line.substr(colon + 1);
        if (tg::read_rate_limit_header(name, value, now, &report)) {
            const tg::RateLimitReport before = report;
            tg::read_rate_limit_header(name, value, now, &report);
            TG_ASSERT(before.meters == report.meters);
            TG_ASSERT(before.retry_after_ns == report.retry_after_ns);
        }
    }
    for (const tg::MeterReport& meter : report.meters) {
        TG_ASSERT(meter.limit == -1 || (meter.limit > 0 && meter.limit <= tg::kLimitMax));
        TG_ASSERT(meter.remaining >= -1 && meter.remaining <= tg::kLimitMax);
        TG_ASSERT(meter.reset_ns >= -1);
    }
    TG_ASSERT(report.retry_after_ns >= -1 && report.retry_after_ns <= tg::kRetryAfterMaxNs);
    return 0;
}
