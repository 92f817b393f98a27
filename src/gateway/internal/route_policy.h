#pragma once
#include <string>

#include "gateway/internal/call.h"
#include "gateway/route_choice.h"

namespace tg {

/// What the call's data policy and the configuration demand of a deployment. The one place where
/// either becomes a RoutePolicy; failover, fallback models and hedging all choose by it.
RoutePolicy route_policy(const Call& call);

/// Does only the account that holds what the call speaks of know it (files, batches, fine-tuning
/// jobs, stored answers)? Such a call goes to the first account that the policy allows, always.
bool is_bound_to_account(const Call& call);

/// What a provider counts for the call when it arrives; see PacerCost for the sources.
PacerCost pacer_cost(const Call& call, std::string_view provider, std::int64_t input_tokens,
                     std::int64_t mean_output_tokens);

/// Why no deployment of `routes` is permitted, in words that name no account: for the client.
std::string explain_no_route(const Call& call, const RoutePolicy& policy,
                             const std::vector<Route>& routes);

}  // namespace tg
