#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ledger/entry.h"
#include "store/sql.h"

namespace tg {

/// Entries from one snapshot of balances to the next: what a balance has to add up at most.
inline constexpr std::int64_t kSnapshotEvery = 4096;

/// Debit is positive.
struct AccountBalance {
    AccountKey account;
    Femto amount;
};

/// Which balances; empty fields match all. `up_to` is the number of the last entry that counts.
struct BalanceFilter {
    std::optional<CustomerId> customer{};
    std::optional<AccountCode> account{};
    std::optional<Currency> currency{};
    std::string subject{};
    std::int64_t up_to = INT64_MAX;
    std::vector<CustomerId> customers{};  ///< any of these
};

/// Balances of all accounts with a posting up to there, in order of code, currency, customer,
/// project, subject; also those that are zero. Read from the last snapshot and the postings after
/// it: the cost does not grow with the ledger. Errors: those of the store.
Result<std::vector<AccountBalance>> read_balances(SqlConnection& connection,
                                                  const BalanceFilter& filter);
/// Of one account; zero when it has no posting.
Result<Femto> read_balance(SqlConnection& connection, const AccountKey& account,
                           std::int64_t up_to = INT64_MAX);

/// Number of the last entry booked at or before `moment`, for balances as of then; 0: none.
Result<std::int64_t> number_as_of(SqlConnection& connection, UtcMicros moment);

}  // namespace tg
