#include "invoicing/verify_invoices.h"

#include <set>
#include <tuple>

#include "base/chinese_amount.h"
#include "base/json_tree.h"
#include "base/money.h"
#include "invoicing/internal/invoice_rows.h"
#include "ledger/ledger.h"
#include "ledger/proof_log.h"

namespace tg {

using namespace invoicing_internal;

namespace {

constexpr std::size_t kProblemsMax = 100;
/// How far the tax of a line may be from its amount x rate (facts/billing-and-vat §4.3, E9131).
constexpr std::int64_t kTaxDeviationMaxFen = 6;
constexpr std::int64_t kPpm = 1'000'000;

/// Of each cause: the tax that went from 2201 to 2202.
using BookedTax = std::map<std::string, Femto>;

Result<BookedTax> read_booked(SqlConnection& store) {
    BookedTax out;
    EntryFilter filter;
    filter.account = AccountCode::output_vat_invoiced;
    TG_CHECK_OK(read_entries(store, filter, [&out](const BookedEntry& booked) {
        if (booked.entry.cause.kind != CauseKind::invoice) return true;
        Femto& tax = out[booked.entry.cause.id];
        for (const Posting& posting : booked.entry.postings)
            if (posting.account.code == AccountCode::output_vat_invoiced)
                tax += Femto{-posting.amount.value};
        return true;
    }));
    return out;
}

class InvoiceCheck {
  public:
    InvoiceCheck(std::map<std::string, std::string> leaves, BookedTax booked,
                 InvoiceVerifyReport* report)
        : leaves_(std::move(leaves)), booked_(std::move(booked)), report_(report) {}

    void check(const InvoiceRow& row);
    void check_reds();
    void check_rest();
    const std::set<std::string>& bills() const { return bills_; }
    void check_coverage(const std::string& bill_id, const BillCoverage& bill);
    void add(const std::string& id, const std::string& what) {
        if (report_->problems.size() < kProblemsMax) report_->problems.push_back(id + ": " + what);
    }

  private:
    void check_number(const InvoiceRow& row);
    void check_sums(const VatInvoice& invoice);
    void check_line(const VatInvoice& invoice, const InvoiceLine& line);
    void check_document(const InvoiceRow& row);
    void check_booked(const VatInvoice& invoice);

