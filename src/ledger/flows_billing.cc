#include "ledger/flows.h"
#include "ledger/internal/entry_builder.h"
#include "ledger/internal/wide_amount.h"

namespace tg {
namespace {

using ledger_internal::checked_product;
using ledger_internal::EntryBuilder;
using ledger_internal::of_cents;

constexpr std::int64_t kRateScale = 100'000'000, kPpm = 1'000'000;

AccountCode receivable(Debt debt) {
    return debt == Debt::billed ? AccountCode::billed_receivable : AccountCode::overdue_receivable;
}

AccountCode fx_position(Currency currency) {
    return currency == Currency::usd ? AccountCode::fx_position_usd : AccountCode::fx_position_cny;
}

/// An exact amount in the other currency at the locked rate, to 10^-15, half away from zero;
/// nothing where it is too large.
std::optional<Femto> converted(Femto amount, Currency from, std::int64_t usd_cny_e8) {
    const bool is_usd = from == Currency::usd;
    const auto product = checked_product(amount.value, is_usd ? usd_cny_e8 : kRateScale);
    if (!product) return std::nullopt;
    return Femto{divide(*product, is_usd ? kRateScale : usd_cny_e8, Rounding::half_up)};
}

int128 absolute(int128 value) {
    return value < 0 ? -value : value;
}

/// Takes exact usage out of 1201. Returns what it is in the document's currency, exactly.
Femto book_usage(const BillFinalised& bill, EntryBuilder* entry) {
    std::array<Femto, kCurrencyCount> sums{};
    for (const BillFinalised::Usage& each : bill.usage) {
        if (absolute(each.exact.value) >= kPostingMax) {
            entry->refuse("usage of " + format_amount(each.exact) + " is too large");
            return {};
        }
        entry->credit({AccountCode::unbilled_receivable, each.currency, bill.customer, each.project,
                       each.month},
                      each.exact);
        sums[static_cast<std::size_t>(each.currency)] += each.exact;
    }
    Femto out;
    for (int i = 0; i < kCurrencyCount; ++i) {
        const auto currency = static_cast<Currency>(i);
        const Femto sum = sums[static_cast<std::size_t>(i)];
        if (currency == bill.currency) {
            out += sum;
        } else if (sum.value != 0 && bill.usd_cny_e8 <= 0) {
            entry->refuse("usage in " + std::string(code(currency)) +
                          " needs an exchange rate; usd_cny_e8 is " +
                          std::to_string(bill.usd_cny_e8));
        } else if (sum.value != 0) {
            const std::optional<Femto> here = converted(sum, currency, bill.usd_cny_e8);
            if (!here) {
                entry->refuse("usage of " + format_amount(sum) + " " + std::string(code(currency)) +
                              " is too large to convert");
                return {};
            }
            entry->debit({fx_position(currency), currency}, sum);
            entry->credit({fx_position(bill.currency), bill.currency}, *here);
            entry->detail("usd_cny_e8", bill.usd_cny_e8);
            out += *here;
        }
    }
    return out;
}

int128 book_items(const BillFinalised& bill, EntryBuilder* entry) {
    int128 sum = 0;
    for (const BillFinalised::Item& each : bill.items) {
        entry->credit({each.account, bill.currency, bill.customer, ProjectId{}, each.subject},
                      of_cents(each.cents));
        sum += each.cents;
    }
    return sum;
}

}  // namespace

Result<Entry> bill_finalised(const BillFinalised& bill) {
    EntryBuilder entry(CauseKind::bill, bill.bill_id, bill.occurred_at);
    if (bill.vat_ppm < 0 || bill.vat_ppm > kPpm)
        return entry.refuse("vat_ppm is " + std::to_string(bill.vat_ppm) + "; it is 0 to 1,000,000")
            .done();
    const Femto exact = book_usage(bill, &entry);
    const int128 net_cents = bill.usage_cents + book_items(bill, &entry);
    const Femto residual = exact - of_cents(bill.usage_cents);
    // The conversion itself is right to half of 10^-15.
    if (absolute(residual.value) * 2 > bill.usage_lines * kFemtoPerCent + 2) {
        entry.refuse("the usage lines add up to " + format_amount(of_cents(bill.usage_cents)) +
                     ", but exactly to " + format_amount(exact) + ": more than half a cent for " +
                     "each of " + std::to_string(bill.usage_lines) + " lines");
    }
    entry.require_not_negative("the bill's net amount in cents", net_cents);
    const int128 tax_cents = divide(net_cents * bill.vat_ppm, kPpm, Rounding::half_up);
    if (tax_cents != bill.tax_cents)
        entry.refuse("the bill's tax is " + format_amount(of_cents(bill.tax_cents)) + ", but " +
                     std::to_string(bill.vat_ppm) + " ppm of " +
                     format_amount(of_cents(net_cents)) + " are " +
                     format_amount(of_cents(tax_cents)));
    entry.debit(
        {AccountCode::billed_receivable, bill.currency, bill.customer, ProjectId{}, bill.bill_id},
        of_cents(net_cents + tax_cents));
    entry.credit({AccountCode::output_vat_to_invoice, bill.currency, bill.customer},
                 of_cents(tax_cents));
    entry.debit({AccountCode::rounding, bill.currency}, residual);
    entry.detail("currency", code(bill.currency)).detail("usage_lines", bill.usage_lines);
    entry.detail("usage_cents", bill.usage_cents).detail("net_cents", to_string(net_cents));
    entry.detail("vat_ppm", bill.vat_ppm).detail("tax_cents", to_string(tax_cents));
    return entry.done();
}

namespace {

enum class NoteKind : std::uint8_t { credit, debit };

Result<Entry> book_note(const Note& note, NoteKind kind) {
    const bool is_credit = kind == NoteKind::credit;
    EntryBuilder entry(is_credit ? CauseKind::credit_note : CauseKind::debit_note, note.note_id,
                       note.occurred_at);
    entry.require_not_negative("net_cents", note.net_cents);
    entry.require_not_negative("tax_cents", note.tax_cents);
    entry.require_not_negative("refund_cents", note.refund_cents);
    const int128 total = int128{note.net_cents} + note.tax_cents;
    if (note.refund_cents > total || (!is_credit && note.refund_cents != 0))
        entry.refuse("refund_cents is " + std::to_string(note.refund_cents) + " of " +
                     to_string(is_credit ? total : 0));
    const int128 sign = is_credit ? 1 : -1;
    const auto add = [&](AccountKey account, int128 cents) {
        entry.debit(std::move(account), of_cents(sign * cents));
    };
    add({note.account, note.currency, note.customer, note.project}, note.net_cents);
    add({note.is_tax_invoiced ? AccountCode::output_vat_invoiced
                              : AccountCode::output_vat_to_invoice,
         note.currency, note.customer},
        note.tax_cents);
    add({receivable(note.debt), note.currency, note.customer, ProjectId{}, note.bill_id},
        note.refund_cents - total);
    add({AccountCode::refund_payable, note.currency, note.customer, ProjectId{}, note.note_id},
        -int128{note.refund_cents});
    return entry.detail("bill", note.bill_id).done();
}

}  // namespace

Result<Entry> credit_note(const Note& note) {
    return book_note(note, NoteKind::credit);
}

Result<Entry> debit_note(const Note& note) {
    return book_note(note, NoteKind::debit);
}

std::int64_t note_tax_cents(std::int64_t net_cents_before, std::int64_t net_cents,
                            std::int64_t vat_ppm) {
    const auto tax = [&](int128 net) { return divide(net * vat_ppm, kPpm, Rounding::half_up); };
    return static_cast<std::int64_t>(tax(int128{net_cents_before} + net_cents) -
                                     tax(net_cents_before));
}

Result<Entry> invoice_issued(const InvoiceIssued& invoice) {
    const bool is_red = invoice.colour == InvoiceIssued::Colour::red;
    const Femto amount = of_cents(is_red ? -int128{invoice.tax_cents} : invoice.tax_cents);
    return EntryBuilder(CauseKind::invoice, invoice.invoice_id, invoice.occurred_at)
        .require_positive("tax_cents", invoice.tax_cents)
        .detail("colour", is_red ? "red" : "blue")
        .debit({AccountCode::output_vat_to_invoice, invoice.currency, invoice.customer}, amount)
        .credit({AccountCode::output_vat_invoiced, invoice.currency, invoice.customer}, amount)
        .done();
}

Result<Entry> late_fee_charged(const LateFee& fee) {
    return EntryBuilder(CauseKind::late_fee, fee.fee_id, fee.occurred_at)
        .require_positive("net_cents", fee.net_cents)
        .require_not_negative("tax_cents", fee.tax_cents)
        .debit({receivable(fee.debt), fee.currency, fee.customer, ProjectId{}, fee.bill_id},
               of_cents(int128{fee.net_cents} + fee.tax_cents))
        .credit({AccountCode::late_fees, fee.currency, fee.customer}, of_cents(fee.net_cents))
        .credit({AccountCode::output_vat_to_invoice, fee.currency, fee.customer},
                of_cents(fee.tax_cents))
        .done();
}

Result<Entry> bill_overdue(const DebtMoved& debt) {
    return EntryBuilder(CauseKind::overdue, debt.id, debt.occurred_at)
        .require_positive("cents", debt.cents)
        .debit({AccountCode::overdue_receivable, debt.currency, debt.customer, ProjectId{},
                debt.bill_id},
               of_cents(debt.cents))
        .credit({AccountCode::billed_receivable, debt.currency, debt.customer, ProjectId{},
                 debt.bill_id},
                of_cents(debt.cents))
        .done();
}

Result<Entry> bad_debt_provided(const DebtMoved& debt) {
    return EntryBuilder(CauseKind::provision, debt.id, debt.occurred_at)
        .require_positive("cents", debt.cents)
        .debit({AccountCode::bad_debt, debt.currency, debt.customer}, of_cents(debt.cents))
        .credit({AccountCode::bad_debt_provision, debt.currency, debt.customer, ProjectId{},
                 debt.bill_id},
                of_cents(debt.cents))
        .done();
}

Result<Entry> written_off(const WriteOff& loss) {
    EntryBuilder entry(CauseKind::write_off, loss.id, loss.occurred_at);
    entry.require_positive("cents", loss.cents);
    entry.require_not_negative("provision_cents", loss.provision_cents);
    entry.require_not_negative("the part that was not provided for, in cents",
                               int128{loss.cents} - loss.provision_cents);
    return entry
        .debit({AccountCode::bad_debt_provision, loss.currency, loss.customer, ProjectId{},
                loss.bill_id},
               of_cents(loss.provision_cents))
        .debit({AccountCode::bad_debt, loss.currency, loss.customer},
               of_cents(int128{loss.cents} - loss.provision_cents))
        .credit({receivable(loss.debt), loss.currency, loss.customer, ProjectId{}, loss.bill_id},
                of_cents(loss.cents))
        .done();
}

Result<Entry> sla_credit_granted(const SlaCredit& credit) {
    return EntryBuilder(CauseKind::sla_credit, credit.credit_id, credit.occurred_at)
        .require_positive("cents", credit.cents)
        .debit({AccountCode::sla_credit_expense, credit.currency, credit.customer},
               of_cents(credit.cents))
        .credit({AccountCode::sla_credits_owed, credit.currency, credit.customer, ProjectId{},
                 credit.credit_id},
                of_cents(credit.cents))
        .done();
}

}  // namespace tg
