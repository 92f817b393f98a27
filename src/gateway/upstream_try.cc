#include <charconv>

#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/internal/call.h"
#include "gateway/internal/headers.h"
#include "providers/refusal.h"

namespace tg {
namespace {

/// A longer body of a refusal is passed on without a look at its reason.
constexpr std::size_t kRefusalBytesMax = 64 * 1024;

iovec to_iovec(std::string_view text) {
    return {const_cast<char*>(text.data()), text.size()};
}

/// A connection that was idle may have been closed by the other side just as it was used; nothing
/// was processed then.
bool is_stale_connection(const ClientConnection& connection, const Error& error) {
    return connection.is_reused() && error.code == ErrorCode::upstream_broken &&
           !connection.has_received();
}

/// The body's bytes with the splices in their places.
std::uint64_t append_spliced(std::string_view body, const std::vector<Splice>& splices,
                             std::vector<iovec>* out) {
    std::uint64_t total = 0;
    std::size_t at = 0;
    const auto push = [&](std::string_view piece) {
        if (piece.empty()) return;
        out->push_back(to_iovec(piece));
        total += piece.size();
    };
    for (const Splice& splice : splices) {
        push(body.substr(at, splice.offset - at));
        push(splice.insert);
        at = splice.offset + splice.remove;
    }
    push(body.substr(at));
    return total;
}

RateLimitReport read_report(const HttpHead& head, UtcMicros now) {
    RateLimitReport report;
    for (const HttpHeader& header : head.headers())
        read_rate_limit_header(head.name(header), head.value(header), now, &report);
    return report;
}

std::optional<LimitMeter> limit_meter(RefusalFacts::Meter meter) {
    switch (meter) {
        case RefusalFacts::Meter::requests:
            return LimitMeter::requests;
        case RefusalFacts::Meter::tokens:
            return LimitMeter::total_tokens;
        case RefusalFacts::Meter::input_tokens:
            return LimitMeter::input_tokens;
        case RefusalFacts::Meter::output_tokens:
            return LimitMeter::output_tokens;
        case RefusalFacts::Meter::not_told:
            break;
    }
    return std::nullopt;
}

}  // namespace

/// Sends attempt's request and reads the answer's head; of a 429 all of it. After a failure its
/// ticket has been given back.
Task<Status> Gateway::run_try(Call* call, UpstreamTry* attempt) {
    // The snapshot outlives the call when the try is lost to another one.
    const std::shared_ptr<const LoopSnapshot> snapshot = call->snapshot;
    const HttpHead& request = call->exchange->request();
    const bool can_repeat =
        call->is_inspected || (!request.is_chunked() && request.content_length().value_or(0) == 0);
    shared_->metrics->upstream_attempts->add();
    Status status = co_await try_once(call, attempt, /*allow_reuse=*/true);
    if (!status.ok() && attempt->connection && can_repeat && !attempt->is_lost &&
        is_stale_connection(*attempt->connection, status.error())) {
        attempt->connection.reset();
        if (!call->is_client_gone) {
            shared_->metrics->upstream_attempts->add();
            status = co_await try_once(call, attempt, /*allow_reuse=*/false);
        }
    }
    const std::int64_t now = loop_->now_ns();
    if (!status.ok()) {
        // What was given up says nothing of the deployment.
        const bool is_given_up = attempt->is_lost || call->is_client_gone;
        fail_try(*snapshot, attempt,
                 is_given_up ? Error{ErrorCode::cancelled, {}} : status.error());
        co_return status;
    }
    attempt->answer.status = attempt->status;
    const CallVerdict verdict = attempt->state->on_answer(now, &attempt->ticket, attempt->answer);
    snapshot->upstreams->observe(now, attempt->deployment().index, verdict,
                                 attempt->first_byte_ns - attempt->ticket.sent_ns);
    co_return Status{};
}

Task<Status> Gateway::try_once(Call* call, UpstreamTry* attempt, bool allow_reuse) {
    const std::shared_ptr<const GatewayOptions> options = call->snapshot->options;
    const Deployment& deployment = attempt->deployment();
    const std::int64_t deadline_ns = loop_->now_ns() + options->first_byte_timeout_ms * 1'000'000;

    ClientPool* pool = call->snapshot->pools[deployment.index];
    TG_CO_TRY(attempt->connection, co_await pool->acquire(allow_reuse, deadline_ns));
    if (attempt->is_lost) co_return fail(ErrorCode::cancelled, "another try has answered");
    ClientConnection& upstream = *attempt->connection;

    LoopBuffer head(loop_);
    std::vector<iovec> pieces;
    pieces.reserve(8);
    pieces.emplace_back();
    std::uint64_t length = 0;
    if (call->is_inspected) {
        // A model that stood in the path (engines/{model}) must be told in the body, and so must
        // one that stands in for another.
        const std::string& upstream_model = attempt->route->upstream_model;
        const bool is_named = !upstream_model.empty();
        const bool is_told =
            is_named || (call->facts.model_value.is_set() && call->asked_model.empty());
        attempt->splices = rewrite_request(
            call->kind, call->facts, call->body,
            {.inject_usage = deployment.options.inject_usage,
             .upstream_model = is_told ? std::string_view(upstream_model) : call->facts.model});
        length = append_spliced(call->body, attempt->splices, &pieces);
    }
    write_upstream_head(*call, deployment, length, &*head);
    pieces.front() = to_iovec(*head);

    upstream.start_response(call->exchange->request().method() == "HEAD");
    attempt->has_reached_upstream = true;
    attempt->has_head = false;
    TG_CO_CHECK_OK(co_await send_upstream(
        &upstream, &pieces, loop_->now_ns() + options->upload_timeout_ms * 1'000'000));
    if (!attempt->is_lost && !call->is_inspected) TG_CO_CHECK_OK(co_await upload(call, attempt));
    co_return co_await read_answer_head(call, attempt, options->drain_after_disconnect_ms,
                                        deadline_ns);
}

Task<Status> Gateway::read_answer_head(Call* call, UpstreamTry* attempt, std::int64_t drain_ms,
                                       std::int64_t deadline_ns) {
    ClientConnection& upstream = *attempt->connection;
    const std::int64_t drain_ns = drain_ms * 1'000'000;
    if (attempt->is_lost)
        deadline_ns = std::min(deadline_ns, loop_->now_ns() + drain_ns);
    else
        call->exchange->set_peer_gone_listener(call);
    Result<const HttpHead*> reply = &upstream.head();
    if (!attempt->has_head) reply = co_await upstream.read_head(deadline_ns);
    const bool is_given_up = attempt->is_lost || call->is_client_gone;
    if (!reply.ok() && is_given_up && reply.error().code == ErrorCode::cancelled &&
        !loop_->is_stopping()) {
        // Nobody waits any more, but the provider is at work: it is waited for a little, to learn
        // what it bills.
        reply = co_await upstream.read_head(std::min(deadline_ns, loop_->now_ns() + drain_ns));
    }
    if (!reply.ok()) co_return fail(std::move(reply).error());
    attempt->has_head = true;
    attempt->first_byte_ns = loop_->now_ns();
    attempt->status = (*reply)->status();
    attempt->request_id = (*reply)->find("x-request-id").substr(0, 128);
    attempt->answer.report = read_report(**reply, shared_->clock->now());
    const bool may_be_missing = !attempt->is_lost && call->object != 0 &&
                                (attempt->status == 404 || attempt->status == 400);
    if (attempt->status == 429 || may_be_missing)
        co_return co_await read_refusal_body(attempt, deadline_ns);
    co_return Status{};
}

/// A refusal tells its reason in its body, which is small and comes with the head.
Task<Status> Gateway::read_refusal_body(UpstreamTry* attempt, std::int64_t deadline_ns) {
    const HttpHead& head = attempt->connection->head();
    const std::optional<std::uint64_t> length = head.content_length();
    const bool is_small =
        length ? *length <= kRefusalBytesMax
               : head.is_chunked() && head.find("content-type").starts_with("application/json");
    if (!is_small || attempt->connection->is_message_complete()) co_return Status{};
    std::vector<std::string_view> pieces;
    for (;;) {
        pieces.clear();
        TG_CO_TRY(const bool more, co_await attempt->connection->read_body(&pieces, deadline_ns));
        for (const std::string_view piece : pieces) attempt->body.append(piece);
        if (!more || attempt->connection->is_message_complete()) break;
        // It would have to be passed on as it comes, and its beginning is gone.
        if (attempt->body.size() > kRefusalBytesMax)
            co_return fail(ErrorCode::upstream_broken, "its refusal is too long");
    }
    attempt->has_body = true;
    const RefusalFacts facts = read_refusal(attempt->body);
    attempt->answer.refused_meter = limit_meter(facts.meter);
    attempt->answer.can_heal = facts.can_heal;
    attempt->is_object_missing =
        facts.is_object_missing || (attempt->status == 404 && !facts.is_model_missing);
    co_return Status{};
}

void Gateway::fail_try(const LoopSnapshot& snapshot, UpstreamTry* attempt, const Error& error) {
    const std::int64_t now = loop_->now_ns();
    const CallVerdict verdict =
        attempt->state->fail(now, &attempt->ticket, error.code, attempt->has_reached_upstream);
    snapshot.upstreams->observe(now, attempt->deployment().index, verdict, -1);
}

/// The answer is not taken: another try follows. A connection whose answer was read whole is kept.
void Gateway::drop_try(const LoopSnapshot& snapshot, UpstreamTry* attempt) {
    attempt->state->finish(loop_->now_ns(), &attempt->ticket, {}, /*is_broken=*/false);
    if (attempt->connection && attempt->has_body && !attempt->is_body_unsent)
        snapshot.pools[attempt->deployment().index]->release(std::move(attempt->connection));
    attempt->connection.reset();
}

/// The try's answer is the call's.
void Gateway::accept_try(Call* call, UpstreamTry* attempt) {
    call->upstream = std::move(attempt->connection);
    call->ticket = std::move(attempt->ticket);
    call->splices = std::move(attempt->splices);
    call->is_body_unsent = attempt->is_body_unsent;
    call->upstream_status = attempt->status;
    call->upstream_request_id = std::move(attempt->request_id);
    call->first_byte_ns = attempt->first_byte_ns;
    call->has_early_body = attempt->has_body;
    call->early_body = std::move(attempt->body);
    shared_->metrics->first_byte->observe_us((call->first_byte_ns - call->started_ns) / 1000);
}

/// The call is over: its account is told what it used.
void Gateway::end_upstream(Call* call) {
    if (!call->ticket.is_open) return;
    const UpstreamSet& upstreams = *call->snapshot->upstreams;
    const std::uint32_t index = call->deployment->index;
    PacerEnd end;
    if (call->reply.has_usage) {
        end.input_tokens = call->reply.usage.input_tokens();
        // Anthropic does not count what is read from its cache; see PacerCost.
        if (call->deployment->options.provider == "anthropic")
            end.input_tokens -= call->reply.usage[Meter::cache_read];
        end.output_tokens = call->reply.usage.output_tokens();
    }
    const bool is_broken = call->outcome == Outcome::upstream_broken;
    const std::int64_t now = loop_->now_ns();
    upstreams.state(index).finish(now, &call->ticket, end, is_broken);
    if (is_broken) upstreams.observe(now, index, CallVerdict::failure, -1);
}

Task<Status> Gateway::upload(Call* call, UpstreamTry* attempt) {
    const GatewayOptions& options = *call->snapshot->options;
    const bool is_chunked = call->exchange->request().is_chunked();
    ClientConnection& upstream = *attempt->connection;
    std::vector<std::string_view> body;
    std::vector<iovec> pieces;
    while (!attempt->has_head) {
        body.clear();
        Result<bool> more = co_await call->exchange->read_body(&body);
        if (!more.ok()) {
            call->is_client_gone = more.error().code == ErrorCode::io_error;
            co_return fail(std::move(more).error());
        }
        std::size_t size = 0;
        for (const std::string_view piece : body) size += piece.size();
        char line[24];
        pieces.clear();
        if (is_chunked && size > 0) {
            char* end = std::to_chars(line, line + 16, size, 16).ptr;
            *end++ = '\r';
            *end++ = '\n';
            pieces.push_back({line, static_cast<std::size_t>(end - line)});
        }
        for (const std::string_view piece : body) pieces.push_back(to_iovec(piece));
        if (is_chunked && size > 0) pieces.push_back(to_iovec("\r\n"));
        if (is_chunked && !*more) pieces.push_back(to_iovec("0\r\n\r\n"));
        if (!pieces.empty()) {
            const Status sent = co_await send_upstream(
                &upstream, &pieces, loop_->now_ns() + options.upload_timeout_ms * 1'000'000);
            if (!sent.ok()) {
                // The upstream may have answered early (413, 401) and stopped reading: its answer
                // is what the client needs.
                if (sent.error().code != ErrorCode::upstream_broken ||
                    !upstream.has_pending_input())
                    co_return sent;
                attempt->is_body_unsent = true;
                break;
            }
        }
        if (!*more) break;
        if (upstream.has_pending_input()) TG_CO_CHECK_OK(co_await look_for_early_answer(attempt));
    }
    co_return Status{};
}

/// Something has come while the body is on its way: the answer, or an interim one (1xx), which
/// means go on.
Task<Status> Gateway::look_for_early_answer(UpstreamTry* attempt) {
    Result<const HttpHead*> head = co_await attempt->connection->read_head(loop_->now_ns());
    if (head.ok()) {
        attempt->has_head = attempt->is_body_unsent = true;
        co_return Status{};
    }
    if (head.error().code == ErrorCode::upstream_timeout) co_return Status{};
    attempt->is_body_unsent = true;
    co_return fail(std::move(head).error());
}

Task<Status> Gateway::send_upstream(ClientConnection* upstream, std::vector<iovec>* pieces,
                                    std::int64_t deadline_ns) {
    Status status = co_await upstream->write(pieces, deadline_ns);
    if (status.ok()) co_return status;
    switch (status.error().code) {
        case ErrorCode::io_error:
            co_return fail(ErrorCode::upstream_broken,
                           "the connection was closed while the request was sent");
        case ErrorCode::request_timeout:
            co_return fail(ErrorCode::upstream_timeout, "it does not take the request");
        default:
            co_return status;
    }
}

}  // namespace tg
