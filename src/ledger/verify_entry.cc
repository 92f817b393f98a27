#include "ledger/internal/verify_parts.h"
#include "ledger/internal/wide_amount.h"

namespace tg::ledger_internal {
namespace {

constexpr std::int64_t kRateScale = 100'000'000, kPpm = 1'000'000;

/// A detail that is a whole number.
bool read_number(const Entry& entry, std::string_view key, std::int64_t* out) {
    const std::string_view value = entry.detail(key);
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), *out);
    return error == std::errc{} && end == value.data() + value.size();
}

/// Debit less credit of one account code and currency in the entry.
int128 sum_of(const Entry& entry, AccountCode code, Currency currency) {
    int128 sum = 0;
    for (const Posting& each : entry.postings)
        if (each.account.code == code && each.account.currency == currency)
            sum += each.amount.value;
    return sum;
}

struct BillNumbers {
    Currency currency{};
    std::int64_t lines = 0, usage_cents = 0, net_cents = 0, vat_ppm = 0, tax_cents = 0;
};

bool read_bill(const Entry& entry, BillNumbers* out) {
    const Result<Currency> currency = parse_currency(entry.detail("currency"));
    if (!currency.ok()) return false;
    out->currency = *currency;
    return read_number(entry, "usage_lines", &out->lines) &&
           read_number(entry, "usage_cents", &out->usage_cents) &&
           read_number(entry, "net_cents", &out->net_cents) &&
           read_number(entry, "vat_ppm", &out->vat_ppm) &&
           read_number(entry, "tax_cents", &out->tax_cents);
}

/// What the FX position gave in the document's currency is what it took, at the locked rate.
std::string conversion_fault(const Entry& entry, Currency document) {
    const bool is_cny = document == Currency::cny;
    const Currency foreign = is_cny ? Currency::usd : Currency::cny;
    const auto position = [](Currency currency) {
        return currency == Currency::usd ? AccountCode::fx_position_usd
                                         : AccountCode::fx_position_cny;
    };
    const int128 taken = sum_of(entry, position(foreign), foreign);
    const int128 given = -sum_of(entry, position(document), document);
    std::int64_t rate = 0;
    if (taken == 0 && given == 0) return {};
    if (!read_number(entry, "usd_cny_e8", &rate) || rate <= 0)
        return "converts without a recorded rate";
    const auto product = checked_product(taken, is_cny ? rate : kRateScale);
    if (!product) return "converts more than any rate can convert";
    const int128 right = divide(*product, is_cny ? kRateScale : rate, Rounding::half_up);
    if (given == right) return {};
    return "converts " + format_amount({taken}) + " " + std::string(code(foreign)) + " into " +
           format_amount({given}) + " instead of " + format_amount({right}) + " " +
           std::string(code(document));
}

std::string tax_fault(const Entry& entry, const BillNumbers& bill) {
    const auto cents = [](int128 value) { return format_scaled(value, 2, 2); };
    const int128 tax = divide(int128{bill.net_cents} * bill.vat_ppm, kPpm, Rounding::half_up);
    const int128 booked = -sum_of(entry, AccountCode::output_vat_to_invoice, bill.currency);
    if (tax != bill.tax_cents || booked != int128{bill.tax_cents} * kFemtoPerCent)
        return "books VAT of " + format_amount({booked}) + "; " + std::to_string(bill.vat_ppm) +
               " ppm of " + cents(bill.net_cents) + " are " + cents(tax);
    const int128 debt = sum_of(entry, AccountCode::billed_receivable, bill.currency);
    const int128 owed = (int128{bill.net_cents} + bill.tax_cents) * kFemtoPerCent;
    if (debt == owed) return {};
    return "books a debt of " + format_amount({debt}) + "; net and VAT are " +
           format_amount({owed});
}

std::string rounding_fault(const Entry& entry, const BillNumbers& bill) {
    const int128 residual = sum_of(entry, AccountCode::rounding, bill.currency);
    const int128 size = residual < 0 ? -residual : residual;
    if (size * 2 <= bill.lines * kFemtoPerCent + 2) return {};
    return "books " + format_amount({residual}) +
           " as rounding, more than half a cent for each of " + std::to_string(bill.lines) +
           " lines";
}

}  // namespace

