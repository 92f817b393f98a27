#include "tokens/tokenizer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <simdjson.h>

#include <atomic>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tokens/internal/piece_scanner.h"
#include "tokens/internal/utf8_repair.h"

namespace tg {
namespace {

using namespace std::string_literals;
using Ids = std::vector<std::uint32_t>;

constexpr Encoding kEncodings[] = {Encoding::o200k_base, Encoding::cl100k_base};

Ids encode(Encoding encoding, std::string_view text) {
    Ids ids;
    tokenizer(encoding).encode(text, &ids);
    return ids;
}

std::string decode(Encoding encoding, const Ids& ids) {
    std::string out;
    for (const std::uint32_t id : ids) out += tokenizer(encoding).token_bytes(id);
    return out;
}

std::string repaired(std::string_view text) {
    std::string out;
    bpe::repair_utf8(text, &out);
    return out;
}

Ids ids_in(simdjson::dom::element row, Encoding encoding) {
    Ids ids;
    for (const std::uint64_t id : row[name(encoding)]["ids"].get_array()) {
        ids.push_back(static_cast<std::uint32_t>(id));
    }
    return ids;
}

std::vector<std::string> pieces(Encoding encoding, std::string_view text) {
    std::vector<std::string> out;
    const auto* p = reinterpret_cast<const bpe::Byte*>(text.data());
    const auto* end = p + text.size();
    while (p != end) {
        const auto* next = encoding == Encoding::o200k_base
                               ? bpe::skip_piece<Encoding::o200k_base>(p, end)
                               : bpe::skip_piece<Encoding::cl100k_base>(p, end);
        out.emplace_back(reinterpret_cast<const char*>(p), static_cast<std::size_t>(next - p));
        p = next;
    }
    return out;
}

// given a thousand texts with the ids that OpenAI's tiktoken gives them, when encoded, then every
// id is the same
TEST(Tokenizer, equals_tiktoken_on_the_public_texts) {
    simdjson::dom::parser parser;
    simdjson::dom::document_stream rows;
    ASSERT_EQ(parser.load_many(TG_TOKENS_DATA "/public.jsonl", 1 << 22).get(rows),
              simdjson::SUCCESS);
    std::map<std::string, int> by_class;
    for (const simdjson::dom::element row : rows) {
        const std::string_view text = row["text"];
        ++by_class[std::string(row["class"].get_string().value())];
        for (const Encoding encoding : kEncodings) {
            const Ids expected = ids_in(row, encoding);
            EXPECT_EQ(encode(encoding, text), expected) << row["id"] << ' ' << name(encoding);
            EXPECT_EQ(tokenizer(encoding).count(text), static_cast<std::int64_t>(expected.size()));
        }
    }
    const int total =
        std::accumulate(by_class.begin(), by_class.end(), 0,
                        [](int sum, const auto& entry) { return sum + entry.second; });
    EXPECT_EQ(total, 1000);
    for (const char* wanted :
         {"english", "chinese", "code", "json", "emoji", "whitespace", "long"}) {
        EXPECT_GT(by_class[wanted], 0) << wanted;
    }
}

TEST(Tokenizer, knows_its_vocabulary) {
    EXPECT_EQ(tokenizer(Encoding::o200k_base).vocabulary_size(), 199'998U);
    EXPECT_EQ(tokenizer(Encoding::cl100k_base).vocabulary_size(), 100'256U);
    EXPECT_EQ(name(Encoding::o200k_base), "o200k_base");
    EXPECT_EQ(name(Encoding::cl100k_base), "cl100k_base");
    for (const Encoding encoding : kEncodings) {
        const Tokenizer& t = tokenizer(encoding);
        EXPECT_EQ(t.token_bytes(static_cast<std::uint32_t>(t.vocabulary_size())), "");
        EXPECT_EQ(t.token_bytes(~0U), "");
        EXPECT_EQ(t.token_bytes(0), "!");
    }
}

// given the bytes of every token that is text, when it stands alone and the expressions keep it
// whole, then it is one token
TEST(Tokenizer, encodes_every_whole_token_as_itself) {
    for (const Encoding encoding : kEncodings) {
        const Tokenizer& t = tokenizer(encoding);
        std::size_t whole = 0;
        for (std::uint32_t id = 0; id < t.vocabulary_size(); ++id) {
            const std::string_view bytes = t.token_bytes(id);
            if (!simdjson::validate_utf8(bytes) || pieces(encoding, bytes).size() != 1) continue;
            ++whole;
            ASSERT_EQ(encode(encoding, bytes), Ids{id}) << bytes;
        }
        EXPECT_GT(whole, t.vocabulary_size() * 9 / 10);
    }
}

TEST(Tokenizer, treats_special_tokens_as_ordinary_text) {
    for (const Encoding encoding : kEncodings) {
        for (const std::string text :
             {"<|endoftext|>", "<|endofprompt|>", "<|fim_prefix|>", "<|im_start|>"}) {
            const Ids ids = encode(encoding, text);
            EXPECT_GT(ids.size(), 3U) << text;
            EXPECT_EQ(decode(encoding, ids), text);
        }
    }
}

TEST(Tokenizer, splits_as_the_expressions_say) {
    using Pieces = std::vector<std::string>;
    struct Case {
        std::string text;
        Pieces o200k;
        Pieces cl100k;
    };
    const Case cases[] = {
        {"", {}, {}},
        {"it's IT'S it\u2019s",
         {"it's", " IT'S", " it", "\u2019s"},
         {"it", "'s", " IT", "'S", " it", "\u2019s"}},
        {"x'\u017f y'll", {"x'\u017f", " y'll"}, {"x", "'\u017f", " y", "'ll"}},
        {"'s 'store", {"'s", " '", "store"}, {"'s", " '", "store"}},
        {"HTTPServer getId", {"HTTPServer", " get", "Id"}, {"HTTPServer", " getId"}},
        {"ABC\u4e2dDE", {"ABC\u4e2d", "DE"}, {"ABC\u4e2dDE"}},
        {"a\u0301B e\u0301", {"a\u0301", "B", " e\u0301"}, {"a", "\u0301B", " e", "\u0301"}},
        {"\u0301AB", {"\u0301", "AB"}, {"\u0301AB"}},
        {"12345 \u00bd\u2160",
         {"123", "45", " ", "\u00bd\u2160"},
         {"123", "45", " ", "\u00bd\u2160"}},
        {"a   b", {"a", "  ", " b"}, {"a", "  ", " b"}},
        {"a  1  ", {"a", " ", " ", "1", "  "}, {"a", " ", " ", "1", "  "}},
        {" \n \r\n  x", {" \n \r\n", " ", " x"}, {" \n \r\n", " ", " x"}},
        {"x \n", {"x", " \n"}, {"x", " \n"}},
        {"a//\n/b", {"a", "//\n/", "b"}, {"a", "//\n", "/b"}},
        {" ==\r\n\n=", {" ==\r\n\n", "="}, {" ==\r\n\n", "="}},
        {"a\u0085\u0085b", {"a", "\u0085", "\u0085b"}, {"a", "\u0085", "\u0085b"}},
        {"\ufeff\ufeff \u200bb",
         {"\ufeff\ufeff", " \u200b", "b"},
         {"\ufeff\ufeff", " \u200b", "b"}},
        {"\u3000\tx", {"\u3000", "\tx"}, {"\u3000", "\tx"}},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(pieces(Encoding::o200k_base, c.text), c.o200k) << c.text;
        EXPECT_EQ(pieces(Encoding::cl100k_base, c.text), c.cl100k) << c.text;
    }
}

// given ill-formed bytes, then each maximal subpart becomes one U+FFFD (Unicode 16, tables 3-8 to
// 3-11)
TEST(Tokenizer, reads_invalid_utf8_as_replacement_characters) {
    const std::string r = "\xef\xbf\xbd";
    const std::pair<std::string, std::string> cases[] = {
        {"\xff", r},
        {"a\x80z", "a" + r + "z"},
        {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", r + r + r + r + r + r + r + r + "A"},
        {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", r + r + r + r + r + r + r + r + "A"},
        {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", r + r + r + r + r + "A" + r + r + "B"},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", r + r + r + r + "A"},
        {"\xe4\xb8", r},
        {"\xf0\x9f\x98", r},
        {"ok \xe4\xb8\xad \xf0\x9f\x98\x80", "ok \xe4\xb8\xad \xf0\x9f\x98\x80"},
        {"\xef\xbb\xbfx", "\xef\xbb\xbfx"},
        {"\0\xc3"s, "\0"s + r},
    };
    for (const auto& [bytes, as_text] : cases) {
        EXPECT_EQ(repaired(bytes), as_text);
        for (const Encoding encoding : kEncodings) {
            EXPECT_EQ(encode(encoding, bytes), encode(encoding, as_text));
            EXPECT_EQ(decode(encoding, encode(encoding, bytes)), as_text);
        }
    }
}

TEST(Tokenizer, appends_to_the_ids_that_are_there) {
    Ids ids{7};
    tokenizer(Encoding::cl100k_base).encode("hello world", &ids);
    EXPECT_EQ(ids, (Ids{7, 15339, 1917}));
}

// given several threads that count at once, from the very first call on, then all find the same
TEST(Tokenizer, counts_on_many_threads) {
    const std::string valid = "It's 2026: \u4e2d\u6587 na\u00efve " + std::string(3000, 'x');
    const std::string invalid = valid + "\xff" + valid;
    std::atomic<int> same{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (const Encoding encoding : kEncodings) {
                const Tokenizer& t = tokenizer(encoding);
                if (t.count(valid) == static_cast<std::int64_t>(encode(encoding, valid).size()) &&
                    t.count(invalid) == t.count(repaired(invalid))) {
                    ++same;
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(same, 8);
}

// Letters of all cases, marks, numbers, white space, quotes and symbols, so that rules meet each
// other.
rc::Gen<std::string> any_text() {
    const auto part = rc::gen::element<std::string>(
        "a", "B", "z", "the", "HTTP", "s", "'s", "'LL", "'", "\u017f", "\u00e9", "\u0416", "\u4e2d",
        "\u6587", "\u05d0", "\u01c5", "\u02b0", "\u0301", "\u093f", "1", "22", "\u00bd", "\u0663",
        " ", "  ", "\t", "\n", "\r\n", "\u0085", "\u00a0", "\u3000", "!", "/", "==", "\u200d",
        "\ufeff", "\u2026", "\U0001f469\u200d\U0001f467", "\U0001f44d\U0001f3fd",
        "{\"id\":", "<|endoftext|>");
    return rc::gen::map(rc::gen::container<std::vector<std::string>>(part),
                        [](const std::vector<std::string>& parts) {
                            return std::accumulate(parts.begin(), parts.end(), std::string());
                        });
}

RC_GTEST_PROP(TokenizerProperty, ids_decode_to_the_text_and_count_is_their_number, ()) {
    const std::string text = *any_text();
    for (const Encoding encoding : kEncodings) {
        const Ids ids = encode(encoding, text);
        RC_ASSERT(decode(encoding, ids) == text);
        RC_ASSERT(tokenizer(encoding).count(text) == static_cast<std::int64_t>(ids.size()));
    }
}

RC_GTEST_PROP(TokenizerProperty, any_bytes_decode_to_their_repaired_text,
              (const std::string& bytes)) {
    for (const Encoding encoding : kEncodings) {
        const Ids ids = encode(encoding, bytes);
        RC_ASSERT(decode(encoding, ids) == repaired(bytes));
        RC_ASSERT(tokenizer(encoding).count(bytes) == static_cast<std::int64_t>(ids.size()));
    }
}

RC_GTEST_PROP(TokenizerProperty, a_text_has_the_ids_of_its_pieces_and_each_piece_stays_whole, ()) {
    const std::string text = *any_text();
    for (const Encoding encoding : kEncodings) {
        Ids joined;
        for (const std::string& piece : pieces(encoding, text)) {
            RC_ASSERT(pieces(encoding, piece).size() == 1U);
            tokenizer(encoding).encode(piece, &joined);
        }
        RC_ASSERT(joined == encode(encoding, text));
    }
}

// Nothing looks back: what follows a piece is split as if the text began there.
RC_GTEST_PROP(TokenizerProperty, the_rest_after_a_piece_is_split_as_a_text_of_its_own, ()) {
    const std::string text = *any_text();
    for (const Encoding encoding : kEncodings) {
        std::vector<std::string> whole = pieces(encoding, text);
        std::string_view rest = text;
        while (!whole.empty()) {
            rest.remove_prefix(whole.front().size());
            whole.erase(whole.begin());
            RC_ASSERT(pieces(encoding, rest) == whole);
        }
    }
}

TEST(EncodingForModel, follows_the_families) {
    struct Case {
        const char* model;
        Encoding encoding;
        bool is_exact;
    };
    constexpr Encoding kO = Encoding::o200k_base;
    constexpr Encoding kCl = Encoding::cl100k_base;
    const Case cases[] = {
        {"gpt-4o-2024-08-06", kO, true},
        {"gpt-4o", kO, true},
        {"gpt-4.1", kO, true},
        {"gpt-4.1-mini-2025-04-14", kO, true},
        {"gpt-4.5-preview", kO, true},
        {"chatgpt-4o-latest", kO, true},
        {"gpt-5", kO, true},
        {"gpt-5.1-codex", kO, true},
        {"o1-preview", kO, true},
        {"o3-mini", kO, true},
        {"o4-mini", kO, true},
        {"gpt-oss-120b", kO, true},
        {"ft:gpt-4o-mini:acme::x1", kO, true},
        {"openai/gpt-4o-mini", kO, true},
        {"gpt-4", kCl, true},
        {"gpt-4-turbo-2024-04-09", kCl, true},
        {"gpt-4-0613", kCl, true},
        {"gpt-3.5-turbo", kCl, true},
        {"ft:gpt-3.5-turbo:acme", kCl, true},
        {"azure/gpt-35-turbo-16k", kCl, true},
        {"text-embedding-3-small", kCl, true},
        {"text-embedding-ada-002", kCl, true},
        {"davinci-002", kCl, true},
        {"claude-3-5-sonnet", kO, false},
        {"gemini-1.5-pro", kO, false},
        {"", kO, false},
        {"gpt-4x", kO, false},
        {"gpt-40", kO, false},
        {"o10", kO, false},
        {"deepseek/gpt-4o", kO, false},
    };
    for (const Case& c : cases) {
        const EncodingChoice choice = encoding_for_model(c.model);
        EXPECT_EQ(choice.encoding, c.encoding) << c.model;
        EXPECT_EQ(choice.is_exact, c.is_exact) << c.model;
    }
}

}  // namespace
}  // namespace tg
