#pragma once
// Rounding, and how an amount of the whole customer is shared among projects.
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "billing/bill.h"
#include "billing/bill_adjustments.h"

namespace tg::bill_internal {

/// Rounds a line's or an item's exact amount to cents and fen, half-up: the one place where an
/// amount is rounded. Errors: corrupt_data when no integer of 64 bits holds it.
struct RoundedAmount {
    std::int64_t usd_cents = 0, cny_fen = 0;
};
Result<RoundedAmount> round_amount(Femto exact, Currency currency, const BillTerms& terms);

/// Splits `whole` by weights, none of them negative and not all zero, by largest remainder; of
/// equals the first gets more.
std::vector<int128> split_by(int128 whole, const std::vector<int128>& weights);

/// What projects have on a bill until here, by code.
using ProjectAmounts = std::map<std::string, RoundedAmount>;
ProjectAmounts amounts_of_lines(const Bill& bill);

/// Shares an amount of the customer among projects, by what each has to pay until here, and puts
/// the parts on the bill. `whole` says what it is for and in which currency. Errors: corrupt_data.
Status share_out(BillItem whole, std::int64_t cents, ProjectAmounts* amounts, Bill* bill);

/// What people have added goes behind everything that follows from usage and contracts. Errors:
/// corrupt_data.
Status add_adjustments(std::span<const BillAdjustment> adjustments, Bill* bill);

}  // namespace tg::bill_internal
