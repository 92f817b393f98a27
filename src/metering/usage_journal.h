#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "metering/usage_event.h"

namespace tg {

/// A place in the journal: segment number and byte offset, ordered. The settler's position in the
/// store is one of these.
struct Lsn {
    std::uint64_t value = 0;  ///< segment x 2^32 + offset
    std::uint32_t segment() const { return static_cast<std::uint32_t>(value >> 32); }
    std::uint32_t offset() const { return static_cast<std::uint32_t>(value); }
    friend constexpr auto operator<=>(Lsn, Lsn) = default;
};

class JournalFs;

struct JournalOptions {
    std::string directory;
    /// Size of a segment file, 64 KiB to 1 GiB; rounded up to whole pages.
    std::uint32_t segment_bytes = 64U << 20;
    /// Shortest pause between two fdatasync calls: what a waiting writer may wait besides the disk,
    /// and what keeps syncs, 0.07 ms of CPU each, within a tenth of a core.
    std::int64_t commit_interval_us = 1000;
    enum class Sync : std::uint8_t { durable, relaxed } sync = Sync::durable;
    Clock* clock = nullptr;   ///< not owned; null is system_clock()
    JournalFs* fs = nullptr;  ///< not owned; null is the real file system (metering/journal_fs.h)
    /// How long to wait before a failed allocation is tried again.
    std::int64_t allocation_retry_us = 1'000'000;
};

/// Told on the journal's commit thread when `lsn` is on stable storage (or the journal has failed).
/// Must be cheap and must not call back into the journal: typically it posts to a loop. Owned by
/// the caller until called.
class DurableWaiter {
  public:
    virtual void on_durable(bool is_ok) noexcept = 0;

  protected:
    ~DurableWaiter() = default;

  private:
    friend class UsageJournal;
    Lsn lsn_;
    DurableWaiter* next_ = nullptr;
};

/// Handle of an open reservation: says which segment keeps it.
struct Reservation {
    RequestId id;
    std::uint32_t segment = 0;
};

/// The durable truth about usage: append-only segment files of CRC-32C framed records, mapped into
/// memory. A record is in the page cache when append returns, so it survives the death of the
/// process; it is on stable storage when its waiter is called, so it survives the death of the
/// machine. Space is allocated ahead, so a full disk shows itself before a request is let in:
/// `accepts_requests()` turns false and nothing already accepted is lost. Thread-safe. On-disk
/// format: docs/formats.md.
class UsageJournal {
  public:
    virtual ~UsageJournal() = default;

    /// Opens or creates; recovers: cuts a torn tail, settles reservations without an end as
    /// `unconfirmed` (Outcome::crash). Errors: io_error; corrupt_data naming file and offset when
    /// anything but the tail is damaged; conflict when another process holds the journal.
    static Result<std::unique_ptr<UsageJournal>> open(const JournalOptions& options);

    /// False after a failed allocation or sync; `failure()` says why. Becomes true again when space
    /// is back.
    virtual bool accepts_requests() const = 0;
    virtual std::string failure() const = 0;

    /// Errors: journal_unavailable.
    virtual Result<Reservation> reserve(const ReservedRecord& record) = 0;
    /// Never fails for lack of space: reserve() has set the room aside. Returns where the record
    /// ends.
    virtual Lsn settle(const Reservation& reservation, const UsageEvent& event) = 0;
    /// Nothing was sent upstream: the reservation is void.
    virtual Lsn abandon(const Reservation& reservation, UtcMicros at) = 0;

    /// Everything before this is on stable storage.
    virtual Lsn durable_end() const = 0;
    /// Calls `waiter` once `lsn` is durable; at once, on this thread, when it is already or when
    /// sync is relaxed. `lsn` is what settle() or abandon() returned.
    virtual void notify_when_durable(Lsn lsn, DurableWaiter* waiter) = 0;

    /// For the settler: blocks until durable_end() > `after`, at most `timeout_us`. Returns
    /// durable_end().
    virtual Lsn wait_for_more(Lsn after, std::int64_t timeout_us) = 0;

    struct Stats {
        std::uint64_t records = 0, bytes = 0;  ///< written since open, recovery included
        std::uint64_t syncs = 0;               ///< of segments that were written to
        std::uint64_t open_reservations = 0;
        std::uint64_t recovered_unconfirmed = 0;
        std::uint64_t cut_bytes = 0;  ///< of the torn tail that open() removed
    };
    virtual Stats stats() const = 0;

    /// Waits for the last sync and closes. Open reservations stay open on disk. Nothing may be
    /// settled or abandoned afterwards; reserve() answers journal_unavailable. The destructor
    /// closes, too.
    virtual void close() = 0;

  protected:
    static Lsn& lsn_of(DurableWaiter& waiter) { return waiter.lsn_; }
    static DurableWaiter*& next_of(DurableWaiter& waiter) { return waiter.next_; }
    static void tell(DurableWaiter& waiter, bool is_ok) { waiter.on_durable(is_ok); }
};

enum class RecordKind : std::uint8_t { reserved = 1, settled = 2, abandoned = 3 };

struct JournalRecord {
    RecordKind kind = RecordKind::settled;
    Lsn at, end;
    UtcMicros recorded_at;
    ReservedRecord reserved;  ///< when kind is reserved
    UsageEvent event;         ///< when kind is settled
    RequestId abandoned_id;   ///< when kind is abandoned
    UtcMicros abandoned_at;   ///< when kind is abandoned
};

/// For JournalReader::next(): read to the end of what is written. Used from outside the writing
/// process.
inline constexpr Lsn kNoLimit{~std::uint64_t{0}};

/// Reads a journal directory in order, also while it is written. Not thread-safe; many readers may
/// coexist.
class JournalReader {
  public:
    virtual ~JournalReader() = default;
    /// Starts at `from` (Lsn{} = the beginning). Errors: io_error, corrupt_data.
    static Result<std::unique_ptr<JournalReader>> open(const std::string& directory, Lsn from);
    /// The next record before `limit`; false at the end. String views of `record` point into the
    /// reader's buffer and are valid until the next call. `limit` is kNoLimit or a durable_end() of
    /// this journal: data missing before it is damage. Errors: io_error; corrupt_data naming file
    /// and offset.
    virtual Result<bool> next(JournalRecord* record, Lsn limit) = 0;
    /// Where the next record would start.
    virtual Lsn position() const = 0;
};

}  // namespace tg
