#include "net/http_server.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "net/internal/test_server.h"

namespace tg {
namespace {

std::string get(const std::string& target, const std::string& headers = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n";
}
std::string post(const std::string& target, const std::string& body,
                 const std::string& headers = "") {
    return "POST " + target +
           " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           headers + "\r\n" + body;
}
std::string post_chunked(const std::string& target, const std::string& chunks,
                         const std::string& headers = "") {
    return "POST " + target + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + headers +
           "\r\n" + chunks;
}

TEST(HttpServer, AnswersRequestAfterRequestOnOneConnection) {
    TestServer server;
    RawSocket client = server.connect();
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(client.send(get("/hello?x=" + std::to_string(i))));
        const RawAnswer answer = read_answer(&client);
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, "hello GET");
        EXPECT_TRUE(answer.has("x-a: b"));
        EXPECT_TRUE(answer.has("content-length: 9"));
        EXPECT_EQ(answer.head.find("connection:"), std::string::npos);
    }
    EXPECT_EQ(server.server()->counters().accepted.value(), 1U);
    EXPECT_EQ(server.server()->counters().open.value(), 1);
    client.close();
    EXPECT_TRUE(server.wait_for_connections(0));
}

TEST(HttpServer, TakesAHeadByteByByte) {
    TestServer server;
    RawSocket client = server.connect();
    for (const char c : post("/echo", "abc")) ASSERT_TRUE(client.send(std::string_view(&c, 1)));
    EXPECT_EQ(read_answer(&client).body, "abc");
}

