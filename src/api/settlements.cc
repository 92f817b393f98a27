#include "billing/settlements.h"

#include "api/internal/route.h"

namespace tg::api {
namespace {

Result<ApiReply> list(Call& call) {
    CustomerId of;
    if (const auto wanted = call.query.text("customer")) {
        TG_TRY(const Customer customer, call.customer(*wanted));
        of = customer.id;
    }
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<Settlement> all, list_settlements(*connection, of));
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const Settlement& each : all) json.raw(settlement_as_json(each));
    json.end_array().end_object();
    return json_reply(200, std::move(body));
}

Result<ApiReply> list_open(Call& call) {
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<OpenRefund> open, open_refunds(*connection));
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const OpenRefund& each : open) {
        json.begin_object().field("refund", each.id);
        json.field("open_cny", format_scaled(each.fen, 2, 2)).end_object();
    }
    json.end_array().end_object();
    return json_reply(200, std::move(body));
}

Result<ApiReply> reply_with(const Result<Settlement>& made) {
    if (!made.ok()) return fail(made.error());
    return json_reply(200, settlement_as_json(*made));
}

Result<ApiReply> give_up(Call& call) {
    TG_TRY(Body body, call.body());
    const NewWriteOff wanted{.bill_id = call.path[0],
                             .fen = body.cents("amount_cny"),
                             .reason = body.required_text("reason"),
                             .reference = call.request->idempotency_key};
    TG_CHECK_OK(body.finish());
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    return reply_with(write_off(*connection, wanted, call.change()));
}

Result<ApiReply> approve(Call& call) {
    TG_TRY(Body body, call.body());
    NewRefund wanted{.customer = body.required_text("customer"),
                     .fen = body.cents("amount_cny"),
                     .reason = body.required_text("reason"),
                     .reference = call.request->idempotency_key};
    const std::string source = body.text("source").value_or("wallet");
    TG_CHECK_OK(body.finish());
    TG_TRY(wanted.source, parse_refund_source(source));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    return reply_with(approve_refund(*connection, wanted, call.change()));
}

Result<ApiReply> pay(Call& call) {
    TG_TRY(Body body, call.body());
    const NewPayout wanted{.refund_id = call.path[0],
                           .fen = body.cents("amount_cny"),
                           .bank_account = body.required_text("bank_account"),
                           .reference = body.required_text("reference")};
    TG_CHECK_OK(body.finish());
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    return reply_with(record_payout(*connection, wanted, call.change()));
}

}  // namespace

std::span<const Route> settlement_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/settlements", kReaders, list, {"customer"}},
        {"GET", "/refunds", kReaders, list_open},
        {"POST", "/refunds", kFinance, approve},
        {"POST", "/refunds/{refund}/payout", kFinance, pay},
        {"POST", "/bills/{bill}/write-off", kFinance, give_up},
    };
    return kRoutes;
}

}  // namespace tg::api
