#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "billing/internal/usage_sums.h"
#include "metering/usage_journal.h"
#include "store/sql.h"

namespace tg {

inline constexpr std::size_t kRecentCalls = 100;
/// A chunk that holds so many events is full.
inline constexpr std::int64_t kChunkEvents = 20'000;

/// Where the settler stands in the journal and in usage_events.
struct SettlePosition {
    Lsn lsn;
    std::int64_t next_sequence = 1;
    friend bool operator==(const SettlePosition&, const SettlePosition&) = default;
};
Result<SettlePosition> read_position(SqlConnection& store);
/// Takes the position for the caller's transaction. Errors: conflict when it is not `expected`.
Status claim_position(SqlConnection& store, const SettlePosition& expected);
Status write_position(SqlConnection& store, const SettlePosition& position);

struct EventRow {
    std::int64_t sequence = 0;
    std::uint32_t dimension = 0;
    std::int32_t day = 0;
};
/// Rows of usage_events. While one is open the connection takes nothing else.
class EventWriter {
  public:
    bool is_open() const { return insert_ != nullptr; }
    Status open(SqlConnection& store);
    Status write(const EventRow& row, const UsageEvent& event, const Rated& rated);
    Status finish();

  private:
    std::unique_ptr<SqlConnection::BulkInsert> insert_;
    std::string usage_, end_user_, request_id_, asked_model_;
};

/// Once a connection, before the first transaction: how it commits, and tables of its own in which
/// sums are collected. The connection is the settler's alone.
Status prepare_settling(SqlConnection& store);
/// Adds to the roll-ups.
Status write_sums(SqlConnection& store, const UsageSums& sums);
/// Sequences of a batch by customer, ascending.
using RecentSequences = std::unordered_map<std::uint32_t, std::vector<std::int64_t>>;
/// Adds the newest to recent_calls, and removes what is older than a customer's newest
/// kRecentCalls.
Status write_recent(SqlConnection& store, const RecentSequences& recent);

/// A row of usage_chunks; without events last_sequence is first_sequence - 1.
struct Chunk {
    std::int64_t first_sequence = 1, last_sequence = 0;
    Lsn from, to;
    std::int64_t first_started_ms = 0, last_started_ms = 0;
    std::int64_t events() const { return last_sequence - first_sequence + 1; }
};
/// The last one; when there is none, one that nothing has been written to.
Result<Chunk> last_chunk(SqlConnection& store);
/// Joins `batch` to the last chunk, or makes it the next one when that is full.
Result<Chunk> write_chunk(SqlConnection& store, const Chunk& last, const Chunk& batch);

}  // namespace tg
