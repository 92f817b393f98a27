#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "metering/usage_journal.h"
#include "store/sql.h"

namespace tg {

/// A journal that this store is settled from: each gateway of a fleet writes one.
struct SettledJournal {
    std::int64_t id = 0;  ///< of this store
    std::string name;     ///< journal_name(); empty: of a store older than names
    Lsn settled_to;       ///< everything before it is in the store
    friend bool operator==(const SettledJournal&, const SettledJournal&) = default;
};
/// In the order in which they came. Errors: of the store.
Result<std::vector<SettledJournal>> settled_journals(SqlConnection& store);

/// The one among `journals` whose directory this is, null when none is. A journal without a name is
/// taken for the store's older one. Errors: corrupt_data, io_error.
Result<const SettledJournal*> journal_in(const std::string& directory,
                                         const std::vector<SettledJournal>& journals);

}  // namespace tg
