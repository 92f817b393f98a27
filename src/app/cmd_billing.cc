#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/commands.h"
#include "app/output.h"
#include "app/prices.h"
#include "billing/bill.h"
#include "billing/settler.h"

namespace tg {
namespace {

struct BillArgs {
    std::string customer, month, project, format = "table";
};

void add_bill(CLI::App& app, CommandContext* context) {
    auto args = std::make_shared<BillArgs>();
    CLI::App* command =
        app.add_subcommand("bill", "the bill of a customer and month, from settled usage");
    command->add_option("--customer", args->customer, "code of the customer")->required();
    command->add_option("--month", args->month, "month, e.g. 2026-11")->required();
    command->add_option("--project", args->project, "only this project's part");
    command->add_option("--format", args->format, "table, json or csv")
        ->check(CLI::IsMember({"table", "json", "csv"}));
    command->callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const YearMonth month, parse_year_month(args->month));
            const BillTerms terms{.usd_cny_e8 = config.usd_cny_e8, .vat_ppm = config.vat_ppm};
            const std::optional<std::string> project =
                args->project.empty() ? std::nullopt : std::optional(args->project);
            TG_TRY(const Bill bill, draft_bill(*store, args->customer, month, terms, project));
            if (args->format == "json")
                print_text(bill_as_json(bill) + "\n");
            else
                print_text(args->format == "csv" ? bill_as_csv(bill) : bill_as_table(bill));
            return {};
        });
    });
}

void add_settle(CLI::App& app, CommandContext* context) {
    CLI::App* command = app.add_subcommand(
        "settle", "move what is in the journal into the store, while no server runs");
    command->callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            // Opening recovers: what a crash left open is settled as unconfirmed, and two settlers
            // cannot meet.
            JournalOptions journal_options = config.journal;
            journal_options.directory = config.journal_dir();
            journal_options.clock = &system_clock();
            TG_TRY(const auto journal, UsageJournal::open(journal_options));
            SettlerOptions options;
            options.journal_directory = journal_options.directory;
            options.store_url = config.effective_store_url();
            options.default_time_zone = config.default_time_zone;
            options.clock = &system_clock();
            options.catalogue_of = catalogue_source(config);
            Settler settler(std::move(options));
            TG_TRY(const std::int64_t events, settler.settle_until(journal->durable_end()));
            journal->close();
            std::printf("%lld events settled\n", static_cast<long long>(events));
            return {};
        });
    });
}

}  // namespace

void add_billing_commands(CLI::App& app, CommandContext* context) {
    add_bill(app, context);
    add_settle(app, context);
}

}  // namespace tg
