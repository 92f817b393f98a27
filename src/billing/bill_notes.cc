#include "billing/bill_notes.h"

#include <algorithm>
#include <map>

#include "base/json_writer.h"
#include "billing/internal/bill_rows.h"
#include "billing/internal/settle_writer.h"
#include "identity/audit_log.h"
#include "ledger/flows.h"
#include "ledger/ledger.h"
#include "ledger/proof_log.h"
#include "store/stored_enum.h"

namespace tg {

using namespace bill_internal;

namespace {

constexpr std::size_t kTextMax = 500;

/// What is left of each project's part of a bill, net.
using NetByProject = std::map<std::string, std::int64_t>;

struct Corrected {
    BillRow row;
    std::vector<BillNote> notes;
    NetByProject left;
};

Result<Corrected> read_corrected(SqlConnection& store, std::string_view bill_id) {
    Corrected out;
    TG_TRY(out.row, read_bill_row(store, bill_id));
    if (!out.row.head.is_final()) {
        return fail(ErrorCode::conflict, "bill " + out.row.head.id +
                                             " is not final: it follows its usage; notes correct "
                                             "what is final");
    }
    TG_TRY(out.notes, list_notes(store, bill_id));
    TG_CHECK_OK(store.query("SELECT project_code, net_fen FROM bill_shares WHERE bill_id = ?",
                            {std::string(bill_id)}, [&out](const SqlRow& row) {
                                out.left[std::string(row.text(0))] = row.integer(1);
                                return true;
                            }));
    for (const BillNote& note : out.notes)
        out.left[note.project] += note.kind == NoteKind::credit ? -note.net_fen : note.net_fen;
    return out;
}

Status check_request(const NoteRequest& request) {
    if (request.net_fen <= 0) {
        return fail(ErrorCode::invalid_request,
                    "a note over " + format_cents(request.net_fen) +
                        " CNY cannot be; it is over a net amount above 0");
    }
    if (request.reason.empty() || request.reason.size() > kTextMax ||
        request.reference.size() > kTextMax) {
        return fail(ErrorCode::invalid_request,
                    "a note needs a reason of at most " + std::to_string(kTextMax) +
                        " bytes, and a reference, if any, is no longer");
    }
    return {};
}

Result<std::string> project_of(const NoteRequest& request, const Corrected& bill) {
    std::string codes;
    for (const auto& [code, left] : bill.left) codes += (codes.empty() ? "" : ", ") + code;
    if (request.project.empty() && bill.left.size() == 1) return bill.left.begin()->first;
    if (request.project.empty())
        return fail(ErrorCode::invalid_request,
                    "bill " + request.bill_id + " has several projects: say which one of " + codes);
    if (bill.left.contains(request.project)) return request.project;
    return fail(ErrorCode::not_found, "project '" + request.project + "' is not on bill " +
                                          request.bill_id + "; those are " + codes);
}

Result<ProjectId> project_id(SqlConnection& store, CustomerId customer, const std::string& code) {
    ProjectId out;
    TG_CHECK_OK(store.query("SELECT id FROM projects WHERE customer_id = ? AND code = ?",
                            {std::int64_t{customer.get()}, code}, [&out](const SqlRow& row) {
                                out = ProjectId(static_cast<std::uint32_t>(row.integer(0)));
                                return false;
                            }));
    return out;  // none: of a project that the store never had
}

std::string note_id(const BillHead& head, NoteKind kind, std::int64_t number) {
    const std::string_view place =
        std::string_view(head.id).substr(std::string_view("BILL").size());
    return (kind == NoteKind::credit ? "CN" : "DN") + std::string(place) + "-" +
           std::to_string(number);
}

bool is_same(const BillNote& note, const NoteRequest& request, const std::string& project) {
    return note.kind == request.kind && note.net_fen == request.net_fen &&
           note.project == project && note.reason == request.reason;
}

Status write_note(SqlConnection& store, const BillNote& note, std::int64_t number,
                  const std::string& document) {
    return run(store,
               "INSERT INTO bill_notes (id, bill_id, kind, number, project_code, net_fen, tax_fen, "
               "total_fen, refund_fen, reason, reference, issued_at, issued_by, document) VALUES "
               "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               {note.id, note.bill_id, static_cast<std::int64_t>(note.kind), number, note.project,
                note.net_fen, note.tax_fen, note.total_fen, note.refund_fen, note.reason,
                note.reference, note.issued_at.micros, note.issued_by, document});
}

Status book_note(SqlConnection& store, const BillHead& head, const BillNote& note, Debt debt) {
    TG_TRY(const ProjectId project, project_id(store, head.customer, note.project));
    const Note booked{.note_id = note.id,
                      .bill_id = note.bill_id,
                      .customer = head.customer,
                      .currency = Currency::cny,
                      .occurred_at = note.issued_at,
                      .project = project,
                      .net_cents = note.net_fen,
                      .tax_cents = note.tax_fen,
                      .debt = debt,
                      .refund_cents = note.refund_fen};
    TG_TRY(const Entry entry,
           note.kind == NoteKind::credit ? credit_note(booked) : debit_note(booked));
    LedgerWriter ledger(&store);
    TG_TRY(const Booking booking, ledger.append(entry, note.issued_at));
    (void)booking;
    return {};
}

/// What VAT invoices cover stays on the bill until red-letter invoices have taken it back; a red
/// one counts when it is issued (state 4 of the table of `invoicing`), a blue one from its request
/// on.
Status check_not_invoiced(SqlConnection& store, const NoteRequest& request,
                          const std::string& project, std::int64_t left) {
    std::int64_t covered = 0;
    std::string last;
    TG_CHECK_OK(store.query(
        "SELECT l.invoice_id, l.net_fen FROM invoice_lines l JOIN invoices i ON i.id = "
        "l.invoice_id WHERE l.bill_id = ? AND l.project_code = ? AND (i.state = 4 OR (i.state < 4 "
        "AND i.colour = 0)) ORDER BY i.day, i.number",
        {request.bill_id, project}, [&](const SqlRow& row) {
            covered += row.integer(1);
            if (row.integer(1) > 0) last = row.text(0);
            return true;
        }));
    const std::int64_t beyond = request.net_fen - (left - covered);
    if (covered == 0 || beyond <= 0) return {};
    return fail(ErrorCode::conflict,
                "VAT invoices cover " + format_cents(covered) + " CNY (net) of the " +
                    format_cents(left) + " CNY that project '" + project + "' has left on bill " +
                    request.bill_id + "; take back at least " + format_cents(beyond) +
                    " CNY first: tollgate invoice red " + last);
}

/// Inside the caller's transaction, with the books locked.
Result<BillNote> issue_locked(SqlConnection& store, const NoteRequest& request,
                              const Change& change) {
    TG_TRY(const Corrected bill, read_corrected(store, request.bill_id));
    TG_TRY(const std::string project, project_of(request, bill));
    std::int64_t number = 1, net_before = 0;
    for (const BillNote& note : bill.notes) {
        if (!request.reference.empty() && note.reference == request.reference) {
            if (is_same(note, request, project)) return note;
            return fail(ErrorCode::conflict, "reference '" + request.reference + "' was used for " +
                                                 note.id + ", which is another note");
        }
        if (note.kind != request.kind) continue;
        ++number;
        net_before += note.net_fen;
    }
    const std::int64_t left = bill.left.at(project);
    if (request.kind == NoteKind::credit && request.net_fen > left) {
        return fail(ErrorCode::conflict, "project '" + project + "' has " + format_cents(left) +
                                             " CNY left on bill " + request.bill_id +
                                             ", net; a credit note over " +
                                             format_cents(request.net_fen) + " is more than that");
    }
    if (request.kind == NoteKind::credit)
        TG_CHECK_OK(check_not_invoiced(store, request, project, left));
    const BillHead& head = bill.row.head;
    BillNote note{.id = note_id(head, request.kind, number),
                  .bill_id = head.id,
                  .kind = request.kind,
                  .project = project,
                  .net_fen = request.net_fen,
                  .tax_fen = note_tax_cents(net_before, request.net_fen, head.terms.vat_ppm),
                  .reason = request.reason,
                  .reference = request.reference,
                  .issued_at = change.at,
                  .issued_by = change.actor};
    note.total_fen = note.net_fen + note.tax_fen;
    TG_TRY(const OpenDebt open, open_debt(store, head));
    if (note.kind == NoteKind::credit)
        note.refund_fen = std::max<std::int64_t>(note.total_fen - open.fen, 0);
    const std::string document = note_as_json(note);
    TG_CHECK_OK(write_note(store, note, number, document));
    TG_CHECK_OK(book_note(store, head, note, open.debt));
    TG_TRY(const std::int64_t leaf, append_proof(store, kProofNote, note.id, document, change.at));
    (void)leaf;
    AuditEntry entry{.at = change.at,
                     .actor = change.actor,
                     .action = "create",
                     .subject_kind = std::string(name(note.kind)),
                     .subject_id = note.id,
                     .before = {},
                     .after = document};
    TG_CHECK_OK(append_audit(store, entry));
    return note;
}

}  // namespace

