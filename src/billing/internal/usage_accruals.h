#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "billing/internal/usage_sums.h"
#include "ledger/entry.h"
#include "ledger/ledger.h"

namespace tg {

/// Charges of some events as the ledger takes them: one entry for each customer and currency, one
/// part for each project and month. Customer 0 owes nothing, so that it is left out.
class UsageAccruals {
  public:
    void add(std::uint32_t customer, Currency currency, std::uint32_t project, std::int32_t day,
             Femto charge);
    void add(const UsageSums& sums);
    /// Of events [first, last]; several for a customer with very many projects. Errors: none that
    /// events can cause.
    Result<std::vector<Entry>> entries(std::int64_t first, std::int64_t last,
                                       UtcMicros occurred_at) const;

  private:
    using Payer = std::pair<std::uint32_t, Currency>;
    using Part = std::pair<std::uint32_t, std::int32_t>;  ///< project, months since year 0
    std::map<Payer, std::map<Part, Femto>> charges_;
};

/// "2026-11", the month of a day number; days that no calendar has count to the nearest month that
/// the ledger knows.
std::string accrual_month(std::int32_t day);

/// Whether events before `next_sequence` are settled and the ledger has no usage: they were settled
/// before there was a ledger.
Result<bool> has_unbooked_usage(SqlConnection& store, std::int64_t next_sequence);
/// Books them from the roll-ups. Inside the settler's transaction.
Status book_earlier_usage(SqlConnection& store, LedgerWriter* ledger, std::int64_t next_sequence,
                          UtcMicros now);

}  // namespace tg
