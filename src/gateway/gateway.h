#pragma once
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "gateway/caller_levels.h"
#include "gateway/gate_admission.h"
#include "gateway/hedge_policy.h"
#include "gateway/object_homes.h"
#include "gateway/options.h"
#include "gateway/retry_policy.h"
#include "gateway/route_choice.h"
#include "gateway/route_table.h"
#include "gateway/upstream_set.h"
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
    MetricsRegistry* registry;
    Counter *requests_2xx, *requests_4xx, *requests_5xx, *requests_429;
    Counter *refused_auth, *refused_journal, *refused_model;
    Counter *upstream_attempts, *upstream_retries, *upstream_failures;
    Counter *refused_limit, *refused_policy, *refused_failing;
    Counter *hedges, *hedges_won, *fallbacks;
    Histogram* limit_wait;
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
    UpstreamStates upstreams;
    ObjectHomes object_homes;
    std::atomic<class Gateway*> prober{nullptr};  ///< makes the active health checks for all loops
    std::atomic<bool> is_draining{false};
};

struct Call;
struct UpstreamSearch;
struct UpstreamTry;
struct HedgeRace;
class Gateway;

/// A snapshot as one loop sees it: its reference count and connection pools belong to that loop
/// alone.
struct LoopSnapshot : GateSnapshot {
    std::vector<ClientPool*> pools;  ///< by Deployment::index
    std::unique_ptr<CallerLevelCache> levels;
    std::shared_ptr<const UpstreamSet> upstreams;  ///< as well
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
    Task<void> reserve_tokens(Call* call, std::span<const LevelHandle> levels);
    enum class UsageKnown : std::uint8_t { no, yes };
    void end_admission(Call* call, UsageKnown usage_known);
    // The data policy (policy_call.cc). Each is false when the client was told why not.
    /// Before the body is read: headers that narrow the policy, and the path.
    Task<bool> admit_by_policy(Call* call);
    /// Once `facts` are known: what the body asks for, and what is changed in it.
    Task<bool> admit_body(Call* call);
    /// Leaves in `routes` only what the policy allows.
    Task<bool> permit_routes(Call* call);
    Task<void> refuse_by_policy(Call* call, Error error, std::string_view param = {});
    void record_refusal(Call* call);
    /// Journal RESERVED; false when the client was told why not.
    Task<bool> reserve(Call* call);
    Status make_reservation(Call* call);
    /// Connects, sends and reads the answer's head; retries and fails over. On failure the client
    /// has been told.
    Task<bool> reach_upstream(Call* call);
    Task<void> give_up(Call* call, const UpstreamSearch* search, Error last);
    Task<void> refuse_upstream(Call* call, const UpstreamSearch* search, Error last);

    // The choice of a deployment (upstream_choice.cc).
    void choose(Call* call, UpstreamSearch* search);
    bool has_price(const Call& call, const Deployment& deployment) const;
    std::int64_t price_of_call(const Call& call, const Deployment& deployment) const;
    Status find_first_price(Call* call) const;
    bool fall_back(Call* call, UpstreamSearch* search);
    bool look_elsewhere(Call* call, UpstreamSearch* search, const UpstreamTry& attempt);
    void note_homes(const Call& call);
    bool has_fallback(const Call& call, const UpstreamSearch& search) const;
    Task<void> wait_to_retry(Call* call, std::int64_t at_ns);
    Error refusal(Call* call, UpstreamSearch* search);
    void note_limited(Call* call, UpstreamSearch* search, const UpstreamTry& attempt);
    PacerCost cost_of(const Call& call, const Deployment& deployment) const;
    /// Chooses, waits for the limit, and takes it: then `attempt` may be sent.
    Task<Status> begin_try(Call* call, UpstreamSearch* search, UpstreamTry* attempt);
    Task<BeginResult> wait_for_limit(Call* call, const UpstreamSearch* search,
                                     UpstreamTry* attempt);

    // One try (upstream_try.cc).
    Task<Status> run_try(Call* call, UpstreamTry* attempt);
    Task<Status> try_once(Call* call, UpstreamTry* attempt, bool allow_reuse);
    Task<Status> read_answer_head(Call* call, UpstreamTry* attempt, std::int64_t drain_ms,
                                  std::int64_t deadline_ns);
    Task<Status> read_refusal_body(UpstreamTry* attempt, std::int64_t deadline_ns);
    Task<Status> upload(Call* call, UpstreamTry* attempt);
    Task<Status> look_for_early_answer(UpstreamTry* attempt);
    void fail_try(const LoopSnapshot& snapshot, UpstreamTry* attempt, const Error& error);
    void drop_try(const LoopSnapshot& snapshot, UpstreamTry* attempt);
    void accept_try(Call* call, UpstreamTry* attempt);
    void find_price_of_deployment(Call* call) const;
    static bool is_worth_another_try(const UpstreamTry& attempt);
    RetryDecision decide_next(Call* call, UpstreamSearch* search, const UpstreamTry& attempt,
                              const Status& status);
    void end_upstream(Call* call);

    // A second try beside a slow one (hedged_call.cc).
    bool may_hedge(const Call& call, const UpstreamSearch& search) const;
    Task<Status> run_hedged(Call* call, UpstreamSearch* search, UpstreamTry* attempt);
    void start_side(Call* call, const std::shared_ptr<HedgeRace>& race, std::size_t side);
    Task<void> run_side(Call* call, std::shared_ptr<HedgeRace> race, std::size_t index);
    bool is_decided(const Call& call, const HedgeRace& race) const;
    void start_hedge(Call* call, UpstreamSearch* search, const std::shared_ptr<HedgeRace>& race,
                     HedgeCall hedge);
    Status end_race(Call* call, UpstreamSearch* search, const std::shared_ptr<HedgeRace>& race,
                    UpstreamTry* attempt);
    Task<void> settle_loser(std::shared_ptr<HedgeRace> race, std::size_t index);
    bool begin_now(const Call& call, UpstreamTry* attempt);

    // Active health checks (health_probe.cc).
    void start_probing();
    Task<void> probe_all();
    Task<void> probe(std::shared_ptr<const LoopSnapshot> snapshot, std::uint32_t index);
    static Task<Result<int>> ask_health(ClientPool* pool, std::string* request, bool allow_reuse,
                                        std::int64_t deadline_ns);
    void configure_budgets(const RoutingOptions& routing);
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
    /// Of those that are in use; a reload with other options makes a new pool.
    std::map<const ClientPool*, ClientPool::Options> pool_options_;
    RandomIdSource ids_;
    // Learned on this loop, for estimates only: prompt tokens per 1024 body bytes, and completion
    // tokens per call.
    std::int64_t tokens_per_kib_ = 256;
    std::int64_t mean_output_tokens_ = 256;
    Rng rng_;
    RetryBudget retry_budget_, hedge_budget_;
    // Scratch of one choice, which nothing suspends.
    std::array<double, 4> budgets_{};
    bool is_probing_ = false;
    std::shared_ptr<int> alive_ = std::make_shared<int>();  ///< for what is posted
    std::vector<RouteOption> options_;
    RouteChoice choice_;
};

}  // namespace tg
