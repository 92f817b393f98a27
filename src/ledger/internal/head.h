#pragma once
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "store/sql.h"

namespace tg::ledger_internal {

/// The one row of ledger_head.
struct Head {
    std::int64_t entries = 0;
    std::string hash;
    UtcMicros booked_at;
    std::int64_t snapshot_number = 0, sealed_number = 0;
};

Result<Head> read_head(SqlConnection& connection);
/// The same, and no other transaction gets it until this one has ended.
Result<Head> lock_head(SqlConnection& connection);
Status write_head(SqlConnection& connection, const Head& head);

/// Turns a changed-rows result into a Status; anything but one row is corrupt_data naming `table`.
Status expect_one(const Result<std::int64_t>& rows, std::string_view table);

}  // namespace tg::ledger_internal
