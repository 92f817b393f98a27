#include "gateway/gateway.h"
#include "gateway/internal/call.h"
#include "gateway/internal/request_policy.h"

namespace tg {

/// A call whose JSON body is read before it is forwarded: its model decides the price and the
/// route.
Task<void> Gateway::run_inspected(Call* call) {
    const GatewayOptions& options = *call->snapshot->options;
    if (const std::string_view coding = call->exchange->request().find("content-encoding");
        !coding.empty() && coding != "identity") {
        co_await refuse(call,
                        {ErrorCode::unsupported,
                         "content-encoding '" + std::string(coding.substr(0, 40)) +
                             "' is not supported on this endpoint; send the JSON uncompressed"});
        co_return;
    }
    Result<std::string_view> body =
        co_await call->exchange->read_full_body(options.json_body_bytes);
    if (!body.ok()) {
        if (body.error().code == ErrorCode::io_error || body.error().code == ErrorCode::cancelled) {
            call->answered_status = 499;
            call->exchange->abort();
            co_return;
        }
        co_await refuse(call, std::move(body).error());
        co_return;
    }
    call->body = *body;
    call->reservation_bytes = call->body.size();
    Result<RequestFacts> facts = inspect_request(call->kind, call->body);
    if (!facts.ok()) {
        co_await refuse(call, std::move(facts).error());
        co_return;
    }
    const std::string path_model = std::move(call->facts.model);
    call->facts = std::move(facts).value();
    if (call->facts.model.empty()) call->facts.model = path_model;
    call->is_inspected = true;
    call->object = call->facts.stored_object;
    if (call->facts.model.empty()) {
        co_await refuse(call, {ErrorCode::invalid_request, "you must provide a model parameter"},
                        {}, "model");
        co_return;
    }
    if (!co_await admit_body(call)) co_return;
    call->routes = &call->snapshot->routes->find(call->facts.model);
    if (call->routes->empty()) {
        shared_->metrics->refused_model->add();
        co_await refuse(
            call,
            {ErrorCode::model_unknown, "The model '" + call->facts.model +
                                           "' does not exist or you do not have access to it."},
            {}, "model");
        co_return;
    }
    if (!co_await permit_routes(call)) co_return;
    if (shared_->journal != nullptr) {
        if (Status priced = find_first_price(call); !priced.ok()) {
            shared_->metrics->refused_model->add();
            co_await refuse(call, std::move(priced).error(), {}, "model");
            co_return;
        }
    }
    if (!co_await admit(call)) co_return;
    if (!co_await reserve(call)) co_return;
    if (!co_await reach_upstream(call)) co_return;
    co_await relay(call);
}

/// Every other known path: the body streams through in whatever form it has.
Task<void> Gateway::run_pass_through(Call* call) {
    const HttpHead& head = call->exchange->request();
    // A JSON body of a stated, modest size is read all the same: its model prices the call (images,
    // speech, moderations).
    const std::optional<std::uint64_t> length = head.content_length();
    const bool is_small_json = length && *length > 0 && *length <= (1U << 20) &&
                               head.find("content-type").starts_with("application/json");
    call->kind = OpenAiCall::other_json;
    const bool must_read = must_read_body(*call);
    if (is_small_json || must_read) {
        Result<std::string_view> body = co_await call->exchange->read_full_body(
            must_read ? call->snapshot->options->json_body_bytes : 1U << 20);
        if (!body.ok()) {
            co_await refuse(call, std::move(body).error());
            co_return;
        }
        call->body = *body;
        call->is_inspected = true;
        // What is no JSON object is the provider's to refuse, unless it has to be judged.
        Result<RequestFacts> facts = inspect_request(call->kind, call->body);
        if (facts.ok()) {
            call->facts = std::move(facts).value();
        } else if (must_read) {
            co_await refuse_by_policy(call, std::move(facts).error());
            co_return;
        }
        if (!co_await admit_body(call)) co_return;
    }
    const RouteTable& table = *call->snapshot->routes;
    // A model's name may be another one at each account: its routes know.
    call->routes = !call->facts.model.empty() ? &table.find(call->facts.model)
                   : call->object != 0        ? &table.object_routes()
                                              : &table.default_routes();
    if (call->routes->empty()) call->routes = &table.default_routes();
    if (call->routes->empty()) {
        co_await refuse(call, {ErrorCode::upstream_unreachable, "no upstream is configured"});
        co_return;
    }
    if (!co_await permit_routes(call)) co_return;
    if (!co_await admit(call)) co_return;
    if (!co_await reserve(call)) co_return;
    if (!co_await reach_upstream(call)) co_return;
    co_await relay(call);
}

}  // namespace tg
