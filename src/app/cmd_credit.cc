
#include "app/commands.h"
#include "app/output.h"
#include "billing/credit.h"

namespace tg {
namespace {

struct CreditArgs {
    std::string customer, format = "table";
};

std::string fen_text(std::int64_t fen) {
    return format_scaled(fen, 2, 2);
}

}  // namespace

void add_credit_command(Command app, CommandContext* context) {
    const auto args = std::make_shared<CreditArgs>();
    Command command = app.add_subcommand(
        "credit",
        "what customers with a contract owe, what there is to pay it with, who is on hold");
    command.add_option("--customer", args->customer, "only this one, by code");
    command.add_option("--format", args->format).one_of({"table", "csv"});
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            CreditBook book({.usd_cny_e8 = config.usd_cny_e8, .vat_ppm = config.vat_ppm});
            TG_TRY(const std::vector<CreditStanding> standings,
                   book.read(*store, system_clock().now()));
            TextTable table({"customer", "contract", "mode", "owed CNY", "unbilled CNY",
                             "wallet CNY", "deposit CNY", "limit CNY", "available CNY", "on hold"});
            for (const CreditStanding& each : standings) {
                if (!args->customer.empty() && each.customer_code != args->customer) continue;
                const auto optional = [](const std::optional<std::int64_t>& fen) {
                    return fen ? fen_text(*fen) : std::string();
                };
                table.row({each.customer_code, each.contract, std::string(name(each.terms.mode)),
                           fen_text(each.owed_fen), fen_text(each.unbilled_fen),
                           fen_text(each.wallet_fen), fen_text(each.deposit_fen),
                           optional(each.terms.credit_limit_fen), optional(each.available_fen),
                           each.hold});
            }
            args->format == "csv" ? table.print_csv() : table.print();
            return {};
        });
    });
}

}  // namespace tg
