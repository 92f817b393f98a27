#include "billing/credit.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/time_zone.h"
#include "billing/contracts.h"
#include "billing/fx_rates.h"
#include "billing/internal/bill_shares.h"
#include "billing/internal/bill_source.h"
#include "identity/customer_holds.h"
#include "store/read_snapshot.h"

namespace tg {

using namespace bill_internal;

namespace {

constexpr std::int64_t kDayMicros = 86'400'000'000;

std::int64_t fen_of(Femto amount) {
    return static_cast<std::int64_t>(amount.value / kFemtoPerCent);
}

/// A bill's usage after all discounts, with fees and tax; without what a commitment or its early
/// end costs, which is not due before the month is over.
std::int64_t used_fen(const Bill& bill) {
    int128 net = 0;
    for (const auto* lines : {&bill.lines, &bill.late})
        for (const BillLine& line : *lines) net += line.cny_fen;
    for (const BillItem& item : bill.items)
        if (item.kind < BillItemKind::true_up) net += item.cny_fen;
    return static_cast<std::int64_t>(
        net + divide(net * bill.terms.vat_ppm, 1'000'000, Rounding::half_up));
}

std::string hold_of(const CreditStanding& standing, std::int32_t today) {
    if (standing.trial) {
        const Trial& trial = *standing.trial;
        if (today > trial.last_day)
            return "its trial ended with " + day_text(trial.last_day) +
                   "; agree a contract to go on";
        if (standing.trial_cents >= trial.cap_cents)
            return "its trial's cap of " + format_cents(trial.cap_cents) + " " +
                   std::string(code(trial.currency)) + " is used up; agree a contract to go on";
    }
    if (!standing.overdue_bill.empty())
        return "bill " + standing.overdue_bill + " is overdue; pay it to go on";
    if (!standing.available_fen || *standing.available_fen > 0) return "";
    if (standing.terms.mode == PaymentMode::prepaid)
        return "its prepaid balance is used up; top up to go on";
    return "its credit limit of " + format_cents(standing.terms.credit_limit_fen.value_or(0)) +
           " CNY is used up; pay or top up to go on";
}

}  // namespace

/// One look at the store, which is read as of one moment.
class CreditBook::Reading {
  public:
    Reading(CreditBook* book, SqlConnection* store, UtcMicros now)
        : book_(book), store_(store), now_(now) {}

    Result<std::vector<CreditStanding>> run();

  private:
    /// Months in which a customer has usage that no final bill has.
    struct Open {
        std::set<YearMonth> months;
        std::string basis;
    };
    Status read_contracts();
    Status read_ledger();
    Status take_balance(const AccountBalance& balance);
    Status read_overdue();
    Status move_late();
    Status value_unbilled();
    Status value_month(YearMonth month, const std::vector<CustomerId>& customers);
    Status read_trials();
    void conclude();

