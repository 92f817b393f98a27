// Payments and their parts against the ledger.
#include <map>

#include "billing/internal/verify_parts.h"
#include "billing/payments.h"
#include "ledger/chart.h"
#include "ledger/entry.h"

namespace tg {
namespace {

/// By payment: what came in, what was taken out, in fen; from the ledger's suspense account.
struct Booked {
    std::int64_t in_fen = 0;
    std::map<std::string, std::int64_t> out_fen;  ///< by cause
};

Result<std::map<std::string, Booked>> read_suspense(SqlConnection& store) {
    std::map<std::string, Booked> out;
    Status bad;
    TG_CHECK_OK(store.query(
        "SELECT a.subject, e.cause_kind, e.cause_id, p.amount_high, p.amount_low FROM "
        "ledger_postings p JOIN ledger_accounts a ON a.id = p.account_id JOIN ledger_entries e ON "
        "e.number = p.number WHERE a.code = ?",
        {number(AccountCode::receipts_in_suspense)}, [&](const SqlRow& row) {
            // In the ledger amounts have a base of 10^9 (docs/formats.md); a fen is 10^13.
            const int128 amount = int128{row.integer(3)} * 1'000'000'000 + int128{row.integer(4)};
            const auto fen = static_cast<std::int64_t>(amount / kFemtoPerCent);
            Booked& booked = out[std::string(row.text(0))];
            if (row.integer(1) == static_cast<std::int64_t>(CauseKind::payment))
                booked.in_fen -= fen;
            else
                booked.out_fen[std::string(row.text(2))] += fen;
            return true;
        }));
    return out;
}

class PaymentCheck {
  public:
    PaymentCheck(std::map<std::string, Booked> booked, Problems* problems)
        : booked_(std::move(booked)), problems_(problems) {}

    void check(const Payment& payment, const std::vector<const Allocation*>& parts) {
        const auto found = booked_.find(payment.id);
        Booked booked = found == booked_.end() ? Booked{} : found->second;
        if (found != booked_.end()) booked_.erase(found);
        expect(payment.id, "the amount", payment.fen, booked.in_fen);
        std::int64_t left = payment.fen;
        for (const Allocation* part : parts) {
            const std::int64_t fen = part->fen - part->fee_fen;
            const auto out = booked.out_fen.find(part->id);
            expect(part->id, "the amount taken", fen,
                   out == booked.out_fen.end() ? 0 : out->second);
            if (out != booked.out_fen.end()) booked.out_fen.erase(out);
            left -= fen;
        }
        for (const auto& [cause, fen] : booked.out_fen)
            add(payment.id, "entry " + cause + " took " + format_cents(fen) +
                                " CNY of it, which is in no allocation");
        if (left != payment.open_fen || left < 0)
            add(payment.id, "its parts are " + format_cents(payment.fen - left) + " CNY of " +
                                format_cents(payment.fen));
    }
    void finish() {
        for (const auto& [id, booked] : booked_)
            add(id, "is in the ledger's suspense account, but no payment");
    }

  private:
    void add(const std::string& id, const std::string& what) {
        problems_->add("payments", id + ": " + what);
    }
    void expect(const std::string& id, const std::string& what, std::int64_t stored,
                std::int64_t in_ledger) {
        if (stored != in_ledger)
            add(id, what + " is " + format_cents(stored) + " CNY, in the ledger " +
                        format_cents(in_ledger));
    }
    std::map<std::string, Booked> booked_;
    Problems* problems_;
};

}  // namespace

Status check_payments(SqlConnection& store, VerifyReport* report, Problems* problems) {
    TG_TRY(auto booked, read_suspense(store));
    const Result<std::vector<Payment>> payments = list_payments(store, {.limit = INT32_MAX});
    const Result<std::vector<Allocation>> allocations = list_allocations(store, "");
    for (const Status& read : {payments.ok() ? Status() : Status(fail(payments.error())),
                               allocations.ok() ? Status() : Status(fail(allocations.error()))}) {
        if (read.ok()) continue;
        if (read.error().code != ErrorCode::corrupt_data) return read;
        problems->add("payments", read.error().detail);
        return {};
    }
    std::map<std::string, std::vector<const Allocation*>> parts;
    for (const Allocation& allocation : *allocations)
        parts[allocation.payment_id].push_back(&allocation);
    PaymentCheck check(std::move(booked), problems);
    for (const Payment& payment : *payments) {
        ++report->payments;
        check.check(payment, parts[payment.id]);
        parts.erase(payment.id);
    }
    for (const auto& [id, left] : parts)
        problems->add("payments", id + ": has allocations, but is no payment");
    std::int64_t last = 0;
    TG_CHECK_OK(store.query("SELECT COALESCE(MAX(number), 0) FROM payments", {},
                            [&last](const SqlRow& row) {
                                last = row.integer(0);
                                return false;
                            }));
    if (last != static_cast<std::int64_t>(payments->size()))
        problems->add("payments", "the last number is " + std::to_string(last) +
                                      ", but there are " + std::to_string(payments->size()) +
                                      ": some are missing");
    check.finish();
    return {};
}

}  // namespace tg
