// What payments are used for: by hand, by the bills they name, and from wallets.
#include <algorithm>

#include "base/json_writer.h"
#include "billing/internal/bill_source.h"
#include "billing/internal/payment_matching.h"
#include "billing/internal/payment_rows.h"
#include "identity/audit_log.h"
#include "ledger/flows.h"
#include "ledger/ledger.h"

namespace tg {

using namespace bill_internal;

namespace {

constexpr std::int64_t kFeeMaxFen = 50'00;

std::string allocation_json(const Allocation& allocation) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("payment", allocation.payment_id).field("kind", name(allocation.kind));
    w.field("bill", allocation.bill_id).field("cny", format_scaled(allocation.fen, 2, 2));
    w.field("fee_cny", format_scaled(allocation.fee_fen, 2, 2))
        .field("rule", name(allocation.rule))
        .end_object();
    return out;
}

/// The ledger entry of a part of a payment.
Result<Entry> entry_of(const Allocation& allocation, Debt debt) {
    const Advance advance{.id = allocation.id,
                          .payment_id = allocation.payment_id,
                          .customer = allocation.customer,
                          .occurred_at = allocation.allocated_at,
                          .cents = allocation.fen};
    switch (allocation.kind) {
        case AllocationKind::bill:
            return payment_allocated({.allocation_id = allocation.id,
                                      .payment_id = allocation.payment_id,
                                      .customer = allocation.customer,
                                      .occurred_at = allocation.allocated_at,
                                      .parts = {{allocation.bill_id, allocation.fen, debt}},
                                      .bank_fee_cents = allocation.fee_fen});
        case AllocationKind::wallet:
            return wallet_topped_up(advance);
        case AllocationKind::deposit:
            return deposit_received(advance);
        case AllocationKind::refund:
            break;
    }
    return refund_approved({.refund_id = allocation.id,
                            .from = RefundApproved::From::suspense,
                            .payment_id = allocation.payment_id,
                            .occurred_at = allocation.allocated_at,
                            .cents = allocation.fen});
}

/// Fills in what an allocation is for, and how much.
Result<Debt> complete(SqlConnection& store, const AllocationRequest& request,
                      const Payment& payment, Allocation* out) {
    Debt debt = Debt::billed;
    std::int64_t most = payment.open_fen + request.fee_fen;
    if (request.kind == AllocationKind::bill) {
        TG_TRY(const BillRow row, read_bill_row(store, request.bill_id));
        if (!row.head.is_final())
            return fail(ErrorCode::conflict, "bill " + row.head.id +
                                                 " is not final: nothing is owed of it yet; "
                                                 "allocate to the wallet instead");
        TG_TRY(const OpenDebt open, open_debt(store, row.head));
        debt = open.debt;
        out->customer = row.head.customer;
        out->bill_id = row.head.id;
        if (request.fen && *request.fen > open.fen)
            return fail(ErrorCode::conflict, "of bill " + row.head.id + " " +
                                                 format_cents(open.fen) + " CNY are owed; " +
                                                 format_cents(*request.fen) + " is more");
        most = std::min(most, open.fen);
    } else if (request.kind != AllocationKind::refund) {
        TG_TRY(const BillCustomer customer, bill_customer(store, request.customer));
        out->customer = customer.id;
    }
    out->fen = request.fen.value_or(most);
    out->fee_fen = request.fee_fen;
    if (request.fee_fen < 0 || request.fee_fen > kFeeMaxFen ||
        (request.fee_fen != 0 && request.kind != AllocationKind::bill)) {
        return fail(ErrorCode::invalid_request, "a bank's fee of " + format_cents(request.fee_fen) +
                                                    " CNY cannot be; it is from 0 to " +
                                                    format_cents(kFeeMaxFen) +
                                                    " CNY, and of a bill only");
    }
    if (out->fen <= out->fee_fen) {
        return fail(ErrorCode::invalid_request,
                    "nothing of payment " + payment.id +
                        " is left to be used for this, or nothing is owed; see: tollgate payment "
                        "show " +
                        payment.id);
    }
    if (out->fen - out->fee_fen > payment.open_fen)
        return fail(ErrorCode::conflict, "of payment " + payment.id + " " +
                                             format_cents(payment.open_fen) + " CNY are open; " +
                                             format_cents(out->fen) + " is more");
    return debt;
}

/// Inside the caller's transaction, with the books locked.
Result<Allocation> allocate_locked(SqlConnection& store, const AllocationRequest& request,
                                   MatchRule rule, const Change& change) {
    TG_TRY(const Payment payment, find_payment(store, request.payment_id));
    Allocation out{.id = {},
                   .payment_id = payment.id,
                   .kind = request.kind,
                   .customer = {},
                   .bill_id = {},
                   .rule = rule,
                   .allocated_at = change.at,
                   .allocated_by = change.actor};
    TG_TRY(const Debt debt, complete(store, request, payment, &out));
    std::int64_t number = 0;
    TG_CHECK_OK(store.query(
        "SELECT COALESCE(MAX(number), 0) + 1 FROM payment_allocations WHERE payment_id = ?",
        {payment.id}, [&number](const SqlRow& row) {
            number = row.integer(0);
            return false;
        }));
    out.id = payment.id + "-" + std::to_string(number);
    TG_CHECK_OK(
        run(store,
            "INSERT INTO payment_allocations (id, payment_id, number, kind, customer_id, "
            "bill_id, fen, fee_fen, rule, allocated_at, allocated_by) VALUES (?, ?, ?, ?, "
            "?, ?, ?, ?, ?, ?, ?)",
            {out.id, out.payment_id, number, static_cast<std::int64_t>(out.kind),
             std::int64_t{out.customer.get()}, out.bill_id, out.fen, out.fee_fen,
             static_cast<std::int64_t>(out.rule), out.allocated_at.micros, out.allocated_by}));
    TG_TRY(const Entry entry, entry_of(out, debt));
    LedgerWriter ledger(&store);
    TG_TRY(const Booking booking, ledger.append(entry, change.at));
    (void)booking;
    AuditEntry record = payment_record("payment_allocation", out.id, allocation_json(out), change);
    TG_CHECK_OK(append_audit(store, record));
    return out;
}

/// Final bills of which something is owed, oldest first, with what earlier payments tell of payers.
Result<MatchBasis> read_basis(SqlConnection& store) {
    MatchBasis out;
    std::map<std::string, std::int64_t> owed;
    for (const AccountCode account :
         {AccountCode::billed_receivable, AccountCode::overdue_receivable}) {
        TG_TRY(const std::vector<AccountBalance> balances,
               read_balances(store, {.account = account, .currency = Currency::cny}));
        for (const AccountBalance& balance : balances)
            owed[balance.account.subject] +=
                static_cast<std::int64_t>(balance.amount.value / kFemtoPerCent);
    }
    TG_CHECK_OK(store.query(
        "SELECT b.id, c.code, b.customer_id FROM bills b JOIN customers c ON c.id = b.customer_id "
        "WHERE b.status >= ? ORDER BY b.month, b.id",
        {static_cast<std::int64_t>(BillStatus::finalised)}, [&](const SqlRow& row) {
            const auto open = owed.find(std::string(row.text(0)));
            if (open != owed.end() && open->second > 0)
                out.bills.push_back({std::string(row.text(0)), std::string(row.text(1)),
                                     CustomerId(static_cast<std::uint32_t>(row.integer(2))),
                                     open->second});
            return true;
        }));
    std::map<std::int64_t, std::string> codes;
    TG_CHECK_OK(store.query("SELECT id, code, name FROM customers", {}, [&](const SqlRow& row) {
        codes[row.integer(0)] = row.text(1);
        const auto [known, is_new] =
            out.customer_names.try_emplace(plain_name(row.text(2)), row.text(1));
        if (!is_new) known->second.clear();  // two customers of that name
        return true;
    }));
    TG_CHECK_OK(store.query(
        "SELECT DISTINCT p.payer_account, a.customer_id FROM payment_allocations a JOIN payments p "
        "ON p.id = a.payment_id WHERE p.payer_account <> '' AND a.customer_id <> 0",
        {}, [&](const SqlRow& row) {
            out.payers[std::string(row.text(0))].insert(codes[row.integer(1)]);
            return true;
        }));
    return out;
}

/// All parts or none. Errors: conflict when what is owed or open has changed since.
Status book_match(SqlConnection& store, const Payment& payment, const Match& match,
                  const Change& change) {
    TG_TRY(Transaction transaction, lock_for_payments(store));
    for (const Match::Part& part : match.parts) {
        TG_TRY(const Allocation done, allocate_locked(store,
                                                      {.payment_id = payment.id,
                                                       .kind = AllocationKind::bill,
                                                       .bill_id = part.bill_id,
                                                       .fen = part.fen},
                                                      match.rule, change));
        (void)done;
    }
    if (match.wallet_fen > 0) {
        TG_TRY(const Allocation done, allocate_locked(store,
                                                      {.payment_id = payment.id,
                                                       .kind = AllocationKind::wallet,
                                                       .customer = match.customer,
                                                       .fen = match.wallet_fen},
                                                      match.rule, change));
        (void)done;
    }
    return transaction.commit();
}

/// What a booked match changes for those that follow.
void take_from(const Payment& payment, const Match& match, MatchBasis* basis) {
    for (const Match::Part& part : match.parts) {
        const auto bill = std::ranges::find(basis->bills, part.bill_id, &OpenBill::id);
        if (bill == basis->bills.end()) continue;
        bill->open_fen -= part.fen;
        if (bill->open_fen <= 0) basis->bills.erase(bill);
    }
    if (!payment.payer_account.empty()) basis->payers[payment.payer_account].insert(match.customer);
}

}  // namespace

