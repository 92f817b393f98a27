#pragma once
#include <atomic>
#include <cstdio>
#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_server.h"
#include "net/internal/loop_thread.h"
#include "net/internal/raw_socket.h"

namespace tg {

/// For tests: a handler with one behaviour a path, and what it has seen.
class TestHandler final : public HttpHandler {
  public:
    Task<void> handle(ServerExchange* exchange) override {
        const std::string path(path_of(exchange->request().target()));
        ++requests;
        if (path == "/hello")
            co_await hello(exchange);
        else if (path == "/echo")
            co_await echo(exchange);
        else if (path == "/echo_stream")
            co_await echo_stream(exchange);
        else if (path == "/count")
            co_await count(exchange);
        else if (path == "/bytes")
            co_await bytes(exchange);
        else if (path == "/scratch")
            co_await from_scratch(exchange);
        else if (path == "/smear")
            co_await smear(exchange);
        else if (path == "/wait")
            co_await wait(exchange);
        else if (path == "/status")
            co_await only_status(exchange);
        else if (path == "/dated")
            co_await respond(exchange, 200, "Date: today\r\n", "x");
        else if (path == "/cut")
            co_await cut(exchange);
        else if (path == "/short")
            co_await of_length(exchange, 10, "12345");
        else if (path == "/excess")
            co_await of_length(exchange, 3, "12345");
        else if (path == "/unfinished")
            co_await unfinished(exchange);
        else if (path == "/released")
            co_await released(exchange);
        else if (path == "/ignore")
            co_await respond(exchange, 200, "", "ignored");
        else if (path == "/close")
            co_await close(exchange);
        // "/none" and what is not listed: no answer at all.
        ++answered;
    }

    std::string error_body(int status, const Error& error) override {
        return "{\"status\":" + std::to_string(status) + ",\"error\":\"" +
               std::string(name(error.code)) + "\"}";
    }

    std::atomic<int> requests = 0, answered = 0;
    std::atomic<std::size_t> rss_start = 0, rss_max = 0;
    std::atomic<std::size_t> body_max = 1000;
    /// What the last body or answer came to.
    std::promise<Error> failure;
    std::promise<void> waiting, peer_gone;
    LoopEvent go_on;

  private:
    struct GoneListener final : PeerGoneListener {
        explicit GoneListener(TestHandler* owner) : handler(owner) {}
        void on_peer_gone() override { handler->peer_gone.set_value(); }
        TestHandler* handler;
    };

