#include "billing/internal/contract_month.h"

#include <algorithm>
#include <set>

#include "billing/internal/bill_rows.h"

namespace tg::bill_internal {
namespace {

Civil civil_of(std::int32_t day) {
    return to_civil({day * std::int64_t{86'400'000'000}});
}

/// A whole period of a commitment, whether or not the contract covers all of it.
MonthDays whole_period(const Contract& contract, Commitment::Period period, std::int32_t day) {
    if (period == Commitment::Period::month) {
        const Civil civil = civil_of(day);
        return days_of({civil.year, civil.month});
    }
    int years = 0;
    while (same_day_later(contract.first_day, years + 1) <= day) ++years;
    return {same_day_later(contract.first_day, years),
            same_day_later(contract.first_day, years + 1) - 1};
}

/// Amount of a period: that of each version by the days it holds on, rounded once. Days after
/// `last_day` commit to nothing.
std::int64_t committed_cents(const Contract& contract, MonthDays whole, std::int32_t first_day,
                             std::int32_t last_day) {
    int128 cent_days = 0;
    for (std::int32_t day = first_day; day <= last_day; ++day) {
        const std::optional<Commitment>& commitment = contract.version_on(day).terms.commitment;
        if (commitment) cent_days += commitment->cents;
    }
    return static_cast<std::int64_t>(divide(cent_days, whole.count(), Rounding::half_up));
}

/// What was committed for the days from `end_day` to the end of the term.
EarlyEnd early_end(const Contract& contract) {
    EarlyEnd out{.contract = &contract};
    const ContractTerms& terms = contract.version_on(contract.end_day).terms;
    if (!terms.commitment || terms.termination_ppm == 0 || contract.last_day == kNoDay) return out;
    out.currency = terms.commitment->currency;
    int128 cents = 0;
    for (std::int32_t day = contract.end_day + 1; day <= contract.last_day;) {
        const MonthDays whole = whole_period(contract, terms.commitment->period, day);
        const std::int32_t last = std::min(whole.last, contract.last_day);
        cents += committed_cents(contract, whole, day, last);
        day = last + 1;
    }
    out.cents = static_cast<std::int64_t>(
        divide(cents * terms.termination_ppm, 1'000'000, Rounding::half_up));
    return out;
}

const Contract* covering(const std::vector<Contract>& contracts, std::int32_t day) {
    for (const Contract& contract : contracts)
        if (day >= contract.first_day && day <= contract.end_day) return &contract;
    return nullptr;
}

/// Builds a month day by day: a month has 31 of them at most.
class Builder {
  public:
    Builder(ContractMonth* out, MonthDays days, const SpentBefore& spent)
        : out_(out), days_(days), spent_(&spent) {}

    void add(std::int32_t day) {
        Segment next{.first_day = day, .last_day = day};
        next.contract = covering(*out_->contracts, day);
        if (next.contract != nullptr) {
            next.version = &next.contract->version_on(day);
            if (next.version->terms.commitment)
                next.commitment = commitment(*next.contract, *next.version->terms.commitment, day);
            if (next.contract->end_day == day && next.contract->last_day != day)
                end(*next.contract);
        }
        std::vector<Segment>& all = out_->segments;
        if (!all.empty() && all.back().version == next.version &&
            all.back().commitment == next.commitment)
            all.back().last_day = day;
        else
            all.push_back(next);
    }

  private:
    int commitment(const Contract& contract, const Commitment& terms, std::int32_t day) {
        const MonthDays whole = whole_period(contract, terms.period, day);
        CommitmentPeriod period{.contract = &contract,
                                .first_day = std::max(whole.first, contract.first_day),
                                .last_day = std::min(whole.last, contract.end_day),
                                .currency = terms.currency};
        std::vector<CommitmentPeriod>& all = out_->commitments;
        const auto same = std::ranges::find_if(all, [&](const CommitmentPeriod& other) {
            return other.contract == &contract && other.first_day == period.first_day;
        });
        if (same != all.end()) return static_cast<int>(same - all.begin());
        period.committed_cents =
            committed_cents(contract, whole, period.first_day, period.last_day);
        period.ends_here = period.last_day <= days_.last;
        const auto spent = spent_->find({contract.id, period.first_day});
        if (spent != spent_->end()) period.spent_before_cents = spent->second;
        all.push_back(period);
        return static_cast<int>(all.size()) - 1;
    }
    void end(const Contract& contract) {
        const EarlyEnd ended = early_end(contract);
        if (ended.cents > 0) out_->early_ends.push_back(ended);
    }

    ContractMonth* out_;
    MonthDays days_;
    const SpentBefore* spent_;
};

Result<std::map<CustomerId, SpentBefore>> read_spent(SqlConnection& store,
                                                     const std::set<CustomerId>& customers,
                                                     YearMonth month) {
    std::map<CustomerId, SpentBefore> out;
    std::string places;
    std::vector<SqlValue> values;
    for (const CustomerId customer : customers) {
        places.append(places.empty() ? "?" : ", ?");
        values.emplace_back(std::int64_t{customer.get()});
    }
    values.emplace_back(month_number(month));
    TG_CHECK_OK(store.query(
        "SELECT customer_id, contract_id, first_day, SUM(spent_cents) FROM bill_commitments WHERE "
        "customer_id IN (" +
            places + ") AND month < ? GROUP BY customer_id, contract_id, first_day",
        std::span(values), [&out](const SqlRow& row) {
            out[CustomerId(static_cast<std::uint32_t>(row.integer(0)))]
               [{row.integer(1), static_cast<std::int32_t>(row.integer(2))}] = row.integer(3);
            return true;
        }));
    return out;
}

}  // namespace

MonthDays days_of(YearMonth month) {
    const YearMonth next =
        month.month == 12 ? YearMonth{month.year + 1, 1} : YearMonth{month.year, month.month + 1};
    return {static_cast<std::int32_t>(days_from_civil(month.year, month.month, 1)),
            static_cast<std::int32_t>(days_from_civil(next.year, next.month, 1) - 1)};
}

std::int32_t same_day_later(std::int32_t day, int years) {
    const Civil civil = civil_of(day);
    return static_cast<std::int32_t>(days_from_civil(civil.year + years, civil.month, civil.day));
}

bool ContractMonth::has_terms() const {
    return std::ranges::any_of(segments,
                               [](const Segment& segment) { return segment.version != nullptr; });
}

bool ContractMonth::has_fixed_charges() const {
    const bool has_fee = std::ranges::any_of(segments, [](const Segment& segment) {
        return segment.version != nullptr && segment.version->terms.management_fee &&
               segment.version->terms.management_fee->month_cents > 0;
    });
    const bool is_short = std::ranges::any_of(commitments, [](const CommitmentPeriod& period) {
        return period.ends_here && period.committed_cents > period.spent_before_cents;
    });
    return has_fee || is_short || !early_ends.empty();
}

const ContractTerms* ContractMonth::last_terms() const {
    if (segments.empty() || segments.back().version == nullptr) return nullptr;
    return &segments.back().version->terms;
}

ContractMonth contract_month(std::shared_ptr<const std::vector<Contract>> contracts,
                             YearMonth month, const SpentBefore& spent_before) {
    ContractMonth out{
        .contracts = std::move(contracts), .segments = {}, .commitments = {}, .early_ends = {}};
    const MonthDays days = days_of(month);
    Builder builder(&out, days, spent_before);
    for (std::int32_t day = days.first; day <= days.last; ++day) builder.add(day);
    return out;
}

Result<std::map<CustomerId, ContractMonth>> read_contract_months(
    SqlConnection& store, std::span<const CustomerId> customers, YearMonth month) {
    std::map<CustomerId, ContractMonth> out;
    TG_TRY(std::vector<Contract> all, list_contracts(store, {customers.begin(), customers.end()}));
    const MonthDays days = days_of(month);
    std::erase_if(all, [&](const Contract& contract) {
        return contract.end_day < days.first || contract.first_day > days.last;
    });
    if (all.empty()) return out;
    std::set<CustomerId> with_contract;
    for (const Contract& contract : all) with_contract.insert(contract.customer);
    TG_TRY(auto spent, read_spent(store, with_contract, month));
    for (const CustomerId customer : with_contract) {
        auto own = std::make_shared<std::vector<Contract>>();
        for (Contract& contract : all)
            if (contract.customer == customer) own->push_back(std::move(contract));
        out[customer] = contract_month(std::move(own), month, spent[customer]);
    }
    return out;
}

std::int64_t fee_of_days(std::int64_t month_cents, YearMonth month, std::int32_t first_day,
                         std::int32_t last_day) {
    const MonthDays days = days_of(month);
    const auto through = [&](std::int32_t day) {
        return divide(int128{month_cents} * (day - days.first + 1), days.count(),
                      Rounding::half_up);
    };
    return static_cast<std::int64_t>(through(last_day) - through(first_day - 1));
}

}  // namespace tg::bill_internal
