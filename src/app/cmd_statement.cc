#include <cstdio>

#include "app/commands.h"
#include "app/output.h"
#include "billing/statement.h"
#include "documents/documents.h"

namespace tg {
namespace {

struct StatementArgs {
    std::string customer, from, to, output;
    std::string format = "table", language = "en";
};

void print_statement(const AccountStatement& statement) {
    TextTable table(
        {"day", "what", "document", "concerns", "owed CNY", "balance", "prepaid CNY", "balance"});
    table.row({to_string(statement.first), "opening", "", "", "",
               format_cents(statement.opening_owed_fen), "",
               format_cents(statement.opening_prepaid_fen)});
    for (const StatementLine& line : statement.lines) {
        table.row({day_text(line.day), std::string(name(line.cause)), line.document, line.reference,
                   format_cents(line.owed_fen), format_cents(line.owed_after_fen),
                   format_cents(line.prepaid_fen), format_cents(line.prepaid_after_fen)});
    }
    table.row({to_string(statement.last), "closing", "", "", "",
               format_cents(statement.closing_owed_fen), "",
               format_cents(statement.closing_prepaid_fen)});
    table.print();
    for (const StatementOpenBill& bill : statement.open_bills) {
        std::printf("%s: %s CNY open, due %s%s\n", bill.bill_id.c_str(),
                    format_cents(bill.open_fen).c_str(),
                    format_rfc3339(bill.due_at).substr(0, 10).c_str(),
                    bill.is_overdue ? ", overdue" : "");
    }
}

Status show(const AccountStatement& statement, const Config& config, const StatementArgs& args) {
    if (args.format == "table") {
        print_statement(statement);
        return {};
    }
    TG_TRY(const Language language, parse_language(args.language));
    TG_TRY(const BillFile file, render_statement(statement, args.format,
                                                 {.language = language, .issuer = config.issuer}));
    return print_document(file, args.output);
}

}  // namespace

void add_statement_command(Command app, CommandContext* context) {
    const auto args = std::make_shared<StatementArgs>();
    Command command = app.add_subcommand(
        "statement",
        "a customer's account over whole months: what was owed, what changed it, what "
        "is owed");
    command.add_option("--customer", args->customer, "code of the customer").required();
    command.add_option("--from", args->from, "first month, e.g. 2026-09").required();
    command.add_option("--to", args->to, "last month; without it the first one alone");
    command.add_option("--format", args->format).one_of({"table", "json", "csv", "xlsx", "pdf"});
    command.add_option("--language", args->language, "of a PDF or workbook").one_of({"en", "zh"});
    command.add_option("--output", args->output, "a file instead of the terminal");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const YearMonth first, parse_year_month(args->from));
            YearMonth last = first;
            if (!args->to.empty()) {
                TG_TRY(last, parse_year_month(args->to));
            }
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const AccountStatement statement,
                   account_statement(*store, args->customer, first, last, system_clock().now()));
            return show(statement, config, *args);
        });
    });
}

}  // namespace tg
