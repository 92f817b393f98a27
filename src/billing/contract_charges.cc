// A contract's arithmetic, on exact integers. Percentages are rounded half-up to 10^-15 where they
// are applied, and each item once to cents and fen.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "billing/internal/bill_shares.h"
#include "billing/internal/contract_month.h"
#include "rating/price_text.h"

namespace tg::bill_internal {
namespace {

constexpr int128 kPpm = 1'000'000, kRateScale = 100'000'000;
/// More than any amount in 10^-15 may be, so that a percentage of it still fits 128 bits.
constexpr int128 kAmountMax = int128{1'000'000'000'000'000} * kFemtoPerUnit;

Femto share_of(Femto amount, std::int64_t ppm) {
    return {divide(amount.value * ppm, kPpm, Rounding::half_up)};
}
Femto negative(Femto amount) {
    return {-amount.value};
}

std::string percent_text(std::int64_t ppm) {
    return format_scaled(ppm, 4, 0) + "%";
}

/// What the first `quantity` units of the month cost.
Femto cost_of_first(const RateRule& rule, std::int64_t quantity) {
    if (rule.kind == RateRule::Kind::package) {
        const int128 packages = divide(quantity, rule.package_units, Rounding::ceil);
        return {packages * rule.package_nano * kFemtoPerNano};
    }
    Femto out;
    std::int64_t from = 0;
    for (const PriceStep& step : rule.steps) {
        const std::int64_t to = step.up_to == 0 ? quantity : std::min(step.up_to, quantity);
        if (to <= from) break;
        out += (to - from) * step.price;
        from = to;
    }
    return out;
}

NanoPerM price_at(const RateRule& rule, std::int64_t quantity) {
    for (const PriceStep& step : rule.steps)
        if (step.up_to == 0 || quantity <= step.up_to) return step.price;
    return rule.steps.back().price;
}

std::string describe(const RateRule& rule) {
    std::string out = rule.models;
    if (rule.meter) out.append(" ").append(name(*rule.meter));
    if (rule.tier) out.append(" (").append(name(*rule.tier)).append(")");
    const std::string currency(code(rule.currency));
    switch (rule.kind) {
        case RateRule::Kind::discount:
            return out + ": " + percent_text(rule.ppm) + " off list price";
        case RateRule::Kind::fixed:
            return out + " at " + format_price(*rule.meter, rule.steps[0].price) + " " + currency +
                   " per " + std::string(price_unit(*rule.meter));
        case RateRule::Kind::graduated:
            return out + " at graduated prices";
        case RateRule::Kind::volume:
            return out + " at volume prices";
        case RateRule::Kind::package:
            return out + " in packages of " + std::to_string(rule.package_units) + " at " +
                   format_scaled(rule.package_nano, 9, 2) + " " + currency;
    }
    return out;
}

/// A line's way through the contract.
struct Charge {
    const BillLine* line = nullptr;
    std::size_t segment = 0;
    int rule = -1;  ///< of the segment's rate card
    Femto now;      ///< after what was applied so far
};

class Charges {
  public:
    Charges(const ContractMonth& contract, const ChargedUsage& usage, Bill* bill);
    Status run();

  private:
    using ByCurrency = std::array<Femto, kCurrencyCount>;
    /// What usage costs by segment and project.
    using Running = std::vector<std::map<std::string, ByCurrency>>;

    const Segment& segment(std::size_t at) const { return contract_->segments[at]; }
    const ContractTerms* terms(std::size_t at) const {
        return segment(at).version == nullptr ? nullptr : &segment(at).version->terms;
    }
    BillItem item(std::size_t segment, BillItemKind kind, std::string text) const;
    Status add(BillItem item);
    Result<Femto> in_currency(Femto amount, Currency from, Currency to) const;
    Result<Femto> sum_in(const std::map<std::string, ByCurrency>& projects, Currency to) const;

    Status apply_rate_cards();
    Status apply_rule(std::size_t segment, int rule);
    void reprice(const RateRule& rule, std::int64_t before, std::int64_t all,
                 const std::vector<Charge*>& charges) const;
    Status apply_reserved();
    Status apply_discounts();
    /// The percentage that a segment's terms give by volume or for mixed models.
    Result<std::int64_t> volume_ppm(const VolumeDiscount& discount, const ContractTerms& terms);
    Result<std::int64_t> mixed_ppm(const MixedDiscount& discount) const;
    Status take(std::size_t segment, BillItemKind kind, std::int64_t ppm, const std::string& text);
    Status charge_fees();
    Status charge_commitments();

    const ContractMonth* contract_;
    Bill* bill_;
    std::vector<Charge> charges_;
    Running running_;
    /// Rounded amounts of lines and items so far, by project.
    ProjectAmounts rounded_;
};

Charges::Charges(const ContractMonth& contract, const ChargedUsage& usage, Bill* bill)
    : contract_(&contract), bill_(bill), running_(contract.segments.size()) {
    for (std::size_t i = 0; i < usage.lines.size(); ++i) {
        charges_.push_back(
            {.line = usage.lines[i], .segment = usage.segments[i], .now = usage.lines[i]->exact});
    }
    rounded_ = amounts_of_lines(*bill);
}

BillItem Charges::item(std::size_t at, BillItemKind kind, std::string text) const {
    const Segment& of = segment(at);
    BillItem out;
    out.kind = kind;
    out.contract = of.contract->code;
    out.version = of.version->version;
    out.first_day = of.first_day;
    out.last_day = of.last_day;
    out.text = std::move(text);
    return out;
}

/// Rounds an item, but takes no more than what its project has: many lines that each rounded to
/// nothing may have less than their sum.
Status Charges::add(BillItem item) {
    if (item.exact.value == 0) return {};
    TG_TRY(const RoundedAmount rounded, round_amount(item.exact, item.currency, bill_->terms));
    RoundedAmount& sum = rounded_[item.project];
    item.usd_cents = rounded.usd_cents;
    item.cny_fen = rounded.cny_fen;
    if (item.exact.value < 0) {
        item.usd_cents = std::max(item.usd_cents, -std::max<std::int64_t>(sum.usd_cents, 0));
        item.cny_fen = std::max(item.cny_fen, -std::max<std::int64_t>(sum.cny_fen, 0));
    }
    sum.usd_cents += item.usd_cents;
    sum.cny_fen += item.cny_fen;
    bill_->items.push_back(std::move(item));
    return {};
}

Result<Femto> Charges::in_currency(Femto amount, Currency from, Currency to) const {
    if (from == to) return amount;
    const int128 rate = bill_->terms.usd_cny_e8;
    const bool is_usd = from == Currency::usd;
    int128 product = 0;
    if (__builtin_mul_overflow(amount.value, is_usd ? rate : kRateScale, &product)) {
        return fail(ErrorCode::corrupt_data, "bill " + bill_->id + ": usage of " +
                                                 format_amount(amount) +
                                                 " is larger than any real one; run: tollgate "
                                                 "verify");
    }
    return Femto{divide(product, is_usd ? kRateScale : rate, Rounding::half_up)};
}

Result<Femto> Charges::sum_in(const std::map<std::string, ByCurrency>& projects,
                              Currency to) const {
    ByCurrency sums{};
    for (const auto& [project, amounts] : projects)
        for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += amounts[i];
    Femto out;
    for (std::size_t i = 0; i < sums.size(); ++i) {
        TG_TRY(const Femto here, in_currency(sums[i], static_cast<Currency>(i), to));
        out += here;
    }
    return out;
}

Status Charges::run() {
    for (const Charge& charge : charges_) {
        if (charge.now.value > kAmountMax || charge.now.value < -kAmountMax) {
            return fail(ErrorCode::corrupt_data,
                        "bill " + bill_->id + ": usage of " + format_amount(charge.now) +
                            " is larger than any real one; run: tollgate verify");
        }
    }
    TG_CHECK_OK(apply_rate_cards());
    TG_CHECK_OK(apply_reserved());
    for (const Charge& charge : charges_) {
        const auto currency = static_cast<std::size_t>(charge.line->currency);
        running_[charge.segment][charge.line->project][currency] += charge.now;
    }
    TG_CHECK_OK(apply_discounts());
    TG_CHECK_OK(charge_fees());
    TG_CHECK_OK(charge_commitments());
    return {};
}

Status Charges::apply_rate_cards() {
    for (Charge& charge : charges_) {
        const ContractTerms* terms = this->terms(charge.segment);
        if (terms == nullptr) continue;
        const BillLine& line = *charge.line;
        for (std::size_t i = 0; i < terms->rate_card.size() && charge.rule < 0; ++i) {
            if (matches(terms->rate_card[i], line.model, line.meter, line.tier, line.currency))
                charge.rule = static_cast<int>(i);
        }
    }
    for (std::size_t at = 0; at < contract_->segments.size(); ++at) {
        const ContractTerms* terms = this->terms(at);
        if (terms == nullptr) continue;
        for (int i = 0; i < std::ssize(terms->rate_card); ++i) TG_CHECK_OK(apply_rule(at, i));
    }
    return {};
}

Status Charges::apply_rule(std::size_t at, int index) {
    const RateRule& rule = terms(at)->rate_card[static_cast<std::size_t>(index)];
    std::vector<Charge*> own;
    std::int64_t before = 0, all = 0;
    for (Charge& charge : charges_) {
        const BillLine& line = *charge.line;
        const bool is_own = charge.segment == at && charge.rule == index;
        if (is_own) own.push_back(&charge);
        // In other parts of the month another version's rules came first, but the units are units.
        const bool counts = is_own || (charge.segment != at && matches(rule, line.model, line.meter,
                                                                       line.tier, line.currency));
        if (!counts) continue;
        all += line.quantity;
        if (charge.segment < at) before += line.quantity;
    }
    if (own.empty()) return {};
    reprice(rule, before, all, own);
    std::map<std::pair<std::string, Currency>, BillItem> items;
    for (const Charge* charge : own) {
        BillItem& each = items[{charge->line->project, charge->line->currency}];
        if (each.contract.empty()) {
            each = item(at, BillItemKind::rate_card, describe(rule));
            each.project = charge->line->project;
            each.currency = charge->line->currency;
            each.ppm = rule.kind == RateRule::Kind::discount ? rule.ppm : 0;
        }
        each.base += charge->line->exact;
        each.exact += charge->now - charge->line->exact;
    }
    for (auto& [key, each] : items) TG_CHECK_OK(add(std::move(each)));
    return {};
}

void Charges::reprice(const RateRule& rule, std::int64_t before, std::int64_t all,
                      const std::vector<Charge*>& charges) const {
    std::int64_t own = 0;
    bool is_usable = true;
    std::vector<int128> weights;
    for (const Charge* charge : charges) {
        own += charge->line->quantity;
        is_usable = is_usable && charge->line->quantity >= 0;
        weights.push_back(charge->line->quantity);
    }
    if (rule.kind == RateRule::Kind::discount) {
        for (Charge* charge : charges) charge->now = charge->now - share_of(charge->now, rule.ppm);
        return;
    }
    if (rule.kind == RateRule::Kind::fixed || rule.kind == RateRule::Kind::volume) {
        const NanoPerM price = price_at(rule, all);
        for (Charge* charge : charges) charge->now = charge->line->quantity * price;
        return;
    }
    if (own <= 0 || !is_usable) return;  // corrections only: they stay at list price
    const Femto whole = cost_of_first(rule, before + own) - cost_of_first(rule, before);
    const std::vector<int128> parts = split_by(whole.value, weights);
    for (std::size_t i = 0; i < charges.size(); ++i) charges[i]->now = Femto{parts[i]};
}

Status Charges::apply_reserved() {
    using Key = std::tuple<std::size_t, std::size_t, std::string, Currency>;
    std::map<Key, BillItem> items;
    for (Charge& charge : charges_) {
        const ContractTerms* terms = this->terms(charge.segment);
        if (terms == nullptr) continue;
        const auto covers = [&](const ReservedCapacity& each) {
            return matches_name(each.models, charge.line->model);
        };
        const auto reserved = std::ranges::find_if(terms->reserved, covers);
        if (reserved == terms->reserved.end()) continue;
        const auto index = static_cast<std::size_t>(reserved - terms->reserved.begin());
        BillItem& each =
            items[{charge.segment, index, charge.line->project, charge.line->currency}];
        if (each.contract.empty()) {
            each = item(
                charge.segment, BillItemKind::reserved,
                "reserved capacity of " + reserved->models + ": " + percent_text(reserved->ppm));
            each.project = charge.line->project;
            each.currency = charge.line->currency;
            each.ppm = reserved->ppm;
        }
        const Femto taken = share_of(charge.now, reserved->ppm);
        each.base += charge.now;
        each.exact += negative(taken);
        charge.now = charge.now - taken;
    }
    for (auto& [key, each] : items) TG_CHECK_OK(add(std::move(each)));
    return {};
}

Result<std::int64_t> Charges::volume_ppm(const VolumeDiscount& discount,
                                         const ContractTerms& terms) {
    Femto basis;
    if (discount.basis == VolumeDiscount::Basis::commitment) {
        const bool is_month = terms.commitment->period == Commitment::Period::month;
        basis = {terms.commitment->cents * (is_month ? 12 : 1) * kFemtoPerCent};
    } else {
        for (const auto& projects : running_) {
            TG_TRY(const Femto sum, sum_in(projects, discount.currency));
            basis += sum;
        }
    }
    std::int64_t ppm = 0;
    for (const VolumeDiscount::Step& step : discount.steps)
        if (basis.value >= step.from_cents * kFemtoPerCent) ppm = step.ppm;
    return ppm;
}

Result<std::int64_t> Charges::mixed_ppm(const MixedDiscount& discount) const {
    std::map<std::string, Femto> models;
    Femto all;
    for (const Charge& charge : charges_) {
        TG_TRY(const Femto usd,
               in_currency(charge.line->exact, charge.line->currency, Currency::usd));
        models[charge.line->model] += usd;
        all += usd;
    }
    std::int64_t count = 0;
    for (const auto& [model, usd] : models) {
        if (usd.value > 0 && usd.value * kPpm >= all.value * discount.share_min_ppm) ++count;
    }
    std::int64_t ppm = 0;
    for (const MixedDiscount::Step& step : discount.steps)
        if (count >= step.models) ppm = step.ppm;
    return ppm;
}

/// Takes a percentage of what usage of a segment costs by now.
Status Charges::take(std::size_t at, BillItemKind kind, std::int64_t ppm, const std::string& text) {
    if (ppm == 0) return {};
    const bool is_fee = kind == BillItemKind::management_fee;
    for (auto& [project, amounts] : running_[at]) {
        for (std::size_t i = 0; i < amounts.size(); ++i) {
            BillItem each = item(at, kind, text + ": " + percent_text(ppm));
            each.project = project;
            each.currency = static_cast<Currency>(i);
            each.base = amounts[i];
            each.ppm = ppm;
            each.exact = share_of(each.base, ppm);
            if (!is_fee) {
                each.exact = negative(each.exact);
                amounts[i] += each.exact;
            }
            TG_CHECK_OK(add(std::move(each)));
        }
    }
    return {};
}

Status Charges::apply_discounts() {
    // All percentages before any is taken: of a month with several segments each looks at the same
    // figures.
    std::vector<std::int64_t> volume(running_.size()), mixed(running_.size());
    for (std::size_t at = 0; at < running_.size(); ++at) {
        const ContractTerms* terms = this->terms(at);
        if (terms == nullptr) continue;
        if (terms->volume) {
            TG_TRY(volume[at], volume_ppm(*terms->volume, *terms));
        }
        if (terms->mixed) {
            TG_TRY(mixed[at], mixed_ppm(*terms->mixed));
        }
    }
    for (std::size_t at = 0; at < running_.size(); ++at)
        TG_CHECK_OK(take(at, BillItemKind::volume, volume[at], "volume discount"));
    for (std::size_t at = 0; at < running_.size(); ++at)
        TG_CHECK_OK(take(at, BillItemKind::mixed_models, mixed[at], "mixed-model discount"));
    for (std::size_t at = 0; at < running_.size(); ++at) {
        if (const ContractTerms* terms = this->terms(at); terms != nullptr)
            TG_CHECK_OK(take(at, BillItemKind::transfer, terms->transfer_ppm, "transfer discount"));
    }
    for (std::size_t at = 0; at < running_.size(); ++at) {
        const ContractTerms* terms = this->terms(at);
        if (terms == nullptr || !terms->promotion) continue;
        const Promotion& promotion = *terms->promotion;
        if (!promotion.through || *promotion.through >= bill_->month)
            TG_CHECK_OK(take(at, BillItemKind::promotion, promotion.ppm, "promotion"));
    }
    return {};
}

Status Charges::charge_fees() {
    for (std::size_t at = 0; at < running_.size(); ++at) {
        const ContractTerms* terms = this->terms(at);
        if (terms == nullptr || !terms->management_fee) continue;
        const ManagementFee& fee = *terms->management_fee;
        TG_CHECK_OK(take(at, BillItemKind::management_fee, fee.ppm, "management fee"));
    }
    for (std::size_t at = 0; at < running_.size(); ++at) {
        const ContractTerms* terms = this->terms(at);
        if (terms == nullptr || !terms->management_fee) continue;
        const ManagementFee& fee = *terms->management_fee;
        BillItem whole = item(at, BillItemKind::management_fee,
                              "management fee of " + format_scaled(fee.month_cents, 2, 2) + " " +
                                  std::string(code(fee.currency)) + " a month");
        whole.currency = fee.currency;
        TG_CHECK_OK(share_out(
            std::move(whole),
            fee_of_days(fee.month_cents, bill_->month, segment(at).first_day, segment(at).last_day),
            &rounded_, bill_));
    }
    return {};
}

Status Charges::charge_commitments() {
    for (std::size_t i = 0; i < contract_->commitments.size(); ++i) {
        const CommitmentPeriod& period = contract_->commitments[i];
        Femto spent;
        std::size_t last = 0;
        for (std::size_t at = 0; at < running_.size(); ++at) {
            if (segment(at).commitment != static_cast<int>(i)) continue;
            last = at;
            TG_TRY(const Femto sum, sum_in(running_[at], period.currency));
            spent += sum;
        }
        BillCommitment state{.contract = period.contract->code,
                             .first_day = period.first_day,
                             .last_day = period.last_day,
                             .currency = period.currency,
                             .committed_cents = period.committed_cents,
                             .spent_before_cents = period.spent_before_cents};
        state.spent_cents =
            static_cast<std::int64_t>(divide(spent.value, kFemtoPerCent, Rounding::half_up));
        if (period.ends_here)
            state.missing_cents = std::max<std::int64_t>(
                state.committed_cents - state.spent_before_cents - state.spent_cents, 0);
        bill_->commitments.push_back(state);
        const std::string currency(code(period.currency));
        BillItem whole = item(
            last, BillItemKind::true_up,
            "commitment of " + format_scaled(state.committed_cents, 2, 2) + " " + currency +
                " for " + day_text(period.first_day) + " to " + day_text(period.last_day) +
                ", spent " + format_scaled(state.spent_before_cents + state.spent_cents, 2, 2));
        whole.first_day = period.first_day;
        whole.last_day = period.last_day;
        whole.currency = period.currency;
        TG_CHECK_OK(share_out(std::move(whole), state.missing_cents, &rounded_, bill_));
    }
    for (const EarlyEnd& end : contract_->early_ends) {
        BillItem whole;
        whole.kind = BillItemKind::early_end;
        whole.contract = end.contract->code;
        const ContractVersion& version = end.contract->version_on(end.contract->end_day);
        whole.version = version.version;
        whole.first_day = end.contract->end_day + 1;
        whole.last_day = end.contract->last_day;
        whole.text = percent_text(version.terms.termination_ppm) + " of what was committed from " +
                     day_text(whole.first_day) + " to " + day_text(whole.last_day);
        whole.currency = end.currency;
        TG_CHECK_OK(share_out(std::move(whole), end.cents, &rounded_, bill_));
    }
    return {};
}

}  // namespace

Status add_contract_items(const ContractMonth& contract, const ChargedUsage& usage, Bill* bill) {
    if (!contract.has_terms()) return {};
    return Charges(contract, usage, bill).run();
}

}  // namespace tg::bill_internal
