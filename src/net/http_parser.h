#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/chunked_decoder.h"
#include "net/http_field.h"

namespace tg {

/// Where a header line's name and value stand in the head's buffer.
struct HttpHeader {
    std::uint32_t name_at = 0, name_size = 0, value_at = 0, value_size = 0;
    std::uint32_t line_size = 0;  ///< from the name to the end of CR LF
    std::uint32_t name_hash = 0;  ///< field_hash()
};

struct HttpLimits {
    std::size_t head_bytes = 64 * 1024;
    std::size_t headers = 128;
};

/// A parsed head. Views point into the buffer the parser was given and move with it: read through
/// the accessors.
class HttpHead {
  public:
    std::string_view method() const { return {base_, method_size_}; }
    std::string_view target() const { return {base_ + target_at_, target_size_}; }
    int status() const { return status_; }
    bool is_http_1_0() const { return minor_ == 0; }
    bool is_keep_alive() const { return is_keep_alive_; }
    bool is_chunked() const { return is_chunked_; }
    bool expects_continue() const { return expects_continue_; }
    /// From Content-Length; nullopt when there is none.
    std::optional<std::uint64_t> content_length() const { return content_length_; }

    const std::vector<HttpHeader>& headers() const { return headers_; }
    std::string_view name(const HttpHeader& h) const { return {base_ + h.name_at, h.name_size}; }
    std::string_view value(const HttpHeader& h) const { return {base_ + h.value_at, h.value_size}; }
    /// The whole line as it arrived, CR LF included.
    std::string_view line(const HttpHeader& h) const { return {base_ + h.name_at, h.line_size}; }
    /// First header of that name, in any case; empty when there is none.
    std::string_view find(FieldName name) const;
    bool has(FieldName name) const { return find_header(name) != nullptr; }

  private:
    friend class HttpParser;
    const HttpHeader* find_header(FieldName name) const;

    const char* base_ = nullptr;
    std::uint32_t method_size_ = 0;
    std::uint32_t target_at_ = 0, target_size_ = 0;
    std::vector<HttpHeader> headers_;
    std::optional<std::uint64_t> content_length_;
    int status_ = 0;
    std::uint8_t minor_ = 1;
    bool is_keep_alive_ = false, is_chunked_ = false, expects_continue_ = false;
};

/// A strict HTTP/1.1 message parser (RFC 9112): heads in one pass, framing, bodies. Refuses what
/// parsers disagree about: both Content-Length and Transfer-Encoding, repeated lengths, transfer
/// codings other than a single `chunked`, bare CR or LF, folded lines, spaces before colons,
/// repeated Host, control characters, fragments. What it takes, llhttp takes too and reads the same
/// way (`fuzz_http` compares them). One parser serves one connection, message after message.
class HttpParser {
  public:
    enum class Kind : std::uint8_t { request, response };
    HttpParser(Kind kind, HttpLimits limits);

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
    /// The head's size, 0 when its end has not arrived.
    Result<std::size_t> find_end(std::string_view buffer);
    /// Both return where the first header line begins; null, with the reason in wrong_.
    const char* read_request_line(const char* end);
    const char* read_status_line(const char* end);
    /// Header lines up to the empty one. null: all is well.
    const char* read_fields(const char* at, const char* end);
    const char* note_field(const HttpHeader& header);
    const char* note_length(std::string_view value);
    void note_connection(std::string_view value);
    const char* check_framing() const;
    void choose_body();
    Error malformed(const char* reason) const;
    Error too_large() const;

    Kind kind_;
    HttpLimits limits_;
    HttpHead head_;
    ChunkedDecoder chunks_;
    std::uint64_t length_left_ = 0;
    std::size_t scanned_ = 0;  ///< bytes of the buffer already searched for the head's end
    std::size_t consumed_ = 0;
    Body body_ = Body::none;
    const char* wrong_ = nullptr;
    // Of the head at hand.
    std::uint8_t hosts_ = 0, lengths_ = 0, codings_ = 0;  // up to 2: "more than once"
    bool has_close_ = false, has_keep_alive_ = false;
    bool is_head_done_ = false;
    bool is_complete_ = false;
    bool has_no_body_ = false;
};

}  // namespace tg
