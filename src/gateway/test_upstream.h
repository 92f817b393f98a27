#pragma once
#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <queue>
#include <vector>

#include "base/rng.h"
#include "gateway/account_pacer.h"

namespace tg {

inline constexpr std::int64_t kTestMs = 1'000'000, kTestSecond = 1'000'000'000;

/// How a simulated provider enforces limits, and what else goes on at it.
struct TestUpstreamSpec {
    enum class Counting : std::uint8_t { bucket, window };
    Counting counting = Counting::window;
    std::int64_t rpm = 5'000, tpm = 2'000'000;
    double bucket_depth_s = 60;
    std::int64_t slot_ms = 1'000;                        ///< of the sliding window
    std::int64_t delay_min_ms = 10, delay_max_ms = 300;  ///< from our send until it counts
    std::int64_t answer_mean_ms = 1'500;                 ///< from there to the first byte
    double drift = 1.0;                                  ///< its count of input tokens / ours
    double other_share = 0;  ///< of the limit, used by another consumer, on average
    double cut_to = 1.0;     ///< of the limit, from cut_from_s to cut_until_s
    std::int64_t cut_from_s = 0, cut_until_s = 0;
    bool tells_limits = true;
    bool tells_retry_after = true;
};

/// One per-minute limit the slow and exact way: no code of the product.
class TestLimit {
  public:
    bool fits(const TestUpstreamSpec& spec, std::int64_t now, std::int64_t amount, double limit) {
        return used(spec, now, limit) + static_cast<double>(amount) <= depth(spec, limit) + 1e-6;
    }
    void add(const TestUpstreamSpec& spec, std::int64_t now, std::int64_t amount, double limit) {
        used(spec, now, limit);
        level_ += static_cast<double>(amount);
        entries_.emplace_back(now / (spec.slot_ms * kTestMs), amount);
        sum_ += amount;
    }
    double used(const TestUpstreamSpec& spec, std::int64_t now, double limit) {
        level_ = std::max(0.0, level_ - static_cast<double>(now - at_) * limit / 60e9);
        at_ = now;
        const std::int64_t slot = now / (spec.slot_ms * kTestMs);
        while (!entries_.empty() && entries_.front().first + 60'000 / spec.slot_ms <= slot) {
            sum_ -= entries_.front().second;
            entries_.pop_front();
        }
        return spec.counting == TestUpstreamSpec::Counting::bucket ? level_
                                                                   : static_cast<double>(sum_);
    }
    static double depth(const TestUpstreamSpec& spec, double limit) {
        return spec.counting == TestUpstreamSpec::Counting::bucket
                   ? limit * spec.bucket_depth_s / 60
                   : limit;
    }

  private:
    double level_ = 0;
    std::int64_t at_ = 0, sum_ = 0;
    std::deque<std::pair<std::int64_t, std::int64_t>> entries_;
};

struct TestRunResult {
    std::int64_t attempts = 0, refused = 0;
    double requests_share = 0, tokens_share = 0;  ///< counted / limit, after the first two minutes
    double refused_share() const {
        return attempts == 0 ? 0 : static_cast<double>(refused) / static_cast<double>(attempts);
    }
    double utilisation() const { return std::max(requests_share, tokens_share); }
};

/// A pacer with an endless queue behind it, against one simulated provider, in virtual time.
class TestSaturation {
  public:
    TestSaturation(const TestUpstreamSpec& spec, const PacerOptions& options, std::uint64_t seed)
        : spec_(spec), pacer_(options), rng_(seed) {}

    /// Mean of the drawn sizes; output is reserved, and counted, in full.
    std::int64_t input_mean = 300, output_reserved = 100;
    /// The queue is endless for so long, then empty for so long; idle 0: always endless.
    std::int64_t busy_s = 20, idle_s = 0;

    TestRunResult run(std::int64_t seconds) {
        const std::int64_t end = seconds * kTestSecond;
        schedule(0, [this] { send(); });
        if (spec_.other_share > 0) schedule(kTestSecond, [this] { other(); });
        while (!events_.empty() && events_.top().at <= end) {
            now_ = events_.top().at;
            const auto action = events_.top().action;
            events_.pop();
            action();
        }
        result_.requests_share = counted_requests_ / allowed(end, static_cast<double>(spec_.rpm));
        result_.tokens_share = counted_tokens_ / allowed(end, static_cast<double>(spec_.tpm));
        return result_;
    }
    AccountPacer& pacer() { return pacer_; }
    std::int64_t now() const { return now_; }

  private:
    static constexpr std::int64_t kWarmUp = 120 * kTestSecond;
    struct Event {
        std::int64_t at, order;
        std::function<void()> action;
        bool operator<(const Event& other) const {
            return at != other.at ? at > other.at : order > other.order;
        }
    };
    void schedule(std::int64_t at, std::function<void()> action) {
        events_.push({at, order_++, std::move(action)});
    }
    double uniform() { return static_cast<double>(rng_.next() >> 11) / 9007199254740992.0; }
    double cut(std::int64_t at) const {
        return at >= spec_.cut_from_s * kTestSecond && at < spec_.cut_until_s * kTestSecond
                   ? spec_.cut_to
                   : 1.0;
    }
    double allowed(std::int64_t end, double per_minute) const {
        double minutes = 0;
        for (std::int64_t t = kWarmUp; t < end; t += kTestSecond) minutes += cut(t) / 60;
        return minutes * per_minute;
    }

