#include "net/tls.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "net/internal/test_client.h"
#include "net/internal/test_server.h"

namespace tg {
namespace {

/// An authority and certificates of its own, made anew for the test by the openssl command.
class TlsFiles {
  public:
    TlsFiles() {
        std::string pattern = (std::filesystem::temp_directory_path() / "net_tls_XXXXXX").string();
        TG_ASSERT(::mkdtemp(pattern.data()) != nullptr);
        folder_ = pattern;
        openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca" +
            key_and("ca", "-out"));
        openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca2" +
            key_and("ca2", "-out"));
        certify("good", "DNS:localhost,IP:127.0.0.1");
        certify("other", "DNS:other.example");
    }
    ~TlsFiles() { std::filesystem::remove_all(folder_); }
    TlsFiles(const TlsFiles&) = delete;
    TlsFiles& operator=(const TlsFiles&) = delete;

    std::string path(const std::string& file) const { return folder_ + "/" + file; }

  private:
    std::string key_and(const std::string& who, const std::string& out_flag) const {
        return " -keyout " + path(who + ".key") + " " + out_flag + " " + path(who + ".pem");
    }
    void openssl(const std::string& arguments) const {
        const std::string command = "openssl " + arguments + " >" + path("log") + " 2>&1";
        if (std::system(command.c_str()) != 0) {
            std::ifstream log(path("log"));
            ADD_FAILURE() << command << "\n" << log.rdbuf();
        }
    }
    void certify(const std::string& who, const std::string& names) const {
        openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout " +
                path(who + ".key") + " -out " + path(who + ".csr"));
        std::ofstream(path("ext")) << "subjectAltName=" << names << "\n";
        openssl("x509 -req -days 2 -in " + path(who + ".csr") + " -CA " + path("ca.pem") +
                " -CAkey " + path("ca.key") + " -CAcreateserial -extfile " + path("ext") +
                " -out " + path(who + ".pem"));
    }
    std::string folder_;
};

class Tls : public ::testing::Test {
  protected:
    static void SetUpTestSuite() { files = new TlsFiles; }
    static void TearDownTestSuite() { delete std::exchange(files, nullptr); }

    static HttpServerOptions server_options(const std::string& certificate) {
        HttpServerOptions options;
        options.tls =
            TlsContext::server(files->path(certificate + ".pem"), files->path(certificate + ".key"))
                .value();
        return options;
    }
    static Origin origin(const TestServer& server, const std::string& ca = "ca",
                         const std::string& host = "127.0.0.1") {
        return {.host = host,
                .port = server.port(),
                .tls = TlsContext::client(files->path(ca + ".pem")).value()};
    }
    static TlsFiles* files;
};
TlsFiles* Tls::files = nullptr;

TEST_F(Tls, ConnectionIsReusedForManyRequests) {
    TestServer server(server_options("good"));
    for (const char* host : {"127.0.0.1", "localhost"}) {
        TestClient client(origin(server, "ca", host));
        for (int i = 0; i < 10; ++i) {
            const TestReply reply = client.fetch({.target = "/hello"});
            EXPECT_EQ(reply.error + reply.detail, "");
            EXPECT_EQ(reply.body, "hello GET");
            EXPECT_EQ(reply.was_reused, i > 0);
            EXPECT_TRUE(reply.is_reusable);
            // The session tickets that follow the handshake are no reason to give it up.
            client.settle();
        }
        EXPECT_EQ(client.connects(), 1U);
    }
}

