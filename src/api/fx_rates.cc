#include "billing/fx_rates.h"

#include "api/internal/route.h"

namespace tg::api {
namespace {

Result<ApiReply> list(Call& call) {
    TG_TRY(const std::int64_t limit, call.query.integer("limit", 100, 1, 1000));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<FxRate> rates, list_fx_rates(*connection, limit));
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const FxRate& rate : rates) {
        json.begin_object().field("date", day_text(rate.day));
        json.field("usd_cny", format_scaled(rate.usd_cny_e8, 8, 4))
            .field("source", rate.source)
            .end_object();
    }
    json.end_array().end_object();
    return json_reply(200, std::move(body));
}

Result<ApiReply> create(Call& call) {
    TG_TRY(Body body, call.body());
    const std::string csv = body.required_text("csv");
    const std::string source = body.text("source").value_or("");
    TG_CHECK_OK(body.finish());
    TG_TRY(const std::vector<FxRate> rates, parse_fx_csv(csv, source));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::int64_t added, add_fx_rates(*connection, rates, call.change()));
    std::string reply;
    JsonWriter json(reply);
    json.begin_object().field("added", added);
    json.field("known", static_cast<std::int64_t>(rates.size()) - added).end_object();
    return json_reply(200, std::move(reply));
}

}  // namespace

std::span<const Route> fx_rate_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/fx-rates", kReaders, list, {"limit"}},
        {"POST", "/fx-rates", kFinance, create},
    };
    return kRoutes;
}

}  // namespace tg::api
