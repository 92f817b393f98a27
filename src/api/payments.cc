#include "billing/payments.h"

#include "api/internal/route.h"

namespace tg::api {
namespace {

std::string fen_text(std::int64_t fen) {
    return format_scaled(fen, 2, 2);
}

std::int64_t not_below_zero(Body& body, std::string_view name, std::int64_t fen) {
    if (fen < 0) body.note_error("'" + std::string(name) + "' is below 0");
    return fen;
}

void write_payment(JsonWriter& json, const Payment& payment) {
    json.begin_object().field("id", payment.id).field("bank_account", payment.bank_account);
    json.field("method", name(payment.method))
        .field("cny", fen_text(payment.fen))
        .field("open_cny", fen_text(payment.open_fen));
    json.field("day", day_text(payment.value_day)).field("reference", payment.reference);
    json.field("payer_name", payment.payer_name)
        .field("payer_account", payment.payer_account)
        .field("remittance", payment.remittance);
    json.field("statement", payment.statement_id)
        .field("recorded_at", format_rfc3339(payment.recorded_at))
        .field("recorded_by", payment.recorded_by)
        .end_object();
}

void write_allocation(JsonWriter& json, const Allocation& each) {
    json.begin_object().field("id", each.id).field("payment", each.payment_id);
    json.field("for", name(each.kind)).field("bill", each.bill_id);
    json.field("cny", fen_text(each.fen)).field("fee_cny", fen_text(each.fee_fen));
    json.field("rule", name(each.rule))
        .field("allocated_at", format_rfc3339(each.allocated_at))
        .field("allocated_by", each.allocated_by)
        .end_object();
}

template <typename Row, typename Write>
ApiReply data_reply(const std::vector<Row>& rows, const Write& write) {
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const Row& row : rows) write(json, row);
    json.end_array().end_object();
    return json_reply(200, std::move(body));
}

Result<ApiReply> list(Call& call) {
    PaymentFilter filter;
    TG_TRY(const std::int64_t limit, call.query.integer("limit", 100, 1, 1000));
    filter.limit = static_cast<int>(limit);
    const std::string open = call.query.text("open").value_or("false");
    if (open != "true" && open != "false")
        return fail(ErrorCode::invalid_request, "the parameter 'open' must be true or false");
    filter.open_only = open == "true";
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<Payment> payments, list_payments(*connection, filter));
    return data_reply(payments, write_payment);
}

Result<ApiReply> record(Call& call) {
    TG_TRY(Body body, call.body());
    NewPayment payment{.bank_account = body.required_text("bank_account"),
                       .reference = body.required_text("reference"),
                       .payer_name = body.text("payer_name").value_or(""),
                       .payer_account = body.text("payer_account").value_or(""),
                       .remittance = body.text("remittance").value_or("")};
    payment.fen = not_below_zero(body, "cny", body.required_cents("cny"));
    const std::string day = body.required_text("day");
    const std::string method = body.text("method").value_or("bank_transfer");
    TG_CHECK_OK(body.finish());
    TG_TRY(payment.value_day, parse_day(day));
    TG_TRY(payment.method, parse_payment_method(method));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const Payment recorded, record_payment(*connection, payment, call.change()));
    std::string out;
    JsonWriter json(out);
    write_payment(json, recorded);
    return json_reply(200, std::move(out));
}

Result<ApiReply> import(Call& call) {
    TG_TRY(Body body, call.body());
    const std::string file = body.required_text("file");
    const std::string format = body.text("format").value_or("generic");
    const std::string account = body.text("bank_account").value_or("");
    const JsonValue* mapping = body.value("mapping");
    TG_CHECK_OK(body.finish());
    BankStatement statement;
    if (format == "mt940") {
        TG_TRY(statement, parse_mt940(file));
    } else if (format == "camt053") {
        TG_TRY(statement, parse_camt053(file));
    } else {
        TG_TRY(const CsvMapping columns,
               mapping == nullptr ? csv_mapping(format) : parse_csv_mapping(json_text(*mapping)));
        TG_TRY(statement, parse_statement_csv(file, columns));
    }
    if (statement.account.empty()) statement.account = account;
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const StatementImport done,
           import_statement(*connection, statement, format, file, call.change()));
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("statement", done.statement_id);
    json.field("recorded", done.recorded)
        .field("known", done.known)
        .field("outgoing", done.outgoing)
        .field("was_imported", done.was_imported)
        .end_object();
    return json_reply(200, std::move(out));
}

Result<ApiReply> get(Call& call) {
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const Payment payment, find_payment(*connection, call.path[0]));
    std::string out;
    JsonWriter json(out);
    write_payment(json, payment);
    return json_reply(200, std::move(out));
}

Result<ApiReply> allocations(Call& call) {
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const Payment payment, find_payment(*connection, call.path[0]));
    TG_TRY(const std::vector<Allocation> parts, list_allocations(*connection, payment.id));
    return data_reply(parts, write_allocation);
}

Result<ApiReply> allocate(Call& call) {
    TG_TRY(Body body, call.body());
    AllocationRequest request{.payment_id = call.path[0],
                              .bill_id = body.text("bill").value_or(""),
                              .customer = body.text("customer").value_or("")};
    const std::string kind = body.required_text("for");
    request.fen = not_below_zero(body, "cny", body.cents("cny").value_or(0));
    request.fee_fen = not_below_zero(body, "fee_cny", body.cents("fee_cny").value_or(0));
    TG_CHECK_OK(body.finish());
    TG_TRY(request.kind, parse_allocation_kind(kind));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const Allocation done, allocate_payment(*connection, request, call.change()));
    std::string out;
    JsonWriter json(out);
    write_allocation(json, done);
    return json_reply(200, std::move(out));
}

void write_match(JsonWriter& json, const Match& match) {
    json.begin_object().field("rule", name(match.rule)).field("customer", match.customer);
    json.key("bills").begin_array();
    for (const Match::Part& part : match.parts)
        json.begin_object()
            .field("bill", part.bill_id)
            .field("cny", fen_text(part.fen))
            .end_object();
    json.end_array()
        .field("wallet_cny", fen_text(match.wallet_fen))
        .field("fee_cny", fen_text(match.fee_fen))
        .end_object();
}

Result<ApiReply> match(Call& call) {
    TG_TRY(Body body, call.body());
    const bool dry_run = body.flag("dry_run").value_or(false);
    TG_CHECK_OK(body.finish());
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const MatchReport report, match_payments(*connection, call.change(), dry_run));
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("looked_at", report.looked_at).field("matched", report.matched);
    json.key("open").begin_array();
    for (const MatchReport::Open& open : report.open) {
        json.begin_object().key("payment");
        write_payment(json, open.payment);
        json.key("suggestions").begin_array();
        for (const Match& each : open.suggestions) write_match(json, each);
        json.end_array().end_object();
    }
    json.end_array().end_object();
    return json_reply(200, std::move(out));
}

}  // namespace

std::span<const Route> payment_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/payments", kReaders, list, {"limit", "open"}},
        {"POST", "/payments", kFinance, record},
        {"POST", "/payments/match", kFinance, match},
        {"POST", "/bank-statements", kFinance, import},
        {"GET", "/payments/{payment}", kReaders, get},
        {"GET", "/payments/{payment}/allocations", kReaders, allocations},
        {"POST", "/payments/{payment}/allocations", kFinance, allocate},
    };
    return kRoutes;
}

}  // namespace tg::api
