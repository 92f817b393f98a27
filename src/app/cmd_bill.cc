#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/commands.h"
#include "app/output.h"
#include "billing/bill_notes.h"
#include "billing/bill_register.h"
#include "identity/directory_holder.h"

namespace tg {
namespace {

struct BillArgs {
    std::string customer, month, project, id, status, net, reason, reference, format = "table";
};
using Args = std::shared_ptr<BillArgs>;

Change change_by_user() {
    return {.actor = "cli:" + user_name(), .at = system_clock().now()};
}

BillTerms terms_of(const Config& config) {
    return {.usd_cny_e8 = config.usd_cny_e8, .vat_ppm = config.vat_ppm};
}

void print_bill(const Bill& bill, const std::string& format) {
    if (format == "json")
        print_text(bill_as_json(bill) + "\n");
    else
        print_text(format == "csv" ? bill_as_csv(bill) : bill_as_table(bill));
}

std::string time_text(UtcMicros time) {
    return time.micros == 0 ? "" : format_rfc3339(time).substr(0, 10);
}

void print_heads(const std::vector<BillHead>& bills, const std::string& format) {
    TextTable table(
        {"bill", "status", "net CNY", "VAT CNY", "total CNY", "open CNY", "final", "due"});
    for (const BillHead& head : bills) {
        table.row({head.id, std::string(name(head.status)), format_scaled(head.net_fen, 2, 2),
                   format_scaled(head.tax_fen, 2, 2), format_scaled(head.total_fen, 2, 2),
                   format_scaled(head.open_fen, 2, 2), time_text(head.finalised_at),
                   time_text(head.due_at)});
    }
    format == "csv" ? table.print_csv() : table.print();
}

void add_format(CLI::App* command, const Args& args, std::vector<std::string> formats) {
    command->add_option("--format", args->format)->check(CLI::IsMember(std::move(formats)));
}

void add_show(CLI::App* group, CommandContext* context, const Args& args) {
    CLI::App* command = group->add_subcommand("show", "one bill, by its id");
    command->add_option("id", args->id, "e.g. BILL-acme-202611")->required();
    command->add_option("--project", args->project, "only this project's part");
    add_format(command, args, {"table", "json", "csv"});
    command->callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const BillHead head, find_bill(*store, args->id, system_clock().now()));
            TG_TRY(
                const Bill bill,
                current_bill(*store, head.customer_code, head.month, head.terms,
                             args->project.empty() ? std::nullopt : std::optional(args->project)));
            print_bill(bill, args->format);
            return {};
        });
    });
}

Result<BillFilter> make_filter(SqlConnection& store, const BillArgs& args) {
    BillFilter out;
    if (!args.month.empty()) {
        TG_TRY(out.month, parse_year_month(args.month));
    }
    if (!args.status.empty()) {
        TG_TRY(out.status, parse_bill_status(args.status));
    }
    if (args.customer.empty()) return out;
    TG_TRY(const auto directory, load_directory(store));
    const Customer* customer = directory->customer(args.customer);
    if (customer == nullptr)
        return fail(ErrorCode::not_found, "customer '" + args.customer + "' does not exist");
    out.customer = customer->id;
    return out;
}

void add_list(CLI::App* group, CommandContext* context, const Args& args) {
    CLI::App* command = group->add_subcommand("list", "the bills there are, newest month first");
    command->add_option("--customer", args->customer, "code of the customer");
    command->add_option("--month", args->month, "month, e.g. 2026-11");
    command->add_option("--status", args->status,
                        "draft, reviewed, finalised, sent, paid, overdue or void");
    add_format(command, args, {"table", "csv"});
    command->callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const BillFilter filter, make_filter(*store, *args));
            TG_TRY(const std::vector<BillHead> bills,
                   list_bills(*store, filter, system_clock().now()));
            print_heads(bills, args->format);
            return {};
        });
    });
}

