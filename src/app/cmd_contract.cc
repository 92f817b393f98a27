#include <cstdio>

#include "app/command_args.h"
#include "app/commands.h"
#include "app/output.h"
#include "base/file.h"
#include "billing/contracts.h"

namespace tg {
namespace {

struct ContractArgs {
    std::string customer, code, framework, kind = "none", first_day, day, file, reason,
                                           format = "table";
};
using Args = std::shared_ptr<ContractArgs>;

std::int32_t today() {
    return static_cast<std::int32_t>(system_clock().now().micros / 86'400'000'000);
}

Result<ContractTerms> terms_in(const std::string& file) {
    if (file.empty()) return ContractTerms{};
    TG_TRY(const std::string text, read_whole_file(file));
    Result<ContractTerms> terms = parse_contract_terms(text);
    if (terms.ok()) return terms;
    return fail(terms.error().code, "'" + file + "': " + terms.error().detail);
}

std::string day_or_open(std::int32_t day) {
    return day == kNoDay ? "" : day_text(day);
}

void print_contracts(const std::vector<Contract>& contracts, const std::string& format) {
    if (format == "json") {
        for (const Contract& contract : contracts)
            print_text(contract_as_json(contract, today()) + "\n");
        return;
    }
    TextTable table(
        {"contract", "customer", "kind", "status", "from", "to", "version", "framework"});
    for (const Contract& contract : contracts) {
        table.row({contract.code, contract.customer_code, std::string(name(contract.kind)),
                   std::string(name(status_on(contract, today()))), day_text(contract.first_day),
                   day_or_open(contract.end_day), std::to_string(contract.versions.back().version),
                   contract.framework});
    }
    format == "csv" ? table.print_csv() : table.print();
}

void add_format(Command command, const Args& args) {
    command.add_option("--format", args->format).one_of({"table", "csv", "json"});
}

void add_create(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("create", "agree a contract with a customer");
    command.add_option("code", args->code, "the contract's number, e.g. CT-2026-001").required();
    command.add_option("--customer", args->customer, "code of the customer").required();
    command.add_option("--from", args->first_day, "first day, e.g. 2026-11-01").required();
    command.add_option("--kind", args->kind, "none, one_year or three_years");
    command.add_option("--framework", args->framework, "number of the framework agreement");
    command.add_option("--terms", args->file, "JSON file (docs/formats.md); none: list price");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            NewContract contract{
                .customer = args->customer, .code = args->code, .framework = args->framework};
            TG_TRY(contract.kind, parse_contract_kind(args->kind));
            TG_TRY(contract.first_day, parse_day(args->first_day));
            TG_TRY(contract.terms, terms_in(args->file));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Contract made, create_contract(*store, contract, change_by_user()));
            print_contracts({made}, "table");
            return {};
        });
    });
}

void add_amend(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("amend", "other terms from a day on");
    command.add_option("code", args->code, "the contract's number").required();
    command.add_option("--from", args->day, "the first day they hold, e.g. 2026-11-01").required();
    command.add_option("--terms", args->file, "JSON file with all terms").required();
    command.add_option("--reason", args->reason, "why; it stays with the version").required();
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            Amendment amendment{.reason = args->reason};
            TG_TRY(amendment.from_day, parse_day(args->day));
            TG_TRY(amendment.terms, terms_in(args->file));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Contract made,
                   amend_contract(*store, args->code, amendment, change_by_user()));
            print_contracts({made}, "table");
            return {};
        });
    });
}

void add_end(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("end", "end a contract early");
    command.add_option("code", args->code, "the contract's number").required();
    command.add_option("--day", args->day, "the last day it covers").required();
    command.add_option("--reason", args->reason, "why").required();
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const std::int32_t day, parse_day(args->day));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Contract ended,
                   end_contract(*store, args->code, day, args->reason, change_by_user()));
            print_contracts({ended}, "table");
            return {};
        });
    });
}

void add_list(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("list", "the contracts there are");
    command.add_option("--customer", args->customer, "code of the customer");
    add_format(command, args);
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            std::vector<CustomerId> customers;
            if (!args->customer.empty()) {
                TG_TRY(const CustomerId customer, customer_id(*store, args->customer));
                customers.push_back(customer);
            }
            TG_TRY(const std::vector<Contract> contracts, list_contracts(*store, customers));
            print_contracts(contracts, args->format);
            return {};
        });
    });
}

void add_show(Command group, CommandContext* context, const Args& args) {
    Command command =
        group.add_subcommand("show", "one contract with all versions of its terms, as JSON");
    command.add_option("code", args->code, "the contract's number").required();
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Contract contract, find_contract(*store, args->code));
            print_contracts({contract}, "json");
            return {};
        });
    });
}

void add_check(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand(
        "check", "read terms from a file and print them whole, as they would be stored");
    command.add_option("file", args->file, "JSON file (docs/formats.md)").required();
    command.callback([=] {
        context->run([=](const Config&) -> Status {
            TG_TRY(const ContractTerms terms, terms_in(args->file));
            print_text(contract_terms_as_json(terms) + "\n");
            return {};
        });
    });
}

}  // namespace

void add_contract_commands(Command app, CommandContext* context) {
    const auto args = std::make_shared<ContractArgs>();
    Command group = app.add_subcommand(
        "contract", "what is agreed with a customer: prices, discounts, commitment, payment");
    group.require_subcommand();
    add_create(group, context, args);
    add_amend(group, context, args);
    add_end(group, context, args);
    add_list(group, context, args);
    add_show(group, context, args);
    add_check(group, context, args);
}

}  // namespace tg
