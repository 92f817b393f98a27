// Final bills: each document by itself, and against everything that was made of it.
#include <tuple>

#include "billing/internal/bill_rows.h"
#include "billing/internal/verify_parts.h"
#include "ledger/proof_log.h"

namespace tg {

using namespace bill_internal;

namespace {

/// Project, month, currency.
using UsageKey = std::tuple<std::string, std::string, Currency>;

/// What the ledger has of one bill.
struct BookedBill {
    std::map<UsageKey, Femto> usage;  ///< that left 1201
    Femto debt;                       ///< in 1202
    Femto tax;                        ///< in 2201
};

Result<std::map<std::string, BookedBill>> read_booked(SqlConnection& store) {
    std::map<std::int64_t, std::string> projects;
    TG_CHECK_OK(store.query("SELECT id, code FROM projects", {}, [&](const SqlRow& row) {
        projects[row.integer(0)] = row.text(1);
        return true;
    }));
    // In the ledger amounts have a base of 10^9 (docs/formats.md), of which sums are exact.
    constexpr int128 kLedgerBase = 1'000'000'000;
    std::map<std::string, BookedBill> out;
    TG_CHECK_OK(store.query(
        "SELECT e.cause_id, a.code, a.currency, a.project_id, a.subject, p.amount_high, "
        "p.amount_low FROM ledger_entries e JOIN ledger_postings p ON p.number = e.number JOIN "
        "ledger_accounts a ON a.id = p.account_id WHERE e.cause_kind = ?",
        {static_cast<std::int64_t>(CauseKind::bill)}, [&](const SqlRow& row) {
            BookedBill& bill = out[std::string(row.text(0))];
            const Femto amount{row.integer(5) * kLedgerBase + row.integer(6)};
            const Femto credit{-amount.value};
            if (row.integer(1) == number(AccountCode::unbilled_receivable)) {
                const auto project = projects.find(row.integer(3));
                const std::string code = project == projects.end()
                                             ? "(project " + std::to_string(row.integer(3)) + ")"
                                             : project->second;
                bill.usage[{code, std::string(row.text(4)),
                            static_cast<Currency>(row.integer(2))}] += credit;
            } else if (row.integer(1) == number(AccountCode::billed_receivable)) {
                bill.debt += amount;
            } else if (row.integer(1) == number(AccountCode::output_vat_to_invoice)) {
                bill.tax += credit;
            }
            return true;
        }));
    return out;
}

class FinalBillCheck {
  public:
    FinalBillCheck(const BillRow& row, const Bill& bill, Problems* problems)
        : row_(&row), bill_(&bill), problems_(problems) {}

    void check_document();
    void check_shares(const std::map<std::string, BillTotal>& shares);
    void check_booked(const BookedBill& booked);

  private:
    void add(const std::string& what) {
        problems_->add("final bills", row_->head.id + ": " + what);
    }
    void expect(const std::string& what, std::int64_t found, std::int64_t computed) {
        if (found == computed) return;
        add(what + " is " + std::to_string(found) + ", but by its lines " +
            std::to_string(computed));
    }
    void expect(const std::string& what, Femto found, Femto computed) {
        if (found == computed) return;
        add(what + " is " + format_amount(found) + ", but by the bill " + format_amount(computed));
    }
    template <typename Line>
    void check_line(const std::string& what, const Line& line) {
        const auto [cents, fen] = cents_and_fen(line.exact, line.currency, bill_->terms);
        expect(what + ": USD cents", line.usd_cents, cents);
        expect(what + ": CNY fen", line.cny_fen, fen);
        fen_[line.project] += fen;
        net_ += fen;
    }

