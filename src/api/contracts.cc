#include "billing/contracts.h"

#include "api/internal/route.h"

namespace tg::api {
namespace {

std::int32_t today_of(const Call& call) {
    // Good to the day for whoever reads it; what is billed is cut in the customer's zone.
    return static_cast<std::int32_t>(call.now.micros / 86'400'000'000);
}

ApiReply contract_reply(const Call& call, const Contract& contract) {
    return json_reply(200, contract_as_json(contract, today_of(call)));
}

std::int32_t day_in(Body& body, std::string_view name) {
    const std::string text = body.required_text(name);
    const Result<std::int32_t> day = parse_day(text);
    if (day.ok()) return *day;
    body.note_error("'" + std::string(name) + "' must be a day such as 2026-03-31");
    return 0;
}

/// Member 'terms', in the form of docs/formats.md.
ContractTerms terms_in(Body& body) {
    const JsonValue* value = body.value("terms");
    if (value == nullptr) {
        body.note_error("'terms' is missing; {} is list price");
        return {};
    }
    Result<ContractTerms> terms = parse_contract_terms(json_text(*value));
    if (terms.ok()) return std::move(*terms);
    body.note_error("terms: " + terms.error().detail);
    return {};
}

Result<ApiReply> list(Call& call) {
    std::vector<CustomerId> customers;
    if (const auto wanted = call.query.text("customer")) {
        TG_TRY(const Customer customer, call.customer(*wanted));
        customers.push_back(customer.id);
    }
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const std::vector<Contract> contracts, list_contracts(*connection, customers));
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const Contract& contract : contracts) json.raw(contract_as_json(contract, today_of(call)));
    json.end_array().end_object();
    return json_reply(200, std::move(body));
}

Result<ApiReply> create(Call& call) {
    TG_TRY(Body body, call.body());
    NewContract contract{.customer = body.required_text("customer"),
                         .code = body.required_text("code"),
                         .framework = body.text("framework").value_or("")};
    const std::string kind = body.required_text("kind");
    contract.first_day = day_in(body, "first_day");
    contract.terms = terms_in(body);
    TG_CHECK_OK(body.finish());
    TG_TRY(contract.kind, parse_contract_kind(kind));
    TG_TRY(const Customer customer, call.customer(contract.customer));
    contract.customer = customer.code;
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const Contract made, create_contract(*connection, contract, call.change()));
    return created_reply(contract_as_json(made, today_of(call)), "/contracts/" + made.code, false);
}

Result<ApiReply> get(Call& call) {
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const Contract contract, find_contract(*connection, call.path[0]));
    return contract_reply(call, contract);
}

Result<ApiReply> amend(Call& call) {
    TG_TRY(Body body, call.body());
    Amendment amendment;
    amendment.from_day = day_in(body, "from_day");
    amendment.reason = body.required_text("reason");
    amendment.terms = terms_in(body);
    TG_CHECK_OK(body.finish());
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const Contract contract,
           amend_contract(*connection, call.path[0], amendment, call.change()));
    return contract_reply(call, contract);
}

Result<ApiReply> end(Call& call) {
    TG_TRY(Body body, call.body());
    const std::int32_t day = day_in(body, "end_day");
    const std::string reason = body.required_text("reason");
    TG_CHECK_OK(body.finish());
    TG_TRY(const ConnectionPool::Lease connection, call.pool->take());
    TG_TRY(const Contract contract,
           end_contract(*connection, call.path[0], day, reason, call.change()));
    return contract_reply(call, contract);
}

}  // namespace

std::span<const Route> contract_routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/contracts", kReaders, list, {"customer"}},
        {"POST", "/contracts", kAccountManagers, create},
        {"GET", "/contracts/{contract}", kReaders, get},
        {"POST", "/contracts/{contract}/amend", kAccountManagers, amend},
        {"POST", "/contracts/{contract}/end", kAccountManagers, end},
    };
    return kRoutes;
}

}  // namespace tg::api
