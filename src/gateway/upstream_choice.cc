#include <algorithm>
#include <limits>

#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/internal/call.h"
#include "gateway/internal/route_policy.h"
#include "rating/rate.h"

namespace tg {
namespace {

/// What the provider calls the model, by which its limits are known.
std::string_view model_at(const Call& call, const Route& route) {
    return route.upstream_model.empty() ? std::string_view(call.facts.model)
                                        : std::string_view(route.upstream_model);
}

bool is_policy(LeftOut reason) {
    return reason == LeftOut::region || reason == LeftOut::zero_retention ||
           reason == LeftOut::pool || reason == LeftOut::provider;
}

/// What the policy demands, for whoever is refused by it.
std::string describe_policy(const RoutePolicy& policy) {
    std::string out;
    const auto add = [&out](std::string_view text) {
        out.append(out.empty() ? "" : ", ").append(text);
    };
    if (policy.requires_zero_retention) add("zero data retention");
    if (policy.regions) {
        std::string regions = policy.regions->empty() ? "no region at all" : "only the regions ";
        for (const std::string& region : *policy.regions)
            regions.append(&region == &policy.regions->front() ? "" : " ").append(region);
        add(regions);
    }
    if (!policy.pool.empty()) add("the dedicated pool '" + policy.pool + "'");
    return out.empty() ? "the shared pool" : out;
}

std::string in_seconds(std::int64_t wait_ns) {
    return std::to_string(std::max<std::int64_t>((wait_ns + 999'999'999) / 1'000'000'000, 1)) +
           " s";
}

}  // namespace

PacerCost Gateway::cost_of(const Call& call, const Deployment& deployment) const {
    const auto input = static_cast<std::int64_t>(call.body.size()) * tokens_per_kib_ / 1024 + 1;
    return pacer_cost(call, deployment.options.provider, input, mean_output_tokens_);
}

/// The first deployment with a price decides; one without would make usage that nobody pays for.
Status Gateway::find_first_price(Call* call) const {
    Status first;
    for (const Route& route : *call->routes) {
        Result<Catalogue::Found> found = call->snapshot->catalogue->find(
            call->facts.model, route.deployment->options.provider, call->started_at);
        if (found.ok()) {
            call->price = *found;
            call->price_provider = route.deployment->options.provider;
            return {};
        }
        if (first.ok()) first = fail(std::move(found).error());
    }
    return first;
}

bool Gateway::has_price(const Call& call, const Deployment& deployment) const {
    // Where the model is not known before the answer, nothing can be said.
    if (shared_->journal == nullptr || call.price.price == nullptr) return true;
    return call.snapshot->catalogue
        ->find(call.facts.model, deployment.options.provider, call.started_at)
        .ok();
}

/// Of the call as it is expected to be, in nano-units, for comparing deployments.
std::int64_t Gateway::price_of_call(const Call& call, const Deployment& deployment) const {
    // For the order alone; never for an amount of money.
    constexpr int128 kCnyPerUsd = 7;
    constexpr std::int64_t kNoPrice = std::numeric_limits<std::int64_t>::max();
    const UpstreamOptions& options = deployment.options;
    const auto found =
        call.snapshot->catalogue->find(call.facts.model, options.provider, call.started_at);
    if (!found.ok()) return kNoPrice;
    const PacerCost cost = cost_of(call, deployment);
    Usage usage;
    usage[Meter::input] = cost.input_tokens;
    usage[Meter::output] = cost.output_tokens;
    const auto rated = rate(usage, *found->price, call.tier(), options.region);
    if (!rated.ok()) return kNoPrice;
    int128 nano = rated->total.value / kFemtoPerNano;
    if (rated->currency == Currency::cny) nano /= kCnyPerUsd;
    return static_cast<std::int64_t>(std::min<int128>(nano, kNoPrice));
}

/// Fills choice_ with what can serve the call now or soon enough.
void Gateway::choose(Call* call, UpstreamSearch* search) {
    const std::int64_t now = loop_->now_ns();
    const std::vector<Route>& routes = *call->routes;
    const bool is_by_price = search->policy.order == RouteOrder::price;
    const bool has_providers = std::ranges::any_of(routes, [&](const Route& route) {
        return route.deployment->options.provider != routes.front().deployment->options.provider;
    });
    options_.clear();
    search->policy.wait_max_ns = std::max<std::int64_t>(search->wait_until_ns - now, 0);
    for (std::uint32_t i = 0; i < routes.size(); ++i) {
        const Deployment& deployment = *routes[i].deployment;
        if (has_providers && !has_price(*call, deployment)) continue;
        if (search->is_bound && !options_.empty()) break;
        if (search->home && deployment.home_tag != *search->home) continue;
        if (std::ranges::find(search->missing_at, i) != search->missing_at.end()) continue;
        RouteOption& option = options_.emplace_back();
        option.index = i;
        call->snapshot->upstreams->describe(now, deployment, model_at(*call, routes[i]),
                                            cost_of(*call, deployment), &option);
        option.was_tried = std::ranges::find(search->tried, i) != search->tried.end();
        if (is_by_price) option.price_nano_per_mtok = price_of_call(*call, deployment);
        // A call that is bound to an account is so to the first that the policy allows.
        if (search->is_bound && permits(search->policy, deployment.traits) != LeftOut::none)
            options_.pop_back();
    }
    choose_route(now, search->policy, options_, &rng_, &choice_);
}

/// The account does not keep what the call speaks of: is there another that may? Which answers that
/// it does not has done nothing, so nothing is paid for twice.
bool Gateway::look_elsewhere(Call* call, UpstreamSearch* search, const UpstreamTry& attempt) {
    if (call->object == 0 || call->is_client_gone || loop_->is_stopping()) return false;
    search->missing_at.push_back(static_cast<std::uint32_t>(attempt.route - call->routes->data()));
    search->home.reset();
    choose(call, search);
    return !choice_.candidates.empty();
}

/// Is there another model to turn to? Whether it has a price is asked when it comes to it.
bool Gateway::has_fallback(const Call& call, const UpstreamSearch& search) const {
    if (call.facts.model.empty() || !call.is_inspected) return false;
    const std::string& asked = call.asked_model.empty() ? call.facts.model : call.asked_model;
    const auto& fallbacks = call.snapshot->options->routing.fallbacks;
    const auto found = std::ranges::find(fallbacks, asked, &ModelFallback::model);
    return found != fallbacks.end() && search.next_fallback < found->instead.size();
}

/// Turns to the next model that is configured to stand in; false when there is none.
bool Gateway::fall_back(Call* call, UpstreamSearch* search) {
    if (call->facts.model.empty() || search->is_bound || !call->is_inspected) return false;
    const std::string& asked = call->asked_model.empty() ? call->facts.model : call->asked_model;
    const auto& fallbacks = call->snapshot->options->routing.fallbacks;
    const auto found = std::ranges::find(fallbacks, asked, &ModelFallback::model);
    if (found == fallbacks.end()) return false;
    for (; search->next_fallback < found->instead.size(); ++search->next_fallback) {
        const std::string& model = found->instead[search->next_fallback];
        const std::vector<Route>& routes = call->snapshot->routes->find(model);
        const bool is_permitted = std::ranges::any_of(routes, [&](const Route& route) {
            return permits(search->policy, route.deployment->traits) == LeftOut::none;
        });
        if (!is_permitted) continue;
        const std::string before = std::exchange(call->facts.model, model);
        const auto routes_before = std::exchange(call->routes, &routes);
        const Catalogue::Found price_before = std::exchange(call->price, {});
        if (shared_->journal != nullptr && !find_first_price(call).ok()) {
            call->facts.model = before;
            call->routes = routes_before;
            call->price = price_before;
            continue;
        }
        if (call->asked_model.empty()) call->asked_model = before;
        ++search->next_fallback;
        search->tried.clear();
        search->missing_at.clear();
        shared_->metrics->fallbacks->add();
        log_warn("model_fallback",
                 {{"id", call->id.text()}, {"asked", call->asked_model}, {"model", model}});
        return true;
    }
    return false;
}

/// Why nobody can serve the call. Deployments are named in the log, not to the client.
Error Gateway::refusal(Call* call, UpstreamSearch* search) {
    const std::int64_t now = loop_->now_ns();
    search->is_refusal = true;
    bool has_limit = false, has_failing = false, has_large = false, has_other = false;
    for (const RouteRefusal& refusal : choice_.left_out) {
        has_limit =
            has_limit || refusal.reason == LeftOut::limit || refusal.reason == LeftOut::exhausted;
        has_failing = has_failing || refusal.reason == LeftOut::breaker_open;
        has_large = has_large || refusal.reason == LeftOut::too_large;
        has_other = has_other || !is_policy(refusal.reason);
    }
    log_warn("upstream_refused", {{"id", call->id.text()},
                                  {"model", call->facts.model},
                                  {"reasons", describe_left_out(now, choice_, options_)}});
    const std::string who = call->facts.model.empty()
                                ? "no upstream account"
                                : "no upstream account for the model '" + call->facts.model + "'";
    if (!has_other) {
        shared_->metrics->refused_policy->add();
        return {ErrorCode::policy_refused, who + " is allowed by this project's data policy (" +
                                               describe_policy(search->policy) +
                                               "); ask whoever runs the gateway"};
    }
    std::int64_t soonest = choice_.soonest_ns;
    if (search->limited_until_ns > 0) {
        has_limit = true;
        soonest = std::min(soonest, search->limited_until_ns);
    }
    const bool has_time = soonest != kNeverNs && soonest > now;
    if (has_time) call->retry_after_us = (soonest - now + 999) / 1000;
    const std::string when =
        has_time ? "; try again in " + in_seconds(soonest - now) : "; try again later";
    if (has_limit) {
        shared_->metrics->refused_limit->add();
        return {ErrorCode::upstream_limited,
                who + " has room in its limits for this call within the time it may wait" + when};
    }
    if (has_failing) {
        shared_->metrics->refused_failing->add();
        return {ErrorCode::upstream_unavailable, who + " works at present" + when};
    }
    if (has_large) {
        shared_->metrics->refused_limit->add();
        call->retry_after_us = 0;
        return {ErrorCode::request_too_large,
                "the request counts more tokens than the limit per minute of any upstream account "
                "for the model '" +
                    call->facts.model + "'; shorten the prompt or lower its max_tokens"};
    }
    return {ErrorCode::upstream_unreachable, "no upstream answered"};
}

/// The limit of attempt's deployment was waited for in vain.
void Gateway::note_limited(Call* call, UpstreamSearch* search, const UpstreamTry& attempt) {
    RouteOption option;
    const std::int64_t now = loop_->now_ns();
    attempt.state->describe(now, model_at(*call, *attempt.route),
                            cost_of(*call, attempt.deployment()), &option);
    const std::int64_t until = std::max(option.start.at_ns, now + 1'000'000);
    search->limited_until_ns =
        search->limited_until_ns == 0 ? until : std::min(search->limited_until_ns, until);
}

Task<Status> Gateway::begin_try(Call* call, UpstreamSearch* search, UpstreamTry* attempt) {
    for (;;) {
        const std::vector<Route>& routes = *call->routes;
        std::uint32_t position = 0;
        // One account, and most calls: nothing to choose.
        const bool is_single =
            routes.size() == 1 && search->tried.empty() &&
            permits(search->policy, routes[0].deployment->traits) == LeftOut::none;
        if (!is_single) {
            choose(call, search);
            if (choice_.candidates.empty()) {
                const bool is_passing = std::ranges::any_of(
                    choice_.left_out, [](const RouteRefusal& r) { return !is_policy(r.reason); });
                if (is_passing && fall_back(call, search)) continue;
                co_return fail(refusal(call, search));
            }
            position = options_[choice_.candidates.front().option].index;
        }
        const Route& route = routes[position];
        attempt->aim(&route, &call->snapshot->upstreams->state(route.deployment->index));
        const BeginAnswer begun =
            attempt->state->begin(loop_->now_ns(), model_at(*call, route),
                                  cost_of(*call, *route.deployment), nullptr, &attempt->ticket);
        if (begun.result == BeginResult::begun) co_return Status{};
        if (begun.result == BeginResult::wait) {
            // A limit of the only account that cannot be waited for is choose_route()'s to refuse.
            const bool is_in_time = begun.start.bound == PacerBound::none ||
                                    begun.start.bound == PacerBound::concurrency ||
                                    begun.start.at_ns <= search->wait_until_ns;
            if (is_in_time) {
                const BeginResult waited = co_await wait_for_limit(call, search, attempt);
                if (waited == BeginResult::begun) co_return Status{};
                if (call->is_client_gone || loop_->is_stopping())
                    co_return fail(ErrorCode::cancelled, "the client left while it waited");
                note_limited(call, search, *attempt);
                search->tried.push_back(position);
                continue;
            }
        }
        if (!is_single) continue;
        choose(call, search);
        if (!choice_.candidates.empty()) continue;
        if (fall_back(call, search)) continue;
        co_return fail(refusal(call, search));
    }
}

/// Without a wait: what hedges is not worth one.
bool Gateway::begin_now(const Call& call, UpstreamTry* attempt) {
    return attempt->state
               ->begin(loop_->now_ns(), model_at(call, *attempt->route),
                       cost_of(call, attempt->deployment()), nullptr, &attempt->ticket)
               .result == BeginResult::begun;
}

/// In line for the limit of attempt's deployment until the call has it, or cannot have it in time.
Task<BeginResult> Gateway::wait_for_limit(Call* call, const UpstreamSearch* search,
                                          UpstreamTry* attempt) {
    const std::int64_t began_ns = loop_->now_ns();
    const std::string_view model = model_at(*call, *attempt->route);
    const PacerCost cost = cost_of(*call, attempt->deployment());
    LoopLimitWaiter waiter(loop_, cost);
    if (!attempt->state->join_line(model, &waiter)) co_return BeginResult::wait;
    call->wait = &waiter.sleep();
    if (call->is_inspected) call->exchange->set_peer_gone_listener(call);
    BeginAnswer answer{BeginResult::wait, {}};
    while (!call->is_client_gone && !loop_->is_stopping()) {
        const std::int64_t now = loop_->now_ns();
        answer = attempt->state->begin(now, model, cost, &waiter, &attempt->ticket);
        if (answer.result != BeginResult::wait || now >= search->wait_until_ns) break;
        const bool is_known =
            answer.start.bound != PacerBound::none && answer.start.bound != PacerBound::concurrency;
        if (is_known && answer.start.at_ns > search->wait_until_ns) break;
        co_await waiter.sleep().until(std::min(answer.start.at_ns, search->wait_until_ns));
    }
    call->wait = nullptr;
    attempt->state->leave_line(&waiter);
    shared_->metrics->limit_wait->observe_us((loop_->now_ns() - began_ns) / 1000);
    co_return answer.result;
}

}  // namespace tg
