#include "billing/bill_register.h"

#include <array>
#include <span>

#include "billing/fx_rates.h"
#include "billing/internal/bill_source.h"
#include "store/stored_enum.h"

namespace tg {

using namespace bill_internal;

namespace {

constexpr std::array<std::string_view, kBillStatusCount> kStatusNames = {
    "draft", "reviewed", "finalised", "sent", "paid", "overdue", "void"};

constexpr std::string_view kColumns =
    "SELECT b.id, b.customer_id, c.code, b.month, b.status, b.net_fen, b.tax_fen, b.total_fen, "
    "b.usd_cny_e8, b.vat_ppm, b.drafted_at, b.reviewed_at, b.reviewed_by, b.finalised_at, "
    "b.finalised_by, b.due_at, b.sent_at, b.document, b.rate_source FROM bills b LEFT JOIN "
    "customers c ON c.id = "
    "b.customer_id";

Result<BillRow> to_row(const SqlRow& row) {
    BillRow out;
    BillHead& head = out.head;
    head.id = row.text(0);
    head.customer = CustomerId(static_cast<std::uint32_t>(row.integer(1)));
    head.customer_code = row.is_null(2) ? std::string() : std::string(row.text(2));
    head.month = month_of_number(row.integer(3));
    TG_TRY(head.status, stored_enum<BillStatus>(row.integer(4), kBillStatusCount, "bills.status"));
    head.net_fen = row.integer(5);
    head.tax_fen = row.integer(6);
    head.total_fen = row.integer(7);
    head.terms = {row.integer(8), row.integer(9), std::string(row.text(18))};
    head.drafted_at = {row.integer(10)};
    head.reviewed_at = {row.integer(11)};
    head.reviewed_by = row.text(12);
    head.finalised_at = {row.integer(13)};
    head.finalised_by = row.text(14);
    head.due_at = {row.integer(15)};
    head.sent_at = {row.integer(16)};
    out.document = row.text(17);
    return out;
}

Status read_rows(SqlConnection& store, const std::string& rest, const std::vector<SqlValue>& values,
                 const std::function<Status(BillRow)>& each) {
    // Who is told may ask the store: all rows are read first.
    std::vector<BillRow> rows;
    Status bad;
    TG_CHECK_OK(
        store.query(std::string(kColumns) + rest, std::span(values), [&](const SqlRow& row) {
            Result<BillRow> read = to_row(row);
            if (!read.ok()) {
                bad = fail(std::move(read).error());
                return false;
            }
            rows.push_back(std::move(*read));
            return true;
        }));
    TG_CHECK_OK(bad);
    for (BillRow& row : rows) TG_CHECK_OK(each(std::move(row)));
    return {};
}

/// Adds what the ledger and the clock say of a final bill.
Status complete(SqlConnection& store, UtcMicros now, BillHead* head) {
    if (!head->is_final()) return {};
    Femto open;
    for (const AccountCode account :
         {AccountCode::billed_receivable, AccountCode::overdue_receivable}) {
        TG_TRY(const Femto balance, read_balance(store, {account, Currency::cny, head->customer,
                                                         ProjectId{}, head->id}));
        open += balance;
    }
    head->open_fen = static_cast<std::int64_t>(open.value / kFemtoPerCent);
    std::int64_t net_left = head->net_fen;
    TG_TRY(const std::vector<BillNote> notes, list_notes(store, head->id));
    for (const BillNote& note : notes) {
        const int sign = note.kind == NoteKind::credit ? 1 : -1;
        head->credited_fen += sign * note.total_fen;
        net_left -= sign * note.net_fen;
    }
    if (!notes.empty() && net_left == 0)
        head->status = BillStatus::voided;
    else if (head->open_fen == 0)
        head->status = BillStatus::paid;
    else if (now >= head->due_at)
        head->status = BillStatus::overdue;
    return {};
}

}  // namespace

std::string_view name(BillStatus status) {
    return kStatusNames[static_cast<std::size_t>(status)];
}

Result<BillStatus> parse_bill_status(std::string_view text) {
    for (int i = 0; i < kBillStatusCount; ++i)
        if (text == kStatusNames[static_cast<std::size_t>(i)]) return static_cast<BillStatus>(i);
    return fail(
        ErrorCode::invalid_request,
        "'" + std::string(text) +
            "' is no status of a bill; those are draft, reviewed, finalised, sent, paid, overdue "
            "and void");
}

namespace bill_internal {

std::int64_t month_number(YearMonth month) {
    return std::int64_t{month.year} * 12 + month.month - 1;
}

YearMonth month_of_number(std::int64_t number) {
    return {static_cast<int>(number / 12), static_cast<int>(number % 12) + 1};
}

Status read_bill_rows(SqlConnection& store, const BillFilter& filter,
                      const std::function<Status(BillRow)>& each) {
    std::string rest;
    std::vector<SqlValue> values;
    const auto add = [&](std::string_view condition, std::int64_t value) {
        rest.append(rest.empty() ? " WHERE " : " AND ").append(condition);
        values.emplace_back(value);
    };
    if (filter.customer) add("b.customer_id = ?", filter.customer->get());
    if (filter.month) add("b.month = ?", month_number(*filter.month));
    if (!filter.customers.empty()) {
        std::string places;
        for (const CustomerId customer : filter.customers) {
            places.append(places.empty() ? "?" : ", ?");
            values.emplace_back(std::int64_t{customer.get()});
        }
        rest.append(rest.empty() ? " WHERE " : " AND ").append("b.customer_id IN (" + places + ")");
    }
    return read_rows(store, rest + " ORDER BY b.month DESC, b.id", values, each);
}

Result<BillRow> read_bill_row(SqlConnection& store, std::string_view id) {
    std::optional<BillRow> out;
    TG_CHECK_OK(read_rows(store, " WHERE b.id = ?", {std::string(id)}, [&out](BillRow row) {
        out = std::move(row);
        return Status{};
    }));
    if (out) return std::move(*out);
    return fail(ErrorCode::not_found, "there is no bill '" + std::string(id) +
                                          "'; see: tollgate bill list, or make the month's drafts "
                                          "with: tollgate bill run");
}

}  // namespace bill_internal

Result<std::vector<BillHead>> list_bills(SqlConnection& store, const BillFilter& filter,
                                         UtcMicros now) {
    std::vector<BillHead> out;
    TG_CHECK_OK(read_bill_rows(store, filter, [&](BillRow row) -> Status {
        TG_CHECK_OK(complete(store, now, &row.head));
        if (!filter.status || row.head.status == *filter.status) out.push_back(std::move(row.head));
        return {};
    }));
    return out;
}

Result<BillHead> find_bill(SqlConnection& store, std::string_view id, UtcMicros now) {
    TG_TRY(BillRow row, read_bill_row(store, id));
    TG_CHECK_OK(complete(store, now, &row.head));
    return std::move(row.head);
}

Result<Bill> current_bill(SqlConnection& store, std::string_view customer_code, YearMonth month,
                          const BillTerms& terms, std::optional<std::string> project) {
    TG_TRY(const BillCustomer customer, bill_customer(store, customer_code));
    if (project) TG_CHECK_OK(check_project(store, customer, *project));
    TG_TRY(const BillSource source, BillSource::load(store, std::span(&customer.id, 1), month));
    const BillSource::Of* of = source.find(customer.id);
    TG_ASSERT(of != nullptr);
    Bill bill;
    if (of->row && of->row->head.is_final()) {
        TG_TRY(bill, parse_bill_json(of->row->document));
    } else {
        TG_TRY(const BillTerms now, with_fx_rate(store, terms, month, FxUse::preview));
        TG_TRY(bill, of->compose(month, of->row ? of->row->head.terms : now));
        if (project) count_events(of->usage, project, &bill);
    }
    if (of->row) bill.status = name(of->row->head.status);
    if (project) keep_project(*project, &bill);
    return bill;
}

}  // namespace tg
