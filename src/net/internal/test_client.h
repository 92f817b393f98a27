#pragma once
#include <memory>
#include <string>
#include <vector>

#include "net/http_client.h"
#include "net/internal/loop_thread.h"

namespace tg {

inline std::string filled(std::size_t size, char with) {
    std::string out;
    out.resize(size, with);
    return out;
}

struct TestRequest {
    std::string target = "/";
    std::string method = "GET";
    std::string headers{}, body{};
    std::string version = "1.1";
    bool allow_reuse = true;
    std::int64_t connect_ms = 20'000, head_ms = 20'000, body_ms = 20'000;
};

/// What came of a request, and of the connection it went over.
struct TestReply {
    std::string error;  ///< name of the code; empty when all went well
    std::string detail;
    int status = 0;
    std::string body;
    bool was_reused = false, has_received = false, is_reusable = false;
};

/// For tests: a pool on a loop of its own.
class TestClient {
  public:
    explicit TestClient(Origin origin, ClientPool::Options options = {})
        : pool_(std::make_unique<ClientPool>(thread_.loop(), &blocking_, std::move(origin),
                                             options)) {}
    static Origin plain(std::uint16_t port) {
        return {.host = "127.0.0.1", .port = port, .tls = nullptr};
    }
    ~TestClient() { stop(); }
    TestClient(const TestClient&) = delete;
    TestClient& operator=(const TestClient&) = delete;

    /// One request over the pool; the connection goes back to it.
    TestReply fetch(TestRequest request) {
        return thread_.run(fetch_task(pool(), std::move(request)));
    }
    std::future<TestReply> start(TestRequest request) {
        return thread_.start(fetch_task(pool(), std::move(request)));
    }
    void stop() {
        thread_.stop();
        pool_.reset();
    }
    ClientPool* pool() { return pool_.get(); }
    LoopThread* thread() { return &thread_; }
    Loop* loop() { return thread_.loop(); }
    /// Returns when everything that has reached the loop so far was handled.
    void settle() {
        thread_.call([] {});
    }
    std::uint64_t connects() {
        return thread_.call([this] { return pool_->connects(); });
    }

    static std::int64_t in_ms(std::int64_t ms) {
        return Loop::current()->now_ns() + ms * 1'000'000;
    }

    static Task<Status> send(ClientConnection* connection, TestRequest request) {
        std::string text = request.method + " " + request.target + " HTTP/" + request.version +
                           "\r\nHost: a\r\n" + request.headers;
        if (!request.body.empty())
            text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
        text += "\r\n";
        std::vector<iovec> pieces = {{text.data(), text.size()},
                                     {request.body.data(), request.body.size()}};
        connection->start_response(request.method == "HEAD");
        co_return co_await connection->write(&pieces, in_ms(20'000));
    }

    static Task<TestReply> receive(ClientConnection* connection, TestRequest request) {
        TestReply reply;
        const auto failed = [&](const Error& error) {
            reply.error = name(error.code);
            reply.detail = error.detail;
            reply.has_received = connection->has_received();
            return reply;
        };
        const Result<const HttpHead*> head = co_await connection->read_head(in_ms(request.head_ms));
        if (!head.ok()) co_return failed(head.error());
        reply.status = (*head)->status();
        std::vector<std::string_view> pieces;
        for (;;) {
            pieces.clear();
            const Result<bool> more =
                co_await connection->read_body(&pieces, in_ms(request.body_ms));
            if (!more.ok()) co_return failed(more.error());
            for (const std::string_view piece : pieces) reply.body += piece;
            if (!*more) break;
        }
        reply.is_reusable = connection->is_reusable();
        reply.has_received = connection->has_received();
        co_return reply;
    }

    static Task<TestReply> fetch_task(ClientPool* pool, TestRequest request) {
        TestReply reply;
        Result<std::unique_ptr<ClientConnection>> acquired =
            co_await pool->acquire(request.allow_reuse, in_ms(request.connect_ms));
        if (!acquired.ok()) {
            reply.error = name(acquired.error().code);
            reply.detail = acquired.error().detail;
            co_return reply;
        }
        std::unique_ptr<ClientConnection> connection = std::move(acquired).value();
        const bool was_reused = connection->is_reused();
        const Status sent = co_await send(connection.get(), request);
        if (!sent.ok()) {
            reply.error = name(sent.error().code);
        } else {
            reply = co_await receive(connection.get(), request);
        }
        reply.was_reused = was_reused;
        pool->release(std::move(connection));
        co_return reply;
    }

  private:
    LoopThread thread_;
    BlockingPool blocking_{2};
    std::unique_ptr<ClientPool> pool_;
};

}  // namespace tg
