#include <array>
#include <charconv>

#include "gateway/internal/headers.h"

namespace tg {
namespace {

constexpr FieldSet<28> kNotForUpstream({"accept-encoding",
                                        "api-key",
                                        "authorization",
                                        "connection",
                                        "content-length",
                                        "cookie",
                                        "expect",
                                        "forwarded",
                                        "host",
                                        "http2-settings",
                                        "keep-alive",
                                        "openai-data-processing-opt-out",
                                        "openai-organization",
                                        "openai-project",
                                        "openai-zero-data-retention",
                                        "proxy-authorization",
                                        "proxy-connection",
                                        "te",
                                        "trailer",
                                        "transfer-encoding",
                                        "upgrade",
                                        "via",
                                        "x-api-key",
                                        "x-client-request-id",
                                        "x-forwarded-for",
                                        "x-forwarded-host",
                                        "x-forwarded-proto",
                                        "x-real-ip"});

constexpr FieldSet<13> kNotForClient({"alt-svc", "connection", "content-length", "keep-alive",
                                      "openai-organization", "openai-project", "proxy-authenticate",
                                      "server", "set-cookie", "trailer", "transfer-encoding",
                                      "upgrade", "x-request-id"});

bool starts_with_lower(std::string_view name, std::string_view prefix) {
    return name.size() >= prefix.size() && (name[0] | 0x20) == prefix[0] &&
           equals_ignoring_case(name.substr(0, prefix.size()), prefix);
}

/// Copies header lines as they arrived, neighbours in one piece.
class LineCopier {
  public:
    explicit LineCopier(std::string* out) : out_(out) {}
    ~LineCopier() { flush(); }
    LineCopier(const LineCopier&) = delete;
    LineCopier& operator=(const LineCopier&) = delete;

    void add(std::string_view line) {
        if (line.data() != run_.data() + run_.size()) flush();
        run_ = run_.empty() ? line : std::string_view(run_.data(), run_.size() + line.size());
    }

  private:
    void flush() {
        out_->append(run_);
        run_ = {};
    }
    std::string* out_;
    std::string_view run_;
};

}  // namespace

void write_upstream_head(const Call& call, const Deployment& deployment, std::uint64_t length,
                         std::string* out) {
    const HttpHead& head = call.exchange->request();
    const std::string_view query = query_of(head.target());
    out->append(head.method()).append(" ").append(deployment.url.path).append(call.upstream_path);
    if (!query.empty()) out->append("?").append(query);
    out->append(" HTTP/1.1\r\n").append(deployment.fixed_headers);
    // What the client names in Connection is hop-by-hop too.
    const std::string_view connection = head.find("connection");
    bool has_encoding = false;
    {
        LineCopier copier(out);
        for (const HttpHeader& header : head.headers()) {
            const std::string_view name = head.name(header);
            if (kNotForUpstream.contains(name, header.name_hash)) {
                has_encoding = has_encoding || equals_ignoring_case(name, "accept-encoding");
                continue;
            }
            if (starts_with_lower(name, "x-tollgate-")) continue;
            if (connection.size() > 10 && connection.find(name) != std::string_view::npos) continue;
            copier.add(head.line(header));
        }
    }
    // Usage is read from the answer as it passes by, so it must come in plain bytes.
    if (has_encoding || call.is_metered()) out->append("accept-encoding: identity\r\n");
    out->append("x-client-request-id: ").append(call.id_view()).append("\r\n");
    if (call.is_inspected) {
        char number[24];
        out->append("content-length: ")
            .append(number, std::to_chars(number, number + sizeof number, length).ptr)
            .append("\r\n");
    } else if (head.is_chunked()) {
        out->append("transfer-encoding: chunked\r\n");
    } else if (head.content_length()) {
        out->append("content-length: ")
            .append(std::to_string(*head.content_length()))
            .append("\r\n");
    }
    out->append("\r\n");
}

bool append_reply_headers(const HttpHead& head, std::string* out) {
    static constexpr FieldName kDate("date");
    bool has_date = false;
    LineCopier copier(out);
    for (const HttpHeader& header : head.headers()) {
        const std::string_view name = head.name(header);
        if (kNotForClient.contains(name, header.name_hash) ||
            starts_with_lower(name, "x-ratelimit-") || starts_with_lower(name, "x-tollgate-") ||
            starts_with_lower(name, "cf-")) {
            continue;
        }
        has_date =
            has_date || (header.name_hash == kDate.hash && equals_ignoring_case(name, kDate.text));
        copier.add(head.line(header));
    }
    return has_date;
}

}  // namespace tg
