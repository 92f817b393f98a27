#include "billing/credit.h"

#include "api/internal/route.h"

namespace tg::api {
namespace {

void write_amount(JsonWriter& json, std::string_view name, const std::optional<std::int64_t>& fen) {
    json.key(name);
    fen ? json.value(format_scaled(*fen, 2, 2)) : json.null();
}

void write_standing(JsonWriter& json, const CreditStanding& each) {
    json.begin_object()
        .field("customer", each.customer_code)
        .field("contract", each.contract)
        .field("mode", name(each.terms.mode));
    write_amount(json, "owed_cny", each.owed_fen);
    write_amount(json, "unbilled_cny", each.unbilled_fen);
    write_amount(json, "wallet_cny", each.wallet_fen);
    write_amount(json, "deposit_cny", each.deposit_fen);
    write_amount(json, "credit_limit_cny", each.terms.credit_limit_fen);
    write_amount(json, "available_cny", each.available_fen);
    json.field("hold", each.hold).end_object();
}

Result<ApiReply> list(Call& call) {
    std::optional<CustomerId> wanted;
    if (const auto text = call.query.text("customer")) {
        TG_TRY(const Customer customer, call.customer(*text));
        wanted = customer.id;
    }
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    CreditBook book(call.options->terms);
    TG_TRY(const std::vector<CreditStanding> standings, book.read(*connection, call.now));
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const CreditStanding& each : standings)
        if (!wanted || each.customer == *wanted) write_standing(json, each);
    json.end_array().end_object();
    return json_reply(200, std::move(body));
}

}  // namespace

std::span<const Route> credit_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/credit", kReaders, list, {"customer"}},
    };
    return kRoutes;
}

}  // namespace tg::api
