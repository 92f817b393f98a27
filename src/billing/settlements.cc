#include "billing/settlements.h"

#include <algorithm>
#include <array>

#include "base/json_writer.h"
#include "base/numbered_id.h"
#include "billing/books_lock.h"
#include "billing/internal/bill_source.h"
#include "ledger/flows.h"
#include "store/read_rows.h"
#include "store/stored_enum.h"

namespace tg {

using namespace bill_internal;

namespace {

constexpr std::string_view kIdPrefix = "SET-";
constexpr std::size_t kTextMax = 500;
constexpr std::array<std::string_view, kSettlementKindCount> kKinds = {"write_off", "refund",
                                                                       "payout"};
constexpr std::array<std::string_view, kRefundSourceCount> kSources = {"", "wallet", "deposit"};

Status check_text(std::string_view what, std::string_view text) {
    if (!text.empty() && text.size() <= kTextMax) return {};
    return fail(ErrorCode::invalid_request, "a settlement needs its " + std::string(what) +
                                                ", of at most " + std::to_string(kTextMax) +
                                                " bytes");
}

/// All that is there, or what was asked for of it.
Result<std::int64_t> part_of(std::int64_t there, const std::optional<std::int64_t>& wanted,
                             const std::string& what) {
    const std::int64_t fen = wanted.value_or(there);
    if (fen > 0 && fen <= there) return fen;
    return fail(wanted && *wanted <= 0 ? ErrorCode::invalid_request : ErrorCode::conflict,
                what + " is " + format_cents(there) + " CNY; " + format_cents(fen) +
                    " CNY of it cannot be");
}

Result<Settlement> to_settlement(const SqlRow& row) {
    Settlement out;
    out.id = numbered_id(kIdPrefix, row.integer(0));
    TG_TRY(out.kind,
           stored_enum<SettlementKind>(row.integer(1), kSettlementKindCount, "settlements.kind"));
    out.customer = CustomerId(static_cast<std::uint32_t>(row.integer(2)));
    out.customer_code = row.text(3);
    TG_TRY(out.source,
           stored_enum<RefundSource>(row.integer(4), kRefundSourceCount, "settlements.source"));
    out.subject = row.text(5);
    out.fen = row.integer(6);
    out.bank_account = row.text(7);
    out.reason = row.text(8);
    out.reference = row.text(9);
    out.created_at = {row.integer(10)};
    out.created_by = row.text(11);
    return out;
}

Result<std::vector<Settlement>> read_settlements(SqlConnection& store, const std::string& rest,
                                                 const std::vector<SqlValue>& values) {
    return read_rows(
        store,
        "SELECT s.number, s.kind, s.customer_id, c.code, s.source, s.subject, s.fen, "
        "s.bank_account, s.reason, s.reference, s.created_at, s.created_by FROM settlements s LEFT "
        "JOIN customers c ON c.id = s.customer_id" +
            rest + " ORDER BY s.number",
        std::span(values), to_settlement);
}

/// What was asked for with the same reference. Errors: conflict when it was another thing.
Result<std::optional<Settlement>> find_same(SqlConnection& store, const Settlement& wanted,
                                            const std::optional<std::int64_t>& fen) {
    if (wanted.reference.empty()) return std::optional<Settlement>{};
    TG_TRY(const std::vector<Settlement> found,
           read_settlements(store, " WHERE s.kind = ? AND s.customer_id = ? AND s.reference = ?",
                            {static_cast<std::int64_t>(wanted.kind),
                             std::int64_t{wanted.customer.get()}, wanted.reference}));
    if (found.empty()) return std::optional<Settlement>{};
    const Settlement& known = found.front();
    if (known.subject == wanted.subject && known.source == wanted.source &&
        known.reason == wanted.reason && (!fen || *fen == known.fen))
        return std::optional(known);
    return fail(ErrorCode::conflict, "reference '" + wanted.reference + "' was used for " +
                                         known.id + ", which is another settlement");
}

Result<Entry> entry_of(const Settlement& s, Debt debt) {
    switch (s.kind) {
        case SettlementKind::write_off:
            return written_off({.id = s.id,
                                .bill_id = s.subject,
                                .customer = s.customer,
                                .occurred_at = s.created_at,
                                .cents = s.fen,
                                .debt = debt});
        case SettlementKind::refund:
            return refund_approved({.refund_id = s.id,
                                    .from = s.source == RefundSource::wallet
                                                ? RefundApproved::From::wallet
                                                : RefundApproved::From::deposit,
                                    .customer = s.customer,
                                    .occurred_at = s.created_at,
                                    .cents = s.fen});
        case SettlementKind::payout:
            break;
    }
    return refund_paid({.payment_id = s.id,
                        .refund_id = s.subject,
                        .bank_account = s.bank_account,
                        .customer = s.customer,
                        .occurred_at = s.created_at,
                        .cents = s.fen});
}

/// Gives it its number, writes and books it, inside the caller's transaction.
Result<Settlement> enter(SqlConnection& store, Settlement settlement, Debt debt,
                         const Change& change) {
    std::int64_t number = 0;
    TG_CHECK_OK(store.query("SELECT COALESCE(MAX(number), 0) + 1 FROM settlements", {},
                            [&number](const SqlRow& row) {
                                number = row.integer(0);
                                return false;
                            }));
    settlement.id = numbered_id(kIdPrefix, number);
    settlement.created_at = change.at;
    settlement.created_by = change.actor;
    TG_CHECK_OK(
        run(store,
            "INSERT INTO settlements (number, kind, customer_id, source, subject, fen, "
            "bank_account, reason, reference, created_at, created_by) VALUES (?, ?, ?, ?, "
            "?, ?, ?, ?, ?, ?, ?)",
            {number, static_cast<std::int64_t>(settlement.kind),
             std::int64_t{settlement.customer.get()}, static_cast<std::int64_t>(settlement.source),
             settlement.subject, settlement.fen, settlement.bank_account, settlement.reason,
             settlement.reference, settlement.created_at.micros, settlement.created_by}));
    TG_TRY(const Entry entry, entry_of(settlement, debt));
    LedgerWriter ledger(&store);
    TG_TRY(const Booking booking, ledger.append(entry, change.at));
    if (!booking.is_new) {
        return fail(ErrorCode::corrupt_data, "settlement " + settlement.id +
                                                 " is in the ledger already; run: tollgate verify");
    }
    AuditEntry record{.at = change.at,
                      .actor = change.actor,
                      .action = "create",
                      .subject_kind = "settlement",
                      .subject_id = settlement.id,
                      .before = {},
                      .after = settlement_as_json(settlement)};
    TG_CHECK_OK(append_audit(store, record));
    return settlement;
}

}  // namespace

std::string_view name(SettlementKind kind) {
    return kKinds[static_cast<std::size_t>(kind)];
}

std::string_view name(RefundSource source) {
    return kSources[static_cast<std::size_t>(source)];
}

Result<RefundSource> parse_refund_source(std::string_view text) {
    if (text == "wallet") return RefundSource::wallet;
    if (text == "deposit") return RefundSource::deposit;
    return fail(ErrorCode::invalid_request, "'" + std::string(text) +
                                                "' is nothing that money is paid back from; those "
                                                "are wallet and deposit");
}

std::string settlement_as_json(const Settlement& settlement) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("id", settlement.id).field("kind", name(settlement.kind));
    w.field("customer", settlement.customer_code).field("source", name(settlement.source));
    w.field("subject", settlement.subject)
        .field("amount_cny", format_scaled(settlement.fen, 2, 2))
        .field("bank_account", settlement.bank_account);
    w.field("reason", settlement.reason).field("reference", settlement.reference);
    w.field("created_at", format_rfc3339(settlement.created_at))
        .field("created_by", settlement.created_by)
        .end_object();
    return out;
}

