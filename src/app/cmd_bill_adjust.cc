
#include "app/command_args.h"
#include "app/commands.h"
#include "app/output.h"
#include "billing/bill_adjustments.h"

namespace tg {
namespace {

struct AdjustArgs {
    std::string customer, month, project, id, amount, text, reference;
    std::string currency = "CNY", kind = "adjustment", format = "table";
};
using Args = std::shared_ptr<AdjustArgs>;

void print_adjustments(const std::vector<BillAdjustment>& adjustments, const std::string& format) {
    TextTable table({"adjustment", "customer", "month", "kind", "project", "amount", "text",
                     "reference", "by", "cancelled"});
    for (const BillAdjustment& each : adjustments) {
        table.row({each.id, each.customer_code, to_string(each.month), std::string(name(each.kind)),
                   each.project,
                   format_scaled(each.cents, 2, 2) + " " + std::string(code(each.currency)),
                   each.text, each.reference, each.created_by,
                   each.is_cancelled() ? format_rfc3339(each.cancelled_at).substr(0, 10) : ""});
    }
    format == "csv" ? table.print_csv() : table.print();
}

Result<NewAdjustment> parse_adjustment(const AdjustArgs& args) {
    NewAdjustment out{.customer = args.customer,
                      .project = args.project,
                      .text = args.text,
                      .reference = args.reference};
    TG_TRY(out.month, parse_year_month(args.month));
    TG_TRY(out.kind, parse_adjustment_kind(args.kind));
    TG_TRY(out.currency, parse_currency(args.currency));
    TG_TRY(out.cents, parse_cents(args.amount, "--amount"));
    return out;
}

void add_adjust(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand(
        "adjust", "add a line to a bill that is not final: a credit, a fee, a correction");
    command.add_option("--customer", args->customer, "code of the customer").required();
    command.add_option("--month", args->month, "whose bill, e.g. 2026-11").required();
    command
        .add_option("--amount", args->amount,
                    "without tax, e.g. -12.50: below 0 the customer pays less")
        .required();
    command.add_option("--currency", args->currency, "CNY or USD");
    command.add_option("--kind", args->kind, "adjustment, or sla_credit (RMB, below 0)");
    command.add_option("--project", args->project,
                       "whose part is adjusted; without it all share it by what they pay");
    command.add_option("--text", args->text, "what for; it stands on the bill").required();
    command.add_option("--reference", args->reference,
                       "your own number for it; asking again with it adds no second line");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const NewAdjustment wanted, parse_adjustment(*args));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const BillAdjustment made, add_adjustment(*store, wanted, change_by_user()));
            print_adjustments({made}, "table");
            return {};
        });
    });
}

void add_cancel(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("cancel-adjustment",
                                           "take an adjustment back while its bill is not final");
    command.add_option("id", args->id, "e.g. ADJ-17").required();
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const BillAdjustment cancelled,
                   cancel_adjustment(*store, args->id, change_by_user()));
            print_adjustments({cancelled}, "table");
            return {};
        });
    });
}

void add_list(Command group, CommandContext* context, const Args& args) {
    Command command =
        group.add_subcommand("adjustments", "what was added to bills, cancelled ones too");
    command.add_option("--customer", args->customer, "code of the customer");
    command.add_option("--month", args->month, "whose bill, e.g. 2026-11");
    command.add_option("--format", args->format).one_of({"table", "csv"});
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            AdjustmentFilter filter;
            if (!args->month.empty()) {
                TG_TRY(filter.month, parse_year_month(args->month));
            }
            if (!args->customer.empty()) {
                TG_TRY(const CustomerId customer, customer_id(*store, args->customer));
                filter.customers = {customer};
            }
            TG_TRY(const std::vector<BillAdjustment> found, list_adjustments(*store, filter));
            print_adjustments(found, args->format);
            return {};
        });
    });
}

}  // namespace

void add_bill_adjust_commands(Command group, CommandContext* context) {
    const auto args = std::make_shared<AdjustArgs>();
    add_adjust(group, context, args);
    add_cancel(group, context, args);
    add_list(group, context, args);
}

}  // namespace tg
