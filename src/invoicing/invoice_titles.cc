#include "invoicing/invoice_titles.h"

#include "base/json_writer.h"
#include "base/numbered_id.h"
#include "base/utf8.h"
#include "billing/books_lock.h"
#include "identity/audit_log.h"
#include "invoicing/internal/invoice_rows.h"
#include "invoicing/tax_number.h"

namespace tg {

using namespace invoicing_internal;

namespace {

constexpr std::string_view kIdPrefix = "TITLE-";

/// What platforms take at most, in characters (facts/billing-and-vat §4.1, §4.6).
constexpr std::size_t kNameMax = 100, kAddressMax = 80, kPhoneMax = 50, kBankMax = 100,
                      kEmailMax = 254;

Status check_text(std::string_view field, std::string_view text, std::size_t max) {
    if (!is_storable_text(text) || text.find_first_of("\r\n\t") != std::string_view::npos) {
        return fail(ErrorCode::invalid_request,
                    "the buyer's " + std::string(field) +
                        " has a line break, a tabulator or bytes that are no UTF-8");
    }
    if (count_characters(text) <= max) return {};
    return fail(ErrorCode::invalid_request, "the buyer's " + std::string(field) + " has " +
                                                std::to_string(count_characters(text)) +
                                                " characters; an invoice has room for " +
                                                std::to_string(max));
}

Status check_buyer(InvoiceParty* buyer, bool is_general_taxpayer) {
    if (buyer->name.empty())
        return fail(ErrorCode::invalid_request, "a title needs the buyer's name");
    TG_CHECK_OK(check_text("name", buyer->name, kNameMax));
    TG_CHECK_OK(check_text("address", buyer->address, kAddressMax));
    TG_CHECK_OK(check_text("phone", buyer->phone, kPhoneMax));
    TG_CHECK_OK(
        check_text("bank and account", buyer->bank_name + " " + buyer->bank_account, kBankMax));
    TG_CHECK_OK(check_text("email", buyer->email, kEmailMax));
    if (!buyer->email.empty() && buyer->email.find('@') == std::string::npos) {
        return fail(ErrorCode::invalid_request,
                    "'" + buyer->email + "' is no mail address; it is where invoices go");
    }
    if (!buyer->tax_number.empty()) {
        TG_TRY(buyer->tax_number, parse_tax_number(buyer->tax_number));
    }
    if (is_general_taxpayer && buyer->tax_number.empty()) {
        return fail(ErrorCode::invalid_request,
                    "a general taxpayer has a tax number (unified social credit code); give it");
    }
    return {};
}

bool is_same(const InvoiceTitle& title, const InvoiceParty& buyer, bool is_general_taxpayer) {
    const InvoiceParty& b = title.buyer;
    return title.is_general_taxpayer == is_general_taxpayer && b.name == buyer.name &&
           b.tax_number == buyer.tax_number && b.address == buyer.address &&
           b.phone == buyer.phone && b.bank_name == buyer.bank_name &&
           b.bank_account == buyer.bank_account && b.email == buyer.email;
}

Result<std::vector<InvoiceTitle>> read_titles(SqlConnection& store, const std::string& rest,
                                              const std::vector<SqlValue>& values) {
    std::vector<InvoiceTitle> out;
    TG_CHECK_OK(store.query(
        "SELECT t.number, t.customer_id, c.code, t.name, t.tax_number, t.address, t.phone, "
        "t.bank_name, t.bank_account, t.email, t.is_general_taxpayer, t.created_at, t.created_by, "
        "t.retired_at, t.retired_by FROM invoice_titles t LEFT JOIN customers c ON c.id = "
        "t.customer_id" +
            rest + " ORDER BY t.number",
        std::span(values), [&out](const SqlRow& row) {
            const auto text = [&row](int column) { return std::string(row.text(column)); };
            InvoiceTitle& title = out.emplace_back();
            title.id = numbered_id(kIdPrefix, row.integer(0));
            title.customer = CustomerId(static_cast<std::uint32_t>(row.integer(1)));
            title.customer_code = text(2);
            title.buyer = {.name = text(3),
                           .tax_number = text(4),
                           .address = text(5),
                           .phone = text(6),
                           .bank_name = text(7),
                           .bank_account = text(8),
                           .email = text(9)};
            title.is_general_taxpayer = row.integer(10) != 0;
            title.created_at = {row.integer(11)};
            title.created_by = text(12);
            title.retired_at = {row.integer(13)};
            title.retired_by = text(14);
            return true;
        }));
    return out;
}

Status audit_title(SqlConnection& store, std::string_view action, std::string before,
                   const InvoiceTitle& after, const Change& change) {
    AuditEntry entry{.at = change.at,
                     .actor = change.actor,
                     .action = std::string(action),
                     .subject_kind = "invoice_title",
                     .subject_id = after.id,
                     .before = std::move(before),
                     .after = title_as_json(after)};
    return append_audit(store, entry);
}

}  // namespace

std::string title_as_json(const InvoiceTitle& title) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("id", title.id).field("customer", title.customer_code);
    w.key("buyer");
    write_party(w, title.buyer);
    w.field("email", title.buyer.email).field("is_general_taxpayer", title.is_general_taxpayer);
    w.field("created_at", format_rfc3339(title.created_at)).field("created_by", title.created_by);
    if (title.is_retired()) {
        w.field("retired_at", format_rfc3339(title.retired_at))
            .field("retired_by", title.retired_by);
    }
    w.end_object();
    return out;
}

