#pragma once
#include <string>
#include <string_view>

#include "documents/documents.h"

namespace tg::documents_internal {

struct StatementWords {
    std::string_view language, page_of, title, period, until, zone, customer;
    std::string_view opening, closing, day, kind, document, reference;
    std::string_view owed, owed_after, prepaid, prepaid_after;
    std::string_view open_bills, bill, total, open, due, overdue;
    std::string_view to_pay, prepaid_left, deposit, nothing, nothing_open;
};
const StatementWords& statement_words(Language language);
std::string_view cause_label(CauseKind cause, Language language);

std::string statement_as_csv(const AccountStatement& statement);
Result<std::string> statement_as_xlsx(const AccountStatement& statement,
                                      const DocumentOptions& options);
Result<std::string> statement_as_pdf(const AccountStatement& statement,
                                     const DocumentOptions& options);

}  // namespace tg::documents_internal
