#pragma once
#include "metering/internal/segment.h"
#include "metering/journal_name.h"

namespace tg::journal {

/// Draws a name for the journal in `directory` if it has none, durably. Errors: as journal_name(),
/// but not_found.
Status ensure_name(JournalFs& fs, const std::string& directory);

}  // namespace tg::journal
