// Input: one byte of flags (bit 0 response, bit 1 small limits, bit 2 answer to HEAD), one byte of
// seed for the splits, then what the connection carries. However it is cut into portions, the same
// must come of it.
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "net/internal/http_chars.h"
#include "net/internal/http_feeder.h"
#include "net/internal/llhttp_head.h"

namespace tg {
namespace {

/// What the parser let through is what it promises: unambiguous framing, clean names and values.
void check_head(HttpParser::Kind kind, HttpLimits limits, std::string_view bytes) {
    HttpParser parser(kind, limits);
    parser.start_message();
    const auto progress = parser.parse_head(bytes);
    if (!progress.ok() || *progress != HttpParser::Progress::done) return;
    const HttpHead& head = parser.head();
    TG_ASSERT(parser.consumed() <= bytes.size() && parser.consumed() <= limits.head_bytes);
    TG_ASSERT(head.headers().size() <= limits.headers);
    TG_ASSERT(!(head.is_chunked() && head.content_length()));
    const auto theirs = llhttp_head(kind, bytes.substr(0, parser.consumed()));
    TG_ASSERT(theirs.has_value() && (*theirs == "target" || *theirs == head_text(head)));
    int hosts = 0;
    for (const HttpHeader& h : head.headers()) {
        TG_ASSERT(!head.name(h).empty());
        for (const char c : head.name(h)) TG_ASSERT(is_token_byte(c));
        for (const char c : head.value(h)) TG_ASSERT(is_field_byte(c));
        TG_ASSERT(h.name_hash == field_hash(head.name(h)));
        TG_ASSERT(head.line(h).starts_with(head.name(h)) && head.line(h).ends_with("\r\n"));
        hosts += equals_ignoring_case(head.name(h), "host") ? 1 : 0;
    }
    if (kind == HttpParser::Kind::response) {
        TG_ASSERT(head.status() >= 100 && head.status() <= 999);
        return;
    }
    TG_ASSERT(hosts == 1 || (hosts == 0 && head.is_http_1_0()));
    // Written out again it means the same.
    std::string text(head.method());
    text.append(" ")
        .append(head.target())
        .append(head.is_http_1_0() ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
    for (const HttpHeader& h : head.headers())
        text.append(head.name(h)).append(": ").append(head.value(h)).append("\r\n");
    text.append("\r\n");
    HttpParser again(kind,
                     HttpLimits{.head_bytes = 2 * text.size() + 1, .headers = limits.headers});
    again.start_message();
    const auto second = again.parse_head(text);
    TG_ASSERT(second.ok() && *second == HttpParser::Progress::done);
    TG_ASSERT(again.head().target() == head.target() && again.head().method() == head.method());
    TG_ASSERT(again.head().content_length() == head.content_length());
    TG_ASSERT(again.head().is_chunked() == head.is_chunked());
    TG_ASSERT(again.head().is_keep_alive() == head.is_keep_alive());
}

void run(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return;
    const bool is_response = (data[0] & 1) != 0;
    const auto kind = is_response ? HttpParser::Kind::response : HttpParser::Kind::request;
    HttpLimits limits;
    if ((data[0] & 2) != 0) limits = {.head_bytes = 128, .headers = 4};
    const bool has_no_body = is_response && (data[0] & 4) != 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    check_head(kind, limits, bytes);

    HttpFeeder whole(kind, limits, has_no_body);
    whole.feed(bytes);
    std::minstd_rand random(data[1] + 1U);
    HttpFeeder split(kind, limits, has_no_body);
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t n = 1 + random() % (random() % 4 == 0 ? 200 : 9);
        split.feed(bytes.substr(at, n));
        at += n;
    }
    TG_ASSERT(whole.full() == split.full());
    whole.close();
    split.close();
    TG_ASSERT(whole.told() == split.told());
}

}  // namespace
}  // namespace tg

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    tg::run(data, size);
    return 0;
}
