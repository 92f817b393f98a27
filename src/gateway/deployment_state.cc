#include "gateway/deployment_state.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/hash.h"

namespace tg {
namespace {

constexpr std::int64_t kMinuteNs = 60'000'000'000, kMs = 1'000'000;
/// Limits are learned for so many models of an account; whatever else clients ask for shares one
/// pacer that learns nothing of limits, for headers of different models would contradict.
constexpr std::size_t kModelsMax = 64;

PacerOptions pacer_options(const UpstreamLimits& limits, std::string_view provider) {
    PacerOptions out;
    out.limits = {limits.requests_per_minute, limits.tokens_per_minute,
                  limits.input_tokens_per_minute, limits.output_tokens_per_minute};
    out.concurrency_max = limits.concurrency;
    out.burst_s = static_cast<double>(limits.burst_ms) / 1000;
    out.counting = limits.counting;
    // Anthropic gives back what was reserved for output and not used; see PacerOptions.
    out.refunds_output = provider == "anthropic";
    return out;
}

PacerCost operator+(const PacerCost& a, const PacerCost& b) {
    return {a.requests + b.requests, a.total_tokens + b.total_tokens,
            a.input_tokens + b.input_tokens, a.output_tokens + b.output_tokens};
}
PacerCost operator-(const PacerCost& a, const PacerCost& b) {
    return {a.requests - b.requests, a.total_tokens - b.total_tokens,
            a.input_tokens - b.input_tokens, a.output_tokens - b.output_tokens};
}

}  // namespace

/// One pacer and the line before it.
class PacedLimits {
  public:
    PacedLimits(std::string m, const PacerOptions& options) : model(std::move(m)), pacer(options) {}

    /// When a call that comes last would start: the line moves at the limit's rate once its first
    /// call may go.
    PacerStart start_behind_line(std::int64_t now_ns, const PacerCost& cost) {
        PacerStart alone = pacer.earliest_start(now_ns, cost);
        if (first == nullptr || alone.at_ns == kNeverNs) return alone;
        if (alone.bound == PacerBound::concurrency) {
            alone.at_ns += (alone.at_ns - now_ns) * waiting;
            return alone;
        }
        const std::array<std::int64_t, kLimitMeters> amounts = {
            queued.requests, queued.total_tokens, queued.input_tokens, queued.output_tokens};
        const PacerState state = pacer.state(now_ns);
        double minutes = 0;
        for (std::size_t i = 0; i < kLimitMeters; ++i) {
            if (state.meters[i].limit > 0)
                minutes =
                    std::max(minutes, static_cast<double>(amounts[i]) / state.meters[i].limit);
        }
        alone.at_ns += static_cast<std::int64_t>(minutes * static_cast<double>(kMinuteNs));
        return alone;
    }

    const std::string model;
    AccountPacer pacer;
    UpstreamLimits limits;
    bool learns = true;
    LimitWaiter *first = nullptr, *last = nullptr;
    std::int64_t waiting = 0;
    PacerCost queued{.requests = 0};
    LevelHandle fleet_level{};   ///< of FleetAccounts
    std::int64_t wanted_ns = 0;  ///< when a share was last asked for out of turn
};

/// An account's limits as the fleet sees them. Outlives both the limits and the deployment.
class DeploymentState::Shared final : public FleetAccount {
  public:
    Shared(std::weak_ptr<DeploymentState> owner, std::weak_ptr<PacedLimits> limits)
        : owner_(std::move(owner)), limits_(std::move(limits)) {}

    State fleet_state(std::int64_t now_ns) override {
        State state{.is_gone = true};
        with([&](PacedLimits& limits) {
            state.is_gone = false;
            state.use = limits.pacer.use(now_ns);
            state.waiting = limits.queued;
            if (limits.first != nullptr) state.next = limits.first->cost_;
        });
        return state;
    }
    void set_fleet_share(const MinuteLimits& share, std::int64_t concurrency) override {
        with([&](PacedLimits& limits) {
            limits.pacer.set_fleet_share(share, concurrency);
            if (limits.first != nullptr) limits.first->wake();
        });
    }
    void set_fleet_until(std::int64_t until_ns) override {
        with([&](PacedLimits& limits) { limits.pacer.set_fleet_until(until_ns); });
    }