Result<std::vector<InvoiceTitle>> list_titles(SqlConnection& store, CustomerId customer,
                                              bool with_retired) {
    std::string rest = with_retired ? " WHERE 1 = 1" : " WHERE t.retired_at = 0";
    std::vector<SqlValue> values;
    if (customer) {
        rest += " AND t.customer_id = ?";
        values.emplace_back(std::int64_t{customer.get()});
    }
    return read_titles(store, rest, values);
}

Result<InvoiceTitle> find_title(SqlConnection& store, std::string_view id) {
    TG_TRY(std::vector<InvoiceTitle> found,
           read_titles(store, " WHERE t.number = ?", {number_of_id(kIdPrefix, id)}));
    if (!found.empty()) return std::move(found.front());
    return fail(ErrorCode::not_found, "there is no invoice title '" + std::string(id) +
                                          "'; see: tollgate invoice titles");
}

Result<InvoiceTitle> add_title(SqlConnection& store, const NewInvoiceTitle& title,
                               const Change& change) {
    InvoiceParty buyer = title.buyer;
    TG_CHECK_OK(check_buyer(&buyer, title.is_general_taxpayer));
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(const CustomerId customer, customer_of(store, title.customer));
    TG_TRY(const std::vector<InvoiceTitle> known, list_titles(store, customer, false));
    for (const InvoiceTitle& each : known)
        if (is_same(each, buyer, title.is_general_taxpayer)) return each;
    TG_TRY(const std::int64_t number,
           next_number(store, "SELECT MAX(number) FROM invoice_titles", {}));
    const InvoiceTitle out{.id = numbered_id(kIdPrefix, number),
                           .customer = customer,
                           .customer_code = title.customer,
                           .buyer = buyer,
                           .is_general_taxpayer = title.is_general_taxpayer,
                           .created_at = change.at,
                           .retired_at = {},
                           .created_by = change.actor,
                           .retired_by = {}};
    TG_CHECK_OK(
        run(store,
            "INSERT INTO invoice_titles (number, customer_id, name, tax_number, address, "
            "phone, bank_name, bank_account, email, is_general_taxpayer, created_at, "
            "created_by, retired_at, retired_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
            "?, 0, '')",
            {number, std::int64_t{customer.get()}, buyer.name, buyer.tax_number, buyer.address,
             buyer.phone, buyer.bank_name, buyer.bank_account, buyer.email,
             std::int64_t{out.is_general_taxpayer}, out.created_at.micros, out.created_by}));
    TG_CHECK_OK(audit_title(store, "create", "", out, change));
    TG_CHECK_OK(transaction.commit());
    return out;
}

Result<InvoiceTitle> retire_title(SqlConnection& store, std::string_view id, const Change& change) {
    TG_TRY(Transaction transaction, Transaction::begin(store));
    TG_TRY(const std::int64_t locked, lock_books(store));
    (void)locked;
    TG_TRY(const InvoiceTitle before, find_title(store, id));
    if (before.is_retired()) return before;
    InvoiceTitle out = before;
    out.retired_at = change.at;
    out.retired_by = change.actor;
    TG_CHECK_OK(run(store,
                    "UPDATE invoice_titles SET retired_at = ?, retired_by = ? WHERE number = ?",
                    {out.retired_at.micros, out.retired_by, number_of_id(kIdPrefix, id)}));
    TG_CHECK_OK(audit_title(store, "retire", title_as_json(before), out, change));
    TG_CHECK_OK(transaction.commit());
    return out;
}

}  // namespace tg
