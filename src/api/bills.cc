#include "api/internal/route.h"
#include "billing/bill.h"

namespace tg::api {
namespace {

Result<ApiReply> get(Call& call) {
    const std::string format = call.query.text("format").value_or("json");
    if (format != "json" && format != "csv" && format != "table") {
        return fail(ErrorCode::invalid_request,
                    "the parameter 'format' must be json, csv or table");
    }
    TG_TRY(const YearMonth month, parse_year_month(call.path[1]));
    TG_TRY(const Customer customer, call.customer(call.path[0]));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const Bill bill, draft_bill(*connection, customer.code, month, call.options->terms,
                                       call.query.text("project")));
    if (format == "csv")
        return ApiReply{.content_type = "text/csv; charset=utf-8", .body = bill_as_csv(bill)};
    if (format == "table")
        return ApiReply{.content_type = "text/plain; charset=utf-8", .body = bill_as_table(bill)};
    return json_reply(200, bill_as_json(bill));
}

}  // namespace

std::span<const Route> bill_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/bills/{customer}/{month}", AdminScope::read, get, {"project", "format"}},
    };
    return kRoutes;
}

}  // namespace tg::api
