#include "sim/byte_source.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "sim/plan.h"

namespace tg::sim {
namespace {

std::string make_noise() {
    Dice dice(0x6e6f697365);
    std::string out(2 * kNoiseBytes, '\0');
    for (std::size_t i = 0; i < out.size(); i += 8) {
        const std::uint64_t word = dice.next();
        std::memcpy(out.data() + i, &word, 8);
    }
    return out;
}

}  // namespace

std::string_view noise(std::uint64_t hash, std::size_t size) {
    static const std::string kNoise = make_noise();
    return std::string_view(kNoise).substr(hash % kNoiseBytes, std::min(size, kNoiseBytes));
}

bool ByteSource::next(std::vector<std::string_view>* pieces) {
    if (at_ == total_) return false;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes_, total_ - at_));
    pieces->push_back(noise(hash_ + at_, size));
    at_ += size;
    return true;
}

std::int64_t ByteSource::generated() const {
    if (at_ == total_) return tokens_;
    return static_cast<std::int64_t>(static_cast<unsigned __int128>(tokens_) * at_ / total_);
}

}  // namespace tg::sim
