#include "api/internal/route.h"
#include "billing/bill_notes.h"
#include "billing/bill_register.h"
#include "documents/documents.h"

namespace tg::api {
namespace {

std::optional<UtcMicros> set_time(UtcMicros time) {
    return time.micros == 0 ? std::nullopt : std::optional(time);
}

void write_head(JsonWriter& json, const BillHead& head) {
    json.begin_object().field("id", head.id).field("customer", head.customer_code);
    json.field("month", to_string(head.month)).field("status", name(head.status));
    json.field("net_cny", format_scaled(head.net_fen, 2, 2))
        .field("vat_cny", format_scaled(head.tax_fen, 2, 2))
        .field("total_cny", format_scaled(head.total_fen, 2, 2))
        .field("open_cny", format_scaled(head.open_fen, 2, 2))
        .field("credited_cny", format_scaled(head.credited_fen, 2, 2));
    json.field("usd_cny_rate", format_scaled(head.terms.usd_cny_e8, 8, 2))
        .field("vat_percent", format_scaled(head.terms.vat_ppm, 4, 0));
    write_time(json, "drafted_at", set_time(head.drafted_at));
    write_time(json, "reviewed_at", set_time(head.reviewed_at));
    json.field("reviewed_by", head.reviewed_by);
    write_time(json, "finalised_at", set_time(head.finalised_at));
    json.field("finalised_by", head.finalised_by);
    write_time(json, "due_at", set_time(head.due_at));
    write_time(json, "sent_at", set_time(head.sent_at));
    json.end_object();
}

Result<ApiReply> head_reply(const Result<BillHead>& head) {
    if (!head.ok()) return fail(head.error());
    std::string body;
    JsonWriter json(body);
    write_head(json, *head);
    return json_reply(200, std::move(body));
}

Result<ApiReply> list(Call& call) {
    BillFilter filter;
    if (const auto wanted = call.query.text("customer")) {
        TG_TRY(const Customer customer, call.customer(*wanted));
        filter.customer = customer.id;
    }
    if (const auto month = call.query.text("month")) {
        TG_TRY(filter.month, parse_year_month(*month));
    }
    if (const auto status = call.query.text("status")) {
        TG_TRY(filter.status, parse_bill_status(*status));
    }
    if (!filter.customer && !filter.month) {
        return fail(ErrorCode::invalid_request,
                    "the list of all bills is long: give 'customer' or 'month' (2026-11), or both");
    }
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<BillHead> bills, list_bills(*connection, filter, call.now));
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const BillHead& head : bills) write_head(json, head);
    json.end_array().end_object();
    return json_reply(200, std::move(body));
}

Result<ApiReply> find(Call& call) {
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    return head_reply(find_bill(*connection, call.path[0], call.now));
}

Result<ApiReply> get(Call& call) {
    const std::string format = call.query.text("format").value_or("json");
    TG_TRY(const Language language, parse_language(call.query.text("language").value_or("en")));
    TG_TRY(const YearMonth month, parse_year_month(call.path[1]));
    TG_TRY(const Customer customer, call.customer(call.path[0]));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const Bill bill, current_bill(*connection, customer.code, month, call.options->terms,
                                         call.query.text("project")));
    TG_TRY(BillFile file,
           render_bill(bill, format, {.language = language, .issuer = call.options->issuer}));
    return ApiReply{.content_type = file.content_type, .body = std::move(file.bytes)};
}

/// A step of the bill in the path; nothing stands in the body.
template <typename Take>
Result<ApiReply> step(Call& call, const Take& take) {
    TG_TRY(Body body, call.body());
    TG_CHECK_OK(body.finish());
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    return head_reply(take(*connection, call.path[0], call.change()));
}

Result<ApiReply> review(Call& call) {
    return step(call, review_bill);
}

Result<ApiReply> finalise(Call& call) {
    return step(call, [&](SqlConnection& store, std::string_view id, const Change& change) {
        return finalise_bill(store, id, change, call.options->finalise_by);
    });
}

Result<ApiReply> send(Call& call) {
    return step(call, mark_bill_sent);
}

void write_note(JsonWriter& json, const BillNote& note) {
    json.raw(note_as_json(note));
}

ApiReply notes_reply(const std::vector<BillNote>& notes) {
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const BillNote& note : notes) write_note(json, note);
    json.end_array().end_object();
    return json_reply(200, std::move(body));
}

Result<ApiReply> notes(Call& call) {
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const BillHead head, find_bill(*connection, call.path[0], call.now));
    TG_TRY(const std::vector<BillNote> found, list_notes(*connection, head.id));
    return notes_reply(found);
}

