#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "gateway/account_pacer.h"

namespace tg {

/// What a policy decides on: facts of a deployment that no traffic changes.
struct DeploymentTraits {
    std::string name;  ///< stable; in refusals and logs
    std::string provider = {};
    std::string region = {};  ///< empty: not stated, which no residency policy accepts
    std::string pool = {};    ///< empty: shared; else only requests of that dedicated pool go there
    bool is_zero_retention_covered = false;
};

enum class RouteOrder : std::uint8_t {
    ordered,    ///< by rank: configured, or learned by RegionOrder
    latency,    ///< by peak-EWMA time to first byte x calls under way
    weight,     ///< at random, in proportion to the weights
    price,      ///< the cheapest first
    remaining,  ///< the account with the largest unused share of its limit first
};
std::string_view name(RouteOrder order);

/// full: the best of all. two_choices: the better of two at random, so that many loops that see the
/// same figures do not all choose the same one (Mitzenmacher 2001, "The power of two choices").
enum class RouteScan : std::uint8_t { full, two_choices };

struct RoutePolicy {
    /// Data residency: nullopt: anywhere; a list, also an empty one: nowhere else, ever.
    std::optional<std::vector<std::string>> regions = {};
    std::optional<std::vector<std::string>> providers = {};
    bool requires_zero_retention = false;
    std::string pool = {};  ///< dedicated pool; empty: the shared one
    RouteOrder order = RouteOrder::ordered;
    RouteScan scan = RouteScan::full;
    std::int64_t wait_max_ns = 0;  ///< how long a candidate's limit may be waited for
};

/// Why a deployment is not a candidate. The first four are the policy's and final for the request;
/// the others pass.
enum class LeftOut : std::uint8_t {
    none,
    region,
    zero_retention,
    pool,
    provider,
    already_tried,
    too_large,
    breaker_open,
    limit,
    exhausted
};
std::string_view name(LeftOut reason);

/// The only place where a policy is applied. Failover, hedging and probes that carry a request all
/// choose through choose_route(), which asks this first, so none of them can leave a region.
LeftOut permits(const RoutePolicy& policy, const DeploymentTraits& traits);

/// A deployment that serves the model, as it stands now.
struct RouteOption {
    const DeploymentTraits* traits = nullptr;
    std::uint32_t index = 0;  ///< the caller's number for it
    std::uint32_t rank = 0;
    double weight = 1;                     ///< 0: only when the others are not available
    std::int64_t price_nano_per_mtok = 0;  ///< of the request's usual mix
    double load_ns = 0;                    ///< LatencyEstimate::load_ns()
    double remaining_share = 1;            ///< of the tightest limit
    PacerStart start;                      ///< AccountPacer::earliest_start() for this request
    bool breaker_allows = true;
    std::int64_t breaker_until_ns = 0;
    bool is_ejected = false, is_unhealthy = false;
    bool was_tried = false;  ///< by this request, and it failed there
};

struct RouteCandidate {
    std::uint32_t option = 0;  ///< position in the options given
    std::int64_t start_ns = 0;
    bool is_last_resort = false;  ///< ejected or unhealthy: better than a refusal, after all others
};
struct RouteRefusal {
    std::uint32_t option = 0;
    LeftOut reason = LeftOut::none;
    std::int64_t until_ns = 0;  ///< when this reason should have passed; 0: not by waiting
};

/// In order of preference, and what was left out. Reused from request to request: it allocates only
/// while it grows.
struct RouteChoice {
    std::vector<RouteCandidate> candidates;
    std::vector<RouteRefusal> left_out;
    /// When there is no candidate: the soonest that one may be, for Retry-After; kNeverNs: never.
    std::int64_t soonest_ns = kNeverNs;

    std::vector<double> keys;  ///< scratch
};

/// Filters by policy, breaker and limit, then orders: what can start now, then what has to wait for
/// its limit by when it may start, each by the policy's order; then last resorts. Pure; `rng` is
/// used for weight and two_choices only.
void choose_route(std::int64_t now_ns, const RoutePolicy& policy,
                  std::span<const RouteOption> options, Rng* rng, RouteChoice* out);

/// "eu-1: region not allowed; us-2: limit reached, free in 3 s": for a refusal's text and logs.
/// Names deployments: for operators, not for clients.
std::string describe_left_out(std::int64_t now_ns, const RouteChoice& choice,
                              std::span<const RouteOption> options);

}  // namespace tg
