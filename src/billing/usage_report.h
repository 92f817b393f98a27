#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/money.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time_zone.h"
#include "base/usage.h"
#include "store/sql.h"

namespace tg {

/// What usage can be grouped and filtered by.
enum class UsageDimension : std::uint8_t {
    customer,
    project,
    department,
    environment,
    key,
    model,
    provider,
    region,
    end_user,
    day
};
Result<UsageDimension> parse_usage_dimension(std::string_view name);
std::string_view name(UsageDimension dimension);

struct UsageQuery {
    std::int32_t first_day = 0,
                 last_day = 0;  ///< local days of the customers' zones, both included
    std::vector<UsageDimension> group_by;
    std::vector<std::pair<UsageDimension, std::string>> filters;  ///< by code or name
    int limit = 1000;
};

struct UsageRow {
    std::vector<std::string> group;  ///< one value for each of group_by
    std::int64_t requests = 0, errors = 0, estimated = 0, unpriced = 0;
    std::int64_t input_tokens = 0, cached_tokens = 0, output_tokens = 0, reasoning_tokens = 0;
    std::vector<std::pair<Currency, Femto>> charge;
};

/// From the roll-ups, largest charge first. Blocking.
Result<std::vector<UsageRow>> usage_report(SqlConnection& store, const UsageQuery& query);

/// One stored event, for people and programs.
struct StoredEvent {
    std::int64_t sequence = 0;
    RequestId id;
    std::string customer, project, department, environment, key_hint;
    UtcMicros started_at, ended_at;
    std::string endpoint, model, upstream_model, deployment, provider, region, end_user,
        upstream_request_id, tier, source, outcome;
    std::string asked_model;  ///< when another model served: what was asked for; else empty
    int http_status = 0, attempts = 1, flags = 0;
    std::uint32_t first_byte_ms = 0;
    PriceVersionId price_version;
    Usage usage;
    Currency currency = Currency::usd;
    Femto charge;
};
/// The last `count` (at most 100) calls of a customer, newest first (C1).
Result<std::vector<StoredEvent>> recent_events(SqlConnection& store, CustomerId customer,
                                               int count);
/// Errors: not_found.
Result<StoredEvent> find_event(SqlConnection& store, const RequestId& id);

}  // namespace tg
