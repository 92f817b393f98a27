#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

namespace tg {

/// Which deployment keeps an object that later calls speak of: a stored response, a conversation, a
/// file. Learned from answers and bounded: what is not known here any more (a restart, another
/// process of the fleet) is found by asking one account after the other. Thread-safe, without locks
/// after the first note.
class ObjectHomes {
  public:
    /// `object`: object_key(); `home`: Deployment::home_tag.
    void note(std::uint64_t object, std::uint16_t home);
    std::optional<std::uint16_t> find(std::uint64_t object) const;

  private:
    // Of each key the high 48 bits, and the home; the two newest of those that share a place.
    static constexpr std::size_t kPlaces = 1U << 17;
    using Place = std::array<std::atomic<std::uint64_t>, 2>;

    std::once_flag is_made_;
    std::unique_ptr<Place[]> owned_;  ///< 2 MB, for those who store at all
    std::atomic<Place*> places_{nullptr};
};

}  // namespace tg
