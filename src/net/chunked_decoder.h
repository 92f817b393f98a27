#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tg {

/// Takes the chunked transfer coding off a body (RFC 9112 section 7.1), to the letter: CR LF ends
/// every line, sizes are plain hexadecimal digits, extensions and trailer fields are checked and
/// dropped. The result does not depend on how the bytes are split.
class ChunkedDecoder {
  public:
    /// `framing_bytes_max` bounds the bytes without content that may come in a row (extensions,
    /// trailer fields).
    explicit ChunkedDecoder(std::size_t framing_bytes_max)
        : framing_bytes_max_(framing_bytes_max) {}

    void start() { *this = ChunkedDecoder(framing_bytes_max_); }
    /// Appends views of the content in `bytes` to `pieces`; the number of bytes used, which is all
    /// of them before is_done(). Errors: invalid_request saying what is malformed.
    Result<std::size_t> decode(std::string_view bytes, std::vector<std::string_view>* pieces);
    bool is_done() const { return state_ == State::done; }

  private:
    enum class State : std::uint8_t {
        size_start,
        size,
        extension,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer_start,
        trailer_name,
        trailer_value,
        trailer_lf,
        end_lf,
        done,
        failed,
    };
    /// One byte of framing; what is wrong with it, or nullptr.
    const char* step(char c);
    const char* step_size(char c);
    const char* step_trailer(char c);

    std::size_t framing_bytes_max_;
    std::uint64_t size_left_ = 0;
    std::size_t framing_bytes_ = 0;
    State state_ = State::size_start;
};

}  // namespace tg
