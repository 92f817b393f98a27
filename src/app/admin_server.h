#pragma once
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "api/admin_api.h"
#include "app/config.h"
#include "base/metrics.h"
#include "net/blocking_pool.h"
#include "net/http_server.h"
#include "net/loop.h"

namespace tg {

/// The administrators' side on its own loop and address: REST API, /metrics, /healthz, /readyz. API
/// calls run on the blocking pool, so that a slow store never holds up traffic.
class AdminServer final : public HttpHandler {
  public:
    struct Parts {
        AdminApi* api = nullptr;
        BlockingPool* blocking = nullptr;
        MetricsRegistry* metrics = nullptr;
        std::function<void()> before_metrics{};  ///< brings gauges up to date
        /// Empty when the server can take requests; else why not.
        std::function<std::string()> not_ready;
        /// Looks for changes that other processes made to the store; returns when they are in
        /// force. Blocking.
        std::function<void()> refresh;
    };
    explicit AdminServer(Parts parts);
    ~AdminServer() override;

    /// Errors: io_error (address in use), invalid_config (TLS).
    Status start(const Config& config);
    void stop();
    const std::string& address() const { return address_; }

    Task<void> handle(ServerExchange* exchange) override;
    std::string error_body(int status, const Error& error) override;

  private:
    Task<void> answer_api(ServerExchange* exchange);
    Parts parts_;
    std::unique_ptr<Loop> loop_;
    std::unique_ptr<HttpServer> server_;
    std::thread thread_;
    std::string address_;
};

}  // namespace tg
