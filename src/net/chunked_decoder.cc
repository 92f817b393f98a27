#include "net/chunked_decoder.h"

#include <algorithm>
#include <string>

#include "net/internal/http_chars.h"

namespace tg {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

Result<std::size_t> ChunkedDecoder::decode(std::string_view bytes,
                                           std::vector<std::string_view>* pieces) {
    std::size_t at = 0;
    while (at < bytes.size() && state_ != State::done) {
        if (state_ == State::data) {
            const std::size_t n = std::min<std::uint64_t>(size_left_, bytes.size() - at);
            pieces->push_back(bytes.substr(at, n));
            at += n;
            size_left_ -= n;
            framing_bytes_ = 0;
            if (size_left_ == 0) state_ = State::data_cr;
            continue;
        }
        const char* wrong = step(bytes[at++]);
        if (++framing_bytes_ > framing_bytes_max_) wrong = "too many bytes of it are not content";
        if (wrong != nullptr) {
            state_ = State::failed;
            return fail(ErrorCode::invalid_request,
                        std::string("malformed chunked body: ") + wrong);
        }
    }
    return at;
}

const char* ChunkedDecoder::step(char c) {
    switch (state_) {
        case State::size_start:
        case State::size:
        case State::extension:
        case State::size_lf:
            return step_size(c);
        case State::data_cr:
        case State::data_lf:
            if (c != (state_ == State::data_cr ? '\r' : '\n'))
                return "a chunk is longer than its size says";
            state_ = state_ == State::data_cr ? State::data_lf : State::size_start;
            return nullptr;
        case State::failed:
            return "it was malformed before";
        default:
            return step_trailer(c);
    }
}

const char* ChunkedDecoder::step_size(char c) {
    switch (state_) {
        case State::size_start:
        case State::size:
            if (const int digit = hex_value(c); digit >= 0) {
                if (size_left_ >> 59 != 0) return "a chunk size is too large";
                size_left_ = size_left_ << 4 | static_cast<std::uint64_t>(digit);
                state_ = State::size;
                return nullptr;
            }
            if (state_ == State::size_start) return "a chunk size is missing";
            if (c == ';') {
                state_ = State::extension;
                return nullptr;
            }
            if (c != '\r') return "a chunk size is not a hexadecimal number";
            state_ = State::size_lf;
            return nullptr;
        case State::extension:
            if (c == '\r')
                state_ = State::size_lf;
            else if (!is_field_byte(c))
                return "a chunk extension has a control character";
            return nullptr;
        default:
            if (c != '\n') return "a line does not end in CR LF";
            state_ = size_left_ > 0 ? State::data : State::trailer_start;
            return nullptr;
    }
}

const char* ChunkedDecoder::step_trailer(char c) {
    switch (state_) {
        case State::trailer_start:
            if (c == '\r') {
                state_ = State::end_lf;
                return nullptr;
            }
            if (!is_token_byte(c)) return "a trailer field has no name";
            state_ = State::trailer_name;
            return nullptr;
        case State::trailer_name:
            if (c == ':')
                state_ = State::trailer_value;
            else if (!is_token_byte(c))
                return "a trailer field's name has a bad character";
            return nullptr;
        case State::trailer_value:
            if (c == '\r')
                state_ = State::trailer_lf;
            else if (!is_field_byte(c))
                return "a trailer field has a control character";
            return nullptr;
        default:
            if (c != '\n') return "a line does not end in CR LF";
            state_ = state_ == State::end_lf ? State::done : State::trailer_start;
            return nullptr;
    }
}

}  // namespace tg
