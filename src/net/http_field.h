#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tg {

bool equals_ignoring_case(std::string_view text, std::string_view lower);

/// A number for a field name, the same in any case. Made from the name's first and last eight bytes
/// and its length, so that a parser gets it for a handful of instructions; different names may
/// share one, so equality is still asked.
constexpr std::uint32_t field_hash_of(std::uint64_t first, std::uint64_t last, std::size_t size) {
    constexpr std::uint64_t kLower = 0x2020202020202020, kFirst = 0x9e3779b97f4a7c15,
                            kLast = 0xc2b2ae3d27d4eb4f;
    const std::uint64_t mixed = (first | kLower) * kFirst + (last | kLower) * kLast + size;
    return static_cast<std::uint32_t>(mixed >> 32);
}

/// Of a name anywhere in memory.
constexpr std::uint32_t field_hash(std::string_view name) {
    const auto pack = [](std::string_view part) {
        std::uint64_t out = 0;
        for (std::size_t i = part.size(); i-- > 0;)
            out = out << 8 | static_cast<unsigned char>(part[i]);
        return out;
    };
    if (name.size() < 8) return field_hash_of(0, pack(name), name.size());
    return field_hash_of(pack(name.substr(0, 8)), pack(name.substr(name.size() - 8)), name.size());
}

/// A field's name in lower case, as code asks for it.
struct FieldName {
    // NOLINTNEXTLINE(google-explicit-constructor): head.find("host") must work, and cost nothing at
    // run time
    consteval FieldName(const char* lower) : text(lower), hash(field_hash(text)) {}
    // NOLINTNEXTLINE(google-explicit-constructor)
    constexpr FieldName(std::string_view lower) : text(lower), hash(field_hash(lower)) {}
    std::string_view text;
    std::uint32_t hash;
};

/// A fixed set of field names, looked up by hash.
template <std::size_t N>
class FieldSet {
  public:
    consteval explicit FieldSet(const std::array<std::string_view, N>& lower_names) {
        for (const std::string_view name : lower_names) {
            std::size_t at = slot(field_hash(name));
            while (!slots_[at].empty()) at = (at + 1) % kSlots;
            slots_[at] = name;
        }
    }
    bool contains(std::string_view name, std::uint32_t hash) const {
        for (std::size_t at = slot(hash); !slots_[at].empty(); at = (at + 1) % kSlots)
            if (equals_ignoring_case(name, slots_[at])) return true;
        return false;
    }

  private:
    // A quarter full: most names that are not in it find an empty slot at once.
    static constexpr std::size_t kSlots = [] {
        std::size_t out = 1;
        while (out < 4 * N) out *= 2;
        return out;
    }();
    static constexpr std::size_t slot(std::uint32_t hash) { return hash % kSlots; }
    std::array<std::string_view, kSlots> slots_{};
};

}  // namespace tg
