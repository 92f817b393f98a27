#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/usage.h"
#include "providers/object_key.h"
#include "providers/openai_request.h"

namespace tg {

/// What a provider's answer says of itself.
struct ReplyFacts {
    bool has_usage = false;
    bool is_mismatch = false;  ///< classes did not add up to the provider's total
    Usage usage;
    bool has_tier = false;
    ServiceTier tier = ServiceTier::standard;
    std::string model;         ///< at most 128 bytes
    std::uint64_t object = 0;  ///< object_key() of a response's id; 0: none was told
};

/// Reads a unary JSON answer as it passes by, in any pieces, without keeping it: captures the top
/// level's `usage`, `model` and `service_tier` (bounded), the last one wins, and for /v1/responses
/// counts billed tool items of `output`. Malformed JSON is no error here: the client gets it as it
/// is, and has_usage stays false.
class ReplyScanner {
  public:
    explicit ReplyScanner(OpenAiCall call);
    ~ReplyScanner();
    ReplyScanner(ReplyScanner&&) noexcept;
    void feed(std::string_view bytes);
    /// After the last byte.
    ReplyFacts finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// A piece of a stream to pass on: into the fed bytes, or into the scanner's own buffer (valid
/// until the next feed).
using StreamPieces = std::vector<std::string_view>;

/// Reads a server-sent event stream (WHATWG HTML, section 9.2.6: LF, CR LF or CR line ends) as it
/// passes by. Takes usage from any event, the last one wins. With `strip_usage` it takes out what
/// the client did not ask for: the usage chunk that has no choices, and the
/// `"usage":null` members of the others. Bytes of an event that need no change are passed on at
/// once and unbuffered where they can be: a piece is held back only while it is the beginning of an
/// event that may have to be dropped. Lines up to `kMaxEventBytes`.
class StreamScanner {
  public:
    static constexpr std::size_t kMaxEventBytes = 16U << 20;
    StreamScanner(OpenAiCall call, bool strip_usage);
    ~StreamScanner();
    StreamScanner(StreamScanner&&) noexcept;

    /// Appends to `out` what goes to the client. Errors: upstream_broken when an event exceeds
    /// kMaxEventBytes.
    Status feed(std::string_view bytes, StreamPieces* out);
    /// The upstream ended: passes on what is held back.
    void finish(StreamPieces* out);

    /// "data: [DONE]" was seen, or for /v1/responses a terminal event (completed, incomplete,
    /// failed) or an `error` event.
    bool saw_end() const;
    /// An error came inside the stream: `data: {"error":{...}}`, an event named or typed `error`,
    /// or response.failed.
    bool saw_error() const;
    /// Text of delta events so far, in bytes, and the text itself for token counting when usage
    /// never comes: the delivered deltas joined, kept only up to `kMaxKeptText`, beyond which it is
    /// estimated from the ratio. Never written anywhere.
    /// From now on deltas do not count as delivered: the client has gone and the answer is read for
    /// its usage alone.
    void stop_collecting_text();
    std::string_view delivered_text() const;
    std::int64_t delivered_bytes() const;
    const ReplyFacts& facts() const;

    static constexpr std::size_t kMaxKeptText = 256U << 10;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// An error body in OpenAI's form, all four keys: {"error":{"message","type","param":null,"code"}}.
std::string openai_error_body(std::string_view message, std::string_view type,
                              std::string_view code, std::string_view param = {});
/// The `type` OpenAI's clients expect for a status: 401 authentication_error, 429 requests, 400
/// invalid_request_error, ...
std::string_view openai_error_type(int http_status);

}  // namespace tg
