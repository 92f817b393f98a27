#include "billing/bill_adjustments.h"

#include "api/internal/route.h"

namespace tg::api {
namespace {

Result<ApiReply> list(Call& call) {
    AdjustmentFilter filter;
    if (const auto wanted = call.query.text("customer")) {
        TG_TRY(const Customer customer, call.customer(*wanted));
        filter.customers = {customer.id};
    }
    if (const auto month = call.query.text("month")) {
        TG_TRY(filter.month, parse_year_month(*month));
    }
    if (filter.customers.empty() && !filter.month) {
        return fail(ErrorCode::invalid_request,
                    "the list of all adjustments is long: give 'customer' or 'month' (2026-11), or "
                    "both");
    }
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<BillAdjustment> found, list_adjustments(*connection, filter));
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const BillAdjustment& each : found) json.raw(adjustment_as_json(each));
    json.end_array().end_object();
    return json_reply(200, std::move(body));
}

Result<ApiReply> add(Call& call) {
    TG_TRY(Body body, call.body());
    NewAdjustment wanted{.customer = body.required_text("customer"),
                         .project = body.text("project").value_or(""),
                         .cents = body.required_cents("amount"),
                         .text = body.required_text("text"),
                         .reference = call.request->idempotency_key};
    const std::string month = body.required_text("month");
    const std::string kind = body.text("kind").value_or("adjustment");
    const std::string currency = body.text("currency").value_or("CNY");
    TG_CHECK_OK(body.finish());
    TG_TRY(wanted.month, parse_year_month(month));
    TG_TRY(wanted.kind, parse_adjustment_kind(kind));
    TG_TRY(wanted.currency, parse_currency(currency));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const BillAdjustment made, add_adjustment(*connection, wanted, call.change()));
    return json_reply(200, adjustment_as_json(made));
}

Result<ApiReply> cancel(Call& call) {
    TG_TRY(Body body, call.body());
    TG_CHECK_OK(body.finish());
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const BillAdjustment cancelled,
           cancel_adjustment(*connection, call.path[0], call.change()));
    return json_reply(200, adjustment_as_json(cancelled));
}

}  // namespace

std::span<const Route> bill_adjustment_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/bill-adjustments", kReaders, list, {"customer", "month"}},
        {"POST", "/bill-adjustments", kFinance, add},
        {"POST", "/bill-adjustments/{adjustment}/cancel", kFinance, cancel},
    };
    return kRoutes;
}

}  // namespace tg::api
