#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace tg::detail {

void assert_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "tollgate: invariant broken: %s at %s:%d\n", condition, file, line);
    std::abort();
}

}  // namespace tg::detail