void print_progress(std::int64_t done, std::int64_t all) {
    std::fprintf(stderr, "\r%lld of %lld", static_cast<long long>(done),
                 static_cast<long long>(all));
    if (done == all) std::fprintf(stderr, "\n");
}

void print_problems(const BillRunReport& report, CommandContext* context) {
    for (const BillRunReport::Problem& problem : report.problems)
        std::printf("PROBLEM: %s: %s\n", problem.customer.c_str(), problem.reason.c_str());
    if (!report.problems.empty()) context->exit_code = 1;
}

void add_run(CLI::App* group, CommandContext* context, const Args& args) {
    CLI::App* command = group->add_subcommand(
        "run", "draft the bills of all customers for a month that is over; may be repeated");
    command->add_option("--month", args->month, "month, e.g. 2026-11")->required();
    command->callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const YearMonth month, parse_year_month(args->month));
            TG_TRY(
                const BillRunReport report,
                run_bills(*store,
                          {.month = month, .terms = terms_of(config), .change = change_by_user()},
                          print_progress));
            std::printf(
                "%lld customers with something to bill: %lld drafted, %lld as they were, %lld "
                "final before, %lld whose month is not over\n",
                static_cast<long long>(report.customers), static_cast<long long>(report.drafted),
                static_cast<long long>(report.unchanged),
                static_cast<long long>(report.final_before),
                static_cast<long long>(report.not_over));
            print_problems(report, context);
            return {};
        });
    });
}

/// A step of one bill, or of all bills of a month.
struct StepCommand {
    std::string verb, about;
    Result<BillHead> (*take)(SqlConnection&, std::string_view, const Change&) = nullptr;
    /// Null: only one at a time.
    Result<BillRunReport> (*take_all)(SqlConnection&, YearMonth, const Change&,
                                      const Progress&) = nullptr;
};

Status run_step(const StepCommand& step, SqlConnection& store, const BillArgs& args,
                CommandContext* context) {
    if (args.id.empty() == args.month.empty())
        return fail(ErrorCode::invalid_request, "give either a bill's id or --month");
    if (!args.id.empty()) {
        TG_TRY(const BillHead head, step.take(store, args.id, change_by_user()));
        print_heads({head}, "table");
        return {};
    }
    TG_TRY(const YearMonth month, parse_year_month(args.month));
    TG_TRY(const BillRunReport report,
           step.take_all(store, month, change_by_user(), print_progress));
    std::printf("%lld of %lld bills: %s\n", static_cast<long long>(report.done),
                static_cast<long long>(report.customers), step.verb.c_str());
    print_problems(report, context);
    return {};
}

void add_step(CLI::App* group, CommandContext* context, const Args& args, const StepCommand& step) {
    CLI::App* command = group->add_subcommand(step.verb, step.about);
    CLI::Option* id = command->add_option("id", args->id, "e.g. BILL-acme-202611");
    if (step.take_all == nullptr)
        id->required();
    else
        command->add_option("--month", args->month, "all bills of this month instead");
    command->callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            return run_step(step, *store, *args, context);
        });
    });
}

void print_notes(const std::vector<BillNote>& notes) {
    TextTable table(
        {"note", "project", "net CNY", "VAT CNY", "total CNY", "refund CNY", "issued", "reason"});
    for (const BillNote& note : notes) {
        table.row({note.id, note.project, format_scaled(note.net_fen, 2, 2),
                   format_scaled(note.tax_fen, 2, 2), format_scaled(note.total_fen, 2, 2),
                   format_scaled(note.refund_fen, 2, 2), time_text(note.issued_at), note.reason});
    }
    table.print();
}

