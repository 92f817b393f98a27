#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/strong.h"

namespace tg {

enum class InvoiceKind : std::uint8_t {
    special,  ///< 增值税专用发票: the buyer deducts the tax
    normal,   ///< 普通发票
};
inline constexpr int kInvoiceKindCount = 2;
enum class InvoiceForm : std::uint8_t {
    digital,  ///< 数电票: 20 digits, taken back only by a red letter
    paper,    ///< may be cancelled (作废) within its month
};
inline constexpr int kInvoiceFormCount = 2;
enum class InvoiceColour : std::uint8_t { blue, red };
inline constexpr int kInvoiceColourCount = 2;

/// Why a red-letter invoice takes one back. Platforms number these in different orders.
enum class RedReason : std::uint8_t {
    none,             ///< of a blue one
    issued_in_error,  ///< 开票有误: takes all of it
    returned,         ///< 销货退回
    service_ended,    ///< 服务中止
    allowance,        ///< 销售折让
};
inline constexpr int kRedReasonCount = 5;

/// Where an invoice stands; from `issued` on it does not change any more, but that one on paper
/// may still be cancelled.
enum class InvoiceState : std::uint8_t {
    requested,   ///< what it covers is kept for it; nothing was sent
    sent,        ///< the platform was asked, or may have been: it is asked what became of it
    issuing,     ///< the platform has it
    confirming,  ///< red: the buyer has to confirm, within 72 hours
    issued,
    failed,     ///< it will never be issued; what it covered is free again
    cancelled,  ///< taken back before it was sent, or 作废
};
inline constexpr int kInvoiceStateCount = 7;

std::string_view name(InvoiceKind kind);      ///< "special"
std::string_view name(InvoiceForm form);      ///< "digital"
std::string_view name(InvoiceColour colour);  ///< "blue"
std::string_view name(RedReason reason);      ///< "allowance"; "" none
std::string_view name(InvoiceState state);    ///< "confirming"
/// Errors: invalid_request naming those there are.
Result<InvoiceKind> parse_invoice_kind(std::string_view text);
Result<InvoiceForm> parse_invoice_form(std::string_view text);
Result<RedReason> parse_red_reason(std::string_view text);
Result<InvoiceState> parse_invoice_state(std::string_view text);

/// A seller, or a buyer as it stands on an invoice.
struct InvoiceParty {
    std::string name{}, tax_number{}, address{}, phone{}, bank_name{}, bank_account{};
    std::string email{};  ///< where it is delivered; on no invoice
};

/// One good or service, and what of which bill it is. Amounts are fen; of a red one below 0.
struct InvoiceLine {
    std::string bill_id, project;
    std::string name;      ///< "*信息技术服务*API服务费"
    std::string tax_code;  ///< 商品和服务税收分类编码, 19 digits
    std::int64_t vat_ppm = 0;
    std::int64_t net_fen = 0, tax_fen = 0;
};

/// Where the platform keeps its files: of a digital one the XML (or OFD) is the original.
struct InvoiceFiles {
    std::string xml_url{}, ofd_url{}, pdf_url{};
};

/// A VAT invoice over parts of final bills: INV-{YYYYMMDD}-{n}, days as in the seller's zone, n
/// from 1 without gaps. A red one takes back (part of) a blue one.
struct VatInvoice {
    std::string id;
    CustomerId customer;
    std::string customer_code;
    InvoiceKind kind = InvoiceKind::normal;
    InvoiceForm form = InvoiceForm::digital;
    InvoiceColour colour = InvoiceColour::blue;
    InvoiceState state = InvoiceState::requested;
    std::string platform;  ///< "local", "nuonuo", "baiwang"
    std::string title;     ///< "TITLE-3", whose words `buyer` are
    InvoiceParty seller, buyer;
    std::vector<InvoiceLine> lines;
    std::int64_t net_fen = 0, tax_fen = 0, total_fen = 0;
    std::string blue_id;  ///< of a red one: what it takes back
    RedReason red_reason = RedReason::none;
    std::string remark, reference;
    UtcMicros requested_at;
    std::string requested_by;

    UtcMicros state_at;           ///< since when it stands there
    std::string serial;           ///< by which the platform knows the request
    std::string platform_key;     ///< what it answered: of a digital red one the confirmation
    std::int64_t tries = 0;       ///< without an answer that tells more
    UtcMicros next_try_at;        ///< while it is under way
    std::string failure;          ///< why it failed, or why it is not further yet
    std::string official_number;  ///< of the tax office; of a local one the id
    UtcMicros issued_at;
    InvoiceFiles files;

    bool is_red() const { return colour == InvoiceColour::red; }
    bool is_under_way() const { return state < InvoiceState::issued; }
    /// Keeps what it covers from other invoices and from credit notes.
    bool covers() const { return state <= InvoiceState::issued; }
};

/// The document: what is in the proof log of one that is issued.
std::string invoice_as_json(const VatInvoice& invoice);

}  // namespace tg