Result<ApiReply> show_note(Call& call) {
    const std::string format = call.query.text("format").value_or("json");
    TG_TRY(const Language language, parse_language(call.query.text("language").value_or("en")));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const BillNote note, find_note(*connection, call.path[0]));
    if (format == "json") return json_reply(200, note_as_json(note));
    if (format != "pdf") {
        return fail(ErrorCode::invalid_request,
                    "'" + format + "' is no format of a note; those are json and pdf");
    }
    TG_TRY(const BillHead head, find_bill(*connection, note.bill_id, call.now));
    TG_TRY(const Bill bill,
           current_bill(*connection, head.customer_code, head.month, call.options->terms));
    TG_TRY(std::string pdf,
           note_as_pdf(note, bill, {.language = language, .issuer = call.options->issuer}));
    return ApiReply{.content_type = "application/pdf", .body = std::move(pdf)};
}

Result<ApiReply> add_note(Call& call) {
    TG_TRY(Body body, call.body());
    NoteRequest request{.bill_id = call.path[0], .reason = {}};
    const std::string kind = body.required_text("kind");
    request.net_fen = body.required_cents("net_cny");
    request.project = body.text("project").value_or("");
    request.reason = body.required_text("reason");
    TG_CHECK_OK(body.finish());
    if (kind != name(NoteKind::credit) && kind != name(NoteKind::debit))
        return fail(ErrorCode::invalid_request, "'kind' must be credit_note or debit_note");
    request.kind = kind == name(NoteKind::credit) ? NoteKind::credit : NoteKind::debit;
    request.reference = call.request->idempotency_key;
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const BillNote note, issue_note(*connection, request, call.change()));
    return json_reply(200, note_as_json(note));
}

Result<ApiReply> take_back(Call& call) {
    TG_TRY(Body body, call.body());
    const std::string reason = body.required_text("reason");
    TG_CHECK_OK(body.finish());
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<BillNote> issued,
           void_bill(*connection, call.path[0], reason, call.change()));
    return notes_reply(issued);
}

std::string report_json(YearMonth month, const BillRunReport& report) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("month", to_string(month)).field("customers", report.customers);
    json.field("drafted", report.drafted)
        .field("unchanged", report.unchanged)
        .field("final_before", report.final_before)
        .field("not_over", report.not_over)
        .field("done", report.done);
    json.key("problems").begin_array();
    for (const BillRunReport::Problem& problem : report.problems) {
        json.begin_object()
            .field("customer", problem.customer)
            .field("reason", problem.reason)
            .end_object();
    }
    json.end_array().end_object();
    return out;
}

Result<ApiReply> run(Call& call) {
    TG_TRY(Body body, call.body());
    const std::string text = body.required_text("month");
    TG_CHECK_OK(body.finish());
    TG_TRY(const YearMonth month, parse_year_month(text));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const BillRunReport report,
           run_bills(*connection,
                     {.month = month, .terms = call.options->terms, .change = call.change()}));
    return json_reply(200, report_json(month, report));
}

/// A step of all bills of the month in the path.
template <typename Take>
Result<ApiReply> step_all(Call& call, const Take& take) {
    TG_TRY(Body body, call.body());
    TG_CHECK_OK(body.finish());
    TG_TRY(const YearMonth month, parse_year_month(call.path[0]));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const BillRunReport report, take(*connection, month, call.change()));
    return json_reply(200, report_json(month, report));
}

Result<ApiReply> review_all(Call& call) {
    return step_all(call, [](SqlConnection& store, YearMonth month, const Change& change) {
        return review_bills(store, month, change);
    });
}

Result<ApiReply> finalise_all(Call& call) {
    return step_all(call, [&](SqlConnection& store, YearMonth month, const Change& change) {
        return finalise_bills(store, month, change, nullptr, call.options->finalise_by);
    });
}

}  // namespace

std::span<const Route> bill_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/bills", kReaders, list, {"customer", "month", "status"}},
        {"GET", "/bills/{bill}", kReaders, find},
        // Before the next one, whose pattern has room for it.
        {"GET", "/bills/{bill}/notes", kReaders, notes},
        {"GET", "/notes/{note}", kReaders, show_note, {"format", "language"}},
        {"GET", "/bills/{customer}/{month}", kReaders, get, {"project", "format", "language"}},
        {"POST", "/bills/{bill}/review", kFinance, review},
        {"POST", "/bills/{bill}/finalise", kFinance, finalise},
        {"POST", "/bills/{bill}/send", kFinance, send},
        {"POST", "/bills/{bill}/notes", kFinance, add_note},
        {"POST", "/bills/{bill}/void", kFinance, take_back},
        {"POST", "/billing-runs", kFinance, run},
        {"POST", "/billing-runs/{month}/review", kFinance, review_all},
        {"POST", "/billing-runs/{month}/finalise", kFinance, finalise_all},
    };
    return kRoutes;
}

}  // namespace tg::api
