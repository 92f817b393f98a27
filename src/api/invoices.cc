#include "invoicing/invoices.h"

#include "api/internal/route.h"
#include "documents/documents.h"
#include "invoicing/invoice_titles.h"

namespace tg::api {
namespace {

/// {"data":[...]} of what has a JSON text of its own.
template <typename T, typename Write>
ApiReply data_reply(const std::vector<T>& all, const Write& write) {
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const T& each : all) json.raw(write(each));
    json.end_array().end_object();
    return json_reply(200, std::move(body));
}

Result<ApiReply> titles(Call& call) {
    CustomerId of;
    if (const auto wanted = call.query.text("customer")) {
        TG_TRY(const Customer customer, call.customer(*wanted));
        of = customer.id;
    }
    TG_TRY(const bool with_retired, call.query.flag("retired"));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<InvoiceTitle> found, list_titles(*connection, of, with_retired));
    return data_reply(found, title_as_json);
}

Result<ApiReply> create_title(Call& call) {
    TG_TRY(Body body, call.body());
    NewInvoiceTitle title{.customer = body.required_text("customer")};
    title.buyer.name = body.required_text("name");
    const std::pair<std::string_view, std::string*> fields[] = {
        {"tax_number", &title.buyer.tax_number},
        {"address", &title.buyer.address},
        {"phone", &title.buyer.phone},
        {"bank_name", &title.buyer.bank_name},
        {"bank_account", &title.buyer.bank_account},
        {"email", &title.buyer.email}};
    for (const auto& [name, into] : fields) *into = body.text(name).value_or("");
    title.is_general_taxpayer = body.flag("is_general_taxpayer").value_or(false);
    TG_CHECK_OK(body.finish());
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const InvoiceTitle added, add_title(*connection, title, call.change()));
    return json_reply(200, title_as_json(added));
}

Result<ApiReply> retire(Call& call) {
    TG_TRY(Body body, call.body());
    TG_CHECK_OK(body.finish());
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const InvoiceTitle retired, retire_title(*connection, call.path[0], call.change()));
    return json_reply(200, title_as_json(retired));
}

Result<ApiReply> list(Call& call) {
    InvoiceFilter filter;
    if (const auto wanted = call.query.text("customer")) {
        TG_TRY(const Customer customer, call.customer(*wanted));
        filter.customers = {customer.id};
    }
    filter.bill_id = call.query.text("bill").value_or("");
    if (const auto state = call.query.text("state")) {
        TG_TRY(filter.state, parse_invoice_state(*state));
    }
    if (filter.customers.empty() && filter.bill_id.empty() && !filter.state) {
        return fail(ErrorCode::invalid_request,
                    "the list of all invoices is long: give 'customer', 'bill' or 'state'");
    }
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<VatInvoice> found, list_invoices(*connection, filter));
    return data_reply(found, invoice_as_json);
}

Result<ApiReply> find(Call& call) {
    const std::string format = call.query.text("format").value_or("json");
    TG_TRY(const Language language, parse_language(call.query.text("language").value_or("zh")));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const VatInvoice found, find_invoice(*connection, call.path[0]));
    if (format == "json") return json_reply(200, invoice_as_json(found));
    if (format != "pdf") {
        return fail(ErrorCode::invalid_request,
                    "'" + format + "' is no format of an invoice; those are json and pdf");
    }
    TG_TRY(std::string pdf, invoice_as_pdf(found, {.language = language,
                                                   .issuer = call.options->issuer,
                                                   .drawer = call.options->invoices.drawer,
                                                   .time_zone = call.options->invoices.time_zone}));
    return ApiReply{.content_type = "application/pdf", .body = std::move(pdf)};
}

Result<InvoiceSource> parse_source(const JsonValue& value) {
    if (value.kind != JsonValue::Kind::object) {
        return fail(ErrorCode::invalid_request,
                    "a source is an object with 'bill', and 'project' and 'net_cny' for a part");
    }
    TG_TRY(Body body, parse_body(json_text(value)));
    InvoiceSource out{.bill_id = body.required_text("bill"),
                      .project = body.text("project").value_or("")};
    const std::optional<std::int64_t> net = body.cents("net_cny");
    TG_CHECK_OK(body.finish());
    if (net && *net <= 0) {
        return fail(ErrorCode::invalid_request,
                    "the net_cny of a source is above 0; leave it out for all that is left");
    }
    out.net_fen = net.value_or(0);
    return out;
}

