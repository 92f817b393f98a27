#pragma once
// For tests of the journal: a temporary directory, sample records, and ways to read and to damage
// segment files. Needs GoogleTest; never included by product code.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "metering/internal/segment.h"
#include "metering/test_records.h"
#include "metering/usage_journal.h"

namespace tg {

class TempDirectory {
  public:
    TempDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "tg_journal_XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        path_ = name;
    }
    ~TempDirectory() { std::filesystem::remove_all(path_); }
    TempDirectory(const TempDirectory&) = delete;
    TempDirectory& operator=(const TempDirectory&) = delete;
    std::string path() const { return path_ + "/journal"; }

  private:
    std::string path_;
};

/// The real file system with faults on request. Syncs are counted; fast ones do nothing, for tests
/// of many openings.
class TestFs final : public JournalFs {
  public:
    enum class Syncs : std::uint8_t { real, fast };
    explicit TestFs(Syncs syncs = Syncs::fast) : syncs_(syncs) {}

    int allocate(int fd, std::uint64_t bytes) override {
        ++allocations;
        is_allocation_held.wait(true);
        const int error = allocation_error;
        return error != 0 ? error : JournalFs::allocate(fd, bytes);
    }
    int sync(int fd) override {
        const int number = ++syncs;
        if (sync_error != 0 && number >= fail_from_sync) return sync_error;
        {
            std::unique_lock lock(mutex_);
            if (is_held_) {
                ++held_;
                changed_.notify_all();
                changed_.wait(lock, [&] { return !is_held_; });
                --held_;
            }
        }
        return syncs_ == Syncs::fast ? 0 : JournalFs::sync(fd);
    }
    int sync_directory(int fd) override {
        return syncs_ == Syncs::fast ? 0 : JournalFs::sync_directory(fd);
    }

    /// From now on no sync returns until release().
    void hold() {
        const std::lock_guard lock(mutex_);
        is_held_ = true;
    }
    void wait_until_held() {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return held_ > 0; }));
    }
    void release() {
        const std::lock_guard lock(mutex_);
        is_held_ = false;
        changed_.notify_all();
    }

    std::atomic<int> allocation_error{0}, sync_error{0}, fail_from_sync{0};
    std::atomic<int> allocations{0}, syncs{0};
    /// While true, allocations begin and do not end; call notify_all() on it after clearing it.
    std::atomic<bool> is_allocation_held{false};

  private:
    const Syncs syncs_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_held_ = false;
    int held_ = 0;
};

/// Gives other threads the processor until `condition` holds; false after a minute.
template <typename Condition>
bool eventually(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::yield();
    }
    return true;
}

/// A record without views into anything.
struct OwnedRecord {
    RecordKind kind{};
    Lsn at, end;
    RequestId id;
    UsageSource source{};
    Outcome outcome{};
    Usage usage;
    UtcMicros ended_at;
    std::string model;
};

inline OwnedRecord own(const JournalRecord& record) {
    OwnedRecord out{record.kind, record.at, record.end, {}, {}, {}, {}, {}, {}};
    if (record.kind == RecordKind::reserved) {
        out.id = record.reserved.id;
        out.model = record.reserved.model;
    } else if (record.kind == RecordKind::abandoned) {
        out.id = record.abandoned_id;
    } else {
        out.id = record.event.id;
        out.source = record.event.source;
        out.outcome = record.event.outcome;
        out.usage = record.event.usage;
        out.ended_at = record.event.ended_at;
        out.model = record.event.model;
    }
    return out;
}

struct ReadResult {
    std::vector<OwnedRecord> records;
    std::string error;  ///< empty: read to the end
};

inline ReadResult read_all(const std::string& directory, Lsn from = {}, Lsn limit = kNoLimit) {
    ReadResult out;
    auto reader = JournalReader::open(directory, from);
    if (!reader) {
        out.error = reader.error().text();
        return out;
    }
    for (JournalRecord record;;) {
        const Result<bool> more = (*reader)->next(&record, limit);
        if (!more) out.error = more.error().text();
        if (!more || !*more) return out;
        out.records.push_back(own(record));
    }
}

/// Waits for one journal record to be durable.
class TestWaiter final : public DurableWaiter {
  public:
    void on_durable(bool is_ok) noexcept override {
        const std::lock_guard lock(mutex_);
        (is_ok ? ok_ : failed_) += 1;
        changed_.notify_all();
    }
    /// True when it was told "durable", false when "failed"; the test fails when it hears nothing.
    bool wait() {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(
            changed_.wait_for(lock, std::chrono::seconds(60), [&] { return ok_ + failed_ > 0; }));
        return ok_ > 0;
    }
    int calls() {
        const std::lock_guard lock(mutex_);
        return ok_ + failed_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int ok_ = 0, failed_ = 0;
};

inline bool wait_durable(UsageJournal& journal, Lsn lsn) {
    TestWaiter waiter;
    journal.notify_when_durable(lsn, &waiter);
    return waiter.wait();
}

inline JournalOptions small_journal(const TempDirectory& dir) {
    JournalOptions options;
    options.directory = dir.path();
    options.segment_bytes = 64U << 10;
    return options;
}

inline std::unique_ptr<UsageJournal> must_open(const JournalOptions& options) {
    auto journal = UsageJournal::open(options);
    EXPECT_TRUE(journal.ok()) << (journal.ok() ? "" : journal.error().text());
    return journal.ok() ? std::move(journal).value() : nullptr;
}

/// reserve() of a journal with bursts larger than its small segments: waits while the next one is
/// being allocated.
inline Reservation must_reserve(UsageJournal& journal, const ReservedRecord& record) {
    for (const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);;) {
        auto reservation = journal.reserve(record);
        if (reservation.ok()) return *reservation;
        if (!journal.accepts_requests() || std::chrono::steady_clock::now() > deadline) {
            ADD_FAILURE() << reservation.error().text();
            return {};
        }
        std::this_thread::yield();
    }
}

/// What a kill -9 at this moment would leave: the files as they are, with nothing of `journal`'s
/// memory.
inline void copy_journal(const std::string& from, const std::string& to) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to);
}

using Bytes = std::vector<std::uint8_t>;

inline Bytes read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
inline void write_file(const std::string& path, const Bytes& bytes) {
    // A new file: ext4 syncs one that replaces its own content, which would make thousands of cases
    // slow.
    std::filesystem::remove(path);
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
}
inline std::string segment_file(const std::string& directory, std::uint32_t number) {
    return journal::segment_path(directory, number);
}

/// Rewrites a segment's state as if the last sync had been at `durable_end`.
inline void set_durable_end(Bytes& segment, std::uint32_t number, std::uint32_t durable_end) {
    journal::SegmentHeader header;
    std::uint32_t offset = 0;
    ASSERT_EQ(journal::parse_header(segment.data(), number, &header, &offset), nullptr);
    header.state.generation += 1;
    header.state.durable_end = durable_end;
    header.state.crc = journal::crc_of(header.state, number);
    std::memcpy(segment.data() + journal::kStateOffsets[header.state.generation % 2], &header.state,
                sizeof header.state);
}

}  // namespace tg