    static std::size_t resident_bytes() {
        std::size_t pages = 0;
        if (FILE* file = std::fopen("/proc/self/statm", "re"); file != nullptr) {
            if (std::fscanf(file, "%*u %zu", &pages) != 1) pages = 0;
            std::fclose(file);
        }
        return pages * 4096;
    }
    static std::size_t query_number(ServerExchange* exchange) {
        const std::string query(query_of(exchange->request().target()));
        return query.empty() ? 0 : std::stoull(query);
    }
    Task<void> respond(ServerExchange* exchange, int status, std::string lines, std::string body) {
        const Status sent = co_await exchange->respond(status, lines, body);
        if (!sent.ok()) failure.set_value(sent.error());
    }
    Task<void> hello(ServerExchange* exchange) {
        std::string text = "hello " + std::string(exchange->request().method());
        co_await respond(exchange, 200, "x-a: b\r\n", std::move(text));
    }
    Task<void> refuse(ServerExchange* exchange, Error error) {
        const int status = info(error.code).http_status;
        co_await respond(exchange, status, "", error_body(status, error));
    }
    Task<void> echo(ServerExchange* exchange) {
        const Result<std::string_view> body = co_await exchange->read_full_body(body_max);
        if (!body.ok()) {
            co_await refuse(exchange, body.error());
            co_return;
        }
        // The padding is there to be read.
        unsigned sum = 0;
        for (std::size_t i = 0; i < ServerExchange::kBodyPadding; ++i)
            sum += static_cast<unsigned char>(body->data()[body->size() + i]);
        padding_sum_ = sum;
        const Result<std::string_view> again = co_await exchange->read_full_body(body_max);
        TG_ASSERT(again.ok() && again->data() == body->data() && again->size() == body->size());
        co_await respond(exchange, 200, "", std::string(*body));
    }
    Task<void> echo_stream(ServerExchange* exchange) {
        exchange->begin(200, "", ServerExchange::Framing::chunked);
        std::vector<std::string_view> pieces;
        for (;;) {
            pieces.clear();
            const Result<bool> more = co_await exchange->read_body(&pieces);
            if (!more.ok()) {
                exchange->abort();
                co_return;
            }
            if (!*more) break;
            const Status sent = co_await exchange->send(&pieces);
            if (!sent.ok()) co_return;
        }
        (void)(co_await exchange->finish(nullptr)).ok();
    }
    Task<void> count(ServerExchange* exchange) {
        std::size_t sum = 0, measured = 0;
        rss_start = resident_bytes();
        std::vector<std::string_view> pieces;
        for (;;) {
            pieces.clear();
            const Result<bool> more = co_await exchange->read_body(&pieces);
            if (!more.ok()) {
                co_await refuse(exchange, more.error());
                co_return;
            }
            for (const std::string_view piece : pieces) sum += piece.size();
            if (sum - measured > (1U << 20)) {
                measured = sum;
                rss_max = std::max(rss_max.load(), resident_bytes());
            }
            if (!*more) break;
        }
        co_await respond(exchange, 200, "", std::to_string(sum));
    }
    /// As many bytes as the query says, a block at a time.
    Task<void> bytes(ServerExchange* exchange) {
        std::size_t left = query_number(exchange);
        const std::string block(100'000, 'b');
        exchange->begin(200, "", ServerExchange::Framing::content_length, left);
        std::vector<std::string_view> pieces;
        while (left > 0) {
            pieces.assign(1, std::string_view(block).substr(0, left));
            left -= pieces[0].size();
            const Status sent = co_await exchange->send(&pieces);
            if (!sent.ok()) {
                failure.set_value(sent.error());
                co_return;
            }
        }
        (void)(co_await exchange->finish(nullptr)).ok();
    }
    /// Blocks out of the loop's scratch, each of another letter.
    Task<void> from_scratch(ServerExchange* exchange) {
        const std::size_t blocks = query_number(exchange);
        exchange->begin(200, "", ServerExchange::Framing::content_length,
                        blocks * Loop::kScratchBytes);
        std::vector<std::string_view> pieces;
        for (std::size_t i = 0; i < blocks; ++i) {
            char* scratch = exchange->loop()->scratch();
            std::memset(scratch, static_cast<int>('a' + i % 26), Loop::kScratchBytes);
            pieces.assign({{scratch, 1000}, {scratch + 1000, Loop::kScratchBytes - 1000}});
            const Status sent = co_await exchange->send(&pieces);
            if (!sent.ok()) co_return;
        }
        (void)(co_await exchange->finish(nullptr)).ok();
    }
    /// Uses the scratch as every other request of the loop may.
    Task<void> smear(ServerExchange* exchange) {
        std::memset(exchange->loop()->scratch(), '#', Loop::kScratchBytes);
        co_await respond(exchange, 200, "", "smeared");
    }
    Task<void> wait(ServerExchange* exchange) {
        GoneListener listener(this);
        exchange->set_peer_gone_listener(&listener);
        waiting.set_value();
        while (!go_on.is_set() && !exchange->is_client_gone() && !exchange->loop()->is_stopping()) {
            const std::int64_t soon = exchange->loop()->now_ns() + 1'000'000;
            if (co_await wait_until(exchange->loop(), soon) == Wake::interrupted) break;
        }
        exchange->set_peer_gone_listener(nullptr);
        (void)(co_await exchange->respond(200, "", "waited")).ok();
    }
    Task<void> only_status(ServerExchange* exchange) {
        const int status = static_cast<int>(query_number(exchange));
        exchange->begin(status, "etag: x\r\n", ServerExchange::Framing::content_length, 5);
        std::vector<std::string_view> pieces{"12345"};
        (void)(co_await exchange->finish(&pieces)).ok();
    }
    Task<void> cut(ServerExchange* exchange) {
        exchange->begin(200, "", ServerExchange::Framing::chunked);
        std::vector<std::string_view> pieces{"the beginning"};
        (void)(co_await exchange->send(&pieces)).ok();
        exchange->abort();
        const Status after = co_await exchange->send(&pieces);
        TG_ASSERT(!after.ok());
    }
    Task<void> of_length(ServerExchange* exchange, std::uint64_t length, std::string body) {
        exchange->begin(200, "", ServerExchange::Framing::content_length, length);
        std::vector<std::string_view> pieces{body};
        const Status sent = co_await exchange->finish(&pieces);
        TG_ASSERT(!sent.ok() && sent.error().code == ErrorCode::internal);
    }
    Task<void> unfinished(ServerExchange* exchange) {
        exchange->begin(200, "", ServerExchange::Framing::chunked);
        std::vector<std::string_view> pieces{"the beginning"};
        (void)(co_await exchange->send(&pieces)).ok();
    }
    Task<void> released(ServerExchange* exchange) {
        const Result<std::string_view> body = co_await exchange->read_full_body(1 << 20);
        TG_ASSERT(body.ok());
        const std::string size = std::to_string(body->size());
        exchange->begin(200, "", ServerExchange::Framing::chunked);
        exchange->release_request();
        std::vector<std::string_view> pieces{size};
        (void)(co_await exchange->send(&pieces)).ok();
        (void)(co_await exchange->finish(nullptr)).ok();
    }
    Task<void> close(ServerExchange* exchange) {
        exchange->close_after();
        co_await respond(exchange, 200, "", "bye");
    }

    std::atomic<unsigned> padding_sum_ = 0;
};

/// For tests: a server with that handler on a loop and port of its own.
class TestServer {
  public:
    explicit TestServer(HttpServerOptions options = {}) {
        const int fd = listen_on(parse_address("127.0.0.1:0").value(), 128).value();
        port_ = local_address(fd).port();
        server_ = std::make_unique<HttpServer>(loop(), fd, std::move(options), &handler);
        thread_.call([this] { server_->start(); });
    }
    ~TestServer() { stop(); }
    TestServer(const TestServer&) = delete;
    TestServer& operator=(const TestServer&) = delete;

