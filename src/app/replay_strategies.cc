#include "app/replay_strategies.h"

#include <algorithm>
#include <deque>

#include "admission/output_learner.h"

namespace tg {
namespace {

constexpr int kSdkAttempts = 3;
constexpr std::int64_t kSdkFirstUs = 500'000, kSdkMaxUs = 8'000'000,
                       kSdkRetryAfterMaxNs = 60'000'000'000;
constexpr std::int64_t kWindowUs = 60'000'000;

/// The SDK's retries for all strategies that have no better rule.
class SdkRetries {
  public:
    explicit SdkRetries(ReplayEngine* engine) : engine_(engine) {}
    /// Wakes the request at its next try, or fails it.
    void after_refusal(std::uint32_t request, const ReplayAnswer& answer) {
        if (request >= attempts_.size()) attempts_.resize(request + 1);
        const std::int64_t at_us =
            sdk_retry_at_us(engine_->now_us(), ++attempts_[request], answer, engine_->rng());
        if (at_us < 0 || !engine_->can_wait_until(request, at_us))
            engine_->fail(request);
        else
            engine_->wake(request, at_us);
    }

  private:
    ReplayEngine* engine_;
    std::vector<std::uint8_t> attempts_;
};

class SendAtOnce final : public ReplayStrategy {
  public:
    using ReplayStrategy::ReplayStrategy;
    void on_arrival(std::uint32_t request) override { engine().send(request); }
    void on_answer(std::uint32_t request, const ReplayAnswer& answer) override {
        if (!answer.is_accepted) engine().fail(request);
    }
};

class BackOff final : public ReplayStrategy {
  public:
    explicit BackOff(ReplayEngine* engine) : ReplayStrategy(engine), retries_(engine) {}
    void on_arrival(std::uint32_t request) override { engine().send(request); }
    void on_wake(std::uint32_t request) override { engine().send(request); }
    void on_answer(std::uint32_t request, const ReplayAnswer& answer) override {
        if (!answer.is_accepted) retries_.after_refusal(request, answer);
    }

  private:
    SdkRetries retries_;
};

/// A client-side limiter, as many libraries have: a window of what was sent, one waiting line in
/// order of arrival whose head holds up all behind it, no look at deadlines before the head's turn.
class Predict final : public ReplayStrategy {
  public:
    Predict(const ReplayAccount& account, ReplayEngine* engine)
        : ReplayStrategy(engine), account_(account), retries_(engine) {}

    void on_arrival(std::uint32_t request) override { enqueue(request); }
    void on_wake(std::uint32_t request) override { enqueue(request); }
    void on_timer() override {
        is_timer_set_ = false;
        send_what_fits();
    }
    void on_answer(std::uint32_t request, const ReplayAnswer& answer) override {
        if (answer.is_accepted) return;
        correct(request, 0);
        retries_.after_refusal(request, answer);
        send_what_fits();
    }
    void on_end(std::uint32_t request, std::int64_t output_tokens, std::int64_t) override {
        learner_.observe(1, engine().tenant(request), output_tokens);
        correct(request, engine().input_tokens(request) + output_tokens);
        send_what_fits();
    }

  private:
    struct Entry {
        std::int64_t at_us, tokens;
    };
    void enqueue(std::uint32_t request) {
        line_.push_back(request);
        send_what_fits();
    }
    /// Replaces what the request was counted with, if that is still in the window.
    void correct(std::uint32_t request, std::int64_t tokens) {
        const std::uint64_t entry = entry_of_[request];
        if (entry < first_entry_) return;
        Entry& counted = window_[entry - first_entry_];
        tokens_ += tokens - counted.tokens;
        counted.tokens = tokens;
    }
    void expire() {
        while (!window_.empty() && window_.front().at_us + kWindowUs <= engine().now_us()) {
            tokens_ -= window_.front().tokens;
            window_.pop_front();
            ++first_entry_;
        }
    }
    bool fits(std::int64_t tokens) const {
        return static_cast<std::int64_t>(window_.size()) + 1 <= account_.rpm &&
               tokens_ + tokens <= account_.tpm;
    }
    void send_what_fits() {
        expire();
        while (!line_.empty()) {
            const std::uint32_t request = line_.front();
            if (!engine().can_wait_until(request, engine().now_us())) {
                line_.pop_front();
                engine().fail(request);
                continue;
            }
            const std::int64_t tokens = engine().input_tokens(request) +
                                        learner_.estimate(1, engine().tenant(request), 0, 0);
            if (!fits(tokens) && !window_.empty()) break;
            line_.pop_front();
            if (request >= entry_of_.size()) entry_of_.resize(request + 1);
            entry_of_[request] = first_entry_ + window_.size();
            window_.push_back({engine().now_us(), tokens});
            tokens_ += tokens;
            engine().send(request);
        }
        if (line_.empty() || is_timer_set_) return;
        is_timer_set_ = true;
        engine().wake_strategy(window_.front().at_us + kWindowUs);
    }

    ReplayAccount account_;
    SdkRetries retries_;
    OutputLearner learner_;
    std::deque<std::uint32_t> line_;
    std::deque<Entry> window_;
    std::uint64_t first_entry_ = 0;  ///< number of window_.front(), counted from the first ever
    std::int64_t tokens_ = 0;
    std::vector<std::uint64_t> entry_of_;
    bool is_timer_set_ = false;
};

}  // namespace

std::string_view name(ReplayStrategyKind kind) {
    switch (kind) {
        case ReplayStrategyKind::none:
            return "none";
        case ReplayStrategyKind::backoff:
            return "backoff";
        case ReplayStrategyKind::predict:
            return "predict";
        case ReplayStrategyKind::queue:
            return "queue";
        case ReplayStrategyKind::full:
            return "full";
    }
    return "unknown";
}

std::int64_t sdk_retry_at_us(std::int64_t now_us, int attempts, const ReplayAnswer& answer,
                             Rng* rng) {
    if (attempts >= kSdkAttempts) return -1;
    const std::int64_t told_ns = answer.report.retry_after_ns;
    if (told_ns > 0 && told_ns <= kSdkRetryAfterMaxNs) return now_us + told_ns / 1'000;
    const std::int64_t pause = std::min(kSdkFirstUs << (attempts - 1), kSdkMaxUs);
    return now_us + pause - static_cast<std::int64_t>(rng->below(pause / 4 + 1));
}

std::unique_ptr<ReplayStrategy> make_replay_strategy(ReplayStrategyKind kind,
                                                     const ReplayAccount& account,
                                                     ReplayEngine* engine) {
    switch (kind) {
        case ReplayStrategyKind::none:
            return std::make_unique<SendAtOnce>(engine);
        case ReplayStrategyKind::backoff:
            return std::make_unique<BackOff>(engine);
        case ReplayStrategyKind::predict:
            return std::make_unique<Predict>(account, engine);
        case ReplayStrategyKind::queue:
            return make_queueing_strategy(account, engine);
        case ReplayStrategyKind::full:
            break;
    }
    return make_pacing_strategy(account, engine);
}

}  // namespace tg