Result<Allocation> allocate_payment(SqlConnection& store, const AllocationRequest& request,
                                    const Change& change) {
    TG_TRY(Transaction transaction, lock_for_payments(store));
    TG_TRY(Allocation out, allocate_locked(store, request, MatchRule::by_hand, change));
    TG_CHECK_OK(transaction.commit());
    return out;
}

Result<MatchReport> match_payments(SqlConnection& store, const Change& change, bool dry_run) {
    TG_TRY(std::vector<Payment> open,
           list_payments(store, {.open_only = true, .limit = INT32_MAX}));
    std::ranges::reverse(open);
    MatchReport report;
    report.looked_at = std::ssize(open);
    TG_TRY(MatchBasis basis, read_basis(store));
    for (const Payment& payment : open) {
        std::vector<Match> matches = find_matches(payment, basis);
        const bool is_safe = !matches.empty() && matches.front().is_safe();
        Status booked;
        if (is_safe && !dry_run) booked = book_match(store, payment, matches.front(), change);
        if (!booked.ok() && booked.error().code != ErrorCode::conflict) return fail(booked.error());
        if (is_safe && booked.ok()) {
            ++report.matched;
            take_from(payment, matches.front(), &basis);
        }
        if (!is_safe || dry_run || !booked.ok())
            report.open.push_back({payment, std::move(matches)});
    }
    if (!dry_run) {
        TG_TRY(report.from_wallets, pay_from_wallets(store, change));
    }
    return report;
}

