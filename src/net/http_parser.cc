#include "net/http_parser.h"

#include <llhttp.h>

#include <charconv>

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

/// llhttp's callbacks. The whole head is given to it in one call, so every span arrives in one
/// piece.
struct HttpParser::Impl {
    llhttp_t parser{};
    llhttp_settings_t settings{};

    static HttpParser& self(llhttp_t* p) { return *static_cast<HttpParser*>(p->data); }
    static std::uint32_t offset(HttpParser& me, const char* at) {
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
        if (me.is_complete_ || me.pieces_ != nullptr) return 0;  // a trailer of a chunked body
        if (me.head_.headers_.size() == me.limits_.headers) return HPE_USER;
        me.head_.headers_.push_back({offset(me, at), static_cast<std::uint32_t>(size), 0, 0});
        return 0;
    }
    static int on_value(llhttp_t* p, const char* at, std::size_t size) {
        HttpParser& me = self(p);
        if (me.is_complete_ || me.pieces_ != nullptr || me.head_.headers_.empty()) return 0;
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
        head.is_keep_alive_ = llhttp_should_keep_alive(p) != 0;
        if (me.kind_ == Kind::request)
            head.method_ = llhttp_method_name(static_cast<llhttp_method_t>(p->method));
        for (const HttpHeader& h : head.headers_) {
            const std::string_view name = head.name(h), value = head.value(h);
            if (name.size() == 14 && equals_ignoring_case(name, "content-length")) {
                std::uint64_t length = 0;
                const auto parsed =
                    std::from_chars(value.data(), value.data() + value.size(), length);
                if (parsed.ec == std::errc{} && parsed.ptr == value.data() + value.size())
                    head.content_length_ = length;
            } else if (name.size() == 17 && equals_ignoring_case(name, "transfer-encoding")) {
                head.is_chunked_ = equals_ignoring_case(value, "chunked");
            } else if (name.size() == 6 && equals_ignoring_case(name, "expect")) {
                head.expects_continue_ = equals_ignoring_case(value, "100-continue");
            }
        }
        // 1 tells llhttp that no body follows: for the answer to HEAD, and for an upgrade that is
        // not followed.
        return me.has_no_body_ || (me.kind_ == Kind::request && head.is_upgrade_ &&
                                   !head.content_length_ && !head.is_chunked_)
                   ? 1
                   : 0;
    }
    static int on_body(llhttp_t* p, const char* at, std::size_t size) {
        HttpParser& me = self(p);
        if (me.pieces_ != nullptr) me.pieces_->emplace_back(at, size);
        return 0;
    }
    static int on_message_complete(llhttp_t* p) {
        self(p).is_complete_ = true;
        return HPE_PAUSED;
    }
};

HttpParser::HttpParser(Kind kind, HttpLimits limits)
    : kind_(kind), limits_(limits), impl_(std::make_unique<Impl>()) {
    llhttp_settings_init(&impl_->settings);
    impl_->settings.on_url = Impl::on_url;
    impl_->settings.on_header_field = Impl::on_field;
    impl_->settings.on_header_value = Impl::on_value;
    impl_->settings.on_headers_complete = Impl::on_headers_complete;
    impl_->settings.on_body = Impl::on_body;
    impl_->settings.on_message_complete = Impl::on_message_complete;
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
    is_complete_ = has_no_body_ = false;
}

void HttpParser::set_no_body(bool has_no_body) {
    has_no_body_ = has_no_body;
}

Error HttpParser::malformed(const char* reason) const {
    return {ErrorCode::invalid_request, std::string("malformed HTTP ") +
                                            (kind_ == Kind::request ? "request: " : "response: ") +
                                            reason};
}

