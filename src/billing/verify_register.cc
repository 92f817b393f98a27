// Final bills: each document by itself, and against everything that was made of it.
#include <tuple>

#include "billing/bill_adjustments.h"
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
    void check_items();
    void check_percentage(const std::string& what, const BillItem& item);
    void check_shares(const std::map<std::string, BillTotal>& shares);
    void check_adjustments(std::span<const BillAdjustment> adjustments);
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
    void check_line(const std::string& kind, const BillLine& line) {
        const std::string what = kind + " of " + line.project + ", " + line.model + ", " +
                                 std::string(name(line.meter)) + " at " +
                                 format_scaled(line.price.nano, 9, 2);
        expect(what + ": exact amount", line.exact, Femto{int128{line.quantity} * line.price.nano});
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
    for (const BillLine& line : bill_->lines) check_line("line", line);
    for (const BillLine& line : bill_->late) check_line("late line", line);
    check_items();
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

/// Items stand in order, each is what it says it is of its base, and none takes more than is there.
void FinalBillCheck::check_items() {
    BillItemKind last = BillItemKind::rate_card;
    std::int64_t shared_fen = 0, shared_exact_fen = 0;
    for (const BillItem& item : bill_->items) {
        const std::string what = "item '" + item.text + "' of " + item.project;
        if (item.kind < last) add(what + " stands before what it comes after");
        last = std::max(last, item.kind);
        const bool is_discount =
            item.kind > BillItemKind::rate_card && item.kind <= BillItemKind::promotion;
        if (is_discount && (item.exact.value > 0) != (item.base.value < 0) && item.exact.value != 0)
            add(what + " adds where it should take");
        if (item.ppm != 0) check_percentage(what, item);
        const auto [cents, fen] = cents_and_fen(item.exact, item.currency, bill_->terms);
        if (item.base.value == 0) {
            // Shares of an amount that was rounded as a whole.
            shared_fen += item.cny_fen;
            shared_exact_fen += fen;
        } else if (item.cny_fen != fen && item.cny_fen != -fen_[item.project]) {
            expect(what + ": CNY fen", item.cny_fen, fen);
        }
        fen_[item.project] += item.cny_fen;
        net_ += item.cny_fen;
        if (is_discount && fen_[item.project] < 0) add(what + " takes more than is there");
    }
    // A share in another currency may be off by what rounding its dollars to cents moved.
    const std::int64_t rate = bill_->terms.usd_cny_e8 / 100'000'000 + 1;
    const auto slack = static_cast<std::int64_t>(bill_->items.size()) * rate;
    if (shared_fen - shared_exact_fen > slack || shared_exact_fen - shared_fen > slack)
        expect("what is charged to the customer as a whole, in CNY fen", shared_fen,
               shared_exact_fen);
}

void FinalBillCheck::check_percentage(const std::string& what, const BillItem& item) {
    // Each of the lines below it was rounded to 10^-15.
    const int128 lines = std::ssize(bill_->lines) + std::ssize(bill_->late) + 1;
    const int128 all = item.base.value * item.ppm;
    const int128 taken = (item.exact.value < 0 ? -item.exact.value : item.exact.value) * 1'000'000;
    const int128 off = all > taken ? all - taken : taken - all;
    if (off > lines * 1'000'000)
        add(what + " is " + format_amount(item.exact) + ", which is not " +
            format_scaled(item.ppm, 4, 0) + "% of " + format_amount(item.base));
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
    for (const BillLine& line : bill_->late)
        usage[{line.project, to_string(*line.late_from), line.currency}] += line.exact;
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

/// What people added stands on the bill, whole, and nothing else does.
void FinalBillCheck::check_adjustments(std::span<const BillAdjustment> adjustments) {
    std::map<std::string, Femto> found;
    for (const BillItem& item : bill_->items)
        if (is_added(item.kind)) found[item.adjustment] += item.exact;
    for (const BillAdjustment& adjustment : adjustments) {
        expect("adjustment " + adjustment.id, found[adjustment.id],
               Femto{adjustment.cents * kFemtoPerCent});
        found.erase(adjustment.id);
    }
    for (const auto& [id, exact] : found)
        add("adjustment " + id + " over " + format_amount(exact) +
            " is not in bill_adjustments, or cancelled");
}

using CustomerMonth = std::pair<CustomerId, YearMonth>;
using Adjustments = std::map<CustomerMonth, std::vector<BillAdjustment>>;

Result<Adjustments> read_adjustments(SqlConnection& store) {
    TG_TRY(const std::vector<BillAdjustment> all,
           list_adjustments(store, {.with_cancelled = false}));
    Adjustments out;
    for (const BillAdjustment& each : all) out[{each.customer, each.month}].push_back(each);
    return out;
}

/// SLA credits are owed in 2105 until the bill they are on is final. `adjustments` are those of
/// other bills.
Status check_sla_credits(SqlConnection& store, const Adjustments& adjustments, Problems* problems) {
    TG_TRY(const std::vector<AccountBalance> balances,
           read_balances(store, {.account = AccountCode::sla_credits_owed}));
    std::map<std::string, Femto> owed;
    for (const AccountBalance& balance : balances)
        owed[balance.account.subject] += Femto{-balance.amount.value};
    for (const auto& [month, open] : adjustments) {
        for (const BillAdjustment& each : open) {
            if (each.kind == BillItemKind::sla_credit)
                owed[each.id] += Femto{each.cents * kFemtoPerCent};
        }
    }
    for (const auto& [id, difference] : owed) {
        if (difference.value != 0)
            problems->add("SLA credits", id + ": the ledger owes " + format_amount(difference) +
                                             " CNY more than bills that are not final take");
    }
    return {};
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
    TG_TRY(Adjustments adjustments, read_adjustments(store));
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
        check.check_adjustments(adjustments[{row.head.customer, row.head.month}]);
        adjustments.erase({row.head.customer, row.head.month});
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
    return check_sla_credits(store, adjustments, problems);
}

}  // namespace tg
