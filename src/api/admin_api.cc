#include "api/admin_api.h"

#include "api/internal/openapi.h"
#include "api/internal/route.h"
#include "base/hash.h"
#include "base/log.h"

namespace tg {
namespace {

using namespace api;

constexpr std::string_view kRoot = "/admin/v1";
constexpr std::string_view kOpenApiPath = "/admin/v1/openapi.yaml";

const std::vector<Route>& all_routes() {
    static const std::vector<Route> kRoutes = [] {
        std::vector<Route> out;
        for (const auto& list : {customer_routes(),   project_routes(),
                                 key_routes(),        admin_token_routes(),
                                 tier_routes(),       limit_routes(),
                                 price_routes(),      usage_routes(),
                                 event_routes(),      invoice_routes(),
                                 settlement_routes(), statement_routes(),
                                 bill_routes(),       bill_adjustment_routes(),
                                 contract_routes(),   credit_routes(),
                                 payment_routes(),    fx_rate_routes(),
                                 audit_routes(),      upstream_routes(),
                                 ledger_routes(),     proof_routes()}) {
            out.insert(out.end(), list.begin(), list.end());
        }
        return out;
    }();
    return kRoutes;
}

std::vector<std::string_view> split_path(std::string_view path) {
    std::vector<std::string_view> out;
    while (!path.empty()) {
        path.remove_prefix(1);  // the '/'
        const std::size_t end = std::min(path.find('/'), path.size());
        out.push_back(path.substr(0, end));
        path.remove_prefix(end);
    }
    return out;
}

/// What stands for the pattern's {names}, or none when the path is another.
std::optional<std::vector<std::string_view>> match(std::string_view pattern,
                                                   const std::vector<std::string_view>& path) {
    const std::vector<std::string_view> parts = split_path(pattern);
    if (parts.size() != path.size()) return std::nullopt;
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].starts_with('{')) {
            if (path[i].empty()) return std::nullopt;
            names.push_back(path[i]);
        } else if (parts[i] != path[i]) {
            return std::nullopt;
        }
    }
    return names;
}

struct Matched {
    const Route* route = nullptr;
    std::vector<std::string_view> names;
};

/// Errors: not_found, method_not_allowed naming the methods there are.
Result<Matched> find_route(const ApiRequest& request) {
    const std::vector<std::string_view> path =
        split_path(std::string_view(request.path).substr(kRoot.size()));
    std::string allowed;
    for (const Route& route : all_routes()) {
        auto names = match(route.pattern, path);
        if (!names) continue;
        if (route.method == request.method) return Matched{&route, *std::move(names)};
        allowed.append(allowed.empty() ? "" : ", ").append(route.method);
    }
    if (!allowed.empty()) return fail(ErrorCode::method_not_allowed, std::move(allowed));
    return fail(ErrorCode::not_found, "the path '" + request.path.substr(0, 200) +
                                          "' names nothing; see " + std::string(kOpenApiPath));
}

ApiReply error_reply(const Error& error) {
    ApiReply reply;
    reply.status = info(error.code).http_status;
    const bool is_method = error.code == ErrorCode::method_not_allowed;
    JsonWriter(reply.body)
        .begin_object()
        .key("error")
        .begin_object()
        .field("code", name(error.code))
        .field("message",
               mask_secrets(is_method ? "this path answers to " + error.detail : error.detail))
        .end_object()
        .end_object();
    if (is_method) reply.headers.emplace_back("allow", error.detail);
    if (error.code == ErrorCode::unauthenticated)
        reply.headers.emplace_back("www-authenticate", "Bearer");
    if (info(error.code).is_retryable) reply.headers.emplace_back("retry-after", "1");
    return reply;
}

}  // namespace

struct AdminApi::Impl {
    struct Admin {
        std::string actor;
        AdminScopes scopes;
    };

    explicit Impl(Options o)
        : options(std::move(o)),
          bootstrap_hash(sha256(options.bootstrap_token)),
          pool(options.store_url, options.store_connections_max),
          identity(&pool, options.on_directory_changed),
          limits(&pool, options.on_limits_changed) {
        TG_ASSERT(options.clock != nullptr);
    }

    Result<Admin> authenticate(const std::string& token) {
        if (token.empty()) {
            return fail(
                ErrorCode::unauthenticated,
                "no admin token was given; send it as 'Authorization: Bearer tg-admin-...'");
        }
        const Sha256 hash = sha256(token);
        const auto bytes = [](const Sha256& h) {
            return std::string_view(reinterpret_cast<const char*>(h.data()), h.size());
        };
        if (!options.bootstrap_token.empty() &&
            equal_constant_time(bytes(hash), bytes(bootstrap_hash))) {
            return Admin{"bootstrap", AdminScopes{}.with(AdminScope::read).with(AdminScope::write)};
        }
        TG_TRY(const AdminToken found, identity.authenticate_admin(token, options.clock->now()));
        return Admin{"admin_token:" + std::to_string(found.id) + " " + found.name, found.scopes};
    }

    /// What the log says of a request. The path as sent is not in it: somebody may have pasted a
    /// secret there.
    struct Trace {
        std::string actor;
        std::string_view route;
    };

