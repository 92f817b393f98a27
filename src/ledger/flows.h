#pragma once
// What happens to money, each as a pure function from the facts of the case to one balanced entry.
// Amounts in `cents` are hundredths of the currency (fen) as documents have them, and positive
// unless said otherwise; `Femto` amounts are exact. `occurred_at` is when it happened, not when it
// is booked. Errors of all: invalid_request naming the value that cannot be. Rules:
// facts/billing-and-vat §3 (rounding), §8.2 (recipes).
#include <cstdint>
#include <string>
#include <vector>

#include "ledger/entry.h"

namespace tg {

/// Which account a bill's debt stands in: 1202, or 1203 after bill_overdue().
enum class Debt : std::uint8_t { billed, overdue };

// --- usage and cost -----------------------------------------------------------------------------

struct UsageAccrued {
    struct Part {
        ProjectId project;
        std::string month;  ///< of the calls' end in the customer's zone: "2026-11"
        Femto charge;       ///< may be negative (a correction)
    };
    std::string batch_id;  ///< unique for batch, customer and currency
    CustomerId customer;
    Currency currency{};
    UtcMicros occurred_at;
    std::vector<Part> parts;
};
/// Dr 1201 unbilled receivable / Cr 4101 usage revenue.
Result<Entry> usage_accrued(const UsageAccrued& usage);

struct ProviderCost {
    struct Part {
        CustomerId customer;  ///< who caused it; 0: ourselves
        ProjectId project;
        Femto cost;
    };
    enum class PaidFrom : std::uint8_t { payable, prepaid };
    std::string batch_id;
    std::string provider;
    Currency currency{};
    UtcMicros occurred_at;
    PaidFrom paid_from = PaidFrom::payable;
    std::vector<Part> parts;
};
/// Dr 5101 upstream cost / Cr 2301 payable, or 1401 what we had paid in advance.
Result<Entry> provider_cost_accrued(const ProviderCost& cost);

struct ProviderPaid {
    enum class For : std::uint8_t { debt, prepayment };
    std::string payment_id, provider, bank_account;
    Currency currency{};
    UtcMicros occurred_at;
    std::int64_t cents = 0;
    For what = For::debt;
};
/// Dr 2301 or 1401 / Cr 1101.
Result<Entry> provider_paid(const ProviderPaid& payment);

// --- bills, notes, invoices ---------------------------------------------------------------------

struct BillFinalised {
    /// Exact usage that leaves 1201, as it was accrued.
    struct Usage {
        ProjectId project;
        std::string month;
        Currency currency{};
        Femto exact;
    };
    /// Any other line, without tax: a fee or a shortfall (positive), a discount or an SLA credit
    /// (negative).
    struct Item {
        AccountCode account{};
        std::string subject{};  ///< of an SLA credit: its id
        std::int64_t cents = 0;
    };
    std::string bill_id;
    CustomerId customer;
    Currency currency{};  ///< of the document
    UtcMicros occurred_at;
    std::int64_t usd_cny_e8 = 0;  ///< CNY for a USD in 10^-8, locked here; where both occur
    std::vector<Usage> usage;
    std::int64_t usage_lines = 0;  ///< lines of usage that were rounded, each once
    std::int64_t usage_cents = 0;  ///< their sum after rounding
    std::vector<Item> items;
    std::int64_t vat_ppm = 0;    ///< 60,000 is 6 %
    std::int64_t tax_cents = 0;  ///< as printed on the bill; must be what vat_ppm makes of the net
};
/// Unbilled usage becomes a debt: Cr 1201 exact, through the FX position at the locked rate where
/// the document has another currency; Dr 1202 the rounded total; Cr 2201 VAT; what rounding moved
/// goes to 5203, at most half a cent for each rounded line.
Result<Entry> bill_finalised(const BillFinalised& bill);

struct Note {
    std::string note_id, bill_id;
    CustomerId customer;
    Currency currency{};
    UtcMicros occurred_at;
    AccountCode account = AccountCode::usage_revenue;  ///< what is corrected
    ProjectId project{};
    std::int64_t net_cents = 0, tax_cents = 0;
    Debt debt = Debt::billed;
    bool is_tax_invoiced = false;   ///< the VAT has left 2201: a red-letter invoice goes with it
    std::int64_t refund_cents = 0;  ///< credit note: the part that had been paid, now payable back
};
/// Dr income and VAT / Cr 1202 (and 2106 what is to be paid back).
Result<Entry> credit_note(const Note& note);
/// Dr 1202 / Cr income and VAT.
Result<Entry> debit_note(const Note& note);

/// VAT of a further note on the same bill by the cumulative method, so that notes over the whole
/// bill add up to the bill's tax: round(before + net) - round(before).
std::int64_t note_tax_cents(std::int64_t net_cents_before, std::int64_t net_cents,
                            std::int64_t vat_ppm);

struct InvoiceIssued {
    enum class Colour : std::uint8_t { blue, red };
    std::string invoice_id;
    CustomerId customer;
    Currency currency = Currency::cny;
    UtcMicros occurred_at;
    std::int64_t tax_cents = 0;
    Colour colour = Colour::blue;
};
/// Dr 2201 / Cr 2202; a red-letter invoice the other way round.
Result<Entry> invoice_issued(const InvoiceIssued& invoice);

// --- cash ---------------------------------------------------------------------------------------

struct PaymentReceived {
    std::string payment_id, bank_account;
    Currency currency = Currency::cny;
    UtcMicros occurred_at;
    std::int64_t cents = 0;
};
/// Dr 1101 bank / Cr 1102 suspense, until it is known what for.
Result<Entry> payment_received(const PaymentReceived& payment);

struct PaymentAllocated {
    struct Part {
        std::string bill_id;
        std::int64_t cents = 0;  ///< by which the bill's debt falls
        Debt debt = Debt::billed;
    };
    std::string allocation_id, payment_id;
    CustomerId customer;
    Currency currency = Currency::cny;
    UtcMicros occurred_at;
    std::vector<Part> parts;
    std::int64_t overpaid_cents = 0;  ///< goes to the wallet
    std::int64_t bank_fee_cents = 0;  ///< was kept by a bank on the way; we bear it
};
/// Dr 1102 suspense (and 5201 fees) / Cr 1202 of each bill, Cr 2101 what is over.
Result<Entry> payment_allocated(const PaymentAllocated& allocation);

struct RefundApproved {
    enum class From : std::uint8_t { suspense, wallet, deposit };
    std::string refund_id;
    From from = From::wallet;
    std::string payment_id{};  ///< of suspense
    CustomerId customer{};     ///< 0: a payer who is no customer (suspense only)
    Currency currency = Currency::cny;
    UtcMicros occurred_at;
    std::int64_t cents = 0;
};
/// Dr where the money is / Cr 2106 refund payable.
Result<Entry> refund_approved(const RefundApproved& refund);

struct RefundPaid {
    std::string payment_id, refund_id, bank_account;  ///< refund_id: of a refund or credit note
    CustomerId customer{};
    Currency currency = Currency::cny;
    UtcMicros occurred_at;
    std::int64_t cents = 0;
};
/// Dr 2106 / Cr 1101.
Result<Entry> refund_paid(const RefundPaid& payment);

// --- money of customers that we hold ------------------------------------------------------------

/// Deposit, wallet and commitment come in from a payment in suspense.
struct Advance {
    std::string id, payment_id;
    std::string contract_id{};  ///< of a commitment
    CustomerId customer;
    Currency currency = Currency::cny;
    UtcMicros occurred_at;
    std::int64_t cents = 0;
};
Result<Entry> deposit_received(const Advance& advance);  ///< Dr 1102 / Cr 2103
Result<Entry> wallet_topped_up(const Advance& advance);  ///< Dr 1102 / Cr 2101
Result<Entry> commit_received(const Advance& advance);   ///< Dr 1102 / Cr 2104

/// Deposit and commitment pay a bill.
struct BillPaidFrom {
    std::string id, bill_id;
    std::string contract_id{};
    CustomerId customer;
    Currency currency = Currency::cny;
    UtcMicros occurred_at;
    std::int64_t cents = 0;
    Debt debt = Debt::billed;
};
Result<Entry> deposit_drawn(const BillPaidFrom& payment);  ///< Dr 2103 / Cr 1202
Result<Entry> commit_drawn(const BillPaidFrom& payment);   ///< Dr 2104 / Cr 1202

struct WalletGranted {
    std::string grant_id;
    CustomerId customer;
    Currency currency{};
    UtcMicros occurred_at;
    Femto amount;
};
/// Dr 4205 promotion / Cr 2102.
Result<Entry> wallet_granted(const WalletGranted& grant);

struct WalletDrawn {
    struct Grant {
        std::string grant_id;
        Femto amount;
    };
    std::string id;
    CustomerId customer;
    Currency currency{};
    UtcMicros occurred_at;
    std::vector<Grant> grants;  ///< promotional first, by expiry: the caller's order
    Femto paid;                 ///< then what was paid in
    /// What it pays: a bill (whole cents), or, where that is empty, unbilled usage.
    std::string bill_id{};
    std::string month{};
    ProjectId project{};
    Debt debt = Debt::billed;  ///< of the bill
};
/// Dr 2102, 2101 / Cr 1202 (1203) or 1201.
Result<Entry> wallet_drawn(const WalletDrawn& draw);

struct WalletExpired {
    std::string id;
    std::string grant_id{};  ///< empty: paid credit, which becomes breakage
    CustomerId customer;
    Currency currency{};
    UtcMicros occurred_at;
    Femto amount;
};
/// Dr 2101 / Cr 4103, or Dr 2102 / Cr 4205.
Result<Entry> wallet_expired(const WalletExpired& expiry);

// --- debts that are not paid, promises that are not kept ----------------------------------------

struct LateFee {
    std::string fee_id, bill_id;
    CustomerId customer;
    Currency currency = Currency::cny;
    UtcMicros occurred_at;
    std::int64_t net_cents = 0, tax_cents = 0;
    Debt debt = Debt::overdue;
};
/// Dr 1203 / Cr 4104, 2201.
Result<Entry> late_fee_charged(const LateFee& fee);

struct DebtMoved {
    std::string id, bill_id;
    CustomerId customer;
    Currency currency = Currency::cny;
    UtcMicros occurred_at;
    std::int64_t cents = 0;
};
Result<Entry> bill_overdue(const DebtMoved& debt);       ///< Dr 1203 / Cr 1202
Result<Entry> bad_debt_provided(const DebtMoved& debt);  ///< Dr 5204 / Cr 1209

struct WriteOff {
    std::string id, bill_id;
    CustomerId customer;
    Currency currency = Currency::cny;
    UtcMicros occurred_at;
    std::int64_t cents = 0;
    std::int64_t provision_cents = 0;  ///< the part that had been provided for
    Debt debt = Debt::overdue;
};
/// Dr 1209, 5204 / Cr 1203. VAT stays as it was billed.
Result<Entry> written_off(const WriteOff& loss);

struct SlaCredit {
    std::string credit_id;
    CustomerId customer;
    Currency currency = Currency::cny;
    UtcMicros occurred_at;
    std::int64_t cents = 0;
};
/// Dr 4301 / Cr 2105, which a bill's item takes back.
Result<Entry> sla_credit_granted(const SlaCredit& credit);

struct Adjustment {
    std::string id, reason;
    UtcMicros occurred_at;
    std::vector<Posting> postings;
};
/// Whatever no other flow covers; balanced, and with a reason.
Result<Entry> adjusted(const Adjustment& adjustment);

}  // namespace tg
