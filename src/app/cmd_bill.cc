#include <cstdio>

#include "app/command_args.h"
#include "app/commands.h"
#include "app/output.h"
#include "billing/bill_notes.h"
#include "billing/bill_register.h"
#include "documents/documents.h"

namespace tg {
namespace {

struct BillArgs {
    std::string customer, month, project, id, status, net, reason, reference, output;
    std::string format = "table", language = "en", note_format = "json";
};
using Args = std::shared_ptr<BillArgs>;

BillTerms terms_of(const Config& config) {
    return {.usd_cny_e8 = config.usd_cny_e8, .vat_ppm = config.vat_ppm};
}

/// To the file of --output, or to the terminal.
Status print_bill(const Bill& bill, const Config& config, const BillArgs& args) {
    TG_TRY(const Language language, parse_language(args.language));
    TG_TRY(const BillFile file,
           render_bill(bill, args.format, {.language = language, .issuer = config.issuer}));
    return print_document(file, args.output);
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

void add_format(Command command, const Args& args, std::vector<std::string> formats) {
    command.add_option("--format", args->format).one_of(std::move(formats));
}

void add_output(Command command, const Args& args) {
    command.add_option("--format", args->format, "table, json, csv, pdf, xlsx or focus");
    command.add_option("--language", args->language, "of pdf and xlsx: en or zh");
    command.add_option("--output", args->output, "write it to this file");
}

void add_show(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("show", "one bill, by its id");
    command.add_option("id", args->id, "e.g. BILL-acme-202611").required();
    command.add_option("--project", args->project, "only this project's part");
    add_output(command, args);
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const BillHead head, find_bill(*store, args->id, system_clock().now()));
            TG_TRY(
                const Bill bill,
                current_bill(*store, head.customer_code, head.month, head.terms,
                             args->project.empty() ? std::nullopt : std::optional(args->project)));
            return print_bill(bill, config, *args);
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
    TG_TRY(out.customer, customer_id(store, args.customer));
    return out;
}

void add_list(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("list", "the bills there are, newest month first");
    command.add_option("--customer", args->customer, "code of the customer");
    command.add_option("--month", args->month, "month, e.g. 2026-11");
    command.add_option("--status", args->status,
                       "draft, reviewed, finalised, sent, paid, overdue or void");
    add_format(command, args, {"table", "csv"});
    command.callback([=] {
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

void add_run(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand(
        "run", "draft the bills of all customers for a month that is over; may be repeated");
    command.add_option("--month", args->month, "month, e.g. 2026-11").required();
    command.callback([=] {
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
    Result<BillHead> (*take)(SqlConnection&, std::string_view, const Change&, FinalBy) = nullptr;
    /// Null: only one at a time.
    Result<BillRunReport> (*take_all)(SqlConnection&, YearMonth, const Change&, const Progress&,
                                      FinalBy) = nullptr;
};

Status run_step(const StepCommand& step, SqlConnection& store, const Config& config,
                const BillArgs& args, CommandContext* context) {
    if (args.id.empty() == args.month.empty())
        return fail(ErrorCode::invalid_request, "give either a bill's id or --month");
    if (!args.id.empty()) {
        TG_TRY(const BillHead head,
               step.take(store, args.id, change_by_user(), config.finalise_by));
        print_heads({head}, "table");
        return {};
    }
    TG_TRY(const YearMonth month, parse_year_month(args.month));
    TG_TRY(const BillRunReport report,
           step.take_all(store, month, change_by_user(), print_progress, config.finalise_by));
    std::printf("%lld of %lld bills: %s\n", static_cast<long long>(report.done),
                static_cast<long long>(report.customers), step.verb.c_str());
    print_problems(report, context);
    return {};
}

void add_step(Command group, CommandContext* context, const Args& args, const StepCommand& step) {
    Command command = group.add_subcommand(step.verb, step.about);
    CommandOption id = command.add_option("id", args->id, "e.g. BILL-acme-202611");
    if (step.take_all == nullptr)
        id.required();
    else
        command.add_option("--month", args->month, "all bills of this month instead");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            return run_step(step, *store, config, *args, context);
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

void add_note(Command group, CommandContext* context, const Args& args, NoteKind kind) {
    const bool is_credit = kind == NoteKind::credit;
    Command command =
        group.add_subcommand(is_credit ? "credit" : "debit",
                             is_credit ? "issue a credit note: take back a part of a final bill"
                                       : "issue a debit note: charge more on a final bill");
    command.add_option("id", args->id, "e.g. BILL-acme-202611").required();
    command.add_option("--net", args->net, "RMB without tax, e.g. 12.50").required();
    command.add_option("--project", args->project, "whose part is corrected");
    command.add_option("--reason", args->reason, "why; it stands on the note").required();
    command.add_option("--reference", args->reference,
                       "your own number for it; asking again with it makes no second note");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const std::int64_t net_fen, parse_cents(args->net, "--net"));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const BillNote note, issue_note(*store,
                                                   {.bill_id = args->id,
                                                    .kind = kind,
                                                    .project = args->project,
                                                    .net_fen = net_fen,
                                                    .reason = args->reason,
                                                    .reference = args->reference},
                                                   change_by_user()));
            print_notes({note});
            return {};
        });
    });
}

void add_void(Command group, CommandContext* context, const Args& args) {
    Command command =
        group.add_subcommand("void", "take back all that is left of a final bill, by credit notes");
    command.add_option("id", args->id, "e.g. BILL-acme-202611").required();
    command.add_option("--reason", args->reason, "why; it stands on the notes").required();
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const std::vector<BillNote> notes,
                   void_bill(*store, args->id, args->reason, change_by_user()));
            print_notes(notes);
            return {};
        });
    });
}

