#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/account_pacer.h"
#include "gateway/circuit_breaker.h"
#include "gateway/outlier_ejection.h"

namespace tg {

/// What is believed of one set of limits: the account's, or those of one model.
struct UpstreamLimitsStatus {
    std::string model;  ///< as the provider calls it; empty: the whole account
    PacerState pacer;
    std::int64_t waiting = 0;
};

/// The state of one upstream account at a moment, for operators. Counts are since the start.
struct UpstreamStatus {
    std::string name{}, provider{}, region{}, pool{};
    bool is_zero_retention_covered = false;
    BreakerState breaker = BreakerState::closed;
    std::int64_t breaker_open_ms = 0;  ///< until a probe is let through
    std::uint64_t breaker_opened = 0;
    OutlierReason ejected = OutlierReason::none;  ///< none: not ejected
    std::optional<bool> is_healthy{};             ///< by active checks; nullopt: there are none
    std::int64_t in_flight = 0, waiting = 0;
    double first_byte_peak_ms = 0, first_byte_mean_ms = 0;
    std::optional<std::int64_t> first_byte_p95_ms{};
    std::uint64_t attempts = 0, failures = 0, limited = 0;
    std::vector<UpstreamLimitsStatus> limits{};
};

}  // namespace tg
