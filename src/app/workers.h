#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "admission/limit_store.h"
#include "app/config.h"
#include "gateway/gateway.h"
#include "identity/directory_holder.h"
#include "net/http_server.h"
#include "net/loop.h"

namespace tg {

/// The data plane's threads: one loop, one gateway and one listening socket each.
class Workers {
  public:
    Workers(GatewayShared* shared, GateSnapshot snapshot)
        : shared_(shared), snapshot_(std::move(snapshot)) {}
    ~Workers();

    /// Errors: io_error (address in use), invalid_config (TLS files).
    Status start(const Config& config, int count);
    /// The address that is listened on; its port is known when the configuration said 0.
    const std::string& address() const { return address_; }

    // Any thread but a worker's. Return when every worker uses the new version.
    void publish_directory(const DirectoryHolder& directory);
    void publish_limits(const LimitHolder& limits);
    void publish_catalogue(std::shared_ptr<const Catalogue> catalogue);
    void publish_config(std::shared_ptr<const RouteTable> routes,
                        std::shared_ptr<const GatewayOptions> options,
                        const HttpServerOptions& server);
    GateSnapshot snapshot() const;

    /// Stops accepting, lets calls end for up to `timeout_ms`, then interrupts them; returns when
    /// all threads have ended.
    void stop(std::int64_t timeout_ms);
    std::int64_t connections() const;

  private:
    struct Worker {
        Loop loop;
        std::unique_ptr<Gateway> gateway;
        std::unique_ptr<HttpServer> server;
        std::thread thread;
    };
    void on_each(const std::function<void(Worker&)>& work);
    void publish();

    GatewayShared* shared_;
    mutable std::mutex mutex_;
    GateSnapshot snapshot_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::string address_;
};

/// TLS of a listener, made from files; null when none are set. Errors: invalid_config.
Result<std::shared_ptr<TlsContext>> load_tls(const TlsFiles& files);

}  // namespace tg
