#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

// The form in which a vocabulary stands in the binary: finished tables that are used where they
// lie, so that nothing is built, copied or allocated at start and all processes share the pages.
// tools/build_vocab writes it, Vocabulary reads it.
namespace tg::bpe {

static_assert(std::endian::native == std::endian::little, "the image is little-endian");

using TokenId = std::uint32_t;

inline constexpr int kIdBits = 18;
inline constexpr std::uint32_t kIdMask = (1U << kIdBits) - 1;
inline constexpr std::uint32_t kEmptySlot = ~0U;
inline constexpr std::uint64_t kEmptyPair = ~0ULL;
inline constexpr std::size_t kTokenBytesMax = 128;  ///< the longest token of either vocabulary
inline constexpr std::array<char, 8> kImageMagic{'T', 'G', 'V', 'O', 'C', '0', '0', '2'};

/// Start of the image; the sections follow it in this order, each aligned to 64 bytes.
struct ImageHeader {
    std::array<char, 8> magic;
    std::uint32_t token_count;
    std::uint32_t token_bytes;  ///< of all tokens together
    std::uint32_t piece_slots;
    std::uint32_t pair_slots;
    std::uint32_t
        offsets_at;  ///< u32[token_count + 1]: token t is bytes [offsets[t], offsets[t+1])
    std::uint32_t bytes_at;
    std::uint32_t pieces_at;  ///< u32[piece_slots]: hash tag << 18 | id; linear probing
    std::uint32_t pairs_at;  ///< u64[pair_slots]: left << 36 | right << 18 | merged; linear probing
    std::uint32_t byte_ids_at;    ///< u32[256]: the id of each single byte
    std::uint32_t byte_pairs_at;  ///< u32[65536]: what two bytes merge to, by first << 8 | second
    std::uint32_t size;
};
static_assert(sizeof(ImageHeader) == 52, "format 002");

inline std::uint64_t load64(const std::uint8_t* p) {
    std::uint64_t value;
    std::memcpy(&value, p, sizeof value);
    return value;
}
inline std::uint64_t load32(const std::uint8_t* p) {
    std::uint32_t value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

/// A string of up to 16 bytes as two words. Together with the length they are the string: two
/// strings of one length are equal exactly when both words are.
struct ShortKey {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    bool operator==(const ShortKey&) const = default;
};
inline ShortKey short_key(const std::uint8_t* p, std::size_t n) {
    if (n >= 8) return {load64(p), load64(p + n - 8)};
    if (n >= 4) return {load32(p), load32(p + n - 4)};
    return {static_cast<std::uint64_t>(p[0]) | static_cast<std::uint64_t>(p[n >> 1]) << 8 |
                static_cast<std::uint64_t>(p[n - 1]) << 16,
            0};
}

/// Folds a 128-bit product: every bit of the result depends on every bit of both factors.
inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline constexpr std::uint64_t kSaltA = 0x9e3779b97f4a7c15ULL;
inline constexpr std::uint64_t kSaltB = 0xd1b54a32d192ed03ULL;

inline std::uint64_t short_hash(ShortKey key, std::size_t n) {
    return mix(key.a ^ kSaltA, key.b ^ kSaltB ^ n);
}
/// Of a piece of 17 or more bytes.
inline std::uint64_t long_hash(const std::uint8_t* p, std::size_t n) {
    std::uint64_t hash = n;
    std::size_t at = 0;
    for (; at + 16 < n; at += 16) {
        hash = mix(load64(p + at) ^ kSaltA ^ hash, load64(p + at + 8) ^ kSaltB);
    }
    return mix(load64(p + n - 16) ^ kSaltA ^ hash, load64(p + n - 8) ^ kSaltB);
}
inline std::uint64_t piece_hash(const std::uint8_t* p, std::size_t n) {
    return n <= 16 ? short_hash(short_key(p, n), n) : long_hash(p, n);
}

/// Slot 0..slots-1 from the high half of a hash; the tag comes from the low half.
inline std::uint32_t home_slot(std::uint64_t hash, std::uint32_t slots) {
    return static_cast<std::uint32_t>(((hash >> 32) * slots) >> 32);
}
inline std::uint32_t piece_tag(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash) << kIdBits;
}

inline std::uint64_t pair_key(TokenId left, TokenId right) {
    return static_cast<std::uint64_t>(left) << kIdBits | right;
}
inline std::uint64_t pair_hash(std::uint64_t key) {
    return key * kSaltA;
}

/// Unicode classes that the splitting expressions tell apart. The order matters: upper, lower and
/// caseless are the letters.
enum class CharClass : std::uint8_t {
    other,
    space,     ///< White_Space, as Rust's \s: U+0085 is in it, U+FEFF and U+200B are not
    number,    ///< \p{N}
    mark,      ///< \p{M}
    upper,     ///< \p{Lu} \p{Lt}
    lower,     ///< \p{Ll}
    caseless,  ///< \p{Lm} \p{Lo}
};

inline constexpr std::uint32_t kCodePoints = 0x110000;
inline constexpr int kClassBlockBits = 7;
inline constexpr std::uint32_t kClassBlocks = kCodePoints >> kClassBlockBits;

/// The table of classes: u8[kClassBlocks] block numbers, then the distinct blocks of 128 classes
/// each.
inline CharClass class_in_table(const std::uint8_t* table, char32_t code_point) {
    const std::uint32_t block = table[code_point >> kClassBlockBits];
    const std::uint32_t inside = code_point & ((1U << kClassBlockBits) - 1);
    return static_cast<CharClass>(table[kClassBlocks + (block << kClassBlockBits) + inside]);
}

}  // namespace tg::bpe
