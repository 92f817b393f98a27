// Write-offs, refunds and payouts against the ledger.
#include <algorithm>
#include <map>

#include "billing/internal/verify_parts.h"
#include "billing/settlements.h"
#include "ledger/ledger.h"

namespace tg {
namespace {

constexpr CauseKind cause_of(SettlementKind kind) {
    switch (kind) {
        case SettlementKind::write_off:
            return CauseKind::write_off;
        case SettlementKind::refund:
            return CauseKind::refund;
        case SettlementKind::payout:
            break;
    }
    return CauseKind::refund_payment;
}

/// What the entry moved, in fen: all of its debits.
std::int64_t moved(const Entry& entry) {
    int128 sum = 0;
    for (const Posting& posting : entry.postings)
        if (posting.amount.value > 0) sum += posting.amount.value;
    return static_cast<std::int64_t>(sum / kFemtoPerCent);
}

/// The account that the settlement is about, as it has to stand in the entry.
AccountKey account_of(const Settlement& s) {
    AccountKey out{AccountCode::refund_payable, Currency::cny, s.customer, ProjectId{},
                   s.kind == SettlementKind::refund ? s.id : s.subject};
    if (s.kind == SettlementKind::write_off) out.code = AccountCode::overdue_receivable;
    return out;
}

}  // namespace

Status check_settlements(SqlConnection& store, Problems* problems) {
    const auto add = [problems](const std::string& id, const std::string& what) {
        problems->add("settlements", id + ": " + what);
    };
    const Result<std::vector<Settlement>> all = list_settlements(store, {});
    if (!all.ok() && all.error().code == ErrorCode::corrupt_data) {
        problems->add("settlements", all.error().detail);
        return {};
    }
    if (!all.ok()) return fail(all.error());
    std::map<Cause, Entry> entries;
    for (const AccountCode account :
         {AccountCode::refund_payable, AccountCode::bad_debt, AccountCode::bad_debt_provision}) {
        TG_CHECK_OK(read_entries(store, {.account = account}, [&entries](const BookedEntry& entry) {
            const CauseKind kind = entry.entry.cause.kind;
            // Parts of payments that are given back are refunds too, and checked with payments.
            const bool is_ours = entry.entry.cause.id.starts_with("SET-") &&
                                 (kind == CauseKind::write_off || kind == CauseKind::refund ||
                                  kind == CauseKind::refund_payment);
            if (is_ours) entries[entry.entry.cause] = entry.entry;
            return true;
        }));
    }
    std::int64_t expected = 0;
    for (const Settlement& s : *all) {
        if (s.id != "SET-" + std::to_string(++expected))
            add(s.id, "is where SET-" + std::to_string(expected) + " should be");
        const auto found = entries.find({cause_of(s.kind), s.id});
        if (found == entries.end()) {
            add(s.id, "is not in the ledger");
            continue;
        }
        if (moved(found->second) != s.fen)
            add(s.id, "is over " + format_cents(s.fen) + " CNY, in the ledger " +
                          format_cents(moved(found->second)));
        const AccountKey account = account_of(s);
        const bool has_account =
            std::ranges::any_of(found->second.postings, [&](const Posting& posting) {
                AccountKey key = posting.account;
                if (key.code == AccountCode::billed_receivable)
                    key.code = AccountCode::overdue_receivable;
                return key == account;
            });
        if (!has_account) add(s.id, "is about " + s.subject + ", its entry about something else");
        entries.erase(found);
    }
    for (const auto& [cause, entry] : entries) add(cause.id, "is in the ledger, but no settlement");
    return {};
}

}  // namespace tg
