#include "app/hardening.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tg {
namespace {

TEST(HardeningTest, a_process_that_dies_leaves_no_core) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (!forbid_core_dumps().ok()) ::_exit(1);
        rlimit limit{};
        if (::getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur != 0 || limit.rlim_max != 0)
            ::_exit(2);
        if (::prctl(PR_GET_DUMPABLE) != 0) ::_exit(3);
        ::abort();
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    EXPECT_FALSE(WCOREDUMP(status));
}

}  // namespace
}  // namespace tg
