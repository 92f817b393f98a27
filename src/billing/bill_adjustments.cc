#include "billing/bill_adjustments.h"

#include "base/json_writer.h"
#include "base/numbered_id.h"
#include "billing/internal/bill_source.h"
#include "billing/internal/settle_writer.h"
#include "ledger/flows.h"
#include "store/read_rows.h"
#include "store/stored_enum.h"

namespace tg {

using namespace bill_internal;

namespace {

constexpr std::string_view kIdPrefix = "ADJ-";
constexpr std::size_t kTextMax = 500;
constexpr std::int64_t kCentsMax = 100'000'000'000'000;  // 10^12 of the currency

Status check_new(const NewAdjustment& adjustment) {
    if (adjustment.cents == 0 || adjustment.cents > kCentsMax || adjustment.cents < -kCentsMax) {
        return fail(ErrorCode::invalid_request,
                    "an adjustment over " + format_cents(adjustment.cents) +
                        " cannot be; it is above or below 0 and at most " +
                        format_cents(kCentsMax));
    }
    if (adjustment.text.empty() || adjustment.text.size() > kTextMax ||
        adjustment.reference.size() > kTextMax) {
        return fail(ErrorCode::invalid_request,
                    "an adjustment needs a text of at most " + std::to_string(kTextMax) +
                        " bytes, which stands on the bill; a reference, if any, is no longer");
    }
    if (adjustment.kind == BillItemKind::adjustment) return {};
    if (adjustment.cents > 0 || adjustment.currency != Currency::cny) {
        return fail(ErrorCode::invalid_request, "an SLA credit over " +
                                                    format_cents(adjustment.cents) + " " +
                                                    std::string(code(adjustment.currency)) +
                                                    " cannot be; it is an amount of RMB below 0");
    }
    return {};
}

Result<BillAdjustment> to_adjustment(const SqlRow& row) {
    BillAdjustment out;
    out.id = numbered_id(kIdPrefix, row.integer(0));
    out.customer = CustomerId(static_cast<std::uint32_t>(row.integer(1)));
    out.customer_code = row.is_null(2) ? std::string() : std::string(row.text(2));
    out.month = month_of_number(row.integer(3));
    TG_TRY(out.kind,
           stored_enum<BillItemKind>(row.integer(4), kBillItemKindCount, "bill_adjustments.kind"));
    out.project = row.text(5);
    TG_TRY(out.currency,
           stored_enum<Currency>(row.integer(6), kCurrencyCount, "bill_adjustments.currency"));
    out.cents = row.integer(7);
    out.text = row.text(8);
    out.reference = row.text(9);
    out.created_at = {row.integer(10)};
    out.created_by = row.text(11);
    out.cancelled_at = {row.integer(12)};
    out.cancelled_by = row.text(13);
    return out;
}

Result<std::vector<BillAdjustment>> read_adjustments(SqlConnection& store, const std::string& rest,
                                                     const std::vector<SqlValue>& values) {
    return read_rows(
        store,
        "SELECT a.number, a.customer_id, c.code, a.month, a.kind, a.project_code, a.currency, "
        "a.cents, a.text, a.reference, a.created_at, a.created_by, a.cancelled_at, a.cancelled_by "
        "FROM bill_adjustments a LEFT JOIN customers c ON c.id = a.customer_id" +
            rest + " ORDER BY a.number",
        std::span(values), to_adjustment);
}

/// Errors: conflict when the bill that it would change is final.
Status check_open(SqlConnection& store, CustomerId customer, YearMonth month) {
    Status out;
    TG_CHECK_OK(read_bill_rows(
        store, {.customer = customer, .month = month}, [&out](const BillRow& row) -> Status {
            if (row.head.is_final()) {
                out = fail(ErrorCode::conflict, "bill " + row.head.id +
                                                    " is final; correct it by a credit or debit "
                                                    "note, or adjust a later month's bill");
            }
            return {};
        }));
    return out;
}

/// What is owed for a missed service level is in the ledger from the day it was promised, and
/// leaves it with the bill, or when it is taken back.
Status book_sla_credit(SqlConnection& store, const BillAdjustment& adjustment,
                       const Change& change) {
    if (adjustment.kind != BillItemKind::sla_credit) return {};
    const std::int64_t cents = -adjustment.cents;
    Result<Entry> entry =
        adjustment.is_cancelled()
            ? adjusted({.id = adjustment.id + "-cancelled",
                        .reason = "SLA credit " + adjustment.id + " was taken back",
                        .occurred_at = change.at,
                        .postings = {{{AccountCode::sla_credits_owed, Currency::cny,
                                       adjustment.customer, ProjectId{}, adjustment.id},
                                      Femto{cents * kFemtoPerCent}},
                                     {{AccountCode::sla_credit_expense, Currency::cny,
                                       adjustment.customer},
                                      Femto{-cents * kFemtoPerCent}}}})
            : sla_credit_granted({.credit_id = adjustment.id,
                                  .customer = adjustment.customer,
                                  .currency = Currency::cny,
                                  .occurred_at = change.at,
                                  .cents = cents});
    if (!entry.ok()) return fail(std::move(entry).error());
    LedgerWriter ledger(&store);
    TG_TRY(const Booking booking, ledger.append(*entry, change.at));
    if (booking.is_new) return {};
    return fail(ErrorCode::corrupt_data,
                "SLA credit " + adjustment.id + " is in the ledger already; run: tollgate verify");
}

Status audit_adjustment(SqlConnection& store, std::string_view action,
                        const std::optional<BillAdjustment>& before, const BillAdjustment& after,
                        const Change& change) {
    AuditEntry entry{.at = change.at,
                     .actor = change.actor,
                     .action = std::string(action),
                     .subject_kind = "bill_adjustment",
                     .subject_id = after.id,
                     .before = before ? adjustment_as_json(*before) : std::string(),
                     .after = adjustment_as_json(after)};
    return append_audit(store, entry);
}

bool is_same(const BillAdjustment& a, const NewAdjustment& b) {
    return a.month == b.month && a.kind == b.kind && a.project == b.project &&
           a.currency == b.currency && a.cents == b.cents && a.text == b.text;
}

/// The one with that reference, if there is one. Errors: conflict when it is another.
Result<std::optional<BillAdjustment>> find_same(SqlConnection& store, CustomerId customer,
                                                const NewAdjustment& wanted) {
    if (wanted.reference.empty()) return std::optional<BillAdjustment>{};
    TG_TRY(const std::vector<BillAdjustment> found,
           read_adjustments(store, " WHERE a.customer_id = ? AND a.reference = ?",
                            {std::int64_t{customer.get()}, wanted.reference}));
    if (found.empty()) return std::optional<BillAdjustment>{};
    if (is_same(found.front(), wanted)) return std::optional(found.front());
    return fail(ErrorCode::conflict, "reference '" + wanted.reference + "' was used for " +
                                         found.front().id + ", which is another adjustment");
}

Result<std::int64_t> next_number(SqlConnection& store) {
    std::int64_t out = 0;
    TG_CHECK_OK(store.query("SELECT COALESCE(MAX(number), 0) + 1 FROM bill_adjustments", {},
                            [&out](const SqlRow& row) {
                                out = row.integer(0);
                                return false;
                            }));
    return out;
}

Status write_adjustment(SqlConnection& store, std::int64_t number,
                        const BillAdjustment& adjustment) {
    return run(store,
               "INSERT INTO bill_adjustments (number, customer_id, month, kind, project_code, "
               "currency, cents, text, reference, created_at, created_by, cancelled_at, "
               "cancelled_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '')",
               {number, std::int64_t{adjustment.customer.get()}, month_number(adjustment.month),
                static_cast<std::int64_t>(adjustment.kind), adjustment.project,
                static_cast<std::int64_t>(adjustment.currency), adjustment.cents, adjustment.text,
                adjustment.reference, adjustment.created_at.micros, adjustment.created_by});
}

}  // namespace

Result<BillItemKind> parse_adjustment_kind(std::string_view text) {
    for (const BillItemKind kind : {BillItemKind::adjustment, BillItemKind::sla_credit})
        if (text == name(kind)) return kind;
    return fail(ErrorCode::invalid_request,
                "'" + std::string(text) +
                    "' is no kind of adjustment; those are adjustment and sla_credit");
}

std::string adjustment_as_json(const BillAdjustment& adjustment) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("id", adjustment.id).field("customer", adjustment.customer_code);
    w.field("month", to_string(adjustment.month)).field("kind", name(adjustment.kind));
    w.field("project", adjustment.project).field("currency", code(adjustment.currency));
    w.field("amount", format_scaled(adjustment.cents, 2, 2)).field("text", adjustment.text);
    w.field("reference", adjustment.reference)
        .field("created_at", format_rfc3339(adjustment.created_at))
        .field("created_by", adjustment.created_by);
    if (adjustment.is_cancelled()) {
        w.field("cancelled_at", format_rfc3339(adjustment.cancelled_at))
            .field("cancelled_by", adjustment.cancelled_by);
    }
    w.end_object();
    return out;
}

