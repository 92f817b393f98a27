// Case A11 in virtual time: an e-commerce load of 8,000 calls a minute over three regions, of which
// one is away for ten minutes, while one answer in a hundred is a 5xx. The choice of an account,
// its pacing, breaker, line and the retries are the gateway's own code; the providers are not. One
// JSON document goes to standard output; bench/case_a11 reads it.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <queue>
#include <vector>

#include "app/replay_upstream.h"
#include "gateway/retry_policy.h"
#include "gateway/upstream_set.h"

namespace tg {
namespace {

constexpr std::int64_t kUs = 1'000, kMs = 1'000'000, kSecond = 1'000'000'000,
                       kMinute = 60 * kSecond;
constexpr std::int64_t kSpan = 60 * kMinute, kOutageFrom = 20 * kMinute, kOutageTo = 30 * kMinute;
constexpr std::int64_t kDeadline = 30 * kSecond;  // routing.wait_max
constexpr std::int64_t kConnectTimeout =
    5 * kSecond;  // timeouts.connect: a region that is away does not even refuse
constexpr double kPerMinute = 8'000, kServerErrors = 0.01;
constexpr int kRegions = 3, kAway = 1, kAttemptsMax = 3;

struct Kind {
    double share;
    std::int64_t input, output;  ///< means
};
// Per day: 2 M chats, 0.5 M descriptions, 1 M reviews, 5 M recommendations.
constexpr Kind kKinds[] = {{2.0, 1'200, 300}, {0.5, 400, 600}, {1.0, 500, 50}, {5.0, 300, 100}};

class Simulation;

struct Request final : LimitWaiter {
    Request(Simulation* s, const PacerCost& c) : LimitWaiter(c), simulation(s), cost(c) {}
    void wake() override;

    Simulation* simulation;
    PacerCost cost;
    std::int64_t at_ns = 0, input = 0, output = 0;
    int attempts = 0;
    std::uint32_t deployment = 0;
    std::uint64_t sleep = 0;  ///< the newest timer; older ones are void
    std::vector<std::uint32_t> tried;
    UpstreamTicket ticket;
    bool is_done = false;
};

struct Result {
    std::int64_t requests = 0, served = 0, refused = 0, attempts = 0, limit_hits = 0, errors = 0,
                 retries = 0;
    std::vector<std::int64_t> waits_ns;
};

/// gate: as the gateway does it. direct: as programs do it that call a region of their own through
/// an SDK, with its two retries and its backoff, and without knowing of each other.
enum class Mode { gate, direct };

class Simulation {
  public:
    Simulation(Mode mode, ReplayUpstreamSpec::Counting counting, std::uint64_t seed)
        : mode_(mode), rng_(seed), budget_(0.2, 10, 100) {
        auto options = std::make_shared<GatewayOptions>();
        for (int i = 0; i < kRegions; ++i) {
            UpstreamOptions upstream;
            upstream.name = "region-" + std::to_string(i);
            upstream.region = upstream.name;
            upstream.base_url = "http://127.0.0.1:1/v1";
            upstream.models = {{"*", ""}};
            upstream.limits.requests_per_minute = 5'000;
            upstream.limits.tokens_per_minute = 5'000'000;
            if (counting == ReplayUpstreamSpec::Counting::bucket)
                upstream.limits.counting = PacerCounting::bucket;
            options->upstreams.push_back(upstream);
            upstreams_.emplace_back(
                ReplayUpstreamSpec{.counting = counting, .rpm = 5'000, .tpm = 5'000'000});
        }
        options->routing.order = RoutingOrder::remaining;
        options->routing.scan = RouteScan::two_choices;
        options_ = options;
        routes_ = RouteTable::build(options->upstreams).value();
        set_ = states_.configure(routes_, options_, nullptr, now_);
        policy_.order = RouteOrder::remaining;
        policy_.scan = RouteScan::two_choices;
    }

    Result run() {
        arrive();
        while (!events_.empty()) {
            const Event event = events_.top();
            events_.pop();
            now_ = event.at;
            event.action();
        }
        return std::move(result_);
    }
    void wake(Request* request) {
        at(now_, [this, request] { resume(request); });
    }

  private:
    struct Event {
        std::int64_t at;
        std::uint64_t order;
        std::function<void()> action;
        bool operator<(const Event& other) const {
            return at != other.at ? at > other.at : order > other.order;
        }
    };
    void at(std::int64_t when, std::function<void()> action) {
        events_.push({when, order_++, std::move(action)});
    }
    double uniform() { return (static_cast<double>(rng_.next() >> 11) + 1) / 9007199254740993.0; }
    double exponential(double mean) { return -std::log(uniform()) * mean; }

    /// Poisson arrivals, whose rate swings by a fifth in twelve minutes and doubles for ten seconds
    /// every five minutes, as after a notification to all users.
    void arrive() {
        const double phase =
            static_cast<double>(now_) / static_cast<double>(12 * kMinute) * 2 * M_PI;
        const bool is_burst = now_ % (5 * kMinute) >= 5 * kMinute - 10 * kSecond;
        const double rate = kPerMinute * (1 + 0.2 * std::sin(phase)) * (is_burst ? 2 : 1);
        const auto next =
            now_ + static_cast<std::int64_t>(exponential(static_cast<double>(kMinute) / rate));
        if (next >= kSpan) return;
        at(next, [this] {
            begin();
            arrive();
        });
    }

    /// Where a program without a gate sends: half are configured for the first region.
    std::uint32_t home_region() {
        const std::uint64_t pick = rng_.below(10);
        return pick < 5 ? 0 : pick < 8 ? 1 : 2;
    }

    void begin() {
        double total = 0;
        for (const Kind& kind : kKinds) total += kind.share;
        double pick = uniform() * total;
        const Kind* kind = std::begin(kKinds);
        while (kind + 1 != std::end(kKinds) && pick > kind->share) pick -= (kind++)->share;
        const auto input =
            1 + static_cast<std::int64_t>(exponential(static_cast<double>(kind->input)));
        const auto output =
            1 + static_cast<std::int64_t>(exponential(static_cast<double>(kind->output)));
        auto request = std::make_unique<Request>(
            this,
            PacerCost{.requests = 1, .total_tokens = input + kind->output, .input_tokens = input});
        request->at_ns = now_;
        request->input = input;
        request->output = output;
        request->deployment = home_region();
        ++result_.requests;
        budget_.on_request(now_);
        Request* const raw = request.get();
        requests_.push_back(std::move(request));
        mode_ == Mode::gate ? search(raw) : send(raw);
    }

    // --- the gateway's way; see Gateway::begin_try() and decide_next() ---

    void choose(Request* request) {
        policy_.wait_max_ns = std::max<std::int64_t>(request->at_ns + kDeadline - now_, 0);
        route_options_.clear();
        for (std::uint32_t i = 0; i < kRegions; ++i) {
            RouteOption& option = route_options_.emplace_back();
            option.index = i;
            set_->describe(now_, *routes_->deployments()[i], "", request->cost, &option);
            option.was_tried = std::ranges::find(request->tried, i) != request->tried.end();
        }
        choose_route(now_, policy_, route_options_, &rng_, &choice_);
    }

    void search(Request* request) {
        choose(request);
        if (choice_.candidates.empty()) return refuse(request);
        request->deployment = route_options_[choice_.candidates.front().option].index;
        DeploymentState& state = set_->state(request->deployment);
        const BeginAnswer begun = state.begin(now_, "", request->cost, nullptr, &request->ticket);
        if (begun.result == BeginResult::begun) return send(request);
        if (begun.result != BeginResult::wait) return search(request);
        if (!state.join_line("", request)) return refuse(request);
        resume(request);
    }

    /// The first in line, or one that has waited as long as it may, looks again.
    void resume(Request* request) {
        if (request->is_done || !request->is_in_line()) return;
        DeploymentState& state = set_->state(request->deployment);
        const BeginAnswer answer = state.begin(now_, "", request->cost, request, &request->ticket);
        if (answer.result == BeginResult::begun) return send(request);
        const std::int64_t until = request->at_ns + kDeadline;
        if (answer.result != BeginResult::wait || now_ >= until) {
            state.leave_line(request);
            request->tried.push_back(request->deployment);
            return search(request);
        }
        const std::uint64_t sleep = ++request->sleep;
        at(std::max(std::min(answer.start.at_ns, until), now_ + 1), [this, request, sleep] {
            if (request->sleep == sleep) resume(request);
        });
    }

    void retry(Request* request, const AttemptEnd& end) {
        request->tried.push_back(request->deployment);
        choose(request);
        const bool has_other = !choice_.candidates.empty();
        RetryOptions retry = options_->routing.retry;
        retry.attempts_max = kAttemptsMax;
        const std::int64_t deadline =
            std::max(request->at_ns + kDeadline, has_other ? now_ : 0) + retry.attempt_min_ms * kMs;
        const RetryDecision next =
            decide_retry(now_, retry, request->attempts, end, has_other, deadline, &budget_, &rng_);
        if (!next.is_retry()) return refuse(request);
        if (!has_other) request->tried.clear();
        ++result_.retries;
        at(next.at_ns, [this, request] { search(request); });
    }

    /// Two retries after 0.5 s and 1 s less up to a quarter, or when it was told; always at the
    /// same region.
    void retry_as_sdk(Request* request, std::int64_t retry_after_ns) {
        if (request->attempts >= kAttemptsMax) return refuse(request);
        double wait = 0.5e9 * (1 << (request->attempts - 1)) * (1 - 0.25 * uniform());
        if (retry_after_ns >= 0 && retry_after_ns <= kMinute)
            wait = static_cast<double>(retry_after_ns);
        ++result_.retries;
        at(now_ + static_cast<std::int64_t>(wait), [this, request] { send(request); });
    }

    // --- the world ---

    bool is_away(std::uint32_t deployment) const {
        return deployment == kAway && now_ >= kOutageFrom && now_ < kOutageTo;
    }

    void send(Request* request) {
        ++request->attempts;
        ++result_.attempts;
        if (request->attempts == 1) result_.waits_ns.push_back(now_ - request->at_ns);
        if (is_away(request->deployment))
            return at(now_ + kConnectTimeout, [this, request] { fail(request); });
        const std::int64_t way = 10 * kMs + static_cast<std::int64_t>(rng_.below(140 * kMs));
        at(now_ + way, [this, request] { count(request); });
    }

    void fail(Request* request) {
        ++result_.errors;
        if (mode_ == Mode::direct) return retry_as_sdk(request, -1);
        DeploymentState& state = set_->state(request->deployment);
        const CallVerdict verdict =
            state.fail(now_, &request->ticket, ErrorCode::upstream_unreachable, false);
        set_->observe(now_, request->deployment, verdict, -1);
        retry(request, {.error = ErrorCode::upstream_unreachable});
    }

    void count(Request* request) {
        ReplayAnswer said =
            upstreams_[request->deployment].arrive(now_ / kUs, request->input, request->output);
        const bool is_error = said.is_accepted && uniform() < kServerErrors;
        PacerAnswer answer;
        answer.status = !said.is_accepted ? 429 : is_error ? 503 : 200;
        answer.report = said.report;
        const auto delay = static_cast<std::int64_t>(
            answer.status == 200 ? (300 + 200 * request->deployment + exponential(400)) * kMs
                                 : 30.0 * kMs);
        at(now_ + delay, [this, request, answer] { on_answer(request, answer); });
    }

    void on_answer(Request* request, const PacerAnswer& answer) {
        result_.limit_hits += answer.status == 429 ? 1 : 0;
        result_.errors += answer.status == 503 ? 1 : 0;
        if (mode_ == Mode::direct) {
            if (answer.status == 200) return serve(request);
            return retry_as_sdk(request, answer.report.retry_after_ns);
        }
        DeploymentState& state = set_->state(request->deployment);
        const CallVerdict verdict = state.on_answer(now_, &request->ticket, answer);
        set_->observe(now_, request->deployment, verdict, now_ - request->ticket.sent_ns);
        if (answer.status == 200) {
            // The rest of the answer, at 50 tokens a second; its end tells what it used.
            at(now_ + request->output * 20 * kMs, [this, request, &state] {
                state.finish(now_, &request->ticket,
                             {.input_tokens = request->input, .output_tokens = request->output},
                             false);
            });
            return serve(request);
        }
        state.finish(now_, &request->ticket, {}, false);
        retry(request, {.status = answer.status,
                        .has_reached_upstream = true,
                        .retry_after_ns = answer.report.retry_after_ns});
    }

    void serve(Request* request) {
        request->is_done = true;
        ++result_.served;
    }
    void refuse(Request* request) {
        request->is_done = true;
        ++result_.refused;
    }

    Mode mode_;
    Rng rng_;
    RetryBudget budget_;
    std::int64_t now_ = 0;
    std::uint64_t order_ = 0;
    std::priority_queue<Event> events_;
    std::vector<std::unique_ptr<Request>> requests_;
    std::vector<ReplayUpstream> upstreams_;
    std::shared_ptr<const GatewayOptions> options_;
    std::shared_ptr<const RouteTable> routes_;
    UpstreamStates states_;
    std::shared_ptr<const UpstreamSet> set_;
    RoutePolicy policy_;
    std::vector<RouteOption> route_options_;
    RouteChoice choice_;
    Result result_;
};

void Request::wake() {
    simulation->wake(this);
}

std::int64_t quantile_ms(std::vector<std::int64_t>* values, double share) {
    const auto place = values->begin() +
                       static_cast<std::ptrdiff_t>(share * static_cast<double>(values->size() - 1));
    std::ranges::nth_element(*values, place);
    return *place / kMs;
}

void print(const char* name, Result result, bool is_last) {
    std::printf(
        "{\"name\":\"%s\",\"requests\":%lld,\"served\":%lld,\"refused\":%lld,\"attempts\":%lld,"
        "\"limit_hits\":%lld,"
        "\"errors\":%lld,\"retries\":%lld,\"wait_p50_ms\":%lld,\"wait_p99_ms\":%lld}%s\n",
        name, static_cast<long long>(result.requests), static_cast<long long>(result.served),
        static_cast<long long>(result.refused), static_cast<long long>(result.attempts),
        static_cast<long long>(result.limit_hits), static_cast<long long>(result.errors),
        static_cast<long long>(result.retries),
        static_cast<long long>(quantile_ms(&result.waits_ns, 0.5)),
        static_cast<long long>(quantile_ms(&result.waits_ns, 0.99)), is_last ? "" : ",");
}

}  // namespace
}  // namespace tg

int main(int argc, char** argv) {
    using Counting = tg::ReplayUpstreamSpec::Counting;
    const std::uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
    std::printf("[");
    tg::print("gate, window", tg::Simulation(tg::Mode::gate, Counting::window, seed).run(), false);
    tg::print("gate, bucket", tg::Simulation(tg::Mode::gate, Counting::bucket, seed).run(), false);
    tg::print("direct, window", tg::Simulation(tg::Mode::direct, Counting::window, seed).run(),
              false);
    tg::print("direct, bucket", tg::Simulation(tg::Mode::direct, Counting::bucket, seed).run(),
              true);
    std::printf("]\n");
}