void add_note(CLI::App* group, CommandContext* context, const Args& args, NoteKind kind) {
    const bool is_credit = kind == NoteKind::credit;
    CLI::App* command =
        group->add_subcommand(is_credit ? "credit" : "debit",
                              is_credit ? "issue a credit note: take back a part of a final bill"
                                        : "issue a debit note: charge more on a final bill");
    command->add_option("id", args->id, "e.g. BILL-acme-202611")->required();
    command->add_option("--net", args->net, "RMB without tax, e.g. 12.50")->required();
    command->add_option("--project", args->project, "whose part is corrected");
    command->add_option("--reason", args->reason, "why; it stands on the note")->required();
    command->add_option("--reference", args->reference,
                        "your own number for it; asking again with it makes no second note");
    command->callback([=] {
        context->run([=](const Config& config) -> Status {
            const Result<int128> fen = parse_scaled(args->net, 2);
            if (!fen.ok() || *fen > std::numeric_limits<std::int64_t>::max()) {
                return fail(ErrorCode::invalid_request,
                            "--net '" + args->net +
                                "' is no amount such as 12.50, with at most two decimals");
            }
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const BillNote note, issue_note(*store,
                                                   {.bill_id = args->id,
                                                    .kind = kind,
                                                    .project = args->project,
                                                    .net_fen = static_cast<std::int64_t>(*fen),
                                                    .reason = args->reason,
                                                    .reference = args->reference},
                                                   change_by_user()));
            print_notes({note});
            return {};
        });
    });
}

void add_void(CLI::App* group, CommandContext* context, const Args& args) {
    CLI::App* command = group->add_subcommand(
        "void", "take back all that is left of a final bill, by credit notes");
    command->add_option("id", args->id, "e.g. BILL-acme-202611")->required();
    command->add_option("--reason", args->reason, "why; it stands on the notes")->required();
    command->callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const std::vector<BillNote> notes,
                   void_bill(*store, args->id, args->reason, change_by_user()));
            print_notes(notes);
            return {};
        });
    });
}

void add_notes(CLI::App* group, CommandContext* context, const Args& args) {
    CLI::App* command = group->add_subcommand("notes", "the credit and debit notes over a bill");
    command->add_option("id", args->id, "e.g. BILL-acme-202611")->required();
    command->callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const BillHead head, find_bill(*store, args->id, system_clock().now()));
            TG_TRY(const std::vector<BillNote> notes, list_notes(*store, head.id));
            print_notes(notes);
            return {};
        });
    });
}

}  // namespace

void add_bill_commands(CLI::App& app, CommandContext* context) {
    const auto args = std::make_shared<BillArgs>();
    CLI::App* group = app.add_subcommand(
        "bill", "the bill of a customer and month, and the steps that make it final");
    group->add_option("--customer", args->customer, "code of the customer");
    group->add_option("--month", args->month, "month, e.g. 2026-11");
    group->add_option("--project", args->project, "only this project's part");
    add_format(group, args, {"table", "json", "csv"});
    group->require_subcommand(0, 1);
    add_run(group, context, args);
    add_list(group, context, args);
    add_show(group, context, args);
    add_step(
        group, context, args,
        {"review", "say that a draft's figures have been looked at", review_bill, review_bills});
    add_step(
        group, context, args,
        {"finalise", "make a reviewed bill final: booked, in the proof log, never changed again",
         [](SqlConnection& store, std::string_view id, const Change& change) {
             return finalise_bill(store, id, change);
         },
         finalise_bills});
    add_step(group, context, args,
             {"send", "note that a final bill was handed to the customer", mark_bill_sent});
    add_note(group, context, args, NoteKind::credit);
    add_note(group, context, args, NoteKind::debit);
    add_void(group, context, args);
    add_notes(group, context, args);
    group->callback([=] {
        if (!group->get_subcommands().empty()) return;
        if (args->customer.empty() || args->month.empty())
            throw CLI::RequiredError("--customer and --month, or a subcommand");
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const YearMonth month, parse_year_month(args->month));
            TG_TRY(
                const Bill bill,
                current_bill(*store, args->customer, month, terms_of(config),
                             args->project.empty() ? std::nullopt : std::optional(args->project)));
            print_bill(bill, args->format);
            return {};
        });
    });
}

}  // namespace tg
