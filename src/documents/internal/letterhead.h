#pragma once
#include <string_view>

#include "documents/documents.h"
#include "documents/internal/page_writer.h"

namespace tg::documents_internal {

/// The top of a document: logo or name of the issuer left, the title right, a line below. Errors:
/// io_error (the logo).
Status draw_letterhead(const DocumentOptions& options, std::string_view title, PageWriter* page);

}  // namespace tg::documents_internal
