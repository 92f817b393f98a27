#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admission/limit_store.h"
#include "api/admin_api.h"
#include "api/internal/body.h"
#include "api/internal/query.h"
#include "base/json_writer.h"

namespace tg::api {

/// One authenticated request on its way through a handler.
struct Call {
    const ApiRequest* request;
    const AdminApi::Options* options;
    IdentityStore* identity;
    LimitStore* limits;
    ConnectionPool* pool;
    std::string actor;  ///< who asks, for the audit log
    UtcMicros now;
    std::vector<std::string> path;  ///< what stood for the {names} of the pattern, decoded
    Query query;

    /// For the audit log. Creating requests carry their Idempotency-Key.
    Change change() const;
    /// The id in the path. Errors: not_found, because no other path names anything.
    Result<std::uint32_t> path_id(std::size_t index, std::string_view what) const;
    Result<PageRequest> page() const;  ///< "after" and "limit"
    /// A customer by id, or by a code that is no number. Errors: not_found.
    Result<Customer> customer(std::string_view id_or_code) const;
    Result<Body> body() const { return parse_body(request->body); }
};

/// Whose request a route answers: a token with any of these scopes.
inline constexpr AdminScopes kReaders = AdminScopes{}.with(AdminScope::read);
inline constexpr AdminScopes kAdministrators = AdminScopes{}.with(AdminScope::write);
inline constexpr AdminScopes kFinance = kAdministrators.with(AdminScope::finance);
inline constexpr AdminScopes kAccountManagers = kAdministrators.with(AdminScope::account_manager);
inline constexpr AdminScopes kPlatform = kAdministrators.with(AdminScope::platform);
inline constexpr AdminScopes kPlatformOrAccounts = kPlatform.with(AdminScope::account_manager);

using Handler = Result<ApiReply> (*)(Call& call);

struct Route {
    std::string_view method;
    std::string_view pattern;  ///< "/customers/{customer}", below /admin/v1
    AdminScopes scopes = kReaders;
    Handler handler = nullptr;
    std::vector<std::string_view> query{};
};

/// One list for each resource, in its file.
std::span<const Route> customer_routes();
std::span<const Route> project_routes();
std::span<const Route> key_routes();
std::span<const Route> admin_token_routes();
std::span<const Route> tier_routes();
std::span<const Route> limit_routes();
std::span<const Route> price_routes();
std::span<const Route> usage_routes();
std::span<const Route> event_routes();
std::span<const Route> bill_routes();
std::span<const Route> bill_adjustment_routes();
std::span<const Route> invoice_routes();
std::span<const Route> settlement_routes();
std::span<const Route> statement_routes();
std::span<const Route> contract_routes();
std::span<const Route> credit_routes();
std::span<const Route> payment_routes();
std::span<const Route> fx_rate_routes();
std::span<const Route> ledger_routes();
std::span<const Route> proof_routes();
std::span<const Route> audit_routes();
std::span<const Route> upstream_routes();

ApiReply json_reply(int status, std::string body);
/// 201 with the address of what was made; a replay says so in a header.
ApiReply created_reply(std::string body, std::string location, bool was_replayed);

void write_time(JsonWriter& json, std::string_view name, const std::optional<UtcMicros>& time);

/// {"data":[...],"next_after":id or null}. `rows` may hold one row more than the page: it proves
/// that there is a next page.
template <typename T, typename Write, typename Id>
ApiReply list_reply(const std::vector<T>& rows, int limit, const Write& write, const Id& id_of) {
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    const bool has_more = std::cmp_greater(rows.size(), limit);
    const std::size_t count = has_more ? static_cast<std::size_t>(limit) : rows.size();
    for (std::size_t i = 0; i < count; ++i) write(json, rows[i]);
    json.end_array().key("next_after");
    if (has_more) {
        json.value(id_of(rows[count - 1]));
    } else {
        json.null();
    }
    json.end_object();
    return json_reply(200, std::move(body));
}

}  // namespace tg::api