namespace {

/// One bill, as far as the wallet goes; in a transaction of its own. False when there was nothing
/// to do any more.
Result<bool> pay_from_wallet(SqlConnection& store, const OpenBill& bill, const Change& change) {
    TG_TRY(Transaction transaction, lock_for_payments(store));
    TG_TRY(const Femto wallet,
           read_balance(store, {AccountCode::wallet_paid, Currency::cny, bill.customer_id}));
    TG_TRY(const BillRow row, read_bill_row(store, bill.id));
    TG_TRY(const OpenDebt debt, open_debt(store, row.head));
    const auto in_wallet = static_cast<std::int64_t>(-wallet.value / kFemtoPerCent);
    const std::int64_t fen = std::min(in_wallet, debt.fen);
    if (fen <= 0) return false;
    TG_TRY(const Entry entry,
           wallet_drawn({.id = bill.id + "-wallet-" + std::to_string(change.at.micros),
                         .customer = bill.customer_id,
                         .currency = Currency::cny,
                         .occurred_at = change.at,
                         .grants = {},
                         .paid = Femto{fen * kFemtoPerCent},
                         .bill_id = bill.id,
                         .debt = debt.debt}));
    LedgerWriter ledger(&store);
    TG_TRY(const Booking booking, ledger.append(entry, change.at));
    (void)booking;
    AuditEntry record = payment_record("wallet_draw", bill.id,
                                       R"({"cny":")" + format_scaled(fen, 2, 2) + "\"}", change);
    TG_CHECK_OK(append_audit(store, record));
    TG_CHECK_OK(transaction.commit());
    return true;
}

}  // namespace

Result<std::int64_t> pay_from_wallets(SqlConnection& store, const Change& change) {
    TG_TRY(const std::vector<AccountBalance> wallets,
           read_balances(store, {.account = AccountCode::wallet_paid, .currency = Currency::cny}));
    std::set<CustomerId> paying;
    for (const AccountBalance& wallet : wallets)
        if (wallet.amount.value <= -kFemtoPerCent) paying.insert(wallet.account.customer);
    if (paying.empty()) return 0;
    TG_TRY(const MatchBasis basis, read_basis(store));
    std::int64_t paid = 0;
    for (const OpenBill& bill : basis.bills) {
        if (!paying.contains(bill.customer_id)) continue;
        TG_TRY(const bool has_paid, pay_from_wallet(store, bill, change));
        paid += has_paid ? 1 : 0;
    }
    return paid;
}

}  // namespace tg
