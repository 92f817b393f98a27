#include <charconv>

#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/internal/call.h"
#include "gateway/internal/headers.h"

namespace tg {
namespace {

iovec to_iovec(std::string_view text) {
    return {const_cast<char*>(text.data()), text.size()};
}

/// A connection that was idle may have been closed by the other side just as it was used; nothing
/// was processed then.
bool is_stale_connection(const ClientConnection& connection, const Error& error) {
    return connection.is_reused() && error.code == ErrorCode::upstream_broken &&
           !connection.has_received();
}

/// May the request be sent again? A body that went by cannot, none at all can.
bool is_repeatable(const Call& call) {
    const HttpHead& head = call.exchange->request();
    return call.is_inspected || (!head.is_chunked() && head.content_length().value_or(0) == 0);
}

/// May another deployment (or the same, again) do better? Asked before the first byte went to the
/// client.
bool is_worth_another_try(int status) {
    return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
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

/// The price belongs to the provider that served the call, which need not be the one asked first.
void find_price_of_deployment(Call* call) {
    if (call->price.price == nullptr) return;
    const Result<Catalogue::Found> found = call->snapshot->catalogue->find(
        call->facts.model, call->deployment->options.provider, call->started_at);
    call->price = found.ok() ? *found : Catalogue::Found{};
}

}  // namespace

Task<bool> Gateway::reach_upstream(Call* call) {
    const GatewayOptions& options = *call->snapshot->options;
    const std::size_t routes = call->routes->size();
    Error last{ErrorCode::upstream_unreachable, "no upstream answered"};
    bool allow_reuse = true;
    std::size_t next = 0;
    // A body that is streamed cannot be sent twice, and a single deployment is not asked again
    // after it has answered.
    const int attempts_max = call->is_inspected ? options.attempts_max : 1;
    while (next < routes && call->attempts < attempts_max) {
        const Route* route = &(*call->routes)[next];
        if (call->attempts > 0) shared_->metrics->upstream_retries->add();
        const Status status = co_await attempt(call, route, allow_reuse);
        if (status.ok()) {
            const bool has_other = next + 1 < routes && call->attempts < attempts_max;
            // Nobody waits for a better answer when the client has left.
            if (!has_other || call->is_client_gone ||
                !is_worth_another_try(call->upstream_status)) {
                if (next > 0) find_price_of_deployment(call);
                co_return true;
            }
            log_warn("upstream_failover", {{"id", call->id.text()},
                                           {"deployment", route->deployment->options.name},
                                           {"status", call->upstream_status}});
            call->upstream.reset();
            ++next;
            allow_reuse = true;
            continue;
        }
        last = status.error();
        const bool was_stale =
            call->upstream && is_repeatable(*call) && is_stale_connection(*call->upstream, last);
        call->upstream.reset();
        if (call->is_client_gone || last.code == ErrorCode::cancelled) break;
        if (was_stale && allow_reuse) {
            allow_reuse = false;
            --call->attempts;
            continue;
        }
        shared_->metrics->upstream_failures->add();
        log_warn("upstream_failed", {{"id", call->id.text()},
                                     {"deployment", route->deployment->options.name},
                                     {"error", name(last.code)},
                                     {"detail", last.detail}});
        // After a time-out the provider may still be working and billing; asking again would pay
        // twice.
        if (last.code == ErrorCode::upstream_timeout && call->has_reached_upstream) break;
        ++next;
        allow_reuse = true;
    }
    co_await give_up(call, std::move(last));
    co_return false;
}

/// No deployment gave an answer: settles or abandons the call, and tells the client.
Task<void> Gateway::give_up(Call* call, Error last) {
    call->upstream_status = 0;
    if (call->is_client_gone) {
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
    if (call->is_client_gone || last.code == ErrorCode::cancelled) {
        call->answered_status = 499;
        call->exchange->abort();
        co_return;
    }
    if (last.code == ErrorCode::request_timeout || last.code == ErrorCode::invalid_request ||
        last.code == ErrorCode::io_error) {
        co_await refuse(call, std::move(last));
        co_return;
    }
    last.detail = "upstream '" +
                  std::string(call->deployment != nullptr ? call->deployment->options.name : "") +
                  "': " + last.detail;
    co_await refuse(call, std::move(last));
}

Task<Status> Gateway::attempt(Call* call, const Route* route, bool allow_reuse) {
    const GatewayOptions& options = *call->snapshot->options;
    const Deployment& deployment = *route->deployment;
    call->deployment = route->deployment;
    ++call->attempts;
    // What the attempt before was told is not true of this one.
    call->upstream_request_id.clear();
    call->first_byte_ns = 0;
    shared_->metrics->upstream_attempts->add();
    const std::int64_t deadline_ns = loop_->now_ns() + options.first_byte_timeout_ms * 1'000'000;

    ClientPool* pool = call->snapshot->pools[deployment.index];
    TG_CO_TRY(call->upstream, co_await pool->acquire(allow_reuse, deadline_ns));
    ClientConnection& upstream = *call->upstream;

    LoopBuffer head(loop_);
    std::vector<iovec> pieces;
    pieces.reserve(8);
    pieces.emplace_back();
    std::uint64_t length = 0;
    if (call->is_inspected) {
        // A model that stood in the path (engines/{model}) must be told in the body.
        const bool is_told = !route->upstream_model.empty() || call->facts.model_value.is_set();
        call->splices =
            rewrite_request(call->kind, call->facts, call->body,
                            {.inject_usage = deployment.options.inject_usage,
                             .upstream_model = is_told ? std::string_view(route->upstream_model)
                                                       : call->facts.model});
        length = append_spliced(call->body, call->splices, &pieces);
    }
    write_upstream_head(*call, deployment, length, &*head);
    pieces.front() = to_iovec(*head);

    upstream.start_response(call->exchange->request().method() == "HEAD");
    call->has_reached_upstream = true;
    TG_CO_CHECK_OK(co_await send_upstream(&upstream, &pieces,
                                          loop_->now_ns() + options.upload_timeout_ms * 1'000'000));
    if (!call->is_inspected) TG_CO_CHECK_OK(co_await upload(call));

    call->exchange->set_peer_gone_listener(call);
    Result<const HttpHead*> reply = co_await upstream.read_head(deadline_ns);
    if (!reply.ok() && call->is_client_gone && reply.error().code == ErrorCode::cancelled &&
        !loop_->is_stopping()) {
        // The client left while the provider was at work: it is waited for a little, to learn what
        // it bills.
        const std::int64_t until = loop_->now_ns() + options.drain_after_disconnect_ms * 1'000'000;
        reply = co_await upstream.read_head(std::min(deadline_ns, until));
    }
    if (!reply.ok()) co_return fail(std::move(reply).error());
    call->first_byte_ns = loop_->now_ns();
    shared_->metrics->first_byte->observe_us((call->first_byte_ns - call->started_ns) / 1000);
    call->upstream_status = (*reply)->status();
    call->upstream_request_id = (*reply)->find("x-request-id").substr(0, 128);
    co_return Status{};
}

Task<Status> Gateway::upload(Call* call) {
    const GatewayOptions& options = *call->snapshot->options;
    const bool is_chunked = call->exchange->request().is_chunked();
    ClientConnection& upstream = *call->upstream;
    std::vector<std::string_view> body;
    std::vector<iovec> pieces;
    for (;;) {
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
                call->is_body_unsent = true;
                break;
            }
        }
        if (!*more) break;
        if (upstream.has_pending_input()) {
            call->is_body_unsent = true;
            break;
        }
    }
    co_return Status{};
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
