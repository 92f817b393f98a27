#include "sim/call.h"

#include <algorithm>

#include "base/hash.h"
#include "base/json_writer.h"

namespace tg::sim {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kOrganization = "org-tollgatesim";
constexpr std::int64_t kInjectedRetryMs = 20;

ApiError error_of_status(std::int64_t status, std::string_view code) {
    ApiError error{.status = static_cast<int>(status), .message = {}, .param = {}, .code = {}};
    switch (status) {
        case 400:
            error.message = "Invalid request, as asked for by a simulator directive.";
            break;
        case 401:
            error.message =
                "Incorrect API key provided. You can find your API key at "
                "https://platform.openai.com/account/api-keys.";
            error.code = "invalid_api_key";
            break;
        case 403:
            error.message = "You are not allowed to do this.";
            error.code = "unsupported_country_region_territory";
            error.type = "request_forbidden";
            break;
        case 429:
            error.message =
                "Rate limit reached on requests per min (RPM). Please try again in " +
                std::to_string(kInjectedRetryMs) +
                "ms. Visit https://platform.openai.com/account/rate-limits to learn more.";
            error.type = "requests";
            error.code = "rate_limit_exceeded";
            break;
        case 503:
            error.message =
                "That model is currently overloaded with other requests. You can retry your "
                "request, or contact us through our help center at help.openai.com if the error "
                "persists.";
            error.type = "server_error";
            break;
        default:
            error.message = status >= 500
                                ? "The server had an error while processing your request. "
                                  "Sorry about that!"
                                : "Refused, as asked for by a simulator directive.";
            if (status >= 500) error.type = "server_error";
    }
    if (code == "insufficient_quota") {
        error.message =
            "You exceeded your current quota, please check your plan and billing details. For more "
            "information on this error, read the docs: "
            "https://platform.openai.com/docs/guides/error-codes/api-errors.";
        error.type = "insufficient_quota";
    }
    if (!code.empty()) error.code = code;
    return error;
}

void append_retry_headers(std::string& out, std::int64_t ms) {
    out.append("retry-after: ");
    append_number(out, (ms + 999) / 1000);
    out.append("\r\nretry-after-ms: ");
    append_number(out, ms);
    out.append("\r\n");
}

ApiError directive_error(const Error& error) {
    return {.status = 400, .message = error.detail, .param = {}, .code = "bad_sim_directive"};
}

}  // namespace

std::string openai_error_body(const ApiError& error) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().key("error").begin_object();
    w.field("message", error.message).field("type", error.type);
    w.key("param");
    error.param.empty() ? w.null() : w.value(error.param);
    w.key("code");
    error.code.empty() ? w.null() : w.value(error.code);
    w.end_object().end_object();
    return out;
}

Call::Call(SimState* state, ServerExchange* exchange, std::string_view endpoint)
    : state_(state),
      exchange_(exchange),
      endpoint_(endpoint),
      number_(state->call_number.fetch_add(1, std::memory_order_relaxed)),
      created_(state->clock->now().micros / 1'000'000) {
    Dice dice(state->id_seed ^ (number_ * 0x9e3779b97f4a7c15));
    write_hex(dice.next(), id_);
    write_hex(dice.next(), id_ + 16);
    client_request_id_ = exchange->request().find("x-client-request-id");
    Stats::add(state->stats.calls);
    state->stats.in_flight.fetch_add(1, std::memory_order_relaxed);
}

Call::~Call() {
    state_->stats.in_flight.fetch_sub(1, std::memory_order_relaxed);
}

void Call::set_answer_id(std::string_view prefix) {
    answer_id_.assign(prefix).append(id());
}

std::string Call::head_lines(std::string_view content_type) const {
    std::string out;
    out.reserve(384);
    out.append("content-type: ").append(content_type);
    out.append("\r\nx-request-id: req_").append(id());
    out.append("\r\nopenai-processing-ms: ");
    append_number(out, plan_.first_byte_ms);
    out.append("\r\nopenai-version: 2020-10-01\r\nopenai-organization: ").append(kOrganization);
    out.append("\r\n");
    if (!state_->options.region.empty())
        out.append("x-sim-region: ").append(state_->options.region).append("\r\n");
    append_limit_headers(out, limits_);
    return out;
}

