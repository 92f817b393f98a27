// Speed of our tokenizer on one thread, in CPU time.
// usage: tokens_bench make PUBLIC.jsonl OUT     writes the mixed text of 5 MB that is measured; the
// same one every time
//        tokens_bench run TEXT                  measures and prints a line for each encoding and
//        way:
//                                               encoding way bytes tokens cpu_seconds
// Ways: encode and count of the text in chunks of 4,000 characters, encode-whole and count-whole of
// all of it in one call.
#include <simdjson.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "tokens/tokenizer.h"

namespace {

constexpr std::size_t kTextBytes = 5'000'000;
constexpr std::size_t kChunkCharacters = 4'000;

[[noreturn]] void die(const std::string& text) {
    std::fprintf(stderr, "tokens_bench: error: %s\n", text.c_str());
    std::exit(1);
}

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

struct Source {
    std::vector<std::string> texts;
    std::vector<std::string> words;
};

// What real prompts consist of; the classes that exist to break tokenizers are left out.
Source read_source(const char* path) {
    Source source;
    simdjson::dom::parser parser;
    simdjson::dom::document_stream rows;
    if (parser.load_many(path, 1 << 22).get(rows) != simdjson::SUCCESS)
        die(std::string("cannot read ") + path);
    for (const simdjson::dom::element row : rows) {
        const std::string_view kind = row["class"];
        bool is_wanted = false;
        for (const char* name :
             {"english", "chinese", "code", "json", "languages", "mixed", "emoji", "numbers"}) {
            is_wanted = is_wanted || kind == name;
        }
        if (!is_wanted) continue;
        const std::string_view text = row["text"];
        source.texts.emplace_back(text);
        for (std::size_t at = 0; at < text.size();) {
            std::size_t end = at;
            while (end < text.size() && is_lower(text[end])) ++end;
            if (end - at >= 4) source.words.emplace_back(text.substr(at, end - at));
            at = end + 1;
        }
    }
    if (source.texts.empty() || source.words.empty()) die(std::string("no texts in ") + path);
    return source;
}

// A text with other digits and every eighth word another, so that five megabytes are not the same
// lines again and again.
void append_varied(const Source& source, std::string_view text, tg::Rng* rng, std::string* out) {
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at;
        while (end < text.size() && is_lower(text[end])) ++end;
        if (end - at >= 4 && rng->below(8) == 0) {
            *out += source.words[rng->below(source.words.size())];
        } else if (end > at) {
            *out += text.substr(at, end - at);
        } else {
            out->push_back(is_digit(text[at]) ? static_cast<char>('0' + rng->below(10)) : text[at]);
            ++end;
        }
        at = end;
    }
    out->push_back('\n');
}

int make(const char* public_path, const char* out_path) {
    const Source source = read_source(public_path);
    tg::Rng rng(5);
    std::string text;
    while (text.size() < kTextBytes)
        append_varied(source, source.texts[rng.below(source.texts.size())], &rng, &text);
    std::ofstream out(out_path, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) die(std::string("cannot write ") + out_path);
    return 0;
}

// As many characters as JavaScript counts: UTF-16 units.
std::vector<std::string_view> chunks_of(std::string_view text) {
    std::vector<std::string_view> chunks;
    std::size_t start = 0;
    std::size_t characters = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        if ((byte & 0xc0) == 0x80) continue;
        if (characters >= kChunkCharacters) {
            chunks.push_back(text.substr(start, at - start));
            start = at;
            characters = 0;
        }
        characters += byte >= 0xf0 ? 2 : 1;
    }
    chunks.push_back(text.substr(start));
    return chunks;
}

void measure(tg::Encoding encoding, bool is_encoding, const std::vector<std::string_view>& chunks,
             const char* way) {
    const tg::Tokenizer& tokenizer = tg::tokenizer(encoding);
    std::vector<std::uint32_t> ids;
    std::size_t bytes = 0;
    std::int64_t tokens = 0;
    const double before = cpu_seconds();
    for (const std::string_view chunk : chunks) {
        bytes += chunk.size();
        if (is_encoding) {
            ids.clear();
            tokenizer.encode(chunk, &ids);
            tokens += static_cast<std::int64_t>(ids.size());
        } else {
            tokens += tokenizer.count(chunk);
        }
    }
    const double seconds = cpu_seconds() - before;
    const std::string_view name = tg::name(encoding);
    std::printf("%.*s %s %zu %lld %.6f\n", static_cast<int>(name.size()), name.data(), way, bytes,
                static_cast<long long>(tokens), seconds);
}

int run(const char* path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) die(std::string("cannot read ") + path);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const std::vector<std::string_view> chunks = chunks_of(text);
    for (const tg::Encoding encoding : {tg::Encoding::o200k_base, tg::Encoding::cl100k_base}) {
        tg::tokenizer(encoding).count(
            std::string_view(text).substr(0, 200'000));  // warm, as the other side is
        measure(encoding, true, chunks, "encode");
        measure(encoding, false, chunks, "count");
        measure(encoding, true, {text}, "encode-whole");
        measure(encoding, false, {text}, "count-whole");
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view verb = argc > 1 ? argv[1] : "";
    if (verb == "make" && argc == 4) return make(argv[2], argv[3]);
    if (verb == "run" && argc == 3) return run(argv[2]);
    std::fprintf(stderr, "usage: tokens_bench make PUBLIC.jsonl OUT | tokens_bench run TEXT\n");
    return 2;
}
