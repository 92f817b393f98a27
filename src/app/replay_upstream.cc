#include "app/replay_upstream.h"

#include <algorithm>
#include <cmath>

namespace tg {
namespace {

constexpr std::int64_t kMinuteUs = 60'000'000, kOtherStepUs = 50'000;

MeterReport report_of(ReplayLimit& meter, std::int64_t now_us, double limit) {
    MeterReport report;
    report.limit = std::llround(limit);
    report.remaining = std::max<std::int64_t>(
        0, static_cast<std::int64_t>(std::floor(limit - meter.used(now_us, limit))));
    return report;
}

}  // namespace

std::int64_t ReplayUpstreamSpec::count_of(std::int64_t input_tokens,
                                          std::int64_t output_tokens) const {
    return std::llround(static_cast<double>(input_tokens) * prompt_drift) + output_tokens;
}

double ReplayLimit::used(std::int64_t now_us, double limit) {
    if (counting_ == ReplayUpstreamSpec::Counting::bucket) {
        const auto passed = static_cast<double>(now_us - at_us_);
        level_ = std::max(0.0, level_ - passed * limit / static_cast<double>(kMinuteUs));
        at_us_ = now_us;
        return level_;
    }
    while (!entries_.empty() && entries_.front().at_us + kMinuteUs <= now_us) {
        level_ -= entries_.front().amount;
        entries_.pop_front();
    }
    return level_;
}

void ReplayLimit::add(std::int64_t now_us, double amount, double limit) {
    used(now_us, limit);
    level_ += amount;
    if (counting_ == ReplayUpstreamSpec::Counting::window) entries_.push_back({now_us, amount});
}

std::int64_t ReplayLimit::wait_us(std::int64_t now_us, double amount, double limit) {
    double over = used(now_us, limit) + amount - limit;
    if (over <= 0) return 0;
    if (counting_ == ReplayUpstreamSpec::Counting::bucket)
        return static_cast<std::int64_t>(std::ceil(over * static_cast<double>(kMinuteUs) / limit));
    for (const Entry& entry : entries_) {
        over -= entry.amount;
        if (over <= 0) return entry.at_us + kMinuteUs - now_us;
    }
    return kMinuteUs;
}

void ReplayUpstream::let_other_consume(std::int64_t now_us) {
    if (spec_.other_share <= 0) return;
    for (; other_at_us_ + kOtherStepUs <= now_us; other_at_us_ += kOtherStepUs) {
        const double factor = spec_.limit_factor(other_at_us_);
        const double part = spec_.other_rate(other_at_us_) * kOtherStepUs / kMinuteUs;
        other_requests_due_ += part * static_cast<double>(spec_.rpm);
        other_tokens_due_ += part * static_cast<double>(spec_.tpm);
        const double requests = std::floor(other_requests_due_),
                     tokens = std::floor(other_tokens_due_),
                     rpm = static_cast<double>(spec_.rpm) * factor,
                     tpm = static_cast<double>(spec_.tpm) * factor;
        other_requests_due_ -= requests;
        other_tokens_due_ -= tokens;
        requests_.add(other_at_us_, requests, rpm);
        tokens_.add(other_at_us_, tokens, tpm);
    }
}

ReplayAnswer ReplayUpstream::arrive(std::int64_t now_us, std::int64_t input_tokens,
                                    std::int64_t output_tokens) {
    let_other_consume(now_us);
    const double factor = spec_.limit_factor(now_us);
    const double rpm = static_cast<double>(spec_.rpm) * factor,
                 tpm = static_cast<double>(spec_.tpm) * factor;
    const auto tokens = static_cast<double>(spec_.count_of(input_tokens, output_tokens));
    ReplayAnswer answer;
    answer.is_accepted = requests_.fits(now_us, 1, rpm) && tokens_.fits(now_us, tokens, tpm);
    if (answer.is_accepted) {
        requests_.add(now_us, 1, rpm);
        tokens_.add(now_us, tokens, tpm);
    } else {
        answer.report.retry_after_ns = 1'000 * std::max(requests_.wait_us(now_us, 1, rpm),
                                                        tokens_.wait_us(now_us, tokens, tpm));
        answer.report.is_retry_after_in_ms = true;
    }
    answer.report.of(LimitMeter::requests) = report_of(requests_, now_us, rpm);
    answer.report.of(LimitMeter::total_tokens) = report_of(tokens_, now_us, tpm);
    return answer;
}

}  // namespace tg
