// What people do with a month's bill: draft, review, finalise, send.
#include <algorithm>
#include <map>

#include "base/json_writer.h"
#include "base/time_zone.h"
#include "billing/bill_register.h"
#include "billing/fx_rates.h"
#include "billing/internal/bill_source.h"
#include "billing/internal/settle_writer.h"
#include "identity/audit_log.h"
#include "ledger/flows.h"
#include "ledger/ledger.h"
#include "ledger/proof_log.h"

namespace tg {

using namespace bill_internal;

namespace {

constexpr std::int64_t kDayMicros = 86'400'000'000;

std::string head_json(const BillHead& head) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("status", name(head.status));
    w.field("net_cny", format_scaled(head.net_fen, 2, 2))
        .field("vat_cny", format_scaled(head.tax_fen, 2, 2));
    w.field("total_cny", format_scaled(head.total_fen, 2, 2)).end_object();
    return out;
}

AuditEntry record_of(std::string_view action, const Change& change,
                     const std::optional<BillHead>& before, const BillHead& after) {
    return {.at = change.at,
            .actor = change.actor,
            .action = std::string(action),
            .subject_kind = "bill",
            .subject_id = after.id,
            .before = before ? head_json(*before) : std::string(),
            .after = head_json(after)};
}

/// Steps of a bill that is not final; the rest of the row stays as it is.
Status write_open(SqlConnection& store, const BillHead& head) {
    return run(
        store,
        "INSERT INTO bills (id, customer_id, month, status, net_fen, tax_fen, total_fen, "
        "usd_cny_e8, vat_ppm, drafted_at, reviewed_at, reviewed_by, finalised_at, finalised_by, "
        "due_at, sent_at, document, rate_source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, "
        "'', "
        "0, 0, '', ?) "
        "ON CONFLICT (id) DO UPDATE SET status = excluded.status, net_fen = excluded.net_fen, "
        "tax_fen = excluded.tax_fen, total_fen = excluded.total_fen, usd_cny_e8 = "
        "excluded.usd_cny_e8, rate_source = excluded.rate_source, vat_ppm = excluded.vat_ppm, "
        "drafted_at = excluded.drafted_at, "
        "reviewed_at = excluded.reviewed_at, reviewed_by = excluded.reviewed_by",
        {head.id, std::int64_t{head.customer.get()}, month_number(head.month),
         static_cast<std::int64_t>(head.status), head.net_fen, head.tax_fen, head.total_fen,
         head.terms.usd_cny_e8, head.terms.vat_ppm, head.drafted_at.micros, head.reviewed_at.micros,
         head.reviewed_by, head.terms.rate_source});
}

/// Takes the figures of `bill` over; false when they are what they were.
bool update_figures(const Bill& bill, BillHead* head) {
    const bool is_same = head->net_fen == bill.total.cny_fen &&
                         head->tax_fen == bill.total.vat_fen &&
                         head->total_fen == bill.total.total_fen && head->terms == bill.terms;
    head->net_fen = bill.total.cny_fen;
    head->tax_fen = bill.total.vat_fen;
    head->total_fen = bill.total.total_fen;
    head->terms = bill.terms;
    return !is_same;
}

void make_draft(const Change& change, BillHead* head) {
    head->status = BillStatus::draft;
    head->drafted_at = change.at;
    head->reviewed_at = {};
    head->reviewed_by.clear();
}

Error final_error(const BillHead& head) {
    return {ErrorCode::conflict, "bill " + head.id + " is final since " +
                                     format_rfc3339(head.finalised_at) + " and never changes"};
}

/// By project, month and currency.
using Charges = std::map<std::tuple<std::string, YearMonth, Currency>, Femto>;

/// Usage on the lines has to be in the ledger exactly as it stands there.
Status check_against_ledger(const Bill& bill, const UnbilledUsage& unbilled) {
    Charges lines, ledger;
    for (const BillLine& line : bill.lines)
        if (line.exact.value != 0) lines[{line.project, bill.month, line.currency}] += line.exact;
    for (const BillLine& line : bill.late)
        lines[{line.project, *line.late_from, line.currency}] += line.exact;
    for (const auto* parts : {&unbilled.own, &unbilled.late})
        for (const UnbilledUsage::Part& part : *parts)
            ledger[{part.project_code, part.month, part.currency}] += part.exact;
    if (lines == ledger) return {};
    for (const auto& [key, exact] : lines) {
        const auto& [project, month, currency] = key;
        const auto found = ledger.find(key);
        const Femto booked = found == ledger.end() ? Femto{} : found->second;
        if (booked == exact) continue;
        return fail(ErrorCode::corrupt_data,
                    "bill " + bill.id + ": project " + project + " used " + format_amount(exact) +
                        " " + std::string(code(currency)) + " in " + to_string(month) +
                        ", but the ledger has " + format_amount(booked) +
                        " as not billed; run: tollgate verify");
    }
    return fail(ErrorCode::corrupt_data, "bill " + bill.id +
                                             ": the ledger has usage that is on no line; run: "
                                             "tollgate verify");
}

/// Where the ledger keeps what a contract adds or takes.
AccountCode account_of(BillItemKind kind) {
    switch (kind) {
        case BillItemKind::rate_card:
            return AccountCode::contract_prices;
        case BillItemKind::reserved:
            return AccountCode::discount_reserved;
        case BillItemKind::volume:
            return AccountCode::discount_volume;
        case BillItemKind::mixed_models:
            return AccountCode::discount_mixed;
        case BillItemKind::transfer:
            return AccountCode::discount_transfer;
        case BillItemKind::promotion:
            return AccountCode::discount_promotion;
        case BillItemKind::management_fee:
            return AccountCode::management_fees;
        case BillItemKind::true_up:
            return AccountCode::commit_shortfall;
        case BillItemKind::early_end:
            return AccountCode::early_end_penalties;
        case BillItemKind::sla_credit:
            return AccountCode::sla_credits_owed;
        case BillItemKind::adjustment:
            return AccountCode::bill_adjustments;
    }
    return AccountCode::contract_prices;
}

/// A commitment can only be settled when all months it runs over are.
std::optional<Error> commitment_error(const Bill& bill, const BillSource::Of& of) {
    if (!of.contract) return std::nullopt;
    for (const CommitmentPeriod& period : of.contract->commitments) {
        if (!period.ends_here) continue;
        for (const YearMonth month : of.unbilled.open_before) {
            if (days_of(month).last < period.first_day) continue;
            return Error{ErrorCode::conflict,
                         "bill " + bill.id + " settles the commitment of contract " +
                             period.contract->code + " since " + day_text(period.first_day) +
                             ": the bill of " + to_string(month) + " must be final before it"};
        }
    }
    return std::nullopt;
}

/// None when there is nothing to book: calls that cost nothing.
Result<std::optional<Entry>> entry_of(const Bill& bill, const UnbilledUsage& unbilled,
                                      const BillHead& head, UtcMicros now) {
    std::int64_t usage_fen = 0;
    for (const auto* lines : {&bill.lines, &bill.late})
        for (const BillLine& line : *lines) usage_fen += line.cny_fen;
    BillFinalised out{
        .bill_id = bill.id,
        .customer = head.customer,
        .currency = Currency::cny,
        .occurred_at = now,
        .usd_cny_e8 = bill.terms.usd_cny_e8,
        .usage = {},
        .usage_lines = static_cast<std::int64_t>(bill.lines.size() + bill.late.size()),
        .usage_cents = usage_fen,
        .items = {},
        .vat_ppm = bill.terms.vat_ppm,
        .tax_cents = bill.total.vat_fen};
    for (const auto* parts : {&unbilled.own, &unbilled.late}) {
        for (const UnbilledUsage::Part& part : *parts)
            out.usage.push_back({part.project, to_string(part.month), part.currency, part.exact});
    }
    std::map<std::pair<AccountCode, std::string>, std::int64_t> items;
    for (const BillItem& item : bill.items) {
        const bool is_owed = item.kind == BillItemKind::sla_credit;
        items[{account_of(item.kind), is_owed ? item.adjustment : ""}] += item.cny_fen;
    }
    for (const auto& [account, fen] : items)
        if (fen != 0)
            out.items.push_back(
                {.account = account.first, .subject = account.second, .cents = fen});
    if (out.usage.empty() && out.items.empty()) return std::optional<Entry>{};
    TG_TRY(Entry entry, bill_finalised(out));
    return std::optional(std::move(entry));
}

Status write_commitments(SqlConnection& store, const BillHead& head, const Bill& bill,
                         const ContractMonth& contract) {
    for (std::size_t i = 0; i < bill.commitments.size(); ++i) {
        const BillCommitment& commitment = bill.commitments[i];
        TG_CHECK_OK(run(
            store,
            "INSERT INTO bill_commitments (bill_id, customer_id, contract_id, first_day, month, "
            "spent_cents) VALUES (?, ?, ?, ?, ?, ?)",
            {head.id, std::int64_t{head.customer.get()}, contract.commitments[i].contract->id,
             std::int64_t{commitment.first_day}, month_number(head.month),
             commitment.spent_cents}));
    }
    return {};
}

Status write_final(SqlConnection& store, const BillHead& head, const std::string& document) {
    return run(
        store,
        "UPDATE bills SET status = ?, finalised_at = ?, finalised_by = ?, due_at = ?, document = ? "
        "WHERE id = ?",
        {static_cast<std::int64_t>(head.status), head.finalised_at.micros, head.finalised_by,
         head.due_at.micros, document, head.id});
}

/// What a step makes of an error: of the books themselves, it is this bill that cannot go on; of
/// the store, nothing can.
Result<Step> refused_or_failed(const Error& error, const std::optional<BillRow>& row) {
    if (error.code != ErrorCode::corrupt_data && error.code != ErrorCode::conflict)
        return fail(error);
    return Step{.head = row ? row->head : BillHead{}, .refused = error};
}

/// A step in a transaction of its own. `customer` tells whose bill it is, with the books locked.
template <typename Customer, typename Take>
Result<BillHead> take_alone(SqlConnection& store, const Change& change, const Customer& customer,
                            const Take& take) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(const auto bill, customer());
    const auto& [id, month] = bill;
    TG_TRY(const BillSource source, BillSource::load(store, std::span(&id, 1), month));
    const BillSource::Of* of = source.find(id);
    if (of == nullptr)
        return fail(ErrorCode::corrupt_data,
                    "the customer of a bill is gone; run: tollgate verify");
    std::vector<Step> steps(1);
    TG_TRY(steps[0], take(*of));
    const std::string bill_id = steps[0].head.id;
    const std::optional<Error> refused = steps[0].refused;
    TG_CHECK_OK(finish_steps(store, std::move(steps), change.at));
    TG_CHECK_OK(transaction.commit());
    if (refused) return fail(*refused);
    return find_bill(store, bill_id, change.at);
}

