#pragma once
// What a customer's contracts say about one month: which terms hold on which days, and where
// commitments stand.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "billing/bill.h"
#include "billing/contracts.h"

namespace tg::bill_internal {

/// Days of one month of somebody's calendar.
struct MonthDays {
    std::int32_t first = 0, last = 0;
    std::int32_t count() const { return last - first + 1; }
};
MonthDays days_of(YearMonth month);
/// The same day some years later; of 29 February it may be 1 March.
std::int32_t same_day_later(std::int32_t day, int years);

/// Days on which the same terms hold and that count towards the same commitment.
struct Segment {
    std::int32_t first_day = 0, last_day = 0;
    const Contract* contract = nullptr;  ///< null: none, list price holds
    const ContractVersion* version = nullptr;
    int commitment = -1;  ///< index into ContractMonth::commitments
};

struct CommitmentPeriod {
    const Contract* contract = nullptr;
    std::int32_t first_day = 0, last_day = 0;  ///< of the part that the contract covers
    Currency currency = Currency::usd;
    std::int64_t committed_cents = 0;
    std::int64_t spent_before_cents = 0;  ///< on final bills of earlier months
    bool ends_here = false;               ///< its last day is in this month
};

/// What is owed for ending a contract in this month.
struct EarlyEnd {
    const Contract* contract = nullptr;
    Currency currency = Currency::usd;
    std::int64_t cents = 0;
};

struct ContractMonth {
    std::shared_ptr<const std::vector<Contract>> contracts;  ///< what the pointers point into
    std::vector<Segment> segments;                           ///< in order; they tile the month
    std::vector<CommitmentPeriod> commitments;
    std::vector<EarlyEnd> early_ends;

    bool has_terms() const;
    /// Something is to be charged even without any usage.
    bool has_fixed_charges() const;
    /// Of the month's last day; null when no contract covers it.
    const ContractTerms* last_terms() const;
};
/// Of contracts of one customer, in order of first day. `spent_before` by contract and first day of
/// the period.
using SpentBefore = std::map<std::pair<std::int64_t, std::int32_t>, std::int64_t>;
ContractMonth contract_month(std::shared_ptr<const std::vector<Contract>> contracts,
                             YearMonth month, const SpentBefore& spent_before);

/// Of those customers that have a contract in the month.
Result<std::map<CustomerId, ContractMonth>> read_contract_months(
    SqlConnection& store, std::span<const CustomerId> customers, YearMonth month);

/// A month's fee for days of it, so that parts of a month add up to it.
std::int64_t fee_of_days(std::int64_t month_cents, YearMonth month, std::int32_t first_day,
                         std::int32_t last_day);

/// The usage a bill charges, and for each line the segment it belongs to.
struct ChargedUsage {
    std::vector<const BillLine*> lines;
    std::vector<std::size_t> segments;
    void add(const BillLine* line, std::size_t segment) {
        lines.push_back(line);
        segments.push_back(segment);
    }
};
/// Puts discounts, fees and what is missing of commitments on the bill, whose lines, late usage and
/// terms are there; nothing when no contract covers a day of the month. Lines of `usage` have
/// exact amounts. Errors: corrupt_data (an amount no integer holds).
Status add_contract_items(const ContractMonth& contract, const ChargedUsage& usage, Bill* bill);

}  // namespace tg::bill_internal
