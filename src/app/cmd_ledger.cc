#include <cstdio>

#include "api/ledger_json.h"
#include "app/commands.h"
#include "app/output.h"
#include "app/proofs.h"
#include "base/csv.h"

namespace tg {
namespace {

struct LedgerArgs {
    std::string customer, account, currency, subject, cause, cause_id, from, until, as_of, reason;
    std::string format = "table", export_format = "csv";
    std::int64_t first = 1, limit = 100, number = 0;
    bool has_zero = false, is_json = false;
};
using Args = std::shared_ptr<LedgerArgs>;

Result<EntryFilter> make_filter(const LedgerArgs& args, const OwnerCodes& names) {
    EntryFilter out{.first = args.first, .subject = args.subject, .limit = args.limit};
    if (!args.customer.empty()) {
        TG_TRY(out.customer, names.customer(args.customer));
    }
    if (!args.account.empty()) {
        TG_TRY(out.account, parse_account(args.account));
    }
    if (args.cause.empty() != args.cause_id.empty())
        return fail(ErrorCode::invalid_request, "--cause and --id belong together");
    if (!args.cause.empty()) {
        TG_TRY(const CauseKind kind, parse_cause_kind(args.cause));
        out.cause = Cause{kind, args.cause_id};
    }
    if (!args.from.empty()) {
        TG_TRY(out.booked_from, parse_rfc3339(args.from));
    }
    if (!args.until.empty()) {
        TG_TRY(out.booked_until, parse_rfc3339(args.until));
    }
    return out;
}

/// What a reader sees as the amount: debit or credit, the other empty.
std::pair<std::string, std::string> sides(Femto amount) {
    if (amount.value >= 0) return {format_amount(amount), ""};
    return {"", format_amount({-amount.value})};
}

std::string details_text(const Entry& entry) {
    std::string out;
    for (const Detail& each : entry.details)
        out.append(out.empty() ? "" : " ").append(each.key).append("=").append(each.value);
    return out;
}

constexpr std::string_view kCsvHeader =
    "number,booked_at,occurred_at,cause,id,reverses,details,line,account,title,currency,customer,"
    "project,subject,debit,credit,hash\r\n";

std::string csv_of(const BookedEntry& booked, const OwnerCodes& names) {
    std::string out;
    int line = 0;
    for (const Posting& each : booked.entry.postings) {
        const AccountKey& key = each.account;
        const auto [debit, credit] = sides(each.amount);
        const std::array<std::string, 17> cells = {
            std::to_string(booked.number),
            format_rfc3339(booked.booked_at),
            format_rfc3339(booked.entry.occurred_at),
            std::string(name(booked.entry.cause.kind)),
            booked.entry.cause.id,
            booked.entry.reverses == 0 ? "" : std::to_string(booked.entry.reverses),
            details_text(booked.entry),
            std::to_string(++line),
            std::to_string(number(key.code)),
            title_of(key.code),
            std::string(code(key.currency)),
            names.of(key.customer),
            names.of(key.project),
            key.subject,
            debit,
            credit,
            booked.hash};
        for (std::size_t i = 0; i < cells.size(); ++i)
            out.append(i == 0 ? "" : ",").append(csv_cell(cells[i]));
        out.append("\r\n");
    }
    return out;
}

Status print_entries(SqlConnection& store, const EntryFilter& filter, const std::string& format,
                     const OwnerCodes& names) {
    if (format == "csv") print_text(std::string(kCsvHeader));
    return read_entries(store, filter, [&](const BookedEntry& booked) {
        if (format == "csv") {
            print_text(csv_of(booked, names));
        } else if (format == "json") {
            print_json([&](JsonWriter& w) { write_booked_entry(w, booked, names); });
        } else {
            print_text("#" + std::to_string(booked.number) + "  " +
                       format_rfc3339(booked.booked_at) + "  " + entry_as_text(booked.entry));
        }
        return true;
    });
}

void add_accounts(Command group, const Args& args) {
    Command command = group.add_subcommand("accounts", "the chart of accounts");
    command.add_option("--format", args->format, "table or csv").one_of({"table", "csv"});
    command.callback([=] {
        TextTable table({"account", "name", "title", "title_zh", "type", "balance", "smallest",
                         "owner", "subject"});
        for (const AccountInfo& each : chart_of_accounts()) {
            table.row({std::to_string(number(each.code)), std::string(each.name),
                       std::string(each.title), std::string(each.title_zh),
                       std::string(name(each.type)), std::string(text_of(each.side)),
                       std::string(text_of(each.grain)), std::string(text_of(each.owner)),
                       std::string(name(each.subject))});
        }
        args->format == "csv" ? table.print_csv() : table.print();
    });
}

Result<BalanceFilter> make_balance_filter(SqlConnection& store, const LedgerArgs& args,
                                          const OwnerCodes& names) {
    BalanceFilter out{.subject = args.subject};
    if (!args.customer.empty()) {
        TG_TRY(out.customer, names.customer(args.customer));
    }
    if (!args.account.empty()) {
        TG_TRY(out.account, parse_account(args.account));
    }
    if (!args.currency.empty()) {
        TG_TRY(out.currency, parse_currency(args.currency));
    }
    if (!args.as_of.empty()) {
        TG_TRY(const UtcMicros moment, parse_rfc3339(args.as_of));
        TG_TRY(out.up_to, number_as_of(store, moment));
    }
    return out;
}

Status print_balances(SqlConnection& store, const LedgerArgs& args) {
    TG_TRY(const LedgerReadSnapshot snapshot, LedgerReadSnapshot::begin(store));
    TG_TRY(const OwnerCodes names, OwnerCodes::load(store));
    TG_TRY(const BalanceFilter filter, make_balance_filter(store, args, names));
    TG_TRY(std::vector<AccountBalance> balances, read_balances(store, filter));
    if (!args.has_zero)
        std::erase_if(balances, [](const AccountBalance& each) { return each.amount.value == 0; });
    if (args.format == "json") {
        print_json([&](JsonWriter& w) {
            w.begin_array();
            for (const AccountBalance& each : balances) write_balance(w, each, names);
            w.end_array();
        });
        return {};
    }
    TextTable table(
        {"account", "title", "currency", "customer", "project", "subject", "debit", "credit"});
    for (const AccountBalance& each : balances) {
        const AccountKey& key = each.account;
        const auto [debit, credit] = sides(each.amount);
        table.row({std::to_string(number(key.code)), title_of(key.code),
                   std::string(code(key.currency)), names.of(key.customer), names.of(key.project),
                   key.subject, debit, credit});
    }
    args.format == "csv" ? table.print_csv() : table.print();
    return {};
}

void add_filters(Command command, const Args& args) {
    command.add_option("--customer", args->customer, "code of a customer");
    command.add_option("--account", args->account, "account, e.g. 1202 or billed_receivable");
    command.add_option("--subject", args->subject, "what the account is about, e.g. a bill's id");
}

void add_balances(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("balances", "balances now, or as of any moment");
    add_filters(command, args);
    command.add_option("--currency", args->currency, "USD or CNY");
    command.add_option("--as-of", args->as_of,
                       "as booked until then, e.g. 2026-12-01 or 2026-12-01T00:00:00+08:00");
    command.add_flag("--zero", args->has_zero, "also balances of zero");
    command.add_option("--format", args->format, "table, json or csv")
        .one_of({"table", "json", "csv"});
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            return print_balances(*store, *args);
        });
    });
}

