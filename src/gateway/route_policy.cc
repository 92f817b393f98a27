#include "gateway/internal/route_policy.h"

#include <algorithm>

namespace tg {
namespace {

RouteOrder route_order(RoutingOrder order) {
    switch (order) {
        case RoutingOrder::ordered:
        case RoutingOrder::regions:
            return RouteOrder::ordered;
        case RoutingOrder::latency:
            return RouteOrder::latency;
        case RoutingOrder::weight:
            return RouteOrder::weight;
        case RoutingOrder::price:
            return RouteOrder::price;
        case RoutingOrder::remaining:
            return RouteOrder::remaining;
    }
    return RouteOrder::ordered;
}

std::string_view reason_of(LeftOut reason, const RoutePolicy& policy) {
    switch (reason) {
        case LeftOut::region:
            return "none is known to be in an allowed region";
        case LeftOut::zero_retention:
            return "none is covered by a zero-retention agreement";
        case LeftOut::pool:
            return policy.pool.empty() ? "all belong to dedicated pools"
                                       : "none belongs to the project's dedicated pool";
        default:
            return "none is allowed";
    }
}

}  // namespace

RoutePolicy route_policy(const Call& call) {
    const RoutingOptions& routing = call.snapshot->options->routing;
    RoutePolicy policy;
    policy.order = is_bound_to_account(call) ? RouteOrder::ordered : route_order(routing.order);
    policy.scan = routing.scan;
    policy.wait_max_ns = routing.wait_max_ms * 1'000'000;
    if (call.data_policy == nullptr) return policy;
    policy.requires_zero_retention = call.data_policy->is_zero_retention;
    policy.regions = call.data_policy->regions;
    policy.pool = call.data_policy->pool;
    return policy;
}

bool is_bound_to_account(const Call& call) {
    switch (call.endpoint) {
        case Endpoint::files:
        case Endpoint::batches:
        case Endpoint::fine_tuning:
        case Endpoint::other:
            return true;
        default:
            return !call.is_post;
    }
}

PacerCost pacer_cost(const Call& call, std::string_view provider, std::int64_t input_tokens,
                     std::int64_t mean_output_tokens) {
    PacerCost cost;
    if (!call.is_inspected || call.facts.model.empty()) return cost;
    const std::int64_t choices = std::max<std::int64_t>(call.facts.choices, 1);
    const bool has_output =
        call.kind != OpenAiCall::embeddings && call.kind != OpenAiCall::other_json;
    const std::int64_t stated = has_output ? call.facts.max_output_tokens.value_or(0) : 0;
    const std::int64_t expected = stated > 0 ? stated : has_output ? mean_output_tokens : 0;
    cost.input_tokens = input_tokens;
    cost.output_tokens = expected * choices;
    if (provider == "anthropic") return cost;
    cost.total_tokens =
        provider == "azure" ? input_tokens + expected * choices : std::max(input_tokens, stated);
    return cost;
}

std::string explain_no_route(const Call& call, const RoutePolicy& policy,
                             const std::vector<Route>& routes) {
    const bool is_narrowed = call.data_policy == &call.narrowed_policy;
    std::string out = is_narrowed ? "this request's data policy (" : "the project's data policy (";
    out.append(describe(*call.data_policy)).append(") leaves no account ");
    if (call.facts.model.empty()) {
        out.append("for this call");
    } else {
        out.append("for the model '").append(call.facts.model).append("'");
    }
    // Each reason once, in the order in which permits() asks.
    std::string reasons;
    for (const LeftOut reason : {LeftOut::region, LeftOut::zero_retention, LeftOut::pool}) {
        const bool applies = std::ranges::any_of(routes, [&](const Route& route) {
            return permits(policy, route.deployment->traits) == reason;
        });
        if (!applies) continue;
        reasons.append(reasons.empty() ? ": of the accounts that serve it, "
                                       : ", and of the rest ");
        reasons.append(reason_of(reason, policy));
    }
    return out.append(reasons).append(
        "; ask whoever runs this gateway for an account that is allowed, or use another model");
}

}  // namespace tg