/// The member, an array of sources; absent is none.
Result<std::vector<InvoiceSource>> parse_sources(Body* body, std::string_view name) {
    std::vector<InvoiceSource> out;
    const JsonValue* const list = body->value(name);
    if (list == nullptr) return out;
    if (list->kind != JsonValue::Kind::array)
        return fail(ErrorCode::invalid_request, "'" + std::string(name) + "' is an array");
    for (const JsonValue& each : list->items) {
        TG_TRY(InvoiceSource source, parse_source(each));
        out.push_back(std::move(source));
    }
    return out;
}

Result<ApiReply> request(Call& call) {
    TG_TRY(Body body, call.body());
    InvoiceRequest wanted{.title = body.text("title").value_or(""),
                          .remark = body.text("remark").value_or(""),
                          .reference = call.request->idempotency_key};
    const std::string kind = body.text("kind").value_or("normal");
    const std::string form = body.text("form").value_or("digital");
    TG_TRY(wanted.sources, parse_sources(&body, "sources"));
    TG_CHECK_OK(body.finish());
    TG_TRY(wanted.kind, parse_invoice_kind(kind));
    TG_TRY(wanted.form, parse_invoice_form(form));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const VatInvoice made,
           request_invoice(*connection, wanted, call.options->invoices, call.change()));
    return json_reply(200, invoice_as_json(made));
}

Result<ApiReply> request_red(Call& call) {
    TG_TRY(Body body, call.body());
    RedInvoiceRequest wanted{.invoice_id = call.path[0],
                             .remark = body.text("remark").value_or(""),
                             .reference = call.request->idempotency_key};
    const std::string reason = body.required_text("reason");
    TG_TRY(wanted.parts, parse_sources(&body, "parts"));
    TG_CHECK_OK(body.finish());
    TG_TRY(wanted.reason, parse_red_reason(reason));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const VatInvoice made,
           request_red_invoice(*connection, wanted, call.options->invoices, call.change()));
    return json_reply(200, invoice_as_json(made));
}

Result<ApiReply> take_back(Call& call, Result<VatInvoice> (*take)(SqlConnection&, std::string_view,
                                                                  const Change&)) {
    TG_TRY(Body body, call.body());
    TG_CHECK_OK(body.finish());
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const VatInvoice taken, take(*connection, call.path[0], call.change()));
    return json_reply(200, invoice_as_json(taken));
}

Result<ApiReply> withdraw(Call& call) {
    return take_back(call, withdraw_invoice);
}

Result<ApiReply> cancel(Call& call) {
    return take_back(call, cancel_invoice);
}

Result<ApiReply> left(Call& call) {
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<Uninvoiced> parts, uninvoiced_parts(*connection, call.path[0]));
    return data_reply(parts, [](const Uninvoiced& part) {
        std::string out;
        JsonWriter(out)
            .begin_object()
            .field("project", part.project)
            .field("net_cny", format_scaled(part.net_fen, 2, 2))
            .field("vat_cny", format_scaled(part.tax_fen, 2, 2))
            .end_object();
        return out;
    });
}

}  // namespace

std::span<const Route> invoice_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/invoice-titles", kReaders, titles, {"customer", "retired"}},
        {"POST", "/invoice-titles", kFinance, create_title},
        {"POST", "/invoice-titles/{title}/retire", kFinance, retire},
        {"GET", "/invoices", kReaders, list, {"customer", "bill", "state"}},
        {"POST", "/invoices", kFinance, request},
        {"GET", "/invoices/{invoice}", kReaders, find, {"format", "language"}},
        {"POST", "/invoices/{invoice}/red", kFinance, request_red},
        {"POST", "/invoices/{invoice}/withdraw", kFinance, withdraw},
        {"POST", "/invoices/{invoice}/cancel", kFinance, cancel},
        {"GET", "/bills/{bill}/uninvoiced", kReaders, left},
    };
    return kRoutes;
}

}  // namespace tg::api
