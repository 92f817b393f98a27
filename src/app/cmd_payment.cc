#include <cstdio>

#include "app/command_args.h"
#include "app/commands.h"
#include "app/output.h"
#include "base/file.h"
#include "billing/payments.h"

namespace tg {
namespace {

struct PaymentArgs {
    std::string id, account, amount, day, reference, payer, payer_account, text,
        method = "bank_transfer", file, bank = "generic", mapping, kind, bill, customer, fee,
        format = "table";
    bool open_only = false, dry_run = false;
};
using Args = std::shared_ptr<PaymentArgs>;

Result<std::int64_t> fen_of(const std::string& text, const std::string& option) {
    TG_TRY(const std::int64_t fen, parse_cents(text, option));
    if (fen >= 0) return fen;
    return fail(ErrorCode::invalid_request, option + " '" + text + "' is below 0");
}

std::string fen_text(std::int64_t fen) {
    return format_scaled(fen, 2, 2);
}

void print_payments(const std::vector<Payment>& payments, const std::string& format) {
    TextTable table(
        {"payment", "day", "CNY", "open CNY", "account", "reference", "payer", "remittance"});
    for (const Payment& payment : payments) {
        table.row({payment.id, day_text(payment.value_day), fen_text(payment.fen),
                   fen_text(payment.open_fen), payment.bank_account, payment.reference,
                   payment.payer_name, payment.remittance});
    }
    format == "csv" ? table.print_csv() : table.print();
}

void print_allocations(const std::vector<Allocation>& allocations) {
    TextTable table({"allocation", "for", "bill", "CNY", "bank fee", "rule", "at", "by"});
    for (const Allocation& each : allocations) {
        table.row({each.id, std::string(name(each.kind)), each.bill_id, fen_text(each.fen),
                   fen_text(each.fee_fen), std::string(name(each.rule)),
                   format_rfc3339(each.allocated_at).substr(0, 10), each.allocated_by});
    }
    table.print();
}

void add_record(Command group, CommandContext* context, const Args& args) {
    Command command =
        group.add_subcommand("record", "one payment that came in, where there is no statement");
    command.add_option("--account", args->account, "our account it came to").required();
    command.add_option("--amount", args->amount, "RMB, e.g. 12.50").required();
    command.add_option("--day", args->day, "of booking, e.g. 2026-11-05").required();
    command
        .add_option("--reference", args->reference,
                    "the bank's number; the same again is the same payment")
        .required();
    command.add_option("--payer", args->payer, "name of the payer");
    command.add_option("--payer-account", args->payer_account, "account of the payer");
    command.add_option("--text", args->text, "what the payer wrote");
    command.add_option("--method", args->method, "bank_transfer, card or partner");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            NewPayment payment{.bank_account = args->account,
                               .reference = args->reference,
                               .payer_name = args->payer,
                               .payer_account = args->payer_account,
                               .remittance = args->text};
            TG_TRY(payment.method, parse_payment_method(args->method));
            TG_TRY(payment.fen, fen_of(args->amount, "--amount"));
            TG_TRY(payment.value_day, parse_day(args->day));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Payment recorded, record_payment(*store, payment, change_by_user()));
            print_payments({recorded}, "table");
            return {};
        });
    });
}

Result<BankStatement> read_statement(const PaymentArgs& args, const std::string& bytes) {
    if (args.bank == "mt940") return parse_mt940(bytes);
    if (args.bank == "camt053") return parse_camt053(bytes);
    if (args.mapping.empty()) {
        TG_TRY(const CsvMapping mapping, csv_mapping(args.bank));
        return parse_statement_csv(bytes, mapping);
    }
    TG_TRY(const std::string json, read_whole_file(args.mapping));
    TG_TRY(const CsvMapping mapping, parse_csv_mapping(json));
    return parse_statement_csv(bytes, mapping);
}

