// The strategies that use the product's own parts: admission's line, and the account's pacer behind
// it. Each is driven here as the data plane will drive it, in virtual time.
#include <algorithm>
#include <bit>
#include <deque>

#include "admission/admission_core.h"
#include "admission/output_learner.h"
#include "app/replay_strategies.h"
#include "base/check.h"
#include "gateway/account_pacer.h"
#include "gateway/retry_policy.h"

namespace tg {
namespace {

constexpr std::int64_t kNsPerUs = 1'000;
constexpr std::uint64_t kModel = 1;
/// Waiting requests are bounded by the deadline here; a tenant of a trace may stand for all of a
/// customer's traffic.
constexpr std::uint32_t kWaitingMax = 1'000'000;
/// How often admission's limits follow what the pacer believes of the account.
constexpr std::int64_t kFollowUs = 100'000;

AdmissionOptions admission_options() {
    AdmissionOptions options;
    options.queue_max = options.queue_customer_max = kWaitingMax;
    return options;
}

/// Admission's line with the account's limits as its one level.
class Queue : public ReplayStrategy {
  public:
    Queue(const Limits& limits, ReplayEngine* engine)
        : ReplayStrategy(engine), admission_(admission_options()) {
        level_ = admission_.intern({LevelKind::account, 1}, limits);
    }

    void on_arrival(std::uint32_t request) override { line_up(request); }
    void on_wake(std::uint32_t request) override { line_up(request); }
    void on_answer(std::uint32_t request, const ReplayAnswer& answer) override {
        if (answer.is_accepted) return;
        give_up_place(request);
        retry_or_fail(request, answer);
    }
    void on_end(std::uint32_t request, std::int64_t output_tokens, std::int64_t) override {
        learner_.observe(kModel, engine().tenant(request), output_tokens);
        const Amounts actual{1, engine().input_tokens(request), output_tokens};
        admission_.settle(call(request).ticket, actual, engine().now_us());
    }
    /// Timers that an earlier one has made needless still fire; they must not set new ones.
    void on_timer() override {
        if (engine().now_us() >= timer_us_) timer_us_ = INT64_MAX;
    }
    void settle_events() override {
        const std::int64_t now = engine().now_us();
        while (admission_.has_outcomes() || next_poll_us_ <= now) {
            outcomes_.clear();
            admission_.poll(now, &outcomes_);
            for (const WaitOutcome& outcome : outcomes_) {
                const auto request = static_cast<std::uint32_t>(outcome.context);
                outcome.is_admitted ? on_admitted(request) : engine().fail(request);
            }
            next_poll_us_ = INT64_MAX;
        }
        next_poll_us_ = admission_.next_event_us();
        wake_by(next_poll_us_);
    }

  protected:
    struct Call {
        Ticket ticket{};
        PacerTicket paced{};
        std::int64_t output_estimate = 0;
        int attempts = 0;
    };
    Call& call(std::uint32_t request) {
        if (request >= calls_.size()) calls_.resize(request + 1);
        return calls_[request];
    }
    AdmissionCore& admission() { return admission_; }
    LevelHandle level() const { return level_; }

    virtual void on_admitted(std::uint32_t request) { engine().send(request); }
    virtual std::uint64_t flow_of(std::uint32_t request) { return engine().tenant(request); }
    virtual void retry_or_fail(std::uint32_t request, const ReplayAnswer& answer) {
        retry_at(request, sdk_retry_at_us(engine().now_us(), ++call(request).attempts, answer,
                                          engine().rng()));
    }
    void retry_at(std::uint32_t request, std::int64_t at_us) {
        if (at_us < 0 || !engine().can_wait_until(request, at_us))
            engine().fail(request);
        else
            engine().wake(request, at_us);
    }
    void give_up_place(std::uint32_t request) {
        admission_.release(call(request).ticket, engine().now_us());
    }
    void wake_by(std::int64_t at_us) {
        if (at_us >= timer_us_) return;
        timer_us_ = at_us;
        engine().wake_strategy(at_us);
    }

  private:
    void line_up(std::uint32_t request) {
        Call& it = call(request);
        it.output_estimate = learner_.estimate(kModel, engine().tenant(request), 0, 0);
        const AdmissionRequest wish{
            .levels = {&level_, 1},
            .amounts = {1, engine().input_tokens(request), it.output_estimate},
            .customer = engine().tenant(request),
            .flow = flow_of(request),
            .max_wait_us = engine().send_by_us(request) - engine().now_us(),
            .context = request};
        const Decision decision = admission_.reserve(wish, engine().now_us());
        it.ticket = decision.ticket;
        if (decision.verdict == Verdict::admitted) on_admitted(request);
        if (decision.verdict == Verdict::refused) engine().fail(request);
    }

    AdmissionCore admission_;
    LevelHandle level_;
    OutputLearner learner_;
    std::vector<Call> calls_;
    std::vector<WaitOutcome> outcomes_;
    std::int64_t next_poll_us_ = INT64_MAX, timer_us_ = INT64_MAX;
};

/// Half octaves from 256 tokens on.
constexpr std::uint64_t kSizeClasses = 128;
std::uint64_t size_class(std::int64_t tokens) {
    const auto size = static_cast<std::uint64_t>(std::max<std::int64_t>(tokens, 256));
    const auto top = static_cast<std::uint64_t>(std::bit_width(size));
    return 2 * top + ((size >> (top - 2)) & 1);
}

PacerOptions pacer_options(const ReplayAccount& account) {
    PacerOptions options;
    options.limits[static_cast<std::size_t>(LimitMeter::requests)] = account.rpm;
    options.limits[static_cast<std::size_t>(LimitMeter::total_tokens)] = account.tpm;
    options.refunds_output = true;
    if (account.counting == ReplayUpstreamSpec::Counting::bucket) {
        options.counting = PacerCounting::bucket;
        options.burst_s = 60;
    }
    return options;
}

/// What admission lets through starts when the account's pacer says so. Admission's limits follow
/// what the pacer has learned, so that calls wait in the fair line and hardly ever behind it.
class Full final : public Queue {
  public:
    Full(const ReplayAccount& account, ReplayEngine* engine)
        : Queue({.requests = account.rpm, .total_tokens = account.tpm}, engine),
          options_(pacer_options(account)),
          pacer_(options_),
          budget_(0.1, 1, 100) {}

