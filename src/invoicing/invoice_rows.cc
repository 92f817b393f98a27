#include "invoicing/internal/invoice_rows.h"

#include "base/json_tree.h"
#include "base/numbered_id.h"
#include "billing/bill_notes.h"
#include "billing/bill_register.h"
#include "identity/audit_log.h"
#include "ledger/flows.h"
#include "ledger/ledger.h"
#include "ledger/proof_log.h"
#include "store/read_rows.h"
#include "store/stored_enum.h"

namespace tg::invoicing_internal {
namespace {

constexpr std::string_view kTitlePrefix = "TITLE-";

std::string party_as_json(const InvoiceParty& party) {
    std::string out;
    JsonWriter w(out);
    write_party(w, party);
    return out;
}

Result<InvoiceParty> parse_party(std::string_view json) {
    const Result<JsonNode> read = parse_json_tree(json);
    if (!read.ok()) return fail(ErrorCode::corrupt_data, "invoices.seller: " + read.error().detail);
    const auto text = [&read](std::string_view key) {
        return std::string(read->string_field(key));
    };
    return InvoiceParty{.name = text("name"),
                        .tax_number = text("tax_number"),
                        .address = text("address"),
                        .phone = text("phone"),
                        .bank_name = text("bank_name"),
                        .bank_account = text("bank_account")};
}

std::string files_as_json(const InvoiceFiles& files) {
    std::string out;
    JsonWriter(out)
        .begin_object()
        .field("xml_url", files.xml_url)
        .field("ofd_url", files.ofd_url)
        .field("pdf_url", files.pdf_url)
        .end_object();
    return out;
}

Result<InvoiceFiles> parse_files(std::string_view json) {
    if (json.empty()) return InvoiceFiles{};
    const Result<JsonNode> read = parse_json_tree(json);
    if (!read.ok()) return fail(ErrorCode::corrupt_data, "invoices.files: " + read.error().detail);
    return InvoiceFiles{.xml_url = std::string(read->string_field("xml_url")),
                        .ofd_url = std::string(read->string_field("ofd_url")),
                        .pdf_url = std::string(read->string_field("pdf_url"))};
}

constexpr std::string_view kColumns =
    "i.id, i.day, i.number, i.customer_id, c.code, i.kind, i.form, i.colour, i.platform, "
    "i.title_number, i.seller, i.blue_id, i.red_reason, i.net_fen, i.tax_fen, i.total_fen, "
    "i.remark, i.reference, i.requested_at, i.requested_by, i.state, i.state_at, i.serial, "
    "i.platform_key, i.tries, i.next_try_at, i.failure, i.official_number, i.issued_at, i.files, "
    "i.document, t.name, t.tax_number, t.address, t.phone, t.bank_name, t.bank_account, t.email";

Status read_enums(const SqlRow& row, VatInvoice* out) {
    TG_TRY(out->kind, stored_enum<InvoiceKind>(row.integer(5), kInvoiceKindCount, "invoices.kind"));
    TG_TRY(out->form, stored_enum<InvoiceForm>(row.integer(6), kInvoiceFormCount, "invoices.form"));
    TG_TRY(out->colour,
           stored_enum<InvoiceColour>(row.integer(7), kInvoiceColourCount, "invoices.colour"));
    TG_TRY(out->red_reason,
           stored_enum<RedReason>(row.integer(12), kRedReasonCount, "invoices.red_reason"));
    TG_TRY(out->state,
           stored_enum<InvoiceState>(row.integer(20), kInvoiceStateCount, "invoices.state"));
    return {};
}

Result<InvoiceRow> to_invoice(const SqlRow& row) {
    InvoiceRow out;
    const auto text = [&row](int column) { return std::string(row.text(column)); };
    VatInvoice& invoice = out.invoice;
    TG_CHECK_OK(read_enums(row, &invoice));
    invoice.id = text(0);
    out.day = row.integer(1);
    out.number = row.integer(2);
    invoice.customer = CustomerId(static_cast<std::uint32_t>(row.integer(3)));
    invoice.customer_code = text(4);
    invoice.platform = text(8);
    invoice.title = numbered_id(kTitlePrefix, row.integer(9));
    TG_TRY(invoice.seller, parse_party(row.text(10)));
    invoice.blue_id = text(11);
    invoice.net_fen = row.integer(13);
    invoice.tax_fen = row.integer(14);
    invoice.total_fen = row.integer(15);
    invoice.remark = text(16);
    invoice.reference = text(17);
    invoice.requested_at = {row.integer(18)};
    invoice.requested_by = text(19);
    invoice.state_at = {row.integer(21)};
    invoice.serial = text(22);
    invoice.platform_key = text(23);
    invoice.tries = row.integer(24);
    invoice.next_try_at = {row.integer(25)};
    invoice.failure = text(26);
    invoice.official_number = text(27);
    invoice.issued_at = {row.integer(28)};
    TG_TRY(invoice.files, parse_files(row.text(29)));
    out.document = text(30);
    invoice.buyer = {.name = text(31),
                     .tax_number = text(32),
                     .address = text(33),
                     .phone = text(34),
                     .bank_name = text(35),
                     .bank_account = text(36),
                     .email = text(37)};
    return out;
}

Status read_lines(SqlConnection& store, const std::string& condition,
                  const std::vector<SqlValue>& values, std::vector<InvoiceRow>* rows) {
    std::map<std::string, VatInvoice*> by_id;
    for (InvoiceRow& row : *rows) by_id[row.invoice.id] = &row.invoice;
    return store.query(
        "SELECT l.invoice_id, l.bill_id, l.project_code, l.name, l.tax_code, l.vat_ppm, l.net_fen, "
        "l.tax_fen FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id WHERE " +
            condition + " ORDER BY l.invoice_id, l.line",
        std::span(values), [&by_id](const SqlRow& row) {
            const auto found = by_id.find(std::string(row.text(0)));
            if (found == by_id.end()) return true;
            found->second->lines.push_back({.bill_id = std::string(row.text(1)),
                                            .project = std::string(row.text(2)),
                                            .name = std::string(row.text(3)),
                                            .tax_code = std::string(row.text(4)),
                                            .vat_ppm = row.integer(5),
                                            .net_fen = row.integer(6),
                                            .tax_fen = row.integer(7)});
            return true;
        });
}

Status write_lines(SqlConnection& store, const VatInvoice& invoice) {
    std::int64_t number = 0;
    for (const InvoiceLine& line : invoice.lines) {
        TG_CHECK_OK(run(store,
                        "INSERT INTO invoice_lines (invoice_id, line, bill_id, project_code, name, "
                        "tax_code, vat_ppm, net_fen, tax_fen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        {invoice.id, ++number, line.bill_id, line.project, line.name, line.tax_code,
                         line.vat_ppm, line.net_fen, line.tax_fen}));
    }
    return {};
}

}  // namespace

