#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/commands.h"
#include "app/output.h"
#include "app/prices.h"
#include "app/proofs.h"
#include "billing/verify.h"

namespace tg {

void add_verify_command(CLI::App& app, CommandContext* context) {
    CLI::App* command = app.add_subcommand(
        "verify",
        "recompute all bills from the journal's events, and check every invariant of the ledger");
    auto is_json = std::make_shared<bool>(false);
    command->add_flag("--json", *is_json, "print JSON");
    command->callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            VerifyOptions options;
            options.journal_directory = config.journal_dir();
            options.default_time_zone = config.default_time_zone;
            options.catalogue_of = catalogue_source(config);
            TG_TRY(const VerifyReport report, verify_books(*store, options));
            TG_TRY(const LedgerVerifyReport ledger, verify_books_and_proofs(*store, config));
            if (*is_json) {
                print_json([&](JsonWriter& w) {
                    w.begin_object()
                        .field("ok", report.ok() && ledger.ok())
                        .field("journal_records", report.journal_records);
                    w.field("events", report.events)
                        .field("unsettled_events", report.unsettled_events);
                    w.field("bills", report.bills)
                        .field("lines", report.lines)
                        .key("problems")
                        .begin_array();
                    for (const std::string& problem : report.problems) w.value(problem);
                    w.end_array().key("ledger");
                    write_ledger_report(w, ledger);
                    w.end_object();
                });
            } else {
                std::printf("%llu journal records, %llu settled events, %llu not settled yet\n",
                            static_cast<unsigned long long>(report.journal_records),
                            static_cast<unsigned long long>(report.events),
                            static_cast<unsigned long long>(report.unsettled_events));
                for (const std::string& problem : report.problems)
                    std::printf("PROBLEM: %s\n", problem.c_str());
                if (report.ok()) {
                    std::printf(
                        "%llu bills with %llu lines recomputed from the journal: equal to the last "
                        "digit\n",
                        static_cast<unsigned long long>(report.bills),
                        static_cast<unsigned long long>(report.lines));
                }
                print_ledger_report(ledger);
            }
            if (!report.ok() || !ledger.ok()) context->exit_code = 1;
            return {};
        });
    });
}

}  // namespace tg
