// Which headers cross the gate, in both directions.
#include "gateway/internal/headers.h"

#include "gateway/test_gateway.h"

namespace tg {
namespace {

/// What a client gets of a provider's header lines.
std::string for_client(std::string_view lines) {
    const std::string text = "HTTP/1.1 200 OK\r\n" + std::string(lines) + "\r\n";
    HttpParser parser(HttpParser::Kind::response, {});
    parser.start_message();
    EXPECT_TRUE(parser.parse_head(text).ok()) << text;
    std::string out;
    append_reply_headers(parser.head(), &out);
    return out;
}

TEST(HeadersTest, a_client_learns_nothing_of_the_account_or_the_connection) {
    EXPECT_EQ(for_client("Content-Type: a\r\nX-Custom: b\r\n"),
              "Content-Type: a\r\nX-Custom: b\r\n");
    for (const char* line :
         {"Alt-Svc: h3", "Connection: close", "Content-Length: 0", "Keep-Alive: timeout=5",
          "OpenAI-Organization: o", "openai-project: p", "Proxy-Authenticate: Basic",
          "Server: nginx", "Set-Cookie: a=b", "Trailer: x", "Upgrade: h2c", "X-Request-Id: r",
          "X-RateLimit-Limit-Requests: 1", "x-ratelimit-reset-tokens: 1s", "X-Tollgate-Cost: 0",
          "CF-Ray: 1", "cf-cache-status: DYNAMIC"}) {
        EXPECT_EQ(for_client(std::string(line) + "\r\netag: x\r\n"), "etag: x\r\n") << line;
    }
    // Names that only begin alike, and those that clients need.
    for (const std::string line :
         {"serverless: x\r\n", "cfo: x\r\n", "x-request-ids: x\r\n", "retry-after: 1\r\n",
          "openai-processing-ms: 1\r\n", "openai-version: 2020-10-01\r\n", "date: x\r\n",
          "content-encoding: gzip\r\n", "www-authenticate: x\r\n", "x-ratelimi: t\r\n"}) {
        EXPECT_EQ(for_client(line), line);
    }
}

TEST(HeadersTest, what_a_reply_names_in_connection_stays_behind) {
    EXPECT_EQ(for_client("connection: x-a\r\nX-A: 1\r\nx-ab: 2\r\n"), "x-ab: 2\r\n");
    EXPECT_EQ(for_client("x-a: 1\r\nConnection: close,X-A ,\tx-b\r\nX-B: 2\r\nx: 3\r\n"),
              "x: 3\r\n");
    EXPECT_EQ(for_client("connection: keep-alive\r\nconnection: x-a\r\nx-a: 1\r\nx-b: 2\r\n"),
              "x-b: 2\r\n");
    EXPECT_EQ(for_client("connection: ,,\r\nx-a: 1\r\n"), "x-a: 1\r\n");
}

/// The header lines an upstream gets for a client's, without those the gate makes.
std::string for_upstream(OneUpstream* it, std::string_view lines) {
    SeenRequest seen;
    RawSocket up = it->pass(get("/v1/files", lines), &seen);
    const std::string made = "\r\nauthorization: Bearer sk-account\r\n";
    const std::size_t begin = seen.head.find(made) + made.size();
    const std::size_t end = seen.head.find("accept-encoding: identity\r\nx-client-request-id: ");
    EXPECT_NE(end, std::string::npos) << seen.head;
    EXPECT_TRUE(up.send(json_reply("{}", 200, "connection: close\r\n")));
    EXPECT_EQ(read_answer(&it->client).status, 200);
    return end == std::string::npos ? seen.head : seen.head.substr(begin, end - begin);
}

TEST(HeadersTest, an_upstream_learns_nothing_of_the_clients_way_here) {
    OneUpstream it;
    EXPECT_EQ(for_upstream(&it, "X-Custom: a\r\nuser-agent: b\r\n"),
              "X-Custom: a\r\nuser-agent: b\r\n");
    for (const char* line : {"Accept-Encoding: gzip, br",
                             "Api-Key: k",
                             "X-API-Key: k",
                             "Cookie: a=b",
                             "Forwarded: for=1",
                             "HTTP2-Settings: x",
                             "Keep-Alive: 5",
                             "OpenAI-Organization: o",
                             "OpenAI-Project: p",
                             "openai-data-processing-opt-out: 0",
                             "openai-zero-data-retention: 0",
                             "Proxy-Authorization: Basic x",
                             "Proxy-Connection: keep-alive",
                             "TE: trailers",
                             "Trailer: x",
                             "Via: 1.1 x",
                             "X-Client-Request-Id: mine",
                             "X-Forwarded-For: 1",
                             "X-Forwarded-Host: h",
                             "X-Forwarded-Proto: https",
                             "X-Real-IP: 1",
                             "X-Tollgate-Tag: t"}) {
        EXPECT_EQ(for_upstream(&it, std::string(line) + "\r\netag: x\r\n"), "etag: x\r\n") << line;
    }
    for (const std::string line :
         {"openai-beta: assistants=v2\r\n", "tea: x\r\n", "x-stainless-lang: js\r\n",
          "idempotency-key: 1\r\n", "range: bytes=0-1\r\n", "accept: */*\r\n"}) {
        EXPECT_EQ(for_upstream(&it, line), line);
    }
    EXPECT_EQ(for_upstream(&it, "connection: x-a, Keep-Alive\r\nX-A: 1\r\nx-ab: 2\r\n"),
              "x-ab: 2\r\n");
    EXPECT_EQ(for_upstream(&it, "connection: x-long-name\r\nx-long: 1\r\nname: 2\r\n"),
              "x-long: 1\r\nname: 2\r\n");
}

}  // namespace
}  // namespace tg
