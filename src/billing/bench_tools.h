#pragma once
// What the benchmark programs of billing share. Never included by product code.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "base/clock.h"
#include "base/result.h"

namespace tg {

[[noreturn]] inline void give_up(const Error& error) {
    std::fprintf(stderr, "bench: %s\n", error.text().c_str());
    std::exit(1);
}
template <typename T>
T must(Result<T> result) {
    if (!result.ok()) give_up(result.error());
    return std::move(result).value();
}

/// Time and processor time from its making on: on a machine that does other work, too, the second
/// says more.
class Stopwatch {
  public:
    void print(const char* what, std::int64_t events) const {
        const std::int64_t took_us = wall_us() - wall_us_, cpu = cpu_us() - cpu_us_;
        std::printf("%s events=%lld us=%lld cpu_us=%lld\n", what, static_cast<long long>(events),
                    static_cast<long long>(took_us), static_cast<long long>(cpu));
    }

  private:
    static std::int64_t wall_us() { return system_clock().monotonic_ns() / 1000; }
    static std::int64_t cpu_us() {
        timespec time{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return time.tv_sec * 1'000'000 + time.tv_nsec / 1000;
    }
    const std::int64_t wall_us_ = wall_us(), cpu_us_ = cpu_us();
};

}  // namespace tg
