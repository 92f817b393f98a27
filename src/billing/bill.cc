#include "billing/bill.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/time_zone.h"
#include "billing/internal/stored_enum.h"

namespace tg {
namespace {

struct CustomerRow {
    std::int64_t id = 0;
    std::string code, name, time_zone;
};

Result<CustomerRow> find_customer(SqlConnection& store, std::string_view code) {
    CustomerRow out;
    TG_CHECK_OK(store.query("SELECT id, code, name, time_zone FROM customers WHERE code = ?",
                            {std::string(code)}, [&](const SqlRow& row) {
                                out = {row.integer(0), std::string(row.text(1)),
                                       std::string(row.text(2)), std::string(row.text(3))};
                                return false;
                            }));
    if (out.id == 0)
        return fail(ErrorCode::not_found, "customer '" + std::string(code) +
                                              "' does not exist; see: tollgate customer list");
    return out;
}

Status check_project(SqlConnection& store, const CustomerRow& customer, const std::string& code) {
    bool is_known = false;
    TG_CHECK_OK(store.query("SELECT id FROM projects WHERE customer_id = ? AND code = ?",
                            {customer.id, code}, [&](const SqlRow&) {
                                is_known = true;
                                return false;
                            }));
    if (is_known) return {};
    return fail(ErrorCode::not_found, "customer '" + customer.code + "' has no project '" + code +
                                          "'; see: tollgate project list");
}

Status check_terms(const BillTerms& terms) {
    constexpr std::int64_t kRateMaxE8 = 1'000'000 * 100'000'000LL;
    if (terms.usd_cny_e8 <= 0 || terms.usd_cny_e8 > kRateMaxE8) {
        return fail(ErrorCode::invalid_config,
                    "the exchange rate " + format_scaled(terms.usd_cny_e8, 8, 2) +
                        " CNY per USD cannot be; it must be above 0 and at most 1,000,000");
    }
    if (terms.vat_ppm < 0 || terms.vat_ppm > 1'000'000) {
        return fail(ErrorCode::invalid_config, "a VAT of " + format_scaled(terms.vat_ppm, 4, 0) +
                                                   "% cannot be; it must be from 0 to 100%");
    }
    return {};
}

/// The code of a project, or its number when the store does not have it: money never vanishes for
/// lack of a name.
std::string project_code(const SqlRow& row, int code, int id) {
    if (!row.is_null(code)) return std::string(row.text(code));
    return "(project " + std::to_string(row.integer(id)) + ")";
}

std::int32_t day_number(UtcMicros local_midnight_as_utc) {
    return static_cast<std::int32_t>(local_midnight_as_utc.micros / 86'400'000'000);
}

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

/// The one place where an amount is rounded.
template <typename Line>
Status round_line(Line* line, const BillTerms& terms) {
    constexpr int128 kRateScale = 100'000'000;
    const int128 rate = terms.usd_cny_e8, exact = line->exact.value;
    if (line->currency == Currency::usd) {
        TG_TRY(line->usd_cents, rounded(exact, 1, kFemtoPerCent));
        TG_TRY(line->cny_fen, rounded(exact, rate, kFemtoPerCent * kRateScale));
    } else {
        TG_TRY(line->cny_fen, rounded(exact, 1, kFemtoPerCent));
        TG_TRY(line->usd_cents, rounded(exact, kRateScale, kFemtoPerCent * rate));
    }
    return {};
}

/// Columns as read_lines() selects them. Errors: corrupt_data.
Result<BillLine> to_line(const SqlRow& row, const BillTerms& terms) {
    BillLine line;
    line.project = project_code(row, 0, 10);
    line.department = row.text(1);
    line.environment = row.text(2);
    line.model = row.text(3);
    line.provider = row.text(4);
    TG_TRY(line.meter, stored_enum<Meter>(row.integer(5), kMeterCount, "usage_daily_lines.meter"));
    TG_TRY(line.tier,
           stored_enum<ServiceTier>(row.integer(6), kServiceTierCount, "usage_daily_lines.tier"));
    TG_TRY(line.currency,
           stored_enum<Currency>(row.integer(7), kCurrencyCount, "usage_daily_lines.currency"));
    line.price = {row.integer(8)};
    line.quantity = row.integer(9);
    line.exact = line.quantity * line.price;
    TG_CHECK_OK(round_line(&line, terms));
    return line;
}

Status read_lines(SqlConnection& store, const CustomerRow& customer, std::int32_t first_day,
                  std::int32_t last_day, Bill* bill) {
    Status bad;
    TG_CHECK_OK(store.query(
        "SELECT p.code, p.department, p.environment, d.model, d.provider, u.meter, u.tier, "
        "u.currency, u.price_nano, SUM(u.quantity), u.project_id FROM usage_daily_lines u JOIN "
        "usage_dimensions d ON d.id = u.dimension_id LEFT JOIN projects p ON p.id = u.project_id "
        "WHERE u.customer_id = ? AND u.local_day >= ? AND u.local_day <= ? AND u.price_nano >= 0 "
        "GROUP BY u.project_id, p.code, p.department, p.environment, d.model, d.provider, "
        "u.meter, u.tier, u.currency, u.price_nano",
        {customer.id, std::int64_t{first_day}, std::int64_t{last_day}}, [&](const SqlRow& row) {
            Result<BillLine> line = to_line(row, bill->terms);
            if (!line.ok()) {
                bad = fail(std::move(line).error());
                return false;
            }
            bill->lines.push_back(std::move(line).value());
            return true;
        }));
    return bad;
}

template <typename Line>
void add_up(const Line& line, BillTotal* total) {
    total->usd_cents += line.usd_cents;
    total->cny_fen += line.cny_fen;
    (line.currency == Currency::usd ? total->exact_usd : total->exact_cny) += line.exact;
}

/// Tax of the whole, then each project's share by largest remainder (ties: in order of code), so
/// that shares add up to it.
void add_tax(Bill* bill) {
    const int128 ppm = bill->terms.vat_ppm;
    constexpr int128 kScale = 1'000'000;
    bill->total.vat_fen = static_cast<std::int64_t>(
        divide(int128{bill->total.cny_fen} * ppm, kScale, Rounding::half_up));
    std::int64_t left = bill->total.vat_fen;
    std::vector<std::pair<int128, BillTotal*>> remainders;
    for (BillTotal& project : bill->projects) {
        const int128 exact = int128{project.cny_fen} * ppm;
        project.vat_fen = static_cast<std::int64_t>(exact / kScale);
        left -= project.vat_fen;
        remainders.emplace_back(exact % kScale, &project);
    }
    std::ranges::sort(remainders, [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second->project < b.second->project;
    });
    TG_ASSERT(left >= 0 && left <= static_cast<std::int64_t>(remainders.size()));
    for (std::int64_t i = 0; i < left; ++i)
        ++remainders[static_cast<std::size_t>(i)].second->vat_fen;
    for (BillTotal& project : bill->projects) project.total_fen = project.cny_fen + project.vat_fen;
    bill->total.total_fen = bill->total.cny_fen + bill->total.vat_fen;
}

}  // namespace

void keep_project(const std::string& code, Bill* bill) {
    std::erase_if(bill->lines, [&](const BillLine& line) { return line.project != code; });
    std::erase_if(bill->late, [&](const LateUsage& line) { return line.project != code; });
    std::erase_if(bill->projects,
                  [&](const BillTotal& project) { return project.project != code; });
    bill->total = bill->projects.empty() ? BillTotal{} : bill->projects.front();
}

std::string bill_id(std::string_view customer, YearMonth month) {
    std::string digits = to_string(month);
    std::erase(digits, '-');
    return "BILL-" + std::string(customer) + "-" + digits;
}

Result<Bill> draft_bill(SqlConnection& store, std::string_view customer_code, YearMonth month,
                        const BillTerms& terms, std::optional<std::string> project,
                        std::vector<LateUsage> late) {
    TG_CHECK_OK(check_terms(terms));
    TG_TRY(const CustomerRow customer, find_customer(store, customer_code));
    if (project) TG_CHECK_OK(check_project(store, customer, *project));
    TG_TRY(const TimeZone zone, TimeZone::load(customer.time_zone));
    Bill bill;
    bill.customer = customer.code;
    bill.customer_name = customer.name;
    bill.time_zone = customer.time_zone;
    bill.status = "draft";
    bill.month = month;
    bill.terms = terms;
    bill.period_start = zone.start_of_month(month);
    bill.period_end = zone.end_of_month(month);
    bill.id = bill_id(customer.code, month);
    const YearMonth next =
        month.month == 12 ? YearMonth{month.year + 1, 1} : YearMonth{month.year, month.month + 1};
    const std::int32_t first_day = day_number(from_civil({month.year, month.month, 1}));
    const std::int32_t last_day = day_number(from_civil({next.year, next.month, 1})) - 1;

    TG_CHECK_OK(read_lines(store, customer, first_day, last_day, &bill));
    std::ranges::sort(bill.lines, [](const BillLine& a, const BillLine& b) {
        return std::tie(a.project, a.model, a.provider, a.tier, a.meter, a.currency, a.price) <
               std::tie(b.project, b.model, b.provider, b.tier, b.meter, b.currency, b.price);
    });
    bill.late = std::move(late);
    for (LateUsage& line : bill.late) TG_CHECK_OK(round_line(&line, terms));
    std::map<std::string, BillTotal> projects;
    for (const BillLine& line : bill.lines) add_up(line, &projects[line.project]);
    for (const LateUsage& line : bill.late) add_up(line, &projects[line.project]);
    TG_CHECK_OK(store.query(
        "SELECT p.code, u.project_id, SUM(u.requests), SUM(u.unpriced), SUM(u.estimated), "
        "SUM(u.unconfirmed), SUM(u.fallback) FROM usage_daily u LEFT JOIN projects p ON p.id = "
        "u.project_id WHERE u.customer_id = ? AND u.local_day >= ? AND u.local_day <= ? GROUP BY "
        "u.project_id, p.code",
        {customer.id, std::int64_t{first_day}, std::int64_t{last_day}}, [&](const SqlRow& row) {
            const std::string code = project_code(row, 0, 1);
            projects[code].requests += row.integer(2);
            if (project && code != *project) return true;
            bill.unpriced_events += row.integer(3);
            bill.estimated_events += row.integer(4);
            bill.unconfirmed_events += row.integer(5);
            bill.fallback_events += row.integer(6);
            return true;
        }));
    for (auto& [code, total] : projects) {
        total.project = code;
        bill.projects.push_back(total);
        bill.total.requests += total.requests;
        bill.total.usd_cents += total.usd_cents;
        bill.total.cny_fen += total.cny_fen;
        bill.total.exact_usd += total.exact_usd;
        bill.total.exact_cny += total.exact_cny;
    }
    add_tax(&bill);
    if (project) keep_project(*project, &bill);
    TG_CHECK_OK(store.query(
        "SELECT DISTINCT price_version FROM usage_daily_versions WHERE customer_id = ? AND "
        "local_day >= ? AND local_day <= ? AND price_version > 0 ORDER BY price_version",
        {customer.id, std::int64_t{first_day}, std::int64_t{last_day}}, [&](const SqlRow& row) {
            bill.price_versions.push_back(static_cast<std::uint32_t>(row.integer(0)));
            return true;
        }));
    return bill;
}

}  // namespace tg
