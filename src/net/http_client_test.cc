#include "net/http_client.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "net/internal/test_client.h"
#include "net/internal/test_server.h"

namespace tg {
namespace {

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// One request to a peer that answers with these bytes and then, if asked, closes.
struct Exchange {
    explicit Exchange(ClientPool::Options options = {})
        : client(TestClient::plain(listener.port()), options) {}
    TestReply answer(const std::string& bytes, TestRequest request = {}, bool closes = false) {
        std::future<TestReply> reply = client.start(request);
        RawSocket peer = listener.accept();
        peer.read_until("\r\n\r\n");
        EXPECT_TRUE(peer.send(bytes));
        if (closes) peer.close();
        TestReply got = LoopThread::take(&reply);
        client.settle();
        return got;
    }
    RawListener listener;
    TestClient client;
};

TEST(HttpClient, ReusesItsConnection) {
    TestServer server;
    TestClient client(TestClient::plain(server.port()));
    for (int i = 0; i < 5; ++i) {
        const TestReply reply = client.fetch({.target = "/hello"});
        EXPECT_EQ(reply.error, "");
        EXPECT_EQ(reply.body, "hello GET");
        EXPECT_EQ(reply.was_reused, i > 0);
        EXPECT_TRUE(reply.is_reusable);
    }
    EXPECT_EQ(client.fetch({.target = "/hello", .method = "HEAD"}).status, 200);
    EXPECT_EQ(client.fetch({.target = "/status?204"}).status, 204);
    EXPECT_EQ(client.fetch({.target = "/echo", .method = "POST", .body = "abc"}).body, "abc");
    EXPECT_EQ(client.connects(), 1U);
    EXPECT_FALSE(client.fetch({.target = "/hello", .allow_reuse = false}).was_reused);
    EXPECT_EQ(client.connects(), 2U);
}

TEST(HttpClient, ConnectionThatTheServerClosedIsNotUsedAgain) {
    TestServer server;
    TestClient client(TestClient::plain(server.port()));
    EXPECT_EQ(client.fetch({.target = "/close"}).body, "bye");
    EXPECT_EQ(client.fetch({.target = "/hello"}).was_reused, false);

    // Closed while it was idle: seen before it is used.
    Exchange other;
    std::future<TestReply> first = other.client.start({});
    {
        RawSocket peer = other.listener.accept();
        peer.read_until("\r\n\r\n");
        ASSERT_TRUE(peer.send(kOk));
        EXPECT_TRUE(LoopThread::take(&first).is_reusable);
    }
    other.client.settle();
    const TestReply second = other.answer(kOk);
    EXPECT_EQ(second.body, "ok");
    EXPECT_FALSE(second.was_reused);
    EXPECT_EQ(other.client.connects(), 2U);
}

TEST(HttpClient, ConnectionClosedJustAsItIsUsedIsToldAsSuch) {
    RawListener listener;
    TestClient client(TestClient::plain(listener.port()));
    std::future<TestReply> first = client.start({});
    RawSocket peer = listener.accept();
    peer.read_until("\r\n\r\n");
    ASSERT_TRUE(peer.send(kOk));
    LoopThread::take(&first);
    std::future<TestReply> second = client.start({});
    peer.read_until("\r\n\r\n");
    peer.close();
    const TestReply reply = LoopThread::take(&second);
    EXPECT_EQ(reply.error, "upstream_broken");
    EXPECT_TRUE(reply.was_reused);
    EXPECT_FALSE(reply.has_received);
}

TEST(HttpClient, NothingIsTakenFromAnIdleConnection) {
    // given bytes that no request asked for, when the connection is idle, then it is given up: the
    // next request must not take them for its answer
    for (const bool comes_late : {false, true}) {
        Exchange exchange;
        std::future<TestReply> first = exchange.client.start({});
        RawSocket peer = exchange.listener.accept();
        peer.read_until("\r\n\r\n");
        ASSERT_TRUE(peer.send(comes_late ? kOk : kOk + kOk));
        EXPECT_EQ(LoopThread::take(&first).is_reusable, comes_late);
        if (comes_late) ASSERT_TRUE(peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"));
        exchange.client.settle();
        const TestReply reply = exchange.answer(kOk);
        EXPECT_FALSE(reply.was_reused);
        EXPECT_EQ(reply.body, "ok");
    }
    for (const char* extra : {"x", "\r\n", "HTTP/1.1 200 OK\r\n"}) {
        Exchange exchange;
        EXPECT_FALSE(
            exchange.answer("HTTP/1.1 204 No Content\r\n\r\n" + std::string(extra)).is_reusable);
        Exchange chunked;
        EXPECT_FALSE(chunked
                         .answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
                                 std::string(extra))
                         .is_reusable);
    }
}

TEST(HttpClient, AnswerFillingTheReadBufferExactlyKeepsTheConnection) {
    Exchange exchange;
    std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 65000\r\nA: ";
    answer += std::string(Loop::kScratchBytes - answer.size() - 4 - 65000, 'a') + "\r\n\r\n" +
              std::string(65000, 'x');
    ASSERT_EQ(answer.size(), Loop::kScratchBytes);
    const TestReply reply = exchange.answer(answer);
    EXPECT_EQ(reply.body.size(), 65000U);
    EXPECT_TRUE(reply.is_reusable);
}

TEST(HttpClient, AnswersWithoutABodyKeepTheConnection) {
    struct {
        const char* method;
        std::string bytes;
        int status;
    } const cases[] = {
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", 200},
        {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200},
        {"HEAD", "HTTP/1.1 200 OK\r\n\r\n", 200},
        {"HEAD",
         "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
         200},
        {"GET", "HTTP/1.1 204 No Content\r\n\r\n", 204},
        {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", 304},
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200},
    };
    for (const auto& c : cases) {
        Exchange exchange;
        const TestReply reply = exchange.answer(c.bytes, {.method = c.method, .head_ms = 20'000});
        EXPECT_EQ(reply.error, "") << c.bytes;
        EXPECT_EQ(reply.status, c.status) << c.bytes;
        EXPECT_EQ(reply.body, "");
        EXPECT_TRUE(reply.is_reusable) << c.bytes;
    }
}

TEST(HttpClient, PassesOverInterimAnswers) {
    Exchange exchange;
    const TestReply reply = exchange.answer(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\n"
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
        kOk);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "ok");
    EXPECT_TRUE(reply.is_reusable);
    Exchange switching;
    const TestReply other = switching.answer(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    EXPECT_EQ(other.status, 101);
    EXPECT_FALSE(other.is_reusable);
}

TEST(HttpClient, ReadsUntilTheEndWhereNothingElseEndsIt) {
    Exchange exchange;
    const std::string body(300'000, 'x');
    const TestReply reply = exchange.answer("HTTP/1.1 200 OK\r\n\r\n" + body, {}, /*closes=*/true);
    EXPECT_EQ(reply.error, "");
    EXPECT_EQ(reply.body, body);
    EXPECT_FALSE(reply.is_reusable);
    EXPECT_EQ(Exchange().answer("HTTP/1.0 200 OK\r\n\r\n", {}, /*closes=*/true).error, "");
}

TEST(HttpClient, TellsACutAnswer) {
    const std::vector<std::string> cuts = {
        "",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    };
    for (const std::string& cut : cuts) {
        Exchange exchange;
        const TestReply reply = exchange.answer(cut, {}, /*closes=*/true);
        EXPECT_EQ(reply.error, "upstream_broken") << cut;
        EXPECT_NE(reply.detail.find("closed"), std::string::npos) << reply.detail;
        EXPECT_EQ(reply.has_received, !cut.empty());
        EXPECT_FALSE(reply.is_reusable);
    }
}

TEST(HttpClient, RefusesMalformedAndHugeAnswers) {
    const std::vector<std::string> answers = {
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nA: " + std::string(100'000, 'a') + "\r\n\r\n",
    };
    for (const std::string& answer : answers) {
        Exchange exchange;
        const TestReply reply = exchange.answer(answer);
        EXPECT_EQ(reply.error, "upstream_broken") << answer.substr(0, 100);
        EXPECT_FALSE(reply.is_reusable);
    }
    Exchange small({.limits = {.head_bytes = 100, .headers = 3}});
    EXPECT_EQ(small.answer("HTTP/1.1 200 OK\r\nA: " + std::string(100, 'a') + "\r\n\r\n").detail,
              "the head of the response is larger than 100 bytes or has more than 3 headers");
}

TEST(HttpClient, EveryWaitHasItsDeadline) {
    Exchange silent;
    EXPECT_EQ(silent.answer("", {.head_ms = 30}).error, "upstream_timeout");
    EXPECT_EQ(silent.answer("HTTP/1.1 200 OK\r\nContent-Le", {.head_ms = 30}).error,
              "upstream_timeout");
    const TestReply stalled =
        silent.answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", {.body_ms = 30});
    EXPECT_EQ(stalled.error, "upstream_timeout");
    EXPECT_EQ(stalled.status, 200);
    EXPECT_EQ(stalled.body, "hel");
    EXPECT_EQ(silent.client.connects(), 3U);
}

TEST(HttpClient, ConnectingHasItsDeadline) {
    // A listening socket whose queue is full answers no more.
    const int fd = listen_on(parse_address("127.0.0.1:0").value(), 0).value();
    const SocketAddress address = local_address(fd);
    std::vector<RawSocket> queue;
    for (int i = 0; i < 4; ++i) queue.emplace_back(begin_connect(address).value());
    TestClient client(TestClient::plain(address.port()), {.connect_timeout_ms = 30});
    const TestReply reply = client.fetch({});
    EXPECT_EQ(reply.error, "upstream_timeout");
    EXPECT_EQ(reply.detail, "connecting to 127.0.0.1 took too long");
    EXPECT_EQ(client.fetch({.connect_ms = 10}).error, "upstream_timeout");
    ::close(fd);
}

TEST(HttpClient, UnreachableHostsAreNamed) {
    std::uint16_t free_port = 0;
    {
        free_port = RawListener().port();
    }
    TestClient refused(TestClient::plain(free_port));
    const TestReply reply = refused.fetch({});
    EXPECT_EQ(reply.error, "upstream_unreachable");
    EXPECT_EQ(reply.detail,
              "cannot connect to 127.0.0.1:" + std::to_string(free_port) + ": Connection refused");
    // A name no resolver has to be asked about.
    const std::string impossible(300, 'a');
    TestClient unknown({.host = impossible, .port = 80});
    for (int i = 0; i < 2; ++i) {
        const TestReply failed = unknown.fetch({});
        EXPECT_EQ(failed.error, "upstream_unreachable");
        EXPECT_EQ(failed.detail.find("cannot resolve host '" + impossible), 0U) << failed.detail;
    }
}

TEST(HttpClient, ResolvesNamesOnceForAllThatWait) {
    TestServer server;
    // "127.1" is no address to parse_address(), but one to the resolver.
    TestClient client({.host = "127.1", .port = server.port()});
    std::vector<std::future<TestReply>> replies;
    for (int i = 0; i < 20; ++i)
        replies.push_back(client.start({.target = "/hello", .allow_reuse = false}));
    for (std::future<TestReply>& reply : replies)
        EXPECT_EQ(LoopThread::take(&reply).body, "hello GET");
    EXPECT_EQ(client.connects(), 20U);
}

TEST(HttpClient, OldAndSpareConnectionsAreClosed) {
    RawListener listener;
    TestClient client(TestClient::plain(listener.port()), {.idle_timeout_ms = 40});
    std::future<TestReply> reply = client.start({});
    RawSocket peer = listener.accept();
    peer.read_until("\r\n\r\n");
    ASSERT_TRUE(peer.send(kOk));
    EXPECT_TRUE(LoopThread::take(&reply).is_reusable);
    EXPECT_EQ(peer.read_to_end(), "");
    EXPECT_FALSE(peer.timed_out());

    TestServer server;
    TestClient one(TestClient::plain(server.port()), {.idle_max = 1});
    std::vector<std::future<TestReply>> replies;
    for (int i = 0; i < 3; ++i)
        replies.push_back(one.start({.target = "/hello", .allow_reuse = false}));
    for (std::future<TestReply>& each : replies)
        EXPECT_EQ(LoopThread::take(&each).body, "hello GET");
    EXPECT_TRUE(server.wait_for_connections(1));
    one.thread()->call([&] { one.pool()->close_idle(); });
    EXPECT_TRUE(server.wait_for_connections(0));
}

TEST(HttpClient, IdleConnectionThatTheServerClosedIsSweptAway) {
    RawListener listener;
    TestClient client(TestClient::plain(listener.port()), {.idle_timeout_ms = 200});
    std::future<TestReply> reply = client.start({});
    RawSocket peer = listener.accept();
    peer.read_until("\r\n\r\n");
    ASSERT_TRUE(peer.send(kOk));
    LoopThread::take(&reply);
    // The other side has said its end; ours follows although nobody asks for a connection again.
    peer.half_close();
    EXPECT_EQ(peer.read_to_end(), "");
    EXPECT_FALSE(peer.timed_out());
}

TEST(HttpClient, LargeBodiesBothWays) {
    TestServer server;
    TestClient client(TestClient::plain(server.port()));
    const TestReply up =
        client.fetch({.target = "/count", .method = "POST", .body = filled(20'000'000, 'u')});
    EXPECT_EQ(up.body, "20000000");
    const TestReply down = client.fetch({.target = "/bytes?20000000"});
    EXPECT_EQ(down.body, filled(20'000'000, 'b'));
    EXPECT_TRUE(down.was_reused);
    EXPECT_TRUE(down.is_reusable);
}

Task<std::vector<std::string>> interrupt_twice(ClientPool* pool) {
    std::vector<std::string> told;
    for (int round = 0; round < 2; ++round) {
        Result<std::unique_ptr<ClientConnection>> acquired =
            co_await pool->acquire(true, TestClient::in_ms(20'000));
        std::unique_ptr<ClientConnection> connection = std::move(acquired).value();
        const Status sent = co_await TestClient::send(connection.get(), {.target = "/hello"});
        TG_ASSERT(sent.ok());
        if (round == 0) connection->socket().interrupt_read_once();
        const Result<const HttpHead*> head =
            co_await connection->read_head(TestClient::in_ms(20'000));
        told.push_back(head.ok() ? "head" : std::string(name(head.error().code)));
        // The socket is usable after it.
        const TestReply reply = co_await TestClient::receive(connection.get(), {});
        told.push_back(reply.body);
        // This one meets no wait of this call.
        connection->socket().interrupt_read_once();
        pool->release(std::move(connection));
    }
    co_return told;
}

TEST(HttpClient, InterruptionEndsOneWaitAndNoOtherCall) {
    TestServer server;
    TestClient client(TestClient::plain(server.port()));
    EXPECT_EQ(client.thread()->run(interrupt_twice(client.pool())),
              (std::vector<std::string>{"cancelled", "hello GET", "head", "hello GET"}));
    EXPECT_EQ(client.connects(), 1U);
}

Task<bool> has_pending(ClientPool* pool, std::promise<void>* is_sent, LoopEvent* answered) {
    Result<std::unique_ptr<ClientConnection>> acquired =
        co_await pool->acquire(true, TestClient::in_ms(20'000));
    std::unique_ptr<ClientConnection> connection = std::move(acquired).value();
    const Status sent = co_await TestClient::send(connection.get(), {.method = "POST"});
    TG_ASSERT(sent.ok() && !connection->has_pending_input());
    is_sent->set_value();
    co_await *answered;
    const bool is_pending = connection->has_pending_input() && connection->has_pending_input();
    const TestReply reply = co_await TestClient::receive(connection.get(), {});
    co_return is_pending&& reply.body == "ok";
}

TEST(HttpClient, SeesAnEarlyAnswerWithoutTakingIt) {
    Exchange exchange;
    std::promise<void> is_sent;
    LoopEvent answered;
    std::future<void> sent = is_sent.get_future();
    std::future<bool> result =
        exchange.client.thread()->start(has_pending(exchange.client.pool(), &is_sent, &answered));
    RawSocket peer = exchange.listener.accept();
    LoopThread::take(&sent);
    ASSERT_TRUE(peer.send(kOk));
    exchange.client.settle();
    exchange.client.thread()->call([&] { answered.set(exchange.client.loop()); });
    EXPECT_TRUE(LoopThread::take(&result));
}

TEST(HttpClient, StopEndsEveryWait) {
    RawListener listener;
    auto client = std::make_unique<TestClient>(TestClient::plain(listener.port()));
    std::future<TestReply> head = client->start({});
    RawSocket first = listener.accept();
    first.read_until("\r\n\r\n");
    std::future<TestReply> body = client->start({});
    RawSocket second = listener.accept();
    second.read_until("\r\n\r\n");
    ASSERT_TRUE(second.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"));
    client->settle();
    std::future<TestReply> write =
        client->start({.method = "POST", .body = filled(50'000'000, 'x')});
    RawSocket third = listener.accept();
    third.read_until("\r\n\r\n");
    client->stop();
    EXPECT_EQ(LoopThread::take(&head).error, "cancelled");
    EXPECT_EQ(LoopThread::take(&body).error, "cancelled");
    EXPECT_EQ(LoopThread::take(&write).error, "cancelled");
}

TEST(HttpUrl, ParsesAndRefuses) {
    struct {
        std::string_view url;
        bool is_tls;
        std::string_view host;
        int port;
        std::string_view path;
    } const good[] = {
        {"https://api.example.com", true, "api.example.com", 443, ""},
        {"https://api.example.com/v1/", true, "api.example.com", 443, "/v1"},
        {"http://127.0.0.1:8080/a/b", false, "127.0.0.1", 8080, "/a/b"},
        {"http://[::1]", false, "[::1]", 80, ""},
        {"http://[::1]:81/x", false, "[::1]", 81, "/x"},
    };
    for (const auto& c : good) {
        const Result<HttpUrl> url = parse_url(c.url);
        ASSERT_TRUE(url.ok()) << c.url;
        EXPECT_EQ(url->is_tls, c.is_tls);
        EXPECT_EQ(url->host, c.host);
        EXPECT_EQ(url->port, c.port);
        EXPECT_EQ(url->path, c.path);
    }
    for (const char* bad : {"",
                            "api.example.com",
                            "ftp://a",
                            "https://",
                            "https:///v1",
                            "https://u@a",
                            "https://a:b",
                            "https://a:70000",
                            "https://a:",
                            "https://a/b?c",
                            "https://a/b#c",
                            "https://a b",
                            "https://a/b c",
                            "https://a\r\nb",
                            "https://a:-1",
                            "https://[::1",
                            "https://a?b",
                            "https://a]",
                            "https://[::1]x",
                            "https://::1"}) {
        const Result<HttpUrl> url = parse_url(bad);
        ASSERT_FALSE(url.ok()) << bad;
        EXPECT_EQ(url.error().code, ErrorCode::invalid_config);
        EXPECT_NE(url.error().detail.find(bad), std::string::npos);
    }
    EXPECT_EQ((Origin{.host = "a", .port = 80}).authority(), "a");
    EXPECT_EQ((Origin{.host = "a", .port = 8080}).authority(), "a:8080");
}

}  // namespace
}  // namespace tg
