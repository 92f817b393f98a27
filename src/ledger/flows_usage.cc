#include "ledger/flows.h"
#include "ledger/internal/entry_builder.h"

namespace tg {

using ledger_internal::EntryBuilder;
using ledger_internal::of_cents;

Result<Entry> usage_accrued(const UsageAccrued& usage) {
    EntryBuilder entry(CauseKind::usage_batch, usage.batch_id, usage.occurred_at);
    // One posting an account, whatever the number and order of parts.
    std::map<std::pair<ProjectId, std::string>, Femto> unbilled;
    std::map<ProjectId, Femto> revenue;
    for (const UsageAccrued::Part& each : usage.parts) {
        unbilled[{each.project, each.month}] += each.charge;
        revenue[each.project] += each.charge;
    }
    for (const auto& [key, amount] : unbilled) {
        entry.debit({AccountCode::unbilled_receivable, usage.currency, usage.customer, key.first,
                     key.second},
                    amount);
    }
    for (const auto& [project, amount] : revenue) {
        entry.credit({AccountCode::usage_revenue, usage.currency, usage.customer, project}, amount);
    }
    return entry.done();
}

Result<Entry> provider_cost_accrued(const ProviderCost& cost) {
    EntryBuilder entry(CauseKind::provider_batch, cost.batch_id, cost.occurred_at);
    std::map<std::pair<CustomerId, ProjectId>, Femto> costs;
    Femto total;
    for (const ProviderCost::Part& each : cost.parts) {
        costs[{each.customer, each.project}] += each.cost;
        total += each.cost;
    }
    for (const auto& [key, amount] : costs) {
        entry.debit(
            {AccountCode::upstream_cost, cost.currency, key.first, key.second, cost.provider},
            amount);
    }
    const AccountCode source = cost.paid_from == ProviderCost::PaidFrom::prepaid
                                   ? AccountCode::upstream_prepaid
                                   : AccountCode::upstream_payable;
    entry.credit({source, cost.currency, CustomerId{}, ProjectId{}, cost.provider}, total);
    return entry.done();
}

Result<Entry> provider_paid(const ProviderPaid& payment) {
    const AccountCode target = payment.what == ProviderPaid::For::prepayment
                                   ? AccountCode::upstream_prepaid
                                   : AccountCode::upstream_payable;
    return EntryBuilder(CauseKind::provider_payment, payment.payment_id, payment.occurred_at)
        .require_positive("cents", payment.cents)
        .debit({target, payment.currency, CustomerId{}, ProjectId{}, payment.provider},
               of_cents(payment.cents))
        .credit(
            {AccountCode::bank, payment.currency, CustomerId{}, ProjectId{}, payment.bank_account},
            of_cents(payment.cents))
        .done();
}

Result<Entry> adjusted(const Adjustment& adjustment) {
    EntryBuilder entry(CauseKind::adjustment, adjustment.id, adjustment.occurred_at);
    if (adjustment.reason.empty()) entry.refuse("an adjustment needs a reason");
    entry.detail("reason", adjustment.reason);
    for (const Posting& each : adjustment.postings) entry.debit(each.account, each.amount);
    return entry.done();
}

}  // namespace tg