    void on_answer(std::uint32_t request, const ReplayAnswer& answer) override {
        const PacerAnswer told{.status = answer.is_accepted ? 200 : 429, .report = answer.report};
        pacer_.on_answer(now_ns(), &call(request).paced, told);
        if (!answer.is_accepted) pacer_.on_end(now_ns(), &call(request).paced, {});
        Queue::on_answer(request, answer);
    }
    void on_end(std::uint32_t request, std::int64_t output_tokens,
                std::int64_t input_tokens_counted) override {
        const PacerEnd end{.input_tokens = input_tokens_counted, .output_tokens = output_tokens};
        pacer_.on_end(now_ns(), &call(request).paced, end);
        Queue::on_end(request, output_tokens, input_tokens_counted);
    }
    void settle_events() override {
        follow_pacer();
        Queue::settle_events();
        send_what_may_start();
    }

  private:
    std::int64_t now_ns() { return engine().now_us() * kNsPerUs; }

    void on_admitted(std::uint32_t request) override { admitted_.push_back(request); }
    /// A tenant's requests of like size are a flow of their own. Flows share tokens fairly, so when
    /// not all can be in time, small ones, which ask for less than their share, still are, and of
    /// the large ones as many as fit: none starves, and more callers are served.
    std::uint64_t flow_of(std::uint32_t request) override {
        return engine().tenant(request) * std::uint64_t{kSizeClasses} +
               size_class(engine().input_tokens(request));
    }
    void retry_or_fail(std::uint32_t request, const ReplayAnswer& answer) override {
        const AttemptEnd end{.status = 429,
                             .has_reached_upstream = true,
                             .retry_after_ns = answer.report.retry_after_ns};
        const RetryDecision decision =
            decide_retry(now_ns(), RetryOptions{}, ++call(request).attempts, end,
                         /*has_other_deployment=*/false, engine().send_by_us(request) * kNsPerUs,
                         &budget_, engine().rng());
        retry_at(request, decision.is_retry() ? decision.at_ns / kNsPerUs + 1 : -1);
    }

    void send_what_may_start() {
        while (!admitted_.empty()) {
            const std::uint32_t request = admitted_.front();
            Call& it = call(request);
            if (!engine().can_wait_until(request, engine().now_us())) {
                admitted_.pop_front();
                give_up_place(request);
                engine().fail(request);
                continue;
            }
            const std::int64_t input = engine().input_tokens(request);
            const PacerCost cost{.total_tokens = input + it.output_estimate,
                                 .input_tokens = input,
                                 .output_tokens = it.output_estimate};
            auto ticket = pacer_.take(now_ns(), cost);
            if (!ticket) {
                const std::int64_t at_ns = pacer_.earliest_start(now_ns(), cost).at_ns;
                wake_by(std::min(at_ns / kNsPerUs + 1, engine().send_by_us(request) + 1));
                return;
            }
            it.paced = *ticket;
            if (it.attempts == 0) budget_.on_request(now_ns());
            admitted_.pop_front();
            engine().send(request);
        }
    }

    /// What admission's window may hold so that it lets through what the pacer will. A bucket gives
    /// up to two minutes' limits within one minute: there it is what the window holds and what is
    /// left in the bucket.
    std::int64_t limit_of(const PacerState& state, LimitMeter meter, LimitKind kind) {
        const PacerMeterState& it = state.meters[static_cast<std::size_t>(meter)];
        const double cap = it.limit * options_.target_share - it.excess;
        const auto whole = static_cast<std::int64_t>(cap);
        if (options_.counting != PacerCounting::bucket) return std::max<std::int64_t>(whole, 1);
        const std::int64_t used = admission().used(level(), kind, engine().now_us());
        return std::max(used + whole - it.used, whole / 4);
    }
    void follow_pacer() {
        const std::int64_t now = engine().now_us();
        if (now < follow_us_) return;
        follow_us_ = now + kFollowUs;
        const PacerState state = pacer_.state(now_ns());
        const Limits limits{
            .requests = limit_of(state, LimitMeter::requests, LimitKind::requests),
            .total_tokens = limit_of(state, LimitMeter::total_tokens, LimitKind::total_tokens)};
        if (limits == admission().limits(level())) return;
        admission().set_limits(level(), limits, now);
    }

    PacerOptions options_;
    AccountPacer pacer_;
    RetryBudget budget_;
    std::deque<std::uint32_t> admitted_;
    std::int64_t follow_us_ = 0;
};

}  // namespace

std::unique_ptr<ReplayStrategy> make_queueing_strategy(const ReplayAccount& account,
                                                       ReplayEngine* engine) {
    return std::make_unique<Queue>(Limits{.requests = account.rpm, .total_tokens = account.tpm},
                                   engine);
}

std::unique_ptr<ReplayStrategy> make_pacing_strategy(const ReplayAccount& account,
                                                     ReplayEngine* engine) {
    return std::make_unique<Full>(account, engine);
}

}  // namespace tg
