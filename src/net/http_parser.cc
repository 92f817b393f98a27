#include "net/http_parser.h"

#include <llhttp.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "net/internal/http_chars.h"

namespace tg {
namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

}  // namespace

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
    if (text.size() != lower.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c) != lower[i]) return false;
    }
    return true;
}

std::string_view HttpHead::find(std::string_view lower_name) const {
    for (const HttpHeader& header : headers_) {
        if (equals_ignoring_case(name(header), lower_name)) return value(header);
    }
    return {};
}

bool HttpHead::has(std::string_view lower_name) const {
    for (const HttpHeader& header : headers_) {
        if (equals_ignoring_case(name(header), lower_name)) return true;
    }
    return false;
}

/// llhttp's callbacks. The whole head is given to it in one call and nothing behind it, so every
/// span stands in one buffer.
struct HttpParser::Impl {
    llhttp_t parser{};
    llhttp_settings_t settings{};

    static HttpParser& self(llhttp_t* p) { return *static_cast<HttpParser*>(p->data); }
    static std::uint32_t offset(const HttpParser& me, const char* at) {
        return static_cast<std::uint32_t>(at - me.head_.base_);
    }

    static int on_url(llhttp_t* p, const char* at, std::size_t size) {
        HttpParser& me = self(p);
        me.head_.target_at_ = offset(me, at);
        me.head_.target_size_ = static_cast<std::uint32_t>(size);
        return 0;
    }
    static int on_field(llhttp_t* p, const char* at, std::size_t size) {
        HttpParser& me = self(p);
        if (me.head_.headers_.size() == me.limits_.headers) return HPE_USER;
        me.head_.headers_.push_back({offset(me, at), static_cast<std::uint32_t>(size), 0, 0});
        return 0;
    }
    static int on_value(llhttp_t* p, const char* at, std::size_t size) {
        HttpParser& me = self(p);
        if (me.head_.headers_.empty()) return HPE_USER;
        while (size > 0 && is_blank(at[size - 1])) --size;
        me.head_.headers_.back().value_at = offset(me, at);
        me.head_.headers_.back().value_size = static_cast<std::uint32_t>(size);
        return 0;
    }
    static int on_headers_complete(llhttp_t* p) {
        HttpParser& me = self(p);
        HttpHead& head = me.head_;
        head.status_ = p->status_code;
        head.minor_ = p->http_minor;
        head.is_upgrade_ = p->upgrade != 0;
        if (me.has_no_body_) p->flags |= F_SKIPBODY;
        head.is_keep_alive_ = llhttp_should_keep_alive(p) != 0;
        if (me.kind_ == Kind::request)
            head.method_ = llhttp_method_name(static_cast<llhttp_method_t>(p->method));
        me.is_head_done_ = true;
        return HPE_PAUSED;
    }
};

HttpParser::HttpParser(Kind kind, HttpLimits limits)
    : kind_(kind), limits_(limits), impl_(std::make_unique<Impl>()), chunks_(limits.head_bytes) {
    llhttp_settings_init(&impl_->settings);
    impl_->settings.on_url = Impl::on_url;
    impl_->settings.on_header_field = Impl::on_field;
    impl_->settings.on_header_value = Impl::on_value;
    impl_->settings.on_headers_complete = Impl::on_headers_complete;
    llhttp_init(&impl_->parser, kind == Kind::request ? HTTP_REQUEST : HTTP_RESPONSE,
                &impl_->settings);
}

HttpParser::~HttpParser() = default;
HttpParser::HttpParser(HttpParser&&) noexcept = default;

void HttpParser::start_message() {
    llhttp_reset(&impl_->parser);
    std::vector<HttpHeader> headers = std::move(head_.headers_);
    headers.clear();
    head_ = HttpHead{};
    head_.headers_ = std::move(headers);
    scanned_ = consumed_ = 0;
    body_ = Body::none;
    is_head_done_ = is_complete_ = has_no_body_ = false;
}

void HttpParser::set_no_body(bool has_no_body) {
    has_no_body_ = has_no_body;
}

