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

/// Everything of one price in one project, at list price: quantity x price is exactly `exact`.
struct BillLine {
    /// Of usage of an earlier month that came after the bill of that month was final: that month.
    std::optional<YearMonth> late_from{};
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

/// What a line beside usage is for, in the order in which they are applied.
enum class BillItemKind : std::uint8_t {
    rate_card,
    reserved,
    volume,
    mixed_models,
    transfer,
    promotion,
    management_fee,
    true_up,    ///< what is missing of a commitment
    early_end,  ///< the penalty for ending a contract early
    // Those above follow from contracts; these somebody has added (bill_adjustments.h).
    sla_credit,  ///< for a service level that was missed
    adjustment,
};
inline constexpr int kBillItemKindCount = 11;
inline bool is_added(BillItemKind kind) {
    return kind >= BillItemKind::sla_credit;
}
std::string_view name(BillItemKind kind);  ///< "rate_card"
/// Errors: invalid_request.
Result<BillItemKind> parse_bill_item_kind(std::string_view text);

/// What a contract adds to usage at list price, or takes from it: one for each project, term and
/// currency. Or what somebody has added: then `adjustment` is its id, and there is no contract.
struct BillItem {
    BillItemKind kind = BillItemKind::rate_card;
    std::string project;
    std::string contract, adjustment;
    int version = 0;                           ///< of the contract's terms
    std::int32_t first_day = 0, last_day = 0;  ///< the days it is for
    std::string text;                          ///< "gpt-4o input at 2.00 USD per 1M"
    Currency currency = Currency::usd;         ///< of base and exact
    Femto base;                                ///< what `ppm` is of; 0 where it is of nothing
    std::int64_t ppm = 0;
    Femto exact;
    std::int64_t usd_cents = 0, cny_fen = 0;
};

/// Where a commitment stands after the bill.
struct BillCommitment {
    std::string contract;
    std::int32_t first_day = 0, last_day = 0;  ///< of the period
    Currency currency = Currency::usd;
    std::int64_t committed_cents = 0;
    std::int64_t spent_before_cents = 0;  ///< on bills of earlier months
    std::int64_t spent_cents = 0;         ///< on this one: usage after all discounts
    std::int64_t missing_cents = 0;       ///< charged here; 0 while the period goes on
};

struct BillTotal {
    std::string project;  ///< empty: the customer
    std::int64_t requests = 0;
    std::int64_t usd_cents = 0, cny_fen = 0;  ///< sums of the lines
    std::int64_t vat_fen = 0;    ///< customer: of cny_fen, half-up; project: its share of that
    std::int64_t total_fen = 0;  ///< cny_fen + vat_fen
    Femto exact_usd, exact_cny;  ///< of lines and items in that currency, before rounding
};

/// The bill of a customer and month: BILL-{customer}-{YYYYMM}. Months are cut in the customer's
/// zone by the calls' end.
struct Bill {
    std::string id, customer, customer_name, time_zone, status;
    YearMonth month;
    UtcMicros period_start, period_end;
    BillTerms terms;
    std::vector<BillLine> lines;
    std::vector<BillLine> late;  ///< at list price too
    std::vector<BillItem> items;
    std::vector<BillCommitment> commitments;
    std::vector<BillTotal> projects;
    BillTotal total;
    std::int64_t unpriced_events = 0, estimated_events = 0, unconfirmed_events = 0;
    std::int64_t fallback_events = 0;  ///< priced by the rule for models the book does not know
    std::vector<std::uint32_t> price_versions;
    UtcMicros finalised_at, due_at;  ///< 0: not final
};
/// Stands in for a project where something is charged to the customer and no project has to pay.
inline constexpr std::string_view kCustomerShare = "(customer)";
inline constexpr std::string_view kRoundingRule =
    "each line is quantity x price, exact to 10^-15 USD, rounded once half-up to the cent (fen); "
    "so is each contract item, which is a percentage of the exact amount left by those before it "
    "and takes no more than is there; credits and adjustments come after all of these; what "
    "concerns the customer as a whole is shared among "
    "projects by largest remainder; totals are sums of lines and items; VAT is rounded "
    "half-up once, on the customer's total, and shared among projects by largest remainder, so "
    "that they add up";

/// Draft of a month from the roll-ups alone: usage at list price, without late usage and what
/// contracts say. `project` (a code) keeps only that project's lines;
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