Result<Settlement> write_off(SqlConnection& store, const NewWriteOff& wanted,
                             const Change& change) {
    TG_CHECK_OK(check_text("reason", wanted.reason));
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(const BillRow row, read_bill_row(store, wanted.bill_id));
    Settlement out{.id = {},
                   .kind = SettlementKind::write_off,
                   .customer = row.head.customer,
                   .customer_code = row.head.customer_code,
                   .subject = row.head.id,
                   .bank_account = {},
                   .reason = wanted.reason,
                   .reference = wanted.reference,
                   .created_at = {},
                   .created_by = {}};
    TG_TRY(const std::optional<Settlement> same, find_same(store, out, wanted.fen));
    if (same) return *same;
    if (!row.head.is_final())
        return fail(ErrorCode::conflict, "bill " + row.head.id + " is not final: nothing is owed");
    TG_TRY(const OpenDebt open, open_debt(store, row.head));
    TG_TRY(out.fen, part_of(open.fen, wanted.fen, "what is owed of bill " + row.head.id));
    TG_TRY(out, enter(store, std::move(out), open.debt, change));
    TG_CHECK_OK(transaction.commit());
    return out;
}

Result<Settlement> approve_refund(SqlConnection& store, const NewRefund& wanted,
                                  const Change& change) {
    TG_CHECK_OK(check_text("reason", wanted.reason));
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(const BillCustomer customer, bill_customer(store, wanted.customer));
    Settlement out{.id = {},
                   .kind = SettlementKind::refund,
                   .customer = customer.id,
                   .customer_code = customer.code,
                   .source = wanted.source,
                   .subject = {},
                   .bank_account = {},
                   .reason = wanted.reason,
                   .reference = wanted.reference,
                   .created_at = {},
                   .created_by = {}};
    TG_TRY(const std::optional<Settlement> same, find_same(store, out, wanted.fen));
    if (same) return *same;
    const AccountCode account =
        wanted.source == RefundSource::wallet ? AccountCode::wallet_paid : AccountCode::deposit;
    TG_TRY(const Femto balance,
           read_balance(store, {account, Currency::cny, customer.id, ProjectId{}, ""}));
    TG_TRY(out.fen, part_of(static_cast<std::int64_t>(-balance.value / kFemtoPerCent), wanted.fen,
                            "the " + std::string(name(wanted.source)) + " of customer '" +
                                customer.code + "'"));
    TG_TRY(out, enter(store, std::move(out), Debt::billed, change));
    TG_CHECK_OK(transaction.commit());
    return out;
}

