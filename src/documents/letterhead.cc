#include "documents/internal/letterhead.h"

#include <algorithm>

namespace tg::documents_internal {

Status draw_letterhead(const DocumentOptions& options, std::string_view title, PageWriter* page) {
    const Issuer& issuer = options.issuer;
    double height = 0;
    if (!issuer.logo_file.empty()) {
        TG_TRY(height, page->image(issuer.logo_file, 40, 200));
    } else {
        const TextStyle style{.size = 15, .is_bold = true};
        const std::string& name = issuer.name_in(options.language);
        height = page->height_of(name, style, 260);
        page->put(0, 0, 260, name, style);
    }
    page->put(PageWriter::kWidth - 240, -3, 240, title,
              {.size = 18, .is_bold = true, .is_right = true});
    page->advance(std::max(height, 28.0) + 8);
    page->line(0, 0, PageWriter::kWidth, true);
    page->advance(12);
    return {};
}

}  // namespace tg::documents_internal
