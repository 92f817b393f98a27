#include <cstdio>

#include "api/ledger_json.h"
#include "app/commands.h"
#include "app/output.h"
#include "app/prices.h"
#include "app/proofs.h"
#include "billing/verify.h"
#include "invoicing/verify_invoices.h"
#include "metering/journal_name.h"

namespace tg {
namespace {

unsigned long long count(std::uint64_t n) {
    return n;
}

/// `report` has the problems of invoices too.
void print_report_json(const VerifyReport& report, std::int64_t invoices,
                       const LedgerVerifyReport& ledger) {
    print_json([&](JsonWriter& w) {
        w.begin_object()
            .field("ok", report.ok() && ledger.ok())
            .field("journal_records", report.journal_records);
        w.field("events", report.events).field("unsettled_events", report.unsettled_events);
        w.field("bills", report.bills)
            .field("lines", report.lines)
            .field("final_bills", report.final_bills)
            .field("contracts", report.contracts)
            .field("payments", report.payments)
            .field("invoices", invoices);
        w.key("problems").begin_array();
        for (const std::string& problem : report.problems) w.value(problem);
        w.end_array().key("unreachable_journals").begin_array();
        for (const VerifyReport::Unreachable& journal : report.unreachable) {
            w.begin_object()
                .field("journal", journal.name)
                .field("events", journal.events)
                .end_object();
        }
        w.end_array().key("ledger");
        write_ledger_report(w, ledger);
        w.end_object();
    });
}

void print_report_text(const VerifyReport& report, std::int64_t invoices) {
    std::printf("%llu journal records, %llu settled events, %llu not settled yet\n",
                count(report.journal_records), count(report.events),
                count(report.unsettled_events));
    for (const std::string& problem : report.problems)
        std::printf("PROBLEM: %s\n", problem.c_str());
    for (const VerifyReport::Unreachable& journal : report.unreachable) {
        std::printf(
            "%llu events are of journal %s, which is not here: recomputed from their rows in the "
            "store; to compare them with their journal, add --journal DIRECTORY\n",
            count(journal.events), journal.name.c_str());
    }
    if (!report.ok()) return;
    std::printf("%llu bills with %llu lines recomputed from the %s: equal to the last digit\n",
                count(report.bills), count(report.lines),
                report.unreachable.empty() ? "journal" : "events");
    if (report.final_bills > 0) {
        std::printf("%llu final bills: as they were booked and proven\n",
                    count(report.final_bills));
    }
    if (report.contracts > 0)
        std::printf("%llu contracts: as they were agreed\n", count(report.contracts));
    if (report.payments > 0)
        std::printf("%llu payments: as they were booked\n", count(report.payments));
    if (invoices > 0) {
        std::printf("%lld invoices: as they were issued, over no more than was billed\n",
                    static_cast<long long>(invoices));
    }
}

Result<VerifyOptions> options_for(const Config& config, std::vector<std::string> more) {
    for (const std::string& directory : more)
        if (const auto name = journal_name(directory); !name.ok()) return fail(name.error());
    VerifyOptions options;
    options.journal_directories = std::move(more);
    options.journal_directories.push_back(config.journal_dir());
    options.store_url = config.effective_store_url();
    options.default_time_zone = config.default_time_zone;
    options.catalogue_of = catalogue_source(config);
    return options;
}

}  // namespace

void add_verify_command(Command app, CommandContext* context) {
    Command command = app.add_subcommand(
        "verify",
        "recompute all bills from the journal's events, and check every invariant of the ledger");
    auto is_json = std::make_shared<bool>(false);
    command.add_flag("--json", *is_json, "print JSON");
    auto more = std::make_shared<std::vector<std::string>>();
    command
        .add_option("--journal", *more,
                    "directory of another gateway's journal, or of a copy of it; the other "
                    "journals of a fleet that settles into one store")
        .value_name("DIRECTORY");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const VerifyOptions options, options_for(config, *more));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(VerifyReport report, verify_books(*store, options));
            TG_TRY(const InvoiceVerifyReport invoices, verify_invoices(*store));
            report.problems.insert(report.problems.end(), invoices.problems.begin(),
                                   invoices.problems.end());
            TG_TRY(const LedgerVerifyReport ledger, verify_books_and_proofs(*store, config));
            if (*is_json) {
                print_report_json(report, invoices.invoices, ledger);
            } else {
                print_report_text(report, invoices.invoices);
                print_ledger_report(ledger);
            }
            if (!report.ok() || !ledger.ok()) context->exit_code = 1;
            return {};
        });
    });
}

}  // namespace tg
