// Any request body: counted or refused, never less than nothing, and the same when counted again.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "tokens/chat_count.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    for (const std::string_view model : {"gpt-4o", "gpt-4", "text-embedding-3-small"}) {
        const tg::Result<std::int64_t> first = tg::count_prompt_tokens(body, model);
        const tg::Result<std::int64_t> second = tg::count_prompt_tokens(body, model);
        TG_ASSERT(first.ok() == second.ok());
        if (first.ok()) {
            TG_ASSERT(*first >= 0);
            TG_ASSERT(*first == *second);
        }
    }
    return 0;
}