Result<std::vector<OpenRefund>> open_refunds(SqlConnection& store) {
    std::vector<OpenRefund> out;
    TG_TRY(const std::vector<AccountBalance> balances,
           read_balances(store, {.account = AccountCode::refund_payable}));
    for (const AccountBalance& each : balances) {
        if (each.amount.value >= 0) continue;
        out.push_back({.id = each.account.subject,
                       .customer = each.account.customer,
                       .fen = static_cast<std::int64_t>(-each.amount.value / kFemtoPerCent)});
    }
    return out;
}

Result<Settlement> record_payout(SqlConnection& store, const NewPayout& wanted,
                                 const Change& change) {
    TG_CHECK_OK(check_text("bank account", wanted.bank_account));
    TG_CHECK_OK(check_text("reference, the bank's number", wanted.reference));
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(const std::vector<OpenRefund> open, open_refunds(store));
    const auto found = std::ranges::find(open, wanted.refund_id, &OpenRefund::id);
    // One that was paid by the same transfer before is not open any more.
    TG_TRY(const std::vector<Settlement> before,
           read_settlements(store, " WHERE s.kind = ? AND s.reference = ? AND s.subject = ?",
                            {static_cast<std::int64_t>(SettlementKind::payout), wanted.reference,
                             wanted.refund_id}));
    if (!before.empty() && (!wanted.fen || *wanted.fen == before.front().fen))
        return before.front();
    if (!before.empty()) {
        return fail(ErrorCode::conflict, "transfer '" + wanted.reference + "' was recorded for " +
                                             wanted.refund_id + " as " + before.front().id +
                                             " over " + format_cents(before.front().fen) +
                                             " CNY; another transfer has another reference");
    }
    if (found == open.end()) {
        return fail(ErrorCode::not_found, "nothing is owed back for '" + wanted.refund_id +
                                              "'; see: tollgate refund list");
    }
    Settlement out{.id = {},
                   .kind = SettlementKind::payout,
                   .customer = found->customer,
                   .customer_code = {},
                   .subject = found->id,
                   .bank_account = wanted.bank_account,
                   .reason = {},
                   .reference = wanted.reference,
                   .created_at = {},
                   .created_by = {}};
    TG_CHECK_OK(store.query("SELECT code FROM customers WHERE id = ?",
                            {std::int64_t{out.customer.get()}}, [&out](const SqlRow& row) {
                                out.customer_code = row.text(0);
                                return false;
                            }));
    TG_TRY(out.fen, part_of(found->fen, wanted.fen, "what is owed back for " + found->id));
    TG_TRY(out, enter(store, std::move(out), Debt::billed, change));
    TG_CHECK_OK(transaction.commit());
    return out;
}

Result<std::vector<Settlement>> list_settlements(SqlConnection& store, CustomerId customer) {
    if (!customer) return read_settlements(store, "", {});
    return read_settlements(store, " WHERE s.customer_id = ?", {std::int64_t{customer.get()}});
}

}  // namespace tg
