#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/chunked_decoder.h"

namespace tg {

/// Where a header line's name and value stand in the head's buffer.
struct HttpHeader {
    std::uint32_t name_at = 0, name_size = 0, value_at = 0, value_size = 0;
};

struct HttpLimits {
    std::size_t head_bytes = 64 * 1024;
    std::size_t headers = 128;
};

/// A parsed head. Views point into the buffer the parser was given and move with it: read through
/// the accessors.
class HttpHead {
  public:
    std::string_view method() const { return method_; }
    std::string_view target() const { return {base_ + target_at_, target_size_}; }
    int status() const { return status_; }
    bool is_http_1_0() const { return minor_ == 0; }
    bool is_keep_alive() const { return is_keep_alive_; }
    bool is_chunked() const { return is_chunked_; }
    bool expects_continue() const { return expects_continue_; }
    bool is_upgrade() const { return is_upgrade_; }
    /// From Content-Length; nullopt when there is none.
    std::optional<std::uint64_t> content_length() const { return content_length_; }

    const std::vector<HttpHeader>& headers() const { return headers_; }
    std::string_view name(const HttpHeader& h) const { return {base_ + h.name_at, h.name_size}; }
    std::string_view value(const HttpHeader& h) const { return {base_ + h.value_at, h.value_size}; }
    /// First header of that name (any case; `lower_name` is lower case); empty when there is none.
    std::string_view find(std::string_view lower_name) const;
    bool has(std::string_view lower_name) const;

  private:
    friend class HttpParser;
    const char* base_ = nullptr;
    std::string_view method_;
    std::uint32_t target_at_ = 0, target_size_ = 0;
    std::vector<HttpHeader> headers_;
    std::optional<std::uint64_t> content_length_;
    int status_ = 0;
    std::uint8_t minor_ = 1;
    bool is_keep_alive_ = false, is_chunked_ = false, expects_continue_ = false,
         is_upgrade_ = false;
};

bool equals_ignoring_case(std::string_view text, std::string_view lower);

/// A strict HTTP/1.1 message parser (RFC 9112): heads by llhttp, held to the letter where it is
/// lenient; framing and bodies here. Refuses what parsers disagree about: both Content-Length and
/// Transfer-Encoding, repeated lengths, transfer codings other than a single `chunked`, bare CR or
/// LF, folded lines, spaces before colons, repeated Host, control characters, fragments. One parser
/// serves one connection, message after message.
class HttpParser {
  public:
    enum class Kind : std::uint8_t { request, response };
    HttpParser(Kind kind, HttpLimits limits);
    ~HttpParser();
    HttpParser(HttpParser&&) noexcept;

    /// Forgets the message before; the connection's next head starts at the front of the next
    /// buffer.
    void start_message();
    /// The answer to a HEAD or CONNECT has no body. Before the response's head is parsed.
    void set_no_body(bool has_no_body);

    enum class Progress : std::uint8_t { need_more, done };
    /// Parses the head from `buffer`, which holds everything since start_message() (it may grow and
    /// move between calls). done: `head()` is complete and consumed() bytes of `buffer` belong to
    /// it. Errors: invalid_request (malformed; the connection must be closed), headers_too_large.
    Result<Progress> parse_head(std::string_view buffer);
    const HttpHead& head() const { return head_; }
    /// The buffer moved: points the head's views at the new place.
    void rebase(const char* base) { head_.base_ = base; }
    std::size_t consumed() const { return consumed_; }

    /// Parses body bytes after the head; appends views of the content to `pieces`. done at the
    /// message's end, with consumed() bytes of `bytes` used: what follows belongs to the next
    /// message. Errors: invalid_request (malformed chunk; the connection must be closed).
    Result<Progress> parse_body(std::string_view bytes, std::vector<std::string_view>* pieces);
    bool is_message_complete() const { return is_complete_; }
    /// The peer closed: true when that ends the message (a response without a length), false when
    /// it cut it.
    bool finish_at_close();

  private:
    /// What ends the message (RFC 9112 section 6.3).
    enum class Body : std::uint8_t { none, length, chunked, until_close };
    struct Impl;
    friend struct Impl;
    /// The head's size, 0 when its end has not arrived.
    Result<std::size_t> find_end(std::string_view buffer);
    Status check_lines(std::string_view head) const;
    const char* check_request_line(std::string_view line) const;
    const char* check_status_line(std::string_view line) const;
    Status check_fields();
    void choose_body();
    Error malformed(const char* reason) const;
    Error too_large() const;

    Kind kind_;
    HttpLimits limits_;
    HttpHead head_;
    std::unique_ptr<Impl> impl_;
    ChunkedDecoder chunks_;
    std::uint64_t length_left_ = 0;
    std::size_t scanned_ = 0;  ///< bytes of the buffer already searched for the head's end
    std::size_t consumed_ = 0;
    Body body_ = Body::none;
    bool is_head_done_ = false;
    bool is_complete_ = false;
    bool has_no_body_ = false;
};

}  // namespace tg
