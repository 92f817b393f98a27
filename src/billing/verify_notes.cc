// Credit and debit notes: each by itself, and against the bill, the ledger and the proof log.
#include "billing/internal/bill_rows.h"
#include "billing/internal/verify_parts.h"
#include "ledger/proof_log.h"

namespace tg {

using namespace bill_internal;

namespace {

/// What the ledger has of one note.
struct BookedNote {
    Femto tax;   ///< out of 2201 or 2202
    Femto debt;  ///< that fell, in 1202 and 1203
};

Result<std::map<std::string, BookedNote>> read_booked(SqlConnection& store) {
    // In the ledger amounts have a base of 10^9 (docs/formats.md), of which sums are exact.
    constexpr int128 kLedgerBase = 1'000'000'000;
    std::map<std::string, BookedNote> out;
    TG_CHECK_OK(store.query(
        "SELECT e.cause_id, a.code, p.amount_high, p.amount_low FROM ledger_entries e JOIN "
        "ledger_postings p ON p.number = e.number JOIN ledger_accounts a ON a.id = p.account_id "
        "WHERE e.cause_kind = ? OR e.cause_kind = ?",
        {static_cast<std::int64_t>(CauseKind::credit_note),
         static_cast<std::int64_t>(CauseKind::debit_note)},
        [&](const SqlRow& row) {
            BookedNote& note = out[std::string(row.text(0))];
            const Femto amount{row.integer(2) * kLedgerBase + row.integer(3)};
            const std::int64_t account = row.integer(1);
            if (account == number(AccountCode::billed_receivable) ||
                account == number(AccountCode::overdue_receivable)) {
                note.debt += Femto{-amount.value};
            } else if (account == number(AccountCode::output_vat_to_invoice) ||
                       account == number(AccountCode::output_vat_invoiced)) {
                note.tax += amount;
            }
            return true;
        }));
    return out;
}

class NoteCheck {
  public:
    NoteCheck(std::map<std::string, std::string> leaves, std::map<std::string, BookedNote> booked,
              std::map<std::string, BillRow> bills, Problems* problems)
        : leaves_(std::move(leaves)),
          booked_(std::move(booked)),
          bills_(std::move(bills)),
          problems_(problems) {}

    void check(const NoteRow& row);
    /// What is somewhere else, but no note.
    void check_rest() {
        for (const auto& [id, leaf] : leaves_)
            add(id, "is in the proof log, but no note in the register");
        for (const auto& [id, booked] : booked_)
            add(id, "is in the ledger, but no note in the register");
    }

  private:
    void add(const std::string& id, const std::string& what) {
        problems_->add("notes", id + ": " + what);
    }
    void check_amounts(const NoteRow& row);
    void check_booked(const BillNote& note);

    std::map<std::string, std::string> leaves_;
    std::map<std::string, BookedNote> booked_;
    std::map<std::string, BillRow> bills_;
    Problems* problems_;
    struct Sum {
        std::int64_t count = 0, net_fen = 0;
    };
    std::map<std::pair<std::string, NoteKind>, Sum> before_;
    std::map<std::string, std::int64_t> left_;  ///< of each bill, net
};

void NoteCheck::check(const NoteRow& row) {
    const BillNote& note = row.note;
    const auto leaf = leaves_.find(note.id);
    if (leaf == leaves_.end()) {
        add(note.id, "is not in the proof log");
    } else {
        if (leaf->second != row.document)
            add(note.id, "its document is not the one in the proof log");
        leaves_.erase(leaf);
    }
    if (row.document != note_as_json(note))
        add(note.id, "its row in bill_notes says something else than its document");
    check_amounts(row);
    check_booked(note);
}

void NoteCheck::check_amounts(const NoteRow& row) {
    const BillNote& note = row.note;
    const auto bill = bills_.find(note.bill_id);
    if (bill == bills_.end() || !bill->second.head.is_final()) {
        add(note.id, "is over " + note.bill_id + ", which is no final bill");
        return;
    }
    const std::int64_t vat_ppm = bill->second.head.terms.vat_ppm;
    Sum& before = before_[{note.bill_id, note.kind}];
    if (row.number != ++before.count)
        add(note.id, "is number " + std::to_string(row.number) + ", but the one before it is " +
                         std::to_string(before.count - 1));
    const std::int64_t tax =
        tax_of(before.net_fen + note.net_fen, vat_ppm) - tax_of(before.net_fen, vat_ppm);
    before.net_fen += note.net_fen;
    if (note.tax_fen != tax || note.total_fen != note.net_fen + tax)
        add(note.id, "its tax is " + std::to_string(note.tax_fen) + " of " +
                         std::to_string(note.total_fen) + " fen, but by its net amount " +
                         std::to_string(tax));
    auto [left, is_first] = left_.emplace(note.bill_id, bill->second.head.net_fen);
    left->second += note.kind == NoteKind::credit ? -note.net_fen : note.net_fen;
    if (left->second < 0)
        add(note.id, "takes back " + std::to_string(-left->second) + " fen more than was billed");
}

void NoteCheck::check_booked(const BillNote& note) {
    const auto found = booked_.find(note.id);
    if (found == booked_.end()) {
        add(note.id, "is not in the ledger");
        return;
    }
    const int sign = note.kind == NoteKind::credit ? 1 : -1;
    const Femto tax{sign * note.tax_fen * kFemtoPerCent};
    const Femto debt{sign * (note.total_fen - note.refund_fen) * kFemtoPerCent};
    if (found->second.tax != tax || found->second.debt != debt) {
        add(note.id, "the ledger has tax of " + format_amount(found->second.tax) + " and debt of " +
                         format_amount(found->second.debt) + ", the note " + format_amount(tax) +
                         " and " + format_amount(debt));
    }
    booked_.erase(found);
}

}  // namespace

Status check_notes(SqlConnection& store, Problems* problems) {
    std::map<std::string, std::string> leaves;
    TG_CHECK_OK(read_proof_leaves(store, kProofNote, [&leaves](const ProofLeaf& leaf) {
        leaves[leaf.id] = leaf.payload;
        return true;
    }));
    std::map<std::string, BillRow> bills;
    TG_CHECK_OK(read_bill_rows(store, {}, [&bills](BillRow row) {
        const std::string id = row.head.id;
        bills.emplace(id, std::move(row));
        return Status{};
    }));
    TG_TRY(auto booked, read_booked(store));
    NoteCheck check(std::move(leaves), std::move(booked), std::move(bills), problems);
    TG_CHECK_OK(read_notes(store, "", [&check](const NoteRow& row) {
        check.check(row);
        return Status{};
    }));
    check.check_rest();
    return {};
}

}  // namespace tg
