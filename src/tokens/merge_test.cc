#include "tokens/internal/merge.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tokens/tokenizer.h"

extern "C" const std::uint8_t kTgVocabularyO200k[];
extern "C" const std::uint8_t kTgVocabularyCl100k[];

#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define TG_COUNTS_ALLOCATIONS 1
namespace {
std::atomic<std::uint64_t> allocations{0};
}
void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
#endif

namespace tg::bpe {
namespace {

using Ids = std::vector<TokenId>;

const Vocabulary& vocabulary(Encoding encoding) {
    static const Vocabulary kO200k(kTgVocabularyO200k);
    static const Vocabulary kCl100k(kTgVocabularyCl100k);
    return encoding == Encoding::o200k_base ? kO200k : kCl100k;
}

const Byte* bytes(const std::string& text) {
    return reinterpret_cast<const Byte*>(text.data());
}

// Merging as tiktoken defines it, word for word: of all neighbours whose joined bytes are a token,
// the lowest rank, leftmost first.
Ids merge_by_definition(const Vocabulary& vocabulary, const std::string& text) {
    std::vector<std::string> parts;
    for (const char c : text) parts.emplace_back(1, c);
    for (;;) {
        TokenId best = kEmptySlot;
        std::size_t best_at = 0;
        for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
            const std::string joined = parts[i] + parts[i + 1];
            const TokenId id = vocabulary.find(bytes(joined), joined.size());
            if (id < best) {
                best = id;
                best_at = i;
            }
        }
        if (best == kEmptySlot) break;
        parts[best_at] += parts[best_at + 1];
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
    }
    Ids ids;
    for (const std::string& part : parts) ids.push_back(vocabulary.find(bytes(part), part.size()));
    return ids;
}

Ids merge_long_ids(const Vocabulary& vocabulary, const std::string& text, Window window,
                   MergeWork* work = nullptr) {
    Ids ids;
    const std::size_t count = merge_long(vocabulary, bytes(text), text.size(), &ids, window, work);
    EXPECT_EQ(count, ids.size());
    EXPECT_EQ(merge_long(vocabulary, bytes(text), text.size(), nullptr, window), count);
    return ids;
}

// A text over a small alphabet, where merges overlap and windows have many ways to meet.
rc::Gen<std::string> run_text(std::size_t size_max) {
    static const std::vector<std::string> kAlphabets{"a",
                                                     "ab",
                                                     " ",
                                                     " \t",
                                                     "=-",
                                                     "aA",
                                                     "etaoinshr",
                                                     "\xe4\xb8\xad\xe6\x96\x87",
                                                     "abcdefghijklmnopqrstuvwxyz",
                                                     "0 =\n"};
    return rc::gen::mapcat(rc::gen::elementOf(kAlphabets), [size_max](const std::string& alphabet) {
        return rc::gen::mapcat(
            rc::gen::inRange<std::size_t>(1, size_max), [alphabet](std::size_t size) {
                return rc::gen::container<std::string>(size, rc::gen::elementOf(alphabet));
            });
    });
}

RC_GTEST_PROP(Merge, short_pieces_merge_as_defined, ()) {
    const std::string text = *run_text(kShortBytesMax + 1);
    for (const Encoding encoding : {Encoding::o200k_base, Encoding::cl100k_base}) {
        Ids ids(text.size());
        ids.resize(merge_short(vocabulary(encoding), bytes(text), text.size(), ids.data()));
        RC_ASSERT(ids == merge_by_definition(vocabulary(encoding), text));
    }
}

// given windows so small that tokens are as long as the overlap, then the ids are still those of
// the definition
RC_GTEST_PROP(Merge, windows_join_as_defined, ()) {
    const std::string text = *run_text(400);
    const std::size_t overlap = *rc::gen::inRange<std::size_t>(1, 24);
    const std::size_t window = overlap + *rc::gen::inRange<std::size_t>(1, 40);
    for (const Encoding encoding : {Encoding::o200k_base, Encoding::cl100k_base}) {
        RC_ASSERT(merge_long_ids(vocabulary(encoding), text, {window, overlap}) ==
                  merge_by_definition(vocabulary(encoding), text));
    }
}

TEST(Merge, enlarges_a_window_in_which_no_token_fits) {
    const std::string text(1000, ' ');
    MergeWork work;
    EXPECT_EQ(merge_long_ids(vocabulary(Encoding::o200k_base), text, {8, 2}, &work),
              merge_by_definition(vocabulary(Encoding::o200k_base), text));
    EXPECT_GT(work.enlarged, 0U);
}

std::string unbroken(const std::string& unit, std::size_t size) {
    std::string text;
    while (text.size() < size) text += unit;
    text.resize(size);
    return text;
}

std::string random_letters(std::size_t size) {
    Rng rng(20260317);
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text.push_back(static_cast<char>('a' + rng.below(26)));
    return text;
}

// given runs without a break of growing length, then the work grows as the length does and the
// memory does not grow
TEST(Merge, long_runs_cost_linear_work_and_constant_memory) {
    const std::size_t sizes[] = {20'000, 200'000, 1'000'000};
    for (const Encoding encoding : {Encoding::o200k_base, Encoding::cl100k_base}) {
        for (const std::string& unit :
             {std::string("a"), std::string("ab"), std::string(" "), std::string("=-="),
              std::string("\xe4\xb8\xad"), random_letters(1'000'000)}) {
            for (const std::size_t size : sizes) {
                const std::string text = unbroken(unit, size);
                MergeWork work;
                const std::size_t count =
                    merge_long(vocabulary(encoding), bytes(text), size, nullptr, {}, &work);
                EXPECT_GT(count, 0U);
                EXPECT_EQ(work.enlarged, 0U) << unit.substr(0, 8);
                // A window costs at most three pushes and three pops a byte; windows overlap by an
                // eighth.
                EXPECT_LE(work.heap_steps, 8 * size) << unit.substr(0, 8);
                EXPECT_LE(work.scratch_bytes, 128U << 10);
            }
        }
    }
}

TEST(Merge, long_run_of_one_letter_has_the_known_ids) {
    // tiktoken 1.0.22: 20,000 x "a" is 2,500 times the token "aaaaaaaa".
    for (const Encoding encoding : {Encoding::o200k_base, Encoding::cl100k_base}) {
        Ids ids;
        tokenizer(encoding).encode(std::string(20'000, 'a'), &ids);
        ASSERT_EQ(ids.size(), 2'500U);
        for (const TokenId id : ids) EXPECT_EQ(tokenizer(encoding).token_bytes(id), "aaaaaaaa");
    }
}

#ifdef TG_COUNTS_ALLOCATIONS
TEST(Merge, counting_allocates_nothing) {
    const std::string text =
        "It's 2026: {\"id\": 42}\n\n\t\u4e2d\u6587\u7684\u8ba1\u8d39 naïve Straße\u3000xyzzyqqq" +
        random_letters(100'000);
    const std::string invalid = "caf\xe9 " + random_letters(500);
    for (const Encoding encoding : {Encoding::o200k_base, Encoding::cl100k_base}) {
        const std::int64_t first =
            tokenizer(encoding).count(text) + tokenizer(encoding).count(invalid);
        const std::uint64_t before = allocations;
        const std::int64_t second =
            tokenizer(encoding).count(text) + tokenizer(encoding).count(invalid);
        EXPECT_EQ(allocations, before);
        EXPECT_EQ(first, second);
    }
}
#endif

}  // namespace
}  // namespace tg::bpe
