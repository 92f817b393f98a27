#pragma once
// Bills and invoices for people and for their programs: PDF, spreadsheet, FOCUS, and all the forms
// of billing/bill.h.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "billing/bill.h"
#include "billing/bill_notes.h"
#include "billing/statement.h"
#include "invoicing/invoices.h"

namespace tg {

enum class Language : std::uint8_t { en, zh };
/// "en" or "zh". Errors: invalid_request.
Result<Language> parse_language(std::string_view text);

/// Who sends the bills. What is empty is left out.
struct Issuer {
    std::string name{},
        name_zh{};         ///< legal name, and the one in Chinese documents if it is another
    std::string tax_id{};  ///< 统一社会信用代码
    std::string address{}, phone{}, email{};
    std::string bank_name{}, bank_account{};  ///< where customers pay
    std::string logo_file{};                  ///< PNG; without one the name stands in its place
    const std::string& name_in(Language language) const {
        return language == Language::zh && !name_zh.empty() ? name_zh : name;
    }
};

struct DocumentOptions {
    Language language = Language::en;
    Issuer issuer{};
    std::string drawer{};                     ///< 开票人, on invoices
    std::string time_zone = "Asia/Shanghai";  ///< of an invoice's day
};

/// A document as a file.
struct BillFile {
    std::string bytes;
    std::string content_type;
    std::string name;        ///< "BILL-acme-202611.pdf"
    bool is_binary = false;  ///< nothing for a terminal
};
/// Errors: invalid_request naming the formats there are: table, json, csv, pdf, xlsx, focus; those
/// of the functions below.
Result<BillFile> render_bill(const Bill& bill, std::string_view format,
                             const DocumentOptions& options);

/// A4 pages. The same final bill is always the same file; what is no final one says so across every
/// page. Errors: io_error (no font, a logo that cannot be read).
Result<std::string> bill_as_pdf(const Bill& bill, const DocumentOptions& options);

/// An invoice on A4. What is not issued, or was cancelled, says so across every page; one that a
/// platform has issued says that its original is elsewhere. Errors: io_error, invalid_request (the
/// time zone).
Result<std::string> invoice_as_pdf(const VatInvoice& invoice, const DocumentOptions& options);

/// A credit or debit note over `bill`, on A4; what a credit note takes back is below 0. The same
/// note is always the same file. Errors: io_error.
Result<std::string> note_as_pdf(const BillNote& note, const Bill& bill,
                                const DocumentOptions& options);

/// A statement of account: json, csv, xlsx and pdf. Errors: invalid_request naming those, io_error.
Result<BillFile> render_statement(const AccountStatement& statement, std::string_view format,
                                  const DocumentOptions& options);

/// A workbook (Office Open XML): projects, lines, contract and adjustments, each on a sheet of its
/// own. Texts are never formulas. Errors: io_error.
Result<std::string> bill_as_xlsx(const Bill& bill, const DocumentOptions& options);

/// Rows of the FinOps Open Cost and Usage Specification 1.2, in RMB: each line, item and project's
/// VAT is a charge, and BilledCost adds up to what has to be paid. Errors: corrupt_data (an amount
/// no integer holds).
Result<std::string> bill_as_focus(const Bill& bill, const DocumentOptions& options);

}  // namespace tg
