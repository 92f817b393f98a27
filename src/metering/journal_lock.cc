#include "metering/internal/journal_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

namespace tg::journal {

Result<JournalLock> JournalLock::take(const std::string& directory) {
    const std::string path = directory + "/journal.lock";
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
    if (fd.get() < 0) return fail(io_error("cannot open", path, errno));
    int result = 0;
    do {
        result = ::flock(fd.get(), LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno != EWOULDBLOCK) return fail(io_error("cannot lock", path, errno));
    if (result != 0) {
        char text[32] = {};
        TG_TRY(const std::size_t size, read_at(fd.get(), path, text, sizeof text - 1, 0));
        std::string_view holder(text, size);
        holder = holder.substr(0, holder.find('\n'));
        return fail(ErrorCode::conflict,
                    "the journal in '" + directory + "' is in use by " +
                        (holder.empty() ? "another process" : "process " + std::string(holder)) +
                        "; stop that process, or give this one a journal directory of its own");
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    // Shortened after writing, not emptied before: ext4 syncs a file that was emptied and written
    // anew.
    if (::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()) ||
        ::ftruncate(fd.get(), static_cast<off_t>(pid.size())) != 0) {
        return fail(io_error("cannot write", path, errno));
    }
    return JournalLock(std::move(fd));
}

}  // namespace tg::journal
