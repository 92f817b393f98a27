#include "billing/internal/bill_source.h"

#include <set>

#include "store/stored_enum.h"

namespace tg::bill_internal {
namespace {

/// "customer_id IN (?, ?, ?)", and its values.
struct InCustomers {
    InCustomers(std::string_view column, std::span<const CustomerId> customers)
        : sql(std::string(column) + " IN (") {
        for (const CustomerId customer : customers) {
            sql.append(values.empty() ? "?" : ", ?");
            values.emplace_back(std::int64_t{customer.get()});
        }
        sql.append(")");
    }
    std::string sql;
    std::vector<SqlValue> values;
};

CustomerId customer_of(const SqlRow& row, int column) {
    return CustomerId(static_cast<std::uint32_t>(row.integer(column)));
}

/// The code of a project, or its number when the store does not have it: money never vanishes for
/// lack of a name.
std::string unknown_project(std::int64_t id) {
    return "(project " + std::to_string(id) + ")";
}
std::string project_code(const SqlRow& row, int code, int id) {
    return row.is_null(code) ? unknown_project(row.integer(id)) : std::string(row.text(code));
}

/// Columns as read_lines() selects them. Errors: corrupt_data.
Result<BillLine> to_line(const SqlRow& row) {
    BillLine line;
    line.project = project_code(row, 1, 11);
    line.department = row.text(2);
    line.environment = row.text(3);
    line.model = row.text(4);
    line.provider = row.text(5);
    TG_TRY(line.meter, stored_enum<Meter>(row.integer(6), kMeterCount, "usage_daily_lines.meter"));
    TG_TRY(line.tier,
           stored_enum<ServiceTier>(row.integer(7), kServiceTierCount, "usage_daily_lines.tier"));
    TG_TRY(line.currency,
           stored_enum<Currency>(row.integer(8), kCurrencyCount, "usage_daily_lines.currency"));
    line.price = {row.integer(9)};
    line.quantity = row.integer(10);
    return line;
}

using Months = std::map<CustomerId, MonthUsage>;

std::vector<SqlValue> with_days(std::vector<SqlValue> values, MonthDays days) {
    values.emplace_back(std::int64_t{days.first});
    values.emplace_back(std::int64_t{days.last});
    return values;
}

Status read_lines(SqlConnection& store, std::span<const CustomerId> customers, MonthDays days,
                  std::size_t segment, Months* out) {
    if (customers.empty()) return {};
    // Sums first: the texts of a few lines, not of every day's, are looked up.
    const InCustomers in("customer_id", customers);
    return store.query(
        "SELECT u.customer_id, p.code, p.department, p.environment, d.model, d.provider, u.meter, "
        "u.tier, u.currency, u.price_nano, u.quantity, u.project_id FROM (SELECT customer_id, "
        "project_id, dimension_id, meter, tier, currency, price_nano, SUM(quantity) AS quantity "
        "FROM usage_daily_lines WHERE " +
            in.sql +
            " AND local_day >= ? AND local_day <= ? AND price_nano >= 0 GROUP BY customer_id, "
            "project_id, dimension_id, meter, tier, currency, price_nano) u JOIN usage_dimensions "
            "d ON d.id = u.dimension_id LEFT JOIN projects p ON p.id = u.project_id",
        with_days(in.values, days), [=](const SqlRow& row) {
            MonthUsage& usage = (*out)[customer_of(row, 0)];
            Result<BillLine> line = to_line(row);
            if (line.ok())
                usage.parts.push_back({std::move(*line), segment});
            else
                usage.bad = fail(std::move(line).error());
            return true;
        });
}

Status read_counts(SqlConnection& store, std::span<const CustomerId> customers, YearMonth month,
                   Months* out) {
    const InCustomers in("u.customer_id", customers);
    return store.query(
        "SELECT u.customer_id, p.code, u.project_id, SUM(u.requests), SUM(u.unpriced), "
        "SUM(u.estimated), SUM(u.unconfirmed), SUM(u.fallback) FROM usage_daily u LEFT JOIN "
        "projects p ON p.id = u.project_id WHERE " +
            in.sql +
            " AND u.local_day >= ? AND u.local_day <= ? GROUP BY u.customer_id, u.project_id, "
            "p.code",
        with_days(in.values, days_of(month)), [out](const SqlRow& row) {
            (*out)[customer_of(row, 0)].counts.push_back({.project = project_code(row, 1, 2),
                                                          .requests = row.integer(3),
                                                          .unpriced = row.integer(4),
                                                          .estimated = row.integer(5),
                                                          .unconfirmed = row.integer(6),
                                                          .fallback = row.integer(7)});
            return true;
        });
}

Status read_versions(SqlConnection& store, std::span<const CustomerId> customers, YearMonth month,
                     Months* out) {
    const InCustomers in("customer_id", customers);
    return store.query(
        "SELECT DISTINCT customer_id, price_version FROM usage_daily_versions WHERE " + in.sql +
            " AND local_day >= ? AND local_day <= ? AND price_version > 0 ORDER BY customer_id, "
            "price_version",
        with_days(in.values, days_of(month)), [out](const SqlRow& row) {
            (*out)[customer_of(row, 0)].price_versions.push_back(
                static_cast<std::uint32_t>(row.integer(1)));
            return true;
        });
}

constexpr std::string_view kCustomerColumns = "SELECT id, code, name, time_zone FROM customers";

BillCustomer to_customer(const SqlRow& row) {
    return {customer_of(row, 0), std::string(row.text(1)), std::string(row.text(2)),
            std::string(row.text(3))};
}

}  // namespace

Result<Months> read_month(SqlConnection& store, std::span<const CustomerId> customers,
                          YearMonth month, const ContractMonths& contracts) {
    Months out;
    std::vector<CustomerId> whole;  // all days of their month are alike
    for (const CustomerId customer : customers) {
        const auto contract = contracts.find(customer);
        if (contract == contracts.end() || contract->second.segments.size() == 1) {
            whole.push_back(customer);
            continue;
        }
        const std::vector<Segment>& segments = contract->second.segments;
        for (std::size_t i = 0; i < segments.size(); ++i) {
            TG_CHECK_OK(read_lines(store, std::span(&customer, 1),
                                   {segments[i].first_day, segments[i].last_day}, i, &out));
        }
    }
    TG_CHECK_OK(read_lines(store, whole, days_of(month), 0, &out));
    TG_CHECK_OK(read_counts(store, customers, month, &out));
    TG_CHECK_OK(read_versions(store, customers, month, &out));
    return out;
}

Result<BillCustomer> bill_customer(SqlConnection& store, std::string_view code) {
    BillCustomer out;
    TG_CHECK_OK(store.query(std::string(kCustomerColumns) + " WHERE code = ?", {std::string(code)},
                            [&out](const SqlRow& row) {
                                out = to_customer(row);
                                return false;
                            }));
    if (out.id) return out;
    return fail(ErrorCode::not_found,
                "customer '" + std::string(code) + "' does not exist; see: tollgate customer list");
}

namespace {

/// Counts every line once with `sign`, so that those of a final bill can be taken from those of its
/// month.
void count_lines(const std::vector<BillLine>& lines, std::optional<YearMonth> of, int sign,
                 std::vector<BillLine>* out) {
    for (const BillLine& line : lines) {
        if (of && line.late_from != of) continue;
        BillLine& counted = out->emplace_back(line);
        counted.late_from.reset();
        counted.quantity *= sign;
    }
}

/// What came of `month` after its bill was final and is on no bill yet.
Result<std::vector<BillLine>> late_of(SqlConnection& store, CustomerId customer, YearMonth month) {
    TG_TRY(Months months, read_month(store, std::span(&customer, 1), month));
    const MonthUsage& usage = months[customer];
    TG_CHECK_OK(usage.bad);
    std::vector<BillLine> lines;
    for (const MonthUsage::Part& part : usage.parts) lines.push_back(part.line);
    TG_CHECK_OK(read_bill_rows(store, {.customer = customer}, [&](const BillRow& row) -> Status {
        if (!row.head.is_final() || row.head.month < month) return {};
        TG_TRY(const Bill bill, parse_bill_json(row.document));
        if (bill.month == month) count_lines(bill.lines, std::nullopt, -1, &lines);
        count_lines(bill.late, month, -1, &lines);
        return {};
    }));
    lines = whole_lines(std::move(lines));
    std::erase_if(lines, [](const BillLine& line) { return line.quantity == 0; });
    for (BillLine& line : lines) line.late_from = month;
    return lines;
}

}  // namespace

Status BillSource::read_late(SqlConnection& store) {
    for (auto& [id, of] : all_) {
        std::set<YearMonth> months;
        for (const UnbilledUsage::Part& part : of.unbilled.late) months.insert(part.month);
        for (const YearMonth month : months) {
            TG_TRY(const std::vector<BillLine> lines, late_of(store, id, month));
            of.late.insert(of.late.end(), lines.begin(), lines.end());
        }
    }
    return {};
}

Result<Bill> BillSource::Of::compose(YearMonth month, const BillTerms& terms) const {
    BillTerms own = terms;
    const ContractTerms* last = contract ? contract->last_terms() : nullptr;
    if (last != nullptr && last->usd_cny_e8) {
        own.usd_cny_e8 = *last->usd_cny_e8;
        own.rate_source = "contract " + contract->segments.back().contract->code;
    }
    return build_bill(
        customer, usage, month, own,
        {.late = late, .contract = contract ? &*contract : nullptr, .adjustments = adjustments});
}

Status BillSource::read_adjustments(SqlConnection& store, std::span<const CustomerId> customers) {
    TG_TRY(std::vector<BillAdjustment> adjustments,
           list_adjustments(store, {.customers = {customers.begin(), customers.end()},
                                    .month = month_,
                                    .with_cancelled = false}));
    for (BillAdjustment& adjustment : adjustments) {
        const auto of = all_.find(adjustment.customer);
        if (of != all_.end()) of->second.adjustments.push_back(std::move(adjustment));
    }
    return {};
}

Status BillSource::read_unbilled(SqlConnection& store, std::span<const CustomerId> customers) {
    const InCustomers in("customer_id", customers);
    std::map<std::int64_t, std::string> codes;
    TG_CHECK_OK(store.query("SELECT id, code FROM projects WHERE " + in.sql, in.values,
                            [&codes](const SqlRow& row) {
                                codes[row.integer(0)] = row.text(1);
                                return true;
                            }));
    std::map<std::pair<CustomerId, std::int64_t>, bool> is_billed;
    TG_CHECK_OK(
        store.query("SELECT customer_id, month FROM bills WHERE " + in.sql +
                        " AND status >= " + std::to_string(static_cast<int>(BillStatus::finalised)),
                    in.values, [&is_billed](const SqlRow& row) {
                        is_billed[{customer_of(row, 0), row.integer(1)}] = true;
                        return true;
                    }));
    TG_TRY(const std::vector<AccountBalance> balances,
           read_balances(store, {.account = AccountCode::unbilled_receivable,
                                 .customers = {customers.begin(), customers.end()}}));
    for (const AccountBalance& balance : balances) {
        const AccountKey& account = balance.account;
        const auto of = all_.find(account.customer);
        if (balance.amount.value == 0 || of == all_.end()) continue;
        TG_TRY(const YearMonth month, parse_year_month(account.subject));
        const std::int64_t project = account.project.get();
        const auto code = codes.find(project);
        UnbilledUsage::Part part{
            .project = account.project,
            .project_code = code == codes.end() ? unknown_project(project) : code->second,
            .month = month,
            .currency = account.currency,
            .exact = balance.amount};
        if (month == month_)
            of->second.unbilled.own.push_back(std::move(part));
        else if (month < month_ && is_billed[{account.customer, month_number(month)}])
            of->second.unbilled.late.push_back(std::move(part));
        else if (month < month_)
            of->second.unbilled.open_before.push_back(month);
    }
    return {};
}

Result<BillSource> BillSource::load(SqlConnection& store, std::span<const CustomerId> customers,
                                    YearMonth month) {
    BillSource out;
    out.month_ = month;
    if (customers.empty()) return out;
    const InCustomers in("id", customers);
    TG_CHECK_OK(store.query(std::string(kCustomerColumns) + " WHERE " + in.sql, in.values,
                            [&out](const SqlRow& row) {
                                BillCustomer customer = to_customer(row);
                                const CustomerId id = customer.id;
                                out.all_[id].customer = std::move(customer);
                                return true;
                            }));
    TG_CHECK_OK(read_bill_rows(store,
                               {.month = month, .customers = {customers.begin(), customers.end()}},
                               [&out](BillRow row) {
                                   const auto of = out.all_.find(row.head.customer);
                                   if (of != out.all_.end()) of->second.row = std::move(row);
                                   return Status{};
                               }));
    TG_CHECK_OK(out.read_unbilled(store, customers));
    TG_CHECK_OK(out.read_late(store));
    TG_CHECK_OK(out.read_adjustments(store, customers));
    TG_TRY(ContractMonths contracts, read_contract_months(store, customers, month));
    TG_TRY(Months months, read_month(store, customers, month, contracts));
    for (auto& [id, contract] : contracts) {
        const auto of = out.all_.find(id);
        if (of != out.all_.end()) of->second.contract = std::move(contract);
    }
    for (auto& [id, usage] : months) {
        const auto of = out.all_.find(id);
        if (of != out.all_.end()) of->second.usage = std::move(usage);
    }
    return out;
}

}  // namespace tg::bill_internal