using CustomerMonth = std::pair<CustomerId, YearMonth>;

/// Whose bill that is.
auto customer_of_bill(SqlConnection& store, std::string_view id) {
    return [&store, id]() -> Result<CustomerMonth> {
        TG_TRY(const BillRow row, read_bill_row(store, id));
        return CustomerMonth{row.head.customer, row.head.month};
    };
}

}  // namespace

namespace bill_internal {

std::optional<Error> below_zero_error(const Bill& bill) {
    if (bill.total.cny_fen >= 0) return std::nullopt;
    return Error{ErrorCode::conflict,
                 "bill " + bill.id + " comes to " + format_cents(bill.total.cny_fen) +
                     " CNY, and no bill can be below 0: cancel an adjustment (see: tollgate bill "
                     "adjustments) and put what is left of it on the next month's bill"};
}

std::optional<Error> price_error(const Bill& bill) {
    if (bill.unpriced_events == 0) return std::nullopt;
    return Error{ErrorCode::conflict,
                 std::to_string(bill.unpriced_events) + " calls on bill " + bill.id +
                     " have no price; see them with: tollgate usage, and add prices before the "
                     "bill goes on"};
}

Result<Step> draft_locked(SqlConnection& store, const BillSource::Of& of, YearMonth month,
                          const Result<BillTerms>& dated, const Change& change) {
    if (of.row && of.row->head.is_final()) return Step{.head = of.row->head};
    if (!dated.ok()) return refused_or_failed(dated.error(), of.row);
    const Result<Bill> bill = of.compose(month, *dated);
    if (!bill.ok()) return refused_or_failed(bill.error(), of.row);
    const std::string& code = of.customer.code;
    if (change.at < bill->period_end) {
        return Step{.refused = Error{ErrorCode::conflict,
                                     to_string(month) + " is not over for customer '" + code +
                                         "': it ends at " + format_rfc3339(bill->period_end) +
                                         " (" + bill->time_zone + ")"}};
    }
    if (of.is_empty()) {
        return Step{.refused = Error{ErrorCode::conflict,
                                     "customer '" + code + "' has no usage in " + to_string(month) +
                                         ": there is nothing to bill"}};
    }
    Step out{.head = of.row ? of.row->head : BillHead{}, .warning = price_error(*bill)};
    if (!out.warning) out.warning = commitment_error(*bill, of);
    if (!out.warning) out.warning = below_zero_error(*bill);
    BillHead& head = out.head;
    head.id = bill->id;
    head.customer = of.customer.id;
    head.customer_code = code;
    head.month = month;
    if (!update_figures(*bill, &head) && of.row) return out;
    make_draft(change, &head);
    TG_CHECK_OK(write_open(store, head));
    out.record = record_of(of.row ? "update" : "create", change,
                           of.row ? std::optional(of.row->head) : std::nullopt, head);
    out.has_changed = true;
    return out;
}

Result<Step> review_locked(SqlConnection& store, const BillSource::Of& of, const Change& change) {
    Step out{.head = of.row->head};
    BillHead& head = out.head;
    if (head.is_final()) out.refused = final_error(head);
    if (out.refused) return out;
    const Result<Bill> bill = of.compose(head.month, head.terms);
    if (!bill.ok()) return refused_or_failed(bill.error(), of.row);
    out.refused = price_error(*bill);
    if (!out.refused) out.refused = below_zero_error(*bill);
    if (out.refused) return out;
    const bool has_new_figures = update_figures(*bill, &head);
    if (head.status == BillStatus::reviewed && !has_new_figures) return out;
    head.status = BillStatus::reviewed;
    head.reviewed_at = change.at;
    head.reviewed_by = change.actor;
    TG_CHECK_OK(write_open(store, head));
    out.record = record_of("review", change, of.row->head, head);
    out.has_changed = true;
    return out;
}

Result<Step> finalise_locked(SqlConnection& store, const BillSource::Of& of, const Change& change,
                             FinalBy by) {
    Step out{.head = of.row->head};
    BillHead& head = out.head;
    if (head.is_final()) return out;
    if (head.status != BillStatus::reviewed) {
        out.refused = Error{ErrorCode::conflict,
                            "bill " + head.id +
                                " was not reviewed; look at it with: tollgate bill show, then: "
                                "tollgate bill review"};
        return out;
    }
    if (by == FinalBy::second_person && head.reviewed_by == change.actor) {
        out.refused = Error{ErrorCode::conflict,
                            "bill " + head.id + " was reviewed by " + head.reviewed_by +
                                ", and billing.finalise_by asks for a second person to make it "
                                "final"};
        return out;
    }
    Result<Bill> composed = of.compose(head.month, head.terms);
    if (!composed.ok()) return refused_or_failed(composed.error(), of.row);
    Bill& bill = *composed;
    out.refused = price_error(bill);
    if (!out.refused) out.refused = commitment_error(bill, of);
    if (!out.refused) out.refused = below_zero_error(bill);
    if (out.refused) return out;
    if (update_figures(bill, &head)) {
        make_draft(change, &head);
        TG_CHECK_OK(write_open(store, head));
        out.record = record_of("update", change, of.row->head, head);
        out.refused =
            Error{ErrorCode::conflict, "bill " + head.id + " was reviewed with a total of " +
                                           format_cents(of.row->head.total_fen) + " CNY, and is " +
                                           format_cents(head.total_fen) +
                                           " CNY now that usage, contract or adjustments have "
                                           "changed: it is a draft again; review it anew"};
        return out;
    }
    if (const Status same = check_against_ledger(bill, of.unbilled); !same.ok())
        return refused_or_failed(same.error(), of.row);
    head.status = BillStatus::finalised;
    head.finalised_at = change.at;
    head.finalised_by = change.actor;
    const ContractTerms* terms = of.contract ? of.contract->last_terms() : nullptr;
    const int due_days = terms != nullptr ? terms->payment.net_days : kDueDays;
    head.due_at = std::max(UtcMicros{bill.period_end.micros + due_days * kDayMicros}, change.at);
    head.open_fen = head.total_fen;
    bill.status = name(head.status);
    bill.finalised_at = head.finalised_at;
    bill.due_at = head.due_at;
    out.final = Step::Final{.id = head.id, .document = bill_as_json(bill), .shares = bill.projects};
    out.record = record_of("finalise", change, of.row->head, head);
    TG_TRY(out.final->entry, entry_of(bill, of.unbilled, head, change.at));
    TG_CHECK_OK(write_final(store, head, out.final->document));
    if (of.contract) TG_CHECK_OK(write_commitments(store, head, bill, *of.contract));
    out.has_changed = true;
    return out;
}

namespace {

/// What each project has of bills that have become final.
Status write_shares(SqlConnection& store, std::span<const Step> steps) {
    if (std::ranges::none_of(steps, [](const Step& step) { return step.final.has_value(); }))
        return {};
    constexpr std::string_view kColumns[] = {"bill_id:t", "project_code:t", "net_fen:i",
                                             "tax_fen:i", "total_fen:i"};
    TG_TRY(const auto insert, store.bulk_insert("bill_shares", kColumns));
    for (const Step& step : steps) {
        if (!step.final) continue;
        for (const BillTotal& share : step.final->shares) {
            insert->text(step.final->id);
            insert->text(share.project);
            for (const std::int64_t fen : {share.cny_fen, share.vat_fen, share.total_fen})
                insert->integer(fen);
            TG_CHECK_OK(insert->end_row());
        }
    }
    return insert->finish();
}

}  // namespace

Status finish_steps(SqlConnection& store, std::vector<Step> steps, UtcMicros now) {
    std::vector<Entry> entries;
    std::vector<AuditEntry> records;
    for (Step& step : steps) {
        if (step.final && step.final->entry) entries.push_back(std::move(*step.final->entry));
        if (step.record) records.push_back(std::move(*step.record));
    }
    LedgerWriter ledger(&store);
    std::vector<Booking> bookings;
    if (!entries.empty()) {
        TG_TRY(bookings, ledger.append(entries, now));
    }
    for (std::size_t i = 0; i < bookings.size(); ++i) {
        if (!bookings[i].is_new)
            return fail(ErrorCode::corrupt_data, "bill " + entries[i].cause.id +
                                                     " is in the ledger, but not final; run: "
                                                     "tollgate verify");
    }
    std::vector<ProofDocument> documents;
    for (const Step& step : steps)
        if (step.final) documents.push_back({step.final->id, step.final->document});
    TG_CHECK_OK(write_shares(store, steps));
    TG_TRY(const std::vector<std::int64_t> leaves,
           append_proofs(store, kProofBill, documents, now));
    (void)leaves;
    return append_audits(store, records);
}

}  // namespace bill_internal

