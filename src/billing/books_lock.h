#pragma once
#include <cstdint>

#include "store/sql.h"

namespace tg {

/// Keeps settlers, and everybody else who changes bills or money, away until the caller's
/// transaction ends. Before the ledger's head is locked. Returns the number of the next event.
/// Errors: those of the store.
Result<std::int64_t> lock_books(SqlConnection& store);

}  // namespace tg