    Result<ApiReply> answer(const ApiRequest& request, Trace& trace) {
        if (request.path == kOpenApiPath && request.method == "GET") {
            return ApiReply{.content_type = "application/yaml",
                            .body = std::string(openapi_yaml())};
        }
        TG_TRY(const Admin admin, authenticate(request.bearer_token));
        trace.actor = admin.actor;
        if (!request.path.starts_with(std::string(kRoot) + "/")) {
            return fail(ErrorCode::not_found, "the path '" + request.path.substr(0, 200) +
                                                  "' names nothing; the API is below " +
                                                  std::string(kRoot));
        }
        TG_TRY(const Matched matched, find_route(request));
        trace.route = matched.route->pattern;
        if (!admin.scopes.has_any(matched.route->scopes)) {
            return fail(ErrorCode::forbidden, "this token has the scopes " +
                                                  to_string(admin.scopes) + "; this needs one of " +
                                                  to_string(matched.route->scopes));
        }
        Call call{.request = &request,
                  .options = &options,
                  .identity = &identity,
                  .limits = &limits,
                  .pool = &pool,
                  .actor = admin.actor,
                  .now = options.clock->now(),
                  .path = {},
                  .query = {}};
        TG_TRY(call.query, Query::parse(request.query, matched.route->query));
        for (const std::string_view part : matched.names) {
            TG_TRY(std::string decoded, percent_decode(part, false));
            call.path.push_back(std::move(decoded));
        }
        return matched.route->handler(call);
    }

    Options options;
    Sha256 bootstrap_hash;
    ConnectionPool pool;
    IdentityStore identity;
    LimitStore limits;
};

AdminApi::AdminApi(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
AdminApi::~AdminApi() = default;

ApiReply AdminApi::handle(const ApiRequest& request) {
    Impl::Trace trace;
    Result<ApiReply> result = impl_->answer(request, trace);
    const std::string_view error = result.ok() ? std::string_view() : name(result.error().code);
    ApiReply reply = result.ok() ? std::move(result).value() : error_reply(result.error());
    if (request.method != "GET" || reply.status >= 400) {
        log(reply.status >= 500 ? LogLevel::error : LogLevel::info, "admin_request",
            {{"method", std::string_view(request.method).substr(0, 16)},
             {"route", trace.route},
             {"status", reply.status},
             {"actor", trace.actor},
             {"remote", request.remote},
             {"error", error}});
    }
    return reply;
}

std::vector<AdminApi::RouteInfo> AdminApi::routes() {
    std::vector<RouteInfo> out;
    out.push_back({.method = "GET", .path = std::string(kOpenApiPath), .query = {}});
    for (const Route& route : all_routes()) {
        out.push_back({.method = std::string(route.method),
                       .path = std::string(kRoot) + std::string(route.pattern),
                       .query = {route.query.begin(), route.query.end()},
                       .scopes = route.scopes});
    }
    return out;
}

namespace api {

Change Call::change() const {
    Change change{.actor = actor, .at = now};
    if (!request->idempotency_key.empty()) {
        const Sha256 hash = sha256(request->method + "\n" + request->path + "\n" + request->query +
                                   "\n" + request->body);
        change.idempotency = Idempotency{.token = request->idempotency_key,
                                         .request_hash = hex(hash.data(), hash.size())};
    }
    return change;
}

Result<std::uint32_t> Call::path_id(std::size_t index, std::string_view what) const {
    if (const auto id = parse_id(path[index])) return *id;
    return fail(ErrorCode::not_found, "'" + path[index].substr(0, 64) + "' is no id of a " +
                                          std::string(what) + ": an integer above 0");
}

Result<PageRequest> Call::page() const {
    constexpr std::int64_t kLimitDefault = 100, kLimitMax = 1000;
    TG_TRY(const std::int64_t limit, query.integer("limit", kLimitDefault, 1, kLimitMax));
    TG_TRY(const std::int64_t after,
           query.integer("after", 0, 0, std::numeric_limits<std::uint32_t>::max()));
    return PageRequest{.after_id = static_cast<std::uint32_t>(after),
                       .limit = static_cast<int>(limit)};
}

Result<Customer> Call::customer(std::string_view id_or_code) const {
    if (const auto id = parse_id(id_or_code)) return identity->customer(CustomerId(*id));
    return identity->customer(id_or_code);
}

ApiReply json_reply(int status, std::string body) {
    return {.status = status, .body = std::move(body)};
}

ApiReply created_reply(std::string body, std::string location, bool was_replayed) {
    ApiReply reply = json_reply(201, std::move(body));
    reply.headers.emplace_back("location", std::string(kRoot) + std::move(location));
    if (was_replayed) reply.headers.emplace_back("idempotent-replayed", "true");
    return reply;
}

void write_time(JsonWriter& json, std::string_view name, const std::optional<UtcMicros>& time) {
    json.key(name);
    if (time) {
        json.value(format_rfc3339(*time));
    } else {
        json.null();
    }
}

}  // namespace api
}  // namespace tg
