#pragma once
#include "store/sql.h"

namespace tg::ledger_internal {

/// Writes the balances, after entry `number`, of the accounts with postings in (previous, number].
/// Inside the transaction that holds the ledger's head.
Status write_snapshot(SqlConnection& connection, std::int64_t previous, std::int64_t number);

}  // namespace tg::ledger_internal
