#include "tokens/tokenizer.h"

#include <simdjson.h>

#include <array>

#include "base/check.h"
#include "tokens/internal/merge.h"
#include "tokens/internal/piece_scanner.h"
#include "tokens/internal/utf8_repair.h"
#include "tokens/internal/vocabulary.h"

extern "C" const std::uint8_t kTgVocabularyO200k[];
extern "C" const std::uint8_t kTgVocabularyCl100k[];

namespace tg {

namespace {

using bpe::Byte;

// Text up to this size that had to be repaired leaves its buffer to the thread's next repair.
constexpr std::size_t kRepairBytesKept = 256 << 10;

template <Encoding kEncoding>
class BpeTokenizer final : public Tokenizer {
  public:
    explicit BpeTokenizer(const Byte* image) : vocabulary_(image) {}

    std::int64_t count(std::string_view text) const override {
        std::int64_t total = 0;
        with_valid_utf8(text, [&](std::string_view valid) {
            for_each_piece(valid, [&](const Byte* p, std::size_t n) {
                total += static_cast<std::int64_t>(count_piece(p, n));
            });
        });
        return total;
    }

    void encode(std::string_view text, std::vector<std::uint32_t>* ids) const override {
        with_valid_utf8(text, [&](std::string_view valid) {
            for_each_piece(valid, [&](const Byte* p, std::size_t n) { encode_piece(p, n, ids); });
        });
    }

    std::size_t vocabulary_size() const override { return vocabulary_.size(); }

    std::string_view token_bytes(std::uint32_t id) const override {
        return id < vocabulary_.size() ? vocabulary_.token(id) : std::string_view();
    }

  private:
    template <typename Use>
    static void with_valid_utf8(std::string_view text, Use use) {
        if (simdjson::validate_utf8(text.data(), text.size())) [[likely]] {
            use(text);
            return;
        }
        thread_local std::string repaired;
        bpe::repair_utf8(text, &repaired);
        use(repaired);
        if (repaired.capacity() > kRepairBytesKept) repaired = std::string();
    }

    template <typename Use>
    static void for_each_piece(std::string_view text, Use use) {
        const auto* p = reinterpret_cast<const Byte*>(text.data());
        const Byte* const end = p + text.size();
        while (p != end) {
            const Byte* const piece_end = bpe::skip_piece<kEncoding>(p, end);
            use(p, static_cast<std::size_t>(piece_end - p));
            p = piece_end;
        }
    }

    std::size_t count_piece(const Byte* p, std::size_t n) const {
        if (vocabulary_.find(p, n) != bpe::kEmptySlot) [[likely]]
            return 1;
        if (n > bpe::kShortBytesMax) return bpe::merge_long(vocabulary_, p, n, nullptr);
        std::array<bpe::TokenId, bpe::kShortBytesMax> merged;
        return bpe::merge_short(vocabulary_, p, n, merged.data());
    }

    void encode_piece(const Byte* p, std::size_t n, std::vector<std::uint32_t>* ids) const {
        if (const bpe::TokenId id = vocabulary_.find(p, n); id != bpe::kEmptySlot) [[likely]] {
            ids->push_back(id);
            return;
        }
        if (n > bpe::kShortBytesMax) {
            bpe::merge_long(vocabulary_, p, n, ids);
            return;
        }
        std::array<bpe::TokenId, bpe::kShortBytesMax> merged;
        const std::size_t count = bpe::merge_short(vocabulary_, p, n, merged.data());
        ids->insert(ids->end(), merged.begin(),
                    merged.begin() + static_cast<std::ptrdiff_t>(count));
    }

    bpe::Vocabulary vocabulary_;
};

}  // namespace

std::string_view name(Encoding encoding) {
    return encoding == Encoding::o200k_base ? "o200k_base" : "cl100k_base";
}

const Tokenizer& tokenizer(Encoding encoding) {
    static const BpeTokenizer<Encoding::o200k_base> kO200k(kTgVocabularyO200k);
    static const BpeTokenizer<Encoding::cl100k_base> kCl100k(kTgVocabularyCl100k);
    if (encoding == Encoding::o200k_base) return kO200k;
    return kCl100k;
}

}  // namespace tg
