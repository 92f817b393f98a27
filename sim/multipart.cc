#include "sim/multipart.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "net/http_parser.h"

namespace tg::sim {
namespace {

constexpr std::size_t kHeadersMax = 16 * 1024;
constexpr std::size_t kFieldMax = 256 * 1024;
constexpr int kPartsMax = 1000;

std::unexpected<Error> malformed(std::string_view what) {
    return fail(ErrorCode::invalid_request, "malformed multipart/form-data: " + std::string(what));
}

/// The value of `name` in "form-data; name="file"; filename="a.txt"", without its quotes.
std::string parameter(std::string_view line, std::string_view name) {
    for (std::size_t at = line.find(';'); at != std::string_view::npos; at = line.find(';', at)) {
        at = line.find_first_not_of("; \t", at);
        if (at == std::string_view::npos) return {};
        const std::size_t sign = line.find('=', at);
        if (sign == std::string_view::npos) return {};
        const bool is_it = line.substr(at, sign - at) == name;
        std::size_t from = sign + 1, end = 0;
        if (from < line.size() && line[from] == '"') {
            end = std::min(line.find('"', ++from), line.size());
            at = std::min(end + 1, line.size());
        } else {
            at = end = std::min(line.find(';', from), line.size());
        }
        if (is_it) return std::string(line.substr(from, end - from));
    }
    return {};
}

bool starts_with_ignoring_case(std::string_view text, std::string_view lower) {
    return text.size() >= lower.size() && equals_ignoring_case(text.substr(0, lower.size()), lower);
}

}  // namespace

std::string_view Form::field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string_view{} : found->second;
}

Result<MultipartReader> MultipartReader::make(std::string_view content_type) {
    const std::string boundary = starts_with_ignoring_case(content_type, "multipart/form-data")
                                     ? parameter(content_type, "boundary")
                                     : std::string();
    if (boundary.empty() || boundary.size() > 200)
        return fail(ErrorCode::invalid_request,
                    "expected Content-Type: multipart/form-data with a boundary, got '" +
                        std::string(content_type.substr(0, 80)) + "'");
    return MultipartReader("\r\n--" + boundary);
}

Status MultipartReader::feed(std::string_view bytes) {
    buffer_.append(bytes);
    bool needs_more = false;
    while (!needs_more) TG_CHECK_OK(step(&needs_more));
    buffer_.erase(0, used_);
    used_ = 0;
    return {};
}

Status MultipartReader::step(bool* needs_more) {
    const std::string_view rest = std::string_view(buffer_).substr(used_);
    switch (state_) {
        case State::preamble:
        case State::data: {
            const std::size_t at = rest.find(delimiter_);
            const std::size_t safe =
                at != std::string_view::npos
                    ? at
                    : rest.size() - std::min(rest.size(), delimiter_.size() - 1);
            if (state_ == State::data) TG_CHECK_OK(take(rest.substr(0, safe)));
            used_ += safe;
            *needs_more = at == std::string_view::npos;
            if (!*needs_more) {
                used_ += delimiter_.size();
                state_ = State::after_boundary;
            }
            return {};
        }
        case State::after_boundary:
            *needs_more = rest.size() < 2;
            if (*needs_more) return {};
            if (rest.starts_with("--")) {
                state_ = State::end;
            } else if (rest.starts_with("\r\n")) {
                state_ = State::headers;
            } else {
                return malformed("a boundary is followed by neither a line end nor --");
            }
            if (++parts_ > kPartsMax) return malformed("it has too many parts");
            // The line end stays: it is the one before the first header.
            if (state_ == State::end) used_ += 2;
            return {};
        case State::headers: {
            const std::size_t end = rest.find("\r\n\r\n");
            *needs_more = end == std::string_view::npos;
            if (*needs_more)
                return rest.size() > kHeadersMax ? Status(malformed("a part's head is too long"))
                                                 : Status();
            TG_CHECK_OK(read_headers(rest.substr(0, end)));
            used_ += end + 4;
            state_ = State::data;
            return {};
        }
        case State::end:
            used_ = buffer_.size();
            *needs_more = true;
            return {};
    }
    return {};
}

Status MultipartReader::read_headers(std::string_view lines) {
    name_.clear();
    is_file_ = false;
    while (!lines.empty()) {
        const std::size_t end = std::min(lines.find("\r\n"), lines.size());
        const std::string_view line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + 2, lines.size()));
        if (!starts_with_ignoring_case(line, "content-disposition:")) continue;
        name_ = parameter(line, "name");
        const std::string filename = parameter(line, "filename");
        is_file_ = !filename.empty();
        if (is_file_ && !form_.has_file) {
            form_.has_file = true;
            form_.filename = filename;
        }
        if (is_file_) ++form_.files;
    }
    if (name_.empty()) return malformed("a part has no name");
    if (!is_file_) form_.fields[name_].clear();
    return {};
}

Status MultipartReader::take(std::string_view data) {
    if (is_file_) {
        form_.file_bytes += data.size();
        form_.file_crc32c = crc32c(data.data(), data.size(), form_.file_crc32c);
        const std::size_t room =
            Form::kKeptBytes - std::min(form_.file_head.size(), Form::kKeptBytes);
        form_.file_head.append(data.substr(0, room));
        return {};
    }
    std::string& field = form_.fields[name_];
    if (field.size() + data.size() > kFieldMax) return malformed("a field is too long");
    field.append(data);
    return {};
}

Result<Form> MultipartReader::finish() {
    if (state_ != State::end) return malformed("it ends without its closing boundary");
    return std::move(form_);
}

}  // namespace tg::sim