    void stop() {
        thread_.stop();
        server_.reset();
    }
    Loop* loop() { return thread_.loop(); }
    LoopThread* thread() { return &thread_; }
    HttpServer* server() { return server_.get(); }
    std::uint16_t port() const { return port_; }
    RawSocket connect(int receive_buffer = 0) const {
        return RawSocket::connect(port_, receive_buffer);
    }
    /// Waits until so many connections are open.
    bool wait_for_connections(std::size_t count) {
        const std::int64_t until = system_clock().monotonic_ns() + 20'000'000'000;
        while (thread_.call([this] { return server_->connection_count(); }) != count) {
            if (system_clock().monotonic_ns() > until) return false;
            std::this_thread::yield();
        }
        return true;
    }

    TestHandler handler;

  private:
    LoopThread thread_;
    std::unique_ptr<HttpServer> server_;
    std::uint16_t port_ = 0;
};

/// An answer as a client reads it.
struct RawAnswer {
    int status = 0;
    std::string head, body;
    bool has(std::string_view line) const {
        return head.find("\r\n" + std::string(line) + "\r\n") != std::string::npos;
    }
};

/// Reads one answer with a content-length, chunks or neither body (`is_head`).
inline RawAnswer read_answer(RawSocket* socket, bool is_head = false) {
    RawAnswer out;
    out.head = socket->read_until("\r\n\r\n");
    if (out.head.size() < 12) return out;
    out.status = std::stoi(out.head.substr(9, 3));
    if (is_head || out.status < 200 || out.status == 204 || out.status == 304) return out;
    if (const std::size_t at = out.head.find("\r\ncontent-length: "); at != std::string::npos) {
        out.body = socket->read_bytes(std::stoull(out.head.substr(at + 18)));
    } else if (out.has("transfer-encoding: chunked")) {
        for (;;) {
            const std::string line = socket->read_until("\r\n");
            if (line.size() < 3) break;
            const std::size_t size = std::stoull(line, nullptr, 16);
            out.body += socket->read_bytes(size);
            socket->read_bytes(2);
            if (size == 0) break;
        }
    } else {
        out.body = socket->read_to_end();
    }
    return out;
}

}  // namespace tg
