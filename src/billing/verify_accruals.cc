#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "billing/internal/verify_parts.h"
#include "ledger/entry.h"

namespace tg {
namespace {

/// Customer, currency, project, month.
using AccrualKey = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::string>;

std::string name_of(const AccrualKey& key) {
    const auto& [customer, currency, project, month] = key;
    return "usage of customer " + std::to_string(customer) + ", project " +
           std::to_string(project) + ", " + month + ", " +
           (currency >= 0 && currency < kCurrencyCount
                ? std::string(code(static_cast<Currency>(currency)))
                : "currency " + std::to_string(currency));
}

std::string month_of_day(std::int32_t day) {
    const std::string text = day_text(std::clamp(day, 0, 2'932'896));
    return text.substr(0, 7);
}

/// What the events of the journal make customers owe.
std::map<AccrualKey, Femto> charges_of(const JournalSums& sums) {
    std::map<AccrualKey, Femto> out;
    for (const auto& [key, bucket] : sums.buckets()) {
        if (key.customer == 0 || bucket.all.charge.value == 0) continue;
        out[{key.customer, static_cast<std::int64_t>(key.currency), key.project,
             month_of_day(key.day)}] += bucket.all.charge;
    }
    return out;
}

}  // namespace

Status check_accruals(SqlConnection& store, const JournalSums& sums, Problems* problems) {
    std::map<AccrualKey, Femto> charges = charges_of(sums);
    // In the ledger amounts have a base of 10^9 (docs/formats.md), of which sums are exact.
    constexpr int128 kLedgerBase = 1'000'000'000;
    TG_CHECK_OK(store.query(
        "SELECT a.customer_id, a.currency, a.project_id, a.subject, sum(p.amount_high), "
        "sum(p.amount_low) FROM ledger_entries e JOIN ledger_postings p ON p.number = e.number "
        "JOIN ledger_accounts a ON a.id = p.account_id WHERE e.cause_kind = ? AND a.code = ? GROUP "
        "BY a.customer_id, a.currency, a.project_id, a.subject ORDER BY 1, 2, 3, 4",
        {static_cast<std::int64_t>(CauseKind::usage_batch),
         number(AccountCode::unbilled_receivable)},
        [&](const SqlRow& row) {
            const AccrualKey key{row.integer(0), row.integer(1), row.integer(2),
                                 std::string(row.text(3))};
            const Femto booked{row.integer(4) * kLedgerBase + row.integer(5)};
            const auto found = charges.find(key);
            const Femto computed = found == charges.end() ? Femto{} : found->second;
            if (booked != computed)
                problems->add("ledger", name_of(key) + ": " + format_amount(booked) +
                                            " in the ledger, " + format_amount(computed) +
                                            " by the journal");
            if (found != charges.end()) charges.erase(found);
            return true;
        }));
    for (const auto& [key, charge] : charges)
        problems->add("ledger", name_of(key) + ": is not in the ledger, " + format_amount(charge) +
                                    " by the journal");
    return {};
}

}  // namespace tg
