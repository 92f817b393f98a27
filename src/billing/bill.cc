#include "billing/bill.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>

#include "base/time_zone.h"
#include "billing/internal/bill_shares.h"
#include "billing/internal/bill_source.h"

namespace tg {

using namespace bill_internal;

namespace {

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

Status round_line(BillLine* line, const BillTerms& terms) {
    line->exact = line->quantity * line->price;
    TG_TRY(const RoundedAmount rounded, round_amount(line->exact, line->currency, terms));
    line->usd_cents = rounded.usd_cents;
    line->cny_fen = rounded.cny_fen;
    return {};
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
        const int128 below = exact < 0 ? (exact - kScale + 1) / kScale : exact / kScale;
        project.vat_fen = static_cast<std::int64_t>(below);
        left -= project.vat_fen;
        remainders.emplace_back(exact - below * kScale, &project);
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

auto place_of(const BillLine& line) {
    return std::tie(line.late_from, line.project, line.model, line.provider, line.tier, line.meter,
                    line.currency, line.price);
}

constexpr std::array<std::string_view, kBillItemKindCount> kItemKinds = {
    "rate_card",      "reserved", "volume",    "mixed_models", "transfer",  "promotion",
    "management_fee", "true_up",  "early_end", "sla_credit",   "adjustment"};

/// Lines by segment: those of the month in theirs, late usage in the last.
Status charge_contract(const MonthUsage& usage, const ContractMonth& contract, Bill* bill) {
    std::vector<std::vector<BillLine>> segments(contract.segments.size());
    for (const MonthUsage::Part& part : usage.parts) segments[part.segment].push_back(part.line);
    ChargedUsage charged;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        segments[i] = whole_lines(std::move(segments[i]));
        for (BillLine& line : segments[i]) {
            line.exact = line.quantity * line.price;
            charged.add(&line, i);
        }
    }
    for (const BillLine& line : bill->late) charged.add(&line, segments.size() - 1);
    return add_contract_items(contract, charged, bill);
}

}  // namespace

void keep_project(const std::string& code, Bill* bill) {
    std::erase_if(bill->lines, [&](const BillLine& line) { return line.project != code; });
    std::erase_if(bill->late, [&](const BillLine& line) { return line.project != code; });
    std::erase_if(bill->items, [&](const BillItem& item) { return item.project != code; });
    bill->commitments.clear();  // they are the customer's
    std::erase_if(bill->projects,
                  [&](const BillTotal& project) { return project.project != code; });
    bill->total = bill->projects.empty() ? BillTotal{} : bill->projects.front();
}

std::string bill_id(std::string_view customer, YearMonth month) {
    std::string digits = to_string(month);
    std::erase(digits, '-');
    return "BILL-" + std::string(customer) + "-" + digits;
}

std::string_view name(BillItemKind kind) {
    return kItemKinds[static_cast<std::size_t>(kind)];
}

Result<BillItemKind> parse_bill_item_kind(std::string_view text) {
    for (int i = 0; i < kBillItemKindCount; ++i)
        if (text == kItemKinds[static_cast<std::size_t>(i)]) return static_cast<BillItemKind>(i);
    return fail(ErrorCode::invalid_request,
                "'" + std::string(text) + "' is no kind of item on a bill");
}

namespace bill_internal {

std::vector<BillLine> whole_lines(std::vector<BillLine> parts) {
    std::ranges::sort(
        parts, [](const BillLine& a, const BillLine& b) { return place_of(a) < place_of(b); });
    std::vector<BillLine> out;
    for (BillLine& part : parts) {
        if (!out.empty() && place_of(out.back()) == place_of(part))
            out.back().quantity += part.quantity;
        else
            out.push_back(std::move(part));
    }
    return out;
}

Status check_project(SqlConnection& store, const BillCustomer& customer, const std::string& code) {
    bool is_known = false;
    TG_CHECK_OK(store.query("SELECT id FROM projects WHERE customer_id = ? AND code = ?",
                            {std::int64_t{customer.id.get()}, code}, [&](const SqlRow&) {
                                is_known = true;
                                return false;
                            }));
    if (is_known) return {};
    return fail(ErrorCode::not_found, "customer '" + customer.code + "' has no project '" + code +
                                          "'; see: tollgate project list");
}

void count_events(const MonthUsage& usage, const std::optional<std::string>& project, Bill* bill) {
    bill->unpriced_events = bill->estimated_events = 0;
    bill->unconfirmed_events = bill->fallback_events = 0;
    for (const MonthUsage::Counts& counts : usage.counts) {
        if (project && counts.project != *project) continue;
        bill->unpriced_events += counts.unpriced;
        bill->estimated_events += counts.estimated;
        bill->unconfirmed_events += counts.unconfirmed;
        bill->fallback_events += counts.fallback;
    }
}

Result<Bill> build_bill(const BillCustomer& customer, const MonthUsage& usage, YearMonth month,
                        const BillTerms& terms, const BillExtras& extras) {
    TG_CHECK_OK(check_terms(terms));
    TG_CHECK_OK(usage.bad);
    TG_TRY(const TimeZone zone, TimeZone::load(customer.time_zone));
    Bill bill;
    bill.id = bill_id(customer.code, month);
    bill.customer = customer.code;
    bill.customer_name = customer.name;
    bill.time_zone = customer.time_zone;
    bill.status = "draft";
    bill.month = month;
    bill.terms = terms;
    bill.period_start = zone.start_of_month(month);
    bill.period_end = zone.end_of_month(month);
    for (const MonthUsage::Part& part : usage.parts) bill.lines.push_back(part.line);
    bill.lines = whole_lines(std::move(bill.lines));
    bill.late = extras.late;
    bill.price_versions = usage.price_versions;
    for (BillLine& line : bill.lines) TG_CHECK_OK(round_line(&line, terms));
    for (BillLine& line : bill.late) TG_CHECK_OK(round_line(&line, terms));
    if (extras.contract != nullptr) TG_CHECK_OK(charge_contract(usage, *extras.contract, &bill));
    TG_CHECK_OK(add_adjustments(extras.adjustments, &bill));
    std::map<std::string, BillTotal> projects;
    for (const BillLine& line : bill.lines) add_up(line, &projects[line.project]);
    for (const BillLine& line : bill.late) add_up(line, &projects[line.project]);
    for (const BillItem& item : bill.items) add_up(item, &projects[item.project]);
    for (const MonthUsage::Counts& counts : usage.counts)
        projects[counts.project].requests += counts.requests;
    count_events(usage, std::nullopt, &bill);
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
    return bill;
}

}  // namespace bill_internal

Result<Bill> draft_bill(SqlConnection& store, std::string_view customer_code, YearMonth month,
                        const BillTerms& terms, std::optional<std::string> project) {
    TG_TRY(const BillCustomer customer, bill_customer(store, customer_code));
    if (project) TG_CHECK_OK(check_project(store, customer, *project));
    TG_TRY(auto months, read_month(store, std::span(&customer.id, 1), month));
    const MonthUsage& usage = months[customer.id];
    TG_TRY(Bill bill, build_bill(customer, usage, month, terms, {}));
    if (!project) return bill;
    keep_project(*project, &bill);
    count_events(usage, project, &bill);
    return bill;
}

}  // namespace tg
