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
    /// The directories of the journals that can be read here, in any order: this gateway's own, and
    /// those of the rest of its fleet, or copies of them.
    std::vector<std::string> journal_directories;
    /// For reading events on a thread for each core; empty: everything is read through the
    /// connection given.
    std::string store_url;
    std::string default_time_zone = "Asia/Shanghai";
    BillTerms terms;  ///< with which both sides make bills
    std::function<Result<std::shared_ptr<const Catalogue>>(PriceVersionId)> catalogue_of;
};

struct VerifyReport {
    std::uint64_t journal_records = 0, events = 0, bills = 0, lines = 0;
    std::uint64_t final_bills = 0;  ///< of the register
    std::uint64_t contracts = 0, payments = 0;
    std::uint64_t unsettled_events = 0;  ///< in the journal, not yet in the store
    std::vector<std::string> problems;   ///< each names what differs, both figures, and where
    /// A journal that the store was settled from and that is in none of the directories given.
    struct Unreachable {
        std::string name;
        std::uint64_t events = 0;
    };
    /// Their events are priced and added up again from the rows of usage_events, which themselves
    /// could not be compared with anything.
    std::vector<Unreachable> unreachable;
    bool ok() const { return problems.empty(); }
};

/// Recomputes every month of every customer from the journals' events, with code that does not read
/// the roll-ups, and compares event by event, roll-up by roll-up, and bill line by bill line, to
/// the last digit. May run beside the settlers. Of one kind of problem the first hundred are named,
/// the others counted. That none of the journals of a store with events can be reached is a
/// problem, and so is a damaged journal. Errors: of the store and catalogue_of. Blocking.
Result<VerifyReport> verify_books(SqlConnection& store, const VerifyOptions& options);

}  // namespace tg