void add_import(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand(
        "import", "what a bank's statement says came in; rows that are known stay as they are");
    command.add_option("file", args->file, "CSV (UTF-8 or GBK), MT940 or camt.053").required();
    command.add_option("--bank", args->bank, "icbc, cmb or generic (CSV), mt940 or camt053");
    command.add_option("--mapping", args->mapping, "JSON file: which column has what");
    command.add_option("--account", args->account, "our account, where the file does not say");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const std::string bytes, read_whole_file(args->file));
            Result<BankStatement> statement = read_statement(*args, bytes);
            if (!statement.ok()) {
                return fail(statement.error().code,
                            "'" + args->file + "': " + statement.error().detail);
            }
            if (statement->account.empty()) statement->account = args->account;
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const StatementImport done,
                   import_statement(*store, *statement, args->bank, bytes, change_by_user()));
            if (done.was_imported)
                std::printf("this file was imported before\n");
            else
                std::printf("%lld payments recorded, %lld known, %lld rows that went out\n",
                            static_cast<long long>(done.recorded),
                            static_cast<long long>(done.known),
                            static_cast<long long>(done.outgoing));
            return {};
        });
    });
}

std::string describe(const Match& match) {
    std::string out = std::string(name(match.rule)) + ": " + match.customer;
    for (const Match::Part& part : match.parts)
        out += ", " + part.bill_id + " " + fen_text(part.fen);
    if (match.wallet_fen > 0) out += ", wallet " + fen_text(match.wallet_fen);
    if (match.fee_fen > 0) out += ", bank fee " + fen_text(match.fee_fen);
    return out;
}

void add_match(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand(
        "match", "use payments for the bills they name or whose payer is known; list the others");
    command.add_flag("--dry-run", args->dry_run, "book nothing, only tell");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const MatchReport report,
                   match_payments(*store, change_by_user(), args->dry_run));
            std::printf("%lld open payments, %lld %s\n", static_cast<long long>(report.looked_at),
                        static_cast<long long>(report.matched),
                        args->dry_run ? "would be matched" : "matched");
            TextTable table({"payment", "day", "CNY", "payer", "remittance", "suggestion"});
            for (const MatchReport::Open& open : report.open) {
                const Payment& payment = open.payment;
                table.row({payment.id, day_text(payment.value_day), fen_text(payment.open_fen),
                           payment.payer_name, payment.remittance,
                           open.suggestions.empty() ? "" : describe(open.suggestions.front())});
                for (std::size_t i = 1; i < open.suggestions.size(); ++i)
                    table.row({"", "", "", "", "", describe(open.suggestions[i])});
            }
            if (!report.open.empty()) table.print();
            return {};
        });
    });
}

void add_list(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("list", "payments, newest first");
    command.add_flag("--open", args->open_only, "only those with something left");
    command.add_option("--format", args->format).one_of({"table", "csv"});
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const std::vector<Payment> payments,
                   list_payments(*store, {.open_only = args->open_only}));
            print_payments(payments, args->format);
            return {};
        });
    });
}

void add_show(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("show", "one payment, and what it was used for");
    command.add_option("id", args->id, "e.g. PAY-7").required();
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Payment payment, find_payment(*store, args->id));
            TG_TRY(const std::vector<Allocation> parts, list_allocations(*store, payment.id));
            print_payments({payment}, "table");
            std::printf("\n");
            print_allocations(parts);
            return {};
        });
    });
}

void add_allocate(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("allocate", "use a payment, or a part of it");
    command.add_option("id", args->id, "e.g. PAY-7").required();
    command.add_option("--for", args->kind, "bill, wallet, deposit or refund").required();
    command.add_option("--bill", args->bill, "id of the bill");
    command.add_option("--customer", args->customer, "code, for wallet and deposit");
    command.add_option("--amount", args->amount, "RMB; left out: as much as there is");
    command.add_option("--bank-fee", args->fee, "RMB that a bank kept on the way");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            AllocationRequest request{
                .payment_id = args->id, .bill_id = args->bill, .customer = args->customer};
            TG_TRY(request.kind, parse_allocation_kind(args->kind));
            if (!args->amount.empty()) {
                TG_TRY(request.fen, fen_of(args->amount, "--amount"));
            }
            if (!args->fee.empty()) {
                TG_TRY(request.fee_fen, fen_of(args->fee, "--bank-fee"));
            }
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Allocation done, allocate_payment(*store, request, change_by_user()));
            print_allocations({done});
            return {};
        });
    });
}

}  // namespace

void add_payment_commands(Command app, CommandContext* context) {
    const auto args = std::make_shared<PaymentArgs>();
    Command group = app.add_subcommand("payment", "money that came in, and the bills it pays");
    group.require_subcommand();
    add_import(group, context, args);
    add_record(group, context, args);
    add_match(group, context, args);
    add_list(group, context, args);
    add_show(group, context, args);
    add_allocate(group, context, args);
}

}  // namespace tg
