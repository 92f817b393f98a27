#include "net/http_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "net/internal/http_chars.h"
#include "net/internal/http_scan.h"

namespace tg {
namespace {

bool is_host(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return detail::kHostBytes[static_cast<unsigned char>(c)]; });
}

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

const HttpHeader* HttpHead::find_header(FieldName wanted) const {
    for (const HttpHeader& header : headers_) {
        if (header.name_hash == wanted.hash && equals_ignoring_case(name(header), wanted.text))
            return &header;
    }
    return nullptr;
}

std::string_view HttpHead::find(FieldName wanted) const {
    const HttpHeader* header = find_header(wanted);
    return header == nullptr ? std::string_view{} : value(*header);
}

HttpParser::HttpParser(Kind kind, HttpLimits limits)
    : kind_(kind), limits_(limits), chunks_(limits.head_bytes) {}

void HttpParser::start_message() {
    std::vector<HttpHeader> headers = std::move(head_.headers_);
    headers.clear();
    head_ = HttpHead{};
    head_.headers_ = std::move(headers);
    scanned_ = consumed_ = 0;
    body_ = Body::none;
    wrong_ = nullptr;
    hosts_ = lengths_ = codings_ = 0;
    has_close_ = has_keep_alive_ = false;
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
    if (is_head_done_) return Progress::done;
    // The head's end is looked for first, so that the outcome does not depend on how the bytes
    // arrive.
    TG_TRY(const std::size_t size, find_end(buffer));
    if (size == 0) return Progress::need_more;
    head_.base_ = buffer.data();
    const char* const end = head_.base_ + size;
    const char* const fields =
        kind_ == Kind::request ? read_request_line(end) : read_status_line(end);
    if (fields == nullptr) return fail(malformed(wrong_));
    const char* wrong = read_fields(fields, end);
    if (wrong == nullptr && head_.headers_.size() > limits_.headers) return fail(too_large());
    if (wrong == nullptr) wrong = check_framing();
    if (wrong != nullptr) return fail(malformed(wrong));
    consumed_ = size;
    is_head_done_ = true;
    choose_body();
    const bool asks_to_keep = head_.is_http_1_0() ? has_keep_alive_ && !has_close_ : !has_close_;
    head_.is_keep_alive_ = asks_to_keep && body_ != Body::until_close;
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

namespace {

/// The methods of RFC 9110 section 9.3, and PATCH (RFC 5789).
bool is_known_method(std::string_view method) {
    constexpr std::array<std::string_view, 9> kMethods = {
        "POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"};
    return std::ranges::find(kMethods, method) != kMethods.end();
}

/// RFC 9112 section 3.2: origin-form, absolute-form, authority-form, asterisk-form.
bool is_target(std::string_view method, std::string_view target) {
    if (target.find('#') != std::string_view::npos || target.find('\t') != std::string_view::npos)
        return false;
    if (method == "CONNECT") return is_host(target);
    if (target[0] == '/') return true;
    if (target == "*") return method == "OPTIONS";
    const std::size_t scheme = target.find("://");
    return scheme != std::string_view::npos && scheme > 0 && target.size() > scheme + 3 &&
           std::ranges::all_of(target.substr(0, scheme),
                               [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; });
}

/// A CR LF begins at `at`; `end` is behind the head.
bool is_line_end(const char* at, const char* end) {
    return end - at >= 2 && at[0] == '\r' && at[1] == '\n';
}

}  // namespace

const char* HttpParser::read_request_line(const char* end) {
    const char* const base = head_.base_;
    const char* const method_end = skip_token(base, end);
    const std::string_view method(base, static_cast<std::size_t>(method_end - base));
    if (*method_end != ' ' || !is_known_method(method)) {
        wrong_ = "it does not start with a known method in capital letters";
        return nullptr;
    }
    const char* const line_end = skip_field(method_end, end);
    const std::string_view line(base, static_cast<std::size_t>(line_end - base));
    constexpr std::size_t kVersionSize = 9;
    const bool has_version = line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0");
    const std::size_t target_at = method.size() + 1;
    if (!is_line_end(line_end, end) || !has_version || line.size() <= target_at + kVersionSize) {
        wrong_ = is_line_end(line_end, end) ? "the request line is not 'METHOD target HTTP/1.1'"
                                            : "it contains a control character";
        return nullptr;
    }
    const std::string_view target = line.substr(target_at, line.size() - target_at - kVersionSize);
    if (target.find(' ') != std::string_view::npos || !is_target(method, target)) {
        wrong_ = "the request's target is none";
        return nullptr;
    }
    head_.method_size_ = static_cast<std::uint32_t>(method.size());
    head_.target_at_ = static_cast<std::uint32_t>(target_at);
    head_.target_size_ = static_cast<std::uint32_t>(target.size());
    head_.minor_ = line.back() == '1' ? 1 : 0;
    return line_end + 2;
}

const char* HttpParser::read_status_line(const char* end) {
    const char* const base = head_.base_;
    const char* const line_end = skip_field(base, end);
    const std::string_view line(base, static_cast<std::size_t>(line_end - base));
    const auto is_digit = [&](std::size_t i) { return line[i] >= '0' && line[i] <= '9'; };
    if (!is_line_end(line_end, end)) {
        wrong_ = "it contains a control character";
    } else if (line.size() < 12 ||
               !(line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 "))) {
        wrong_ = "it does not start with HTTP/1.1";
    } else if (line[9] < '1' || line[9] > '9' || !is_digit(10) || !is_digit(11) ||
               (line.size() > 12 && line[12] != ' ')) {
        wrong_ = "the status is not a number of three digits";
    } else {
        head_.status_ = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
        head_.minor_ = line[7] == '1' ? 1 : 0;
        return line_end + 2;
    }
    return nullptr;
}

const char* HttpParser::read_fields(const char* at, const char* end) {
    const char* const base = head_.base_;
    const auto offset = [base](const char* p) { return static_cast<std::uint32_t>(p - base); };
    while (!is_line_end(at, end)) {
        // A line that starts with blank space would continue the one before it (obsolete folding,
        // RFC 9112 section 5.2).
        if (is_blank(*at)) return "a header line is folded";
        const char* const name_end = skip_token(at, end);
        if (name_end == at || *name_end != ':') return "a header's name has a bad character";
        const char* value = name_end + 1;
        while (is_blank(*value)) ++value;
        const char* const line_end = skip_field(value, end);
        if (!is_line_end(line_end, end)) return "it contains a control character";
        const char* value_end = line_end;
        while (value_end > value && is_blank(value_end[-1])) --value_end;
        HttpHeader header;
        header.name_at = offset(at);
        header.name_size = static_cast<std::uint32_t>(name_end - at);
        header.value_at = offset(value);
        header.value_size = static_cast<std::uint32_t>(value_end - value);
        header.line_size = static_cast<std::uint32_t>(line_end + 2 - at);
        header.name_hash = field_hash_in_head(at, header.name_size);
        // What stands behind the limit is read for its mistakes only, not kept.
        if (head_.headers_.size() <= limits_.headers) head_.headers_.push_back(header);
        if (const char* wrong = note_field(header)) return wrong;
        at = line_end + 2;
    }
    return nullptr;
}

/// Keeps what the framing depends on.
const char* HttpParser::note_field(const HttpHeader& header) {
    static constexpr FieldName kHost("host"), kLength("content-length"),
        kCoding("transfer-encoding"), kExpect("expect"), kConnection("connection");
    const auto is = [&](const FieldName& field) {
        return header.name_hash == field.hash &&
               equals_ignoring_case(head_.name(header), field.text);
    };
    const auto count = [](std::uint8_t* times) { *times = *times == 0 ? 1 : 2; };
    const std::string_view value = head_.value(header);
    // Allowed by RFC 9110 section 5.5, but refused by llhttp, so the two would disagree.
    const std::uint32_t value_end = header.value_at + header.value_size - header.name_at;
    const bool has_tab_behind =
        head_.line(header).substr(value_end).find('\t') != std::string_view::npos;
    if (has_tab_behind && (is(kLength) || is(kCoding))) return "a tab stands behind its length";
    if (is(kHost)) {
        count(&hosts_);
        if (!is_host(value)) return "the Host header has a bad character";
    } else if (is(kLength)) {
        count(&lengths_);
        return note_length(value);
    } else if (is(kCoding)) {
        count(&codings_);
        head_.is_chunked_ = equals_ignoring_case(value, "chunked");
    } else if (is(kExpect)) {
        head_.expects_continue_ =
            !head_.is_http_1_0() && equals_ignoring_case(value, "100-continue");
    } else if (is(kConnection)) {
        note_connection(value);
    }
    return nullptr;
}

const char* HttpParser::note_length(std::string_view value) {
    std::uint64_t length = 0;
    const char* const begin = value.data();
    const char* const end = begin + value.size();
    const auto parsed = std::from_chars(begin, end, length);
    if (value.empty() || parsed.ec != std::errc{} || parsed.ptr != end)
        return "the Content-Length is not a number";
    head_.content_length_ = length;
    return nullptr;
}

/// A list of options (RFC 9110 section 7.6.1).
void HttpParser::note_connection(std::string_view value) {
    while (!value.empty()) {
        const std::size_t comma = value.find(',');
        std::string_view option = value.substr(0, comma);
        while (!option.empty() && is_blank(option.front())) option.remove_prefix(1);
        while (!option.empty() && is_blank(option.back())) option.remove_suffix(1);
        has_close_ = has_close_ || equals_ignoring_case(option, "close");
        has_keep_alive_ = has_keep_alive_ || equals_ignoring_case(option, "keep-alive");
        value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
    }
}

const char* HttpParser::check_framing() const {
    if (kind_ == Kind::request && (hosts_ > 1 || (hosts_ == 0 && !head_.is_http_1_0())))
        return "exactly one Host header is needed";
    if (lengths_ + codings_ > 1) return "its length is stated more than once";
    if (codings_ == 1 && (!head_.is_chunked_ || head_.is_http_1_0()))
        return "the only transfer coding that is understood is chunked";
    return nullptr;
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
