#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/internal/call.h"
#include "gateway/internal/headers.h"
#include "rating/rate.h"

namespace tg {
namespace {

/// A whole answer up to this size waits for its end, so that its cost can stand in its head;
/// providers send it at once anyway.
constexpr std::size_t kHeldBytesMax = 64 * 1024;
/// The prompt of a long stream is kept for an estimate up to this size; a larger one is counted
/// before it is let go.
constexpr std::size_t kKeptBodyBytes = 16 * 1024;

bool is_event_stream(std::string_view content_type) {
    return content_type.starts_with("text/event-stream");
}
bool is_json(std::string_view content_type) {
    return content_type.starts_with("application/json");
}

/// The views of a read are gone after the next suspension: what must wait is copied.
void hold(std::vector<std::string_view>* pieces, std::string* held) {
    for (const std::string_view piece : *pieces) held->append(piece);
    pieces->clear();
}

}  // namespace

std::string Gateway::response_headers(Call* call, bool has_cost) {
    std::string lines;
    lines.reserve(512);
    append_reply_headers(call->upstream->head(), &lines);
    char id[RequestId::kTextSize];
    call->id.write_text(id);
    lines.append("x-request-id: ").append(id, sizeof id).append("\r\n");
    lines.append("x-tollgate-upstream: ").append(call->deployment->options.name).append("\r\n");
    if (!call->upstream_request_id.empty()) {
        lines.append("x-tollgate-upstream-request-id: ")
            .append(call->upstream_request_id)
            .append("\r\n");
    }
    if (has_cost && call->snapshot->options->shows_cost_header && call->price.price != nullptr &&
        call->reply.has_usage) {
        const Result<RatedEvent> rated = rate(call->reply.usage, *call->price.price,
                                              call->reply.tier, call->deployment->options.region);
        if (rated.ok()) {
            lines.append("x-tollgate-cost: ").append(format_amount(rated->total, 0)).append(" ");
            lines.append(code(rated->currency)).append("\r\n");
        }
    }
    return lines;
}

Task<void> Gateway::relay(Call* call) {
    const std::string_view type = call->upstream->head().find("content-type");
    if (call->upstream_status >= 400) call->outcome = Outcome::upstream_error;
    call->is_stream_answer = is_event_stream(type);
    if (call->upstream_status == 401) {
        co_await refuse_own_credentials(call);
    } else if (call->is_stream_answer) {
        co_await relay_stream(call);
    } else {
        co_await relay_whole(call);
    }
    if (call->upstream)
        call->snapshot->pools[call->deployment->index]->release(std::move(call->upstream));
    if (!call->is_client_gone) co_return;
    shared_->metrics->client_gone->add();
    call->exchange->abort();
}

/// The provider does not accept the account's credentials. That is no fault of the client's, who
/// must not be told that its key is wrong.
Task<void> Gateway::refuse_own_credentials(Call* call) {
    log_error("upstream_refuses_credentials", {{"deployment", call->deployment->options.name}});
    call->upstream.reset();
    co_await settle(call);
    co_await refuse(call, {ErrorCode::upstream_rejected,
                           "upstream '" + call->deployment->options.name +
                               "' does not accept this gateway's credentials; whoever runs the "
                               "gateway must check its api_key"});
}

Task<void> Gateway::relay_whole(Call* call) {
    ClientConnection& upstream = *call->upstream;
    const GatewayOptions& options = *call->snapshot->options;
    call->answered_status = call->upstream_status;
    ReplyScanner scanner(call->kind);
    const bool scans = call->is_metered() && is_json(upstream.head().find("content-type")) &&
                       call->upstream_status < 400;
    std::string held;
    std::vector<std::string_view> pieces;
    bool has_begun = false;
    const std::optional<std::uint64_t> length = upstream.head().content_length();
    const bool has_no_body = call->exchange->request().method() == "HEAD" ||
                             call->upstream_status == 204 || call->upstream_status == 304;
    const auto begin = [&](bool has_cost, std::uint64_t whole) {
        has_begun = true;
        const std::string lines = response_headers(call, has_cost);
        if (has_cost)
            call->exchange->begin(call->upstream_status, lines,
                                  ServerExchange::Framing::content_length, whole);
        else if (length && !has_no_body)
            call->exchange->begin(call->upstream_status, lines,
                                  ServerExchange::Framing::content_length, *length);
        else
            call->exchange->begin(call->upstream_status, lines, ServerExchange::Framing::chunked);
    };
    for (;;) {
        Result<bool> more = co_await upstream.read_body(
            &pieces, loop_->now_ns() + options.stream_idle_timeout_ms * 1'000'000);
        if (!more.ok()) {
            if (call->is_client_gone) {
                co_await drain_upstream(call, &scanner);
            } else {
                call->outcome = Outcome::upstream_broken;
            }
            break;
        }
        if (scans) {
            for (const std::string_view piece : pieces) scanner.feed(piece);
        }
        if (!*more || upstream.is_message_complete()) {
            hold(&pieces, &held);
            break;
        }
        if (!has_begun && held.size() <= kHeldBytesMax && !has_no_body) {
            hold(&pieces, &held);
            if (held.size() <= kHeldBytesMax) continue;
        }
        if (!has_begun) begin(/*has_cost=*/false, 0);
        if (!held.empty()) pieces.insert(pieces.begin(), held);
        const Status sent = co_await call->exchange->send(&pieces);
        held.clear();
        pieces.clear();
        if (!sent.ok()) {
            call->is_client_gone = true;
            co_await drain_upstream(call, &scanner);
            break;
        }
    }
    call->reply = scanner.finish();
    call->has_reply = true;
    const bool is_cut = call->outcome == Outcome::upstream_broken;
    if (call->is_client_gone && call->outcome == Outcome::ok) call->outcome = Outcome::client_gone;
    const bool is_durable = co_await settle(call);
    if (call->is_client_gone) co_return;
    if (is_cut && !has_begun) {
        co_await refuse(call,
                        {ErrorCode::upstream_broken,
                         "upstream '" + call->deployment->options.name + "': the answer was cut"});
        co_return;
    }
    if (is_cut || !is_durable) {
        if (!has_begun && !is_durable) {
            co_await refuse(call, {ErrorCode::journal_unavailable,
                                   "the usage journal failed: " + shared_->journal->failure()});
            co_return;
        }
        call->exchange->abort();
        co_return;
    }
    if (!has_begun) begin(/*has_cost=*/!has_no_body, held.size());
    pieces.assign(1, held);
    (void)(co_await call->exchange->finish(&pieces)).ok();
}

Task<void> Gateway::relay_stream(Call* call) {
    ClientConnection& upstream = *call->upstream;
    const std::int64_t idle_ns = call->snapshot->options->stream_idle_timeout_ms * 1'000'000;
    call->answered_status = call->upstream_status;
    const bool strips = call->is_inspected && call->facts.is_stream && !call->facts.asks_usage &&
                        (call->kind == OpenAiCall::chat || call->kind == OpenAiCall::completions) &&
                        call->deployment->options.inject_usage;
    call->stream = std::make_unique<StreamScanner>(call->kind, strips);
    call->exchange->begin(call->upstream_status, response_headers(call, /*has_cost=*/false),
                          ServerExchange::Framing::chunked);
    // What a long stream keeps: no heads, no large prompt.
    upstream.release_head();
    if (call->body.size() > kKeptBodyBytes) co_await count_prompt(call);
    if (call->prompt_tokens_counted >= 0) call->body = {};

    std::string last;
    std::vector<std::string_view> raw, pieces;
    bool is_ended = false;
    while (!is_ended) {
        raw.clear();
        pieces.clear();
        Result<bool> more = co_await upstream.read_body(&raw, loop_->now_ns() + idle_ns);
        Status fed;
        if (more.ok()) {
            for (const std::string_view bytes : raw) {
                fed = call->stream->feed(bytes, &pieces);
                if (!fed.ok()) break;
            }
            is_ended = !*more || upstream.is_message_complete();
            if (is_ended) call->stream->finish(&pieces);
        }
        if (call->is_client_gone) {
            if (!is_ended) co_await drain_upstream(call, nullptr);
            break;
        }
        if (!more.ok() || !fed.ok()) {
            call->outcome = Outcome::upstream_broken;
            call->stream->finish(&pieces);
            hold(&pieces, &last);
            break;
        }
        if (is_ended) {
            hold(&pieces, &last);
            break;
        }
        if (pieces.empty()) continue;
        const Status sent = co_await call->exchange->send(&pieces);
        if (!sent.ok()) {
            call->is_client_gone = true;
            co_await drain_upstream(call, nullptr);
            break;
        }
    }
    call->reply = call->stream->facts();
    call->has_reply = true;
    if (call->is_client_gone && call->outcome == Outcome::ok) call->outcome = Outcome::client_gone;
    // A stream that ends neatly but without its end mark was cut: the client must not take it for a
    // short answer.
    if (call->outcome == Outcome::ok && !call->stream->saw_end() && call->is_inspected)
        call->outcome = Outcome::upstream_broken;
    const bool is_durable = co_await settle(call);
    if (call->is_client_gone) co_return;
    pieces.assign(1, last);
    if (!is_durable || call->outcome == Outcome::upstream_broken) {
        // The SDKs raise an error on this event; the missing last chunk tells every other client.
        std::string event = "data: ";
        event.append(openai_error_body(
            is_durable ? "the upstream's answer was cut" : "the usage journal failed",
            "server_error", is_durable ? "upstream_broken" : "journal_unavailable"));
        event.append("\n\n");
        pieces.emplace_back(event);
        (void)(co_await call->exchange->send(&pieces)).ok();
        call->exchange->abort();
        co_return;
    }
    (void)(co_await call->exchange->finish(&pieces)).ok();
}

Task<void> Gateway::drain_upstream(Call* call, ReplyScanner* scanner) {
    if (!call->upstream) co_return;
    const std::int64_t until =
        loop_->now_ns() + call->snapshot->options->drain_after_disconnect_ms * 1'000'000;
    std::vector<std::string_view> raw, ignored;
    // Only what the client was given counts if it comes to an estimate.
    if (call->stream) call->stream->stop_collecting_text();
    while (!loop_->is_stopping()) {
        raw.clear();
        ignored.clear();
        const Result<bool> more = co_await call->upstream->read_body(&raw, until);
        if (!more.ok()) break;
        for (const std::string_view bytes : raw) {
            if (scanner != nullptr)
                scanner->feed(bytes);
            else if (!call->stream->feed(bytes, &ignored).ok())
                co_return;
        }
        if (!*more || call->upstream->is_message_complete()) co_return;
        if (loop_->now_ns() >= until) break;
    }
    // Time is up: closing the connection tells the provider to stop.
    call->upstream.reset();
}

}  // namespace tg
