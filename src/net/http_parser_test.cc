#include "net/http_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/internal/http_feeder.h"
#include "net/internal/http_scan.h"
#include "net/internal/llhttp_head.h"

namespace tg {
namespace {

using Kind = HttpParser::Kind;
using namespace std::string_literals;

/// What came of the bytes in one piece; asserts that every split and byte by byte give the same.
std::string parse_everyhow(Kind kind, const std::string& bytes, HttpLimits limits = {},
                           bool has_no_body = false) {
    HttpFeeder whole(kind, limits, has_no_body);
    whole.feed(bytes);
    const std::string told = whole.full();
    HttpParser parser(kind, limits);
    parser.start_message();
    if (const auto head = parser.parse_head(bytes);
        head.ok() && *head == HttpParser::Progress::done) {
        EXPECT_EQ(llhttp_head(kind, bytes.substr(0, parser.consumed())), head_text(parser.head()))
            << ::testing::PrintToString(bytes);
    }
    for (std::size_t at = 1; at < bytes.size(); ++at) {
        HttpFeeder split(kind, limits, has_no_body);
        split.feed(std::string_view(bytes).substr(0, at));
        split.feed(std::string_view(bytes).substr(at));
        EXPECT_EQ(split.full(), told)
            << "split at " << at << " of " << ::testing::PrintToString(bytes);
        if (split.full() != told) break;
    }
    HttpFeeder dripped(kind, limits, has_no_body);
    for (const char c : bytes) dripped.feed(std::string_view(&c, 1));
    EXPECT_EQ(dripped.full(), told) << "byte by byte: " << ::testing::PrintToString(bytes);
    return told;
}

std::string get(const std::string& headers) {
    return "GET / HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n";
}
std::string post(const std::string& headers, const std::string& body = "") {
    return "POST / HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n" + body;
}
std::string chunked(const std::string& body) {
    return post("Transfer-Encoding: chunked\r\n", body);
}

struct Case {
    const char* what;
    std::string bytes;
};

TEST(HttpParser, RefusesWhatParsersDisagreeAbout) {
    const std::string chunk = "5\r\nhello\r\n0\r\n\r\n";
    const std::vector<Case> cases = {
        {"CL and TE", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunk)},
        {"TE and CL", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunk)},
        {"TE and CL of zero", post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", chunk)},
        {"two equal CL", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")},
        {"two different CL", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!")},
        {"two CL of other case", post("Content-Length: 5\r\ncontent-LENGTH: 5\r\n", "hello")},
        {"CL list", post("Content-Length: 5, 5\r\n", "hello")},
        {"CL with sign", post("Content-Length: +5\r\n", "hello")},
        {"CL negative", post("Content-Length: -5\r\n", "hello")},
        {"CL hexadecimal", post("Content-Length: 0x5\r\n", "hello")},
        {"CL with a blank inside", post("Content-Length: 1 5\r\n", "hello")},
        {"CL with a tab behind", post("Content-Length: 5\t\r\n", "hello")},
        {"TE with a tab behind", post("Transfer-Encoding: chunked \t\r\n", chunk)},
        {"CL empty", post("Content-Length:\r\n", "hello")},
        {"CL blank", post("Content-Length:  \r\n", "hello")},
        {"CL with junk", post("Content-Length: 5a\r\n", "hello")},
        {"CL of 65 bits", post("Content-Length: 18446744073709551616\r\n", "hello")},
        {"CL of 80 digits", post("Content-Length: " + std::string(80, '9') + "\r\n", "hello")},
        {"TE chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", chunk)},
        {"TE twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunk)},
        {"TE identity then chunked",
         post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", chunk)},
        {"TE xchunked", post("Transfer-Encoding: xchunked\r\n", chunk)},
        {"TE chunkedx", post("Transfer-Encoding: chunkedx\r\n", chunk)},
        {"TE chunked and junk", post("Transfer-Encoding: chunked foo\r\n", chunk)},
        {"TE chunked, identity", post("Transfer-Encoding: chunked, identity\r\n", chunk)},
        {"TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", chunk)},
        {"TE gzip", post("Transfer-Encoding: gzip\r\n", chunk)},
        {"TE quoted", post("Transfer-Encoding: \"chunked\"\r\n", chunk)},
        {"TE with parameter", post("Transfer-Encoding: chunked;q=1\r\n", chunk)},
        {"TE empty", post("Transfer-Encoding:\r\n", chunk)},
        {"TE comma", post("Transfer-Encoding: ,chunked\r\n", chunk)},
        {"TE vertical tab", post("Transfer-Encoding: \x0b"
                                 "chunked\r\n",
                                 chunk)},
        {"TE with blank before colon", post("Transfer-Encoding : chunked\r\n", chunk)},
        {"TE on HTTP/1.0",
         "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk},
        {"bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
        {"bare LF after a header", "GET / HTTP/1.1\r\nHost: a\n\r\n"},
        {"bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n"},
        {"only bare LF", "GET / HTTP/1.1\nHost: a\n\n"},
        {"bare CR in a value", get("A: b\rc\r\n")},
        {"bare CR hides a header", get("A: b\rContent-Length: 5\r\n")},
        {"bare CR after a name", get("A\r: b\r\n")},
        {"CR CR LF", get("A: b\r\r\n")},
        {"CR in the request line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"obs-fold", get("A: b\r\n c\r\n")},
        {"obs-fold by tab", get("A: b\r\n\tc\r\n")},
        {"folded first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
        {"folded TE", post("Transfer-Encoding:\r\n chunked\r\n", chunk)},
        {"blank before colon", get("A : b\r\n")},
        {"tab before colon", get("A\t: b\r\n")},
        {"NUL in a value", get("A: b\0c\r\n"s)},
        {"NUL in a name", get("A\0B: c\r\n"s)},
        {"NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s},
        {"control character in a value", get("A: \x01\r\n")},
        {"DEL in a value", get("A: \x7f\r\n")},
        {"CL with blank before colon", post("Content-Length : 5\r\n", "hello")},
        {"Host with blank before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
        {"name with parenthesis", get("A(B): c\r\n")},
        {"name with blank", get("A B: c\r\n")},
        {"name with high byte", get("A\xc3\xa4: c\r\n")},
        {"name with at", get("A@B: c\r\n")},
        {"empty name", get(": c\r\n")},
        {"no colon", get("ABC\r\n")},
        {"no Host", "GET / HTTP/1.1\r\nA: b\r\n\r\n"},
        {"no header at all", "GET / HTTP/1.1\r\n\r\n"},
        {"two Hosts", get("Host: b\r\n")},
        {"two equal Hosts", get("Host: a\r\n")},
        {"Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
        {"Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
        {"Host with userinfo", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
        {"Host with blank", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
        {"empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"empty lines only", "\r\n\r\n"},
        {"LF first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"blank first", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"two blanks after the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"two blanks before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"blank behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
        {"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"relative target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"HTTP/0.9", "GET /\r\n\r\n"},
        {"version 0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"},
        {"version 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
        {"version 1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"},
        {"version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
        {"version of lower case", "GET / http/1.1\r\nHost: a\r\n\r\n"},
        {"version of another protocol", "OPTIONS / RTSP/1.0\r\nHost: a\r\n\r\n"},
        {"ICE", "SOURCE / ICE/1.0\r\nHost: a\r\n\r\n"},
        {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
        {"unknown method", "FOO / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"method of lower case", "get / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"method with junk", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a response", "HTTP/1.1 200 OK\r\nHost: a\r\n\r\n"},
        {"TLS hello", "\x16\x03\x01\x02\x00\x01\r\n\r\n"s},
    };
    for (const Case& c : cases)
        EXPECT_EQ(parse_everyhow(Kind::request, c.bytes), "<invalid_request>") << c.what;
}

TEST(HttpParser, RefusesMalformedChunks) {
    const std::vector<Case> cases = {
        {"empty size", "\r\nhello\r\n"},
        {"negative size", "-5\r\nhello\r\n0\r\n\r\n"},
        {"signed size", "+5\r\nhello\r\n0\r\n\r\n"},
        {"0x", "0x5\r\nhello\r\n0\r\n\r\n"},
        {"junk size", "g\r\nhello\r\n0\r\n\r\n"},
        {"blank before size", " 5\r\nhello\r\n0\r\n\r\n"},
        {"blank after size", "5 \r\nhello\r\n0\r\n\r\n"},
        {"tab after size", "5\t\r\nhello\r\n0\r\n\r\n"},
        {"junk after size", "5x\r\nhello\r\n0\r\n\r\n"},
        {"underscore", "1_0\r\nhello\r\n0\r\n\r\n"},
        {"size of 65 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n"},
        {"size of 100 digits", std::string(100, 'f') + "\r\nhello"},
        {"size near 2^64", "ffffffffffffffff\r\nhello"},
        {"bare LF after size", "5\nhello\r\n0\r\n\r\n"},
        {"bare CR after size", "5\rhello\r\n0\r\n\r\n"},
        {"CR CR LF after size", "5\r\r\nhello\r\n0\r\n\r\n"},
        {"chunk too long", "5\r\nhello!\r\n0\r\n\r\n"},
        {"no CRLF after the chunk", "5\r\nhello0\r\n\r\n"},
        {"bare LF after the chunk", "5\r\nhello\n0\r\n\r\n"},
        {"CR X after the chunk", "5\r\nhello\rX0\r\n\r\n"},
        {"bare LF after the last size", "0\n\r\n"},
        {"bare LF at the end", "0\r\n\n"},
        {"CR CR LF at the end", "0\r\n\r\r\n"},
        {"NUL in an extension", "5;a=\0\r\nhello\r\n0\r\n\r\n"s},
        {"bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"},
        {"bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"},
        {"trailer without colon", "0\r\nabc\r\n\r\n"},
        {"trailer with blank before colon", "0\r\nA : b\r\n\r\n"},
        {"trailer without name", "0\r\n: b\r\n\r\n"},
        {"folded trailer", "0\r\nA: b\r\n c\r\n\r\n"},
        {"bare LF in a trailer", "0\r\nA: b\n\r\n"},
        {"bare CR in a trailer", "0\r\nA: b\rc\r\n\r\n"},
        {"NUL in a trailer", "0\r\nA: \0\r\n\r\n"s},
    };
    for (const Case& c : cases) {
        const std::string told = parse_everyhow(Kind::request, chunked(c.bytes));
        EXPECT_EQ(told, "POST / Host=a Transfer-Encoding=chunked<invalid_request>") << c.what;
        const std::string answer = parse_everyhow(
            Kind::response, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + c.bytes);
        EXPECT_EQ(answer, "200 Transfer-Encoding=chunked<invalid_request>") << c.what;
    }
}

TEST(HttpParser, StaysRefusingAfterAMalformedChunk) {
    HttpParser parser(Kind::request, {});
    parser.start_message();
    const std::string head = chunked("");
    ASSERT_TRUE(parser.parse_head(head).ok());
    std::vector<std::string_view> pieces;
    EXPECT_FALSE(parser.parse_body("x", &pieces).ok());
    EXPECT_FALSE(parser.parse_body("0\r\n\r\n", &pieces).ok());
    EXPECT_FALSE(parser.is_message_complete());
}

TEST(HttpParser, BoundsWhatIsNoContentInAChunkedBody) {
    HttpLimits limits;
    limits.head_bytes = 200;
    const std::string told = "POST / Host=a Transfer-Encoding=chunked";
    EXPECT_EQ(
        parse_everyhow(Kind::request,
                       chunked("5;" + std::string(300, 'e') + "\r\nhello\r\n0\r\n\r\n"), limits),
        told + "<invalid_request>");
    std::string trailers = "0\r\n";
    for (int i = 0; i < 50; ++i) trailers += "A: b\r\n";
    EXPECT_EQ(parse_everyhow(Kind::request, chunked(trailers + "\r\n"), limits),
              told + "<invalid_request>");
    // Many small chunks are content all the same.
    std::string small;
    for (int i = 0; i < 100; ++i) small += "1\r\nx\r\n";
    EXPECT_EQ(parse_everyhow(Kind::request, chunked(small + "0\r\n\r\n"), limits),
              told + " '" + std::string(100, 'x') + "';");
}

TEST(HttpParser, HoldsItsLimits) {
    HttpLimits limits;
    limits.head_bytes = 300;
    limits.headers = 5;
    const auto told = [&](const std::string& bytes) {
        return parse_everyhow(Kind::request, bytes, limits);
    };
    EXPECT_EQ(told(get("A: " + std::string(400, 'x') + "\r\n")), "<headers_too_large>");
    EXPECT_EQ(told("GET /" + std::string(400, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n"),
              "<headers_too_large>");
    EXPECT_EQ(told("GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(400, 'x') + "\n\r\n"),
              "<headers_too_large>");
    EXPECT_EQ(told(get("A:1\r\nB:1\r\nC:1\r\nD:1\r\n")), "GET / Host=a A=1 B=1 C=1 D=1 '';");
    EXPECT_EQ(told(get("A:1\r\nB:1\r\nC:1\r\nD:1\r\nE:1\r\n")), "<headers_too_large>");
    const std::string fits = get("A: " + std::string(300 - get("A: \r\n").size(), 'x') + "\r\n");
    ASSERT_EQ(fits.size(), 300U);
    EXPECT_EQ(told(fits).substr(0, 14), "GET / Host=a A");
    EXPECT_EQ(told(get("A: " + std::string(301 - get("A: \r\n").size(), 'x') + "\r\n")),
              "<headers_too_large>");
    // An endless head is refused before its end comes.
    HttpFeeder endless(Kind::request, limits);
    endless.feed("GET / HTTP/1.1\r\nA: " + std::string(300, 'x'));
    EXPECT_EQ(endless.told(), "<headers_too_large>");
    HttpFeeder many(Kind::request);
    std::string headers;
    for (int i = 0; i < 129; ++i) headers += "A: b\r\n";
    many.feed(get(headers));
    EXPECT_EQ(many.told(), "<headers_too_large>");
}

TEST(HttpParser, ParsesRequestsHoweverTheyArrive) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {get(""), "GET / Host=a '';"},
        {get("A:b\r\nC: \t d \t\r\nEmpty:\r\nBlank:   \r\n"),
         "GET / Host=a A=b C=d Empty= Blank= '';"},
        {get("A: \xe4\xb8\xad\xe6\x96\x87 \"x\" (y)\r\n"),
         "GET / Host=a A=\xe4\xb8\xad\xe6\x96\x87 \"x\" (y) '';"},
        {get("Connection: close\r\n"), "GET / Host=a Connection=close (close) '';"},
        {get("connection: keep-alive, CLOSE\r\n"),
         "GET / Host=a connection=keep-alive, CLOSE (close) '';"},
        {"GET / HTTP/1.0\r\n\r\n", "GET / (close) '';"},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / Connection=keep-alive '';"},
        {"GET http://a:80/b?c=d HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a:80/b?c=d Host=a '';"},
        {"GET /b?c=d%20e&f=[1] HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
         "GET /b?c=d%20e&f=[1] Host=[::1]:8080 '';"},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * Host=a '';"},
        {"DELETE /x HTTP/1.1\r\nhost:a\r\n\r\n", "DELETE /x host=a '';"},
        {"PATCH /x HTTP/1.1\r\nHost: \r\n\r\n", "PATCH /x Host= '';"},
        {post("Content-Length: 0\r\n"), "POST / Host=a Content-Length=0 '';"},
        {post("Content-Length: 5\r\n", "hello"), "POST / Host=a Content-Length=5 'hello';"},
        {post("Content-Length: 0005  \r\n", "\r\n\r\n0"),
         "POST / Host=a Content-Length=0005 '\r\n\r\n0';"},
        {post("Expect: 100-Continue\r\nContent-Length: 2\r\n", "ab"),
         "POST / Host=a Expect=100-Continue Content-Length=2 (continue) 'ab';"},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
         "POST / Expect=100-continue Content-Length=2 (close) 'ab';"},
        {chunked("0\r\n\r\n"), "POST / Host=a Transfer-Encoding=chunked '';"},
        {chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
         "POST / Host=a Transfer-Encoding=chunked 'hello world';"},
        {chunked("A\r\n0123456789\r\n0a\r\nabcdefghij\r\n00000\r\n\r\n"),
         "POST / Host=a Transfer-Encoding=chunked '0123456789abcdefghij';"},
        {chunked("2;a=b;c=\"d e\"\r\n\r\n\r\n0;x\r\nT: v\r\nU:\r\n\r\n"),
         "POST / Host=a Transfer-Encoding=chunked '\r\n';"},
        {post("transfer-encoding: \tCHUNKED \r\n", "1\r\nx\r\n0\r\n\r\n"),
         "POST / Host=a transfer-encoding=CHUNKED 'x';"},
        {post("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 2\r\n", "ab"),
         "POST / Host=a Connection=Upgrade, HTTP2-Settings Upgrade=h2c Content-Length=2 'ab';"},
        {get("Connection: upgrade\r\nUpgrade: websocket\r\n"),
         "GET / Host=a Connection=upgrade Upgrade=websocket '';"},
        {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "CONNECT a:443 Host=a:443 '';"},
    };
    for (const auto& [bytes, told] : cases) EXPECT_EQ(parse_everyhow(Kind::request, bytes), told);
}

TEST(HttpParser, TakesExactlyItsOwnBytesOfAPipeline) {
    const std::string pipeline = post("Content-Length: 5\r\n", "hello") + get("") +
                                 chunked("3\r\nabc\r\n0\r\nT: v\r\n\r\n") +
                                 get("Connection: Upgrade\r\nUpgrade: h2c\r\n") +
                                 post("Content-Length: 0\r\n") + get("A: b\r\n");
    EXPECT_EQ(parse_everyhow(Kind::request, pipeline),
              "POST / Host=a Content-Length=5 'hello';"
              "GET / Host=a '';"
              "POST / Host=a Transfer-Encoding=chunked 'abc';"
              "GET / Host=a Connection=Upgrade Upgrade=h2c '';"
              "POST / Host=a Content-Length=0 '';"
              "GET / Host=a A=b '';");
    // A smuggled request stays body.
    EXPECT_EQ(
        parse_everyhow(Kind::request,
                       post("Content-Length: " + std::to_string(get("").size()) + "\r\n", get("")) +
                           get("B: c\r\n")),
        "POST / Host=a Content-Length=27 '" + get("") + "';GET / Host=a B=c '';");
    EXPECT_EQ(parse_everyhow(Kind::request, get("") + "GARBAGE\r\n\r\n"),
              "GET / Host=a '';<invalid_request>");
}

TEST(HttpParser, ParsesResponsesHoweverTheyArrive) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 Content-Length=5 'hello';"},
        {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 Content-Length=0 '';"},
        {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 Content-Length=0 '';"},
        {"HTTP/1.1 404 Not \xe2\x9c\x93 Found\r\nContent-Length: 1\r\n\r\nx",
         "404 Content-Length=1 'x';"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
         "200 Transfer-Encoding=chunked 'hello';"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
         "200 Transfer-Encoding=chunked Connection=close (close) '';"},
        {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 Content-Length=1 (close) 'x';"},
        {"HTTP/1.1 204 No Content\r\n\r\n", "204 '';"},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "204 Content-Length=5 '';"},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
         "0\r\n\r\n",
         "304 Content-Length=5 '';200 Content-Length=0 '';"},
        {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
         "304 Transfer-Encoding=chunked '';"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 "
         "OK\r\nContent-Length: 2\r\n\r\nok",
         "100 '';103 Link=<a> '';200 Content-Length=2 'ok';"},
        {"HTTP/1.1 200 OK\r\n\r\nuntil the end", "200 (close) until the end"},
        {"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", "200 Connection=keep-alive (close) "},
    };
    for (const auto& [bytes, told] : cases) EXPECT_EQ(parse_everyhow(Kind::response, bytes), told);
}

TEST(HttpParser, AnswerToHeadHasNoBodyAndKeepsTheConnection) {
    const auto told = [](const std::string& bytes) {
        return parse_everyhow(Kind::response, bytes, {}, /*has_no_body=*/true);
    };
    EXPECT_EQ(told("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"), "200 Content-Length=500 '';");
    EXPECT_EQ(told("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
              "200 Transfer-Encoding=chunked '';");
    EXPECT_EQ(told("HTTP/1.1 200 OK\r\n\r\n"), "200 '';");
    EXPECT_EQ(told("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),
              "200 Connection=close (close) '';");
}

TEST(HttpParser, RefusesMalformedResponses) {
    const std::vector<Case> cases = {
        {"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n"},
        {"version 2", "HTTP/2.0 200 OK\r\n\r\n"},
        {"version 1.2", "HTTP/1.2 200 OK\r\n\r\n"},
        {"status of two digits", "HTTP/1.1 20 OK\r\n\r\n"},
        {"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"},
        {"status of zero", "HTTP/1.1 000 OK\r\n\r\n"},
        {"no status", "HTTP/1.1 OK\r\n\r\n"},
        {"two blanks", "HTTP/1.1  200 OK\r\n\r\n"},
        {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"},
        {"bare CR", "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n"},
        {"NUL", "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n"s},
        {"CL and TE",
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"two CL", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello"},
        {"CL negative", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"},
        {"TE gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello"},
        {"TE on HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n"},
        {"obs-fold", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"},
        {"a request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    };
    for (const Case& c : cases)
        EXPECT_EQ(parse_everyhow(Kind::response, c.bytes), "<invalid_request>") << c.what;
}

TEST(HttpParser, TellsANeatEndFromACut) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"", "[end]"},
        {"HTTP/1.1 200", "[cut head]"},
        {"HTTP/1.1 200 OK\r\n\r\n", "200 (close) [closed]"},
        {"HTTP/1.1 200 OK\r\n\r\nabc", "200 (close) abc[closed]"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "200 Content-Length=5 hell[cut]"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 Content-Length=5 'hello';[end]"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
         "200 Transfer-Encoding=chunked hello[cut]"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
         "200 Transfer-Encoding=chunked hello[cut]"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "200 Transfer-Encoding=chunked '';[end]"},
    };
    for (const auto& [bytes, told] : cases) {
        HttpFeeder feeder(Kind::response);
        if (!bytes.empty()) feeder.feed(bytes);
        feeder.close();
        EXPECT_EQ(feeder.told(), told);
    }
}

TEST(HttpParser, LargeLengthsAreCountedExactly) {
    HttpParser parser(Kind::request, {});
    parser.start_message();
    const std::string head = post("Content-Length: 18446744073709551615\r\n");
    ASSERT_TRUE(parser.parse_head(head).ok());
    EXPECT_EQ(parser.head().content_length(), UINT64_MAX);
    std::vector<std::string_view> pieces;
    const std::string block(1 << 20, 'x');
    for (int i = 0; i < 100; ++i) {
        pieces.clear();
        const auto progress = parser.parse_body(block, &pieces);
        ASSERT_TRUE(progress.ok());
        EXPECT_EQ(*progress, HttpParser::Progress::need_more);
        ASSERT_EQ(pieces.size(), 1U);
        EXPECT_EQ(pieces[0].size(), block.size());
    }
}

TEST(HttpParser, HeadIsFoundByAnyCaseAndMovesWithItsBuffer) {
    HttpParser parser(Kind::request, {});
    parser.start_message();
    std::string buffer = get("X-One: 1\r\nx-one: 2\r\n");
    ASSERT_TRUE(parser.parse_head(buffer).ok());
    const std::string moved = buffer;
    std::fill(buffer.begin(), buffer.end(), '#');
    parser.rebase(moved.data());
    EXPECT_EQ(parser.head().find("x-one"), "1");
    EXPECT_EQ(parser.head().target(), "/");
    EXPECT_TRUE(parser.head().has("host"));
    EXPECT_FALSE(parser.head().has("x-two"));
    EXPECT_EQ(parser.head().find("x-two"), "");
    EXPECT_TRUE(equals_ignoring_case("AbC-9", "abc-9"));
    EXPECT_FALSE(equals_ignoring_case("AbC", "abcd"));
    EXPECT_FALSE(equals_ignoring_case("@", "`"));
}

TEST(HttpParser, EveryByteIsHeldToTheRulesWhereverItStands) {
    // Longer than what is looked at in one step, with the odd byte in every place.
    for (std::size_t at = 0; at < 70; ++at) {
        for (int byte = 0; byte < 256; ++byte) {
            const char c = static_cast<char>(byte);
            std::string text(70, 'a');
            text[at] = c;
            const char* begin = text.data();
            const char* end = begin + text.size();
            ASSERT_EQ(skip_token(begin, end), is_token_byte(c) ? end : begin + at)
                << at << ' ' << byte;
            ASSERT_EQ(skip_field(begin, end), is_field_byte(c) ? end : begin + at)
                << at << ' ' << byte;
        }
    }
}

TEST(HttpParser, HashesOfNamesAreTheSameInAnyCaseAndAnyPlace) {
    for (std::size_t size = 1; size < 40; ++size) {
        std::string name, upper;
        for (std::size_t i = 0; i < size; ++i) {
            name += static_cast<char>('a' + (i * 7 + size) % 26);
            upper += static_cast<char>(name.back() - 'a' + 'A');
        }
        const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n" + upper + ": b\r\n\r\n";
        HttpParser parser(Kind::request, {});
        parser.start_message();
        ASSERT_TRUE(parser.parse_head(head).ok());
        EXPECT_EQ(parser.head().headers()[1].name_hash, field_hash(name)) << name;
        EXPECT_EQ(parser.head().find(FieldName(std::string_view(name))), "b");
        EXPECT_EQ(parser.head().line(parser.head().headers()[1]), upper + ": b\r\n");
    }
    static constexpr FieldSet<3> kSet({"accept", "x-request-id", "te"});
    const auto has = [](std::string_view name) { return kSet.contains(name, field_hash(name)); };
    EXPECT_TRUE(has("Accept") && has("X-REQUEST-ID") && has("te"));
    EXPECT_FALSE(has("accept-encoding") || has("") || has("t") || has("x-request-ie"));
}

TEST(HttpParser, ErrorsSayWhatIsWrong) {
    HttpParser parser(Kind::request, {});
    parser.start_message();
    const auto bad = parser.parse_head("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    ASSERT_FALSE(bad.ok());
    EXPECT_EQ(bad.error().detail, "malformed HTTP request: exactly one Host header is needed");
    HttpParser answer(Kind::response, {.head_bytes = 20, .headers = 2});
    answer.start_message();
    const auto large = answer.parse_head("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n");
    ASSERT_FALSE(large.ok());
    EXPECT_EQ(large.error().detail,
              "the head of the response is larger than 20 bytes or has more than 2 headers");
}

}  // namespace
}  // namespace tg
