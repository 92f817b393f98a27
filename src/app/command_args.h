#pragma once
// What the arguments of several commands mean.
#include <cstdint>
#include <string>
#include <string_view>

#include "identity/identity_store.h"
#include "store/sql.h"

namespace tg {

/// Made now by the user of this terminal.
Change change_by_user();

/// "12.50" or "-12.50" -> cents or fen. Errors: invalid_request naming the option.
Result<std::int64_t> parse_cents(const std::string& text, std::string_view option);

/// Errors: not_found.
Result<CustomerId> customer_id(SqlConnection& store, const std::string& code);

}  // namespace tg
