#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tg::sim {

/// What a multipart/form-data body held. Of files only the first kKeptBytes are kept; all are
/// counted.
struct Form {
    static constexpr std::size_t kKeptBytes = 1 << 20;
    std::map<std::string, std::string> fields;
    std::string filename;
    bool has_file = false;
    std::uint64_t file_bytes = 0;
    std::uint32_t file_crc32c = 0;
    std::string file_head;
    int files = 0;

    std::string_view field(const std::string& name) const;
};

/// Reads multipart/form-data (RFC 7578) as it arrives, in constant memory.
class MultipartReader {
  public:
    /// Errors: invalid_request when `content_type` is something else or has no boundary.
    static Result<MultipartReader> make(std::string_view content_type);

    /// Errors: invalid_request naming what is wrong.
    Status feed(std::string_view bytes);
    /// After the last byte. Errors: invalid_request when the closing boundary has not come.
    Result<Form> finish();

  private:
    enum class State : std::uint8_t { preamble, after_boundary, headers, data, end };
    explicit MultipartReader(std::string delimiter) : delimiter_(std::move(delimiter)) {}
    Status step(bool* needs_more);
    Status read_headers(std::string_view lines);
    Status take(std::string_view data);

    std::string delimiter_;        ///< CR LF -- boundary
    std::string buffer_ = "\r\n";  ///< so that a boundary at the very start looks like all others
    std::size_t used_ = 0;
    State state_ = State::preamble;
    std::string name_;
    bool is_file_ = false;
    int parts_ = 0;
    Form form_;
};

}  // namespace tg::sim
