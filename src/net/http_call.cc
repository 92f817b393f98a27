#include "net/http_call.h"

#include <algorithm>

#include "net/http_client.h"
#include "net/loop.h"

namespace tg {
namespace {

constexpr std::size_t kBodyMax = 1U << 20;

struct Exchange {
    Loop loop;
    BlockingPool blocking{1};
    std::unique_ptr<ClientPool> pool;
    std::string request;
    std::int64_t timeout_ms = 0;
    HttpReply reply;
    Status status;
};

Task<Status> talk(Exchange* x) {
    const std::int64_t deadline = x->loop.now_ns() + x->timeout_ms * 1'000'000;
    TG_CO_TRY(const std::unique_ptr<ClientConnection> connection,
              co_await x->pool->acquire(/*allow_reuse=*/false, deadline));
    std::vector<iovec> pieces{{x->request.data(), x->request.size()}};
    connection->start_response(/*is_head=*/false);
    TG_CO_CHECK_OK(co_await connection->write(&pieces, deadline));
    TG_CO_TRY(const HttpHead* head, co_await connection->read_head(deadline));
    x->reply.status = head->status();
    for (const HttpHeader& each : head->headers()) {
        std::string name(head->name(each));
        std::ranges::transform(name, name.begin(), [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
        });
        x->reply.headers.emplace_back(std::move(name), head->value(each));
    }
    std::vector<std::string_view> views;
    for (;;) {
        views.clear();
        TG_CO_TRY(const bool more, co_await connection->read_body(&views, deadline));
        for (const std::string_view view : views) x->reply.body.append(view);
        if (!more) co_return Status{};
        if (x->reply.body.size() > kBodyMax)
            co_return fail(ErrorCode::upstream_broken, "the answer is larger than 1 MB");
    }
}

Task<void> talk_and_stop(Exchange* x) {
    x->status = co_await talk(x);
    x->loop.stop();
}

}  // namespace

std::string HttpReply::header(std::string_view lower_name) const {
    for (const auto& [name, value] : headers) {
        if (name == lower_name) return value;
    }
    return {};
}

Result<HttpReply> http_call(const HttpCall& call) {
    TG_TRY(const HttpUrl url, parse_url(call.url));
    Origin origin{.host = url.host, .port = url.port};
    if (url.is_tls) {
        TG_TRY(origin.tls, TlsContext::client(call.ca_file));
    }
    Exchange x;
    x.request = call.method + " " + (url.path.empty() ? "/" : url.path) +
                (call.query.empty() ? "" : "?" + call.query) +
                " HTTP/1.1\r\nhost: " + origin.authority() + "\r\n" + call.header_lines;
    if (!call.body.empty()) x.request += "content-type: " + call.content_type + "\r\n";
    x.request += "content-length: " + std::to_string(call.body.size()) +
                 "\r\nconnection: close\r\n\r\n" + call.body;
    x.timeout_ms = call.timeout_ms;
    x.pool = std::make_unique<ClientPool>(&x.loop, &x.blocking, origin, ClientPool::Options{});
    x.loop.post([&x] { x.loop.spawn(talk_and_stop(&x)); });
    x.loop.run();
    x.pool.reset();
    if (!x.status.ok()) return fail(x.status.error());
    return std::move(x.reply);
}

}  // namespace tg
