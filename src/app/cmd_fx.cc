#include <cstdio>

#include "app/commands.h"
#include "app/output.h"
#include "base/file.h"
#include "billing/fx_rates.h"

namespace tg {
namespace {

struct FxArgs {
    std::string file, source, format = "table";
    std::int64_t limit = 30;
};

void add_import(Command group, CommandContext* context, const std::shared_ptr<FxArgs>& args) {
    Command command = group.add_subcommand(
        "import", "add rates from a CSV file: date,rate[,source]; all or none");
    command.add_option("file", args->file, "e.g. rates.csv").required();
    command.add_option("--source", args->source, "of rates whose line names none");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const std::string text, read_whole_file(args->file));
            const auto rates = parse_fx_csv(text, args->source);
            if (!rates.ok()) {
                return fail(rates.error().code, "'" + args->file + "': " + rates.error().detail);
            }
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const std::int64_t added,
                   add_fx_rates(*store, *rates,
                                {.actor = "cli:" + user_name(), .at = system_clock().now()}));
            std::printf("%lld rates added, %lld were there\n", static_cast<long long>(added),
                        static_cast<long long>(std::ssize(*rates) - added));
            return {};
        });
    });
}

void add_list(Command group, CommandContext* context, const std::shared_ptr<FxArgs>& args) {
    Command command = group.add_subcommand("list", "the rates there are, newest first");
    command.add_option("--limit", args->limit, "how many").between(1, 100'000);
    command.add_option("--format", args->format).one_of({"table", "csv"});
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const std::vector<FxRate> rates, list_fx_rates(*store, args->limit));
            TextTable table({"date", "usd_cny", "source"});
            for (const FxRate& rate : rates) {
                table.row({day_text(rate.day), format_scaled(rate.usd_cny_e8, 8, 4), rate.source});
            }
            args->format == "csv" ? table.print_csv() : table.print();
            return {};
        });
    });
}

}  // namespace

void add_fx_commands(Command app, CommandContext* context) {
    const auto args = std::make_shared<FxArgs>();
    Command group =
        app.add_subcommand("fx", "exchange rates: a bill locks the one of its month's last day");
    group.require_subcommand();
    add_import(group, context, args);
    add_list(group, context, args);
}

}  // namespace tg
