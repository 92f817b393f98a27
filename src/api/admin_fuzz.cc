// Any path, query and body: the parsers of the API either read them or say why not, and never read
// outside of them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/internal/body.h"
#include "api/internal/query.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto query = tg::api::Query::parse(text, {"after", "limit", "at", "flag"});
        query.ok()) {
        const auto limit = query->integer("limit", 100, 1, 1000);
        TG_ASSERT(!limit.ok() || (*limit >= 1 && *limit <= 1000));
        const auto id = query->id("after");
        TG_ASSERT(!id.ok() || !*id || **id > 0);
        (void)query->time("at").ok();
        (void)query->flag("flag").ok();
    }
    if (const auto decoded = tg::api::percent_decode(text, true); decoded.ok())
        TG_ASSERT(decoded->size() <= size);
    if (auto body = tg::api::parse_body(text); body.ok()) {
        (void)body->text("name");
        const auto id = body->id("project_id");
        TG_ASSERT(!id || *id > 0);
        (void)body->time("expires_at");
        (void)body->flag("is_active");
        (void)body->integer("overlap_seconds");
        (void)body->finish().ok();
    }
    return 0;
}
