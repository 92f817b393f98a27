#pragma once
#include <cstdint>
#include <memory>

#include "app/config.h"
#include "app/periodic_task.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/sql.h"

namespace tg {

/// What was done for the books that nobody has to ask for.
struct KeptBooks {
    std::int64_t drafted = 0, overdue = 0, problems = 0;
    std::int64_t from_wallets = 0;  ///< bills that a wallet has paid, or a part of them
    std::int64_t sealed = 0;        ///< leaves of the proof log that a signed head covers now
};
/// Drafts the bills of months that have ended in their customers' zones, pays bills from wallets,
/// moves unpaid debts after their due date to overdue, and seals the books. May be done at any
/// time, by any number of processes. Errors: those of the store, io_error (the proof key).
Result<KeptBooks> keep_books(SqlConnection& store, const Config& config, UtcMicros now);

/// Does so every hour; not started yet.
std::unique_ptr<PeriodicTask> make_books_keeper(const Config& config);
/// Puts customers on hold by their credit, and releases them, every two seconds; not started yet.
std::unique_ptr<PeriodicTask> make_credit_keeper(const Config& config);

}  // namespace tg
