#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gateway/circuit_breaker.h"
#include "gateway/health_schedule.h"
#include "gateway/hedge_policy.h"
#include "gateway/outlier_ejection.h"
#include "gateway/pacer_options.h"
#include "gateway/region_order.h"
#include "gateway/retry_policy.h"
#include "gateway/route_choice.h"

namespace tg {

/// What an account, or one model of it, is allowed; 0: not limited, or learned from headers.
struct UpstreamLimits {
    std::int64_t requests_per_minute = 0;
    std::int64_t tokens_per_minute = 0;  ///< input and output in one
    std::int64_t input_tokens_per_minute = 0, output_tokens_per_minute = 0;
    std::int64_t concurrency = 0;  ///< calls under way at once
    std::int64_t burst_ms = 30'000;
    PacerCounting counting = PacerCounting::both;

    bool is_set() const {
        return requests_per_minute > 0 || tokens_per_minute > 0 || input_tokens_per_minute > 0 ||
               output_tokens_per_minute > 0 || concurrency > 0;
    }
    friend bool operator==(const UpstreamLimits&, const UpstreamLimits&) = default;
};

/// The agreement with the provider under which an account retains nothing, for the auditor.
struct ZeroRetentionCoverage {
    std::string reference;  ///< contract, order form or ticket
    std::string since;      ///< "2026-01-01"
};

/// A model as an upstream account serves it.
struct UpstreamModel {
    std::string name;  ///< what clients ask for; "*" is every model that no other upstream names
    std::string upstream_name{};  ///< what the provider calls it; empty: the same
    UpstreamLimits limits{};      ///< of this model alone; none set: the account's
};

/// One account with a provider in one region: the unit that limits, health and bills belong to.
struct UpstreamOptions {
    std::string name;  ///< stable; in events, metrics and logs
    std::string provider = "openai";
    std::string region;  ///< empty: not stated
    std::string base_url = "https://api.openai.com/v1";
    std::string api_key;  ///< never logged
    std::string organization,
        project;  ///< sent as OpenAI-Organization and OpenAI-Project; clients cannot choose them
    std::string ca_file;       ///< empty: the system's authorities
    bool inject_usage = true;  ///< false for servers that reject stream_options
    std::string pool;          ///< dedicated pool (A4); empty: shared by all who have none
    double weight = 1;         ///< for RoutingOrder::weight; 0: only when no other can
    std::uint32_t rank = 0;    ///< for RoutingOrder::ordered; the smaller the earlier
    std::optional<ZeroRetentionCoverage> zero_retention;  ///< none: not covered
    UpstreamLimits limits;
    std::vector<UpstreamModel> models;
};

enum class RequestLog : std::uint8_t { off, errors, all };

/// How the accounts that may serve a call are ordered.
enum class RoutingOrder : std::uint8_t {
    ordered,    ///< by rank, then as written
    regions,    ///< by region, in the order learned from latency and failures, then as ordered
    latency,    ///< measured time to first byte x calls under way
    weight,     ///< at random, in proportion to the weights
    price,      ///< the cheapest for this call first
    remaining,  ///< the largest unused share of its limit first
};

/// Models to try, in this order, when none of a model's accounts can serve a call.
struct ModelFallback {
    std::string model;
    std::vector<std::string> instead;
};

struct RoutingOptions {
    RoutingOrder order = RoutingOrder::ordered;
    RouteScan scan = RouteScan::full;
    /// How long a call may wait in all for limits and between tries; then it is refused.
    std::int64_t wait_max_ms = 30'000;
    std::int64_t waiting_max = 10'000;  ///< calls that wait for one account

    RetryOptions retry;                 ///< attempts_max is GatewayOptions'
    bool retries_same_upstream = true;  ///< an account that failed may be asked again, later
    /// Extra tries as a share of calls, and how many even an idle gate has; of each loop.
    double retry_budget_share = 0.2, retry_budget_per_second = 10, retry_budget_max = 100;

    bool has_breaker = true;
    BreakerOptions breaker;
    bool has_ejection = true;
    OutlierOptions ejection;
    bool has_health_checks = false;
    HealthOptions health;
    std::string health_path = "/models";  ///< after the base URL's path
    HedgeOptions hedge;
    double hedge_budget_share = 0.05;

    std::vector<RegionPrior> regions;  ///< for RoutingOrder::regions
    std::vector<ModelFallback> fallbacks;
};

struct GatewayOptions {
    std::vector<UpstreamOptions> upstreams;
    std::size_t json_body_bytes = 64U
                                  << 20;  ///< largest JSON body that is read before it is forwarded
    std::int64_t connect_timeout_ms = 5'000;
    std::int64_t first_byte_timeout_ms = 600'000;  ///< reasoning models are silent for minutes
    std::int64_t stream_idle_timeout_ms = 600'000;
    std::int64_t upload_timeout_ms =
        60'000;  ///< while the upstream does not take more of a request body
    /// How long an upstream is read on after its client has left, to learn the exact usage.
    std::int64_t drain_after_disconnect_ms = 2'000;
    int attempts_max = 3;
    RoutingOptions routing;
    std::size_t idle_connections_per_upstream = 1024;
    /// Waiting for a limit, where neither the request nor the limits say otherwise.
    std::int64_t queue_max_wait_ms = 30'000;
    RequestLog request_log = RequestLog::errors;
    bool shows_cost_header = true;
};

}  // namespace tg
