#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/rng.h"

namespace tg {

/// One id for ever of a request, its event and every line made from it. The first 48 bits are UTC
/// milliseconds (as in UUID version 7, RFC 9562), so that an id tells where in time to look for its
/// event; the rest is random.
struct RequestId {
    std::uint64_t high = 0, low = 0;
    friend constexpr auto operator<=>(const RequestId&, const RequestId&) = default;

    std::int64_t time_ms() const { return static_cast<std::int64_t>(high >> 16); }
    /// "req_" and 32 hexadecimal digits.
    std::string text() const;
    static constexpr std::size_t kTextSize = 36;
    void write_text(char* out) const;  ///< exactly kTextSize characters
    static Result<RequestId> parse(std::string_view text);
};

class IdSource {
  public:
    virtual ~IdSource() = default;
    virtual RequestId next(UtcMicros now) = 0;
};

/// Ids of a process: seeded from the kernel unless a seed is given. One instance per thread.
class RandomIdSource final : public IdSource {
  public:
    RandomIdSource();
    explicit RandomIdSource(std::uint64_t seed) : rng_(seed) {}
    RequestId next(UtcMicros now) override;

  private:
    Rng rng_;
};

}  // namespace tg

template <>
struct std::hash<tg::RequestId> {
    std::size_t operator()(const tg::RequestId& id) const noexcept {
        return id.low ^ (id.high << 1);
    }
};
