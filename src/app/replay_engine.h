#pragma once
#include <cstdint>
#include <memory>
#include <queue>
#include <vector>

#include "app/replay_trace.h"
#include "app/replay_upstream.h"
#include "base/rng.h"

namespace tg {

/// How long things take, by assumption, since the traces do not tell.
/// - The way to the provider, until it counts: 10 to 200 ms, uniform.
/// - From there to the head of the answer: 300 ms; of a 429: 20 ms.
/// - Each output token: 20 ms (50 tokens a second).
inline constexpr std::int64_t kWayMinUs = 10'000, kWayMaxUs = 200'000, kHeadUs = 300'000,
                              kRefusalUs = 20'000, kPerOutputTokenUs = 20'000;

/// What became of the requests under one strategy.
struct ReplayResult {
    struct Minute {
        std::int64_t arrived = 0, served = 0, limit_hits = 0;
    };
    std::int64_t requests = 0, served = 0, failed = 0;
    std::int64_t attempts = 0;    ///< requests sent to the upstream
    std::int64_t limit_hits = 0;  ///< of those, answered with 429
    std::int64_t served_tokens = 0;
    std::vector<std::int64_t> waits_us;  ///< of those served: arrival to the send that was accepted
    std::vector<Minute> minutes;

    Minute& minute(std::int64_t at_us);
    double success_share() const;
    double limit_hit_share() const;
    std::int64_t wait_us(double quantile);  ///< reorders waits_us
};

class ReplayStrategy;

/// One trace against one upstream with one strategy, as events in virtual time. What a strategy may
/// know: time, a request's prompt, its deadline, the answers' headers; the output only at the end.
class ReplayEngine {
  public:
    ReplayEngine(const ReplayTrace& trace, const ReplayUpstreamSpec& upstream,
                 std::int64_t deadline_us, std::uint64_t seed);

    ReplayResult run(ReplayStrategy* strategy);

    // For strategies.
    std::int64_t now_us() const { return now_us_; }
    Rng* rng() { return &strategy_rng_; }
    std::int64_t input_tokens(std::uint32_t request) const {
        return trace_->requests[request].input_tokens;
    }
    std::uint32_t tenant(std::uint32_t request) const { return trace_->requests[request].tenant; }
    /// The latest time at which it may be sent. The deadline is for the added wait: how long the
    /// answer takes is nobody's merit here.
    std::int64_t send_by_us(std::uint32_t request) const {
        return trace_->requests[request].at_us + deadline_us_;
    }
    bool can_wait_until(std::uint32_t request, std::int64_t at_us) const {
        return at_us <= send_by_us(request);
    }
    void send(std::uint32_t request);
    void fail(std::uint32_t request);
    void wake(std::uint32_t request, std::int64_t at_us);  ///< on_wake() then
    void wake_strategy(std::int64_t at_us);                ///< on_timer() then

  private:
    enum class Kind : std::uint8_t { counted, answered, ended, wake, timer };
    struct Event {
        std::int64_t at_us;
        std::uint64_t order;
        Kind kind;
        std::uint32_t request;
        bool operator<(const Event& other) const {
            return at_us != other.at_us ? at_us > other.at_us : order > other.order;
        }
    };
    void schedule(std::int64_t at_us, Kind kind, std::uint32_t request) {
        events_.push({at_us, order_++, kind, request});
    }
    void handle(const Event& event);
    void on_counted(std::uint32_t request);

    const ReplayTrace* trace_;
    std::int64_t deadline_us_;
    ReplayUpstreamSpec spec_;
    ReplayUpstream upstream_;
    Rng way_rng_, strategy_rng_;
    ReplayStrategy* strategy_ = nullptr;
    std::int64_t now_us_ = 0;
    std::uint64_t order_ = 0;
    std::priority_queue<Event> events_;
    std::vector<std::int64_t> sent_us_;
    std::vector<ReplayAnswer> answers_;
    ReplayResult result_;
};

/// When to send which request. Each request ends with an accepted answer or with fail(), once.
class ReplayStrategy {
  public:
    explicit ReplayStrategy(ReplayEngine* engine) : engine_(engine) {}
    virtual ~ReplayStrategy() = default;
    ReplayStrategy(const ReplayStrategy&) = delete;
    ReplayStrategy& operator=(const ReplayStrategy&) = delete;

    virtual void on_arrival(std::uint32_t request) = 0;
    /// The head of the answer is there.
    virtual void on_answer(std::uint32_t request, const ReplayAnswer& answer) = 0;
    /// An accepted request has ended: now its output, and the provider's count of its prompt, are
    /// known from the usage in its answer.
    virtual void on_end(std::uint32_t /*request*/, std::int64_t /*output_tokens*/,
                        std::int64_t /*input_tokens_counted*/) {}
    virtual void on_wake(std::uint32_t /*request*/) {}
    virtual void on_timer() {}
    /// After each event.
    virtual void settle_events() {}

  protected:
    ReplayEngine& engine() { return *engine_; }

  private:
    ReplayEngine* engine_;
};

}  // namespace tg
