#include "billing/statement.h"

#include <algorithm>
#include <map>

#include "base/json_writer.h"
#include "base/time_zone.h"
#include "billing/internal/bill_source.h"
#include "ledger/balances.h"
#include "ledger/ledger.h"

namespace tg {

using namespace bill_internal;

namespace {

std::int64_t fen(Femto amount) {
    return static_cast<std::int64_t>(amount.value / kFemtoPerCent);
}

bool is_debt(AccountCode code) {
    return code == AccountCode::billed_receivable || code == AccountCode::overdue_receivable;
}

/// Sums of the customer's accounts of an entry that a statement shows.
struct Effect {
    Femto owed, prepaid;
    std::vector<std::string> bills;
};

Effect effect_of(const Entry& entry, CustomerId customer) {
    Effect out;
    for (const Posting& posting : entry.postings) {
        const AccountKey& account = posting.account;
        if (account.customer != customer || account.currency != Currency::cny) continue;
        if (is_debt(account.code)) {
            out.owed += posting.amount;
            const bool is_known =
                std::ranges::find(out.bills, account.subject) != out.bills.end() ||
                account.subject == entry.cause.id;
            if (!is_known) out.bills.push_back(account.subject);
        } else if (account.code == AccountCode::wallet_paid) {
            out.prepaid += Femto{-posting.amount.value};
        }
    }
    return out;
}

struct Balances {
    Femto owed, prepaid, deposit;
    std::map<std::string, Femto> by_bill;
};

Result<Balances> balances_up_to(SqlConnection& store, CustomerId customer, std::int64_t up_to) {
    Balances out;
    TG_TRY(const std::vector<AccountBalance> all,
           read_balances(store, {.customer = customer, .currency = Currency::cny, .up_to = up_to}));
    for (const AccountBalance& each : all) {
        if (is_debt(each.account.code)) {
            out.owed += each.amount;
            out.by_bill[each.account.subject] += each.amount;
        } else if (each.account.code == AccountCode::wallet_paid) {
            out.prepaid += Femto{-each.amount.value};
        } else if (each.account.code == AccountCode::deposit) {
            out.deposit += Femto{-each.amount.value};
        }
    }
    return out;
}

/// Entries of the accounts that are shown, by number.
Result<std::map<std::int64_t, BookedEntry>> entries_between(SqlConnection& store,
                                                            CustomerId customer, std::int64_t first,
                                                            std::int64_t last) {
    std::map<std::int64_t, BookedEntry> out;
    for (const AccountCode account : {AccountCode::billed_receivable,
                                      AccountCode::overdue_receivable, AccountCode::wallet_paid}) {
        TG_CHECK_OK(read_entries(
            store, {.first = first, .last = last, .customer = customer, .account = account},
            [&out](const BookedEntry& entry) {
                out.emplace(entry.number, entry);
                return true;
            }));
    }
    return out;
}

Status add_open_bills(SqlConnection& store, const Balances& closing, AccountStatement* out) {
    for (const auto& [bill_id, amount] : closing.by_bill) {
        if (amount.value == 0) continue;
        TG_TRY(const BillRow row, read_bill_row(store, bill_id));
        out->open_bills.push_back({.bill_id = bill_id,
                                   .total_fen = row.head.total_fen,
                                   .open_fen = fen(amount),
                                   .due_at = row.head.due_at,
                                   .is_overdue = row.head.due_at < out->until});
    }
    std::ranges::sort(out->open_bills, {}, &StatementOpenBill::due_at);
    return {};
}

}  // namespace

std::string AccountStatement::id() const {
    const auto digits = [](YearMonth month) {
        std::string text = to_string(month);
        std::erase(text, '-');
        return text;
    };
    return "STATEMENT-" + customer + "-" + digits(first) +
           (first == last ? "" : "-" + digits(last));
}

Result<AccountStatement> account_statement(SqlConnection& store, std::string_view customer_code,
                                           YearMonth first, YearMonth last, UtcMicros now) {
    if (last < first) {
        return fail(ErrorCode::invalid_request, "a statement cannot begin with " +
                                                    to_string(first) + " and end with " +
                                                    to_string(last));
    }
    TG_TRY(const LedgerReadSnapshot snapshot, LedgerReadSnapshot::begin(store));
    TG_TRY(const BillCustomer customer, bill_customer(store, customer_code));
    TG_TRY(const TimeZone zone, TimeZone::load(customer.time_zone));
    AccountStatement out{.customer = customer.code,
                         .customer_name = customer.name,
                         .time_zone = customer.time_zone,
                         .first = first,
                         .last = last,
                         .until = std::min(zone.end_of_month(last), now),
                         .lines = {},
                         .open_bills = {}};
    TG_TRY(const std::int64_t before, number_as_of(store, {zone.start_of_month(first).micros - 1}));
    TG_TRY(const std::int64_t end, number_as_of(store, {out.until.micros - 1}));
    TG_TRY(const Balances opening, balances_up_to(store, customer.id, before));
    out.opening_owed_fen = fen(opening.owed);
    out.opening_prepaid_fen = fen(opening.prepaid);
    Femto owed = opening.owed, prepaid = opening.prepaid;
    TG_TRY(const auto entries, entries_between(store, customer.id, before + 1, end));
    for (const auto& [number, booked] : entries) {
        const Effect effect = effect_of(booked.entry, customer.id);
        // From billed to overdue, and the like: nothing that the customer has to know.
        if (effect.owed.value == 0 && effect.prepaid.value == 0) continue;
        owed += effect.owed;
        prepaid += effect.prepaid;
        StatementLine line{.day = zone.local_day(booked.booked_at),
                           .entry = number,
                           .cause = booked.entry.cause.kind,
                           .document = booked.entry.cause.id,
                           .reference = {},
                           .owed_fen = fen(effect.owed),
                           .prepaid_fen = fen(effect.prepaid),
                           .owed_after_fen = fen(owed),
                           .prepaid_after_fen = fen(prepaid)};
        for (const std::string& bill : effect.bills)
            line.reference += (line.reference.empty() ? "" : ", ") + bill;
        out.lines.push_back(std::move(line));
    }
    TG_TRY(const Balances closing, balances_up_to(store, customer.id, end));
    out.closing_owed_fen = fen(closing.owed);
    out.closing_prepaid_fen = fen(closing.prepaid);
    out.deposit_fen = fen(closing.deposit);
    if (out.closing_owed_fen != fen(owed) || out.closing_prepaid_fen != fen(prepaid)) {
        return fail(ErrorCode::corrupt_data,
                    "the ledger's entries of customer '" + customer.code +
                        "' do not add up to its balances; run: tollgate ledger verify");
    }
    TG_CHECK_OK(add_open_bills(store, closing, &out));
    return out;
}

std::string statement_as_json(const AccountStatement& statement) {
    const auto cny = [](std::int64_t amount) { return format_scaled(amount, 2, 2); };
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("id", statement.id()).field("customer", statement.customer);
    w.field("customer_name", statement.customer_name).field("time_zone", statement.time_zone);
    w.field("first_month", to_string(statement.first))
        .field("last_month", to_string(statement.last))
        .field("until", format_rfc3339(statement.until));
    w.field("opening_owed_cny", cny(statement.opening_owed_fen))
        .field("opening_prepaid_cny", cny(statement.opening_prepaid_fen));
    w.key("lines").begin_array();
    for (const StatementLine& line : statement.lines) {
        w.begin_object().field("day", day_text(line.day)).field("entry", line.entry);
        w.field("kind", name(line.cause)).field("document", line.document);
        w.field("reference", line.reference).field("owed_cny", cny(line.owed_fen));
        w.field("prepaid_cny", cny(line.prepaid_fen));
        w.field("owed_after_cny", cny(line.owed_after_fen));
        w.field("prepaid_after_cny", cny(line.prepaid_after_fen)).end_object();
    }
    w.end_array().field("closing_owed_cny", cny(statement.closing_owed_fen));
    w.field("closing_prepaid_cny", cny(statement.closing_prepaid_fen));
    w.field("deposit_cny", cny(statement.deposit_fen)).key("open_bills").begin_array();
    for (const StatementOpenBill& bill : statement.open_bills) {
        w.begin_object().field("bill", bill.bill_id).field("total_cny", cny(bill.total_fen));
        w.field("open_cny", cny(bill.open_fen)).field("due_at", format_rfc3339(bill.due_at));
        w.field("is_overdue", bill.is_overdue).end_object();
    }
    w.end_array().end_object();
    return out;
}

}  // namespace tg