void add_entry_filters(Command command, const Args& args) {
    add_filters(command, args);
    command.add_option("--cause", args->cause, "kind of cause, e.g. bill (with --id)");
    command.add_option("--id", args->cause_id, "id of the cause");
    command.add_option("--from", args->from, "booked at or after this time");
    command.add_option("--until", args->until, "booked before this time");
    command.add_option("--first", args->first, "from this entry on (default: 1)");
}

void add_entries(Command group, CommandContext* context, const Args& args) {
    Command entries = group.add_subcommand("entries", "entries with their postings, in order");
    add_entry_filters(entries, args);
    entries.add_option("--limit", args->limit, "most entries (default: 100)");
    entries.add_option("--format", args->format, "table, json (one a line) or csv")
        .one_of({"table", "json", "csv"});
    Command whole = group.add_subcommand(
        "export", "all entries that fit, one posting a line, for auditors and other systems");
    add_entry_filters(whole, args);
    whole.add_option("--format", args->export_format, "csv or json (one entry a line)")
        .one_of({"json", "csv"});
    for (const bool is_export : {false, true}) {
        Command(is_export ? whole : entries).callback([=] {
            context->run([=](const Config& config) -> Status {
                TG_TRY(const auto store, context->open_store(config));
                TG_TRY(const LedgerReadSnapshot snapshot, LedgerReadSnapshot::begin(*store));
                TG_TRY(const OwnerCodes names, OwnerCodes::load(*store));
                TG_TRY(EntryFilter filter, make_filter(*args, names));
                if (is_export) filter.limit = INT64_MAX;
                return print_entries(*store, filter, is_export ? args->export_format : args->format,
                                     names);
            });
        });
    }
}

void add_reverse(Command group, CommandContext* context, const Args& args) {
    Command command =
        group.add_subcommand("reverse", "take an entry back by an opposite one, once");
    command.add_option("number", args->number, "number of the entry").required();
    command.add_option("--reason", args->reason, "why; it is kept with the entry").required();
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const Booking booking,
                   reverse_booked_entry(*store, args->number, args->reason, "cli:" + user_name(),
                                        system_clock().now()));
            std::printf("entry %lld is reversed by entry %lld\n",
                        static_cast<long long>(args->number),
                        static_cast<long long>(booking.number));
            return {};
        });
    });
}

void add_verify(Command group, CommandContext* context, const Args& args) {
    Command command =
        group.add_subcommand("verify", "check every invariant of the ledger and of the proof log");
    command.add_flag("--json", args->is_json, "print JSON");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const LedgerVerifyReport report, verify_books_and_proofs(*store, config));
            if (args->is_json)
                print_json([&](JsonWriter& w) { write_ledger_report(w, report); });
            else
                print_ledger_report(report);
            if (!report.ok()) context->exit_code = 1;
            return {};
        });
    });
}

}  // namespace

void print_ledger_report(const LedgerVerifyReport& report) {
    for (const std::string& problem : report.problems)
        std::printf("PROBLEM: %s\n", problem.c_str());
    std::printf(
        "ledger: %llu entries, %llu postings, %llu accounts; proof log: %llu leaves, %llu "
        "signed heads: %s\n",
        static_cast<unsigned long long>(report.entries),
        static_cast<unsigned long long>(report.postings),
        static_cast<unsigned long long>(report.accounts),
        static_cast<unsigned long long>(report.leaves),
        static_cast<unsigned long long>(report.heads),
        report.ok() ? "balanced, unbroken, unchanged" : "NOT SOUND, see above");
}

void add_ledger_commands(Command app, CommandContext* context) {
    const auto args = std::make_shared<LedgerArgs>();
    Command group = app.add_subcommand("ledger", "the double-entry books");
    group.require_subcommand();
    add_accounts(group, args);
    add_balances(group, context, args);
    add_entries(group, context, args);
    add_reverse(group, context, args);
    add_verify(group, context, args);
    add_seal_command(group, context);
}

}  // namespace tg
