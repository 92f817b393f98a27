#include "sim/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "net/address.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "net/tls.h"
#include "sim/openai_routes.h"

namespace tg::sim {
namespace {

constexpr int kBacklog = 4096;
constexpr std::int64_t kFlushEveryNs = 1'000'000'000;

HttpServerOptions server_options(std::shared_ptr<TlsContext> tls) {
    HttpServerOptions out;
    out.tls = std::move(tls);
    out.idle_timeout_ms = 120'000;
    out.write_timeout_ms = 600'000;  // a client that reads slowly is the other side's test
    out.connections_max = 100'000;
    return out;
}

Result<int> listen_at(const SimOptions& options, std::uint16_t port) {
    TG_TRY(const SocketAddress address, parse_address(options.host + ":" + std::to_string(port)));
    return listen_on(address, kBacklog);
}

/// Loops share a port by SO_REUSEPORT, which would let a second process share it as well,
/// unnoticed. A plain bind() tells.
Status check_port_is_free(const SimOptions& options) {
    if (options.port == 0) return {};
    TG_TRY(const SocketAddress address,
           parse_address(options.host + ":" + std::to_string(options.port)));
    return check_address_is_free(address);
}

}  // namespace

/// One loop with its thread.
class SimServer::Worker {
  public:
    Worker(SimState* state, int fd, HttpServerOptions options)
        : state_(state), options_(std::move(options)), handler_(state) {
        port_ = local_address(fd).port();
        add_server(fd);
    }

    void start() {
        loop_.post([this] {
            servers_.back()->start();
            loop_.spawn(flush_now_and_then(this));
        });
        thread_ = std::thread([this] { loop_.run(); });
    }
    void stop() {
        loop_.stop();
        if (thread_.joinable()) thread_.join();
    }
    void refuse_for(std::int64_t ms) {
        loop_.post([this, ms] { loop_.spawn(refuse(this, ms)); });
    }

  private:
    void add_server(int fd) {
        // A server that drains keeps its open connections until they end.
        std::erase_if(servers_, [](const auto& each) { return each->connection_count() == 0; });
        servers_.push_back(std::make_unique<HttpServer>(&loop_, fd, options_, &handler_));
    }
    static Task<void> flush_now_and_then(Worker* self) {
        while (co_await self->loop_.sleep_for(kFlushEveryNs) == Wake::ready)
            self->state_->served.flush();
    }
    static Task<void> refuse(Worker* self, std::int64_t ms) {
        if (self->is_refusing_) co_return;
        self->is_refusing_ = true;
        self->servers_.back()->drain();
        const Wake wake = co_await self->loop_.sleep_for(ms * 1'000'000);
        self->is_refusing_ = false;
        if (wake != Wake::ready) co_return;
        const Result<int> fd = listen_at(self->state_->options, self->port_);
        if (!fd.ok()) {
            log_error("sim_listen_failed", {{"reason", fd.error().detail}});
            co_return;
        }
        self->add_server(*fd);
        self->servers_.back()->start();
    }

    SimState* state_;
    HttpServerOptions options_;
    OpenAiHandler handler_;
    Loop loop_;
    std::vector<std::unique_ptr<HttpServer>> servers_;
    std::uint16_t port_ = 0;
    bool is_refusing_ = false;
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
    TG_CHECK_OK(check_port_is_free(options));
    port_ = options.port;
    for (int i = 0; i < std::max(options.threads, 1); ++i) {
        TG_TRY(const int fd, listen_at(options, port_));
        port_ = local_address(fd).port();
        workers_.push_back(std::make_unique<Worker>(&state_, fd, server_options(tls)));
    }
    state_.refuse_connections = [this](std::int64_t ms) {
        for (const auto& worker : workers_) worker->refuse_for(ms);
    };
    for (const auto& worker : workers_) worker->start();
    return {};
}

void SimServer::stop() {
    for (const auto& worker : workers_) worker->stop();
    workers_.clear();
    state_.served.flush();
}

}  // namespace tg::sim
