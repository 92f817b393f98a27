#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "billing/books_lock.h"
#include "billing/internal/usage_sums.h"
#include "metering/usage_journal.h"
#include "store/sql.h"

namespace tg {

inline constexpr std::size_t kRecentCalls = 100;
/// A chunk that holds so many events is full.
inline constexpr std::int64_t kChunkEvents = 20'000;

/// Where a settler stands: in its journal, and in usage_events, whose numbers all journals share.
struct SettlePosition {
    std::int64_t journal = 0;  ///< its id in settle_journals; 0: nothing of it has been settled
    Lsn lsn;
    std::int64_t next_sequence = 1;
};
Result<SettlePosition> read_position(SqlConnection& store, const std::string& journal_name);
/// Takes the books for the caller's transaction: until it ends, other settlers wait. Returns where
/// things stand; next_sequence is another one than expected when others have settled meanwhile.
/// Errors: conflict when the journal itself is not where `expected` has it.
Result<SettlePosition> claim_position(SqlConnection& store, const std::string& journal_name,
                                      const SettlePosition& expected);
/// Gives a journal its id, in the transaction that settles its first records.
Result<std::int64_t> add_journal(SqlConnection& store, const std::string& journal_name);
/// Gives the journal of a store older than names its name.
Status name_journal(SqlConnection& store, std::int64_t journal, const std::string& name);
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
    std::int64_t journal = 0;
    std::int64_t first_sequence = 1, last_sequence = 0;
    Lsn from, to;
    std::int64_t first_started_ms = 0, last_started_ms = 0;
    std::int64_t events() const { return last_sequence - first_sequence + 1; }
};
/// The last one; when there is none, one that nothing has been written to.
Result<Chunk> last_chunk(SqlConnection& store);
/// The last one of a journal.
Result<Chunk> last_chunk_of(SqlConnection& store, std::int64_t journal);
/// Whether the journal in `directory` is the one that `chunk`, which has events, was settled from:
/// the chunk's last event is the same one in both. True also when its row is gone, which
/// verify_books() finds. Errors: of the store and of the journal.
Result<bool> is_in_journal(SqlConnection& store, const std::string& directory, const Chunk& chunk);
/// Whether what follows `chunk` in its journal may become a part of it.
inline bool is_joinable(const Chunk& chunk, std::int64_t journal) {
    return chunk.journal != 0 && chunk.journal == journal && chunk.events() < kChunkEvents;
}
/// Joins `batch` to `last`, the last chunk, when that is of the same journal and not full; else
/// makes it the next one, or, when it holds no event, leaves it to the journal's next chunk.
/// Returns the last chunk.
Result<Chunk> write_chunk(SqlConnection& store, const Chunk& last, const Chunk& batch);

}  // namespace tg