void Call::append_usage_object(std::string& out, const SimUsage& usage, UsageForm form) {
    shows_usage_ = true;
    is_usage_wrong_ = directives_.wrong_usage == 1;
    if (is_usage_wrong_)
        append_usage(out, contradictory(usage), form, /*total_shift=*/11);
    else
        append_usage(out, usage, form);
}

void Call::record(int status, ServedCall::Sent sent, const SimUsage& billed) {
    if (is_recorded_) return;
    is_recorded_ = true;
    Stats& stats = state_->stats;
    Stats::add(stats.by_status[static_cast<std::size_t>(status)]);
    Stats::add(sent == ServedCall::Sent::complete ? stats.complete
               : sent == ServedCall::Sent::cut    ? stats.cut
                                                  : stats.client_gone);
    stats.add_usage(billed);
    if (!state_->served.is_open()) return;
    ServedCall call;
    call.time = state_->clock->now();
    const std::string request_id = std::string("req_").append(id());
    call.request_id = request_id;
    call.client_request_id = client_request_id_;
    call.answer_id = answer_id_;
    call.key_hint = key_hint_;
    call.region = state_->options.region;
    call.model = request_.model;
    call.endpoint = endpoint_;
    call.status = status;
    call.is_stream = is_stream_;
    call.sent = sent;
    if (status == 200 && shows_usage_)
        call.reported =
            directives_.wrong_usage == 1 ? ServedCall::Reported::wrong : ServedCall::Reported::full;
    else if (status == 200 && !billed.is_empty())
        call.reported = ServedCall::Reported::none;
    call.service_tier = plan_.service_tier;
    if (fault_ < kKnobCount) call.fault = info(static_cast<Knob>(fault_)).name;
    call.billed = billed;
    state_->served.append(call);
}

Task<bool> Call::open() {
    const HttpHead& head = exchange_->request();
    switch (state_->outage.load(std::memory_order_relaxed)) {
        case Outage::none:
            break;
        case Outage::error:
            co_await refuse(error_of_status(500, {}));
            co_return false;
        case Outage::reset:
            record(500, ServedCall::Sent::cut, {});
            exchange_->abort();
            co_return false;
    }
    const std::string_view authorization = head.find("authorization");
    if (authorization.size() <= 7 || !equals_ignoring_case(authorization.substr(0, 7), "bearer ")) {
        co_await refuse({.status = 401,
                         .message =
                             "You didn't provide an API key. You need to provide your API key in "
                             "an Authorization header using Bearer auth (i.e. Authorization: "
                             "Bearer YOUR_KEY). You can obtain an API key from "
                             "https://platform.openai.com/account/api-keys.",
                         .param = {},
                         .code = {}});
        co_return false;
    }
    const std::string_view key = authorization.substr(7);
    key_hash_ = hash64(key, state_->options.seed);
    key_hint_ = "...";
    if (key.size() >= 8) key_hint_.append(key.substr(key.size() - 4));
    const auto& keys = state_->options.keys;
    if (!keys.empty() && std::ranges::find(keys, key) == keys.end()) {
        ApiError error = error_of_status(401, {});
        error.message = "Incorrect API key provided: " + key_hint_ +
                        ". You can find your API key at "
                        "https://platform.openai.com/account/api-keys.";
        co_await refuse(std::move(error));
        co_return false;
    }
    if (const std::string_view text = head.find("x-sim-directives"); !text.empty()) {
        if (const Status status = directives_.read(text); !status.ok()) {
            co_await refuse(directive_error(status.error()));
            co_return false;
        }
    }
    co_return true;
}

Status Call::read_directives(std::string_view text) {
    Directives marked;
    TG_CHECK_OK(marked.read_marked(text));
    TG_CHECK_OK(marked.read(exchange_->request().find("x-sim-directives")));
    directives_ = std::move(marked);
    return {};
}

