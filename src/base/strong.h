#pragma once
#include <compare>
#include <cstdint>
#include <functional>

namespace tg {

/// A number that cannot be mistaken for another kind of number. Arithmetic is explicit through
/// get().
template <typename Tag, typename Rep>
class Strong {
  public:
    using rep = Rep;
    constexpr Strong() = default;
    constexpr explicit Strong(Rep value) : value_(value) {}
    constexpr Rep get() const { return value_; }
    constexpr explicit operator bool() const { return value_ != Rep{}; }
    friend constexpr auto operator<=>(Strong, Strong) = default;

  private:
    Rep value_{};
};

/// Row ids of the organisation. 0 is "none".
using CustomerId = Strong<struct CustomerIdTag, std::uint32_t>;
using ProjectId = Strong<struct ProjectIdTag, std::uint32_t>;
using KeyId = Strong<struct KeyIdTag, std::uint32_t>;

/// Which version of the price book priced an event. 0 is "none".
using PriceVersionId = Strong<struct PriceVersionIdTag, std::uint32_t>;

}  // namespace tg

template <typename Tag, typename Rep>
struct std::hash<tg::Strong<Tag, Rep>> {
    std::size_t operator()(tg::Strong<Tag, Rep> id) const noexcept {
        return std::hash<Rep>{}(id.get());
    }
};