Result<std::vector<BillAdjustment>> list_adjustments(SqlConnection& store,
                                                     const AdjustmentFilter& filter) {
    std::string rest;
    std::vector<SqlValue> values;
    const auto add = [&rest](const std::string& condition) {
        rest.append(rest.empty() ? " WHERE " : " AND ").append(condition);
    };
    if (!filter.customers.empty()) {
        std::string places;
        for (const CustomerId customer : filter.customers) {
            places.append(places.empty() ? "?" : ", ?");
            values.emplace_back(std::int64_t{customer.get()});
        }
        add("a.customer_id IN (" + places + ")");
    }
    if (filter.month) {
        add("a.month = ?");
        values.emplace_back(month_number(*filter.month));
    }
    if (!filter.with_cancelled) add("a.cancelled_at = 0");
    return read_adjustments(store, rest, values);
}

Result<BillAdjustment> add_adjustment(SqlConnection& store, const NewAdjustment& adjustment,
                                      const Change& change) {
    TG_CHECK_OK(check_new(adjustment));
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(const BillCustomer customer, bill_customer(store, adjustment.customer));
    TG_TRY(const std::optional<BillAdjustment> same, find_same(store, customer.id, adjustment));
    if (same) return *same;
    if (!adjustment.project.empty())
        TG_CHECK_OK(check_project(store, customer, adjustment.project));
    TG_CHECK_OK(check_open(store, customer.id, adjustment.month));
    TG_TRY(const std::int64_t number, next_number(store));
    const BillAdjustment out{.id = numbered_id(kIdPrefix, number),
                             .customer = customer.id,
                             .customer_code = customer.code,
                             .month = adjustment.month,
                             .kind = adjustment.kind,
                             .project = adjustment.project,
                             .currency = adjustment.currency,
                             .cents = adjustment.cents,
                             .text = adjustment.text,
                             .reference = adjustment.reference,
                             .created_at = change.at,
                             .cancelled_at = {},
                             .created_by = change.actor,
                             .cancelled_by = {}};
    TG_CHECK_OK(write_adjustment(store, number, out));
    TG_CHECK_OK(book_sla_credit(store, out, change));
    TG_CHECK_OK(audit_adjustment(store, "create", std::nullopt, out, change));
    TG_CHECK_OK(transaction.commit());
    return out;
}

Result<BillAdjustment> cancel_adjustment(SqlConnection& store, std::string_view id,
                                         const Change& change) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    const std::int64_t number = number_of_id(kIdPrefix, id);
    TG_TRY(const std::vector<BillAdjustment> found,
           read_adjustments(store, " WHERE a.number = ?", {number}));
    if (found.empty()) {
        return fail(ErrorCode::not_found, "there is no adjustment '" + std::string(id) +
                                              "'; see: tollgate bill adjustments");
    }
    BillAdjustment out = found.front();
    if (out.is_cancelled()) return out;
    TG_CHECK_OK(check_open(store, out.customer, out.month));
    out.cancelled_at = change.at;
    out.cancelled_by = change.actor;
    TG_CHECK_OK(run(
        store, "UPDATE bill_adjustments SET cancelled_at = ?, cancelled_by = ? WHERE number = ?",
        {out.cancelled_at.micros, out.cancelled_by, number}));
    TG_CHECK_OK(book_sla_credit(store, out, change));
    TG_CHECK_OK(audit_adjustment(store, "cancel", found.front(), out, change));
    TG_CHECK_OK(transaction.commit());
    return out;
}

}  // namespace tg