Task<bool> Call::take_directives(std::string text) {
    const Status status = read_directives(text);
    if (!status.ok()) co_await refuse(directive_error(status.error()));
    co_return status.ok();
}

Task<void> Call::refuse_body(Error error) {
    if (error.code == ErrorCode::request_too_large) {
        co_await refuse({.status = 413,
                         .message = std::move(error.detail),
                         .param = {},
                         .code = "request_too_large"});
    } else if (error.code == ErrorCode::invalid_request) {
        co_await refuse(
            {.status = 400, .message = std::move(error.detail), .param = {}, .code = {}});
    } else {
        record(499, ServedCall::Sent::client_gone, {});
        exchange_->abort();
    }
}

Task<bool> Call::read_json(InputKey input_key) {
    const Result<std::string_view> body =
        co_await exchange_->read_full_body(state_->options.body_bytes_max);
    if (!body.ok()) {
        co_await refuse_body(body.error());
        co_return false;
    }
    Stats::add(state_->stats.body_bytes, body->size());
    std::optional<ApiError> error =
        read_api_request(*body, input_key, state_->options.seed, &request_);
    if (!error) {
        if (const Status status = read_directives(*body); !status.ok())
            error = directive_error(status.error());
    }
    if (error) {
        co_await refuse(*std::move(error));
        co_return false;
    }
    co_return true;
}

Task<bool> Call::admit() {
    const auto& models = state_->options.models;
    if (!models.empty() && std::ranges::find(models, request_.model) == models.end()) {
        co_await refuse({.status = 404,
                         .message = "The model `" + request_.model +
                                    "` does not exist or you do not have access to it.",
                         .param = {},
                         .code = "model_not_found"});
        co_return false;
    }
    if (!co_await take_limits()) co_return false;
    co_return co_await admit_without_limits();
}

Task<bool> Call::admit_without_limits() {
    if (directives_.close == 1) exchange_->close_after();
    fault_ = choose_fault(state_->knobs, state_->options.seed, number_);
    plan_ = make_plan(
        request_, directives_, state_->knobs,
        request_.wants_json || !request_.tool_name.empty() ? state_->plain : state_->rich);
    apply_fault(fault_, state_->knobs, request_.hash, &directives_, &plan_);
    if (Directives::is_set(directives_.status) && directives_.status != 200)
        co_return co_await answer_status_directive();
    co_return true;
}

Task<bool> Call::open_json(InputKey input_key) {
    if (!co_await open()) co_return false;
    if (!co_await read_json(input_key)) co_return false;
    co_return co_await admit();
}

