#pragma once
#include <cstdint>
#include <string_view>

#include "sim/event_source.h"

namespace tg::sim {

/// `size` bytes of noise that depend on `hash` alone; size at most kNoiseBytes.
std::string_view noise(std::uint64_t hash, std::size_t size);
inline constexpr std::size_t kNoiseBytes = 64 * 1024;

/// A binary answer of any size: noise, without holding it.
class ByteSource final : public EventSource {
  public:
    /// `tokens` is what generated() says when all bytes are out.
    ByteSource(std::uint64_t total, std::uint64_t hash, std::int64_t tokens,
               std::size_t piece_bytes)
        : total_(total), hash_(hash), tokens_(tokens), piece_bytes_(piece_bytes) {}

    bool next(std::vector<std::string_view>* pieces) override;
    std::int64_t generated() const override;

  private:
    std::uint64_t total_, hash_, at_ = 0;
    std::int64_t tokens_;
    std::size_t piece_bytes_;
};

}  // namespace tg::sim
