#include <cstdio>

#include "app/commands.h"
#include "app/prices.h"
#include "billing/settler.h"

namespace tg {
namespace {

void add_settle(Command app, CommandContext* context) {
    Command command = app.add_subcommand(
        "settle", "move what is in the journal into the store, while no server runs");
    command.callback([=] {
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

void add_billing_commands(Command app, CommandContext* context) {
    add_bill_commands(app, context);
    add_contract_commands(app, context);
    add_credit_command(app, context);
    add_fx_commands(app, context);
    add_invoice_commands(app, context);
    add_payment_commands(app, context);
    add_refund_commands(app, context);
    add_statement_command(app, context);
    add_settle(app, context);
}

}  // namespace tg