Task<bool> Call::take_limits() {
    const std::int64_t rpm = state_->knobs.get(Knob::rpm), tpm = state_->knobs.get(Knob::tpm);
    if (rpm == 0 && tpm == 0) co_return true;
    // OpenAI counts, before the call, the larger of max_tokens and an estimate from the number of
    // characters. Source: OpenAI's rate limits guide, "max_tokens".
    const std::int64_t tokens = std::max(request_.cap, request_.prompt_tokens);
    limits_ = state_->limiter.take(key_hash_, tokens, rpm, tpm, state_->clock->monotonic_ns());
    if (limits_.refused == LimitDecision::Refused::no) co_return true;
    std::string headers;
    if (limits_.can_heal) append_retry_headers(headers, (limits_.retry_ns + 999'999) / 1'000'000);
    co_await refuse(limit_error(limits_), std::move(headers));
    co_return false;
}

ApiError Call::limit_error(const LimitDecision& decision) const {
    const bool is_requests = decision.refused == LimitDecision::Refused::requests;
    const std::int64_t limit = is_requests ? decision.requests.limit : decision.tokens.limit;
    std::string message = decision.can_heal ? "Rate limit reached for " : "Request too large for ";
    message.append(request_.model).append(" in organization ").append(kOrganization);
    message.append(is_requests ? " on requests per min (RPM): Limit "
                               : " on tokens per min (TPM): Limit ");
    append_number(message, limit);
    if (decision.can_heal) {
        message.append(", Used ");
        append_number(message, decision.used);
    }
    message.append(", Requested ");
    append_number(message, decision.requested);
    if (decision.can_heal)
        message.append(". Please try again in ").append(go_duration(decision.retry_ns));
    else
        message.append(". The input or output tokens must be reduced in order to run successfully");
    message.append(". Visit https://platform.openai.com/account/rate-limits to learn more.");
    return {.status = 429,
            .message = std::move(message),
            .type = is_requests ? "requests" : "tokens",
            .param = {},
            .code = "rate_limit_exceeded"};
}

Task<bool> Call::answer_status_directive() {
    std::string headers;
    const std::int64_t status = directives_.status;
    if (Directives::is_set(directives_.retry_after_ms) ||
        Directives::is_set(directives_.retry_after)) {
        append_retry_headers(
            headers, Directives::either(directives_.retry_after_ms,
                                        std::max<std::int64_t>(directives_.retry_after, 0) * 1000));
    } else if (status == 429 && directives_.code != "insufficient_quota") {
        append_retry_headers(headers, kInjectedRetryMs);
    }
    if (plan_.first_byte_ms > 0) {
        ClientWatch watch(exchange_);
        if (!co_await watch.pause_ms(plan_.first_byte_ms)) {
            record(static_cast<int>(status), ServedCall::Sent::client_gone, {});
            exchange_->abort();
            co_return false;
        }
    }
    co_await refuse(error_of_status(status, directives_.code), std::move(headers));
    co_return false;
}

Task<void> Call::refuse(ApiError error, std::string extra_headers) {
    const std::string head = head_lines(kJson) + extra_headers;
    const std::string body = openai_error_body(error);
    const Status status = co_await exchange_->respond(error.status, head, body);
    record(error.status, status.ok() ? ServedCall::Sent::complete : ServedCall::Sent::client_gone,
           {});
}

Task<void> Call::answer(std::string content_type, std::string body, SimUsage billed) {
    const std::int64_t wait_ns =
        plan_.first_byte_ms * 1'000'000 + plan_.visible * plan_.token_interval_us * 1000;
    if (wait_ns > 0) {
        ClientWatch watch(exchange_);
        if (!co_await watch.pause_until(exchange_->loop()->now_ns() + wait_ns)) {
            // The answer had been asked for: the provider has made it and bills it.
            record(200, ServedCall::Sent::client_gone, billed);
            exchange_->abort();
            co_return;
        }
    }
    const Directives& d = directives_;
    if (Directives::is_set(d.malformed_after))
        body.resize(std::min(static_cast<std::size_t>(d.malformed_after), body.size() - 1));
    std::string head = head_lines(content_type);
    if (Directives::is_set(d.cut_after) || Directives::is_set(d.stall_after) ||
        Directives::is_set(d.error_after)) {
        co_await send_broken(std::move(head), std::move(body), billed);
        co_return;
    }
    const Status status = co_await exchange_->respond(200, head, body);
    record(200, status.ok() ? ServedCall::Sent::complete : ServedCall::Sent::client_gone, billed);
}

Task<void> Call::send_broken(std::string head, std::string body, SimUsage billed) {
    const bool is_stall = Directives::is_set(directives_.stall_after);
    const std::int64_t after = is_stall ? directives_.stall_after
                                        : std::max(directives_.cut_after, directives_.error_after);
    const auto size = std::min(static_cast<std::size_t>(after), body.size() - 1);
    std::vector<std::string_view> pieces{std::string_view(body).substr(0, size)};
    exchange_->begin(200, head, ServerExchange::Framing::content_length, body.size());
    const Status status = co_await exchange_->send(&pieces);
    record(200, status.ok() ? ServedCall::Sent::cut : ServedCall::Sent::client_gone, billed);
    if (status.ok() && is_stall) {
        ClientWatch watch(exchange_);
        co_await watch.pause_until(ClientWatch::kForever);
    }
    stop_answer();
}

void Call::stop_answer() {
    if (directives_.cut_by == "reset")
        exchange_->abort();
    else
        exchange_->hang_up();
}

}  // namespace tg::sim
