#include <functional>
#include <list>

#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/internal/call.h"
#include "gateway/internal/headers.h"

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

/// Gives the scanner all that one read brought. A piece in its own buffer lives until the next
/// feed only, so it is copied to `kept` when there is one; pieces of the read itself stay.
bool feed_all(StreamScanner* scanner, const std::vector<std::string_view>& raw,
              std::vector<std::string_view>* pieces, std::list<std::string>* kept) {
    kept->clear();
    for (const std::string_view& bytes : raw) {
        const std::size_t first = pieces->size();
        if (!scanner->feed(bytes, pieces).ok()) return false;
        if (&bytes == &raw.back()) break;
        for (std::size_t i = first; i < pieces->size(); ++i) {
            std::string_view& piece = (*pieces)[i];
            const bool is_in_read = !std::less<>()(piece.data(), bytes.data()) &&
                                    std::less<>()(piece.data(), bytes.data() + bytes.size());
            if (!is_in_read) piece = kept->emplace_back(piece);
        }
    }
    return true;
}

}  // namespace

void Gateway::begin_answer(Call* call, ServerExchange::Framing framing, std::uint64_t length,
                           bool has_cost) {
    std::string& lines = *call->exchange->begin_head(call->upstream_status);
    const bool has_date = append_reply_headers(call->upstream->head(), &lines);
    lines.append("x-request-id: ").append(call->id_view()).append("\r\n");
    lines.append("x-tollgate-upstream: ").append(call->deployment->options.name).append("\r\n");
    if (!call->upstream_request_id.empty()) {
        lines.append("x-tollgate-upstream-request-id: ")
            .append(call->upstream_request_id)
            .append("\r\n");
    }
    if (has_cost && call->has_charge && call->snapshot->options->shows_cost_header) {
        lines.append("x-tollgate-cost: ").append(format_amount(call->charge, 0)).append(" ");
        lines.append(code(call->charge_currency)).append("\r\n");
    }
    if (!call->asked_model.empty())
        lines.append("x-tollgate-model: ").append(call->facts.model).append("\r\n");
    lines.append(call->own_headers);
    call->exchange->end_head(framing, length, has_date);
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
    // An upstream that waits for the rest of a body would take the next request for it.
    if (call->upstream && !call->is_body_unsent)
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

/// An answer that is no stream, on its way through.
struct WholeAnswer {
    explicit WholeAnswer(const Call& call)
        : held(call.exchange->loop()),
          scanner(call.kind),
          scans(
              (call.is_metered() || call.has_token_limits || call.kind == OpenAiCall::responses) &&
              is_json(call.upstream->head().find("content-type")) && call.upstream_status < 400),
          has_no_body(call.exchange->request().method() == "HEAD" || call.upstream_status == 204 ||
                      call.upstream_status == 304) {}

    LoopBuffer held;  ///< what has arrived and was not passed on
    ReplyScanner scanner;
    const bool scans, has_no_body;
    bool has_begun = false;
};

/// `is_all`: the whole body is held, so that its cost is known and can stand in the head.
void Gateway::begin_whole(Call* call, WholeAnswer* answer, bool is_all) {
    using Framing = ServerExchange::Framing;
    const std::optional<std::uint64_t> length = call->upstream->head().content_length();
    const bool has_cost = is_all && !answer->has_no_body;
    const bool has_length = has_cost || length;
    answer->has_begun = true;
    begin_answer(call, has_length ? Framing::content_length : Framing::chunked,
                 has_cost ? answer->held->size() : length.value_or(0), has_cost);
}

/// Passes the answer on as it arrives, all but what is left in `held` at its end.
Task<void> Gateway::read_whole(Call* call, WholeAnswer* answer) {
    ClientConnection& upstream = *call->upstream;
    const std::int64_t idle_ns = call->snapshot->options->stream_idle_timeout_ms * 1'000'000;
    std::string& held = *answer->held;
    std::vector<std::string_view> pieces;
    for (;;) {
        Result<bool> more = co_await upstream.read_body(&pieces, loop_->now_ns() + idle_ns);
        if (!more.ok() && call->is_client_gone)
            co_return co_await drain_upstream(call, &answer->scanner);
        if (!more.ok()) {
            call->outcome = Outcome::upstream_broken;
            co_return;
        }
        if (answer->scans) {
            for (const std::string_view piece : pieces) answer->scanner.feed(piece);
        }
        if (!*more || upstream.is_message_complete()) co_return hold(&pieces, &held);
        if (!answer->has_begun && held.size() <= kHeldBytesMax && !answer->has_no_body) {
            hold(&pieces, &held);
            if (held.size() <= kHeldBytesMax) continue;
        }
        if (!answer->has_begun) begin_whole(call, answer, /*is_all=*/false);
        if (!held.empty()) pieces.insert(pieces.begin(), held);
        const Status sent = co_await call->exchange->send(&pieces);
        held.clear();
        pieces.clear();
        if (!sent.ok()) {
            call->is_client_gone = true;
            co_return co_await drain_upstream(call, &answer->scanner);
        }
    }
}

Task<void> Gateway::relay_whole(Call* call) {
    call->answered_status = call->upstream_status;
    WholeAnswer answer(*call);
    if (call->has_early_body)
        *answer.held = std::move(call->early_body);
    else
        co_await read_whole(call, &answer);
    call->reply = answer.scanner.finish();
    call->has_reply = true;
    note_homes(*call);
    const bool is_cut = call->outcome == Outcome::upstream_broken;
    if (call->is_client_gone && call->outcome == Outcome::ok) call->outcome = Outcome::client_gone;
    const bool is_durable = co_await settle(call);
    if (call->is_client_gone) co_return;
    if (is_cut && !answer.has_begun) {
        co_await refuse(call,
                        {ErrorCode::upstream_broken,
                         "upstream '" + call->deployment->options.name + "': the answer was cut"});
    } else if (!is_durable && !answer.has_begun) {
        co_await refuse(call, {ErrorCode::journal_unavailable,
                               "the usage journal failed: " + shared_->journal->failure()});
    } else if (is_cut || !is_durable) {
        call->exchange->abort();
    } else {
        if (!answer.has_begun) begin_whole(call, &answer, /*is_all=*/true);
        std::vector<std::string_view> rest(1, *answer.held);
        (void)(co_await call->exchange->finish(&rest)).ok();
    }
}

Task<void> Gateway::pump_stream(Call* call, std::string* last) {
    ClientConnection& upstream = *call->upstream;
    const std::int64_t idle_ns = call->snapshot->options->stream_idle_timeout_ms * 1'000'000;
    std::vector<std::string_view> raw, pieces;
    std::list<std::string> kept;
    for (;;) {
        raw.clear();
        pieces.clear();
        Result<bool> more = co_await upstream.read_body(&raw, loop_->now_ns() + idle_ns);
        const bool is_broken = !more.ok() || !feed_all(call->stream.get(), raw, &pieces, &kept);
        const bool is_ended = more.ok() && (!*more || upstream.is_message_complete());
        if (is_ended || is_broken) call->stream->finish(&pieces);
        if (call->is_client_gone) {
            if (!is_ended) co_await drain_upstream(call, nullptr);
            co_return;
        }
        if (is_broken) call->outcome = Outcome::upstream_broken;
        if (is_ended || is_broken) co_return hold(&pieces, last);
        if (pieces.empty()) continue;
        const Status sent = co_await call->exchange->send(&pieces);
        if (!sent.ok()) {
            call->is_client_gone = true;
            co_return co_await drain_upstream(call, nullptr);
        }
    }
}

Task<void> Gateway::relay_stream(Call* call) {
    call->answered_status = call->upstream_status;
    const bool strips = call->is_inspected && call->facts.is_stream && !call->facts.asks_usage &&
                        (call->kind == OpenAiCall::chat || call->kind == OpenAiCall::completions) &&
                        call->deployment->options.inject_usage;
    call->stream = std::make_unique<StreamScanner>(call->kind, strips);
    begin_answer(call, ServerExchange::Framing::chunked, 0, /*has_cost=*/false);
    // What a long stream keeps: no heads, no large prompt.
    call->upstream->release_head();
    if (call->body.size() > kKeptBodyBytes) co_await count_prompt(call);
    if (call->prompt_tokens_counted >= 0) call->body = {};

    std::string last;
    co_await pump_stream(call, &last);
    call->reply = call->stream->facts();
    call->has_reply = true;
    note_homes(*call);
    if (call->is_client_gone && call->outcome == Outcome::ok) call->outcome = Outcome::client_gone;
    // A stream that ends neatly but without its end mark was cut: the client must not take it for a
    // short answer.
    if (call->outcome == Outcome::ok && !call->stream->saw_end() && call->is_inspected)
        call->outcome = Outcome::upstream_broken;
    const bool is_durable = co_await settle(call);
    if (call->is_client_gone) co_return;
    std::vector<std::string_view> pieces(1, last);
    if (is_durable && call->outcome != Outcome::upstream_broken) {
        (void)(co_await call->exchange->finish(&pieces)).ok();
        co_return;
    }
    // The SDKs raise an error on this event; the missing last chunk tells every other client.
    std::string event = "data: ";
    event.append(
        openai_error_body(is_durable ? "the upstream's answer was cut" : "the usage journal failed",
                          "server_error", is_durable ? "upstream_broken" : "journal_unavailable"));
    event.append("\n\n");
    pieces.emplace_back(event);
    (void)(co_await call->exchange->send(&pieces)).ok();
    call->exchange->abort();
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
        // The news that the client has left may come after a write has told so already; it
        // interrupts the read once more.
        if (!more.ok() && more.error().code == ErrorCode::cancelled) continue;
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