Status run(SqlConnection& store, std::string_view sql, std::initializer_list<SqlValue> values) {
    const Result<std::int64_t> changed = store.execute(sql, values);
    if (!changed.ok()) return fail(changed.error());
    return {};
}

Result<std::int64_t> next_number(SqlConnection& store, std::string_view sql,
                                 std::initializer_list<SqlValue> values) {
    std::int64_t out = 0;
    TG_CHECK_OK(store.query(sql, values, [&out](const SqlRow& row) {
        out = row.integer(0);
        return false;
    }));
    return out + 1;
}

Result<CustomerId> customer_of(SqlConnection& store, std::string_view code) {
    CustomerId out;
    TG_CHECK_OK(store.query("SELECT id FROM customers WHERE code = ?", {std::string(code)},
                            [&out](const SqlRow& row) {
                                out = CustomerId(static_cast<std::uint32_t>(row.integer(0)));
                                return false;
                            }));
    if (out) return out;
    return fail(ErrorCode::not_found,
                "customer '" + std::string(code) + "' does not exist; see: tollgate customer list");
}

void write_party(JsonWriter& json, const InvoiceParty& party) {
    json.begin_object().field("name", party.name).field("tax_number", party.tax_number);
    json.field("address", party.address).field("phone", party.phone);
    json.field("bank_name", party.bank_name).field("bank_account", party.bank_account);
    json.end_object();
}

Result<std::vector<InvoiceRow>> read_invoices(SqlConnection& store, const std::string& condition,
                                              const std::vector<SqlValue>& values) {
    TG_TRY(std::vector<InvoiceRow> out,
           read_rows(store,
                     "SELECT " + std::string(kColumns) +
                         " FROM invoices i LEFT JOIN customers c ON c.id = i.customer_id LEFT JOIN "
                         "invoice_titles t ON t.number = i.title_number WHERE " +
                         condition + " ORDER BY i.day, i.number",
                     std::span(values), to_invoice));
    TG_CHECK_OK(read_lines(store, condition, values, &out));
    return out;
}

Result<InvoiceRow> read_invoice(SqlConnection& store, std::string_view id) {
    TG_TRY(std::vector<InvoiceRow> found, read_invoices(store, "i.id = ?", {std::string(id)}));
    if (!found.empty()) return std::move(found.front());
    return fail(ErrorCode::not_found,
                "there is no invoice '" + std::string(id) + "'; see: tollgate invoice list");
}

Status write_invoice(SqlConnection& store, const InvoiceRow& row) {
    const VatInvoice& i = row.invoice;
    TG_CHECK_OK(run(
        store,
        "INSERT INTO invoices (id, day, number, customer_id, kind, form, colour, platform, "
        "title_number, seller, blue_id, red_reason, net_fen, tax_fen, total_fen, remark, "
        "reference, requested_at, requested_by, state, state_at, serial, platform_key, tries, "
        "next_try_at, failure, official_number, issued_at, files, document) VALUES (?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        {i.id,
         row.day,
         row.number,
         std::int64_t{i.customer.get()},
         static_cast<std::int64_t>(i.kind),
         static_cast<std::int64_t>(i.form),
         static_cast<std::int64_t>(i.colour),
         i.platform,
         number_of_id(kTitlePrefix, i.title),
         party_as_json(i.seller),
         i.blue_id,
         static_cast<std::int64_t>(i.red_reason),
         i.net_fen,
         i.tax_fen,
         i.total_fen,
         i.remark,
         i.reference,
         i.requested_at.micros,
         i.requested_by,
         static_cast<std::int64_t>(i.state),
         i.state_at.micros,
         i.serial,
         i.platform_key,
         i.tries,
         i.next_try_at.micros,
         i.failure,
         i.official_number,
         i.issued_at.micros,
         files_as_json(i.files),
         row.document}));
    return write_lines(store, i);
}

