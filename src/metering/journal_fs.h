#pragma once
#include <cstdint>

namespace tg {

/// What the journal asks of the file system, as a seam for tests: a full disk, a failing sync, a
/// count of syncs. Every call returns 0 or an errno value, open() a descriptor or a negated errno
/// value. Thread-safe. Blocking.
class JournalFs {
  public:
    virtual ~JournalFs() = default;
    /// As open(2), with O_CLOEXEC and mode 0640.
    virtual int open(const char* path, int flags);
    /// Makes the file at least `bytes` long (whole pages of 4096) with its blocks allocated and
    /// zero behind what it holds, which stays.
    virtual int allocate(int fd, std::uint64_t bytes);
    /// Puts the file's data, and what is needed to find it again, on stable storage.
    virtual int sync(int fd);
    virtual int sync_directory(int fd);
    virtual int truncate(int fd, std::uint64_t bytes);
};

/// The machine's file system.
JournalFs& real_journal_fs();

}  // namespace tg
