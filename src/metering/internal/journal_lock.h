#pragma once
#include <string>

#include "metering/internal/segment.h"

namespace tg::journal {

/// Holds `directory`/journal.lock while it lives; the file tells the holder's pid. The kernel lets
/// go of it when the process ends, however it ends.
class JournalLock {
  public:
    /// Errors: io_error; conflict naming the process that holds it.
    static Result<JournalLock> take(const std::string& directory);

  private:
    explicit JournalLock(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

}  // namespace tg::journal
