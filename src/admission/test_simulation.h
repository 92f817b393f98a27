#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <unordered_map>
#include <vector>

#include "admission/admission_core.h"
#include "base/check.h"

namespace tg::test {

/// An AdmissionCore in virtual time, with things that happen to it in order.
class Simulation {
  public:
    explicit Simulation(const AdmissionOptions& options = {}) { reset(options); }
    void reset(const AdmissionOptions& options) {
        core_ = std::make_unique<AdmissionCore>(options);
    }
    AdmissionCore& core() { return *core_; }

    using Ended = std::function<void(const WaitOutcome&)>;

    void at(std::int64_t at_us, std::function<void()> what) {
        events_.push({at_us, ++sequence_, std::move(what)});
    }
    void after(std::int64_t delay_us, std::function<void()> what) {
        at(now_us + delay_us, std::move(what));
    }
    /// reserve() now; `ended` is told what became of it, at once or later.
    Decision send(AdmissionRequest request, Ended ended) {
        request.context = ++contexts_;
        const Decision decision = core_->reserve(request, now_us);
        if (decision.verdict == Verdict::queued) {
            waiting_[request.context] = std::move(ended);
        } else {
            ended({.ticket = decision.ticket,
                   .context = request.context,
                   .is_admitted = decision.verdict == Verdict::admitted,
                   .refusal = decision.refusal});
        }
        collect();
        return decision;
    }
    void collect() {
        std::vector<WaitOutcome> outcomes;
        core_->poll(now_us, &outcomes);
        for (const WaitOutcome& outcome : outcomes) {
            const auto at = waiting_.find(outcome.context);
            TG_ASSERT(at != waiting_.end());  // each request ends once
            const Ended ended = std::move(at->second);
            waiting_.erase(at);
            ended(outcome);
        }
    }
    void run_until(std::int64_t end_us) {
        for (;;) {
            const std::int64_t polled_us = std::max(now_us, core_->next_event_us());
            const std::int64_t event_us = events_.empty() ? end_us : events_.top().at_us;
            if (std::min(polled_us, event_us) >= end_us) break;
            now_us = std::min(polled_us, event_us);
            if (polled_us <= event_us) {
                collect();
                continue;
            }
            const auto what = events_.top().what;
            events_.pop();
            what();
            collect();
        }
        now_us = end_us;
    }
    std::size_t waiting() const { return waiting_.size(); }

    std::int64_t now_us = 0;

  private:
    struct Event {
        std::int64_t at_us;
        std::uint64_t sequence;
        std::function<void()> what;
        bool operator<(const Event& other) const {
            return std::tie(other.at_us, other.sequence) < std::tie(at_us, sequence);
        }
    };
    std::unique_ptr<AdmissionCore> core_;
    std::priority_queue<Event> events_;
    std::unordered_map<std::uint64_t, Ended> waiting_;
    std::uint64_t sequence_ = 0;
    std::uint64_t contexts_ = 0;
};

}  // namespace tg::test
