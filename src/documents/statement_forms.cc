#include "base/csv.h"
#include "documents/internal/statement_words.h"
#include "documents/internal/workbook.h"

namespace tg::documents_internal {
std::string statement_as_csv(const AccountStatement& statement) {
    const auto cny = [](std::int64_t fen) { return format_scaled(fen, 2, 2); };
    std::string out;
    append_csv_row({"customer", "day", "kind", "document", "reference", "owed_cny",
                    "owed_after_cny", "prepaid_cny", "prepaid_after_cny"},
                   &out);
    append_csv_row({statement.customer, to_string(statement.first), "opening", "", "", "",
                    cny(statement.opening_owed_fen), "", cny(statement.opening_prepaid_fen)},
                   &out);
    for (const StatementLine& line : statement.lines) {
        append_csv_row({statement.customer, day_text(line.day), std::string(name(line.cause)),
                        line.document, line.reference, cny(line.owed_fen), cny(line.owed_after_fen),
                        cny(line.prepaid_fen), cny(line.prepaid_after_fen)},
                       &out);
    }
    append_csv_row({statement.customer, to_string(statement.last), "closing", "", "", "",
                    cny(statement.closing_owed_fen), "", cny(statement.closing_prepaid_fen)},
                   &out);
    return out;
}

Result<std::string> statement_as_xlsx(const AccountStatement& statement,
                                      const DocumentOptions& options) {
    const StatementWords& w = statement_words(options.language);
    TG_TRY(const std::unique_ptr<Workbook> book,
           Workbook::create(statement.id(), options.issuer.name_in(options.language),
                            statement.until));
    Sheet lines = book->sheet(w.title);
    lines.head({{w.day, 12},
                {w.kind, 20},
                {w.document, 26},
                {w.reference, 26},
                {w.owed, 16},
                {w.owed_after, 16},
                {w.prepaid, 16},
                {w.prepaid_after, 16}});
    const auto balance = [&](YearMonth month, std::string_view label, std::int64_t owed,
                             std::int64_t prepaid) {
        lines.text(to_string(month)).text(label).text("").text("").text("").money(owed);
        lines.text("").money(prepaid).end_row();
    };
    balance(statement.first, w.opening, statement.opening_owed_fen, statement.opening_prepaid_fen);
    for (const StatementLine& line : statement.lines) {
        lines.text(day_text(line.day)).text(cause_label(line.cause, options.language));
        lines.text(line.document).text(line.reference).money(line.owed_fen);
        lines.money(line.owed_after_fen).money(line.prepaid_fen).money(line.prepaid_after_fen);
        lines.end_row();
    }
    balance(statement.last, w.closing, statement.closing_owed_fen, statement.closing_prepaid_fen);
    lines.finish();
    Sheet open = book->sheet(w.open_bills);
    open.head({{w.bill, 26}, {w.total, 16}, {w.open, 16}, {w.due, 14}, {w.overdue, 10}});
    for (const StatementOpenBill& bill : statement.open_bills) {
        open.text(bill.bill_id).money(bill.total_fen).money(bill.open_fen);
        open.text(format_rfc3339(bill.due_at).substr(0, 10)).text(bill.is_overdue ? w.overdue : "");
        open.end_row();
    }
    open.finish();
    return book->finish();
}

}  // namespace tg::documents_internal
