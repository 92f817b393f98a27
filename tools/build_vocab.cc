// Turns the published vocabularies and the Unicode classes into the tables that are linked into the
// binary. usage: build_vocab tiktoken FILE.tiktoken EXPECTED_SHA256 OUT      build_vocab classes
// unicode-classes.txt OUT
//
// A .tiktoken file has a line "base64-of-token rank" for each token. Whatever is not exactly as the
// encoder relies on (hash, ranks without holes, all single bytes, lengths, every token reachable by
// merging) stops the build.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "tokens/internal/vocab_image.h"

namespace {

using namespace tg::bpe;

[[noreturn]] void die(const std::string& text) {
    std::fprintf(stderr, "build_vocab: error: %s\n", text.c_str());
    std::exit(1);
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) die("cannot read '" + path + "'");
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_file(const std::string& path, const std::string& data) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(data.data(), static_cast<std::streamsize>(data.size()));
    out.close();
    if (!out) die("cannot write '" + path + "'");
}

std::string decode_base64(std::string_view text) {
    static constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        if (c == '=') break;
        const std::size_t digit = kDigits.find(c);
        if (digit == std::string_view::npos) die("'" + std::string(text) + "' is no base64");
        bits = bits << 6 | static_cast<std::uint32_t>(digit);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out.push_back(static_cast<char>(bits >> count & 0xff));
        }
    }
    return out;
}

struct Vocabulary {
    std::vector<std::string> tokens;  // by rank, which is the id
    std::unordered_map<std::string_view, TokenId> ids;
};

Vocabulary parse_tiktoken(std::string_view text) {
    Vocabulary vocabulary;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = text.substr(at, end - at);
        at = end + 1;
        const std::size_t space = line.find(' ');
        std::uint32_t rank = 0;
        if (space == std::string_view::npos ||
            std::from_chars(line.data() + space + 1, line.data() + line.size(), rank).ec !=
                std::errc{}) {
            die("line '" + std::string(line) + "' is not 'base64 rank'");
        }
        if (rank != vocabulary.tokens.size())
            die("rank " + std::to_string(rank) + " is out of order");
        vocabulary.tokens.push_back(decode_base64(line.substr(0, space)));
        const std::size_t size = vocabulary.tokens.back().size();
        if (size == 0 || size > kTokenBytesMax)
            die("token " + std::to_string(rank) + " has a bad length");
    }
    if (vocabulary.tokens.size() >= kIdMask) die("too many tokens for 18-bit ids");
    for (TokenId id = 0; id < vocabulary.tokens.size(); ++id) {
        if (!vocabulary.ids.emplace(vocabulary.tokens[id], id).second) {
            die("token " + std::to_string(id) + " occurs twice");
        }
    }
    return vocabulary;
}

TokenId id_of(const Vocabulary& vocabulary, std::string_view bytes) {
    const auto found = vocabulary.ids.find(bytes);
    return found == vocabulary.ids.end() ? kEmptySlot : found->second;
}

struct Split {
    TokenId left;
    TokenId right;
};