std::string_view name(NoteKind kind) {
    return kind == NoteKind::credit ? "credit_note" : "debit_note";
}

std::string note_as_json(const BillNote& note) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("id", note.id).field("kind", name(note.kind));
    w.field("bill", note.bill_id).field("project", note.project);
    w.field("net_cny", format_scaled(note.net_fen, 2, 2))
        .field("vat_cny", format_scaled(note.tax_fen, 2, 2))
        .field("total_cny", format_scaled(note.total_fen, 2, 2))
        .field("refund_cny", format_scaled(note.refund_fen, 2, 2));
    w.field("reason", note.reason).field("reference", note.reference);
    w.field("issued_at", format_rfc3339(note.issued_at))
        .field("issued_by", note.issued_by)
        .end_object();
    return out;
}

Result<std::vector<BillNote>> list_notes(SqlConnection& store, std::string_view bill_id) {
    std::vector<BillNote> out;
    TG_CHECK_OK(read_notes(store, bill_id, [&out](NoteRow row) {
        out.push_back(std::move(row.note));
        return Status{};
    }));
    return out;
}

Result<BillNote> find_note(SqlConnection& store, std::string_view id) {
    std::string bill_id;
    TG_CHECK_OK(store.query("SELECT bill_id FROM bill_notes WHERE id = ?", {std::string(id)},
                            [&bill_id](const SqlRow& row) {
                                bill_id = row.text(0);
                                return false;
                            }));
    std::vector<BillNote> notes;
    if (!bill_id.empty()) {
        TG_TRY(notes, list_notes(store, bill_id));
    }
    const auto found = std::ranges::find(notes, id, &BillNote::id);
    if (found != notes.end()) return std::move(*found);
    return fail(ErrorCode::not_found, "there is no credit or debit note '" + std::string(id) +
                                          "'; see: tollgate bill notes BILL");
}

