#include "app/admin_server.h"

#include "app/workers.h"
#include "base/json_writer.h"
#include "base/thread_name.h"
#include "net/address.h"

namespace tg {
namespace {

constexpr std::size_t kBodyBytesMax = 32U << 20;  // a price list is 1.5 MB
constexpr std::string_view kJsonType = "content-type: application/json\r\n";

std::string bearer_token(const HttpHead& head) {
    const std::string_view value = head.find("authorization");
    if (value.size() <= 7 || !equals_ignoring_case(value.substr(0, 7), "bearer ")) return {};
    return std::string(value.substr(7));
}

}  // namespace

AdminServer::AdminServer(Parts parts) : parts_(std::move(parts)) {}
AdminServer::~AdminServer() {
    TG_ASSERT(!thread_.joinable());
}

Status AdminServer::start(const Config& config) {
    TG_TRY(const SocketAddress address, parse_address(config.admin_listen));
    HttpServerOptions options = config.server;
    TG_TRY(options.tls, load_tls(config.admin_tls));
    TG_CHECK_OK(check_address_is_free(address));
    TG_TRY(const int fd, listen_on(address, 256));
    address_ = local_address(fd).text();
    loop_ = std::make_unique<Loop>();
    server_ = std::make_unique<HttpServer>(loop_.get(), fd, std::move(options), this);
    thread_ = std::thread([this] {
        set_thread_name("tg-admin");
        loop_->post([this] { server_->start(); });
        loop_->run();
    });
    return {};
}

void AdminServer::stop() {
    if (!thread_.joinable()) return;
    loop_->stop();
    thread_.join();
    server_.reset();
    loop_.reset();
}

std::string AdminServer::error_body(int, const Error& error) {
    std::string body;
    JsonWriter w(body);
    w.begin_object()
        .key("error")
        .begin_object()
        .field("code", name(error.code))
        .field("message", error.detail);
    w.end_object().end_object();
    return body;
}

Task<void> AdminServer::handle(ServerExchange* exchange) {
    const std::string_view path = path_of(exchange->request().target());
    if (path == "/metrics") {
        std::string text;
        if (parts_.before_metrics) parts_.before_metrics();
        parts_.metrics->write_prometheus(text);
        (void)(co_await exchange->respond(
                   200, "content-type: text/plain; version=0.0.4; charset=utf-8\r\n", text))
            .ok();
        co_return;
    }
    if (path == "/healthz" || path == "/readyz") {
        const std::string problem = path == "/readyz" ? parts_.not_ready() : std::string();
        std::string body;
        JsonWriter w(body);
        w.begin_object().field("status", problem.empty() ? "ok" : "unavailable");
        if (!problem.empty()) w.field("reason", problem);
        w.end_object();
        (void)(co_await exchange->respond(problem.empty() ? 200 : 503, kJsonType, body)).ok();
        co_return;
    }
    if (path == "/refresh" && exchange->request().method() == "POST") {
        // Open to everyone who reaches this listener: it tells nothing and changes nothing but the
        // moment.
        const Status ran = co_await parts_.blocking->run(loop_.get(), parts_.refresh);
        const int status = ran.ok() ? 200 : 503;
        (void)(co_await exchange->respond(status, kJsonType,
                                          ran.ok() ? "{}" : error_body(status, ran.error())))
            .ok();
        co_return;
    }
    co_await answer_api(exchange);
}

Task<void> AdminServer::answer_api(ServerExchange* exchange) {
    const HttpHead& head = exchange->request();
    Result<std::string_view> body = co_await exchange->read_full_body(kBodyBytesMax);
    if (!body.ok()) {
        const int status = info(body.error().code).http_status;
        const std::string text = error_body(status, body.error());
        (void)(co_await exchange->respond(status, kJsonType, text)).ok();
        co_return;
    }
    ApiRequest request;
    request.method = head.method();
    request.path = path_of(head.target());
    request.query = query_of(head.target());
    request.body = *body;
    request.bearer_token = bearer_token(head);
    request.idempotency_key = head.find("idempotency-key");
    request.remote = exchange->peer_address();
    ApiReply reply;
    const Status ran =
        co_await parts_.blocking->run(loop_.get(), [&] { reply = parts_.api->handle(request); });
    if (!ran.ok()) {
        const std::string text = error_body(503, ran.error());
        (void)(co_await exchange->respond(503, kJsonType, text)).ok();
        co_return;
    }
    std::string headers = "content-type: " + reply.content_type + "\r\ncache-control: no-store\r\n";
    for (const auto& [key, value] : reply.headers)
        headers.append(key).append(": ").append(value).append("\r\n");
    (void)(co_await exchange->respond(reply.status, headers, reply.body)).ok();
}

}  // namespace tg
