#include "base/ids.h"

#include "base/hash.h"

namespace tg {

void RequestId::write_text(char* out) const {
    std::memcpy(out, "req_", 4);
    write_hex(high, out + 4);
    write_hex(low, out + 20);
}

std::string RequestId::text() const {
    std::string out(kTextSize, '\0');
    write_text(out.data());
    return out;
}

Result<RequestId> RequestId::parse(std::string_view text) {
    RequestId id;
    if (text.size() != kTextSize || !text.starts_with("req_") ||
        !read_hex(text.substr(4, 16), &id.high) || !read_hex(text.substr(20, 16), &id.low)) {
        return fail(ErrorCode::invalid_request,
                    "'" + std::string(text.substr(0, 60)) +
                        "' is not a request id; it looks like req_ and 32 hex digits");
    }
    return id;
}

RandomIdSource::RandomIdSource()
    : rng_([] {
          std::uint64_t seed = 0;
          fill_secure_random(&seed, sizeof seed);
          return seed;
      }()) {}

RequestId RandomIdSource::next(UtcMicros now) {
    const auto ms = static_cast<std::uint64_t>(now.micros / 1000);
    return {ms << 16 | (rng_.next() & 0xffff), rng_.next()};
}

}  // namespace tg
