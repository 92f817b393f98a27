#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "billing/bill_register.h"
#include "documents/documents.h"
#include "gateway/upstream_status.h"
#include "identity/identity_store.h"
#include "ledger/proof_key.h"
#include "ledger/verify.h"

namespace tg {

/// A request to the administrators' side, already read whole; no sockets here.
struct ApiRequest {
    std::string method{}, path{};
    std::string query{};  ///< without the '?'
    std::string body{};
    std::string bearer_token{};     ///< of the Authorization header
    std::string idempotency_key{};  ///< of the Idempotency-Key header
    std::string remote{};           ///< peer address, for the log
};

struct ApiReply {
    int status = 200;
    std::string content_type = "application/json";
    std::string body{};
    std::vector<std::pair<std::string, std::string>> headers{};
};

/// The admin REST API described by openapi.yaml: authentication, routing, one shape of errors
/// {"error":{"code","message"}}, and the resources, one file each. Thread-safe; blocking, so never
/// on a loop thread.
class AdminApi {
  public:
    struct Options {
        std::string store_url{};
        int store_connections_max = 8;
        /// A token with every right, from the configuration, for making the first ones. Empty:
        /// none.
        std::string bootstrap_token{};
        Clock* clock = nullptr;
        std::string default_time_zone = "Asia/Shanghai";  ///< of customers created without one
        FinalBy finalise_by = FinalBy::anyone;
        BillTerms terms{};  ///< bills are drafted with
        Issuer issuer{};    ///< of bills and invoices
        InvoiceSettings invoices{};
        /// After a change of customers, projects or keys, before the answer is sent.
        DirectoryChanged on_directory_changed{};
        /// After a change of tiers or limits, before the answer is sent.
        DirectoryChanged on_limits_changed{};
        /// After a publication of prices, before the answer is sent: publishes the new catalogue.
        std::function<Status(SqlConnection&)> on_prices_changed{};
        /// The state of every upstream account at this monotonic time; null: no data plane here.
        std::function<std::vector<UpstreamStatus>(std::int64_t now_ns)> upstreams{};
        /// What needs the key of the proof log; null: there is none here.
        std::function<Result<Checkpoint>(SqlConnection&, UtcMicros now)> seal_books{};
        std::function<Result<LedgerVerifyReport>(SqlConnection&)> verify_books{};
        std::function<Result<std::string>()> verifier_key{};
    };
    explicit AdminApi(Options options);
    ~AdminApi();

    ApiReply handle(const ApiRequest& request);

    /// What the API answers to, for the test that compares it with openapi.yaml.
    struct RouteInfo {
        std::string method, path;
        std::vector<std::string> query;
        AdminScopes scopes{};  ///< a token needs one of these; none: anybody may ask
    };
    static std::vector<RouteInfo> routes();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace tg
