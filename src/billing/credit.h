#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/strong.h"
#include "billing/bill.h"
#include "billing/contract_terms.h"
#include "store/sql.h"

namespace tg {

/// What a customer owes, what there is to pay it with, and whether its calls go on. Amounts are
/// fen of RMB. Source of the rules: requirements C5 and C13, facts/billing-and-vat §5.3.
struct CreditStanding {
    CustomerId customer;
    std::string customer_code;
    std::string contract;  ///< of today
    PaymentTerms terms{};
    std::int64_t unbilled_fen =
        0;                      ///< usage of months without a final bill, as it would be billed,
                                ///< with tax; what a commitment may still cost is not in it
    std::int64_t owed_fen = 0;  ///< of final bills
    std::int64_t deposit_fen = 0, wallet_fen = 0;
    /// What may still be used before calls are refused; none: no limit. Of prepaid customers the
    /// wallet less all that is owed, of others the credit limit and what was paid ahead.
    std::optional<std::int64_t> available_fen{};
    std::optional<Trial> trial{};
    std::int64_t trial_cents = 0;  ///< used of its cap, at list price since the contract began
    std::string overdue_bill;      ///< the oldest that is late enough to refuse calls
    std::string hold;              ///< why calls are refused; "": they are not
};

/// Computes standings again and again, remembering what has not changed.
class CreditBook {
  public:
    explicit CreditBook(const BillTerms& terms) : terms_(terms) {}
    /// Of all customers with a contract today. Errors: those of the store, corrupt_data.
    Result<std::vector<CreditStanding>> read(SqlConnection& store, UtcMicros now);
    /// Puts on hold whose credit, prepaid balance or trial is used up or who pays too late, and
    /// releases the others. Returns how many changed.
    Result<std::int64_t> enforce(SqlConnection& store, UtcMicros now);

  private:
    /// What a customer's unbilled usage was worth when it was this.
    struct Unbilled {
        std::string basis;
        std::int64_t fen = 0;
    };
    class Reading;

    BillTerms terms_;
    std::map<CustomerId, Unbilled> unbilled_;
};

}  // namespace tg
