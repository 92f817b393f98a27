#include "net/http_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/log.h"
#include "net/server_connection.h"

namespace tg {

std::string_view path_of(std::string_view target) {
    if (const std::size_t scheme = target.find("://");
        scheme != std::string_view::npos && target[0] != '/') {
        const std::size_t slash = target.find('/', scheme + 3);
        target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    }
    return target.substr(0, target.find('?'));
}

std::string_view query_of(std::string_view target) {
    const std::size_t mark = target.find('?');
    return mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
}

std::string_view reason_phrase(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 413:
            return "Content Too Large";
        case 415:
            return "Unsupported Media Type";
        case 417:
            return "Expectation Failed";
        case 422:
            return "Unprocessable Content";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        default:
            return "Status";
    }
}

HttpServer::HttpServer(Loop* loop, int fd, HttpServerOptions options, HttpHandler* handler)
    : loop_(loop),
      fd_(fd),
      options_(std::make_shared<const HttpServerOptions>(std::move(options))),
      handler_(handler) {}

HttpServer::~HttpServer() {
    TG_ASSERT(connections_ == 0);
    if (!is_started_) ::close(fd_);
}

const std::string& HttpServer::date_line() {
    if (loop_->now_ns() >= date_until_ns_) {
        const UtcMicros now = system_clock().now();
        const std::time_t seconds = now.micros / 1'000'000;
        std::tm parts{};
        ::gmtime_r(&seconds, &parts);
        char text[64];
        const std::size_t size =
            std::strftime(text, sizeof text, "date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
        date_line_.assign(text, size);
        date_until_ns_ = loop_->now_ns() + (1'000'000 - now.micros % 1'000'000) * 1000;
    }
    return date_line_;
}

void HttpServer::start() {
    is_started_ = true;
    listener_ = std::make_unique<Socket>(loop_, fd_);
    loop_->spawn(accept_loop());
}

void HttpServer::drain() {
    is_draining_ = true;
    if (listener_) listener_->interrupt();
    for (ServerConnection* each = first_; each != nullptr; each = each->next()) {
        if (each->is_idle()) each->socket().interrupt();
    }
}

Task<void> HttpServer::accept_loop() {
    while (!is_draining_ && !loop_->is_stopping()) {
        const int fd = ::accept4(listener_->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (connections_ >= options_->connections_max) {
                counters_.refused_full.add();
                ::close(fd);
                continue;
            }
            counters_.accepted.add();
            loop_->spawn(ServerConnection::serve(std::make_unique<ServerConnection>(this, fd)));
            continue;
        }
        if (errno == EAGAIN) {
            listener_->note_not_readable();
            if (co_await listener_->wait_readable(INT64_MAX / 2) == Wake::interrupted) break;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_error(
                "accept_failed",
                {{"reason", "no file descriptors or memory left; raise the open files limit"}});
            if (co_await loop_->sleep_for(100'000'000) == Wake::interrupted) break;
        }
    }
    listener_.reset();
}

const HttpHead& ServerExchange::request() const {
    return connection_->head();
}
Loop* ServerExchange::loop() const {
    return connection_->loop();
}
std::string ServerExchange::peer_address() const {
    return connection_->socket().peer_address();
}
Task<Result<bool>> ServerExchange::read_body(std::vector<std::string_view>* pieces) {
    return connection_->read_body(pieces);
}
Task<Result<std::string_view>> ServerExchange::read_full_body(std::size_t max_bytes) {
    return connection_->read_full_body(max_bytes);
}
bool ServerExchange::is_body_read() const {
    return connection_->is_body_read();
}
void ServerExchange::release_request() {
    connection_->release_request();
}
void ServerExchange::begin(int status, std::string_view header_lines, Framing framing,
                           std::uint64_t length) {
    connection_->begin(status, header_lines, framing, length);
}
std::string* ServerExchange::begin_head(int status) {
    return connection_->begin_head(status);
}
void ServerExchange::end_head(Framing framing, std::uint64_t length, bool has_own_date) {
    connection_->end_head(framing, length, has_own_date);
}
Task<Status> ServerExchange::send(std::vector<std::string_view>* pieces) {
    return connection_->send(pieces, /*is_last=*/false);
}
Task<Status> ServerExchange::finish(std::vector<std::string_view>* pieces) {
    return connection_->send(pieces, /*is_last=*/true);
}
Task<Status> ServerExchange::respond(int status, std::string_view header_lines,
                                     std::string_view body) {
    // `body` outlives the task: callers await it in the same expression.
    connection_->begin(status, header_lines, Framing::content_length, body.size());
    return connection_->send_one(body);
}
bool ServerExchange::has_begun() const {
    return connection_->has_begun();
}
bool ServerExchange::is_finished() const {
    return connection_->is_finished();
}
void ServerExchange::abort() {
    connection_->abort();
}
void ServerExchange::hang_up() {
    connection_->hang_up();
}
void ServerExchange::close_after() {
    connection_->close_after();
}
bool ServerExchange::is_client_gone() const {
    return connection_->socket().is_peer_gone();
}
void ServerExchange::set_peer_gone_listener(PeerGoneListener* listener) {
    connection_->socket().set_peer_gone_listener(listener);
    if (listener != nullptr && connection_->socket().is_peer_gone()) {
        connection_->socket().set_peer_gone_listener(nullptr);
        listener->on_peer_gone();
    }
}

}  // namespace tg
