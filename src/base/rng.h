#pragma once
#include <cstddef>
#include <cstdint>

namespace tg {

/// Fast, seedable, not secret: jitter, sampling, simulated faults. xoshiro256** seeded by
/// splitmix64 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018).
class Rng {
  public:
    explicit Rng(std::uint64_t seed);
    std::uint64_t next();
    /// Uniform in [0, bound); bound > 0.
    std::uint64_t below(std::uint64_t bound);
    /// True `per_mille` times in a thousand.
    bool chance_per_mille(std::uint32_t per_mille) { return below(1000) < per_mille; }

  private:
    std::uint64_t state_[4];
};

/// Bytes from the kernel's generator, for keys and ids. Aborts when the kernel has none to give.
void fill_secure_random(void* out, std::size_t bytes);

}  // namespace tg