Error HttpParser::malformed(const char* reason) const {
    return {ErrorCode::invalid_request, std::string("malformed HTTP ") +
                                            (kind_ == Kind::request ? "request: " : "response: ") +
                                            reason};
}

Error HttpParser::too_large() const {
    return {ErrorCode::headers_too_large,
            std::string("the head of the ") + (kind_ == Kind::request ? "request" : "response") +
                " is larger than " + std::to_string(limits_.head_bytes) +
                " bytes or has more than " + std::to_string(limits_.headers) + " headers"};
}

Result<HttpParser::Progress> HttpParser::parse_head(std::string_view buffer) {
    // The head's end is looked for first: llhttp then sees it whole, and line ends can be held to
    // the letter.
    TG_TRY(const std::size_t end, find_end(buffer));
    if (end == 0) return Progress::need_more;
    TG_CHECK_OK(check_lines(buffer.substr(0, end)));
    head_.base_ = buffer.data();
    impl_->parser.data = this;
    const llhttp_errno_t error = llhttp_execute(&impl_->parser, head_.base_, end);
    if (error == HPE_USER) return fail(too_large());
    if (error != HPE_PAUSED || !is_head_done_) {
        const char* reason = llhttp_get_error_reason(&impl_->parser);
        return fail(malformed(reason != nullptr && *reason != 0 ? reason : "it has no end"));
    }
    consumed_ = end;
    TG_CHECK_OK(check_fields());
    choose_body();
    return Progress::done;
}

Result<std::size_t> HttpParser::find_end(std::string_view buffer) {
    // RFC 9112 section 2.2 lets a server ignore an empty line before a request; no client of today
    // sends one, and an attacker may.
    if (!buffer.empty() && (buffer[0] == '\r' || buffer[0] == '\n'))
        return fail(malformed("it starts with an empty line"));
    // What stands behind the limit is not looked at, so that the answer does not depend on how the
    // bytes arrive.
    const std::size_t size = std::min(buffer.size(), limits_.head_bytes);
    for (std::size_t at = scanned_; at < size;) {
        const auto* lf = static_cast<const char*>(std::memchr(buffer.data() + at, '\n', size - at));
        if (lf == nullptr) break;
        const auto i = static_cast<std::size_t>(lf - buffer.data());
        if (buffer[i - 1] != '\r') return fail(malformed("a line does not end in CR LF"));
        if (i >= 3 && buffer[i - 2] == '\n') return i + 1;
        at = i + 1;
    }
    scanned_ = size;
    if (size == limits_.head_bytes) return fail(too_large());
    return std::size_t{0};
}

Status HttpParser::check_lines(std::string_view head) const {
    const std::string_view first = head.substr(0, head.find('\r'));
    const char* wrong =
        kind_ == Kind::request ? check_request_line(first) : check_status_line(first);
    if (wrong != nullptr) return fail(malformed(wrong));
    for (std::size_t i = 0; i < head.size(); ++i) {
        if (is_field_byte(head[i])) continue;
        if (head[i] != '\r' || i + 1 == head.size() || head[i + 1] != '\n')
            return fail(malformed("it contains a control character"));
        // A line that starts with blank space would continue the one before it (obsolete folding,
        // RFC 9112 section 5.2).
        if (i + 2 < head.size() && is_blank(head[i + 2]))
            return fail(malformed("a header line is folded"));
        ++i;
    }
    return {};
}

const char* HttpParser::check_request_line(std::string_view line) const {
    const std::size_t first = line.find(' ');
    if (first == 0 || first == std::string_view::npos) return "it does not start with a method";
    for (const char c : line.substr(0, first)) {
        if (!is_token_byte(c)) return "the method has a bad character";
    }
    const std::size_t second = line.find(' ', first + 1);
    if (second == first + 1 || second == std::string_view::npos)
        return "the request line is not 'METHOD target HTTP/1.1'";
    const std::string_view version = line.substr(second + 1);
    if (version != "HTTP/1.1" && version != "HTTP/1.0")
        return "the version must be HTTP/1.1 or HTTP/1.0";
    for (const char c : line.substr(first + 1, second - first - 1)) {
        if (c == '#' || c == '\t') return "the target has a bad character";
    }
    return nullptr;
}

