#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tg {

/// A part of an event that differs from one event of a stream to the next.
struct EventHole {
    enum class Kind : std::uint8_t {
        text,    ///< inside of a string that is delivered text
        string,  ///< inside of a string that means nothing here
        digits,  ///< a number that means nothing here
    };
    std::uint32_t begin = 0, end = 0;
    Kind kind = Kind::text;
};
inline constexpr std::size_t kEventHolesMax = 4;

/// The last event of a stream, as literal bytes with holes. Most events of a stream equal the one
/// before but for a few characters of text; such an event is known by comparing bytes, without
/// reading its JSON again. Because everything outside the holes is the same to the byte, and a hole
/// is filled by one token of the same kind, it means what the event before meant.
class EventTemplate {
  public:
    struct Match {
        std::array<std::string_view, kEventHolesMax> filled;
        std::size_t cut_begin = 0, cut_end = 0;  ///< where the template's cut lies in this event
    };
    static constexpr std::size_t kSizeMax = 1024;

    bool is_set() const { return !bytes_.empty(); }
    void clear() { bytes_.clear(); }
    /// `holes` in ascending order, inside `event`, which ends with LF. [cut_begin, cut_end) lies
    /// between holes.
    void set(std::string_view event, const EventHole* holes, std::size_t count,
             std::size_t cut_begin, std::size_t cut_end);
    /// The size of the event at `p` when it is like the template, else 0.
    std::size_t match(const char* p, const char* end, Match* out) const;
    std::size_t hole_count() const { return count_; }
    EventHole::Kind kind(std::size_t hole) const { return holes_[hole].kind; }

  private:
    std::string bytes_;
    std::array<EventHole, kEventHolesMax> holes_{};
    std::uint32_t cut_begin_ = 0, cut_end_ = 0;
    std::uint8_t count_ = 0;
};

}  // namespace tg
