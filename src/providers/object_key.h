#pragma once
#include <cstdint>
#include <string_view>

#include "base/hash.h"

namespace tg {

/// What the gate remembers of the id of an object that a provider keeps (a stored response, a
/// conversation, a file): enough to know it again, for as long as the process lives. Never 0.
inline std::uint64_t object_key(std::string_view id) {
    return hash64(id) | 1;
}

}  // namespace tg
