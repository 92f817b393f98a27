#include <cstdio>

#include "app/command_args.h"
#include "app/commands.h"
#include "app/invoice_desks.h"
#include "app/output.h"
#include "documents/documents.h"
#include "invoicing/invoice_titles.h"

namespace tg {
namespace {

struct InvoiceArgs {
    std::string customer, id, title, reason, remark, reference, state, bill, output;
    std::string name, tax_number, address, phone, bank_name, bank_account, email;
    std::string kind = "normal", form = "digital", format = "table", language = "zh";
    std::vector<std::string> bills, parts;
    bool is_general_taxpayer = false, with_retired = false;
};
using Args = std::shared_ptr<InvoiceArgs>;

void print_titles(const std::vector<InvoiceTitle>& titles) {
    TextTable table({"title", "customer", "name", "tax number", "general taxpayer", "address",
                     "bank", "mail", "retired"});
    for (const InvoiceTitle& each : titles) {
        const InvoiceParty& buyer = each.buyer;
        table.row({each.id, each.customer_code, buyer.name, buyer.tax_number,
                   each.is_general_taxpayer ? "yes" : "no", buyer.address + " " + buyer.phone,
                   buyer.bank_name + " " + buyer.bank_account, buyer.email,
                   each.is_retired() ? format_rfc3339(each.retired_at).substr(0, 10) : ""});
    }
    table.print();
}

void print_invoices(const std::vector<VatInvoice>& invoices, const std::string& format) {
    TextTable table({"invoice", "customer", "kind", "state", "net CNY", "VAT CNY", "total CNY",
                     "number", "takes back", "platform", "detail"});
    for (const VatInvoice& each : invoices) {
        table.row({each.id, each.customer_code, std::string(name(each.kind)),
                   std::string(name(each.state)), format_scaled(each.net_fen, 2, 2),
                   format_scaled(each.tax_fen, 2, 2), format_scaled(each.total_fen, 2, 2),
                   each.official_number, each.blue_id, each.platform, each.failure});
    }
    format == "csv" ? table.print_csv() : table.print();
}

/// "BILL-acme-202611/chat=50.00": a project's part of a bill; without an amount all that is left.
Result<InvoiceSource> parse_part(const std::string& text) {
    InvoiceSource out;
    const std::size_t equals = text.rfind('=');
    const std::string where = text.substr(0, equals);
    const std::size_t slash = where.find('/');
    if (slash == std::string::npos || slash == 0 || slash + 1 == where.size()) {
        return fail(ErrorCode::invalid_request,
                    "'" + text +
                        "' is no part of a bill; write BILL/PROJECT or "
                        "BILL/PROJECT=NET, e.g. BILL-acme-202611/chat=50.00");
    }
    out.bill_id = where.substr(0, slash);
    out.project = where.substr(slash + 1);
    if (equals == std::string::npos) return out;
    TG_TRY(out.net_fen, parse_cents(text.substr(equals + 1), "--part"));
    if (out.net_fen > 0) return out;
    return fail(ErrorCode::invalid_request, "the amount of '" + text + "' is not above 0");
}

Result<std::vector<InvoiceSource>> parse_sources(const InvoiceArgs& args) {
    std::vector<InvoiceSource> out;
    for (const std::string& bill : args.bills) out.push_back({.bill_id = bill});
    for (const std::string& part : args.parts) {
        TG_TRY(InvoiceSource source, parse_part(part));
        out.push_back(std::move(source));
    }
    return out;
}

void add_titles(Command group, CommandContext* context, const Args& args) {
    Command list = group.add_subcommand("titles", "whom invoices are made out to");
    list.add_option("--customer", args->customer, "code of the customer");
    list.add_flag("--all", args->with_retired, "those that were retired too");
    list.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            CustomerId customer;
            if (!args->customer.empty()) {
                TG_TRY(customer, customer_id(*store, args->customer));
            }
            TG_TRY(const std::vector<InvoiceTitle> found,
                   list_titles(*store, customer, args->with_retired));
            print_titles(found);
            return {};
        });
    });
    Command retire = group.add_subcommand("retire-title", "use a title no more");
    retire.add_option("id", args->id, "e.g. TITLE-3").required();
    retire.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const InvoiceTitle retired, retire_title(*store, args->id, change_by_user()));
            print_titles({retired});
            return {};
        });
    });
}

