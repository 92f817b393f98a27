#include <charconv>
#include <cstdio>

#include "app/commands.h"
#include "app/output.h"
#include "metering/journal_text.h"
#include "metering/usage_journal.h"

namespace tg {
namespace {

/// "segment:offset", as in the field "at" of a dump; empty is the beginning.
Result<Lsn> parse_place(std::string_view text) {
    if (text.empty()) return Lsn{};
    std::uint32_t segment = 0, offset = 0;
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const auto first = std::from_chars(begin, end, segment);
    const bool has_colon = first.ec == std::errc{} && first.ptr != end && *first.ptr == ':';
    const auto second = std::from_chars(has_colon ? first.ptr + 1 : end, end, offset);
    if (second.ec != std::errc{} || second.ptr != end) {
        return fail(ErrorCode::invalid_request,
                    "'" + std::string(text) +
                        "' is no place in the journal; give SEGMENT:OFFSET, as in the field \"at\" "
                        "of a dump");
    }
    return Lsn{std::uint64_t{segment} << 32 | offset};
}

Status dump(const std::string& directory, std::string_view from) {
    TG_TRY(const Lsn begin, parse_place(from));
    TG_TRY(const std::unique_ptr<JournalReader> reader, JournalReader::open(directory, begin));
    JournalRecord record;
    for (;;) {
        TG_TRY(const bool has_record, reader->next(&record, Lsn{UINT64_MAX}));
        if (!has_record) return {};
        print_text(to_json(record) + "\n");
    }
}

}  // namespace

void add_journal_commands(Command app, CommandContext* context) {
    Command group = app.add_subcommand("journal", "the usage journal: what every bill is made of");
    group.require_subcommand();
    auto directory = std::make_shared<std::string>();
    Command dump_command =
        group.add_subcommand("dump", "all records as JSON lines; also while the server runs");
    Command verify_command = group.add_subcommand(
        "verify", "check every record's checksum and that each call ended once");
    for (Command each : {dump_command, verify_command}) {
        each.add_option("directory", *directory,
                        "journal directory (default: the configuration's)");
    }
    auto from = std::make_shared<std::string>();
    dump_command.add_option(
        "--from", *from, "begin at this record, SEGMENT:OFFSET as in \"at\" (default: the first)");
    dump_command.callback([=] {
        context->run([=](const Config& config) {
            return dump(directory->empty() ? config.journal_dir() : *directory, *from);
        });
    });
    verify_command.callback([=] {
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
