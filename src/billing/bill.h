#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/money.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/usage.h"
#include "store/sql.h"

namespace tg {

/// Terms a bill is made with. Rates and percentages are integers: rate in 10^-8, tax in parts per
/// million.
struct BillTerms {
    std::int64_t usd_cny_e8 = 720'000'000;
    std::int64_t vat_ppm = 60'000;
    std::string rate_source{};  ///< "PBOC central parity, 2026-03-31"; empty: as configured
    friend bool operator==(const BillTerms&, const BillTerms&) = default;
};

/// Everything of one price in one project: quantity x price is exactly `exact`.
struct BillLine {
    std::string project, department, environment;
    std::string model, provider;
    Meter meter = Meter::input;
    ServiceTier tier = ServiceTier::standard;
    NanoPerM price;
    Currency currency = Currency::usd;  ///< of price and exact
    std::int64_t quantity = 0;
    Femto exact;
    std::int64_t usd_cents = 0;  ///< exact, rounded half-up once, here
    std::int64_t cny_fen = 0;    ///< exact x rate, rounded half-up once, here
};

/// Usage of an earlier month that came after the bill of that month was final: a line of its own on
/// the next bill.
struct LateUsage {
    std::string project;
    YearMonth month;
    Currency currency = Currency::usd;
    Femto exact;
    std::int64_t usd_cents = 0, cny_fen = 0;  ///< as BillLine's
};

struct BillTotal {
    std::string project;  ///< empty: the customer
    std::int64_t requests = 0;
    std::int64_t usd_cents = 0, cny_fen = 0;  ///< sums of the lines
    std::int64_t vat_fen = 0;    ///< customer: of cny_fen, half-up; project: its share of that
    std::int64_t total_fen = 0;  ///< cny_fen + vat_fen
    Femto exact_usd, exact_cny;  ///< of the lines in that currency, before rounding
};

/// The bill of a customer and month: BILL-{customer}-{YYYYMM}. Months are cut in the customer's
/// zone by the calls' end.
struct Bill {
    std::string id, customer, customer_name, time_zone, status;
    YearMonth month;
    UtcMicros period_start, period_end;
    BillTerms terms;
    std::vector<BillLine> lines;
    std::vector<LateUsage> late;
    std::vector<BillTotal> projects;
    BillTotal total;
    std::int64_t unpriced_events = 0, estimated_events = 0, unconfirmed_events = 0;
    std::int64_t fallback_events = 0;  ///< priced by the rule for models the book does not know
    std::vector<std::uint32_t> price_versions;
    UtcMicros finalised_at, due_at;  ///< 0: not final
};
inline constexpr std::string_view kRoundingRule =
    "each line is quantity x price, exact to 10^-15 USD, rounded once half-up to the cent (fen); "
    "totals are sums of lines; VAT is rounded "
    "half-up once, on the customer's total, and shared among projects by largest remainder, so "
    "that they add up";

/// Draft of a month from the roll-ups alone. `project` (a code) keeps only that project's lines;
/// its totals are the same as in the customer's bill. Errors: not_found (customer, project),
/// invalid_config (terms), corrupt_data.
Result<Bill> draft_bill(SqlConnection& store, std::string_view customer, YearMonth month,
                        const BillTerms& terms, std::optional<std::string> project = std::nullopt);
/// "BILL-acme-202611".
std::string bill_id(std::string_view customer, YearMonth month);
/// A project's part of the customer's bill: its lines, and its share as the total.
void keep_project(const std::string& code, Bill* bill);

/// For people in a terminal.
std::string bill_as_table(const Bill& bill);
std::string bill_as_json(const Bill& bill);
/// The bill that bill_as_json() wrote. Errors: corrupt_data naming the member.
Result<Bill> parse_bill_json(std::string_view json);
/// The lines, for spreadsheets. Of a cell that would be run as a formula, or that begins with an
/// apostrophe, an apostrophe in front is not part of the text.
std::string bill_as_csv(const Bill& bill);

}  // namespace tg
