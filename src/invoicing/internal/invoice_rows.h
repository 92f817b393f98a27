#pragma once
// The tables of invoices.
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "identity/identity_store.h"
#include "invoicing/invoice.h"
#include "store/sql.h"

namespace tg::invoicing_internal {

/// A statement that answers nothing.
Status run(SqlConnection& store, std::string_view sql, std::initializer_list<SqlValue> values);
/// One more than what the query answers; 1 for nothing.
Result<std::int64_t> next_number(SqlConnection& store, std::string_view sql,
                                 std::initializer_list<SqlValue> values);
/// Errors: not_found.
Result<CustomerId> customer_of(SqlConnection& store, std::string_view code);

/// As an object, without the mail address.
void write_party(JsonWriter& json, const InvoiceParty& party);

/// An invoice as its rows have it.
struct InvoiceRow {
    VatInvoice invoice;
    std::int64_t day = 0, number = 0;  ///< of the id
    std::string document;              ///< "" until it is issued
};
/// `condition` is over `invoices i`; in order of day and number.
Result<std::vector<InvoiceRow>> read_invoices(SqlConnection& store, const std::string& condition,
                                              const std::vector<SqlValue>& values);
/// Errors: not_found.
Result<InvoiceRow> read_invoice(SqlConnection& store, std::string_view id);
Status write_invoice(SqlConnection& store, const InvoiceRow& row);
/// What changes while an invoice is under way; the rest of the row stays.
Status update_invoice(SqlConnection& store, const InvoiceRow& row);

/// Makes an invoice issued, inside the caller's transaction and with the books locked: document,
/// ledger entry, leaf of the proof log.
Status complete_invoice(SqlConnection& store, InvoiceRow* row, UtcMicros now);
/// 2201 to 2202; below 0 the other way round, 0 nothing. `cause` names the entry.
Status book_invoiced_tax(SqlConnection& store, const std::string& cause, const VatInvoice& invoice,
                         std::int64_t tax_fen, UtcMicros now);
Status audit_invoice(SqlConnection& store, std::string_view action, std::string before,
                     const VatInvoice& after, const Change& change);

/// What of a project's part of a final bill is covered, or may still be.
struct Covered {
    std::int64_t net_fen = 0, tax_fen = 0;                  ///< of the bill, with its notes
    std::int64_t covered_net_fen = 0, covered_tax_fen = 0;  ///< by invoices
    std::int64_t left_net() const { return net_fen - covered_net_fen; }
    std::int64_t left_tax() const { return tax_fen - covered_tax_fen; }
};
using CoverageByProject = std::map<std::string, Covered>;
struct BillCoverage {
    CustomerId customer;
    std::int64_t vat_ppm = 0;
    CoverageByProject projects;
};
/// A red invoice uncovers when it is issued, not before. Errors: not_found; conflict when the bill
/// is not final.
Result<BillCoverage> read_coverage(SqlConnection& store, std::string_view bill_id);

}  // namespace tg::invoicing_internal