void add_title_command(Command group, CommandContext* context, const Args& args) {
    Command add = group.add_subcommand(
        "add-title", "whom a customer's invoices are made out to: the buyer's name and tax data");
    add.add_option("--customer", args->customer, "code of the customer").required();
    add.add_option("--name", args->name, "as on the business licence").required();
    add.add_option("--tax-number", args->tax_number, "unified social credit code");
    add.add_option("--address", args->address);
    add.add_option("--phone", args->phone);
    add.add_option("--bank", args->bank_name);
    add.add_option("--account", args->bank_account);
    add.add_option("--email", args->email, "where invoices are delivered");
    add.add_flag("--general-taxpayer", args->is_general_taxpayer,
                 "may get special invoices, whose tax it deducts");
    add.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const InvoiceTitle added,
                   add_title(*store,
                             {.customer = args->customer,
                              .buyer = {.name = args->name,
                                        .tax_number = args->tax_number,
                                        .address = args->address,
                                        .phone = args->phone,
                                        .bank_name = args->bank_name,
                                        .bank_account = args->bank_account,
                                        .email = args->email},
                              .is_general_taxpayer = args->is_general_taxpayer},
                             change_by_user()));
            print_titles({added});
            return {};
        });
    });
}

void add_request(Command group, CommandContext* context, const Args& args) {
    Command command =
        group.add_subcommand("request", "a VAT invoice over final bills: one, several, or parts");
    command.add_option("--bill", args->bills, "all that is left of this bill; may be repeated");
    command.add_option("--part", args->parts,
                       "BILL/PROJECT or BILL/PROJECT=NET, a project's part; may be repeated");
    command.add_option("--title", args->title, "e.g. TITLE-3, where the customer has several");
    command.add_option("--kind", args->kind, "special or normal");
    command.add_option("--form", args->form, "digital or paper");
    command.add_option("--remark", args->remark, "printed on the invoice");
    command.add_option("--reference", args->reference,
                       "your own number for it; asking again with it makes no second invoice");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            InvoiceRequest request{
                .title = args->title, .remark = args->remark, .reference = args->reference};
            TG_TRY(request.kind, parse_invoice_kind(args->kind));
            TG_TRY(request.form, parse_invoice_form(args->form));
            TG_TRY(request.sources, parse_sources(*args));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const VatInvoice made,
                   request_invoice(*store, request, invoice_settings(config), change_by_user()));
            print_invoices({made}, "table");
            return {};
        });
    });
}

void add_red(Command group, CommandContext* context, const Args& args) {
    Command command =
        group.add_subcommand("red", "take an issued invoice back, or a part: a red-letter invoice");
    command.add_option("id", args->id, "the blue one, e.g. INV-20261127-1").required();
    command
        .add_option("--reason", args->reason,
                    "issued_in_error (the whole), returned, service_ended or allowance")
        .required();
    command.add_option("--part", args->parts,
                       "BILL/PROJECT or BILL/PROJECT=NET; without it all that is left");
    command.add_option("--remark", args->remark, "printed on the invoice");
    command.add_option("--reference", args->reference,
                       "your own number for it; asking again with it makes no second invoice");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            RedInvoiceRequest request{
                .invoice_id = args->id, .remark = args->remark, .reference = args->reference};
            TG_TRY(request.reason, parse_red_reason(args->reason));
            TG_TRY(request.parts, parse_sources(*args));
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(
                const VatInvoice made,
                request_red_invoice(*store, request, invoice_settings(config), change_by_user()));
            print_invoices({made}, "table");
            return {};
        });
    });
}

/// One that takes an invoice back by itself, without a red letter.
void add_take_back(Command group, CommandContext* context, const Args& args,
                   const std::string& command_name, const std::string& about,
                   Result<VatInvoice> (*take)(SqlConnection&, std::string_view, const Change&)) {
    Command command = group.add_subcommand(command_name, about);
    command.add_option("id", args->id, "e.g. INV-20261127-1").required();
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const VatInvoice taken, take(*store, args->id, change_by_user()));
            print_invoices({taken}, "table");
            return {};
        });
    });
}

