#include "gateway/gateway.h"

#include "base/json_writer.h"
#include "base/log.h"
#include "gateway/internal/call.h"
#include "gateway/internal/request_policy.h"
#include "gateway/internal/route_policy.h"
#include "providers/openai_paths.h"

namespace tg {
namespace {

constexpr std::string_view kJsonType = "content-type: application/json\r\n";

/// The key, wherever a client's dialect puts it.
std::string_view presented_key(const HttpHead& head) {
    const std::string_view bearer = head.find("authorization");
    if (bearer.size() > 7 && equals_ignoring_case(bearer.substr(0, 7), "bearer ")) {
        std::string_view key = bearer.substr(7);
        while (!key.empty() && key.front() == ' ') key.remove_prefix(1);
        return key;
    }
    if (const std::string_view key = head.find("api-key"); !key.empty()) return key;
    return head.find("x-api-key");
}

void set_inspected(Call* call, OpenAiRoute route) {
    switch (route) {
        case OpenAiRoute::completions:
            call->kind = OpenAiCall::completions;
            call->endpoint = Endpoint::completions;
            call->upstream_path = "/completions";
            break;
        case OpenAiRoute::embeddings:
            call->kind = OpenAiCall::embeddings;
            call->endpoint = Endpoint::embeddings;
            call->upstream_path = "/embeddings";
            break;
        case OpenAiRoute::responses:
            call->kind = OpenAiCall::responses;
            call->endpoint = Endpoint::responses;
            call->upstream_path = "/responses";
            break;
        default:
            call->kind = OpenAiCall::chat;
            call->endpoint = Endpoint::chat_completions;
            call->upstream_path = "/chat/completions";
            break;
    }
}

Endpoint endpoint_of(std::string_view path) {
    if (path.starts_with("/images")) return Endpoint::images;
    if (path == "/audio/speech") return Endpoint::audio_speech;
    if (path.starts_with("/audio/trans")) return Endpoint::audio_transcriptions;
    if (path.starts_with("/moderations")) return Endpoint::moderations;
    if (path.starts_with("/files") || path.starts_with("/uploads")) return Endpoint::files;
    if (path.starts_with("/batches")) return Endpoint::batches;
    if (path.starts_with("/fine_tuning")) return Endpoint::fine_tuning;
    return Endpoint::other;
}

bool is_same_pool(const ClientPool::Options& a, const ClientPool::Options& b) {
    return a.idle_max == b.idle_max && a.connect_timeout_ms == b.connect_timeout_ms;
}

/// In whole seconds as RFC 9110 section 10.2.3 has it, never too early; and in milliseconds, which
/// OpenAI's clients prefer.
void append_retry_after(std::int64_t wait_us, std::string* headers) {
    headers->append("retry-after: ").append(std::to_string((wait_us + 999'999) / 1'000'000));
    headers->append("\r\nretry-after-ms: ").append(std::to_string((wait_us + 999) / 1'000));
    headers->append("\r\n");
}

std::uint64_t random_seed() {
    std::uint64_t seed = 0;
    fill_secure_random(&seed, sizeof seed);
    return seed;
}

std::string unknown_url(std::string_view method, std::string_view path) {
    return "Invalid URL (" + std::string(method) + " " + std::string(path.substr(0, 200)) + ")";
}

/// The code OpenAI's own API gives for what our error codes mean, where clients branch on it.
std::string_view openai_code(ErrorCode code) {
    switch (code) {
        case ErrorCode::unauthenticated:
            return "invalid_api_key";
        case ErrorCode::model_unknown:
            return "model_not_found";
        case ErrorCode::rate_limited:
        case ErrorCode::queue_full:
        case ErrorCode::queue_timeout:
            return "rate_limit_exceeded";
        case ErrorCode::budget_exhausted:
            return "insufficient_quota";
        case ErrorCode::not_found:
        case ErrorCode::method_not_allowed:
            return {};  // null, as in OpenAI's answer to an unknown URL
        default:
            return name(code);
    }
}

}  // namespace

GatewayMetrics::GatewayMetrics(MetricsRegistry* r) : registry(r) {
    constexpr std::string_view kRequests = "tollgate_requests_total",
                               kRequestsHelp = "Answers given to clients, by class of status.";
    requests_2xx = &r->counter(kRequests, kRequestsHelp, {{"status", "2xx"}});
    requests_4xx = &r->counter(kRequests, kRequestsHelp, {{"status", "4xx"}});
    requests_5xx = &r->counter(kRequests, kRequestsHelp, {{"status", "5xx"}});
    requests_429 = &r->counter(kRequests, kRequestsHelp, {{"status", "429"}});
    constexpr std::string_view kRefused = "tollgate_refused_total",
                               kRefusedHelp = "Requests refused by the gate, by reason.";
    refused_auth = &r->counter(kRefused, kRefusedHelp, {{"reason", "auth"}});
    refused_journal = &r->counter(kRefused, kRefusedHelp, {{"reason", "journal"}});
    refused_model = &r->counter(kRefused, kRefusedHelp, {{"reason", "model"}});
    refused_limit = &r->counter(kRefused, kRefusedHelp, {{"reason", "upstream_limit"}});
    refused_policy = &r->counter(kRefused, kRefusedHelp, {{"reason", "policy"}});
    refused_failing = &r->counter(kRefused, kRefusedHelp, {{"reason", "upstream_failing"}});
    hedges = &r->counter("tollgate_hedges_total", "Second calls made beside slow ones.");
    hedges_won = &r->counter("tollgate_hedges_won_total", "Hedges that answered first.");
    fallbacks = &r->counter("tollgate_fallbacks_total",
                            "Calls that went to another model than was asked for.");
    limit_wait = &r->histogram("tollgate_limit_wait_seconds",
                               "Waits of calls for the limit of an upstream account.");
    upstream_attempts = &r->counter("tollgate_upstream_attempts_total", "Calls made to upstreams.");
    upstream_retries = &r->counter("tollgate_upstream_retries_total",
                                   "Calls made again after a failure before the first byte.");
    upstream_failures = &r->counter("tollgate_upstream_failures_total",
                                    "Calls to upstreams that failed without an answer.");
    client_gone =
        &r->counter("tollgate_client_gone_total", "Answers whose client left before the end.");
    usage_estimated = &r->counter("tollgate_usage_estimated_total", "Events settled by estimate.");
    usage_mismatch = &r->counter("tollgate_usage_mismatch_total",
                                 "Provider usage whose classes did not add up.");
    unpriced = &r->counter("tollgate_usage_unpriced_total",
                           "Events with usage that the price book has no price for.");
    constexpr std::string_view kTokens = "tollgate_tokens_total", kTokensHelp = "Tokens metered.";
    tokens_input = &r->counter(kTokens, kTokensHelp, {{"direction", "input"}});
    tokens_output = &r->counter(kTokens, kTokensHelp, {{"direction", "output"}});
    in_flight = &r->gauge("tollgate_requests_in_flight", "Requests being served.");
    duration = &r->histogram("tollgate_request_duration_seconds",
                             "From the request head to the answer's last byte.");
    first_byte = &r->histogram("tollgate_upstream_first_byte_seconds",
                               "From the request's start to the upstream's answer head.");
    durable_wait =
        &r->histogram("tollgate_journal_wait_seconds", "Wait for the journal's group commit.");
}

Gateway::Gateway(Loop* loop, GatewayShared* shared, GateSnapshot snapshot)
    : loop_(loop),
      shared_(shared),
      rng_(random_seed()),
      retry_budget_(0.2, 10, 100),
      hedge_budget_(0.05, 0, 10) {
    publish(std::move(snapshot));
}
Gateway::~Gateway() = default;

void Gateway::publish(GateSnapshot snapshot) {
    auto next = std::make_shared<LoopSnapshot>();
    static_cast<GateSnapshot&>(*next) = std::move(snapshot);
    const GatewayOptions& options = *next->options;
    configure_budgets(options.routing);
    next->upstreams = shared_->upstreams.configure(next->routes, next->options,
                                                   shared_->metrics->registry, loop_->now_ns());
    for (const auto& deployment : next->routes->deployments()) {
        const Origin& origin = deployment->origin;
        ClientPool* found = nullptr;
        for (const auto& pool : pools_) {
            const bool is_same = pool_options_.contains(pool.get()) &&
                                 pool->origin().host == origin.host &&
                                 pool->origin().port == origin.port &&
                                 (pool->origin().tls == nullptr) == (origin.tls == nullptr);
            if (is_same) found = pool.get();
        }
        const ClientPool::Options wanted{.idle_max = options.idle_connections_per_upstream,
                                         .connect_timeout_ms = options.connect_timeout_ms,
                                         .limits = {}};
        if (found != nullptr && !is_same_pool(pool_options_[found], wanted)) {
            // Calls under way end on the old pool; whatever is idle there is not needed any more.
            found->close_idle();
            pool_options_.erase(found);
            found = nullptr;
        }
        if (found == nullptr) {
            pools_.push_back(
                std::make_unique<ClientPool>(loop_, shared_->blocking, origin, wanted));
            found = pools_.back().get();
            pool_options_[found] = wanted;
        } else {
            found->set_tls(origin.tls);
        }
        next->pools.push_back(found);
    }
    if (shared_->admission != nullptr) {
        next->levels =
            std::make_unique<CallerLevelCache>(next->limits, &shared_->admission->levels());
    }
    snapshot_ = std::move(next);
    if (!options.routing.has_health_checks) return;
    // Publishing may happen before the loop runs.
    loop_->post([this, alive = std::weak_ptr<int>(alive_)] {
        if (alive.lock() != nullptr) start_probing();
    });
}

void Gateway::configure_budgets(const RoutingOptions& routing) {
    const std::array<double, 4> wanted = {routing.retry_budget_share,
                                          routing.retry_budget_per_second, routing.retry_budget_max,
                                          routing.hedge_budget_share};
    if (wanted == budgets_) return;
    budgets_ = wanted;
    retry_budget_ = RetryBudget(routing.retry_budget_share, routing.retry_budget_per_second,
                                routing.retry_budget_max);
    // Saved up for a few hedges at once, and nothing for an idle gate.
    constexpr double kHedgesSaved = 10;
    hedge_budget_ = RetryBudget(routing.hedge_budget_share, 0, kHedgesSaved);
}

void Gateway::close_idle() {
    for (const auto& pool : pools_) pool->close_idle();
}

std::string Gateway::error_body(int status, const Error& error) {
    return openai_error_body(error.detail, openai_error_type(status), openai_code(error.code));
}

Task<void> Gateway::handle(ServerExchange* exchange) {
    Call call(this, exchange);
    call.snapshot = snapshot_;
    call.started_at = shared_->clock->now();
    call.started_ns = loop_->now_ns();
    call.id = ids_.next(call.started_at);
    call.id.write_text(call.id_text);
    call.path = path_of(exchange->request().target());
    shared_->metrics->in_flight->add(1);
    co_await route(&call);
    end_admission(&call, UsageKnown::no);
    exchange->set_peer_gone_listener(nullptr);
    end_upstream(&call);
    finish_metrics(&call);
}

Task<void> Gateway::route(Call* call) {
    const HttpHead& head = call->exchange->request();
    if (call->path == "/healthz" || call->path == "/readyz") {
        co_await answer_health(call, call->path == "/readyz");
        co_return;
    }
    if (shared_->is_draining.load(std::memory_order_relaxed)) call->exchange->close_after();
    if (!call->path.starts_with("/v1/")) {
        co_await refuse(call, {ErrorCode::not_found, unknown_url(head.method(), call->path)});
        co_return;
    }
    Result<Caller> caller =
        call->snapshot->directory->authenticate(presented_key(head), call->started_at);
    if (!caller.ok()) {
        shared_->metrics->refused_auth->add();
        co_await refuse(call, std::move(caller).error());
        co_return;
    }
    call->caller = *caller;
    call->data_policy = &call->caller.project->data_policy;
    call->is_post = head.method() == "POST";
    OpenAiPath path = classify_openai_path(head.method(), call->path);
    call->upstream_path = std::string_view(call->path).substr(3);
    switch (path.route) {
        case OpenAiRoute::chat:
        case OpenAiRoute::completions:
        case OpenAiRoute::embeddings:
        case OpenAiRoute::responses:
            set_inspected(call, path.route);
            call->facts.model = std::move(path.model);
            if (co_await admit_by_policy(call)) co_await run_inspected(call);
            break;
        case OpenAiRoute::models_list:
            co_await answer_models(call, {});
            break;
        case OpenAiRoute::model_get:
            co_await answer_models(call, path.model);
            break;
        case OpenAiRoute::pass_through:
            call->endpoint = endpoint_of(call->upstream_path);
            if (!path.object.empty()) call->object = object_key(path.object);
            if (co_await admit_by_policy(call)) co_await run_pass_through(call);
            break;
        case OpenAiRoute::unsupported:
            co_await refuse(
                call, {ErrorCode::unsupported, std::string(call->path) +
                                                   " is not served through the gate: it needs a "
                                                   "WebSocket, or hands out a credential for going "
                                                   "past it; use the HTTP endpoints"});
            break;
        case OpenAiRoute::admin:
            co_await refuse(call, {ErrorCode::forbidden,
                                   std::string(call->path) +
                                       " administers the provider account and is not open "
                                       "to customers' keys; ask whoever runs this gateway"});
            break;
        case OpenAiRoute::unknown:
            co_await refuse(
                call, {path.is_wrong_method ? ErrorCode::method_not_allowed : ErrorCode::not_found,
                       unknown_url(head.method(), call->path)});
            break;
    }
}

Task<void> Gateway::answer_health(Call* call, bool wants_ready) {
    std::string problem;
    if (wants_ready) {
        if (shared_->is_draining.load(std::memory_order_relaxed))
            problem = "shutting down";
        else if (shared_->journal != nullptr && !shared_->journal->accepts_requests())
            problem = shared_->journal->failure();
        else if (call->snapshot->routes->deployments().empty())
            problem = "no upstream is configured";
    }
    std::string body;
    JsonWriter w(body);
    w.begin_object().field("status", problem.empty() ? "ok" : "unavailable");
    if (!problem.empty()) w.field("reason", problem);
    w.end_object();
    call->answered_status = problem.empty() ? 200 : 503;
    (void)(co_await call->exchange->respond(call->answered_status, kJsonType, body)).ok();
}

Task<void> Gateway::answer_models(Call* call, std::string_view id) {
    std::vector<std::string> names = call->snapshot->routes->model_names();
    if (call->snapshot->routes->has_wildcard()) {
        for (const ModelPrice& price : call->snapshot->catalogue->prices()) {
            const bool is_current = price.valid_from <= call->started_at &&
                                    (!price.valid_to || *price.valid_to > call->started_at);
            if (is_current && (price.provider.empty() || price.provider == "openai"))
                names.push_back(price.model);
        }
        std::ranges::sort(names);
        names.erase(std::unique(names.begin(), names.end()), names.end());
    }
    // What the policy leaves no account for would only be refused.
    const RoutePolicy policy = route_policy(*call);
    std::erase_if(names, [&](const std::string& model) {
        return std::ranges::none_of(call->snapshot->routes->find(model), [&](const Route& route) {
            return permits(policy, route.deployment->traits) == LeftOut::none;
        });
    });
    std::string body;
    JsonWriter w(body);
    const auto write_model = [&](const std::string& model) {
        const std::vector<Route>& routes = call->snapshot->routes->find(model);
        w.begin_object().field("id", model).field("object", "model").field("created", 0);
        w.field("owned_by", routes.empty() ? std::string("tollgate")
                                           : routes.front().deployment->options.provider);
        w.end_object();
    };
    if (id.empty()) {
        w.begin_object().field("object", "list").key("data").begin_array();
        for (const std::string& model : names) write_model(model);
        w.end_array().end_object();
    } else if (std::ranges::find(names, id) != names.end()) {
        write_model(std::string(id));
    } else {
        co_await refuse(
            call,
            {ErrorCode::model_unknown,
             "The model '" + std::string(id) + "' does not exist or you do not have access to it."},
            {}, "model");
        co_return;
    }
    call->answered_status = 200;
    std::string headers(kJsonType);
    headers.append("x-request-id: ").append(call->id_view()).append("\r\n");
    (void)(co_await call->exchange->respond(200, headers, body)).ok();
}

Task<void> Gateway::refuse(Call* call, Error error, std::string_view code, std::string_view param) {
    const ErrorInfo& facts = info(error.code);
    const std::string body = openai_error_body(
        error.detail,
        call->error_type.empty() ? openai_error_type(facts.http_status) : call->error_type,
        code.empty() ? openai_code(error.code) : code, param);
    call->answered_status = facts.http_status;
    if (call->exchange->has_begun()) {
        call->exchange->abort();
        co_return;
    }
    std::string headers(kJsonType);
    headers.append("x-request-id: ").append(call->id_view()).append("\r\n");
    headers.append("x-tollgate-error: ").append(name(error.code)).append("\r\n");
    headers.append(call->own_headers);
    if (!facts.is_retryable || call->is_retry_useless)
        headers.append("x-should-retry: false\r\n");
    else if (call->retry_after_us > 0)
        append_retry_after(call->retry_after_us, &headers);
    else if (facts.http_status == 503)
        headers.append("retry-after: 1\r\n");
    if (facts.http_status == 401) headers.append("www-authenticate: Bearer\r\n");
    (void)(co_await call->exchange->respond(facts.http_status, headers, body)).ok();
}

void Gateway::finish_metrics(Call* call) {
    GatewayMetrics& m = *shared_->metrics;
    m.in_flight->add(-1);
    const std::int64_t took_us = (loop_->now_ns() - call->started_ns) / 1000;
    m.duration->observe_us(took_us);
    const int status = call->answered_status;
    if (status == 429)
        m.requests_429->add();
    else if (status >= 500)
        m.requests_5xx->add();
    else if (status >= 400)
        m.requests_4xx->add();
    else
        m.requests_2xx->add();
    const RequestLog level = call->snapshot->options->request_log;
    const bool is_failure = status >= 500 || call->outcome == Outcome::upstream_broken;
    if (level == RequestLog::off || (level == RequestLog::errors && !is_failure)) return;
    log_info("request",
             {{"id", call->id.text()},
              {"path", loggable_path(*call)},
              {"status", status},
              {"model", loggable_model(*call)},
              {"customer", call->caller.customer != nullptr ? call->caller.customer->code : ""},
              {"project", call->caller.project != nullptr ? call->caller.project->code : ""},
              {"deployment", call->deployment != nullptr ? call->deployment->options.name : ""},
              {"outcome", name(call->outcome)},
              {"attempts", call->attempts},
              {"duration_us", took_us},
              {"input_tokens", call->reply.usage.input_tokens()},
              {"output_tokens", call->reply.usage.output_tokens()}});
}

}  // namespace tg
