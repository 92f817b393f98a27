#include "app/hardening.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace tg {

Status forbid_core_dumps() {
    // The limit stops files only: a handler behind a pipe is called in spite of it (core(5)), but
    // not for a process that is not dumpable (PR_SET_DUMPABLE, prctl(2)).
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return fail(ErrorCode::io_error, std::string("core dumps cannot be forbidden: ") +
                                             std::strerror(errno) +
                                             "; set security.core_dumps: on to start without");
    }
    return {};
}

}  // namespace tg
