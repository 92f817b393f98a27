#include <algorithm>

#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/internal/call.h"
#include "gateway/internal/route_policy.h"

namespace tg {
namespace {

/// May the request be sent again? A body that went by cannot, none at all can.
bool can_repeat_body(const Call& call) {
    const HttpHead& head = call.exchange->request();
    return call.is_inspected || (!head.is_chunked() && head.content_length().value_or(0) == 0);
}

AttemptEnd end_of(const Call& call, const UpstreamTry& attempt, const Status& status) {
    AttemptEnd end;
    // To who decides, credentials that are refused are an account that does not work.
    end.status = attempt.status == 401 ? 503 : attempt.status;
    if (!status.ok()) end.error = status.error().code;
    end.has_reached_upstream = attempt.has_reached_upstream;
    end.can_repeat_body = can_repeat_body(call);
    end.retry_after_ns = attempt.answer.report.retry_after_ns;
    end.should_retry = attempt.answer.report.should_retry;
    end.can_heal = attempt.answer.can_heal;
    return end;
}

/// Of the deployments that may serve the call; what has left the configuration keeps nothing.
std::optional<std::uint16_t> find_home(const Call& call, const ObjectHomes& homes) {
    std::optional<std::uint16_t> home = homes.find(call.object);
    const bool is_there = home && std::ranges::any_of(*call.routes, [&](const Route& route) {
                              return route.deployment->home_tag == *home;
                          });
    if (!is_there) home.reset();
    return home;
}

}  // namespace

/// What the account that answered keeps: what the call spoke of, and the response it stored.
void Gateway::note_homes(const Call& call) {
    if (call.upstream_status >= 300 || call.is_zero_retention()) return;
    const std::uint16_t home = call.deployment->home_tag;
    if (call.object != 0) shared_->object_homes.note(call.object, home);
    if (call.reply.object != 0 && call.facts.store.value_or(true))
        shared_->object_homes.note(call.reply.object, home);
}

/// May another deployment (or the same, later) do better? 408 and 409 speak of the request, and
/// clients repeat them by themselves.
bool Gateway::is_worth_another_try(const UpstreamTry& attempt) {
    if (attempt.answer.report.should_retry.value_or(false)) return true;
    switch (attempt.status) {
        case 401:  // this account's credentials, never the client's: another one may be better
        case 429:
        case 500:
        case 502:
        case 503:
        case 504:
        case 529:
            return true;
        default:
            return false;
    }
}

/// The price belongs to the provider that served the call, which need not be the one asked first.
void Gateway::find_price_of_deployment(Call* call) const {
    const std::string& provider = call->deployment->options.provider;
    if (call->price.price == nullptr || call->price_provider == provider) return;
    const Result<Catalogue::Found> found =
        call->snapshot->catalogue->find(call->facts.model, provider, call->started_at);
    call->price_provider = provider;
    call->price = found.ok() ? *found : Catalogue::Found{};
}

Task<bool> Gateway::reach_upstream(Call* call) {
    const RoutingOptions& routing = call->snapshot->options->routing;
    UpstreamSearch search;
    search.policy = route_policy(*call);
    search.is_bound = is_bound_to_account(*call);
    if (call->object != 0) search.home = find_home(*call, shared_->object_homes);
    search.wait_until_ns = loop_->now_ns() + routing.wait_max_ms * 1'000'000;
    retry_budget_.on_request(loop_->now_ns());
    hedge_budget_.on_request(loop_->now_ns());
    for (;;) {
        UpstreamTry attempt;
        if (Status begun = co_await begin_try(call, &search, &attempt); !begun.ok()) {
            co_await give_up(call, &search, std::move(begun).error());
            co_return false;
        }
        if (call->attempts > 0) shared_->metrics->upstream_retries->add();
        call->deployment = attempt.route->deployment;
        ++call->attempts;
        Status status;
        if (may_hedge(*call, search)) {
            status = co_await run_hedged(call, &search, &attempt);
        } else {
            call->trying = &attempt;
            status = co_await run_try(call, &attempt);
            call->trying = nullptr;
        }
        call->has_reached_upstream = call->has_reached_upstream || attempt.has_reached_upstream;
        const bool is_answer =
            status.ok() && (call->is_client_gone || !is_worth_another_try(attempt));
        if (status.ok() && attempt.is_object_missing && can_repeat_body(*call) &&
            look_elsewhere(call, &search, attempt)) {
            drop_try(*call->snapshot, &attempt);
            continue;
        }
        RetryDecision next{NoRetry::not_retryable, 0};
        if (!is_answer) next = decide_next(call, &search, attempt, status);
        if (status.ok() && !next.is_retry()) {
            find_price_of_deployment(call);
            accept_try(call, &attempt);
            co_return true;
        }
        if (!status.ok() && !call->is_client_gone && status.error().code != ErrorCode::cancelled) {
            shared_->metrics->upstream_failures->add();
        }
        if (!next.is_retry()) {
            co_await give_up(call, &search, status.error());
            co_return false;
        }
        log_warn(status.ok() ? "upstream_failover" : "upstream_failed",
                 {{"id", call->id.text()},
                  {"deployment", attempt.deployment().options.name},
                  {"status", attempt.status},
                  {"error", status.ok() ? std::string_view() : name(status.error().code)},
                  {"detail", status.ok() ? std::string_view() : status.error().detail}});
        drop_try(*call->snapshot, &attempt);
        co_await wait_to_retry(call, next.at_ns);
    }
}

/// Whether another try may follow, and marks what failed for the choice of where.
RetryDecision Gateway::decide_next(Call* call, UpstreamSearch* search, const UpstreamTry& attempt,
                                   const Status& status) {
    const GatewayOptions& options = *call->snapshot->options;
    const std::int64_t now = loop_->now_ns();
    const RetryDecision no{NoRetry::not_retryable, 0};
    // Nobody waits for a better answer when the client has left.
    if (call->is_client_gone || loop_->is_stopping()) return no;
    // After a time-out the provider may still be working and billing; asking again would pay twice.
    if (!status.ok() && status.error().code == ErrorCode::upstream_timeout &&
        attempt.has_reached_upstream) {
        return no;
    }
    const auto position = static_cast<std::uint32_t>(attempt.route - call->routes->data());
    search->tried.push_back(position);
    choose(call, search);
    const bool has_other =
        !choice_.candidates.empty() || (!search->is_bound && has_fallback(*call, *search));
    const bool can_repeat_here =
        options.routing.retries_same_upstream && !search->is_bound && attempt.status != 401;
    if (!has_other && !can_repeat_here) return no;
    RetryOptions retry = options.routing.retry;
    retry.attempts_max = options.attempts_max;
    // Going elsewhere costs no time; trying again here does, of what a call may wait in all.
    const std::int64_t deadline =
        std::max(search->wait_until_ns, has_other ? now : 0) + retry.attempt_min_ms * 1'000'000;
    const RetryDecision decision =
        decide_retry(now, retry, call->attempts, end_of(*call, attempt, status), has_other,
                     deadline, &retry_budget_, &rng_);
    // All have failed, and one of them is to be asked again.
    if (decision.is_retry() && !has_other) search->tried.clear();
    return decision;
}

Task<void> Gateway::wait_to_retry(Call* call, std::int64_t at_ns) {
    if (at_ns <= loop_->now_ns()) co_return;
    WakeableSleep sleep(loop_);
    call->wait = &sleep;
    while (!call->is_client_gone && !loop_->is_stopping() && loop_->now_ns() < at_ns)
        co_await sleep.until(at_ns);
    call->wait = nullptr;
}

/// No deployment gave an answer: settles or abandons the call, and tells the client.
Task<void> Gateway::give_up(Call* call, const UpstreamSearch* search, Error last) {
    call->upstream_status = 0;
    const bool is_clients_fault =
        last.code == ErrorCode::request_timeout || last.code == ErrorCode::invalid_request;
    if (call->is_client_gone || is_clients_fault) {
        call->outcome = Outcome::client_gone;
    } else if (last.code == ErrorCode::upstream_broken) {
        call->outcome = Outcome::upstream_broken;
    } else {
        call->outcome = Outcome::unreachable;
    }
    if (call->has_reached_upstream) {
        // The provider took the request; what it made of it is unknown, and so is what it bills.
        co_await settle(call);
    } else {
        abandon(call);
    }
    co_await refuse_upstream(call, search, std::move(last));
}

Task<void> Gateway::refuse_upstream(Call* call, const UpstreamSearch* search, Error last) {
    if (call->is_client_gone || last.code == ErrorCode::cancelled) {
        call->answered_status = 499;
        call->exchange->abort();
        co_return;
    }
    const bool is_own = last.code == ErrorCode::request_timeout ||
                        last.code == ErrorCode::invalid_request || last.code == ErrorCode::io_error;
    if (!search->is_refusal && !is_own) {
        last.detail = "upstream '" +
                      std::string(call->deployment != nullptr ? call->deployment->options.name
                                                              : std::string()) +
                      "': " + last.detail;
    }
    co_await refuse(call, std::move(last));
}

}  // namespace tg