const char* HttpParser::check_status_line(std::string_view line) const {
    const auto is_digit = [&](std::size_t i) { return line[i] >= '0' && line[i] <= '9'; };
    if (line.size() < 12 || !(line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ")))
        return "it does not start with HTTP/1.1";
    if (line[9] < '1' || line[9] > '9' || !is_digit(10) || !is_digit(11) ||
        (line.size() > 12 && line[12] != ' '))
        return "the status is not a number of three digits";
    return nullptr;
}

Status HttpParser::check_fields() {
    int hosts = 0, lengths = 0, codings = 0;
    for (const HttpHeader& h : head_.headers_) {
        const std::string_view name = head_.name(h), value = head_.value(h);
        // llhttp 8.1 takes blanks in a name, and an empty one.
        if (name.empty() || !std::ranges::all_of(name, is_token_byte))
            return fail(malformed("a header's name has a bad character"));
        if (name.size() == 4 && equals_ignoring_case(name, "host")) {
            ++hosts;
            if (!std::ranges::all_of(value, is_host_byte))
                return fail(malformed("the Host header has a bad character"));
        } else if (name.size() == 14 && equals_ignoring_case(name, "content-length")) {
            ++lengths;
            std::uint64_t length = 0;
            const char* begin = value.data();
            const char* end = begin + value.size();
            const auto parsed = std::from_chars(begin, end, length);
            if (value.empty() || parsed.ec != std::errc{} || parsed.ptr != end)
                return fail(malformed("the Content-Length is not a number"));
            head_.content_length_ = length;
        } else if (name.size() == 17 && equals_ignoring_case(name, "transfer-encoding")) {
            ++codings;
            head_.is_chunked_ = equals_ignoring_case(value, "chunked");
        } else if (name.size() == 6 && equals_ignoring_case(name, "expect")) {
            head_.expects_continue_ =
                !head_.is_http_1_0() && equals_ignoring_case(value, "100-continue");
        }
    }
    if (kind_ == Kind::request && (hosts > 1 || (hosts == 0 && !head_.is_http_1_0())))
        return fail(malformed("exactly one Host header is needed"));
    if (lengths + codings > 1) return fail(malformed("its length is stated more than once"));
    if (codings == 1 && (!head_.is_chunked_ || head_.is_http_1_0()))
        return fail(malformed("the only transfer coding that is understood is chunked"));
    return {};
}

void HttpParser::choose_body() {
    const int status = head_.status_;
    const bool is_response = kind_ == Kind::response;
    if (has_no_body_ || (is_response && (status < 200 || status == 204 || status == 304))) {
        body_ = Body::none;
    } else if (head_.is_chunked_) {
        body_ = Body::chunked;
        chunks_.start();
    } else if (head_.content_length_) {
        length_left_ = *head_.content_length_;
        body_ = length_left_ > 0 ? Body::length : Body::none;
    } else {
        body_ = is_response ? Body::until_close : Body::none;
    }
    is_complete_ = body_ == Body::none;
}

Result<HttpParser::Progress> HttpParser::parse_body(std::string_view bytes,
                                                    std::vector<std::string_view>* pieces) {
    consumed_ = 0;
    if (is_complete_) return Progress::done;
    if (body_ == Body::chunked) {
        Result<std::size_t> used = chunks_.decode(bytes, pieces);
        if (!used.ok()) return fail(std::move(used).error());
        consumed_ = *used;
        is_complete_ = chunks_.is_done();
    } else {
        consumed_ = bytes.size();
        if (body_ == Body::length) {
            consumed_ = std::min<std::uint64_t>(length_left_, bytes.size());
            length_left_ -= consumed_;
            is_complete_ = length_left_ == 0;
        }
        if (consumed_ > 0) pieces->push_back(bytes.substr(0, consumed_));
    }
    return is_complete_ ? Progress::done : Progress::need_more;
}

bool HttpParser::finish_at_close() {
    if (is_head_done_ && body_ == Body::until_close) is_complete_ = true;
    return is_complete_;
}

}  // namespace tg
