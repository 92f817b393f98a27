#include "app/replay_engine.h"

#include <algorithm>

#include "base/check.h"

namespace tg {

ReplayResult::Minute& ReplayResult::minute(std::int64_t at_us) {
    const auto index = static_cast<std::size_t>(at_us / 60'000'000);
    if (index >= minutes.size()) minutes.resize(index + 1);
    return minutes[index];
}

double ReplayResult::success_share() const {
    return requests == 0 ? 0 : static_cast<double>(served) / static_cast<double>(requests);
}

double ReplayResult::limit_hit_share() const {
    return attempts == 0 ? 0 : static_cast<double>(limit_hits) / static_cast<double>(attempts);
}

std::int64_t ReplayResult::wait_us(double quantile) {
    if (waits_us.empty()) return 0;
    const auto index =
        static_cast<std::size_t>(quantile * static_cast<double>(waits_us.size() - 1));
    const auto at = waits_us.begin() + static_cast<std::ptrdiff_t>(index);
    std::ranges::nth_element(waits_us, at);
    return *at;
}

ReplayEngine::ReplayEngine(const ReplayTrace& trace, const ReplayUpstreamSpec& upstream,
                           std::int64_t deadline_us, std::uint64_t seed)
    : trace_(&trace),
      deadline_us_(deadline_us),
      spec_(upstream),
      upstream_(upstream),
      way_rng_(seed),
      strategy_rng_(seed + 1),
      sent_us_(trace.requests.size()),
      answers_(trace.requests.size()) {}

ReplayResult ReplayEngine::run(ReplayStrategy* strategy) {
    strategy_ = strategy;
    result_.requests = static_cast<std::int64_t>(trace_->requests.size());
    std::uint32_t next = 0;
    const auto count = static_cast<std::uint32_t>(trace_->requests.size());
    while (next < count || !events_.empty()) {
        const bool is_arrival = next < count && (events_.empty() || trace_->requests[next].at_us <=
                                                                        events_.top().at_us);
        if (is_arrival) {
            now_us_ = trace_->requests[next].at_us;
            ++result_.minute(now_us_).arrived;
            strategy_->on_arrival(next++);
        } else {
            const Event event = events_.top();
            events_.pop();
            now_us_ = event.at_us;
            handle(event);
        }
        strategy_->settle_events();
    }
    TG_ASSERT(result_.served + result_.failed == result_.requests);
    return std::move(result_);
}

void ReplayEngine::handle(const Event& event) {
    const ReplayRequest& request = trace_->requests[event.request];
    switch (event.kind) {
        case Kind::counted:
            on_counted(event.request);
            break;
        case Kind::answered:
            strategy_->on_answer(event.request, answers_[event.request]);
            break;
        case Kind::ended:
            strategy_->on_end(event.request, request.output_tokens,
                              spec_.count_of(request.input_tokens, 0));
            break;
        case Kind::wake:
            strategy_->on_wake(event.request);
            break;
        case Kind::timer:
            strategy_->on_timer();
            break;
    }
}

void ReplayEngine::send(std::uint32_t request) {
    TG_ASSERT(can_wait_until(request, now_us_));
    ++result_.attempts;
    sent_us_[request] = now_us_;
    const auto way = static_cast<std::int64_t>(way_rng_.below(kWayMaxUs - kWayMinUs + 1));
    schedule(now_us_ + kWayMinUs + way, Kind::counted, request);
}

void ReplayEngine::on_counted(std::uint32_t index) {
    const ReplayRequest& request = trace_->requests[index];
    ReplayAnswer& answer = answers_[index];
    answer = upstream_.arrive(now_us_, request.input_tokens, request.output_tokens);
    if (!answer.is_accepted) {
        ++result_.limit_hits;
        ++result_.minute(now_us_).limit_hits;
        schedule(now_us_ + kRefusalUs, Kind::answered, index);
        return;
    }
    ++result_.served;
    ++result_.minute(now_us_).served;
    result_.served_tokens += request.tokens();
    result_.waits_us.push_back(sent_us_[index] - request.at_us);
    schedule(now_us_ + kHeadUs, Kind::answered, index);
    schedule(now_us_ + kHeadUs + request.output_tokens * kPerOutputTokenUs, Kind::ended, index);
}

void ReplayEngine::fail(std::uint32_t /*request*/) {
    ++result_.failed;
}

void ReplayEngine::wake(std::uint32_t request, std::int64_t at_us) {
    schedule(std::max(at_us, now_us_), Kind::wake, request);
}

void ReplayEngine::wake_strategy(std::int64_t at_us) {
    schedule(std::max(at_us, now_us_), Kind::timer, 0);
}

}  // namespace tg
