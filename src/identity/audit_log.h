#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace tg {

class SqlConnection;

/// One administrative act. `before` and `after` are JSON objects without secrets; "" where there
/// was or is nothing.
struct AuditEntry {
    std::int64_t id = 0;  ///< 1, 2, 3, ... without gaps
    UtcMicros at;
    std::string actor{};   ///< "token:7 ops", "cli:root", ...
    std::string action{};  ///< "create", "update", "rotate", ...
    std::string subject_kind{};
    std::string subject_id{};
    std::string before{}, after{};
    std::string
        hash{};  ///< SHA-256 in hexadecimal over the previous entry's hash and all fields above
};

/// Appends to the chain inside the caller's transaction (one must be open), so that an act and its
/// record stand or fall together. Writers queue here until their transactions end. `id` and `hash`
/// are filled in.
Status append_audit(SqlConnection& connection, AuditEntry& entry);
/// Several at once, in order.
Status append_audits(SqlConnection& connection, std::span<AuditEntry> entries);

struct AuditFilter {
    std::string subject_kind{}, subject_id{};  ///< "" is any
    std::int64_t before_id = 0;  ///< entries older than this one; 0 starts at the newest
    int limit = 100;
};
/// Newest first.
Status read_audit(SqlConnection& connection, const AuditFilter& filter,
                  const std::function<bool(const AuditEntry&)>& each);

/// Recomputes the whole chain; returns the number of entries.
/// Errors: corrupt_data naming the first entry that was changed, removed or added, or saying that
/// the end was cut.
Result<std::int64_t> verify_audit(SqlConnection& connection);

}  // namespace tg
