#pragma once
// What recording payments and using them share.
#include <string>
#include <string_view>

#include "billing/payments.h"
#include "identity/audit_log.h"

namespace tg::bill_internal {

/// A record of something made.
AuditEntry payment_record(std::string_view kind, const std::string& id, std::string after,
                          const Change& change);
/// A transaction with the books locked. Errors: those of the store.
Result<Transaction> lock_for_payments(SqlConnection& store);

}  // namespace tg::bill_internal
