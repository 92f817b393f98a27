#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/commands.h"
#include "app/output.h"
#include "metering/journal_text.h"
#include "metering/usage_journal.h"

namespace tg {
namespace {

Status dump(const std::string& directory) {
    TG_TRY(const std::unique_ptr<JournalReader> reader, JournalReader::open(directory, Lsn{}));
    JournalRecord record;
    for (;;) {
        TG_TRY(const bool has_record, reader->next(&record, Lsn{UINT64_MAX}));
        if (!has_record) return {};
        print_text(to_json(record) + "\n");
    }
}

}  // namespace

void add_journal_commands(CLI::App& app, CommandContext* context) {
    CLI::App* group =
        app.add_subcommand("journal", "the usage journal: what every bill is made of");
    group->require_subcommand(1);
    auto directory = std::make_shared<std::string>();
    CLI::App* dump_command =
        group->add_subcommand("dump", "all records as JSON lines; also while the server runs");
    CLI::App* verify_command = group->add_subcommand(
        "verify", "check every record's checksum and that each call ended once");
    for (CLI::App* each : {dump_command, verify_command}) {
        each->add_option("directory", *directory,
                         "journal directory (default: the configuration's)");
    }
    dump_command->callback([=] {
        context->run([=](const Config& config) {
            return dump(directory->empty() ? config.journal_dir() : *directory);
        });
    });
    verify_command->callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const JournalSummary summary,
                   verify_journal(directory->empty() ? config.journal_dir() : *directory));
            print_text(to_json(summary) + "\n");
            if (!summary.is_sound()) context->exit_code = 1;
            return {};
        });
    });
}

}  // namespace tg
