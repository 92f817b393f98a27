#include "billing/internal/usage_accruals.h"

#include <algorithm>

#include "ledger/flows.h"

namespace tg {
namespace {

/// 1970-01-01 and 9999-12-31: what a month of the ledger can be written with.
constexpr std::int32_t kDayMin = 0, kDayMax = 2'932'896;
/// Parts of one entry; each makes at most two postings.
constexpr std::size_t kPartsMax = 5'000;

std::int32_t month_number(std::int32_t day) {
    const Civil civil =
        to_civil({std::clamp(day, kDayMin, kDayMax) * std::int64_t{86'400'000'000}});
    return civil.year * 12 + civil.month - 1;
}

std::string month_text(std::int32_t number) {
    return to_string(YearMonth{number / 12, number % 12 + 1});
}

std::string batch_id(std::int64_t first, std::int64_t last, std::uint32_t customer,
                     Currency currency, std::size_t piece) {
    std::string out = std::to_string(first) + "-" + std::to_string(last) + "/" +
                      std::to_string(customer) + "/" + std::string(code(currency));
    if (piece > 0) out += "/" + std::to_string(piece + 1);
    return out;
}

}  // namespace

std::string accrual_month(std::int32_t day) {
    return month_text(month_number(day));
}

void UsageAccruals::add(std::uint32_t customer, Currency currency, std::uint32_t project,
                        std::int32_t day, Femto charge) {
    if (customer == 0 || charge.value == 0) return;
    charges_[{customer, currency}][{project, month_number(day)}] += charge;
}

void UsageAccruals::add(const UsageSums& sums) {
    for (const auto& [key, bucket] : sums.buckets())
        add(key.customer, key.currency, key.project, key.day, bucket.all.charge);
}

Result<std::vector<Entry>> UsageAccruals::entries(std::int64_t first, std::int64_t last,
                                                  UtcMicros occurred_at) const {
    std::vector<Entry> out;
    for (const auto& [payer, parts] : charges_) {
        UsageAccrued usage{.batch_id = {},
                           .customer = CustomerId{payer.first},
                           .currency = payer.second,
                           .occurred_at = occurred_at,
                           .parts = {}};
        std::size_t piece = 0;
        const auto finish = [&]() -> Status {
            usage.batch_id = batch_id(first, last, payer.first, payer.second, piece++);
            TG_TRY(Entry entry, usage_accrued(usage));
            out.push_back(std::move(entry));
            usage.parts.clear();
            return {};
        };
        for (const auto& [part, charge] : parts) {
            usage.parts.push_back({ProjectId{part.first}, month_text(part.second), charge});
            if (usage.parts.size() == kPartsMax) TG_CHECK_OK(finish());
        }
        if (!usage.parts.empty()) TG_CHECK_OK(finish());
    }
    return out;
}

Result<bool> has_unbooked_usage(SqlConnection& store, std::int64_t next_sequence) {
    if (next_sequence <= 1) return false;
    bool has_usage = false;
    TG_CHECK_OK(store.query("SELECT number FROM ledger_entries WHERE cause_kind = ? LIMIT 1",
                            {static_cast<std::int64_t>(CauseKind::usage_batch)},
                            [&has_usage](const SqlRow&) {
                                has_usage = true;
                                return false;
                            }));
    return !has_usage;
}

Status book_earlier_usage(SqlConnection& store, LedgerWriter* ledger, std::int64_t next_sequence,
                          UtcMicros now) {
    UsageAccruals accruals;
    TG_CHECK_OK(store.query(
        "SELECT customer_id, currency, project_id, local_day, sum(charge_nano), sum(charge_femto) "
        "FROM usage_daily GROUP BY customer_id, currency, project_id, local_day",
        {}, [&accruals](const SqlRow& row) {
            accruals.add(
                static_cast<std::uint32_t>(row.integer(0)), static_cast<Currency>(row.integer(1)),
                static_cast<std::uint32_t>(row.integer(2)),
                static_cast<std::int32_t>(row.integer(3)), join({row.integer(4), row.integer(5)}));
            return true;
        }));
    TG_TRY(const std::vector<Entry> entries, accruals.entries(1, next_sequence - 1, now));
    TG_TRY(const std::vector<Booking> bookings, ledger->append(entries, now));
    (void)bookings;
    return {};
}

}  // namespace tg