Result<BillHead> draft_into_register(SqlConnection& store, std::string_view customer_code,
                                     YearMonth month, const BillTerms& terms,
                                     const Change& change) {
    TG_TRY(const BillCustomer customer, bill_customer(store, customer_code));
    const Result<BillTerms> dated = with_fx_rate(store, terms, month, FxUse::strict);
    return take_alone(
        store, change, [&]() -> Result<CustomerMonth> { return CustomerMonth{customer.id, month}; },
        [&](const BillSource::Of& of) { return draft_locked(store, of, month, dated, change); });
}

Result<BillHead> review_bill(SqlConnection& store, std::string_view id, const Change& change) {
    return take_alone(store, change, customer_of_bill(store, id),
                      [&](const BillSource::Of& of) { return review_locked(store, of, change); });
}

Result<BillHead> finalise_bill(SqlConnection& store, std::string_view id, const Change& change,
                               FinalBy by) {
    return take_alone(store, change, customer_of_bill(store, id), [&](const BillSource::Of& of) {
        return finalise_locked(store, of, change, by);
    });
}

Result<BillHead> mark_bill_sent(SqlConnection& store, std::string_view id, const Change& change) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(const BillRow row, read_bill_row(store, id));
    if (!row.head.is_final()) {
        return fail(ErrorCode::conflict, "bill " + row.head.id + " is a " +
                                             std::string(name(row.head.status)) +
                                             " one; only a final bill can be sent");
    }
    if (row.head.sent_at.micros != 0) return find_bill(store, id, change.at);
    BillHead head = row.head;
    head.status = BillStatus::sent;
    TG_CHECK_OK(run(store, "UPDATE bills SET status = ?, sent_at = ? WHERE id = ?",
                    {static_cast<std::int64_t>(head.status), change.at.micros, head.id}));
    AuditEntry entry = record_of("send", change, row.head, head);
    TG_CHECK_OK(append_audit(store, entry));
    TG_CHECK_OK(transaction.commit());
    return find_bill(store, id, change.at);
}

}  // namespace tg
