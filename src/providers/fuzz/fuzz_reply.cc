// Any bytes as a unary answer, cut anywhere: the facts do not depend on the cuts, no class of usage
// is negative, and the name is bounded.
#include <string>

#include "base/check.h"
#include "providers/openai_reply.h"

namespace {

using namespace tg;

ReplyFacts run(OpenAiCall call, std::string_view body, std::size_t max, std::uint32_t seed) {
    ReplyScanner scanner(call);
    while (!body.empty()) {
        seed = seed * 1664525U + 1013904223U;
        const std::size_t size =
            max == 0 ? body.size() : std::min(body.size(), 1 + (seed >> 8) % max);
        const std::string part(body.substr(0, size));
        scanner.feed(part);
        body.remove_prefix(size);
    }
    return scanner.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const auto call = static_cast<OpenAiCall>(data[0] % 5);
    const std::string_view body(reinterpret_cast<const char*>(data + 2), size - 2);
    const ReplyFacts whole = run(call, body, 0, 0);
    TG_ASSERT(whole.model.size() <= 128);
    for (const std::int64_t quantity : whole.usage.quantity) TG_ASSERT(quantity >= 0);
    for (const std::size_t max : {std::size_t{1}, std::size_t{7}, std::size_t{90}}) {
        const ReplyFacts split = run(call, body, max, data[1]);
        TG_ASSERT(split.has_usage == whole.has_usage && split.is_mismatch == whole.is_mismatch &&
                  split.usage == whole.usage);
        TG_ASSERT(split.has_tier == whole.has_tier && split.tier == whole.tier &&
                  split.model == whole.model);
    }
    return 0;
}
