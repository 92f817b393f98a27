#include "base/error.h"

#include <array>

namespace tg {
namespace {

constexpr std::array<ErrorInfo, kErrorCodeCount> kTable = {{
    {"invalid_request", 400, false},
    {"invalid_config", 400, false},
    {"unauthenticated", 401, false},
    {"key_disabled", 401, false},
    {"key_expired", 401, false},
    {"key_without_project", 403, false},
    {"forbidden", 403, false},
    {"not_found", 404, false},
    {"method_not_allowed", 405, false},
    {"conflict", 409, false},
    {"request_too_large", 413, false},
    {"headers_too_large", 431, false},
    {"request_timeout", 408, true},
    {"unsupported", 400, false},
    {"model_unknown", 404, false},
    {"model_unpriced", 400, false},
    {"rate_limited", 429, true},
    {"queue_full", 429, true},
    {"queue_timeout", 429, true},
    {"budget_exhausted", 429, false},
    {"policy_refused", 403, false},
    {"upstream_limited", 429, true},
    {"upstream_unavailable", 503, true},
    {"upstream_unreachable", 502, true},
    {"upstream_timeout", 504, true},
    {"upstream_broken", 502, true},
    {"upstream_rejected", 502, false},
    {"journal_unavailable", 503, true},
    {"store_unavailable", 503, true},
    {"shutting_down", 503, true},
    {"overloaded", 503, true},
    {"corrupt_data", 500, false},
    {"io_error", 500, false},
    {"cancelled", 499, false},
    {"internal", 500, false},
}};

}  // namespace

const ErrorInfo& info(ErrorCode code) {
    return kTable[static_cast<std::size_t>(code)];
}

std::string Error::text() const {
    std::string out(name(code));
    if (!detail.empty()) out.append(": ").append(detail);
    return out;
}

}  // namespace tg
