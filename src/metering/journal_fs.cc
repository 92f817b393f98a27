#include "metering/journal_fs.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace tg {

int JournalFs::open(const char* path, int flags) {
    int fd = -1;
    do {
        fd = ::open(path, flags | O_CLOEXEC, 0640);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int JournalFs::allocate(int fd, std::uint64_t bytes) {
    int error = 0;
    do {
        error = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
    } while (error == EINTR);
    return error;
}

// A sync that failed is not repeated: the kernel may have dropped the dirty pages, and a second
// call would then report success for data that is lost.
int JournalFs::sync(int fd) {
    return ::fdatasync(fd) == 0 ? 0 : errno;
}

int JournalFs::sync_directory(int fd) {
    return ::fsync(fd) == 0 ? 0 : errno;
}

int JournalFs::truncate(int fd, std::uint64_t bytes) {
    int result = 0;
    do {
        result = ::ftruncate(fd, static_cast<off_t>(bytes));
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

JournalFs& real_journal_fs() {
    static JournalFs fs;
    return fs;
}

}  // namespace tg
