#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "identity/identity_store.h"
#include "invoicing/invoice.h"
#include "store/sql.h"

namespace tg {

/// Whom a customer's invoices are made out to (抬头). Given up when it changes, and another one
/// added: invoices point at it.
struct InvoiceTitle {
    std::string id;  ///< "TITLE-3"
    CustomerId customer;
    std::string customer_code;
    InvoiceParty buyer;
    bool is_general_taxpayer = false;  ///< 一般纳税人: only these get special invoices
    UtcMicros created_at, retired_at;  ///< 0: in use
    std::string created_by, retired_by;
    bool is_retired() const { return retired_at.micros != 0; }
};
std::string title_as_json(const InvoiceTitle& title);

struct NewInvoiceTitle {
    std::string customer{};  ///< a code
    InvoiceParty buyer{};
    bool is_general_taxpayer = false;
};
/// The same title again is the one there is. Errors: not_found (customer); invalid_request (no
/// name, a text that is too long, a tax number that cannot be, a general taxpayer without one).
Result<InvoiceTitle> add_title(SqlConnection& store, const NewInvoiceTitle& title,
                               const Change& change);
/// One that was retired stays as it is. Errors: not_found.
Result<InvoiceTitle> retire_title(SqlConnection& store, std::string_view id, const Change& change);

/// Those of a customer (0: of all), in the order in which they were added.
Result<std::vector<InvoiceTitle>> list_titles(SqlConnection& store, CustomerId customer,
                                              bool with_retired);
/// Errors: not_found.
Result<InvoiceTitle> find_title(SqlConnection& store, std::string_view id);

}  // namespace tg
