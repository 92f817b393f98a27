// tidy: data table
#include "ledger/chart.h"

#include "base/check.h"

namespace tg {
namespace {

using enum AccountCode;
using Type = AccountType;
using Side = BalanceSide;
using Owner = AccountOwner;
using Subject = SubjectKind;

constexpr bool kProject = true;

// clang-format off
constexpr std::array kChart = {
    AccountInfo{bank, "bank", "Bank", "银行存款", Type::asset, Side::either, Grain::cent, Owner::own, Subject::bank_account},
    AccountInfo{receipts_in_suspense, "receipts_in_suspense", "Receipts in suspense", "未匹配来款", Type::clearing, Side::credit_only, Grain::cent, Owner::own, Subject::payment},
    AccountInfo{unbilled_receivable, "unbilled_receivable", "Unbilled receivable", "未出账应收", Type::asset, Side::either, Grain::femto, Owner::customer, Subject::month, kProject},
    AccountInfo{billed_receivable, "billed_receivable", "Billed receivable", "已出账应收", Type::asset, Side::debit_only, Grain::cent, Owner::customer, Subject::bill},
    AccountInfo{overdue_receivable, "overdue_receivable", "Overdue receivable", "逾期应收", Type::asset, Side::debit_only, Grain::cent, Owner::customer, Subject::bill},
    AccountInfo{bad_debt_provision, "bad_debt_provision", "Bad-debt provision", "坏账准备", Type::contra_asset, Side::credit_only, Grain::cent, Owner::customer, Subject::bill},
    AccountInfo{fx_position_usd, "fx_position_usd", "FX position USD", "外币兑换（美元）", Type::clearing, Side::either, Grain::femto, Owner::own, Subject::none},
    AccountInfo{fx_position_cny, "fx_position_cny", "FX position CNY", "外币兑换（人民币）", Type::clearing, Side::either, Grain::femto, Owner::own, Subject::none},
    AccountInfo{upstream_prepaid, "upstream_prepaid", "Upstream prepaid", "预付供应商款", Type::asset, Side::debit_only, Grain::femto, Owner::own, Subject::provider},
    AccountInfo{wallet_paid, "wallet_paid", "Customer wallet, paid", "客户预存款", Type::liability, Side::credit_only, Grain::femto, Owner::customer, Subject::none},
    AccountInfo{wallet_promotional, "wallet_promotional", "Customer wallet, promotional", "客户赠送额度", Type::liability, Side::credit_only, Grain::femto, Owner::customer, Subject::grant},
    AccountInfo{deposit, "deposit", "Customer deposit", "客户押金", Type::liability, Side::credit_only, Grain::cent, Owner::customer, Subject::none},
    AccountInfo{deferred_commit, "deferred_commit", "Deferred commitment", "递延承诺款", Type::liability, Side::credit_only, Grain::cent, Owner::customer, Subject::contract},
    AccountInfo{sla_credits_owed, "sla_credits_owed", "SLA credits owed", "应付SLA补偿", Type::liability, Side::credit_only, Grain::cent, Owner::customer, Subject::credit},
    AccountInfo{refund_payable, "refund_payable", "Refund payable", "应退款项", Type::liability, Side::credit_only, Grain::cent, Owner::either, Subject::refund},
    AccountInfo{output_vat_to_invoice, "output_vat_to_invoice", "Output VAT to be invoiced", "待转销项税额", Type::liability, Side::credit_only, Grain::cent, Owner::customer, Subject::none},
    AccountInfo{output_vat_invoiced, "output_vat_invoiced", "Output VAT invoiced", "应交增值税（销项）", Type::liability, Side::credit_only, Grain::cent, Owner::customer, Subject::none},
    AccountInfo{upstream_payable, "upstream_payable", "Upstream payable", "应付供应商款", Type::liability, Side::either, Grain::femto, Owner::own, Subject::provider},
    AccountInfo{usage_revenue, "usage_revenue", "Usage revenue", "用量收入", Type::income, Side::either, Grain::femto, Owner::customer, Subject::none, kProject},
    AccountInfo{commit_shortfall, "commit_shortfall", "Commitment shortfall", "承诺差额收入", Type::income, Side::either, Grain::cent, Owner::customer, Subject::none},
    AccountInfo{breakage, "breakage", "Breakage", "过期余额收入", Type::income, Side::either, Grain::femto, Owner::customer, Subject::none},
    AccountInfo{late_fees, "late_fees", "Late fees", "滞纳金收入", Type::income, Side::either, Grain::cent, Owner::customer, Subject::none},
    AccountInfo{management_fees, "management_fees", "Management fees", "管理费收入", Type::income, Side::either, Grain::cent, Owner::customer, Subject::none},
    AccountInfo{early_end_penalties, "early_end_penalties", "Penalties for early end", "提前终止违约金收入", Type::income, Side::either, Grain::cent, Owner::customer, Subject::none},
    AccountInfo{discount_volume, "discount_volume", "Discount, volume", "折扣：用量", Type::contra_income, Side::either, Grain::femto, Owner::customer, Subject::none, kProject},
    AccountInfo{discount_reserved, "discount_reserved", "Discount, reserved capacity", "折扣：预留容量", Type::contra_income, Side::either, Grain::femto, Owner::customer, Subject::none, kProject},
    AccountInfo{discount_mixed, "discount_mixed", "Discount, mixed models", "折扣：混合模型", Type::contra_income, Side::either, Grain::femto, Owner::customer, Subject::none, kProject},
    AccountInfo{discount_transfer, "discount_transfer", "Discount, transfer fee waiver", "折扣：手续费减免", Type::contra_income, Side::either, Grain::femto, Owner::customer, Subject::none, kProject},
    AccountInfo{discount_promotion, "discount_promotion", "Discount, promotion", "折扣：促销", Type::contra_income, Side::either, Grain::femto, Owner::customer, Subject::none, kProject},
    AccountInfo{contract_prices, "contract_prices", "Contract prices against list", "合同价差", Type::contra_income, Side::either, Grain::cent, Owner::customer, Subject::none},
    AccountInfo{bill_adjustments, "bill_adjustments", "Adjustments on bills", "账单调整", Type::contra_income, Side::either, Grain::cent, Owner::customer, Subject::none},
    AccountInfo{sla_credit_expense, "sla_credit_expense", "SLA credits granted", "SLA补偿支出", Type::contra_income, Side::either, Grain::cent, Owner::customer, Subject::none},
    AccountInfo{upstream_cost, "upstream_cost", "Upstream cost", "供应商成本", Type::expense, Side::either, Grain::femto, Owner::either, Subject::provider, kProject},
    AccountInfo{bank_fees, "bank_fees", "Bank fees", "银行手续费", Type::expense, Side::either, Grain::cent, Owner::own, Subject::none},
    AccountInfo{fx_gain_loss, "fx_gain_loss", "FX gain or loss", "汇兑损益", Type::expense, Side::either, Grain::femto, Owner::own, Subject::none},
    AccountInfo{rounding, "rounding", "Rounding", "尾差", Type::expense, Side::either, Grain::femto, Owner::own, Subject::none},
    AccountInfo{bad_debt, "bad_debt", "Bad debt", "坏账损失", Type::expense, Side::either, Grain::cent, Owner::customer, Subject::none},
};
// clang-format on

static_assert(std::ranges::is_sorted(kChart, {}, &AccountInfo::code));

}  // namespace

std::string_view name(AccountType type) {
    constexpr std::array<std::string_view, 7> kNames = {
        "asset", "contra_asset", "clearing", "liability", "income", "contra_income", "expense"};
    return kNames[static_cast<std::size_t>(type)];
}

std::string_view name(SubjectKind kind) {
    constexpr std::array<std::string_view, 10> kNames = {
        "none",     "bank_account", "payment",  "month",  "bill",
        "provider", "grant",        "contract", "credit", "refund"};
    return kNames[static_cast<std::size_t>(kind)];
}

std::span<const AccountInfo> chart_of_accounts() {
    return kChart;
}

const AccountInfo* find_account(std::int64_t code) {
    const auto found = std::ranges::lower_bound(
        kChart, code, {}, [](const AccountInfo& each) { return number(each.code); });
    return found != kChart.end() && number(found->code) == code ? &*found : nullptr;
}

const AccountInfo* find_account(std::string_view name_or_code) {
    for (const AccountInfo& each : kChart)
        if (each.name == name_or_code || std::to_string(number(each.code)) == name_or_code)
            return &each;
    return nullptr;
}

const AccountInfo& info(AccountCode code) {
    const AccountInfo* found = find_account(number(code));
    TG_ASSERT(found != nullptr);
    return *found;
}

}  // namespace tg