Result<BillNote> issue_note(SqlConnection& store, const NoteRequest& request,
                            const Change& change) {
    TG_CHECK_OK(check_request(request));
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(BillNote note, issue_locked(store, request, change));
    TG_CHECK_OK(transaction.commit());
    return note;
}

Result<std::vector<BillNote>> void_bill(SqlConnection& store, std::string_view bill_id,
                                        const std::string& reason, const Change& change) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(const Corrected bill, read_corrected(store, bill_id));
    std::vector<BillNote> out;
    for (const auto& [project, left] : bill.left) {
        if (left == 0) continue;
        const NoteRequest request{.bill_id = bill.row.head.id,
                                  .kind = NoteKind::credit,
                                  .project = project,
                                  .net_fen = left,
                                  .reason = reason};
        TG_CHECK_OK(check_request(request));
        TG_TRY(BillNote note, issue_locked(store, request, change));
        out.push_back(std::move(note));
    }
    TG_CHECK_OK(transaction.commit());
    return out;
}

namespace bill_internal {

Result<OpenDebt> open_debt(SqlConnection& store, const BillHead& head) {
    OpenDebt out;
    TG_TRY(const Femto billed, read_balance(store, {AccountCode::billed_receivable, Currency::cny,
                                                    head.customer, ProjectId{}, head.id}));
    TG_TRY(const Femto overdue, read_balance(store, {AccountCode::overdue_receivable, Currency::cny,
                                                     head.customer, ProjectId{}, head.id}));
    out.debt = overdue.value > 0 ? Debt::overdue : Debt::billed;
    const Femto open = out.debt == Debt::overdue ? overdue : billed;
    out.fen = static_cast<std::int64_t>(open.value / kFemtoPerCent);
    return out;
}

Status read_notes(SqlConnection& store, std::string_view bill_id,
                  const std::function<Status(NoteRow)>& each) {
    std::string rest;
    std::vector<SqlValue> values;
    if (!bill_id.empty()) {
        rest = " WHERE bill_id = ?";
        values.emplace_back(std::string(bill_id));
    }
    std::vector<NoteRow> rows;
    Status bad;
    TG_CHECK_OK(store.query(
        "SELECT id, bill_id, kind, number, project_code, net_fen, tax_fen, total_fen, refund_fen, "
        "reason, reference, issued_at, issued_by, document FROM bill_notes" +
            rest + " ORDER BY bill_id, issued_at, kind, number",
        std::span(values), [&](const SqlRow& row) {
            const Result<NoteKind> kind =
                stored_enum<NoteKind>(row.integer(2), 2, "bill_notes.kind");
            if (!kind.ok()) {
                bad = fail(kind.error());
                return false;
            }
            rows.push_back({.note = {.id = std::string(row.text(0)),
                                     .bill_id = std::string(row.text(1)),
                                     .kind = *kind,
                                     .project = std::string(row.text(4)),
                                     .net_fen = row.integer(5),
                                     .tax_fen = row.integer(6),
                                     .total_fen = row.integer(7),
                                     .refund_fen = row.integer(8),
                                     .reason = std::string(row.text(9)),
                                     .reference = std::string(row.text(10)),
                                     .issued_at = {row.integer(11)},
                                     .issued_by = std::string(row.text(12))},
                            .number = row.integer(3),
                            .document = std::string(row.text(13))});
            return true;
        }));
    TG_CHECK_OK(bad);
    for (NoteRow& row : rows) TG_CHECK_OK(each(std::move(row)));
    return {};
}

Status run(SqlConnection& store, std::string_view sql, std::initializer_list<SqlValue> values) {
    const Result<std::int64_t> changed = store.execute(sql, values);
    if (!changed.ok()) return fail(changed.error());
    return {};
}

}  // namespace bill_internal
}  // namespace tg
