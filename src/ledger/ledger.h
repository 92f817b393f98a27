#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ledger/entry.h"
#include "store/sql.h"

namespace tg {

/// An entry in the ledger.
struct BookedEntry {
    std::int64_t number = 0;     ///< 1, 2, 3, ... without gaps, in the order of booking
    UtcMicros booked_at;         ///< never before that of the entry in front
    std::string content_hash{};  ///< SHA-256 of canonical_content(), in hexadecimal
    std::string hash{};          ///< SHA-256 of canonical_record(): the chain
    Entry entry{};
};

/// What became of an entry that was to be booked.
struct Booking {
    std::int64_t number = 0;
    bool is_new = false;  ///< false: the same entry had been booked before
};

/// Appends to the ledger inside the caller's SQL transaction, which must be open, so that an entry
/// and what it is booked for stand or fall together. Numbers, the hash chain and the rules of
/// balances hold with any number of writers: they queue on the ledger's head row from append() to
/// the end of their transactions, so append late. Keep one writer for many transactions only while
/// all of them are committed; after a rollback make a new one, because it remembers accounts.
class LedgerWriter {
  public:
    explicit LedgerWriter(SqlConnection* connection) : connection_(connection) {}

    /// Books entries in order, all or none. An entry whose cause is in the ledger already with the
    /// same content is left as it is; nothing is booked twice. `now` is the time of booking; where
    /// it lies before the last one, that one is taken. Errors: invalid_request (an entry that is
    /// not valid, a reversal that is not the exact opposite), not_found (a reversal of nothing),
    /// conflict (the same cause with other content; an entry reversed before; a balance that would
    /// come to stand on the side that the chart forbids: nothing to pay from, more paid than owed),
    /// those of the store. After any error roll the transaction back.
    Result<std::vector<Booking>> append(std::span<const Entry> entries, UtcMicros now);
    Result<Booking> append(const Entry& entry, UtcMicros now);

    /// Takes entry `number` back by an opposite entry. Errors as append().
    Result<Booking> reverse(std::int64_t number, UtcMicros occurred_at, std::string_view reason,
                            UtcMicros now);

  private:
    struct Batch;
    Status find_booked(std::span<const Entry> entries, Batch* batch);
    Status number_entries(std::span<const Entry> entries, UtcMicros now, Batch* batch);
    Status check_reversal(const Entry& entry, std::int64_t entries_before);
    Status check_balances(const Batch& batch);
    Result<std::int64_t> account_id(const AccountKey& key);
    Status write_entries(const Batch& batch);
    Status write_postings(const Batch& batch);

    SqlConnection* connection_;
    std::map<AccountKey, std::int64_t> accounts_;
};

/// Which entries to read; empty fields match all.
struct EntryFilter {
    std::int64_t first = 1, last = INT64_MAX;  ///< numbers
    std::optional<CustomerId> customer{};      ///< with a posting to one of its accounts
    std::optional<AccountCode> account{};
    std::optional<Cause> cause{};
    std::string subject{};                                      ///< e.g. a bill
    UtcMicros booked_from{INT64_MIN}, booked_until{INT64_MAX};  ///< [from, until)
    std::int64_t limit = INT64_MAX;
};
/// In order of number; `each` returns false to stop. Errors: corrupt_data when a row cannot be an
/// entry of ours (run verify), those of the store.
Status read_entries(SqlConnection& connection, const EntryFilter& filter,
                    const std::function<bool(const BookedEntry&)>& each);
/// Errors: not_found, those of read_entries().
Result<BookedEntry> read_entry(SqlConnection& connection, std::int64_t number);

/// Many reads of one moment, while others write. Ends by itself.
class LedgerReadSnapshot {
  public:
    static Result<LedgerReadSnapshot> begin(SqlConnection& connection);
    LedgerReadSnapshot(LedgerReadSnapshot&& other) noexcept
        : connection_(std::exchange(other.connection_, nullptr)) {}
    LedgerReadSnapshot& operator=(LedgerReadSnapshot&&) = delete;
    ~LedgerReadSnapshot();

  private:
    explicit LedgerReadSnapshot(SqlConnection& connection) : connection_(&connection) {}
    SqlConnection* connection_;
};

}  // namespace tg