Result<HttpParser::Progress> HttpParser::parse_head(std::string_view buffer) {
    // The head's end is looked for first: llhttp then sees it whole, and line ends can be held to
    // the letter.
    std::size_t end = std::string_view::npos;
    for (std::size_t at = scanned_; at < buffer.size();) {
        const auto* lf =
            static_cast<const char*>(std::memchr(buffer.data() + at, '\n', buffer.size() - at));
        if (lf == nullptr) break;
        const auto i = static_cast<std::size_t>(lf - buffer.data());
        if (i == 0 || buffer[i - 1] != '\r') return fail(malformed("a line does not end in CR LF"));
        if (i >= 3 && buffer[i - 2] == '\n') {
            end = i + 1;
            break;
        }
        at = i + 1;
        scanned_ = at;
    }
    if (end == std::string_view::npos) {
        if (buffer.size() > limits_.head_bytes) {
            return fail(
                ErrorCode::headers_too_large,
                "the request head is larger than " + std::to_string(limits_.head_bytes) + " bytes");
        }
        // An empty line before the request line is allowed once by RFC 9112 section 2.2; nobody
        // needs it, so it is malformed here.
        if (buffer.size() >= 2 && buffer[0] == '\r')
            return fail(malformed("it starts with an empty line"));
        return Progress::need_more;
    }
    if (end > limits_.head_bytes) {
        return fail(
            ErrorCode::headers_too_large,
            "the request head is larger than " + std::to_string(limits_.head_bytes) + " bytes");
    }
    TG_CHECK_OK(check_framing(buffer.substr(0, end)));
    head_.base_ = buffer.data();
    impl_->parser.data = this;
    const llhttp_errno_t error = llhttp_execute(&impl_->parser, buffer.data(), end);
    if (error == HPE_USER) {
        return fail(ErrorCode::headers_too_large,
                    "the request has more than " + std::to_string(limits_.headers) + " headers");
    }
    if (error == HPE_PAUSED) llhttp_resume(&impl_->parser);
    if (error == HPE_PAUSED_UPGRADE) {
        llhttp_resume_after_upgrade(&impl_->parser);
        is_complete_ = true;
    } else if (error != HPE_OK && error != HPE_PAUSED) {
        return fail(malformed(llhttp_get_error_reason(&impl_->parser)));
    }
    consumed_ = end;
    int hosts = 0, lengths = 0, codings = 0;
    for (const HttpHeader& h : head_.headers_) {
        const std::string_view name = head_.name(h);
        if (equals_ignoring_case(name, "host")) ++hosts;
        if (equals_ignoring_case(name, "content-length")) ++lengths;
        if (equals_ignoring_case(name, "transfer-encoding")) ++codings;
    }
    if (kind_ == Kind::request && (hosts > 1 || (hosts == 0 && !head_.is_http_1_0()))) {
        return fail(malformed("exactly one Host header is needed"));
    }
    if (lengths > 1 || codings > 1 || (lengths == 1 && codings == 1)) {
        return fail(malformed("its length is stated more than once"));
    }
    if (codings == 1 && (!head_.is_chunked_ || head_.is_http_1_0())) {
        return fail(malformed("the only transfer coding that is understood is chunked"));
    }
    return Progress::done;
}

Status HttpParser::check_framing(std::string_view head) const {
    for (std::size_t i = 0; i < head.size(); ++i) {
        const auto c = static_cast<unsigned char>(head[i]);
        if (c >= 0x20 || c == '\t') {
            if (c == 0x7f) return fail(malformed("it contains a control character"));
            continue;
        }
        if (c == '\r' && i + 1 < head.size() && head[i + 1] == '\n') {
            // A line that starts with blank space would continue the one before it (obsolete
            // folding, RFC 9112 section 5.2).
            if (i + 2 < head.size() && is_blank(head[i + 2]))
                return fail(malformed("a header line is folded"));
            ++i;
            continue;
        }
        return fail(malformed("it contains a control character"));
    }
    return {};
}

Result<HttpParser::Progress> HttpParser::parse_body(std::string_view bytes,
                                                    std::vector<std::string_view>* pieces) {
    consumed_ = 0;
    if (is_complete_) return Progress::done;
    impl_->parser.data = this;
    pieces_ = pieces;
    const llhttp_errno_t error = llhttp_execute(&impl_->parser, bytes.data(), bytes.size());
    pieces_ = nullptr;
    if (error == HPE_OK) {
        consumed_ = bytes.size();
        return is_complete_ ? Progress::done : Progress::need_more;
    }
    if (error == HPE_PAUSED) {
        consumed_ = static_cast<std::size_t>(llhttp_get_error_pos(&impl_->parser) - bytes.data());
        llhttp_resume(&impl_->parser);
        return Progress::done;
    }
    return fail(malformed(llhttp_get_error_reason(&impl_->parser)));
}

bool HttpParser::finish_at_close() {
    if (is_complete_) return true;
    impl_->parser.data = this;
    const llhttp_errno_t error = llhttp_finish(&impl_->parser);
    return is_complete_ && (error == HPE_OK || error == HPE_PAUSED);
}

}  // namespace tg