Status update_invoice(SqlConnection& store, const InvoiceRow& row) {
    const VatInvoice& i = row.invoice;
    return run(store,
               "UPDATE invoices SET state = ?, state_at = ?, serial = ?, platform_key = ?, tries = "
               "?, next_try_at = ?, failure = ?, official_number = ?, issued_at = ?, files = ?, "
               "document = ? WHERE id = ?",
               {static_cast<std::int64_t>(i.state), i.state_at.micros, i.serial, i.platform_key,
                i.tries, i.next_try_at.micros, i.failure, i.official_number, i.issued_at.micros,
                files_as_json(i.files), row.document, i.id});
}

Status book_invoiced_tax(SqlConnection& store, const std::string& cause, const VatInvoice& invoice,
                         std::int64_t tax_fen, UtcMicros now) {
    if (tax_fen == 0) return {};
    const bool is_red = tax_fen < 0;
    TG_TRY(const Entry entry,
           invoice_issued(
               {.invoice_id = cause,
                .customer = invoice.customer,
                .currency = Currency::cny,
                .occurred_at = is_red && !invoice.is_red() ? now : invoice.issued_at,
                .tax_cents = is_red ? -tax_fen : tax_fen,
                .colour = is_red ? InvoiceIssued::Colour::red : InvoiceIssued::Colour::blue}));
    LedgerWriter ledger(&store);
    TG_TRY(const Booking booking, ledger.append(entry, now));
    if (booking.is_new) return {};
    return fail(ErrorCode::corrupt_data,
                "invoice " + cause + " is in the ledger already; run: tollgate verify");
}

Status complete_invoice(SqlConnection& store, InvoiceRow* row, UtcMicros now) {
    VatInvoice& invoice = row->invoice;
    invoice.state = InvoiceState::issued;
    invoice.state_at = now;
    invoice.failure.clear();
    row->document = invoice_as_json(invoice);
    TG_CHECK_OK(book_invoiced_tax(store, invoice.id, invoice, invoice.tax_fen, now));
    TG_TRY(const std::int64_t leaf,
           append_proof(store, kProofInvoice, invoice.id, row->document, now));
    (void)leaf;
    return {};
}

Status audit_invoice(SqlConnection& store, std::string_view action, std::string before,
                     const VatInvoice& after, const Change& change) {
    AuditEntry entry{.at = change.at,
                     .actor = change.actor,
                     .action = std::string(action),
                     .subject_kind = "invoice",
                     .subject_id = after.id,
                     .before = std::move(before),
                     .after = invoice_as_json(after)};
    return append_audit(store, entry);
}

Result<BillCoverage> read_coverage(SqlConnection& store, std::string_view bill_id) {
    TG_TRY(const BillHead head, find_bill(store, bill_id, {}));
    if (!head.is_final()) {
        return fail(ErrorCode::conflict,
                    "bill " + head.id + " is not final; finalise it before it is invoiced");
    }
    BillCoverage out{.customer = head.customer, .vat_ppm = head.terms.vat_ppm, .projects = {}};
    TG_CHECK_OK(
        store.query("SELECT project_code, net_fen, tax_fen FROM bill_shares WHERE bill_id = ?",
                    {head.id}, [&out](const SqlRow& row) {
                        Covered& part = out.projects[std::string(row.text(0))];
                        part.net_fen = row.integer(1);
                        part.tax_fen = row.integer(2);
                        return true;
                    }));
    TG_TRY(const std::vector<BillNote> notes, list_notes(store, head.id));
    for (const BillNote& note : notes) {
        const std::int64_t sign = note.kind == NoteKind::credit ? -1 : 1;
        out.projects[note.project].net_fen += sign * note.net_fen;
        out.projects[note.project].tax_fen += sign * note.tax_fen;
    }
    TG_CHECK_OK(store.query(
        "SELECT l.project_code, l.net_fen, l.tax_fen FROM invoice_lines l JOIN invoices i ON i.id "
        "= l.invoice_id WHERE l.bill_id = ? AND (i.state = ? OR (i.state < ? AND i.colour = 0))",
        {head.id, static_cast<std::int64_t>(InvoiceState::issued),
         static_cast<std::int64_t>(InvoiceState::issued)},
        [&out](const SqlRow& row) {
            Covered& part = out.projects[std::string(row.text(0))];
            part.covered_net_fen += row.integer(1);
            part.covered_tax_fen += row.integer(2);
            return true;
        }));
    return out;
}

}  // namespace tg::invoicing_internal
