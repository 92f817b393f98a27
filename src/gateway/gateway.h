#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "gateway/caller_levels.h"
#include "gateway/gate_admission.h"
#include "gateway/options.h"
#include "gateway/route_table.h"
#include "identity/directory.h"
#include "metering/usage_journal.h"
#include "net/blocking_pool.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "rating/catalogue.h"

namespace tg {

/// Everything a request looks things up in, as of one moment. A request takes it once and keeps it
/// to its end, so a change never splits a request.
struct GateSnapshot {
    std::shared_ptr<const Directory> directory;
    std::shared_ptr<const Catalogue> catalogue;
    std::shared_ptr<const RouteTable> routes;
    std::shared_ptr<const GatewayOptions> options;
    std::shared_ptr<const LimitTable> limits = LimitTable::unlimited();
};

/// Metrics of the data plane; shared by all loops.
struct GatewayMetrics {
    explicit GatewayMetrics(MetricsRegistry* registry);
    Counter *requests_2xx, *requests_4xx, *requests_5xx, *requests_429;
    Counter *refused_auth, *refused_journal, *refused_model;
    Counter *upstream_attempts, *upstream_retries, *upstream_failures;
    Counter *client_gone, *usage_estimated, *usage_mismatch, *unpriced;
    Counter *tokens_input, *tokens_output;
    Gauge* in_flight;
    Histogram *duration, *first_byte, *durable_wait;
};

/// What all loops share. Owned by the application; outlives every loop.
struct GatewayShared {
    Clock* clock = nullptr;
    UsageJournal* journal = nullptr;  ///< null: metering is off, and nothing is billed
    BlockingPool* blocking = nullptr;
    GatewayMetrics* metrics = nullptr;
    GateAdmission* admission = nullptr;  ///< null: nothing is limited or counted
    std::atomic<bool> is_draining{false};
};

struct Call;

/// A snapshot as one loop sees it: its reference count and connection pools belong to that loop
/// alone.
struct LoopSnapshot : GateSnapshot {
    std::vector<ClientPool*> pools;  ///< by Deployment::index
    std::unique_ptr<CallerLevelCache> levels;
};

/// The data plane on one loop: authenticates, routes, relays, meters.
class Gateway final : public HttpHandler {
  public:
    Gateway(Loop* loop, GatewayShared* shared, GateSnapshot snapshot);
    ~Gateway() override;

    /// Loop thread: requests that start from now on see `snapshot`.
    void publish(GateSnapshot snapshot);

    Task<void> handle(ServerExchange* exchange) override;
    std::string error_body(int status, const Error& error) override;

    /// Loop thread, at shutdown: closes idle upstream connections.
    void close_idle();

  private:
    friend struct Call;
    Task<void> route(Call* call);
    Task<void> answer_models(Call* call, std::string_view id);
    Task<void> answer_health(Call* call, bool wants_ready);

    Task<void> run_inspected(Call* call);
    Task<void> run_pass_through(Call* call);
    /// Takes what the limits allow, or waits for it; false when the client was told why not.
    Task<bool> admit(Call* call);
    Task<bool> wait_in_line(Call* call, class AdmissionWait* wait);
    Task<void> refuse_limited(Call* call, Refusal refusal, std::int64_t max_wait_ms);
    std::int64_t expected_output(const Call& call, bool limits_tokens) const;
    enum class UsageKnown : std::uint8_t { no, yes };
    void end_admission(Call* call, UsageKnown usage_known);
    /// Journal RESERVED; false when the client was told why not.
    Task<bool> reserve(Call* call);
    /// Connects, sends and reads the answer's head; retries and fails over. On failure the client
    /// has been told.
    Task<bool> reach_upstream(Call* call);
    Task<void> give_up(Call* call, Error last);
    Task<Status> attempt(Call* call, const Route* route, bool allow_reuse);
    Task<Status> upload(Call* call);
    static Task<Status> send_upstream(ClientConnection* upstream, std::vector<iovec>* pieces,
                                      std::int64_t deadline_ns);
    Task<void> relay(Call* call);
    Task<void> relay_whole(Call* call);
    Task<void> read_whole(Call* call, struct WholeAnswer* answer);
    void begin_whole(Call* call, struct WholeAnswer* answer, bool is_all);
    Task<void> refuse_own_credentials(Call* call);
    Task<void> relay_stream(Call* call);
    /// Everything but the last bytes, which go to `last`.
    Task<void> pump_stream(Call* call, std::string* last);
    /// Reads on after the client has left, for a bounded time, to learn the exact usage.
    Task<void> drain_upstream(Call* call, class ReplyScanner* scanner);
    /// Journal SETTLED, and waits until it is durable. false when the journal failed.
    Task<bool> settle(Call* call);
    Task<UsageSource> find_usage(Call* call);
    void learn(const Call& call);
    UsageEvent usage_event(const Call& call, UsageSource source) const;
    bool find_price(Call* call, const UsageEvent& event);
    Task<void> estimate_usage(Call* call);
    Task<void> count_prompt(Call* call);
    void abandon(Call* call);
    Task<void> refuse(Call* call, Error error, std::string_view code = {},
                      std::string_view param = {});
    void finish_metrics(Call* call);

    /// Writes the head of an answer that is passed on.
    static void begin_answer(Call* call, ServerExchange::Framing framing, std::uint64_t length,
                             bool has_cost);

    Loop* loop_;
    GatewayShared* shared_;
    std::shared_ptr<const LoopSnapshot> snapshot_;
    /// By origin, so that a reload that keeps an upstream keeps its connections. Never removed:
    /// calls may be under way.
    std::vector<std::unique_ptr<ClientPool>> pools_;
    RandomIdSource ids_;
    // Learned on this loop, for estimates only: prompt tokens per 1024 body bytes, and completion
    // tokens per call.
    std::int64_t tokens_per_kib_ = 256;
    std::int64_t mean_output_tokens_ = 256;
};

}  // namespace tg
