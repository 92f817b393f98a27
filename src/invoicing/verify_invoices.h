#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "store/sql.h"

namespace tg {

struct InvoiceVerifyReport {
    std::int64_t invoices = 0;  ///< that are issued
    std::vector<std::string> problems{};
    bool ok() const { return problems.empty(); }
};
/// Compares every invoice with itself (sums, tax of each line within 0.06, amount in words), with
/// its document in the proof log, its entry in the ledger, the bills that it covers (never more
/// than is on them, tax too) and, of a red one, with what it takes back; and that the numbers of a
/// day have no gap. As of one moment. Source: facts/billing-and-vat §4.3, §8.4 invariants 12 and
/// 13. Errors: those of the store.
Result<InvoiceVerifyReport> verify_invoices(SqlConnection& store);

}  // namespace tg
