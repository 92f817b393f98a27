#include "billing/statement.h"

#include "api/internal/route.h"
#include "documents/documents.h"

namespace tg::api {
namespace {

Result<ApiReply> get(Call& call) {
    const std::string format = call.query.text("format").value_or("json");
    TG_TRY(const Language language, parse_language(call.query.text("language").value_or("en")));
    const std::optional<std::string> from = call.query.text("from"), to = call.query.text("to");
    if (!from)
        return fail(ErrorCode::invalid_request, "'from' is missing: the first month, e.g. 2026-09");
    TG_TRY(const YearMonth first, parse_year_month(*from));
    YearMonth last = first;
    if (to) {
        TG_TRY(last, parse_year_month(*to));
    }
    TG_TRY(const Customer customer, call.customer(call.path[0]));
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const AccountStatement statement,
           account_statement(*connection, customer.code, first, last, call.now));
    TG_TRY(BillFile file, render_statement(statement, format,
                                           {.language = language, .issuer = call.options->issuer}));
    return ApiReply{.content_type = file.content_type, .body = std::move(file.bytes)};
}

}  // namespace

std::span<const Route> statement_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET",
         "/customers/{customer}/statement",
         kReaders,
         get,
         {"from", "to", "format", "language"}},
    };
    return kRoutes;
}

}  // namespace tg::api
