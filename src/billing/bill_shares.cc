#include "billing/internal/bill_shares.h"

#include <algorithm>

#include "billing/internal/contract_month.h"

namespace tg::bill_internal {
namespace {

/// value x factor / divisor, halves up. Errors: corrupt_data when no integer of 64 bits holds it.
Result<std::int64_t> rounded(int128 value, int128 factor, int128 divisor) {
    int128 product = 0;
    if (!__builtin_mul_overflow(value, factor, &product)) {
        const int128 quotient = divide(product, divisor, Rounding::half_up);
        if (quotient >= INT64_MIN && quotient <= INT64_MAX)
            return static_cast<std::int64_t>(quotient);
    }
    return fail(ErrorCode::corrupt_data, "a bill line's amount of " + format_amount(Femto{value}) +
                                             " is larger than any real one; run: tollgate verify");
}

void add_to(ProjectAmounts* amounts, const std::string& project, RoundedAmount more) {
    RoundedAmount& sum = (*amounts)[project];
    sum.usd_cents += more.usd_cents;
    sum.cny_fen += more.cny_fen;
}

}  // namespace

Result<RoundedAmount> round_amount(Femto exact, Currency currency, const BillTerms& terms) {
    constexpr int128 kRateScale = 100'000'000;
    const int128 rate = terms.usd_cny_e8;
    RoundedAmount out;
    if (currency == Currency::usd) {
        TG_TRY(out.usd_cents, rounded(exact.value, 1, kFemtoPerCent));
        TG_TRY(out.cny_fen, rounded(exact.value, rate, kFemtoPerCent * kRateScale));
    } else {
        TG_TRY(out.cny_fen, rounded(exact.value, 1, kFemtoPerCent));
        TG_TRY(out.usd_cents, rounded(exact.value, kRateScale, kFemtoPerCent * rate));
    }
    return out;
}

std::vector<int128> split_by(int128 whole, const std::vector<int128>& weights) {
    int128 sum = 0;
    for (const int128 weight : weights) sum += weight;
    const bool is_negative = whole < 0;
    if (is_negative) whole = -whole;
    const int128 each = whole / sum, rest = whole % sum;
    std::vector<int128> out;
    std::vector<std::pair<int128, std::size_t>> remainders;
    int128 left = whole;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const int128 product = rest * weights[i];
        out.push_back(each * weights[i] + product / sum);
        left -= out.back();
        remainders.emplace_back(product % sum, i);
    }
    std::ranges::sort(remainders, [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    for (std::size_t i = 0; left > 0; ++i, --left) ++out[remainders[i].second];
    if (is_negative)
        for (int128& part : out) part = -part;
    return out;
}

ProjectAmounts amounts_of_lines(const Bill& bill) {
    ProjectAmounts out;
    for (const std::vector<BillLine>* lines : {&bill.lines, &bill.late})
        for (const BillLine& line : *lines)
            add_to(&out, line.project, {line.usd_cents, line.cny_fen});
    return out;
}

Status share_out(BillItem whole, std::int64_t cents, ProjectAmounts* amounts, Bill* bill) {
    if (cents == 0) return {};
    whole.exact = {cents * kFemtoPerCent};
    TG_TRY(const RoundedAmount rounded, round_amount(whole.exact, whole.currency, bill->terms));
    std::vector<std::string> projects;
    std::vector<int128> weights;
    for (const auto& [project, amount] : *amounts) {
        if (amount.cny_fen <= 0) continue;
        projects.push_back(project);
        weights.push_back(amount.cny_fen);
    }
    if (projects.empty()) {
        projects.emplace_back(kCustomerShare);
        weights.push_back(1);
    }
    const std::vector<int128> usd = split_by(rounded.usd_cents, weights);
    const std::vector<int128> cny = split_by(rounded.cny_fen, weights);
    for (std::size_t i = 0; i < projects.size(); ++i) {
        BillItem share = whole;
        share.project = projects[i];
        share.usd_cents = static_cast<std::int64_t>(usd[i]);
        share.cny_fen = static_cast<std::int64_t>(cny[i]);
        share.exact = {(whole.currency == Currency::usd ? usd[i] : cny[i]) * kFemtoPerCent};
        if (share.usd_cents == 0 && share.cny_fen == 0) continue;
        add_to(amounts, share.project, {share.usd_cents, share.cny_fen});
        bill->items.push_back(std::move(share));
    }
    return {};
}

Status add_adjustments(std::span<const BillAdjustment> adjustments, Bill* bill) {
    if (adjustments.empty()) return {};
    ProjectAmounts amounts = amounts_of_lines(*bill);
    for (const BillItem& item : bill->items)
        add_to(&amounts, item.project, {item.usd_cents, item.cny_fen});
    const MonthDays days = days_of(bill->month);
    for (const BillItemKind kind : {BillItemKind::sla_credit, BillItemKind::adjustment}) {
        for (const BillAdjustment& adjustment : adjustments) {
            if (adjustment.kind != kind) continue;
            BillItem item;
            item.kind = kind;
            item.adjustment = adjustment.id;
            item.project = adjustment.project;
            item.first_day = days.first;
            item.last_day = days.last;
            item.text = adjustment.text;
            item.currency = adjustment.currency;
            item.exact = {adjustment.cents * kFemtoPerCent};
            if (item.project.empty()) {
                TG_CHECK_OK(share_out(std::move(item), adjustment.cents, &amounts, bill));
                continue;
            }
            TG_TRY(const RoundedAmount own, round_amount(item.exact, item.currency, bill->terms));
            item.usd_cents = own.usd_cents;
            item.cny_fen = own.cny_fen;
            add_to(&amounts, item.project, own);
            bill->items.push_back(std::move(item));
        }
    }
    return {};
}

}  // namespace tg::bill_internal
