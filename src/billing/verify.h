#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "billing/bill.h"
#include "rating/catalogue.h"
#include "store/sql.h"

namespace tg {

struct VerifyOptions {
    std::string journal_directory;
    /// For reading events on a thread for each core; empty: everything is read through the
    /// connection given.
    std::string store_url;
    std::string default_time_zone = "Asia/Shanghai";
    BillTerms terms;  ///< with which both sides make bills
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
/// the last digit. May run beside the settler. Of one kind of problem the first hundred are named,
/// the others counted. Errors: of the store, the journal's directory, and catalogue_of; a damaged
/// journal is a problem, not an error. Blocking.
Result<VerifyReport> verify_books(SqlConnection& store, const VerifyOptions& options);

}  // namespace tg