TEST_F(Tls, LargeBodiesBothWays) {
    TestServer server(server_options("good"));
    TestClient client(origin(server));
    const TestReply up =
        client.fetch({.target = "/count", .method = "POST", .body = filled(20'000'000, 'u')});
    EXPECT_EQ(up.body, "20000000");
    const TestReply down = client.fetch({.target = "/bytes?20000000"});
    EXPECT_EQ(down.body, filled(20'000'000, 'b'));
    EXPECT_TRUE(down.was_reused);
    EXPECT_TRUE(down.is_reusable);
    server.handler.body_max = 1'000'000;
    std::string body(300'000, 'x');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 23);
    EXPECT_EQ(client.fetch({.target = "/echo", .method = "POST", .body = body}).body, body);
}

TEST_F(Tls, WrongNameAndUnknownAuthorityAreRefused) {
    TestServer other(server_options("other"));
    for (const char* host : {"127.0.0.1", "localhost"}) {
        TestClient client(origin(other, "ca", host));
        const TestReply reply = client.fetch({.target = "/hello"});
        EXPECT_EQ(reply.error, "upstream_unreachable");
        EXPECT_NE(reply.detail.find("mismatch"), std::string::npos) << reply.detail;
    }
    TestServer good(server_options("good"));
    TestClient stranger(origin(good, "ca2"));
    const TestReply reply = stranger.fetch({.target = "/hello"});
    EXPECT_EQ(reply.error, "upstream_unreachable");
    EXPECT_NE(reply.detail.find("unable to get local issuer certificate"), std::string::npos)
        << reply.detail;
    EXPECT_EQ(other.handler.requests + good.handler.requests, 0);
    EXPECT_TRUE(good.wait_for_connections(0));
}

TEST_F(Tls, PlainAndSilentPeersAreToldApart) {
    TestServer server(server_options("good"));
    RawSocket plain = server.connect();
    ASSERT_TRUE(plain.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_EQ(plain.read_to_end().find("HTTP/1.1 200"), std::string::npos);
    EXPECT_FALSE(plain.timed_out());

    TestServer speaks_plain;
    TestClient client(origin(speaks_plain));
    const TestReply reply = client.fetch({});
    EXPECT_EQ(reply.error, "upstream_unreachable");
    EXPECT_NE(reply.detail.find("TLS handshake failed"), std::string::npos);

    RawListener silent;
    Origin to = origin(server);
    to.port = silent.port();
    TestClient waiting(to, {.connect_timeout_ms = 30});
    EXPECT_EQ(waiting.fetch({}).error, "upstream_timeout");
}

TEST_F(Tls, SilentClientIsGivenUpInTheHandshake) {
    HttpServerOptions options = server_options("good");
    options.head_timeout_ms = 30;
    TestServer server(options);
    RawSocket client = server.connect();
    EXPECT_EQ(client.read_to_end(), "");
    EXPECT_FALSE(client.timed_out());
    EXPECT_TRUE(server.wait_for_connections(0));
}

TEST_F(Tls, EndOfConnectionEndsAnAnswerOnlyWhenItIsAnnounced) {
    TestServer server(server_options("good"));
    TestClient client(origin(server));
    const TestReply neat = client.fetch(
        {.target = "/echo_stream", .method = "POST", .body = "hello", .version = "1.0"});
    EXPECT_EQ(neat.error + neat.detail, "");
    EXPECT_EQ(neat.body, "hello");
    EXPECT_FALSE(neat.is_reusable);
    for (const char* version : {"1.0", "1.1"}) {
        for (const char* target : {"/cut", "/unfinished"}) {
            const TestReply cut = client.fetch({.target = target, .version = version});
            EXPECT_EQ(cut.error, "upstream_broken") << target << " " << version;
        }
    }
    EXPECT_EQ(client.fetch({.target = "/short"}).error, "upstream_broken");
}

Task<bool> leave_in_the_middle(ClientPool* pool) {
    Result<std::unique_ptr<ClientConnection>> acquired =
        co_await pool->acquire(false, TestClient::in_ms(20'000));
    std::unique_ptr<ClientConnection> connection = std::move(acquired).value();
    const Status sent = co_await TestClient::send(connection.get(), {.target = "/bytes?100000000"});
    const Result<const HttpHead*> head = co_await connection->read_head(TestClient::in_ms(20'000));
    co_return sent.ok() && head.ok();
}

TEST_F(Tls, ClientThatLeavesInTheMiddleIsAnErrorAndNoSignal) {
    TestServer server(server_options("good"));
    TestClient client(origin(server));
    for (int i = 0; i < 3; ++i) {
        std::promise<Error> renewed;
        std::future<Error> failure = renewed.get_future();
        server.handler.failure = std::move(renewed);
        EXPECT_TRUE(client.thread()->run(leave_in_the_middle(client.pool())));
        EXPECT_EQ(LoopThread::take(&failure).code, ErrorCode::io_error);
        EXPECT_TRUE(server.wait_for_connections(0));
    }
    EXPECT_EQ(client.fetch({.target = "/hello"}).body, "hello GET");
}

Task<std::string> read_slowly(ClientPool* pool, std::size_t blocks) {
    Result<std::unique_ptr<ClientConnection>> acquired =
        co_await pool->acquire(false, TestClient::in_ms(20'000));
    std::unique_ptr<ClientConnection> slow = std::move(acquired).value();
    const Status sent =
        co_await TestClient::send(slow.get(), {.target = "/scratch?" + std::to_string(blocks)});
    TG_ASSERT(sent.ok());
    const Result<const HttpHead*> head = co_await slow->read_head(TestClient::in_ms(20'000));
    TG_ASSERT(head.ok());
    std::string got;
    std::vector<std::string_view> pieces;
    int reads = 0;
    for (bool has_more = true; has_more; ++reads) {
        // The server waits for this client meanwhile, with data that has not gone out.
        for (int i = 0; i < (reads == 0 ? 20 : reads % 20 == 0 ? 1 : 0); ++i) {
            const TestReply other = co_await TestClient::fetch_task(pool, {.target = "/smear"});
            TG_ASSERT(other.body == "smeared");
        }
        pieces.clear();
        const Result<bool> more = co_await slow->read_body(&pieces, TestClient::in_ms(20'000));
        TG_ASSERT(more.ok());
        for (const std::string_view piece : pieces) got += piece;
        has_more = *more;
    }
    co_return got;
}

TEST_F(Tls, WhatWaitsToBeSentIsNotOverwritten) {
    constexpr std::size_t kBlocks = 400;  // 26 MB: more than the kernel keeps
    TestServer server(server_options("good"));
    TestClient client(origin(server));
    const std::string got = client.thread()->run(read_slowly(client.pool(), kBlocks));
    ASSERT_EQ(got.size(), kBlocks * Loop::kScratchBytes);
    for (std::size_t i = 0; i < kBlocks; ++i) {
        ASSERT_EQ(got.find_first_not_of(static_cast<char>('a' + i % 26), i * Loop::kScratchBytes),
                  i + 1 == kBlocks ? std::string::npos : (i + 1) * Loop::kScratchBytes)
            << i;
    }
}

Task<bool> has_early_answer(ClientPool* pool) {
    Result<std::unique_ptr<ClientConnection>> acquired =
        co_await pool->acquire(true, TestClient::in_ms(20'000));
    std::unique_ptr<ClientConnection> connection = std::move(acquired).value();
    const Status sent = co_await TestClient::send(connection.get(), {.target = "/hello"});
    TG_ASSERT(sent.ok());
    while (!connection->has_pending_input())
        TG_ASSERT(co_await wait_until(Loop::current(), TestClient::in_ms(1)) == Wake::ready);
    const TestReply reply = co_await TestClient::receive(connection.get(), {});
    co_return reply.body == "hello GET";
}

TEST_F(Tls, SeesAnEarlyAnswerWithoutTakingIt) {
    TestServer server(server_options("good"));
    TestClient client(origin(server));
    EXPECT_TRUE(client.thread()->run(has_early_answer(client.pool())));
}

TEST_F(Tls, StopEndsHandshakesAndConnections) {
    TestServer server(server_options("good"));
    RawSocket silent = server.connect();
    TestClient client(origin(server));
    EXPECT_EQ(client.fetch({.target = "/hello"}).body, "hello GET");
    EXPECT_TRUE(server.wait_for_connections(2));
    server.stop();
    EXPECT_EQ(silent.read_to_end(), "");
    client.settle();
    EXPECT_EQ(client.fetch({.target = "/hello"}).error, "upstream_unreachable");
}

TEST_F(Tls, FilesThatDoNotFitAreNamed) {
    const auto detail = [](const auto& result) {
        return result.ok() ? std::string() : result.error().detail;
    };
    const std::string good = files->path("good.pem"), missing = files->path("missing.pem");
    EXPECT_NE(detail(TlsContext::server(missing, missing)).find("certificate file '" + missing),
              std::string::npos);
    EXPECT_NE(detail(TlsContext::server(good, missing)).find("key file '" + missing),
              std::string::npos);
    EXPECT_NE(detail(TlsContext::server(good, good)).find("key file '" + good), std::string::npos);
    EXPECT_NE(detail(TlsContext::server(good, files->path("other.key"))).find("other.key"),
              std::string::npos);
    EXPECT_NE(detail(TlsContext::client(missing)).find("CA file '" + missing), std::string::npos);
    EXPECT_TRUE(TlsContext::client("").ok());
}

}  // namespace
}  // namespace tg
