#include "billing/settled_journals.h"

#include <algorithm>

#include "metering/journal_name.h"

namespace tg {

Result<std::vector<SettledJournal>> settled_journals(SqlConnection& store) {
    std::vector<SettledJournal> out;
    TG_CHECK_OK(store.query("SELECT id, name, lsn FROM settle_journals ORDER BY id", {},
                            [&out](const SqlRow& row) {
                                out.push_back({row.integer(0), std::string(row.text(1)),
                                               Lsn{static_cast<std::uint64_t>(row.integer(2))}});
                                return true;
                            }));
    return out;
}

Result<const SettledJournal*> journal_in(const std::string& directory,
                                         const std::vector<SettledJournal>& journals) {
    const auto named = [&](std::string_view name) -> const SettledJournal* {
        const auto found = std::ranges::find(journals, name, &SettledJournal::name);
        return found == journals.end() ? nullptr : &*found;
    };
    const Result<std::string> name = journal_name(directory);
    if (!name.ok() && name.error().code != ErrorCode::not_found) return fail(name.error());
    const SettledJournal* known = name.ok() ? named(*name) : nullptr;
    return known != nullptr ? known : named("");
}

}  // namespace tg
