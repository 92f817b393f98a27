#include "invoicing/invoice.h"

#include <array>
#include <span>

#include "base/chinese_amount.h"
#include "base/json_writer.h"
#include "base/money.h"
#include "invoicing/internal/invoice_rows.h"

namespace tg {
namespace {

constexpr std::array<std::string_view, kInvoiceKindCount> kKinds = {"special", "normal"};
constexpr std::array<std::string_view, kInvoiceFormCount> kForms = {"digital", "paper"};
constexpr std::array<std::string_view, kInvoiceColourCount> kColours = {"blue", "red"};
constexpr std::array<std::string_view, kRedReasonCount> kReasons = {
    "", "issued_in_error", "returned", "service_ended", "allowance"};
constexpr std::array<std::string_view, kInvoiceStateCount> kStates = {
    "requested", "sent", "issuing", "confirming", "issued", "failed", "cancelled"};

template <typename Enum>
Result<Enum> parse(std::span<const std::string_view> names, std::string_view text,
                   std::string_view what) {
    std::string all;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i].empty()) continue;
        if (names[i] == text) return static_cast<Enum>(i);
        all.append(all.empty() ? "" : ", ").append(names[i]);
    }
    return fail(ErrorCode::invalid_request,
                "'" + std::string(text) + "' is no " + std::string(what) + "; those are " + all);
}

}  // namespace

std::string_view name(InvoiceKind kind) {
    return kKinds[static_cast<std::size_t>(kind)];
}
std::string_view name(InvoiceForm form) {
    return kForms[static_cast<std::size_t>(form)];
}
std::string_view name(InvoiceColour colour) {
    return kColours[static_cast<std::size_t>(colour)];
}
std::string_view name(RedReason reason) {
    return kReasons[static_cast<std::size_t>(reason)];
}
std::string_view name(InvoiceState state) {
    return kStates[static_cast<std::size_t>(state)];
}
Result<InvoiceKind> parse_invoice_kind(std::string_view text) {
    return parse<InvoiceKind>(kKinds, text, "kind of invoice");
}
Result<InvoiceForm> parse_invoice_form(std::string_view text) {
    return parse<InvoiceForm>(kForms, text, "form of an invoice");
}
Result<RedReason> parse_red_reason(std::string_view text) {
    return parse<RedReason>(kReasons, text, "reason for a red-letter invoice");
}
Result<InvoiceState> parse_invoice_state(std::string_view text) {
    return parse<InvoiceState>(kStates, text, "state of an invoice");
}

std::string invoice_as_json(const VatInvoice& invoice) {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field("id", invoice.id).field("customer", invoice.customer_code);
    w.field("kind", name(invoice.kind)).field("form", name(invoice.form));
    w.field("colour", name(invoice.colour)).field("state", name(invoice.state));
    w.field("platform", invoice.platform).field("number", invoice.official_number);
    if (invoice.is_red()) {
        w.field("takes_back", invoice.blue_id).field("reason", name(invoice.red_reason));
    }
    w.key("seller");
    invoicing_internal::write_party(w, invoice.seller);
    w.field("title", invoice.title).key("buyer");
    invoicing_internal::write_party(w, invoice.buyer);
    w.key("lines").begin_array();
    for (const InvoiceLine& line : invoice.lines) {
        w.begin_object().field("name", line.name).field("tax_code", line.tax_code);
        w.field("bill", line.bill_id).field("project", line.project);
        w.field("vat_ppm", line.vat_ppm).field("net_cny", format_scaled(line.net_fen, 2, 2));
        w.field("vat_cny", format_scaled(line.tax_fen, 2, 2)).end_object();
    }
    w.end_array().field("net_cny", format_scaled(invoice.net_fen, 2, 2));
    w.field("vat_cny", format_scaled(invoice.tax_fen, 2, 2));
    w.field("total_cny", format_scaled(invoice.total_fen, 2, 2));
    w.field("total_in_words", amount_in_chinese(invoice.total_fen));
    w.field("remark", invoice.remark).field("reference", invoice.reference);
    w.field("requested_at", format_rfc3339(invoice.requested_at))
        .field("requested_by", invoice.requested_by);
    if (invoice.issued_at.micros != 0) w.field("issued_at", format_rfc3339(invoice.issued_at));
    if (!invoice.failure.empty()) w.field("failure", invoice.failure);
    if (!invoice.files.pdf_url.empty()) w.field("pdf_url", invoice.files.pdf_url);
    if (!invoice.files.ofd_url.empty()) w.field("ofd_url", invoice.files.ofd_url);
    if (!invoice.files.xml_url.empty()) w.field("xml_url", invoice.files.xml_url);
    w.end_object();
    return out;
}

}  // namespace tg