    std::map<std::string, std::string> leaves_;
    BookedTax booked_;
    InvoiceVerifyReport* report_;
    std::int64_t day_ = INT64_MIN, number_ = 0;
    std::set<std::string> bills_;
    /// By blue invoice, bill and project: what is left of the line, and its rate.
    struct Left {
        std::int64_t net_fen = 0, tax_fen = 0, vat_ppm = 0;
        std::string tax_code;
    };
    using Line = std::tuple<std::string, std::string, std::string>;
    std::map<Line, Left> left_;
    std::vector<std::pair<VatInvoice, InvoiceLine>> reds_;
};

void InvoiceCheck::check(const InvoiceRow& row) {
    const VatInvoice& invoice = row.invoice;
    check_number(row);
    check_sums(invoice);
    check_document(row);
    check_booked(invoice);
    if (invoice.state == InvoiceState::issued) ++report_->invoices;
    for (const InvoiceLine& line : invoice.lines) {
        check_line(invoice, line);
        bills_.insert(line.bill_id);
        if (!invoice.covers()) continue;
        if (invoice.is_red()) {
            reds_.emplace_back(invoice, line);
        } else {
            left_[{invoice.id, line.bill_id, line.project}] = {line.net_fen, line.tax_fen,
                                                               line.vat_ppm, line.tax_code};
        }
    }
}

void InvoiceCheck::check_number(const InvoiceRow& row) {
    if (row.day != day_) number_ = 0;
    day_ = row.day;
    const Civil civil = to_civil({row.day * 86'400'000'000});
    char id[64];
    std::snprintf(id, sizeof id, "INV-%04d%02d%02d-%lld", civil.year, civil.month, civil.day,
                  static_cast<long long>(row.number));
    if (row.invoice.id != id) add(row.invoice.id, "is number " + std::string(id) + " of its day");
    if (row.number != ++number_) {
        add(row.invoice.id,
            "follows number " + std::to_string(number_ - 1) + " of its day: there is a gap");
        number_ = row.number;
    }
}

void InvoiceCheck::check_sums(const VatInvoice& invoice) {
    std::int64_t net = 0, tax = 0;
    for (const InvoiceLine& line : invoice.lines) {
        net += line.net_fen;
        tax += line.tax_fen;
    }
    if (net != invoice.net_fen || tax != invoice.tax_fen || net + tax != invoice.total_fen ||
        (invoice.is_red() ? net >= 0 : net <= 0)) {
        add(invoice.id, "its lines add up to " + format_cents(net) + " and " + format_cents(tax) +
                            " of tax, the invoice says " + format_cents(invoice.net_fen) + ", " +
                            format_cents(invoice.tax_fen) + " and " +
                            format_cents(invoice.total_fen) + " in all");
    }
    if (invoice.kind == InvoiceKind::special && invoice.buyer.tax_number.empty())
        add(invoice.id, "is a special invoice to a buyer without a tax number");
}

void InvoiceCheck::check_line(const VatInvoice& invoice, const InvoiceLine& line) {
    const int128 exact = int128{line.net_fen} * line.vat_ppm;
    const int128 deviation = exact - int128{line.tax_fen} * kPpm;
    const bool is_on_its_side = invoice.is_red() ? line.net_fen < 0 && line.tax_fen <= 0
                                                 : line.net_fen > 0 && line.tax_fen >= 0;
    if (is_on_its_side && deviation <= kTaxDeviationMaxFen * kPpm &&
        deviation >= -kTaxDeviationMaxFen * kPpm)
        return;
    add(invoice.id, "the tax of " + format_cents(line.net_fen) + " for project '" + line.project +
                        "' of " + line.bill_id + " cannot be " + format_cents(line.tax_fen));
}

void InvoiceCheck::check_document(const InvoiceRow& row) {
    const bool was_issued = row.invoice.issued_at.micros != 0;
    const auto leaf = leaves_.find(row.invoice.id);
    if (!was_issued) {
        if (leaf != leaves_.end()) add(row.invoice.id, "is not issued, but in the proof log");
        if (leaf != leaves_.end()) leaves_.erase(leaf);
        return;
    }
    if (leaf == leaves_.end()) {
        add(row.invoice.id, "is not in the proof log");
    } else {
        if (leaf->second != row.document)
            add(row.invoice.id, "its document is not the one in the proof log");
        leaves_.erase(leaf);
    }
    VatInvoice as_issued = row.invoice;
    as_issued.state = InvoiceState::issued;
    as_issued.failure.clear();
    if (row.document != invoice_as_json(as_issued))
        add(row.invoice.id, "its rows say something else than its document");
    const Result<JsonNode> document = parse_json_tree(row.document);
    const Result<std::int64_t> in_words = parse_amount_in_chinese(
        document.ok() ? document->string_field("total_in_words") : std::string_view());
    if (!in_words.ok() || *in_words != row.invoice.total_fen)
        add(row.invoice.id, "its total in words is not its total in figures");
}

void InvoiceCheck::check_booked(const VatInvoice& invoice) {
    const auto take = [this](const std::string& id) {
        const auto found = booked_.find(id);
        if (found == booked_.end()) return Femto{};
        const Femto tax = found->second;
        booked_.erase(found);
        return tax;
    };
    Femto booked = take(invoice.id);
    booked += take(invoice.id + "-cancelled");
    const bool counts = invoice.state == InvoiceState::issued;
    const Femto tax{counts ? invoice.tax_fen * kFemtoPerCent : 0};
    if (booked != tax)
        add(invoice.id, "the ledger has " + format_amount(booked) +
                            " of its tax as invoiced, not " + format_amount(tax));
}

/// Red lines against the blue ones.
void InvoiceCheck::check_reds() {
    for (const auto& [red, line] : reds_) {
        const auto found = left_.find({red.blue_id, line.bill_id, line.project});
        if (found == left_.end()) {
            add(red.id, "takes back project '" + line.project + "' of " + line.bill_id +
                            ", which is not on " + red.blue_id);
            continue;
        }
        Left& left = found->second;
        left.net_fen += line.net_fen;
        left.tax_fen += line.tax_fen;
        if (left.net_fen < 0 || left.tax_fen < 0)
            add(red.id, "takes back more than was on " + red.blue_id);
        if (left.vat_ppm != line.vat_ppm || left.tax_code != line.tax_code)
            add(red.id, "has another rate or tax code than " + red.blue_id);
    }
}

void InvoiceCheck::check_coverage(const std::string& bill_id, const BillCoverage& bill) {
    for (const auto& [project, part] : bill.projects) {
        if (part.covered_net_fen == 0 && part.covered_tax_fen == 0) continue;
        if (part.covered_net_fen > part.net_fen || part.covered_tax_fen > part.tax_fen) {
            add(bill_id, "invoices cover " + format_cents(part.covered_net_fen) + " and " +
                             format_cents(part.covered_tax_fen) + " of tax of project '" + project +
                             "', which has " + format_cents(part.net_fen) + " and " +
                             format_cents(part.tax_fen));
        }
    }
}

void InvoiceCheck::check_rest() {
    for (const auto& [id, leaf] : leaves_) add(id, "is in the proof log, but no invoice");
    for (const auto& [id, tax] : booked_) add(id, "is in the ledger, but no invoice");
}

}  // namespace

Result<InvoiceVerifyReport> verify_invoices(SqlConnection& store) {
    InvoiceVerifyReport out;
    TG_TRY(const LedgerReadSnapshot snapshot, LedgerReadSnapshot::begin(store));
    std::map<std::string, std::string> leaves;
    TG_CHECK_OK(read_proof_leaves(store, kProofInvoice, [&leaves](const ProofLeaf& leaf) {
        leaves[leaf.id] = leaf.payload;
        return true;
    }));
    TG_TRY(BookedTax booked, read_booked(store));
    InvoiceCheck check(std::move(leaves), std::move(booked), &out);
    TG_TRY(const std::vector<InvoiceRow> rows, read_invoices(store, "1 = 1", {}));
    for (const InvoiceRow& row : rows) check.check(row);
    check.check_reds();
    check.check_rest();
    for (const std::string& bill_id : check.bills()) {
        Result<BillCoverage> bill = read_coverage(store, bill_id);
        const bool is_store = !bill.ok() && bill.error().code == ErrorCode::store_unavailable;
        if (is_store) return fail(std::move(bill).error());
        if (bill.ok())
            check.check_coverage(bill_id, *bill);
        else
            check.add(bill_id, "is on invoices, but " + bill.error().detail);
    }
    return out;
}

}  // namespace tg
