#include "sim/server.h"

#include <algorithm>

#include "net/address.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "net/tls.h"
#include "sim/openai_routes.h"

namespace tg::sim {
namespace {

constexpr int kBacklog = 4096;
constexpr std::int64_t kFlushEveryNs = 1'000'000'000;

HttpServerOptions server_options(const SimOptions& options, std::shared_ptr<TlsContext> tls) {
    HttpServerOptions out;
    out.tls = std::move(tls);
    out.idle_timeout_ms = 120'000;
    out.write_timeout_ms = 600'000;  // a stalled reader is a test's business, not a fault here
    out.connections_max = 100'000;
    (void)options;
    return out;
}

}  // namespace

/// One loop with its thread.
class SimServer::Worker {
  public:
    Worker(SimState* state, int fd, HttpServerOptions options)
        : state_(state), handler_(state), server_(&loop_, fd, std::move(options), &handler_) {}

    void start() {
        loop_.post([this] {
            server_.start();
            loop_.spawn(flush_now_and_then(this));
        });
        thread_ = std::thread([this] { loop_.run(); });
    }
    void stop() {
        loop_.stop();
        if (thread_.joinable()) thread_.join();
    }

  private:
    static Task<void> flush_now_and_then(Worker* self) {
        while (co_await self->loop_.sleep_for(kFlushEveryNs) == Wake::ready)
            self->state_->served.flush();
    }

    SimState* state_;
    OpenAiHandler handler_;
    Loop loop_;
    HttpServer server_;
    std::thread thread_;
};

SimServer::SimServer(SimOptions options, Clock* clock) : state_(std::move(options), clock) {}

SimServer::~SimServer() {
    stop();
}

Status SimServer::start() {
    const SimOptions& options = state_.options;
    std::shared_ptr<TlsContext> tls;
    if (!options.tls_cert.empty()) {
        TG_TRY(tls, TlsContext::server(options.tls_cert, options.tls_key));
    }
    if (!options.served_log.empty())
        TG_CHECK_OK(state_.served.open(options.served_log, options.served_log_sync));
    port_ = options.port;
    for (int i = 0; i < std::max(options.threads, 1); ++i) {
        TG_TRY(const SocketAddress address,
               parse_address(options.host + ":" + std::to_string(port_)));
        TG_TRY(const int fd, listen_on(address, kBacklog));
        port_ = local_address(fd).port();
        workers_.push_back(std::make_unique<Worker>(&state_, fd, server_options(options, tls)));
    }
    for (const auto& worker : workers_) worker->start();
    return {};
}

void SimServer::stop() {
    for (const auto& worker : workers_) worker->stop();
    workers_.clear();
    state_.served.flush();
}

}  // namespace tg::sim
