#include "base/rng.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>

#include "base/check.h"
#include "base/money.h"

namespace tg {

Rng::Rng(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
        seed += 0x9e3779b97f4a7c15ULL;
        std::uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        word = z ^ (z >> 31);
    }
}

std::uint64_t Rng::next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

std::uint64_t Rng::below(std::uint64_t bound) {
    TG_ASSERT(bound > 0);
    return static_cast<std::uint64_t>(static_cast<uint128>(next()) * bound >> 64);
}

void fill_secure_random(void* out, std::size_t bytes) {
    auto* at = static_cast<unsigned char*>(out);
    while (bytes > 0) {
        const ssize_t n = ::getrandom(at, bytes, 0);
        if (n < 0 && errno == EINTR) continue;
        TG_ASSERT(n > 0);
        at += n;
        bytes -= static_cast<std::size_t>(n);
    }
}

}  // namespace tg