TEST(HttpServer, AnswersAPipelineInOrder) {
    TestServer server;
    RawSocket client = server.connect();
    const std::string big(200'000, 'x');
    server.handler.body_max = 1'000'000;
    const std::string requests =
        get("/hello") + post("/echo", "one") + post_chunked("/echo", "3\r\ntwo\r\n0\r\n\r\n") +
        post("/echo", "") + post("/ignore", "unread") + post("/echo", big) +
        post_chunked("/released", "4\r\nfour\r\n0\r\nT: v\r\n\r\n") + post("/echo", "last");
    std::thread sender([&] { EXPECT_TRUE(client.send(requests)); });
    EXPECT_EQ(read_answer(&client).body, "hello GET");
    EXPECT_EQ(read_answer(&client).body, "one");
    EXPECT_EQ(read_answer(&client).body, "two");
    EXPECT_EQ(read_answer(&client).body, "");
    EXPECT_EQ(read_answer(&client).body, "ignored");
    EXPECT_EQ(read_answer(&client).body, big);
    EXPECT_EQ(read_answer(&client).body, "4");
    EXPECT_EQ(read_answer(&client).body, "last");
    sender.join();
}

TEST(HttpServer, AnswersALongPipelineOfSmallRequests) {
    TestServer server;
    RawSocket client = server.connect();
    std::string requests;
    for (int i = 0; i < 2000; ++i) requests += post("/echo", std::to_string(i));
    std::thread sender([&] { EXPECT_TRUE(client.send(requests)); });
    for (int i = 0; i < 2000; ++i) ASSERT_EQ(read_answer(&client).body, std::to_string(i));
    sender.join();
}

TEST(HttpServer, StreamsChunksBothWays) {
    // given a handler that sends back what has come, when the client waits for each piece's echo
    // before it sends the next, then nothing is held back on either side
    TestServer server;
    RawSocket client = server.connect();
    ASSERT_TRUE(client.send(post_chunked("/echo_stream", "5\r\nfirst\r\n")));
    const std::string head = client.read_until("\r\n\r\n");
    EXPECT_NE(head.find("transfer-encoding: chunked\r\n"), std::string::npos);
    EXPECT_EQ(head.find("content-length"), std::string::npos);
    EXPECT_EQ(client.read_bytes(10), "5\r\nfirst\r\n");
    ASSERT_TRUE(client.send("6\r\nsecond\r\n"));
    EXPECT_EQ(client.read_bytes(11), "6\r\nsecond\r\n");
    ASSERT_TRUE(client.send("0\r\n\r\n" + get("/hello")));
    EXPECT_EQ(client.read_bytes(5), "0\r\n\r\n");
    EXPECT_EQ(read_answer(&client).body, "hello GET");
}

TEST(HttpServer, InvitesABodyThatWaitsForIt) {
    TestServer server;
    RawSocket client = server.connect();
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(client.send(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"));
        EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
        ASSERT_TRUE(client.send("body"));
        EXPECT_EQ(read_answer(&client).body, "body");
    }
    // Nothing to invite when the body is there, or when the client is too old to know.
    ASSERT_TRUE(client.send(post("/echo", "here", "Expect: 100-continue\r\n")));
    EXPECT_EQ(read_answer(&client).body, "here");
    RawSocket old = server.connect();
    ASSERT_TRUE(
        old.send("POST /echo HTTP/1.0\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"));
    ASSERT_TRUE(old.send("body"));
    EXPECT_EQ(read_answer(&old).body, "body");
}

TEST(HttpServer, RefusedExpectationClosesWithoutTheBody) {
    TestServer server;
    for (const char* target : {"/echo", "/ignore"}) {
        RawSocket client = server.connect();
        ASSERT_TRUE(client.send(
            "POST " + std::string(target) +
            " HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n"));
        const RawAnswer answer = read_answer(&client);
        EXPECT_EQ(answer.status, target == std::string("/echo") ? 413 : 200);
        EXPECT_TRUE(answer.has("connection: close"));
        EXPECT_EQ(client.read_to_end(), "");
        EXPECT_FALSE(client.was_reset());
    }
}

TEST(HttpServer, StreamsAHundredMegabytesInBoundedMemory) {
    constexpr std::size_t kBlock = 1 << 20, kBlocks = 100;
    TestServer server;
    const std::string block(kBlock, 'x');
    for (const bool is_chunked : {false, true}) {
        RawSocket client = server.connect();
        ASSERT_TRUE(client.send(
            "POST /count HTTP/1.1\r\nHost: a\r\n" +
            (is_chunked ? std::string("Transfer-Encoding: chunked\r\n\r\n")
                        : "Content-Length: " + std::to_string(kBlock * kBlocks) + "\r\n\r\n")));
        server.handler.rss_max = 0;
        for (std::size_t i = 0; i < kBlocks; ++i) {
            if (is_chunked) ASSERT_TRUE(client.send("100000\r\n"));
            ASSERT_TRUE(client.send(block));
            if (is_chunked) ASSERT_TRUE(client.send("\r\n"));
        }
        if (is_chunked) ASSERT_TRUE(client.send("0\r\n\r\n"));
        EXPECT_EQ(read_answer(&client).body, std::to_string(kBlock * kBlocks));
        EXPECT_GT(server.handler.rss_start, 0U);
        EXPECT_GE(server.handler.rss_max, server.handler.rss_start / 2);
        EXPECT_LT(server.handler.rss_max, server.handler.rss_start + (10U << 20));
    }
}

TEST(HttpServer, ClientThatSendsTooMuchStillSeesTheAnswer) {
    TestServer server;
    const std::string block(1 << 20, 'x');
    RawSocket client = server.connect();
    ASSERT_TRUE(client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 52428800\r\n\r\n"));
    // A client that sends all before it looks is not cut off in the middle.
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(client.send(block)) << i;
    const RawAnswer answer = read_answer(&client);
    EXPECT_EQ(answer.status, 413);
    EXPECT_EQ(answer.body, "{\"status\":413,\"error\":\"request_too_large\"}");
    EXPECT_TRUE(answer.has("connection: close"));
    EXPECT_EQ(client.read_to_end(), "");
    EXPECT_FALSE(client.was_reset());
    client.close();
    EXPECT_TRUE(server.wait_for_connections(0));

    RawSocket chunky = server.connect();
    ASSERT_TRUE(chunky.send(post_chunked("/echo", "800\r\n" + std::string(2048, 'x') + "\r\n")));
    EXPECT_EQ(read_answer(&chunky).status, 413);
    EXPECT_EQ(chunky.read_to_end(), "");
}

TEST(HttpServer, BodyNobodyReadIsSkippedUpToALimit) {
    TestServer server;
    RawSocket client = server.connect();
    ASSERT_TRUE(client.send(post("/ignore", std::string(200'000, 'x')) + get("/hello")));
    EXPECT_EQ(read_answer(&client).body, "ignored");
    EXPECT_EQ(read_answer(&client).body, "hello GET");
    ASSERT_TRUE(client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"));
    const RawAnswer answer = read_answer(&client);
    EXPECT_EQ(answer.body, "ignored");
    EXPECT_TRUE(answer.has("connection: close"));
    EXPECT_EQ(client.read_to_end(), "");
}

TEST(HttpServer, RefusesMalformedRequestsAndCloses) {
    TestServer server;
    const std::vector<std::string> bad = {
        "GARBAGE\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        post("/echo", "hello", "Content-Length: 5\r\n"),
        post("/echo", "0\r\n\r\n", "Transfer-Encoding: chunked\r\n"),
        get("/hello", "A : b\r\n"),
        get("/hello", "A: b\rc\r\n"),
        "GET /hello HTTP/1.1\nHost: a\n\n",
        "\r\n" + get("/hello"),
    };
    std::uint64_t count = 0;
    for (const std::string& request : bad) {
        RawSocket client = server.connect();
        // What stands behind is not looked at any more.
        ASSERT_TRUE(client.send(request + get("/hello")));
        const RawAnswer answer = read_answer(&client);
        EXPECT_EQ(answer.status, 400) << request;
        EXPECT_EQ(answer.body, "{\"status\":400,\"error\":\"invalid_request\"}");
        EXPECT_TRUE(answer.has("connection: close"));
        EXPECT_EQ(client.read_to_end(), "");
        EXPECT_FALSE(client.was_reset());
        EXPECT_EQ(server.server()->counters().malformed.value(), ++count);
    }
    EXPECT_EQ(server.handler.requests, 0);
    RawSocket large = server.connect();
    ASSERT_TRUE(large.send(get("/hello", "A: " + std::string(70'000, 'x') + "\r\n")));
    EXPECT_EQ(read_answer(&large).status, 431);
    EXPECT_EQ(large.read_to_end(), "");
}

TEST(HttpServer, MalformedChunkIsTheHandlersToRefuse) {
    TestServer server;
    for (const char* chunks : {"x\r\n", "3\r\nabcd\r\n", "1\nx\r\n0\r\n\r\n"}) {
        for (const char* target : {"/echo", "/count"}) {
            RawSocket client = server.connect();
            ASSERT_TRUE(client.send(post_chunked(target, chunks) + get("/hello")));
            const RawAnswer answer = read_answer(&client);
            EXPECT_EQ(answer.status, 400);
            EXPECT_TRUE(answer.has("connection: close"));
            EXPECT_EQ(client.read_to_end(), "");
        }
    }
}

TEST(HttpServer, RequestAfterAFinalOneIsNotServed) {
    TestServer server;
    for (const std::string& first : {get("/hello", "Connection: close\r\n"), get("/close"),
                                     std::string("GET /hello HTTP/1.0\r\n\r\n")}) {
        RawSocket client = server.connect();
        ASSERT_TRUE(client.send(first + get("/hello")));
        const RawAnswer answer = read_answer(&client);
        EXPECT_EQ(answer.status, 200);
        EXPECT_TRUE(answer.has("connection: close"));
        EXPECT_EQ(client.read_to_end(), "");
        EXPECT_FALSE(client.was_reset());
    }
    EXPECT_EQ(server.handler.requests, 3);
}

TEST(HttpServer, SpeaksToOldClients) {
    TestServer server;
    RawSocket keep = server.connect();
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(keep.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        const RawAnswer answer = read_answer(&keep);
        EXPECT_EQ(answer.body, "hello GET");
        EXPECT_TRUE(answer.has("connection: keep-alive"));
    }
    // What would be chunked ends with the connection.
    RawSocket stream = server.connect();
    ASSERT_TRUE(stream.send(
        "POST /echo_stream HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"));
    const RawAnswer answer = read_answer(&stream);
    EXPECT_EQ(answer.head.find("transfer-encoding"), std::string::npos);
    EXPECT_TRUE(answer.has("connection: close"));
    EXPECT_EQ(answer.body, "hello");
    EXPECT_FALSE(stream.was_reset());
}

TEST(HttpServer, HeadAndBodylessStatusesSendNoBody) {
    TestServer server;
    RawSocket client = server.connect();
    ASSERT_TRUE(client.send(
        "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nHEAD /echo_stream HTTP/1.1\r\nHost: a\r\n\r\n" +
        get("/status?204") + get("/status?304") + get("/status?201") + get("/hello")));
    const RawAnswer head = read_answer(&client, /*is_head=*/true);
    EXPECT_TRUE(head.has("content-length: 10"));
    EXPECT_TRUE(read_answer(&client, /*is_head=*/true).has("transfer-encoding: chunked"));
    for (const int status : {204, 304}) {
        const RawAnswer answer = read_answer(&client);
        EXPECT_EQ(answer.status, status);
        EXPECT_TRUE(answer.has("etag: x"));
        EXPECT_EQ(answer.head.find("content-length"), std::string::npos);
    }
    EXPECT_EQ(read_answer(&client).body, "12345");
    EXPECT_EQ(read_answer(&client).body, "hello GET");
}

TEST(HttpServer, DatesAnswersOnce) {
    TestServer server;
    RawSocket client = server.connect();
    ASSERT_TRUE(client.send(get("/hello") + get("/dated")));
    const std::string head = read_answer(&client).head;
    const std::size_t at = head.find("\r\ndate: ");
    ASSERT_NE(at, std::string::npos);
    EXPECT_EQ(head.substr(at + 8 + 25, 6), " GMT\r\n");
    const std::string dated = read_answer(&client).head;
    EXPECT_NE(dated.find("\r\nDate: today\r\n"), std::string::npos);
    EXPECT_EQ(dated.find("\r\ndate: "), std::string::npos);
}

TEST(HttpServer, UpgradeIsIgnoredAndATunnelRefusedToStay) {
    TestServer server;
    RawSocket client = server.connect();
    ASSERT_TRUE(client.send(
        post("/echo", "abc", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n") +
        get("/hello", "Connection: upgrade\r\nUpgrade: websocket\r\n") + get("/hello")));
    EXPECT_EQ(read_answer(&client).body, "abc");
    EXPECT_EQ(read_answer(&client).body, "hello GET");
    EXPECT_EQ(read_answer(&client).body, "hello GET");
    RawSocket tunnel = server.connect();
    ASSERT_TRUE(tunnel.send("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + get("/hello")));
    const RawAnswer answer = read_answer(&tunnel);
    EXPECT_EQ(answer.status, 500);  // this handler answers no CONNECT
    EXPECT_TRUE(answer.has("connection: close"));
    EXPECT_EQ(tunnel.read_to_end(), "");
}

TEST(HttpServer, ForgottenAnswerBecomesAnError) {
    TestServer server;
    RawSocket client = server.connect();
    ASSERT_TRUE(client.send(get("/none")));
    const RawAnswer answer = read_answer(&client);
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.body, "{\"status\":500,\"error\":\"internal\"}");
    EXPECT_EQ(client.read_to_end(), "");
}

TEST(HttpServer, CutAnswerNeverLooksComplete) {
    TestServer server;
    for (const char* target : {"/cut", "/unfinished", "/short", "/excess"}) {
        RawSocket client = server.connect();
        ASSERT_TRUE(client.send(get(target)));
        const std::string got = client.read_to_end();
        EXPECT_TRUE(client.was_reset()) << target;
        EXPECT_EQ(got.find("0\r\n\r\n"), std::string::npos) << target;
    }
    EXPECT_TRUE(server.wait_for_connections(0));
}

TEST(HttpServer, SlowHeadIsAnsweredWithATimeout) {
    TestServer server({.head_timeout_ms = 30});
    for (const char* sent : {"G", "GET / HTTP/1.1\r\nHost: a\r\n"}) {
        RawSocket client = server.connect();
        ASSERT_TRUE(client.send(sent));
        const RawAnswer answer = read_answer(&client);
        EXPECT_EQ(answer.status, 408);
        EXPECT_TRUE(answer.has("connection: close"));
        EXPECT_EQ(client.read_to_end(), "");
    }
    EXPECT_EQ(server.server()->counters().timed_out.value(), 2U);
    EXPECT_EQ(server.handler.requests, 0);
}

TEST(HttpServer, IdleConnectionIsClosedQuietly) {
    TestServer server({.idle_timeout_ms = 30});
    RawSocket fresh = server.connect();
    EXPECT_EQ(fresh.read_to_end(), "");
    EXPECT_FALSE(fresh.was_reset());
    EXPECT_FALSE(fresh.timed_out());
    RawSocket used = server.connect();
    ASSERT_TRUE(used.send(get("/hello")));
    EXPECT_EQ(read_answer(&used).body, "hello GET");
    EXPECT_EQ(used.read_to_end(), "");
    EXPECT_FALSE(used.timed_out());
    EXPECT_TRUE(server.wait_for_connections(0));
}

TEST(HttpServer, SlowBodyIsTheHandlersToRefuse) {
    TestServer server({.body_timeout_ms = 30});
    for (const char* target : {"/echo", "/count"}) {
        RawSocket client = server.connect();
        ASSERT_TRUE(client.send("POST " + std::string(target) +
                                " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"));
        const RawAnswer answer = read_answer(&client);
        EXPECT_EQ(answer.status, 408);
        EXPECT_TRUE(answer.has("connection: close"));
        EXPECT_EQ(client.read_to_end(), "");
    }
}

TEST(HttpServer, ClientThatDoesNotReadIsGivenUp) {
    TestServer server({.write_timeout_ms = 50});
    std::future<Error> failure = server.handler.failure.get_future();
    RawSocket client = server.connect(/*receive_buffer=*/4096);
    ASSERT_TRUE(client.send(get("/bytes?100000000")));
    EXPECT_EQ(LoopThread::take(&failure).code, ErrorCode::request_timeout);
    EXPECT_TRUE(server.wait_for_connections(0));
    EXPECT_LT(client.read_to_end().size(), 100'000'000U);
    EXPECT_TRUE(client.was_reset());
}

TEST(HttpServer, HandlerIsToldWhenTheClientGoes) {
    for (const int way : {0, 1, 2}) {
        TestServer server;
        std::future<void> waiting = server.handler.waiting.get_future();
        std::future<void> gone = server.handler.peer_gone.get_future();
        RawSocket client = server.connect();
        ASSERT_TRUE(client.send(get("/wait")));
        LoopThread::take(&waiting);
        if (way == 0) client.close();
        if (way == 1) client.reset();
        if (way == 2) client.half_close();
        LoopThread::take(&gone);
        // Who only ends its own side still gets the answer.
        if (way == 2) EXPECT_EQ(read_answer(&client).body, "waited");
        EXPECT_TRUE(server.wait_for_connections(0));
    }
}

TEST(HttpServer, HandlerIsToldAtOnceWhenTheClientIsGoneAlready) {
    TestServer server;
    std::future<void> gone = server.handler.peer_gone.get_future();
    RawSocket client = server.connect();
    ASSERT_TRUE(client.send(get("/hello") + get("/wait")));
    client.half_close();
    EXPECT_EQ(read_answer(&client).body, "hello GET");
    LoopThread::take(&gone);
    EXPECT_EQ(read_answer(&client).body, "waited");
}

TEST(HttpServer, ClientThatGoesInTheMiddleEndsItsTask) {
    TestServer server;
    for (const std::string& sent :
         {std::string("GET /hel"),
          std::string("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"),
          post_chunked("/echo_stream", "5\r\nab"), get("/bytes?100000000")}) {
        for (const bool is_reset : {false, true}) {
            RawSocket client = server.connect();
            server.handler.failure = {};
            ASSERT_TRUE(client.send(sent));
            if (is_reset)
                client.reset();
            else
                client.close();
            EXPECT_TRUE(server.wait_for_connections(0)) << sent;
        }
    }
}

TEST(HttpServer, RefusesConnectionsBeyondItsLimit) {
    TestServer server({.connections_max = 2});
    RawSocket one = server.connect(), two = server.connect();
    ASSERT_TRUE(server.wait_for_connections(2));
    RawSocket three = server.connect();
    EXPECT_EQ(three.read_to_end(), "");
    EXPECT_FALSE(three.timed_out());
    EXPECT_EQ(server.server()->counters().refused_full.value(), 1U);
    one.close();
    ASSERT_TRUE(server.wait_for_connections(1));
    RawSocket four = server.connect();
    for (RawSocket* client : {&two, &four}) {
        ASSERT_TRUE(client->send(get("/hello")));
        EXPECT_EQ(read_answer(client).body, "hello GET");
    }
}

TEST(HttpServer, DrainClosesTheIdleAndLetsTheBusyFinish) {
    TestServer server;
    std::future<void> waiting = server.handler.waiting.get_future();
    RawSocket fresh = server.connect(), used = server.connect(), busy = server.connect(),
              half = server.connect();
    ASSERT_TRUE(used.send(get("/hello")));
    EXPECT_EQ(read_answer(&used).body, "hello GET");
    ASSERT_TRUE(busy.send(get("/wait")));
    LoopThread::take(&waiting);
    ASSERT_TRUE(half.send("GET /hello HTTP/1.1\r\n"));
    ASSERT_TRUE(server.wait_for_connections(4));
    // The half head has been read when a later request on its connection's loop was answered.
    ASSERT_TRUE(used.send(get("/hello")));
    EXPECT_EQ(read_answer(&used).body, "hello GET");

    server.thread()->call([&] { server.server()->drain(); });
    EXPECT_EQ(fresh.read_to_end(), "");
    EXPECT_EQ(used.read_to_end(), "");
    ASSERT_TRUE(half.send("Host: a\r\n\r\n"));
    const RawAnswer late = read_answer(&half);
    EXPECT_EQ(late.body, "hello GET");
    EXPECT_TRUE(late.has("connection: close"));
    server.thread()->call([&] { server.handler.go_on.set(server.loop()); });
    const RawAnswer answer = read_answer(&busy);
    EXPECT_EQ(answer.body, "waited");
    EXPECT_TRUE(answer.has("connection: close"));
    EXPECT_EQ(busy.read_to_end(), "");
    busy.close();
    half.close();
    EXPECT_TRUE(server.wait_for_connections(0));
    // The listening socket is closed too.
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SocketAddress to = parse_address("127.0.0.1:" + std::to_string(server.port())).value();
    EXPECT_NE(::connect(fd, reinterpret_cast<sockaddr*>(&to.storage), to.size), 0);
    ::close(fd);
}

TEST(HttpServer, StopEndsEveryConnectionWhateverItDoes) {
    auto server = std::make_unique<TestServer>();
    std::future<void> waiting = server->handler.waiting.get_future();
    std::vector<RawSocket> clients;
    const std::vector<std::string> sent = {
        "",
        "GET /hel",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        post_chunked("/echo_stream", "5\r\nhello\r\n"),
        get("/bytes?100000000"),
        "GARBAGE\r\n\r\n",
        get("/hello", "Connection: close\r\n"),
        get("/wait"),
    };
    for (const std::string& bytes : sent) {
        clients.push_back(server->connect(4096));
        ASSERT_TRUE(clients.back().send(bytes));
    }
    LoopThread::take(&waiting);
    ASSERT_TRUE(server->wait_for_connections(clients.size()));
    server->stop();
    for (RawSocket& client : clients) {
        client.read_to_end();
        EXPECT_FALSE(client.timed_out());
    }
}

TEST(HttpServer, WhatWaitsToBeSentIsNotOverwritten) {
    // given a slow client that is sent pieces out of the loop's scratch, when other requests use
    // the scratch meanwhile, then the slow client still gets every byte as it was
    constexpr std::size_t kBlocks = 256;  // 16 MB: more than the kernel keeps
    TestServer server;
    RawSocket slow = server.connect(/*receive_buffer=*/4096);
    ASSERT_TRUE(slow.send(get("/scratch?" + std::to_string(kBlocks))));
    const std::string head = slow.read_until("\r\n\r\n");
    ASSERT_NE(head.find("content-length: 16777216"), std::string::npos);
    RawSocket other = server.connect();
    for (std::size_t i = 0; i < kBlocks; ++i) {
        ASSERT_TRUE(other.send(get("/smear")));
        ASSERT_EQ(read_answer(&other).body, "smeared");
        const std::string block = slow.read_bytes(Loop::kScratchBytes);
        ASSERT_EQ(block, std::string(Loop::kScratchBytes, static_cast<char>('a' + i % 26))) << i;
    }
}

TEST(HttpServer, NewOptionsMeetNewConnections) {
    TestServer server;
    RawSocket before = server.connect();
    ASSERT_TRUE(before.send(get("/hello")));
    EXPECT_EQ(read_answer(&before).status, 200);
    server.thread()->call([&] { server.server()->set_options({.limits = {.head_bytes = 100}}); });
    RawSocket after = server.connect();
    const std::string request = get("/hello", "A: " + std::string(100, 'x') + "\r\n");
    ASSERT_TRUE(before.send(request));
    EXPECT_EQ(read_answer(&before).status, 200);
    ASSERT_TRUE(after.send(request));
    EXPECT_EQ(read_answer(&after).status, 431);
}

TEST(HttpServer, ServerThatNeverStartedClosesItsSocket) {
    Loop loop;
    TestHandler handler;
    const int fd = listen_on(parse_address("127.0.0.1:0").value(), 1).value();
    {
        HttpServer server(&loop, fd, {}, &handler);
    }
    EXPECT_EQ(::close(fd), -1);
}

TEST(HttpTarget, SplitsPathAndQuery) {
    struct {
        std::string_view target, path, query;
    } const cases[] = {
        {"/", "/", ""},
        {"/a/b?c=d", "/a/b", "c=d"},
        {"/a?", "/a", ""},
        {"/a?b?c", "/a", "b?c"},
        {"http://h:80/a?b", "/a", "b"},
        {"http://h", "/", ""},
        {"http://h?x", "/", "x"},
        {"/a?u=http://h/b", "/a", "u=http://h/b"},
        {"/http://h/b", "/http://h/b", ""},
        {"*", "*", ""},
        {"", "", ""},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(path_of(c.target), c.path) << c.target;
        EXPECT_EQ(query_of(c.target), c.query) << c.target;
    }
}

}  // namespace
}  // namespace tg
