// Any bytes become text that both stores keep, and any statement keeps its bytes but for its
// parameters.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "store/internal/sql_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tg::store_internal;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::string scratch, again;
    const std::string stored(storable_text(text, scratch));
    TG_ASSERT(stored.find('\0') == std::string::npos);
    TG_ASSERT(storable_text(stored, again).data() ==
              stored.data());  // repaired text needs no repair

    const std::string numbered = number_parameters(text);
    std::size_t at = 0;
    int next = 0;
    for (const char c : text) {
        const std::string mark = "$" + std::to_string(next + 1);
        if (c == '?' && numbered.compare(at, mark.size(), mark) == 0) {
            at += mark.size();
            ++next;
        } else {
            TG_ASSERT(at < numbered.size() && numbered[at] == c);
            ++at;
        }
    }
    TG_ASSERT(at == numbered.size());
    TG_ASSERT(statement_excerpt(text).size() <= 103);
    return 0;
}
