#pragma once
#include <map>
#include <memory>
#include <vector>

#include "billing/internal/settle_batch.h"
#include "metering/usage_journal.h"
#include "store/sql.h"

namespace tg {

/// What a batch writes, all inside the caller's transaction.
inline constexpr std::size_t kRecentCalls = 100;

struct EventRow {
    std::int64_t sequence = 0;
    const UsageEvent* event = nullptr;
    const EventRater::Rated* rated = nullptr;
    std::uint32_t dimension = 0;
    std::int32_t day = 0;
};
Result<std::unique_ptr<SqlConnection::BulkInsert>> begin_events(SqlConnection& store);
Status write_event(SqlConnection::BulkInsert& insert, const EventRow& row);
Status write_sums(SqlConnection& store, const UsageSums& sums);
/// Sequences of each customer, ascending.
Status write_recent(SqlConnection& store,
                    const std::map<std::uint32_t, std::vector<std::int64_t>>& recent);

struct BatchRow {
    std::int64_t first_sequence = 0, last_sequence = -1;  ///< last < first: a batch without events
    Lsn from, to;
    std::int64_t first_started_ms = 0, last_started_ms = 0;
};
/// Also moves the position. Errors: conflict when another settler has moved it.
Status write_batch(SqlConnection& store, const BatchRow& batch);

}  // namespace tg
