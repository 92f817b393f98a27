#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/internal/call.h"

namespace tg {
namespace {

/// How often it is looked whether a reload has changed anything.
constexpr std::int64_t kLookNs = 1'000'000'000;
constexpr std::size_t kAnswerBytesMax = 4U << 20;

/// Does the status say that calls would be served? One that has no such path answers at least; one
/// that refuses our credentials will refuse every call.
bool is_healthy_status(int status) {
    return status < 400 || status == 404 || status == 405 || status == 429;
}

}  // namespace

/// Makes this loop the one that probes, unless another is, or nobody is asked to.
void Gateway::start_probing() {
    if (is_probing_ || loop_->is_stopping()) return;
    if (!snapshot_->options->routing.has_health_checks) return;
    Gateway* nobody = nullptr;
    if (!shared_->prober.compare_exchange_strong(nobody, this)) return;
    is_probing_ = true;
    loop_->spawn(probe_all());
}

Task<void> Gateway::probe_all() {
    while (!loop_->is_stopping()) {
        const std::shared_ptr<const LoopSnapshot> snapshot = snapshot_;
        if (!snapshot->options->routing.has_health_checks) break;
        const std::int64_t now = loop_->now_ns();
        std::int64_t next = now + kLookNs;
        for (std::uint32_t i = 0; i < snapshot->upstreams->size(); ++i) {
            DeploymentState& state = snapshot->upstreams->state(i);
            if (state.begin_probe(now)) loop_->spawn(probe(snapshot, i));
            next = std::min(next, state.probe_due_ns());
        }
        co_await loop_->sleep_until(next);
    }
    is_probing_ = false;
    shared_->prober = nullptr;
}

/// Asks one deployment whether it is there. Carries nothing of any client's.
Task<void> Gateway::probe(std::shared_ptr<const LoopSnapshot> snapshot, std::uint32_t index) {
    const Deployment& deployment = *snapshot->routes->deployments()[index];
    DeploymentState& state = snapshot->upstreams->state(index);
    const RoutingOptions& routing = snapshot->options->routing;
    const std::int64_t deadline = loop_->now_ns() + routing.health.timeout_ms * 1'000'000;
    std::string request = "GET " + deployment.url.path + routing.health_path + " HTTP/1.1\r\n" +
                          deployment.fixed_headers +
                          "accept: application/json\r\naccept-encoding: identity\r\n"
                          "user-agent: tollgate-health\r\n\r\n";
    ClientPool* pool = snapshot->pools[index];
    // An idle connection may be closed just now; only a new one tells.
    Result<int> status = co_await ask_health(pool, &request, /*allow_reuse=*/true, deadline);
    if (!status.ok()) status = co_await ask_health(pool, &request, /*allow_reuse=*/false, deadline);
    if (loop_->is_stopping()) co_return;
    const bool is_ok = status.ok() && is_healthy_status(*status);
    if (!is_ok) {
        log_warn("health_check_failed",
                 {{"deployment", deployment.options.name},
                  {"status", status.ok() ? *status : 0},
                  {"detail", status.ok() ? std::string_view() : status.error().detail}});
    }
    state.end_probe(loop_->now_ns(), is_ok);
}

Task<Result<int>> Gateway::ask_health(ClientPool* pool, std::string* request, bool allow_reuse,
                                      std::int64_t deadline_ns) {
    TG_CO_TRY(std::unique_ptr<ClientConnection> connection,
              co_await pool->acquire(allow_reuse, deadline_ns));
    connection->start_response(/*is_head=*/false);
    std::vector<iovec> pieces{{request->data(), request->size()}};
    TG_CO_CHECK_OK(co_await send_upstream(connection.get(), &pieces, deadline_ns));
    TG_CO_TRY(const HttpHead* head, co_await connection->read_head(deadline_ns));
    const int status = head->status();
    std::vector<std::string_view> body;
    for (std::size_t size = 0; size <= kAnswerBytesMax;) {
        body.clear();
        TG_CO_TRY(const bool more, co_await connection->read_body(&body, deadline_ns));
        for (const std::string_view piece : body) size += piece.size();
        if (more) continue;
        pool->release(std::move(connection));
        break;
    }
    co_return status;
}

}  // namespace tg
