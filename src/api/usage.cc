#include "api/internal/route.h"
#include "billing/usage_report.h"

namespace tg::api {
namespace {

constexpr std::int64_t kDayMicros = 86'400'000'000;
constexpr UsageDimension kFilters[] = {
    UsageDimension::customer,    UsageDimension::project, UsageDimension::department,
    UsageDimension::environment, UsageDimension::key,     UsageDimension::model,
    UsageDimension::provider,    UsageDimension::region,  UsageDimension::end_user};

Result<std::optional<std::int32_t>> day_of(const Query& query, std::string_view name) {
    const std::optional<std::string> text = query.text(name);
    if (!text) return std::optional<std::int32_t>{};
    constexpr std::size_t kDaySize = 10;
    const auto time = parse_rfc3339(*text);
    if (!time.ok() || text->size() != kDaySize) {
        return fail(ErrorCode::invalid_request,
                    "the parameter '" + std::string(name) + "' must be a day such as 2026-11-24");
    }
    return std::optional(static_cast<std::int32_t>(time->micros / kDayMicros));
}

/// "month", or "from" and "to"; without any the month that is now, in UTC.
Status set_days(const Call& call, UsageQuery& out) {
    TG_TRY(const auto from, day_of(call.query, "from"));
    TG_TRY(const auto to, day_of(call.query, "to"));
    std::optional<std::string> text = call.query.text("month");
    if (text && (from || to))
        return fail(ErrorCode::invalid_request, "give 'month', or 'from' and 'to', not both");
    if (from && to) {
        if (*from > *to) return fail(ErrorCode::invalid_request, "'from' is after 'to'");
        out.first_day = *from;
        out.last_day = *to;
        return {};
    }
    if (from || to) return fail(ErrorCode::invalid_request, "give both 'from' and 'to'");
    if (!text) text = format_rfc3339(call.now).substr(0, 7);
    TG_TRY(const YearMonth month, parse_year_month(*text));
    out.first_day = static_cast<std::int32_t>(days_from_civil(month.year, month.month, 1));
    const bool is_december = month.month == 12;
    out.last_day =
        static_cast<std::int32_t>(days_from_civil(is_december ? month.year + 1 : month.year,
                                                  is_december ? 1 : month.month + 1, 1)) -
        1;
    return {};
}

Result<UsageQuery> query_of(const Call& call) {
    UsageQuery out;
    TG_CHECK_OK(set_days(call, out));
    TG_TRY(const std::int64_t limit, call.query.integer("limit", 1000, 1, 100'000));
    out.limit = static_cast<int>(limit);
    const std::string by = call.query.text("by").value_or("customer,project,model");
    for (std::size_t at = 0; at <= by.size();) {
        const std::size_t comma = std::min(by.find(',', at), by.size());
        TG_TRY(const UsageDimension dimension,
               parse_usage_dimension(std::string_view(by).substr(at, comma - at)));
        if (std::find(out.group_by.begin(), out.group_by.end(), dimension) != out.group_by.end()) {
            return fail(ErrorCode::invalid_request,
                        "'by' names " + std::string(name(dimension)) + " twice");
        }
        out.group_by.push_back(dimension);
        at = comma + 1;
    }
    for (const UsageDimension filter : kFilters) {
        if (auto wanted = call.query.text(name(filter)))
            out.filters.emplace_back(filter, *std::move(wanted));
    }
    return out;
}

void write_row(JsonWriter& json, const UsageQuery& query, const UsageRow& row) {
    json.begin_object().key("group").begin_object();
    for (std::size_t i = 0; i < query.group_by.size(); ++i)
        json.field(name(query.group_by[i]), row.group[i]);
    json.end_object()
        .field("requests", row.requests)
        .field("errors", row.errors)
        .field("estimated", row.estimated)
        .field("unpriced", row.unpriced)
        .field("input_tokens", row.input_tokens)
        .field("cached_tokens", row.cached_tokens)
        .field("output_tokens", row.output_tokens)
        .field("reasoning_tokens", row.reasoning_tokens)
        .key("charge")
        .begin_object();
    for (const auto& [currency, amount] : row.charge)
        json.field(code(currency), format_amount(amount));
    json.end_object().end_object();
}

Result<ApiReply> report(Call& call) {
    TG_TRY(const UsageQuery query, query_of(call));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<UsageRow> rows, usage_report(*connection, query));
    std::string out;
    JsonWriter json(out);
    json.begin_object()
        .field("from", format_rfc3339({query.first_day * kDayMicros}).substr(0, 10))
        .field("to", format_rfc3339({query.last_day * kDayMicros}).substr(0, 10))
        .key("data")
        .begin_array();
    for (const UsageRow& row : rows) write_row(json, query, row);
    json.end_array().end_object();
    return json_reply(200, std::move(out));
}

}  // namespace

std::span<const Route> usage_routes() {
    static const std::vector<Route> kRoutes = [] {
        Route route{"GET", "/usage", kReaders, report, {"by", "month", "from", "to", "limit"}};
        for (const UsageDimension filter : kFilters) route.query.push_back(name(filter));
        return std::vector<Route>{route};
    }();
    return kRoutes;
}

}  // namespace tg::api
