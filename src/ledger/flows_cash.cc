#include "ledger/flows.h"
#include "ledger/internal/entry_builder.h"

namespace tg {
namespace {

using ledger_internal::EntryBuilder;
using ledger_internal::of_cents;

AccountKey suspense(const std::string& payment_id, Currency currency) {
    return {AccountCode::receipts_in_suspense, currency, CustomerId{}, ProjectId{}, payment_id};
}

AccountKey bank(const std::string& account, Currency currency) {
    return {AccountCode::bank, currency, CustomerId{}, ProjectId{}, account};
}

AccountKey debt_of(CustomerId customer, Currency currency, const std::string& bill_id, Debt debt) {
    return {debt == Debt::billed ? AccountCode::billed_receivable : AccountCode::overdue_receivable,
            currency, customer, ProjectId{}, bill_id};
}

Result<Entry> advance_received(CauseKind cause, const Advance& advance, AccountKey target) {
    return EntryBuilder(cause, advance.id, advance.occurred_at)
        .require_positive("cents", advance.cents)
        .debit(suspense(advance.payment_id, advance.currency), of_cents(advance.cents))
        .credit(std::move(target), of_cents(advance.cents))
        .done();
}

Result<Entry> bill_paid_from(CauseKind cause, const BillPaidFrom& payment, AccountKey source) {
    return EntryBuilder(cause, payment.id, payment.occurred_at)
        .require_positive("cents", payment.cents)
        .debit(std::move(source), of_cents(payment.cents))
        .credit(debt_of(payment.customer, payment.currency, payment.bill_id, payment.debt),
                of_cents(payment.cents))
        .done();
}

}  // namespace

Result<Entry> payment_received(const PaymentReceived& payment) {
    return EntryBuilder(CauseKind::payment, payment.payment_id, payment.occurred_at)
        .require_positive("cents", payment.cents)
        .debit(bank(payment.bank_account, payment.currency), of_cents(payment.cents))
        .credit(suspense(payment.payment_id, payment.currency), of_cents(payment.cents))
        .done();
}

Result<Entry> payment_allocated(const PaymentAllocated& allocation) {
    EntryBuilder entry(CauseKind::allocation, allocation.allocation_id, allocation.occurred_at);
    entry.require_not_negative("overpaid_cents", allocation.overpaid_cents);
    entry.require_not_negative("bank_fee_cents", allocation.bank_fee_cents);
    int128 total = allocation.overpaid_cents;
    for (const PaymentAllocated::Part& each : allocation.parts) {
        entry.require_positive("the part of " + each.bill_id + " in cents", each.cents);
        total += each.cents;
    }
    const int128 paid = total - allocation.bank_fee_cents;
    entry.require_positive("what is taken from the payment, in cents", paid);
    entry.debit(suspense(allocation.payment_id, allocation.currency), of_cents(paid));
    entry.debit({AccountCode::bank_fees, allocation.currency}, of_cents(allocation.bank_fee_cents));
    for (const PaymentAllocated::Part& each : allocation.parts) {
        entry.credit(debt_of(allocation.customer, allocation.currency, each.bill_id, each.debt),
                     of_cents(each.cents));
    }
    entry.credit({AccountCode::wallet_paid, allocation.currency, allocation.customer},
                 of_cents(allocation.overpaid_cents));
    return entry.done();
}

Result<Entry> refund_approved(const RefundApproved& refund) {
    AccountKey source;
    switch (refund.from) {
        case RefundApproved::From::suspense:
            source = suspense(refund.payment_id, refund.currency);
            break;
        case RefundApproved::From::wallet:
            source = {AccountCode::wallet_paid, refund.currency, refund.customer};
            break;
        case RefundApproved::From::deposit:
            source = {AccountCode::deposit, refund.currency, refund.customer};
            break;
    }
    return EntryBuilder(CauseKind::refund, refund.refund_id, refund.occurred_at)
        .require_positive("cents", refund.cents)
        .debit(std::move(source), of_cents(refund.cents))
        .credit({AccountCode::refund_payable, refund.currency, refund.customer, ProjectId{},
                 refund.refund_id},
                of_cents(refund.cents))
        .done();
}

Result<Entry> refund_paid(const RefundPaid& payment) {
    return EntryBuilder(CauseKind::refund_payment, payment.payment_id, payment.occurred_at)
        .require_positive("cents", payment.cents)
        .debit({AccountCode::refund_payable, payment.currency, payment.customer, ProjectId{},
                payment.refund_id},
               of_cents(payment.cents))
        .credit(bank(payment.bank_account, payment.currency), of_cents(payment.cents))
        .done();
}

Result<Entry> deposit_received(const Advance& advance) {
    return advance_received(CauseKind::deposit, advance,
                            {AccountCode::deposit, advance.currency, advance.customer});
}

Result<Entry> wallet_topped_up(const Advance& advance) {
    return advance_received(CauseKind::wallet, advance,
                            {AccountCode::wallet_paid, advance.currency, advance.customer});
}

Result<Entry> commit_received(const Advance& advance) {
    return advance_received(CauseKind::commit, advance,
                            {AccountCode::deferred_commit, advance.currency, advance.customer,
                             ProjectId{}, advance.contract_id});
}

Result<Entry> deposit_drawn(const BillPaidFrom& payment) {
    return bill_paid_from(CauseKind::deposit, payment,
                          {AccountCode::deposit, payment.currency, payment.customer});
}

Result<Entry> commit_drawn(const BillPaidFrom& payment) {
    return bill_paid_from(CauseKind::commit, payment,
                          {AccountCode::deferred_commit, payment.currency, payment.customer,
                           ProjectId{}, payment.contract_id});
}

Result<Entry> wallet_granted(const WalletGranted& grant) {
    return EntryBuilder(CauseKind::wallet, grant.grant_id, grant.occurred_at)
        .require_positive("amount", grant.amount.value)
        .debit({AccountCode::discount_promotion, grant.currency, grant.customer}, grant.amount)
        .credit({AccountCode::wallet_promotional, grant.currency, grant.customer, ProjectId{},
                 grant.grant_id},
                grant.amount)
        .done();
}

Result<Entry> wallet_drawn(const WalletDrawn& draw) {
    EntryBuilder entry(CauseKind::wallet, draw.id, draw.occurred_at);
    entry.require_not_negative("paid", draw.paid.value);
    Femto total = draw.paid;
    for (const WalletDrawn::Grant& each : draw.grants) {
        entry.require_positive("the part of grant " + each.grant_id, each.amount.value);
        entry.debit({AccountCode::wallet_promotional, draw.currency, draw.customer, ProjectId{},
                     each.grant_id},
                    each.amount);
        total += each.amount;
    }
    entry.debit({AccountCode::wallet_paid, draw.currency, draw.customer}, draw.paid);
    if (draw.bill_id.empty()) {
        entry.credit({AccountCode::unbilled_receivable, draw.currency, draw.customer, draw.project,
                      draw.month},
                     total);
    } else {
        entry.credit(debt_of(draw.customer, draw.currency, draw.bill_id, draw.debt), total);
    }
    return entry.done();
}

Result<Entry> wallet_expired(const WalletExpired& expiry) {
    EntryBuilder entry(CauseKind::wallet, expiry.id, expiry.occurred_at);
    entry.require_positive("amount", expiry.amount.value);
    if (expiry.grant_id.empty()) {
        entry.debit({AccountCode::wallet_paid, expiry.currency, expiry.customer}, expiry.amount);
        entry.credit({AccountCode::breakage, expiry.currency, expiry.customer}, expiry.amount);
    } else {
        entry.debit({AccountCode::wallet_promotional, expiry.currency, expiry.customer, ProjectId{},
                     expiry.grant_id},
                    expiry.amount);
        entry.credit({AccountCode::discount_promotion, expiry.currency, expiry.customer},
                     expiry.amount);
    }
    return entry.done();
}

}  // namespace tg
