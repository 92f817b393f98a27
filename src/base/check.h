#pragma once

namespace tg::detail {
[[noreturn]] void assert_failed(const char* condition, const char* file, int line);
}

/// A broken invariant: continuing would corrupt money. Always on; aborts. Never for input, provider
/// replies or disk content.
#define TG_ASSERT(condition)                                             \
    do {                                                                 \
        if (!(condition)) [[unlikely]]                                   \
            ::tg::detail::assert_failed(#condition, __FILE__, __LINE__); \
    } while (false)

/// Costly checks, on in debug and sanitizer builds only.
#ifdef TG_DEBUG
#define TG_DCHECK(condition) TG_ASSERT(condition)
#else
#define TG_DCHECK(condition) \
    do {                     \
    } while (false)
#endif
