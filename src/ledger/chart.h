#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "base/money.h"

namespace tg {

/// The accounts there are, by their number in the chart. Numbers are in hashes and never change.
enum class AccountCode : std::uint16_t {
    bank = 1101,
    receipts_in_suspense = 1102,
    unbilled_receivable = 1201,
    billed_receivable = 1202,
    overdue_receivable = 1203,
    bad_debt_provision = 1209,
    fx_position_usd = 1301,
    fx_position_cny = 1302,
    upstream_prepaid = 1401,
    wallet_paid = 2101,
    wallet_promotional = 2102,
    deposit = 2103,
    deferred_commit = 2104,
    sla_credits_owed = 2105,
    refund_payable = 2106,
    output_vat_to_invoice = 2201,
    output_vat_invoiced = 2202,
    upstream_payable = 2301,
    usage_revenue = 4101,
    commit_shortfall = 4102,
    breakage = 4103,
    late_fees = 4104,
    management_fees = 4105,
    early_end_penalties = 4106,
    discount_volume = 4201,
    discount_reserved = 4202,
    discount_mixed = 4203,
    discount_transfer = 4204,
    discount_promotion = 4205,
    contract_prices = 4206,
    bill_adjustments = 4207,
    sla_credit_expense = 4301,
    upstream_cost = 5101,
    bank_fees = 5201,
    fx_gain_loss = 5202,
    rounding = 5203,
    bad_debt = 5204,
};

enum class AccountType : std::uint8_t {
    asset,
    contra_asset,
    clearing,
    liability,
    income,
    contra_income,
    expense,
};
std::string_view name(AccountType type);

/// On which side a balance may stand, at every moment. A wallet that would be overdrawn, a bill
/// that would be paid twice, a deposit that would be returned twice: all are refused by this.
enum class BalanceSide : std::uint8_t { either, debit_only, credit_only };

/// The smallest amount of a posting: 10^-15 of the currency for usage, 1/100 (cent, fen) for money
/// that stands in documents.
enum class Grain : std::uint8_t { femto, cent };

/// Whose account it is.
enum class AccountOwner : std::uint8_t { own, customer, either };

/// What a posting's `subject` names.
enum class SubjectKind : std::uint8_t {
    none,
    bank_account,
    payment,
    month,  ///< "2026-11", in the customer's zone
    bill,
    provider,
    grant,     ///< a promotional credit
    contract,  ///< a committed spend
    credit,    ///< an SLA credit
    refund,
};
std::string_view name(SubjectKind kind);

struct AccountInfo {
    AccountCode code;
    std::string_view name;      ///< snake_case, as the enumerator
    std::string_view title;     ///< English, for people
    std::string_view title_zh;  ///< as Chinese accountants call it
    AccountType type;
    BalanceSide side;
    Grain grain;
    AccountOwner owner;
    SubjectKind subject;
    bool may_have_project = false;
};

/// The chart of accounts, in ascending order of code.
/// Source: facts/billing-and-vat §8.1, with 4105 for the management fee of a contract,
/// 4106 for ending one early, 4206 for what its rate card differs from list prices, and 4207 for
/// what people add to bills.
std::span<const AccountInfo> chart_of_accounts();
/// Null when the chart has no such number.
const AccountInfo* find_account(std::int64_t code);
/// The same by name ("wallet_paid") or number ("2101").
const AccountInfo* find_account(std::string_view name_or_code);
const AccountInfo& info(AccountCode code);
inline std::int64_t number(AccountCode code) {
    return static_cast<std::int64_t>(code);
}

}  // namespace tg
