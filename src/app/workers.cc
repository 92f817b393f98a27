#include "app/workers.h"

#include <condition_variable>

#include "base/thread_name.h"
#include "net/address.h"

namespace tg {
namespace {

constexpr int kBacklog = 4096;

}  // namespace

Result<std::shared_ptr<TlsContext>> load_tls(const TlsFiles& files) {
    if (!files.is_set()) return std::shared_ptr<TlsContext>();
    return TlsContext::server(files.certificate_file, files.key_file);
}

Workers::~Workers() {
    TG_ASSERT(workers_.empty());
}

Status Workers::start(const Config& config, int count) {
    TG_TRY(SocketAddress address, parse_address(config.listen));
    HttpServerOptions options = config.server;
    TG_TRY(options.tls, load_tls(config.tls));
    TG_CHECK_OK(check_address_is_free(address));
    std::vector<int> sockets;
    for (int i = 0; i < count; ++i) {
        TG_TRY(const int fd, listen_on(address, kBacklog));
        sockets.push_back(fd);
        // With port 0 the first socket is given one, and the others share it.
        address = local_address(fd);
    }
    address_ = address.text();
    for (const int fd : sockets) {
        auto worker = std::make_unique<Worker>();
        worker->gateway = std::make_unique<Gateway>(&worker->loop, shared_, snapshot_);
        worker->server =
            std::make_unique<HttpServer>(&worker->loop, fd, options, worker->gateway.get());
        workers_.push_back(std::move(worker));
    }
    for (const auto& worker : workers_) {
        worker->thread = std::thread([w = worker.get()] {
            set_thread_name("tg-worker");
            w->loop.post([w] { w->server->start(); });
            w->loop.run();
        });
    }
    return {};
}

void Workers::on_each(const std::function<void(Worker&)>& work) {
    std::mutex mutex;
    std::condition_variable done;
    std::size_t left = workers_.size();
    for (const auto& worker : workers_) {
        worker->loop.post([&, w = worker.get()] {
            work(*w);
            const std::lock_guard lock(mutex);
            if (--left == 0) done.notify_one();
        });
    }
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return left == 0; });
}

void Workers::publish() {
    on_each([this](Worker& worker) { worker.gateway->publish(snapshot_); });
}

void Workers::publish_directory(const DirectoryHolder& directory) {
    const std::lock_guard lock(mutex_);
    // Taken under the lock, so that an older one never replaces a newer.
    snapshot_.directory = directory.get();
    publish();
}

void Workers::publish_limits(const LimitHolder& limits) {
    const std::lock_guard lock(mutex_);
    snapshot_.limits = limits.get();
    // Whoever waits hears of it before the next request is asked.
    if (shared_->admission != nullptr) shared_->admission->set_limits(snapshot_.limits);
    publish();
}

void Workers::publish_catalogue(std::shared_ptr<const Catalogue> catalogue) {
    const std::lock_guard lock(mutex_);
    snapshot_.catalogue = std::move(catalogue);
    publish();
}

void Workers::publish_config(std::shared_ptr<const RouteTable> routes,
                             std::shared_ptr<const GatewayOptions> options,
                             const HttpServerOptions& server) {
    const std::lock_guard lock(mutex_);
    snapshot_.routes = std::move(routes);
    snapshot_.options = std::move(options);
    on_each([&](Worker& worker) {
        worker.gateway->publish(snapshot_);
        worker.server->set_options(server);
    });
}

GateSnapshot Workers::snapshot() const {
    const std::lock_guard lock(mutex_);
    return snapshot_;
}

std::int64_t Workers::connections() const {
    const std::lock_guard lock(mutex_);
    std::int64_t total = 0;
    for (const auto& worker : workers_) total += worker->server->counters().open.value();
    return total;
}

void Workers::stop(std::int64_t timeout_ms) {
    shared_->is_draining.store(true);
    on_each([](Worker& worker) { worker.server->drain(); });
    if (shared_->admission != nullptr) shared_->admission->shut_down();
    const std::int64_t until_ns = shared_->clock->monotonic_ns() + timeout_ms * 1'000'000;
    while (connections() > 0 && shared_->clock->monotonic_ns() < until_ns) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    for (const auto& worker : workers_) worker->loop.stop();
    for (const auto& worker : workers_) worker->thread.join();
    // A gateway's pooled connections belong to its loop and go before it.
    for (const auto& worker : workers_) worker->gateway.reset();
    // Whoever reads the metrics meanwhile finds all of them, or none.
    const std::lock_guard lock(mutex_);
    workers_.clear();
}

}  // namespace tg
