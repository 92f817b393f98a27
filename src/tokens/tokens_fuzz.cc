// Any bytes: counting and encoding agree, and the ids stand for the text.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "tokens/internal/utf8_repair.h"
#include "tokens/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::string repaired;
    tg::bpe::repair_utf8(text, &repaired);
    for (const tg::Encoding encoding : {tg::Encoding::o200k_base, tg::Encoding::cl100k_base}) {
        const tg::Tokenizer& tokenizer = tg::tokenizer(encoding);
        std::vector<std::uint32_t> ids;
        tokenizer.encode(text, &ids);
        TG_ASSERT(tokenizer.count(text) == static_cast<std::int64_t>(ids.size()));
        std::string decoded;
        for (const std::uint32_t id : ids) decoded += tokenizer.token_bytes(id);
        TG_ASSERT(decoded == repaired);
    }
    return 0;
}