void add_notes(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("notes", "the credit and debit notes over a bill");
    command.add_option("id", args->id, "e.g. BILL-acme-202611").required();
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const BillHead head, find_bill(*store, args->id, system_clock().now()));
            TG_TRY(const std::vector<BillNote> notes, list_notes(*store, head.id));
            print_notes(notes);
            return {};
        });
    });
}

/// One note, word for word or as a page.
void add_show_note(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("note", "one credit or debit note");
    command.add_option("id", args->id, "e.g. CN-acme-202611-1").required();
    command.add_option("--format", args->note_format).one_of({"json", "pdf"});
    command.add_option("--language", args->language, "of the PDF").one_of({"en", "zh"});
    command.add_option("--output", args->output, "a file instead of the terminal");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const Language language, parse_language(args->language));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const BillNote note, find_note(*store, args->id));
            BillFile file{.bytes = note_as_json(note),
                          .content_type = "application/json",
                          .name = note.id + "." + args->note_format};
            if (args->note_format == "pdf") {
                TG_TRY(const BillHead head, find_bill(*store, note.bill_id, system_clock().now()));
                TG_TRY(const Bill bill,
                       current_bill(*store, head.customer_code, head.month, terms_of(config)));
                TG_TRY(file.bytes,
                       note_as_pdf(note, bill, {.language = language, .issuer = config.issuer}));
                file.content_type = "application/pdf";
                file.is_binary = true;
            }
            return print_document(file, args->output);
        });
    });
}

}  // namespace

void add_bill_commands(Command app, CommandContext* context) {
    const auto args = std::make_shared<BillArgs>();
    Command group = app.add_subcommand(
        "bill", "the bill of a customer and month, and the steps that make it final");
    group.add_option("--customer", args->customer, "code of the customer");
    group.add_option("--month", args->month, "month, e.g. 2026-11");
    group.add_option("--project", args->project, "only this project's part");
    add_output(group, args);
    group.allow_subcommand();
    add_run(group, context, args);
    add_list(group, context, args);
    add_show(group, context, args);
    add_step(
        group, context, args,
        {"review", "say that a draft's figures have been looked at",
         [](SqlConnection& store, std::string_view id, const Change& change, FinalBy) {
             return review_bill(store, id, change);
         },
         [](SqlConnection& store, YearMonth month, const Change& change, const Progress& progress,
            FinalBy) { return review_bills(store, month, change, progress); }});
    add_step(
        group, context, args,
        {"finalise", "make a reviewed bill final: booked, in the proof log, never changed again",
         finalise_bill, finalise_bills});
    add_step(group, context, args,
             {"send", "note that a final bill was handed to the customer",
              [](SqlConnection& store, std::string_view id, const Change& change, FinalBy) {
                  return mark_bill_sent(store, id, change);
              }});
    add_note(group, context, args, NoteKind::credit);
    add_note(group, context, args, NoteKind::debit);
    add_void(group, context, args);
    add_notes(group, context, args);
    add_show_note(group, context, args);
    add_write_off_command(group, context);
    add_bill_adjust_commands(group, context);
    group.callback([=] {
        if (group.has_subcommand()) return;
        if (args->customer.empty() || args->month.empty())
            fail_usage("--customer and --month, or a subcommand");
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const YearMonth month, parse_year_month(args->month));
            TG_TRY(
                const Bill bill,
                current_bill(*store, args->customer, month, terms_of(config),
                             args->project.empty() ? std::nullopt : std::optional(args->project)));
            return print_bill(bill, config, *args);
        });
    });
}

}  // namespace tg
