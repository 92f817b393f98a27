#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tg {

/// CRC-32C (Castagnoli), as in RFC 3720 appendix B.4. `seed` continues an earlier call's result.
std::uint32_t crc32c(const void* data, std::size_t size, std::uint32_t seed = 0);

using Sha256 = std::array<std::uint8_t, 32>;
Sha256 sha256(std::string_view data);

/// 64-bit hash for tables in memory: fast, seeded, not for disk or secrets.
std::uint64_t hash64(std::string_view data, std::uint64_t seed = 0);

std::string hex(const void* data, std::size_t size);
void write_hex(std::uint64_t value, char* out);                ///< 16 lower-case digits
bool read_hex(std::string_view digits, std::uint64_t* value);  ///< exactly 16 digits
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace tg
