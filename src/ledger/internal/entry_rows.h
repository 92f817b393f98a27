#pragma once
// Entries as their rows have them, whole or damaged.
#include <functional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "store/sql.h"

namespace tg::ledger_internal {

/// A row of ledger_postings with its account; `entry.postings` of the owner has the same order.
struct PostingRow {
    std::int64_t line = 0, account_id = 0, high = 0, low = 0;
    bool has_account = false;  ///< the account's row exists and its numbers are in range
};

struct EntryRow {
    BookedEntry booked;
    std::int64_t cause_number = 0;  ///< as stored, also where it is none of CauseKind
    bool has_readable_details = false;
    std::vector<PostingRow> postings;
};

/// "key=value" lines, as ledger_entries.details has them.
std::string details_as_column(const std::vector<Detail>& details);
/// False when the text has another form.
bool parse_details(std::string_view column, std::vector<Detail>* out);

/// Calls `each` for the entries [first, last], in order of number; `where` narrows further and may
/// use `e` (ledger_entries). `each` returns false to stop.
Status read_rows(SqlConnection& connection, std::int64_t first, std::int64_t last,
                 std::string_view where, std::span<const SqlValue> values,
                 const std::function<bool(EntryRow&)>& each);

}  // namespace tg::ledger_internal
