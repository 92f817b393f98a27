#include "gateway/object_homes.h"

namespace tg {
namespace {

constexpr std::uint64_t kHomeMask = 0xffff;

}  // namespace

void ObjectHomes::note(std::uint64_t object, std::uint16_t home) {
    std::call_once(is_made_, [this] {
        owned_ = std::make_unique<Place[]>(kPlaces);
        places_.store(owned_.get(), std::memory_order_release);
    });
    const std::uint64_t entry = (object & ~kHomeMask) | home;
    Place& place = places_.load(std::memory_order_acquire)[object % kPlaces];
    const std::uint64_t first = place[0].load(std::memory_order_relaxed);
    if (first == entry) return;
    if ((first & ~kHomeMask) != (object & ~kHomeMask))
        place[1].store(first, std::memory_order_relaxed);
    place[0].store(entry, std::memory_order_relaxed);
}

std::optional<std::uint16_t> ObjectHomes::find(std::uint64_t object) const {
    const Place* const places = places_.load(std::memory_order_acquire);
    if (places == nullptr) return std::nullopt;
    for (const std::atomic<std::uint64_t>& entry : places[object % kPlaces]) {
        const std::uint64_t known = entry.load(std::memory_order_relaxed);
        if (known != 0 && (known & ~kHomeMask) == (object & ~kHomeMask))
            return static_cast<std::uint16_t>(known & kHomeMask);
    }
    return std::nullopt;
}

}  // namespace tg
