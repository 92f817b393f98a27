#include <algorithm>

#include "gateway/gateway.h"
#include "gateway/internal/call.h"
#include "gateway/internal/request_policy.h"
#include "gateway/internal/route_policy.h"
#include "providers/zero_retention.h"

namespace tg {
namespace {

/// Points the call at a policy of its own, which `change` may narrow.
template <typename Change>
Status narrow_call(Call* call, const Change& change) {
    DataPolicy narrowed = *call->data_policy;
    TG_TRY(const bool has_changed, change(&narrowed));
    if (!has_changed) return {};
    call->narrowed_policy = std::move(narrowed);
    call->data_policy = &call->narrowed_policy;
    return {};
}

/// What a request's body says of people is content until it is known to be none.
void forget_people(Call* call) {
    RequestFacts& facts = call->facts;
    facts.metadata.clear();
    if (!call->data_policy->keeps_end_user && !is_department_user(facts.end_user))
        facts.end_user.clear();
}

}  // namespace

Task<bool> Gateway::admit_by_policy(Call* call) {
    const HttpHead& head = call->exchange->request();
    Status status =
        narrow_call(call, [&](DataPolicy* policy) { return narrow_by_head(head, policy); });
    if (!status.ok()) {
        co_await refuse_by_policy(call, status.error());
        co_return false;
    }
    if (!call->is_zero_retention()) co_return true;
    const RetentionPath path = zero_retention_path(head.method(), call->upstream_path);
    if (!path.is_allowed()) {
        co_await refuse_by_policy(call, {ErrorCode::policy_refused, path.explanation});
        co_return false;
    }
    if (path.body == RetentionBody::opaque) co_return true;
    const std::string_view coding = head.find("content-encoding");
    const bool is_plain = coding.empty() || equals_ignoring_case(coding, "identity");
    if (is_plain && head.find("content-type").starts_with("application/json")) co_return true;
    // The inspected calls take any content type, for what they read is JSON or refused.
    if (is_plain && call->kind != OpenAiCall::other_json) co_return true;
    co_await refuse_by_policy(
        call, {ErrorCode::policy_refused,
               "zero data retention: the body of /v1" + std::string(call->upstream_path) +
                   " must be plain JSON (content-type: application/json, no content-encoding), for "
                   "only then the gate can see what it asks the provider to keep"});
    co_return false;
}

Task<bool> Gateway::admit_body(Call* call) {
    if (!call->facts.deployment_type.empty()) {
        Status status = narrow_call(call, [&](DataPolicy* policy) {
            return narrow_by_deployment_type(call->facts.deployment_type, "'deployment_type'",
                                             policy);
        });
        if (!status.ok()) {
            co_await refuse_by_policy(call, status.error(), "deployment_type");
            co_return false;
        }
    }
    if (!call->is_zero_retention()) co_return true;
    forget_people(call);
    if (!call->facts.model.empty() && !is_plain_model_name(call->facts.model)) {
        call->facts.model.clear();
        co_await refuse_by_policy(
            call,
            {ErrorCode::policy_refused,
             "zero data retention: 'model' is no name (up to 128 letters, digits and . _ - : / @ "
             "+); "
             "it would stand in the records of usage, where content must not be"},
            "model");
        co_return false;
    }
    Result<RetentionVerdict> verdict =
        zero_retention_body(call->upstream_path, call->body,
                            {.allows_web_search = call->data_policy->allows_web_search});
    if (!verdict.ok()) {
        co_await refuse_by_policy(call, verdict.error());
        co_return false;
    }
    if (!verdict->is_allowed()) {
        co_await refuse_by_policy(call, {ErrorCode::policy_refused, verdict->explanation},
                                  verdict->param);
        co_return false;
    }
    for (MemberEdit& edit : verdict->edits) call->facts.policy_edits.push_back(std::move(edit));
    co_return true;
}

Task<bool> Gateway::permit_routes(Call* call) {
    call->own_headers.append(policy_header(*call->data_policy));
    const RoutePolicy policy = route_policy(*call);
    const auto is_permitted = [&](const Route& route) {
        return permits(policy, route.deployment->traits) == LeftOut::none;
    };
    if (std::ranges::all_of(*call->routes, is_permitted)) co_return true;
    const std::vector<Route>& all = *call->routes;
    for (const Route& route : all) {
        if (is_permitted(route)) call->permitted_routes.push_back(route);
    }
    if (call->permitted_routes.empty() && call->facts.model.empty()) {
        // A call without a model is served by any account that speaks its dialect.
        for (const auto& deployment : call->snapshot->routes->deployments()) {
            Route route{deployment.get(), ""};
            if (is_permitted(route)) call->permitted_routes.push_back(std::move(route));
        }
    }
    call->routes = &call->permitted_routes;
    if (!call->permitted_routes.empty()) co_return true;
    co_await refuse_by_policy(call,
                              {ErrorCode::policy_refused, explain_no_route(*call, policy, all)},
                              call->facts.model.empty() ? "" : "model");
    co_return false;
}

Task<void> Gateway::refuse_by_policy(Call* call, Error error, std::string_view param) {
    shared_->metrics->refused_policy->add();
    record_refusal(call);
    const std::string named(param);
    co_await refuse(call, std::move(error), {}, named);
}

/// The refusal stands in the journal, so that it can be counted later: a reservation that is
/// abandoned at once. Nothing was sent, and nothing is charged.
void Gateway::record_refusal(Call* call) {
    if (shared_->journal == nullptr || call->has_reservation) return;
    ReservedRecord record;
    record.id = call->id;
    record.payer = {call->caller.customer->id, call->caller.project->id, call->caller.key->id};
    record.started_at = call->started_at;
    record.endpoint = call->endpoint;
    record.flags = static_cast<std::uint16_t>(policy_flags(*call) | kEventPolicyRefused);
    record.price_version = call->snapshot->catalogue->version();
    record.model = loggable_model(*call);
    const Result<Reservation> reservation = shared_->journal->reserve(record);
    // A journal that takes nothing refuses every call anyway, and says so elsewhere.
    if (reservation.ok()) (void)shared_->journal->abandon(*reservation, shared_->clock->now());
}

}  // namespace tg
