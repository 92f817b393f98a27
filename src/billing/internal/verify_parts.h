#pragma once
// The parts of verify_books().
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time_zone.h"
#include "billing/internal/journal_sums.h"
#include "billing/internal/settle_writer.h"
#include "billing/settled_journals.h"
#include "billing/verify.h"

namespace tg {

/// What differs, by kind. Thread-safe.
class Problems {
  public:
    static constexpr std::size_t kNamedMax = 100;
    void add(std::string_view kind, std::string text);
    /// All of them, by kind, in order.
    std::vector<std::string> take();

  private:
    struct Kind {
        std::vector<std::string> named;
        std::uint64_t more = 0;
    };
    mutable std::mutex mutex_;
    std::map<std::string, Kind, std::less<>> kinds_;
};

/// The zones that cut customers' days: read once, then only looked at.
class ZoneHistory {
  public:
    Status load(SqlConnection& store);
    /// Null when no zone is recorded for that customer and event.
    const TimeZone* of(std::uint32_t customer, std::int64_t sequence) const;

  private:
    struct Entry {
        std::int64_t first_sequence = 0;
        std::shared_ptr<const TimeZone> zone;
    };
    std::unordered_map<std::uint32_t, std::vector<Entry>> entries_;
};

/// Price books by version, asked for once; for many threads.
class SharedCatalogues {
  public:
    explicit SharedCatalogues(EventRater::CatalogueSource source) : source_(std::move(source)) {}
    Result<std::shared_ptr<const Catalogue>> get(PriceVersionId version);

  private:
    std::mutex mutex_;
    EventRater::CatalogueSource source_;
    std::map<std::uint32_t, Result<std::shared_ptr<const Catalogue>>> loaded_;
};

/// The directory of each journal that can be read, by its id in the store.
using JournalDirectories = std::map<std::int64_t, std::string>;

/// Where the books stand.
struct BooksPosition {
    std::vector<SettledJournal> journals;
    std::int64_t next_sequence = 1;
    friend bool operator==(const BooksPosition&, const BooksPosition&) = default;
};
Result<BooksPosition> books_position(SqlConnection& store);

/// The chunks that tile events and journals up to `position`, by sequence. What a journal has
/// settled behind its last chunk, records without an event, is a chunk without events at the end.
/// When those of the store do not tile them, that is a problem: one chunk of everything takes their
/// place when there is only one journal, else there is none.
Result<std::vector<Chunk>> read_chunks(SqlConnection& store, const BooksPosition& position,
                                       Problems* problems);

/// Result of comparing events.
struct EventsChecked {
    JournalSums sums;
    std::uint64_t records = 0, events = 0;
    bool is_complete = true;  ///< every chunk's events are in the sums
    /// A connection that was opened for it and is free; null when there was one thread only.
    std::unique_ptr<SqlConnection> second;
};

/// Compares the events of chunks with rows of usage_events, on as many threads as there are cores
/// when a store URL is given. Events of a journal without a directory are rebuilt from their rows.
/// Errors: of the store and of catalogue_of.
Result<EventsChecked> check_events(SqlConnection& store, const VerifyOptions& options,
                                   const JournalDirectories& directories,
                                   const std::vector<Chunk>& chunks, const ZoneHistory& zones,
                                   Problems* problems);

/// Compares every row of every roll-up but those of end users, marking in `sums` what has its row.
/// Errors: of the store.
Status check_rollups(SqlConnection& store, JournalSums* sums, Problems* problems);
/// The same for usage_daily_end_users, which has most rows; may run at the same time through
/// another connection.
Status check_end_users(SqlConnection& store, JournalSums* sums, Problems* problems);

/// Compares the bill of every customer and month with usage. Errors: of the store.
Status check_bills(SqlConnection& store, const BillTerms& terms, const JournalSums& sums,
                   VerifyReport* report, Problems* problems);

/// Compares every final bill with itself, line by line, with its parts, its entry in the ledger and
/// its leaf in the proof log. Errors: of the store.
Status check_register(SqlConnection& store, VerifyReport* report, Problems* problems);

/// The same for credit and debit notes.
Status check_notes(SqlConnection& store, Problems* problems);

/// Compares payments and what they were used for with the ledger: amount by amount, and what is in
/// suspense; and that their numbers have no gap. Errors: of the store.
Status check_payments(SqlConnection& store, VerifyReport* report, Problems* problems);

/// The same for write-offs, refunds and payouts. Errors: of the store.
Status check_settlements(SqlConnection& store, Problems* problems);

/// Compares every version of every contract with its leaf in the proof log. Errors: of the store.
Status check_contracts(SqlConnection& store, VerifyReport* report, Problems* problems);

/// What a line's exact amount is in whole cents and fen, by arithmetic of verify's own.
std::pair<std::int64_t, std::int64_t> cents_and_fen(Femto exact, Currency currency,
                                                    const BillTerms& terms);
/// Tax of a net amount.
std::int64_t tax_of(std::int64_t net_fen, std::int64_t vat_ppm);

/// Compares what the ledger has as unbilled usage with the charges of all events, by customer,
/// currency, project and month, to 10^-15. Errors: of the store.
Status check_accruals(SqlConnection& store, const JournalSums& sums, Problems* problems);

/// "'gpt-4o' in the store, 'gpt-4' by the journal".
std::string both(std::string_view stored, std::string_view computed);
std::string both(std::int64_t stored, std::int64_t computed);
std::string both(Femto stored, Femto computed);

}  // namespace tg