void check_postings(const EntryRow& row, LedgerProblems* problems) {
    const Entry& entry = row.booked.entry;
    if (row.postings.size() < 2)
        problems->add("posting", entry_name(row) + ": has " + std::to_string(row.postings.size()) +
                                     " postings; a transaction has at least two");
    for (std::size_t i = 0; i < row.postings.size(); ++i) {
        const PostingRow& posting = row.postings[i];
        const std::string line = entry_name(row) + ", line " + std::to_string(posting.line) + ": ";
        if (posting.line != static_cast<std::int64_t>(i) + 1)
            problems->add("posting",
                          line + "stands where line " + std::to_string(i + 1) + " is expected");
        if (posting.low < 0 || posting.low >= kLowBase)
            problems->add("posting", line + "amount_low is " + std::to_string(posting.low) +
                                         ", out of its range");
        if (!posting.has_account) {
            problems->add("posting", line + "its account row " +
                                         std::to_string(posting.account_id) +
                                         " is missing or out of range");
            continue;
        }
        const std::string fault = fault_of(entry.postings[i]);
        if (!fault.empty())
            problems->add("posting",
                          line + "account " + text(entry.postings[i].account) + " " + fault);
    }
    const std::string imbalance = imbalance_of(entry);
    if (!imbalance.empty())
        problems->add("balance", entry_name(row) + ": debits and credits differ: " + imbalance);
}

void check_bill_entry(const EntryRow& row, LedgerProblems* problems) {
    const Entry& entry = row.booked.entry;
    if (entry.cause.kind != CauseKind::bill || !is_known_cause(row.cause_number)) return;
    BillNumbers bill;
    if (!read_bill(entry, &bill)) {
        problems->add("bill", entry_name(row) + ": its rates and sums are not recorded");
        return;
    }
    for (const std::string& fault : {conversion_fault(entry, bill.currency), tax_fault(entry, bill),
                                     rounding_fault(entry, bill)}) {
        if (!fault.empty()) problems->add("bill", entry_name(row) + ": " + fault);
    }
}

Status check_duplicates(SqlConnection& connection, LedgerProblems* problems) {
    const auto each = [&](std::string_view sql, const std::function<void(const SqlRow&)>& found) {
        return connection.query(std::string(sql) + " LIMIT 101", {}, [&](const SqlRow& row) {
            found(row);
            return true;
        });
    };
    TG_CHECK_OK(each(
        "SELECT cause_kind, cause_id, min(number), max(number) FROM ledger_entries GROUP BY "
        "cause_kind, cause_id HAVING count(*) > 1 ORDER BY 3",
        [&](const SqlRow& row) {
            const std::string cause =
                is_known_cause(row.integer(0))
                    ? text(Cause{static_cast<CauseKind>(row.integer(0)), std::string(row.text(1))})
                    : std::string(row.text(1));
            problems->add("duplicate", cause + " is booked more than once: entries " +
                                           std::to_string(row.integer(2)) + " and " +
                                           std::to_string(row.integer(3)));
        }));
    TG_CHECK_OK(each(
        "SELECT reverses, count(*) FROM ledger_entries WHERE reverses <> 0 GROUP BY reverses "
        "HAVING count(*) > 1 ORDER BY 1",
        [&](const SqlRow& row) {
            problems->add("duplicate", "entry " + std::to_string(row.integer(0)) + " is reversed " +
                                           std::to_string(row.integer(1)) + " times");
        }));
    TG_CHECK_OK(each(
        "SELECT min(id), max(id) FROM ledger_accounts GROUP BY customer_id, code, currency, "
        "project_id, subject HAVING count(*) > 1 ORDER BY 1",
        [&](const SqlRow& row) {
            problems->add("duplicate", "account rows " + std::to_string(row.integer(0)) + " and " +
                                           std::to_string(row.integer(1)) + " are one account");
        }));
    TG_CHECK_OK(
        each("SELECT a.id FROM ledger_accounts a WHERE NOT EXISTS (SELECT 1 FROM "
             "ledger_postings p WHERE p.account_id = a.id) ORDER BY 1",
             [&](const SqlRow& row) {
                 problems->add("posting",
                               "account row " + std::to_string(row.integer(0)) + " has no posting");
             }));
    return each(
        "SELECT DISTINCT p.number FROM ledger_postings p WHERE NOT EXISTS (SELECT 1 FROM "
        "ledger_entries e WHERE e.number = p.number) ORDER BY 1",
        [&](const SqlRow& row) {
            problems->add("posting", "there are postings of entry " +
                                         std::to_string(row.integer(0)) + ", but no such entry");
        });
}

}  // namespace tg::ledger_internal