    const BillRow* row_;
    const Bill* bill_;
    Problems* problems_;
    std::map<std::string, std::int64_t> fen_;
    std::int64_t net_ = 0;
};

void FinalBillCheck::check_document() {
    const BillHead& head = row_->head;
    if (bill_->id != head.id || bill_->month != head.month || bill_->terms != head.terms ||
        bill_->due_at != head.due_at || bill_->finalised_at != head.finalised_at) {
        add("its row in bills has another id, month, rate, tax rate or date than its document");
    }
    for (const BillLine& line : bill_->lines) {
        const std::string what = "line of " + line.project + ", " + line.model + ", " +
                                 std::string(name(line.meter)) + " at " +
                                 format_scaled(line.price.nano, 9, 2);
        expect(what + ": exact amount", line.exact, Femto{int128{line.quantity} * line.price.nano});
        check_line(what, line);
    }
    for (const LateUsage& line : bill_->late)
        check_line("late usage of " + to_string(line.month) + " of " + line.project, line);
    std::int64_t tax = 0;
    for (const BillTotal& project : bill_->projects) {
        expect("the total of project " + project.project, project.cny_fen, fen_[project.project]);
        expect("the gross total of project " + project.project, project.total_fen,
               project.cny_fen + project.vat_fen);
        tax += project.vat_fen;
    }
    expect("the net total", bill_->total.cny_fen, net_);
    expect("the tax", bill_->total.vat_fen, tax_of(net_, bill_->terms.vat_ppm));
    expect("the tax of its projects", tax, bill_->total.vat_fen);
    expect("the gross total", bill_->total.total_fen, net_ + bill_->total.vat_fen);
    expect("net_fen of its row in bills", head.net_fen, bill_->total.cny_fen);
    expect("tax_fen of its row in bills", head.tax_fen, bill_->total.vat_fen);
    expect("total_fen of its row in bills", head.total_fen, bill_->total.total_fen);
}

void FinalBillCheck::check_shares(const std::map<std::string, BillTotal>& shares) {
    for (const BillTotal& project : bill_->projects) {
        const auto found = shares.find(project.project);
        const BillTotal share = found == shares.end() ? BillTotal{} : found->second;
        const std::string what = "in bill_shares, project " + project.project + ": ";
        expect(what + "net_fen", share.cny_fen, project.cny_fen);
        expect(what + "tax_fen", share.vat_fen, project.vat_fen);
        expect(what + "total_fen", share.total_fen, project.total_fen);
    }
    if (shares.size() > bill_->projects.size())
        add("bill_shares has a project that is not on the bill");
}

void FinalBillCheck::check_booked(const BookedBill& booked) {
    std::map<UsageKey, Femto> usage;
    const std::string month = to_string(bill_->month);
    for (const BillLine& line : bill_->lines)
        if (line.exact.value != 0) usage[{line.project, month, line.currency}] += line.exact;
    for (const LateUsage& line : bill_->late)
        usage[{line.project, to_string(line.month), line.currency}] += line.exact;
    for (const auto& [key, exact] : booked.usage) {
        const auto& [project, of, currency] = key;
        expect("in the ledger, usage of " + project + " in " + of + " in " +
                   std::string(code(currency)),
               exact, usage[key]);
        usage.erase(key);
    }
    for (const auto& [key, exact] : usage)
        add("usage of " + std::get<0>(key) + " in " + std::get<1>(key) + " over " +
            format_amount(exact) + " is not in its ledger entry");
    expect("in the ledger, the debt", booked.debt, Femto{bill_->total.total_fen * kFemtoPerCent});
    expect("in the ledger, the tax", booked.tax, Femto{bill_->total.vat_fen * kFemtoPerCent});
}

using Shares = std::map<std::string, std::map<std::string, BillTotal>>;

Result<Shares> read_shares(SqlConnection& store) {
    Shares out;
    TG_CHECK_OK(
        store.query("SELECT bill_id, project_code, net_fen, tax_fen, total_fen FROM bill_shares",
                    {}, [&out](const SqlRow& row) {
                        BillTotal& share = out[std::string(row.text(0))][std::string(row.text(1))];
                        share.cny_fen = row.integer(2);
                        share.vat_fen = row.integer(3);
                        share.total_fen = row.integer(4);
                        return true;
                    }));
    return out;
}

}  // namespace

Status check_register(SqlConnection& store, VerifyReport* report, Problems* problems) {
    TG_TRY(const auto booked, read_booked(store));
    TG_TRY(Shares shares, read_shares(store));
    std::map<std::string, std::string> leaves;
    TG_CHECK_OK(read_proof_leaves(store, kProofBill, [&leaves](const ProofLeaf& leaf) {
        leaves[leaf.id] = leaf.payload;
        return true;
    }));
    std::map<std::string, bool> seen;
    const auto add = [&](const std::string& id, const std::string& what) {
        problems->add("final bills", id + ": " + what);
    };
    TG_CHECK_OK(read_bill_rows(store, {}, [&](const BillRow& row) -> Status {
        if (!row.head.is_final()) return {};
        const std::string& id = row.head.id;
        seen[id] = true;
        ++report->final_bills;
        const auto leaf = leaves.find(id);
        if (leaf == leaves.end())
            add(id, "is not in the proof log");
        else if (leaf->second != row.document)
            add(id, "its document is not the one in the proof log");
        const Result<Bill> bill = parse_bill_json(row.document);
        if (!bill.ok()) {
            add(id, bill.error().detail);
            return {};
        }
        FinalBillCheck check(row, *bill, problems);
        check.check_document();
        check.check_shares(shares[id]);
        const auto entry = booked.find(id);
        check.check_booked(entry == booked.end() ? BookedBill{} : entry->second);
        return {};
    }));
    for (const auto& [id, leaf] : leaves)
        if (!seen[id]) add(id, "is in the proof log, but no final bill in the register");
    for (const auto& [id, entry] : booked)
        if (!seen[id]) add(id, "is in the ledger, but no final bill in the register");
    for (const auto& [id, parts] : shares)
        if (!seen[id] && !parts.empty()) add(id, "has rows in bill_shares, but is no final bill");
    return {};
}

}  // namespace tg