    void send() {
        if (const std::int64_t phase = idle_s == 0 ? 0 : now_ / kTestSecond % (busy_s + idle_s);
            phase >= busy_s) {
            const std::int64_t begins = now_ / kTestSecond + busy_s + idle_s - phase;
            schedule(begins * kTestSecond, [this] { send(); });
            return;
        }
        for (;;) {
            if (!next_) {
                next_ = PacerCost{};
                next_->input_tokens =
                    1 + static_cast<std::int64_t>(-std::log(1 - uniform()) *
                                                  static_cast<double>(input_mean));
                next_->output_tokens = output_reserved;
                next_->total_tokens = next_->input_tokens + next_->output_tokens;
            }
            const auto ticket = pacer_.take(now_, *next_);
            if (!ticket) {
                const PacerStart start = pacer_.earliest_start(now_, *next_);
                schedule(std::max(start.at_ns, now_ + 1), [this] { send(); });
                return;
            }
            const PacerCost cost = *next_;
            next_.reset();
            ++result_.attempts;
            const auto delay = spec_.delay_min_ms * kTestMs +
                               static_cast<std::int64_t>(rng_.below(
                                   (spec_.delay_max_ms - spec_.delay_min_ms) * kTestMs + 1));
            schedule(now_ + delay, [this, cost, ticket = *ticket] { arrive(cost, ticket); });
        }
    }

    void arrive(const PacerCost& cost, PacerTicket ticket) {
        const double rpm = static_cast<double>(spec_.rpm) * cut(now_),
                     tpm = static_cast<double>(spec_.tpm) * cut(now_);
        const std::int64_t input =
            std::llround(static_cast<double>(cost.input_tokens) * spec_.drift);
        const std::int64_t tokens = input + cost.output_tokens;
        const bool fits =
            requests_.fits(spec_, now_, 1, rpm) && tokens_.fits(spec_, now_, tokens, tpm);
        PacerAnswer answer;
        answer.status = fits ? 200 : 429;
        if (fits) count(1, tokens);
        if (spec_.tells_limits) {
            tell(answer.report.of(LimitMeter::requests), requests_, rpm);
            tell(answer.report.of(LimitMeter::total_tokens), tokens_, tpm);
        }
        if (!fits && spec_.tells_retry_after)
            answer.report.retry_after_ns =
                static_cast<std::int64_t>(50 + rng_.below(950)) * kTestMs;
        if (!fits) ++result_.refused;
        const double wait_ms =
            fits ? -std::log(1 - uniform()) * static_cast<double>(spec_.answer_mean_ms)
                 : 5 + 100 * uniform();
        schedule(now_ + static_cast<std::int64_t>(wait_ms * kTestMs), [=, this]() mutable {
            pacer_.on_answer(now_, &ticket, answer);
            pacer_.on_end(now_, &ticket,
                          {.input_tokens = answer.status == 200 ? input : -1, .output_tokens = -1});
        });
    }
    void tell(MeterReport& report, TestLimit& meter, double limit) {
        report.limit = std::llround(limit);
        report.remaining = std::max<std::int64_t>(
            0, std::llround(std::floor(limit - meter.used(spec_, now_, limit))));
    }
    void count(std::int64_t requests, std::int64_t tokens) {
        requests_.add(spec_, now_, requests, static_cast<double>(spec_.rpm) * cut(now_));
        tokens_.add(spec_, now_, tokens, static_cast<double>(spec_.tpm) * cut(now_));
        if (now_ < kWarmUp) return;
        counted_requests_ += static_cast<double>(requests);
        counted_tokens_ += static_cast<double>(tokens);
    }

    /// The other consumer is busy 20 seconds of each minute, at three times its share.
    void other() {
        constexpr std::int64_t kStep = kTestSecond / 20;
        if (now_ / kTestSecond % 60 < 20) {
            const double part = 3 * spec_.other_share * static_cast<double>(kStep) / 60e9;
            other_requests_ += part * static_cast<double>(spec_.rpm);
            other_tokens_ += part * static_cast<double>(spec_.tpm);
            const auto requests = static_cast<std::int64_t>(other_requests_);
            const auto tokens = static_cast<std::int64_t>(other_tokens_);
            if (requests_.fits(spec_, now_, requests, static_cast<double>(spec_.rpm) * cut(now_)) &&
                tokens_.fits(spec_, now_, tokens, static_cast<double>(spec_.tpm) * cut(now_))) {
                count(requests, tokens);
            }
            other_requests_ -= static_cast<double>(requests);
            other_tokens_ -= static_cast<double>(tokens);
        }
        schedule(now_ + kStep, [this] { other(); });
    }

    TestUpstreamSpec spec_;
    AccountPacer pacer_;
    Rng rng_;
    std::int64_t now_ = 0, order_ = 0;
    std::priority_queue<Event> events_;
    std::optional<PacerCost> next_;
    TestLimit requests_, tokens_;
    double counted_requests_ = 0, counted_tokens_ = 0, other_requests_ = 0, other_tokens_ = 0;
    TestRunResult result_;
};

}  // namespace tg