    CreditBook* book_;
    SqlConnection* store_;
    UtcMicros now_;
    std::map<CustomerId, CreditStanding> standings_;
    std::map<CustomerId, std::int32_t> today_, contract_began_;
    /// Changes with every amendment, and with an early end.
    std::map<CustomerId, std::string> agreed_;
    std::map<CustomerId, Open> open_;
    std::map<CustomerId, std::int64_t> valued_;
};

Result<std::vector<CreditStanding>> CreditBook::Reading::run() {
    TG_CHECK_OK(read_contracts());
    if (!standings_.empty()) {
        TG_CHECK_OK(read_ledger());
        TG_CHECK_OK(read_overdue());
        TG_CHECK_OK(move_late());
        TG_CHECK_OK(value_unbilled());
        TG_CHECK_OK(read_trials());
        conclude();
    }
    std::vector<CreditStanding> out;
    for (auto& [id, standing] : standings_) out.push_back(std::move(standing));
    return out;
}

Status CreditBook::Reading::read_contracts() {
    TG_TRY(const std::vector<Contract> contracts, list_contracts(*store_));
    if (contracts.empty()) return {};
    std::map<CustomerId, std::string> zones;
    TG_CHECK_OK(store_->query("SELECT id, time_zone FROM customers", {}, [&](const SqlRow& row) {
        zones[CustomerId(static_cast<std::uint32_t>(row.integer(0)))] = row.text(1);
        return true;
    }));
    std::map<std::string, TimeZone> loaded;
    for (const Contract& contract : contracts) {
        const std::string& name = zones[contract.customer];
        auto zone = loaded.find(name);
        if (zone == loaded.end()) {
            TG_TRY(TimeZone read, TimeZone::load(name));
            zone = loaded.emplace(name, std::move(read)).first;
        }
        const std::int32_t today = zone->second.local_day(now_);
        if (status_on(contract, today) != ContractStatus::active) continue;
        const ContractTerms& terms = contract.version_on(today).terms;
        CreditStanding& out = standings_[contract.customer];
        out.customer = contract.customer;
        out.customer_code = contract.customer_code;
        out.contract = contract.code;
        out.terms = terms.payment;
        out.trial = terms.trial;
        today_[contract.customer] = today;
        contract_began_[contract.customer] = contract.first_day;
        agreed_[contract.customer] = contract.code + "/" +
                                     std::to_string(contract.versions.size()) + "/" +
                                     std::to_string(contract.end_day);
    }
    return {};
}

Status CreditBook::Reading::read_ledger() {
    constexpr std::size_t kBatch = 500;
    std::vector<CustomerId> customers;
    for (const auto& [id, standing] : standings_) customers.push_back(id);
    for (std::size_t first = 0; first < customers.size(); first += kBatch) {
        const auto batch =
            std::span(customers).subspan(first, std::min(kBatch, customers.size() - first));
        TG_TRY(const std::vector<AccountBalance> balances,
               read_balances(*store_, {.customers = {batch.begin(), batch.end()}}));
        for (const AccountBalance& balance : balances)
            if (balance.amount.value != 0) TG_CHECK_OK(take_balance(balance));
    }
    return {};
}

Status CreditBook::Reading::take_balance(const AccountBalance& balance) {
    const AccountKey& account = balance.account;
    CreditStanding& standing = standings_[account.customer];
    if (account.code == AccountCode::unbilled_receivable) {
        TG_TRY(const YearMonth month, parse_year_month(account.subject));
        Open& open = open_[account.customer];
        open.months.insert(month);
        open.basis += account.subject + std::to_string(account.project.get()) +
                      std::string(code(account.currency)) + to_string(balance.amount.value);
    }
    if (account.currency != Currency::cny) return {};
    const std::int64_t fen = fen_of(balance.amount);
    if (account.code == AccountCode::billed_receivable ||
        account.code == AccountCode::overdue_receivable)
        standing.owed_fen += fen;
    else if (account.code == AccountCode::deposit)
        standing.deposit_fen -= fen;
    else if (account.code == AccountCode::wallet_paid)
        standing.wallet_fen -= fen;
    return {};
}

Status CreditBook::Reading::read_overdue() {
    for (auto& [id, standing] : standings_) {
        if (standing.owed_fen <= 0 || standing.terms.suspend_days < 0) continue;
        const std::int64_t limit = now_.micros - standing.terms.suspend_days * kDayMicros;
        std::vector<std::string> late;
        TG_CHECK_OK(store_->query(
            "SELECT id FROM bills WHERE customer_id = ? AND status >= ? AND due_at < ? ORDER BY "
            "month",
            {std::int64_t{id.get()}, static_cast<std::int64_t>(BillStatus::finalised), limit},
            [&late](const SqlRow& row) {
                late.emplace_back(row.text(0));
                return true;
            }));
        for (const std::string& bill : late) {
            BillHead head;
            head.id = bill;
            head.customer = id;
            TG_TRY(const OpenDebt debt, open_debt(*store_, head));
            if (debt.fen <= 0) continue;
            standing.overdue_bill = bill;
            break;
        }
    }
    return {};
}

/// Usage of a month whose bill is final will be on the bill of the month that goes on.
Status CreditBook::Reading::move_late() {
    std::set<std::pair<CustomerId, YearMonth>> final;
    TG_CHECK_OK(store_->query(
        "SELECT customer_id, month FROM bills WHERE status >= ?",
        {static_cast<std::int64_t>(BillStatus::finalised)}, [&final](const SqlRow& row) {
            final.emplace(CustomerId(static_cast<std::uint32_t>(row.integer(0))),
                          month_of_number(row.integer(1)));
            return true;
        }));
    for (auto& [id, open] : open_) {
        const Civil civil = to_civil({today_[id] * kDayMicros});
        std::set<YearMonth> months;
        for (const YearMonth month : open.months)
            months.insert(final.contains({id, month}) ? YearMonth{civil.year, civil.month} : month);
        open.months = std::move(months);
    }
    return {};
}

Status CreditBook::Reading::value_unbilled() {
    std::map<YearMonth, std::vector<CustomerId>> months;
    for (auto& [id, open] : open_) {
        // A rate of another day, or other terms, change what the same usage is worth.
        open.basis += "@" + std::to_string(today_[id]) + agreed_[id];
        const Unbilled& known = book_->unbilled_[id];
        if (known.basis == open.basis) {
            valued_[id] = known.fen;
            continue;
        }
        for (const YearMonth month : open.months) months[month].push_back(id);
    }
    for (const auto& [month, customers] : months) TG_CHECK_OK(value_month(month, customers));
    for (auto& [id, open] : open_) book_->unbilled_[id] = {std::move(open.basis), valued_[id]};
    return {};
}

Status CreditBook::Reading::value_month(YearMonth month, const std::vector<CustomerId>& customers) {
    constexpr std::size_t kBatch = 50;
    TG_TRY(const BillTerms terms, with_fx_rate(*store_, book_->terms_, month, FxUse::preview));
    for (std::size_t first = 0; first < customers.size(); first += kBatch) {
        const auto batch =
            std::span(customers).subspan(first, std::min(kBatch, customers.size() - first));
        TG_TRY(const BillSource source, BillSource::load(*store_, batch, month));
        for (const CustomerId customer : batch) {
            const BillSource::Of* of = source.find(customer);
            if (of == nullptr) continue;
            // Late usage would be on the bill of each open month: it counts once, with the last.
            BillSource::Of own = *of;
            if (month != *open_[customer].months.rbegin()) own.late.clear();
            TG_TRY(const Bill bill, own.compose(month, terms));
            valued_[customer] += used_fen(bill);
        }
    }
    return {};
}

Status CreditBook::Reading::read_trials() {
    for (auto& [id, standing] : standings_) {
        if (!standing.trial) continue;
        std::array<Femto, kCurrencyCount> used{};
        TG_CHECK_OK(store_->query(
            "SELECT currency, SUM(charge_nano), SUM(charge_femto) FROM usage_daily WHERE "
            "customer_id = ? AND local_day >= ? GROUP BY currency",
            {std::int64_t{id.get()}, std::int64_t{contract_began_[id]}}, [&](const SqlRow& row) {
                const std::int64_t currency = row.integer(0);
                if (currency >= 0 && currency < kCurrencyCount)
                    used[static_cast<std::size_t>(currency)] =
                        join({row.integer(1), row.integer(2)});
                return true;
            }));
        for (int i = 0; i < kCurrencyCount; ++i) {
            TG_TRY(const RoundedAmount amount,
                   round_amount(used[static_cast<std::size_t>(i)], static_cast<Currency>(i),
                                book_->terms_));
            standing.trial_cents +=
                standing.trial->currency == Currency::usd ? amount.usd_cents : amount.cny_fen;
        }
    }
    return {};
}

void CreditBook::Reading::conclude() {
    for (auto& [id, standing] : standings_) {
        standing.unbilled_fen = valued_[id];
        const std::int64_t used = standing.owed_fen + standing.unbilled_fen;
        if (standing.terms.mode == PaymentMode::prepaid)
            standing.available_fen = standing.wallet_fen - used;
        else if (standing.terms.credit_limit_fen)
            standing.available_fen = *standing.terms.credit_limit_fen + standing.deposit_fen +
                                     standing.wallet_fen - used;
        standing.hold = hold_of(standing, today_[id]);
    }
}

Result<std::vector<CreditStanding>> CreditBook::read(SqlConnection& store, UtcMicros now) {
    TG_TRY(const ReadSnapshot snapshot, ReadSnapshot::begin(store));
    return Reading(this, &store, now).run();
}

Result<std::int64_t> CreditBook::enforce(SqlConnection& store, UtcMicros now) {
    std::map<CustomerId, std::string> holds;
    TG_TRY(const std::vector<CreditStanding> standings, read(store, now));
    for (const CreditStanding& standing : standings)
        if (!standing.hold.empty()) holds[standing.customer] = standing.hold;
    return set_holds(store, holds, {.actor = "server", .at = now});
}

}  // namespace tg