// The last merge that plain byte-pair merging makes when it is given the token's own bytes. Every
// token must be reached so: then, wherever the token arises inside a longer text, it arises from
// these two halves, and one entry a token in the pair table is enough. (Before a merge reaches
// across its ends, the token's bytes merge in the same order as they do alone.)
Split split_of(const Vocabulary& vocabulary, TokenId id) {
    const std::string& token = vocabulary.tokens[id];
    std::vector<std::size_t> starts;
    for (std::size_t i = 0; i <= token.size(); ++i) starts.push_back(i);
    const auto part = [&](std::size_t from, std::size_t parts) {
        return id_of(vocabulary, std::string_view(token).substr(
                                     starts[from], starts[from + parts] - starts[from]));
    };
    while (starts.size() > 3) {
        TokenId best = kEmptySlot;
        std::size_t best_at = 0;
        for (std::size_t i = 0; i + 2 < starts.size(); ++i) {
            const TokenId merged = part(i, 2);
            if (merged < best) {
                best = merged;
                best_at = i;
            }
        }
        if (best == kEmptySlot) die("token " + std::to_string(id) + " is not reached by merging");
        starts.erase(starts.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
    }
    return {part(0, 1), part(1, 1)};
}

template <typename T>
std::uint32_t append_section(std::string* image, const std::vector<T>& values) {
    image->resize((image->size() + 63) / 64 * 64);
    const std::size_t at = image->size();
    image->append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    return static_cast<std::uint32_t>(at);
}

std::vector<std::uint32_t> piece_table(const Vocabulary& vocabulary) {
    const auto slots = static_cast<std::uint32_t>(vocabulary.tokens.size() * 2);
    std::vector<std::uint32_t> table(slots, kEmptySlot);
    for (TokenId id = 0; id < vocabulary.tokens.size(); ++id) {
        const std::string& token = vocabulary.tokens[id];
        const std::uint64_t hash =
            piece_hash(reinterpret_cast<const std::uint8_t*>(token.data()), token.size());
        std::uint32_t slot = home_slot(hash, slots);
        while (table[slot] != kEmptySlot) slot = slot + 1 == slots ? 0 : slot + 1;
        table[slot] = piece_tag(hash) | id;
    }
    return table;
}

std::vector<std::uint64_t> pair_table(const Vocabulary& vocabulary) {
    const auto slots = static_cast<std::uint32_t>(vocabulary.tokens.size() * 2);
    std::vector<std::uint64_t> table(slots, kEmptyPair);
    for (TokenId id = 0; id < vocabulary.tokens.size(); ++id) {
        if (vocabulary.tokens[id].size() < 2) continue;
        const Split split = split_of(vocabulary, id);
        const std::uint64_t key = pair_key(split.left, split.right);
        std::uint32_t slot = home_slot(pair_hash(key), slots);
        while (table[slot] != kEmptyPair) slot = slot + 1 == slots ? 0 : slot + 1;
        table[slot] = key << kIdBits | id;
    }
    return table;
}

std::string build_image(const Vocabulary& vocabulary) {
    std::vector<std::uint32_t> offsets{0};
    std::vector<char> bytes;
    for (const std::string& token : vocabulary.tokens) {
        bytes.insert(bytes.end(), token.begin(), token.end());
        offsets.push_back(static_cast<std::uint32_t>(bytes.size()));
    }
    std::vector<std::uint32_t> byte_ids;
    for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        byte_ids.push_back(id_of(vocabulary, std::string_view(&c, 1)));
        if (byte_ids.back() == kEmptySlot) die("byte " + std::to_string(byte) + " has no token");
    }
    std::vector<std::uint32_t> byte_pairs;
    for (int pair = 0; pair < 1 << 16; ++pair) {
        const char both[] = {static_cast<char>(pair >> 8), static_cast<char>(pair)};
        byte_pairs.push_back(id_of(vocabulary, std::string_view(both, 2)));
    }
    const std::vector<std::uint32_t> pieces = piece_table(vocabulary);
    const std::vector<std::uint64_t> pairs = pair_table(vocabulary);

    std::string image(sizeof(ImageHeader), '\0');
    ImageHeader header{};
    header.magic = kImageMagic;
    header.token_count = static_cast<std::uint32_t>(vocabulary.tokens.size());
    header.token_bytes = static_cast<std::uint32_t>(bytes.size());
    header.piece_slots = static_cast<std::uint32_t>(pieces.size());
    header.pair_slots = static_cast<std::uint32_t>(pairs.size());
    header.offsets_at = append_section(&image, offsets);
    header.bytes_at = append_section(&image, bytes);
    header.pieces_at = append_section(&image, pieces);
    header.pairs_at = append_section(&image, pairs);
    header.byte_ids_at = append_section(&image, byte_ids);
    header.byte_pairs_at = append_section(&image, byte_pairs);
    header.size = static_cast<std::uint32_t>(image.size());
    std::memcpy(image.data(), &header, sizeof header);
    return image;
}

CharClass class_of_letter(char letter) {
    switch (letter) {
        case 'O':
            return CharClass::other;
        case 'S':
            return CharClass::space;
        case 'N':
            return CharClass::number;
        case 'M':
            return CharClass::mark;
        case 'U':
            return CharClass::upper;
        case 'L':
            return CharClass::lower;
        case 'C':
            return CharClass::caseless;
        default:
            die(std::string("unknown class '") + letter + "'");
    }
}

std::vector<std::uint8_t> read_classes(const std::string& path) {
    std::vector<std::uint8_t> classes;
    std::uint8_t current = 0;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        if (line.empty() || line[0] == '#') continue;
        std::uint32_t first = 0;
        const auto [rest, error] =
            std::from_chars(line.data(), line.data() + line.size(), first, 16);
        const bool in_order = classes.empty() ? first == 0 : first >= classes.size();
        if (error != std::errc{} || rest + 2 != line.data() + line.size() || first >= kCodePoints ||
            !in_order) {
            die("'" + path + "': bad line '" + line + "'");
        }
        classes.resize(first, current);
        current = static_cast<std::uint8_t>(class_of_letter(line.back()));
        classes.push_back(current);
    }
    if (classes.empty()) die("'" + path + "' has no classes");
    classes.resize(kCodePoints, current);
    return classes;
}

std::string build_class_table(const std::vector<std::uint8_t>& classes) {
    constexpr std::size_t kBlock = 1U << kClassBlockBits;
    std::string numbers;
    std::string blocks;
    std::unordered_map<std::string, std::size_t> known;
    for (std::size_t at = 0; at < kCodePoints; at += kBlock) {
        const std::string block(classes.begin() + static_cast<std::ptrdiff_t>(at),
                                classes.begin() + static_cast<std::ptrdiff_t>(at + kBlock));
        const auto [found, is_new] = known.emplace(block, known.size());
        if (is_new) blocks += block;
        numbers.push_back(static_cast<char>(found->second));
    }
    if (known.size() > 256) die("more than 256 distinct blocks of classes");
    return numbers + blocks;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view verb = argc > 1 ? argv[1] : "";
    if (verb == "tiktoken" && argc == 5) {
        const std::string text = read_file(argv[2]);
        const tg::Sha256 digest = tg::sha256(text);
        const std::string actual = tg::hex(digest.data(), digest.size());
        if (actual != argv[3]) {
            die("'" + std::string(argv[2]) + "' has SHA-256 " + actual + ", expected " + argv[3]);
        }
        write_file(argv[4], build_image(parse_tiktoken(text)));
        return 0;
    }
    if (verb == "classes" && argc == 4) {
        write_file(argv[3], build_class_table(read_classes(argv[2])));
        return 0;
    }
    std::fprintf(stderr,
                 "usage: build_vocab tiktoken FILE.tiktoken EXPECTED_SHA256 OUT\n"
                 "       build_vocab classes unicode-classes.txt OUT\n");
    return 2;
}
