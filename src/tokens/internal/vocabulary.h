#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "tokens/internal/vocab_image.h"

namespace tg::bpe {

using Byte = std::uint8_t;

/// Reads an image in place; copies of it are cheap and stay valid as long as the image.
class Vocabulary {
  public:
    explicit Vocabulary(const Byte* image) {
        ImageHeader header;
        std::memcpy(&header, image, sizeof header);
        TG_ASSERT(header.magic == kImageMagic);
        token_count_ = header.token_count;
        piece_slots_ = header.piece_slots;
        pair_slots_ = header.pair_slots;
        offsets_ = reinterpret_cast<const std::uint32_t*>(image + header.offsets_at);
        bytes_ = image + header.bytes_at;
        pieces_ = reinterpret_cast<const std::uint32_t*>(image + header.pieces_at);
        pairs_ = reinterpret_cast<const std::uint64_t*>(image + header.pairs_at);
        byte_ids_ = reinterpret_cast<const std::uint32_t*>(image + header.byte_ids_at);
        byte_pairs_ = reinterpret_cast<const std::uint32_t*>(image + header.byte_pairs_at);
        TG_ASSERT(offsets_[token_count_] == header.token_bytes);
    }

    std::uint32_t size() const { return token_count_; }
    TokenId byte_id(Byte byte) const { return byte_ids_[byte]; }
    std::string_view token(TokenId id) const {
        return {reinterpret_cast<const char*>(bytes_ + offsets_[id]),
                offsets_[id + 1] - offsets_[id]};
    }

    /// The token that is exactly these n > 0 bytes, or kEmptySlot.
    TokenId find(const Byte* p, std::size_t n) const {
        if (n > 16) [[unlikely]]
            return find_long(p, n);
        const ShortKey key = short_key(p, n);
        const std::uint64_t hash = short_hash(key, n);
        return find_slot(hash, [&](const Byte* token, std::size_t size) {
            return size == n && short_key(token, n) == key;
        });
    }

    /// The same as merged() of two single bytes, from a table small enough to stay in cache.
    TokenId merged_bytes(Byte left, Byte right) const { return byte_pairs_[left << 8 | right]; }

    /// The token that merging these neighbours makes, or kEmptySlot. Its id is the merge's rank:
    /// lower goes first.
    TokenId merged(TokenId left, TokenId right) const {
        const std::uint64_t key = pair_key(left, right);
        for (std::uint32_t slot = home_slot(pair_hash(key), pair_slots_);;) {
            const std::uint64_t pair = pairs_[slot];
            if (pair >> kIdBits == key) return static_cast<TokenId>(pair) & kIdMask;
            if (pair == kEmptyPair) return kEmptySlot;
            if (++slot == pair_slots_) slot = 0;
        }
    }

    /// Fetches what merged() will look at first.
    void prefetch_merged(TokenId left, TokenId right) const {
        __builtin_prefetch(pairs_ + home_slot(pair_hash(pair_key(left, right)), pair_slots_));
    }

  private:
    TokenId find_long(const Byte* p, std::size_t n) const {
        if (n > kTokenBytesMax) return kEmptySlot;
        return find_slot(long_hash(p, n), [&](const Byte* token, std::size_t size) {
            return size == n && std::memcmp(token, p, n) == 0;
        });
    }

    template <typename IsEqual>
    TokenId find_slot(std::uint64_t hash, IsEqual is_equal) const {
        const std::uint32_t tag = piece_tag(hash);
        for (std::uint32_t slot = home_slot(hash, piece_slots_);;) {
            const std::uint32_t entry = pieces_[slot];
            if (entry == kEmptySlot) return kEmptySlot;
            if ((entry & ~kIdMask) == tag) {
                const TokenId id = entry & kIdMask;
                const std::uint32_t start = offsets_[id];
                if (is_equal(bytes_ + start, offsets_[id + 1] - start)) return id;
            }
            if (++slot == piece_slots_) slot = 0;
        }
    }

    const std::uint32_t* offsets_;
    const Byte* bytes_;
    const std::uint32_t* pieces_;
    const std::uint64_t* pairs_;
    const std::uint32_t* byte_ids_;
    const std::uint32_t* byte_pairs_;
    std::uint32_t token_count_;
    std::uint32_t piece_slots_;
    std::uint32_t pair_slots_;
};

}  // namespace tg::bpe