  private:
    template <typename Use>
    void with(const Use& use) {
        const std::shared_ptr<DeploymentState> owner = owner_.lock();
        const std::shared_ptr<PacedLimits> limits = limits_.lock();
        if (owner == nullptr || limits == nullptr) return;
        const std::lock_guard lock(owner->mutex_);
        use(*limits);
    }

    std::weak_ptr<DeploymentState> owner_;
    std::weak_ptr<PacedLimits> limits_;
};

/// Of one account, by label `deployment`.
struct DeploymentState::Metrics {
    Metrics(MetricsRegistry* registry, std::string_view deployment) {
        const auto counter = [&](std::string_view name, std::string_view help) {
            return &registry->counter(name, help, {{"deployment", deployment}});
        };
        const auto gauge = [&](std::string_view name, std::string_view help) {
            return &registry->gauge(name, help, {{"deployment", deployment}});
        };
        attempts = counter("tollgate_deployment_attempts_total", "Calls made to the deployment.");
        failures = counter("tollgate_deployment_failures_total",
                           "Calls to the deployment that failed: 5xx, no answer, broken answer.");
        limited = counter("tollgate_deployment_limited_total",
                          "Calls that the deployment refused with 429.");
        breaker = gauge("tollgate_deployment_breaker_state", "0 closed, 1 open, 2 half open.");
        ejected = gauge("tollgate_deployment_ejected", "1 while ejected as an outlier.");
        healthy = gauge("tollgate_deployment_healthy", "0 while active health checks fail.");
        in_flight = gauge("tollgate_deployment_in_flight", "Calls under way.");
        waiting = gauge("tollgate_deployment_waiting", "Calls that wait for the account's limits.");
        first_byte = gauge("tollgate_deployment_first_byte_microseconds",
                           "Peak-EWMA of the time to the answer's head.");
        probes_ok = &registry->counter("tollgate_deployment_probes_total",
                                       "Active health checks by result.",
                                       {{"deployment", deployment}, {"result", "ok"}});
        probes_failed = &registry->counter("tollgate_deployment_probes_total",
                                           "Active health checks by result.",
                                           {{"deployment", deployment}, {"result", "failed"}});
    }
    Counter *attempts, *failures, *limited, *probes_ok, *probes_failed;
    Gauge *breaker, *ejected, *healthy, *in_flight, *waiting, *first_byte;
};

std::size_t DeploymentState::Hash::operator()(std::string_view text) const {
    return hash64(text);
}

DeploymentState::DeploymentState(const Deployment& deployment, MetricsRegistry* registry,
                                 std::uint64_t seed, std::int64_t now_ns)
    : name_(deployment.options.name),
      base_url_(deployment.options.base_url),
      registry_(registry),
      rng_(seed ^ hash64(deployment.options.name)),
      breaker_(breaker_options_, &rng_) {
    if (registry_ != nullptr) metrics_ = std::make_unique<Metrics>(registry_, name_);
    configure(deployment, RoutingOptions{}, now_ns);
}
DeploymentState::~DeploymentState() = default;

std::shared_ptr<PacedLimits> DeploymentState::make_limits(std::string model,
                                                          const UpstreamLimits& limits) {
    auto out = std::make_shared<PacedLimits>(std::move(model), pacer_options(limits, provider_));
    out->limits = limits;
    if (fleet_ != nullptr) share(out);
    return out;
}

void DeploymentState::join_fleet(FleetAccounts* fleet) {
    const std::lock_guard lock(mutex_);
    fleet_ = fleet;
    share(account_);
    for (const auto& [model, limits] : by_model_) share(limits);
}

void DeploymentState::share(const std::shared_ptr<PacedLimits>& limits) {
    limits->pacer.join_fleet();
    limits->fleet_level = fleet_->add(name_ + "\n" + limits->model,
                                      std::make_shared<Shared>(weak_from_this(), limits));
}

/// A call has to wait, perhaps only for a larger share.
void DeploymentState::want_share(PacedLimits* limits, std::int64_t now_ns) {
    constexpr std::int64_t kPauseNs = 20 * kMs;
    if (fleet_ == nullptr || now_ns - limits->wanted_ns < kPauseNs) return;
    limits->wanted_ns = now_ns;
    fleet_->want(limits->fleet_level);
}

/// What the meters have learned stays when only the amounts change. With another burst or way of
/// counting it begins anew; calls under way give their tickets back to the old one.
void DeploymentState::set_limits(std::shared_ptr<PacedLimits>* held, std::string model,
                                 const UpstreamLimits& limits) {
    if (*held != nullptr && (*held)->limits == limits) return;
    const bool can_stay = *held != nullptr && (*held)->limits.burst_ms == limits.burst_ms &&
                          (*held)->limits.counting == limits.counting;
    if (!can_stay) {
        const std::shared_ptr<PacedLimits> old = *held;
        *held = make_limits(std::move(model), limits);
        // Those in line stay in the line of the old one, which goes on pacing them.
        return;
    }
    (*held)->limits = limits;
    const PacerOptions options = pacer_options(limits, provider_);
    (*held)->pacer.configure(options.limits);
    (*held)->pacer.set_concurrency_max(options.concurrency_max);
    if ((*held)->first != nullptr) (*held)->first->wake();
}

void DeploymentState::configure(const Deployment& deployment, const RoutingOptions& routing,
                                std::int64_t now_ns) {
    const std::lock_guard lock(mutex_);
    const UpstreamOptions& options = deployment.options;
    provider_ = options.provider;
    region_ = options.region;
    pool_ = options.pool;
    is_covered_ = options.zero_retention.has_value();
    waiting_max_ = routing.waiting_max;
    has_breaker_ = routing.has_breaker;
    if (routing.breaker != breaker_options_) {
        breaker_options_ = routing.breaker;
        breaker_ = CircuitBreaker(breaker_options_, &rng_);
    }
    if (!routing.has_health_checks) {
        health_.reset();
    } else if (!health_ || routing.health != health_options_) {
        health_options_ = routing.health;
        health_.emplace(health_options_, &rng_, now_ns);
    }
    account_limits_ = options.limits;
    set_limits(&account_, "", options.limits);
    account_->learns = options.limits.is_set();
    std::map<std::string_view, const UpstreamLimits*> wanted;
    for (const UpstreamModel& model : options.models) {
        const std::string& key = model.upstream_name.empty() ? model.name : model.upstream_name;
        if (model.limits.is_set()) wanted.emplace(key, &model.limits);
    }
    // Models that have no limits of their own any more go back to the account's, or to learning.
    std::erase_if(by_model_, [&](const auto& entry) {
        const bool can_stay = !options.limits.is_set() && entry.second->limits == options.limits;
        return !wanted.contains(entry.first) && !can_stay;
    });
    for (const auto& [model, limits] : wanted)
        set_limits(&by_model_[std::string(model)], std::string(model), *limits);
}

std::shared_ptr<PacedLimits>& DeploymentState::limits_of(std::string_view model) {
    if (model.empty()) return account_;
    if (const auto found = by_model_.find(model); found != by_model_.end()) return found->second;
    if (account_limits_.is_set() || by_model_.size() >= kModelsMax) return account_;
    return by_model_.emplace(model, make_limits(std::string(model), account_limits_)).first->second;
}

void DeploymentState::describe(std::int64_t now_ns, std::string_view model, const PacerCost& cost,
                               RouteOption* option) {
    const std::lock_guard lock(mutex_);
    PacedLimits& limits = *limits_of(model);
    option->start = limits.start_behind_line(now_ns, cost);
    option->remaining_share = limits.pacer.remaining_share(now_ns);
    option->load_ns = latency_.load_ns(now_ns);
    option->breaker_allows = !has_breaker_ || breaker_.allows(now_ns);
    option->breaker_until_ns = breaker_.open_until_ns();
    option->is_unhealthy = health_ && !health_->is_healthy();
}

BeginAnswer DeploymentState::begin(std::int64_t now_ns, std::string_view model,
                                   const PacerCost& cost, LimitWaiter* waiter,
                                   UpstreamTicket* ticket) {
    const std::lock_guard lock(mutex_);
    const bool is_in_line = waiter != nullptr && waiter->limits_ != nullptr;
    const std::shared_ptr<PacedLimits>& limits = is_in_line ? waiter->limits_ : limits_of(model);
    if (has_breaker_ && !breaker_.allows(now_ns))
        return {BeginResult::breaker_open, {breaker_.open_until_ns(), PacerBound::none}};
    if (limits->first != nullptr && limits->first != waiter)
        return {BeginResult::wait, {kNeverNs, PacerBound::none}};
    std::optional<PacerTicket> taken = limits->pacer.take(now_ns, cost);
    if (!taken) {
        const PacerStart start = limits->pacer.earliest_start(now_ns, cost);
        want_share(limits.get(), now_ns);
        return {start.bound == PacerBound::too_large ? BeginResult::too_large : BeginResult::wait,
                start};
    }
    ticket->pass = has_breaker_ ? breaker_.begin(now_ns).value_or(BreakerPass{}) : BreakerPass{};
    ticket->pacer = *taken;
    ticket->limits = limits;
    ticket->sent_ns = now_ns;
    ticket->is_open = true;
    ticket->has_answer = false;
    latency_.on_start();
    if (metrics_) metrics_->attempts->add();
    if (is_in_line) unlink(waiter);
    return {};
}

bool DeploymentState::join_line(std::string_view model, LimitWaiter* waiter) {
    const std::lock_guard lock(mutex_);
    const std::shared_ptr<PacedLimits>& limits = limits_of(model);
    if (limits->waiting >= waiting_max_) return false;
    waiter->limits_ = limits;
    waiter->before_ = limits->last;
    waiter->behind_ = nullptr;
    (limits->last != nullptr ? limits->last->behind_ : limits->first) = waiter;
    limits->last = waiter;
    ++limits->waiting;
    limits->queued = limits->queued + waiter->cost_;
    return true;
}

/// Takes it out of the line; who is first then is told.
void DeploymentState::unlink(LimitWaiter* waiter) {
    const std::shared_ptr<PacedLimits> limits = std::move(waiter->limits_);
    waiter->limits_ = nullptr;
    const bool was_first = limits->first == waiter;
    (waiter->before_ != nullptr ? waiter->before_->behind_ : limits->first) = waiter->behind_;
    (waiter->behind_ != nullptr ? waiter->behind_->before_ : limits->last) = waiter->before_;
    --limits->waiting;
    limits->queued = limits->queued - waiter->cost_;
    if (was_first && limits->first != nullptr) limits->first->wake();
}

void DeploymentState::leave_line(LimitWaiter* waiter) {
    const std::lock_guard lock(mutex_);
    if (waiter->limits_ != nullptr) unlink(waiter);
}

CallVerdict DeploymentState::count(std::int64_t now_ns, UpstreamTicket* ticket,
                                   const CallEnd& end) {
    const CallVerdict verdict = verdict_of(end);
    if (has_breaker_) breaker_.end(now_ns, ticket->pass, verdict);
    // What comes later of this call is a failure of its own, and no probe any more.
    ticket->pass.is_probe = false;
    if (health_) health_->on_traffic(now_ns, verdict);
    if (verdict == CallVerdict::failure && metrics_) metrics_->failures->add();
    return verdict;
}

CallVerdict DeploymentState::on_answer(std::int64_t now_ns, UpstreamTicket* ticket,
                                       const PacerAnswer& answer) {
    const std::lock_guard lock(mutex_);
    ticket->has_answer = true;
    latency_.on_first_byte(now_ns, now_ns - ticket->sent_ns);
    if (ticket->limits->learns) {
        ticket->limits->pacer.on_answer(now_ns, &ticket->pacer, answer);
    } else {
        PacerAnswer without_limits = answer;
        without_limits.report.meters = {};
        ticket->limits->pacer.on_answer(now_ns, &ticket->pacer, without_limits);
    }
    if (answer.status == 429) {
        if (metrics_) metrics_->limited->add();
        if (ticket->limits->first != nullptr) ticket->limits->first->wake();
    }
    return count(now_ns, ticket, {answer.status, std::nullopt});
}

CallVerdict DeploymentState::fail(std::int64_t now_ns, UpstreamTicket* ticket, ErrorCode error,
                                  bool has_reached_upstream) {
    if (!ticket->is_open) return CallVerdict::neutral;
    const std::lock_guard lock(mutex_);
    ticket->is_open = false;
    latency_.on_end();
    if (error == ErrorCode::upstream_timeout)
        latency_.on_first_byte(now_ns, now_ns - ticket->sent_ns);
    ticket->limits->pacer.on_end(now_ns, &ticket->pacer,
                                 {.has_reached_upstream = has_reached_upstream});
    if (ticket->limits->first != nullptr) ticket->limits->first->wake();
    return count(now_ns, ticket, {0, error});
}

void DeploymentState::finish(std::int64_t now_ns, UpstreamTicket* ticket, const PacerEnd& end,
                             bool is_broken) {
    if (!ticket->is_open) return;
    const std::lock_guard lock(mutex_);
    ticket->is_open = false;
    latency_.on_end();
    ticket->limits->pacer.on_end(now_ns, &ticket->pacer, end);
    if (is_broken) count(now_ns, ticket, {0, ErrorCode::upstream_broken});
    if (ticket->limits->first != nullptr) ticket->limits->first->wake();
    ticket->limits.reset();
}

std::optional<std::int64_t> DeploymentState::usual_first_byte_ns(std::int64_t now_ns,
                                                                 double share) {
    const std::lock_guard lock(mutex_);
    return latency_.quantile_ns(now_ns, share);
}

std::int64_t DeploymentState::probe_due_ns() {
    const std::lock_guard lock(mutex_);
    return health_ ? health_->next_due_ns() : kNeverNs;
}

bool DeploymentState::begin_probe(std::int64_t now_ns) {
    const std::lock_guard lock(mutex_);
    return health_ && health_->begin_probe(now_ns);
}

void DeploymentState::end_probe(std::int64_t now_ns, bool is_ok) {
    const std::lock_guard lock(mutex_);
    if (health_) health_->on_result(now_ns, is_ok);
    if (metrics_) (is_ok ? metrics_->probes_ok : metrics_->probes_failed)->add();
}

UpstreamStatus DeploymentState::status(std::int64_t now_ns) {
    const std::lock_guard lock(mutex_);
    UpstreamStatus out;
    out.name = name_;
    out.provider = provider_;
    out.region = region_;
    out.pool = pool_;
    out.is_zero_retention_covered = is_covered_;
    out.breaker = has_breaker_ ? breaker_.state(now_ns) : BreakerState::closed;
    if (const std::int64_t until = breaker_.open_until_ns(); has_breaker_ && until > now_ns)
        out.breaker_open_ms = (until - now_ns + kMs - 1) / kMs;
    out.breaker_opened = breaker_.times_opened();
    if (health_) out.is_healthy = health_->is_healthy();
    out.in_flight = latency_.in_flight();
    out.first_byte_peak_ms = latency_.peak_ns(now_ns) / static_cast<double>(kMs);
    out.first_byte_mean_ms = latency_.mean_ns(now_ns) / static_cast<double>(kMs);
    if (const auto p95 = latency_.quantile_ns(now_ns, 0.95)) out.first_byte_p95_ms = *p95 / kMs;
    if (metrics_) {
        out.attempts = metrics_->attempts->value();
        out.failures = metrics_->failures->value();
        out.limited = metrics_->limited->value();
    }
    const auto add = [&](PacedLimits& limits) {
        out.waiting += limits.waiting;
        out.limits.push_back({limits.model, limits.pacer.state(now_ns), limits.waiting});
    };
    add(*account_);
    for (const auto& [model, limits] : by_model_) add(*limits);
    std::ranges::sort(out.limits, {}, &UpstreamLimitsStatus::model);
    return out;
}

void DeploymentState::refresh_gauges(std::int64_t now_ns, bool is_ejected) {
    if (metrics_ == nullptr) return;
    const UpstreamStatus now = status(now_ns);
    metrics_->breaker->set(static_cast<std::int64_t>(now.breaker));
    metrics_->ejected->set(is_ejected ? 1 : 0);
    metrics_->healthy->set(now.is_healthy.value_or(true) ? 1 : 0);
    metrics_->in_flight->set(now.in_flight);
    metrics_->waiting->set(now.waiting);
    metrics_->first_byte->set(std::llround(now.first_byte_peak_ms * 1000));
    for (const UpstreamLimitsStatus& limits : now.limits) {
        for (std::size_t i = 0; i < kLimitMeters; ++i) {
            const PacerMeterState& meter = limits.pacer.meters[i];
            const std::initializer_list<Label> labels = {
                {"deployment", name_},
                {"model", limits.model},
                {"meter", tg::name(static_cast<LimitMeter>(i))}};
            if (meter.limit <= 0) continue;
            const auto set = [&](std::string_view name, std::string_view help, double value) {
                registry_->gauge(name, help, labels).set(std::llround(value));
            };
            set("tollgate_deployment_limit_per_minute", "The limit believed now.", meter.limit);
            set("tollgate_deployment_limit_used", "Counted against the limit now.",
                static_cast<double>(meter.used));
            set("tollgate_deployment_limit_excess",
                "Counted by the provider beyond what this process sent.", meter.excess);
            set("tollgate_deployment_limit_remaining_ppm",
                "Of the limit, what could be sent now, in parts per million.",
                meter.remaining_share * 1e6);
        }
    }
}

}  // namespace tg
