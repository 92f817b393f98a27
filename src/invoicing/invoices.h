#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "identity/identity_store.h"
#include "invoicing/invoice.h"
#include "store/sql.h"

namespace tg {

/// Issues at once, by itself: for sellers whom no platform of the Chinese tax office serves.
inline constexpr std::string_view kLocalPlatform = "local";

/// What the seller's invoices have in common.
struct InvoiceSettings {
    std::string platform{kLocalPlatform};
    InvoiceParty seller{};
    std::string drawer{};  ///< 开票人
    std::string item_name{"*信息技术服务*API服务费"};
    std::string tax_code{"3040203000000000000"};  ///< 信息系统服务; the seller's accountant decides
    std::string time_zone{"Asia/Shanghai"};       ///< of the days in ids
};

/// What an invoice is to cover.
struct InvoiceSource {
    std::string bill_id{};
    std::string project{};     ///< empty: all projects of the bill that have something left
    std::int64_t net_fen = 0;  ///< with a project; 0: all that is left
};

struct InvoiceRequest {
    std::string title{};  ///< "TITLE-3"; empty: the only one in use of the bills' customer
    InvoiceKind kind = InvoiceKind::normal;
    InvoiceForm form = InvoiceForm::digital;
    std::vector<InvoiceSource> sources{};  ///< one bill, several, or parts; of one customer
    std::string remark{};
    /// Chosen by who asks: the same request with the same reference again is the same invoice.
    std::string reference{};
};
/// Keeps what it covers for an invoice, in one transaction; a local one is issued in it, others by
/// the desk (invoice_desk.h). Errors: not_found (bill, project, title); conflict (a bill that is
/// not final; nothing, or less than asked for, left to invoice; a reference used for something
/// else); invalid_request (no sources, bills of two customers, a buyer that cannot have this kind,
/// a seller without a tax number).
Result<VatInvoice> request_invoice(SqlConnection& store, const InvoiceRequest& request,
                                   const InvoiceSettings& settings, const Change& change);

struct RedInvoiceRequest {
    std::string invoice_id{};  ///< the blue one
    RedReason reason = RedReason::allowance;
    std::vector<InvoiceSource> parts{};  ///< empty: all that is left of it
    std::string remark{};
    std::string reference{};
};
/// Takes back an issued invoice, or a part: what it covered can be invoiced or credited again once
/// the red one is issued. Errors: not_found; conflict (it is not issued, or is red; less is left
/// than asked for; another red one of it is under way); invalid_request (no reason;
/// issued_in_error over a part); else as request_invoice().
Result<VatInvoice> request_red_invoice(SqlConnection& store, const RedInvoiceRequest& request,
                                       const InvoiceSettings& settings, const Change& change);

/// Takes back a request of which nothing has been sent. Errors: not_found; conflict, with what to
/// do instead.
Result<VatInvoice> withdraw_invoice(SqlConnection& store, std::string_view id,
                                    const Change& change);

/// Cancels (作废) an issued invoice on paper, within the month of its issue in the zone of
/// InvoiceSettings' default: all copies are back. Its tax is to be invoiced again. Errors:
/// not_found; conflict: a digital one never is, nor one of an earlier month, nor one of a platform,
/// which does it; a red letter is the way then.
Result<VatInvoice> cancel_invoice(SqlConnection& store, std::string_view id, const Change& change);

/// Which; empty fields match all.
struct InvoiceFilter {
    std::vector<CustomerId> customers{};  ///< any of these
    std::string bill_id{};                ///< with a line of it
    std::optional<InvoiceState> state{};
};
/// In order of id. Errors: corrupt_data, those of the store.
Result<std::vector<VatInvoice>> list_invoices(SqlConnection& store, const InvoiceFilter& filter);
/// Errors: not_found.
Result<VatInvoice> find_invoice(SqlConnection& store, std::string_view id);

/// What of a final bill no invoice covers, by project; those with nothing left are left out.
struct Uninvoiced {
    std::string project;
    std::int64_t net_fen = 0, tax_fen = 0;
};
/// Errors: not_found; conflict when the bill is not final.
Result<std::vector<Uninvoiced>> uninvoiced_parts(SqlConnection& store, std::string_view bill_id);

}  // namespace tg