void add_list(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("list", "invoices, those under way and failed too");
    command.add_option("--customer", args->customer, "code of the customer");
    command.add_option("--bill", args->bill, "those that cover (a part of) this bill");
    command.add_option("--state", args->state,
                       "requested, sent, issuing, confirming, issued, failed or cancelled");
    command.add_option("--format", args->format).one_of({"table", "csv"});
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            InvoiceFilter filter{.bill_id = args->bill};
            if (!args->customer.empty()) {
                TG_TRY(const CustomerId customer, customer_id(*store, args->customer));
                filter.customers = {customer};
            }
            if (!args->state.empty()) {
                TG_TRY(filter.state, parse_invoice_state(args->state));
            }
            TG_TRY(const std::vector<VatInvoice> found, list_invoices(*store, filter));
            print_invoices(found, args->format);
            return {};
        });
    });
}

void add_left(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("left", "what of a final bill no invoice covers");
    command.add_option("bill", args->bill, "e.g. BILL-acme-202611").required();
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const std::vector<Uninvoiced> left, uninvoiced_parts(*store, args->bill));
            TextTable table({"project", "net CNY", "VAT CNY"});
            for (const Uninvoiced& part : left) {
                table.row({part.project, format_scaled(part.net_fen, 2, 2),
                           format_scaled(part.tax_fen, 2, 2)});
            }
            table.print();
            return {};
        });
    });
}

Status print_invoice(const VatInvoice& invoice, const Config& config, const InvoiceArgs& args) {
    if (args.format == "json") {
        print_text(invoice_as_json(invoice) + "\n");
        return {};
    }
    if (args.format == "table") {
        print_invoices({invoice}, "table");
        return {};
    }
    TG_TRY(const Language language, parse_language(args.language));
    BillFile file{.bytes = {},
                  .content_type = "application/pdf",
                  .name = invoice.id + ".pdf",
                  .is_binary = true};
    TG_TRY(file.bytes, invoice_as_pdf(invoice, {.language = language,
                                                .issuer = config.issuer,
                                                .drawer = config.invoicing.drawer,
                                                .time_zone = config.default_time_zone}));
    return print_document(file, args.output);
}

void add_show(Command group, CommandContext* context, const Args& args) {
    Command command = group.add_subcommand("show", "one invoice");
    command.add_option("id", args->id, "e.g. INV-20261127-1").required();
    command.add_option("--format", args->format).one_of({"table", "json", "pdf"});
    command.add_option("--language", args->language, "of the PDF").one_of({"en", "zh"});
    command.add_option("--output", args->output, "a file for the PDF");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const VatInvoice found, find_invoice(*store, args->id));
            return print_invoice(found, config, *args);
        });
    });
}

void add_poll(Command group, CommandContext* context) {
    Command command = group.add_subcommand(
        "poll",
        "ask the platforms now what became of the invoices under way, and send new ones; a "
        "running server does so every few seconds");
    command.callback([=] {
        context->run([=](const Config& config) -> Status {
            TG_TRY(const auto store, context->open_store(config));
            TG_TRY(const DeskReport report,
                   work_at_invoices(*store, config, InvoiceDesk::Which::all, system_clock().now()));
            std::printf(
                "%lld invoices looked at: %lld issued, %lld failed, %lld under way\n",
                static_cast<long long>(report.looked_at), static_cast<long long>(report.issued),
                static_cast<long long>(report.failed), static_cast<long long>(report.under_way));
            return {};
        });
    });
}

}  // namespace

void add_invoice_commands(Command app, CommandContext* context) {
    Command group = app.add_subcommand("invoice", "VAT invoices: request, red letters, buyers");
    group.require_subcommand();
    const auto args = std::make_shared<InvoiceArgs>();
    add_title_command(group, context, args);
    add_titles(group, context, args);
    add_request(group, context, args);
    add_red(group, context, args);
    add_take_back(group, context, args, "withdraw", "take back a request that was not sent yet",
                  withdraw_invoice);
    add_take_back(group, context, args, "cancel",
                  "cancel an invoice on paper within its month (作废); a digital one never is",
                  cancel_invoice);
    add_list(group, context, args);
    add_left(group, context, args);
    add_show(group, context, args);
    add_poll(group, context);
}

}  // namespace tg
