#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "rating/catalogue.h"
#include "store/sql.h"

namespace tg {

struct VerifyOptions {
    std::string journal_directory;
    std::string default_time_zone = "Asia/Shanghai";
    std::function<Result<std::shared_ptr<const Catalogue>>(PriceVersionId)> catalogue_of;
};

struct VerifyReport {
    std::uint64_t journal_records = 0, events = 0, bills = 0, lines = 0;
    std::uint64_t unsettled_events = 0;  ///< in the journal, not yet in the store
    std::vector<std::string> problems;   ///< each names what differs, both figures, and where
    bool ok() const { return problems.empty(); }
};

/// Recomputes every month of every customer from the journal's events, with code that does not read
/// the roll-ups, and compares event by event, roll-up by roll-up, and bill line by bill line, to
/// the last digit. Blocking.
Result<VerifyReport> verify_books(SqlConnection& store, const VerifyOptions& options);

}  // namespace tg
