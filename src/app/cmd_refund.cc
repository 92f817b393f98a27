#include <cstdio>

#include "app/command_args.h"
#include "app/commands.h"
#include "app/output.h"
#include "billing/settlements.h"

namespace tg {
namespace {

struct RefundArgs {
    std::string id, customer, amount, reason, reference, account;
    std::string source = "wallet", format = "table";
};
using Args = std::shared_ptr<RefundArgs>;

void print_settlements(const std::vector<Settlement>& settlements, const std::string& format) {
    TextTable table({"settlement", "kind", "customer", "of", "CNY", "reason", "account",
                     "reference", "day", "by"});
    for (const Settlement& each : settlements) {
        table.row(
            {each.id, std::string(name(each.kind)), each.customer_code,
             each.source == RefundSource::none ? each.subject : std::string(name(each.source)),
             format_scaled(each.fen, 2, 2), each.reason, each.bank_account, each.reference,
             format_rfc3339(each.created_at).substr(0, 10), each.created_by});
    }
    format == "csv" ? table.print_csv() : table.print();
}

Result<std::optional<std::int64_t>> parse_amount(const std::string& text) {
    if (text.empty()) return std::optional<std::int64_t>{};
    TG_TRY(const std::int64_t fen, parse_cents(text, "--amount"));
    return std::optional(fen);
}

void add_list(Command group, CommandContext* context, const Args& args) {
    Command command =
        group.add_subcommand("list", "what is owed back to customers and not paid yet");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const std::vector<OpenRefund> open, open_refunds(*store));
            TextTable table({"refund", "CNY"});
            for (const OpenRefund& each : open) table.row({each.id, format_scaled(each.fen, 2, 2)});
            table.print();
            return {};
        });
    });
    Command history = group.add_subcommand("history", "refunds, payouts and write-offs so far");
    history.add_option("--customer", args->customer, "code of the customer");
    history.add_option("--format", args->format).one_of({"table", "csv"});
    history.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            CustomerId customer;
            if (!args->customer.empty()) {
                TG_TRY(customer, customer_id(*store, args->customer));
            }
            TG_TRY(const std::vector<Settlement> all, list_settlements(*store, customer));
            print_settlements(all, args->format);
            return {};
        });
    });
}

void add_approve(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand(
        "approve", "give back what a customer has paid ahead: it is owed until it is paid out");
    command.add_option("--customer", args->customer, "code of the customer").required();
    command.add_option("--from", args->source, "wallet or deposit");
    command.add_option("--amount", args->amount, "CNY; without it all that is there");
    command.add_option("--reason", args->reason).required();
    command.add_option("--reference", args->reference,
                       "your own number for it; asking again with it makes no second one");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            NewRefund wanted{
                .customer = args->customer, .reason = args->reason, .reference = args->reference};
            TG_TRY(wanted.source, parse_refund_source(args->source));
            TG_TRY(wanted.fen, parse_amount(args->amount));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Settlement made, approve_refund(*store, wanted, change_by_user()));
            print_settlements({made}, "table");
            return {};
        });
    });
}

void add_paid(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("paid", "the bank has paid what was owed back");
    command.add_option("id", args->id, "of `refund list`: SET-3, PAY-7-1, CN-acme-202611-1")
        .required();
    command.add_option("--account", args->account, "our account it was paid from").required();
    command.add_option("--reference", args->reference, "the bank's number of the transfer")
        .required();
    command.add_option("--amount", args->amount, "CNY; without it all that is owed");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            NewPayout wanted{
                .refund_id = args->id, .bank_account = args->account, .reference = args->reference};
            TG_TRY(wanted.fen, parse_amount(args->amount));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Settlement made, record_payout(*store, wanted, change_by_user()));
            print_settlements({made}, "table");
            return {};
        });
    });
}

}  // namespace

void add_refund_commands(Command app, CommandContext* context) {
    Command group = app.add_subcommand("refund", "money that customers get back");
    group.require_subcommand();
    const auto args = std::make_shared<RefundArgs>();
    add_approve(group, context, args);
    add_paid(group, context, args);
    add_list(group, context, args);
}

void add_write_off_command(Command group, CommandContext* context) {
    const auto args = std::make_shared<RefundArgs>();
    Command command = group.add_subcommand(
        "write-off", "give up what is owed of a bill; its VAT stays as it was billed");
    command.add_option("id", args->id, "e.g. BILL-acme-202611").required();
    command.add_option("--amount", args->amount, "CNY; without it all that is owed");
    command.add_option("--reason", args->reason).required();
    command.add_option("--reference", args->reference,
                       "your own number for it; asking again with it makes no second one");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            NewWriteOff wanted{
                .bill_id = args->id, .reason = args->reason, .reference = args->reference};
            TG_TRY(wanted.fen, parse_amount(args->amount));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Settlement made, write_off(*store, wanted, change_by_user()));
            print_settlements({made}, "table");
            return {};
        });
    });
}

}  // namespace tg
