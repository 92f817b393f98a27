#include "sim/test_client.h"

#include <algorithm>

#include "net/http_client.h"
#include "net/loop.h"

namespace tg::sim {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    });
    return out;
}

struct Exchange {
    Loop loop;
    BlockingPool blocking{1};
    std::unique_ptr<ClientPool> pool;
    std::string request;
    std::int64_t timeout_ms = 0;
    std::size_t leave_after_bytes = SIZE_MAX;
    bool is_head = false;
    Reply reply;
};

Task<Status> talk(Exchange* x) {
    const std::int64_t deadline = x->loop.now_ns() + x->timeout_ms * 1'000'000;
    TG_CO_TRY(const std::unique_ptr<ClientConnection> connection,
              co_await x->pool->acquire(/*allow_reuse=*/false, deadline));
    std::vector<iovec> pieces{{x->request.data(), x->request.size()}};
    TG_CO_CHECK_OK(co_await connection->write(&pieces, deadline));
    connection->start_response(x->is_head);
    TG_CO_TRY(const HttpHead* head, co_await connection->read_head(deadline));
    x->reply.status = head->status();
    for (const HttpHeader& each : head->headers())
        x->reply.headers.insert_or_assign(lower(head->name(each)), std::string(head->value(each)));
    std::vector<std::string_view> views;
    for (;;) {
        views.clear();
        const Result<bool> more = co_await connection->read_body(&views, deadline);
        for (const std::string_view view : views) x->reply.body.append(view);
        if (!more.ok()) co_return fail(more.error());
        if (!*more) break;
        if (x->reply.body.size() >= x->leave_after_bytes) co_return Status{};
    }
    x->reply.is_whole = true;
    co_return Status{};
}

Task<void> talk_and_stop(Exchange* x) {
    const Status status = co_await talk(x);
    if (!status.ok()) {
        x->reply.failure = status.error().text();
        x->reply.is_timed_out = status.error().code == ErrorCode::upstream_timeout;
    }
    x->loop.stop();
}

}  // namespace

std::vector<std::string> Reply::events() const {
    std::vector<std::string> out;
    std::string_view rest = body;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find("\n\n"), rest.size());
        std::string_view block = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 2, rest.size()));
        const std::size_t data = block.find("data: ");
        if (data != std::string_view::npos) out.emplace_back(block.substr(data + 6));
    }
    return out;
}

Reply TestClient::post(const std::string& path, const std::string& body,
                       const std::string& directives) {
    return send("POST", path, body,
                directives.empty() ? "" : "x-sim-directives: " + directives + "\r\n");
}

Reply TestClient::send(const std::string& method, const std::string& path, const std::string& body,
                       const std::string& lines) {
    Exchange x;
    x.pool = std::make_unique<ClientPool>(&x.loop, &x.blocking, Origin{"127.0.0.1", port_, tls_},
                                          ClientPool::Options{});
    x.request = method + " " + path + " HTTP/1.1\r\nhost: sim\r\n" + lines;
    if (lines.find("authorization:") == std::string::npos)
        x.request += "authorization: Bearer sk-test-0123456789\r\n";
    if (lines.find("content-type:") == std::string::npos)
        x.request += "content-type: application/json\r\n";
    x.request += "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    x.timeout_ms = timeout_ms;
    x.leave_after_bytes = leave_after_bytes;
    x.is_head = method == "HEAD";
    x.loop.post([&x] { x.loop.spawn(talk_and_stop(&x)); });
    x.loop.run();
    x.pool.reset();
    return std::move(x.reply);
}

}  // namespace tg::sim
