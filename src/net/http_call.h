#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tg {

struct HttpCall {
    std::string method = "GET", url{};
    std::string query{};         ///< what follows the "?", encoded; empty: none
    std::string header_lines{};  ///< complete lines, each with CR LF; Host and length are added
    std::string content_type = "application/json";  ///< of a body
    std::string body{};
    std::string ca_file{};  ///< of an https URL; empty: the system's authorities
    std::int64_t timeout_ms = 60'000;
};
struct HttpReply {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers{};  ///< names in lower case
    std::string body{};

    std::string header(std::string_view lower_name) const;  ///< "" when it is not there
};

/// One request of a command or a job, on a connection and a loop of its own. Blocking. Errors:
/// invalid_config (the URL), upstream_unreachable, upstream_timeout, upstream_broken.
Result<HttpReply> http_call(const HttpCall& call);

}  // namespace tg
