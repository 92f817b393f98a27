// Any bytes as a stream, cut anywhere: output, text and facts do not depend on the cuts, and
// without stripping the bytes pass as they are. The first two bytes choose call and cuts.
#include <string>

#include "base/check.h"
#include "providers/openai_reply.h"

namespace {

using namespace tg;

struct Outcome {
    std::string output, text, model;
    std::int64_t bytes = 0;
    int flags = 0;
    Usage usage;
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// Pieces of pseudo-random sizes up to `max`; 0: one piece.
Outcome run(OpenAiCall call, bool strip, std::string_view stream, std::size_t max,
            std::uint32_t seed) {
    StreamScanner scanner(call, strip);
    Outcome out;
    StreamPieces pieces;
    while (!stream.empty()) {
        seed = seed * 1664525U + 1013904223U;
        const std::size_t size =
            max == 0 ? stream.size() : std::min(stream.size(), 1 + (seed >> 8) % max);
        const std::string part(stream.substr(0, size));  // its own memory, so that stale views show
        stream.remove_prefix(size);
        TG_ASSERT(scanner.feed(part, &pieces).ok());
        for (const std::string_view piece : pieces) out.output.append(piece);
        pieces.clear();
    }
    scanner.finish(&pieces);
    for (const std::string_view piece : pieces) out.output.append(piece);
    const ReplyFacts& facts = scanner.facts();
    out.text = scanner.delivered_text();
    out.bytes = scanner.delivered_bytes();
    out.model = facts.model;
    out.usage = facts.usage;
    out.flags = (scanner.saw_end() ? 1 : 0) | (scanner.saw_error() ? 2 : 0) |
                (facts.has_usage ? 4 : 0) | (facts.is_mismatch ? 8 : 0) |
                (facts.has_tier ? 16 : 0) | static_cast<int>(facts.tier) << 5;
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const auto call = static_cast<OpenAiCall>(data[0] % 5);
    const std::uint32_t seed = data[1];
    const std::string_view stream(reinterpret_cast<const char*>(data + 2), size - 2);
    const Outcome plain = run(call, false, stream, 0, 0);
    TG_ASSERT(plain.output == stream);
    Outcome stripped = run(call, true, stream, 0, 0);
    for (const std::size_t max : {std::size_t{1}, std::size_t{5}, std::size_t{100}}) {
        TG_ASSERT(run(call, false, stream, max, seed) == plain);
        TG_ASSERT(run(call, true, stream, max, seed) == stripped);
    }
    // Stripping takes bytes out and adds line ends at most; it never changes what is read.
    TG_ASSERT(stripped.output.size() <= stream.size() * 8);
    stripped.output = plain.output;
    TG_ASSERT(stripped == plain);
    return 0;
}
