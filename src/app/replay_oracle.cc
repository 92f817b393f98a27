#include "app/replay_oracle.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <set>

namespace tg {
namespace {

constexpr std::int64_t kMinuteUs = 60'000'000, kStepUs = 50'000;

/// How much of one limit the account has given until each moment, others' use taken off, and how
/// much it can hold at once.
class Supply {
  public:
    Supply(const ReplayUpstreamSpec& spec, double per_minute, std::int64_t end_us) {
        const auto steps = static_cast<std::size_t>(end_us / kStepUs) + 2;
        given_.reserve(steps);
        depth_.reserve(steps);
        double sum = 0;
        for (std::size_t i = 0; i < steps; ++i) {
            const std::int64_t at = static_cast<std::int64_t>(i) * kStepUs;
            given_.push_back(sum);
            depth_.push_back(per_minute * spec.limit_factor(at));
            sum += per_minute * (spec.limit_factor(at) - spec.other_rate(at)) * kStepUs / kMinuteUs;
        }
    }
    double given(std::int64_t at_us) const {
        const auto i = static_cast<std::size_t>(at_us / kStepUs);
        const double part = static_cast<double>(at_us % kStepUs) / kStepUs;
        return given_[i] + (given_[i + 1] - given_[i]) * part;
    }
    double depth(std::int64_t at_us) const {
        return depth_[static_cast<std::size_t>(at_us / kStepUs)];
    }
    /// The most that may have been done and promised by a send in [from, until].
    double due(std::int64_t from_us, std::int64_t until_us) const {
        double most = given(until_us) + depth(until_us);
        // Where the limit falls in between, the moment before allows more.
        for (std::int64_t at = from_us; at < until_us; at += kStepUs)
            most = std::max(most, given(at) + depth(at));
        return most;
    }

  private:
    std::vector<double> given_, depth_;
};

/// See run_oracle(): the fewest requests that any schedule must leave out for one of the limits.
template <typename AmountOf>
std::int64_t served_max(const ReplayTrace& trace, const Supply& supply, std::int64_t deadline_us,
                        AmountOf amount_of) {
    std::priority_queue<double> kept;  // of this block, the largest first
    std::int64_t served = 0;
    double done = 0;
    for (const ReplayRequest& request : trace.requests) {
        const double begin = supply.given(request.at_us);
        if (done <= begin) {
            kept = {};
            done = begin;
        }
        const double amount = amount_of(request);
        done += amount;
        kept.push(amount);
        ++served;
        if (done <= supply.due(request.at_us, request.at_us + deadline_us)) continue;
        done -= kept.top();
        kept.pop();
        --served;
    }
    return served;
}

/// What has been sent and still counts at the account, and what of it could be left out.
class Ledger {
  public:
    Ledger(const ReplayTrace& trace, const ReplayUpstreamSpec& spec)
        : trace_(&trace), spec_(spec), sent_us_(trace.requests.size(), -1) {
        for (std::uint32_t i = 0; i < trace.requests.size(); ++i)
            largest_ = std::max(largest_, amount(i));
    }

    bool is_kept(std::uint32_t request) const { return sent_us_[request] >= 0; }
    std::int64_t sent_us(std::uint32_t request) const { return sent_us_[request]; }
    double amount(std::uint32_t request) const {
        const ReplayRequest& it = trace_->requests[request];
        return static_cast<double>(spec_.count_of(it.input_tokens, it.output_tokens));
    }
    double rpm(std::int64_t at) const {
        return static_cast<double>(spec_.rpm) * spec_.limit_factor(at);
    }
    double tpm(std::int64_t at) const {
        return static_cast<double>(spec_.tpm) * spec_.limit_factor(at);
    }
    bool is_bucket() const { return spec_.counting == ReplayUpstreamSpec::Counting::bucket; }

    /// Brings the account to `at`; the other consumer takes its part first.
    void advance(std::int64_t at) {
        for (; at_us_ + kStepUs <= at; at_us_ += kStepUs) step(at_us_ + kStepUs, kStepUs);
        if (is_bucket()) drain(at);
        expire(at);
    }
    bool fits(std::uint32_t request, std::int64_t at) const {
        return requests_ + 1 <= rpm(at) && tokens_ + amount(request) <= tpm(at);
    }
    /// When to look again whether `request` fits: not too late, but maybe too early.
    std::int64_t next_look_us(std::uint32_t request, std::int64_t at) const {
        if (!is_bucket()) return entries_.empty() ? at + 1 : entries_.front().at_us + kMinuteUs;
        const double minutes = std::max((requests_ + 1 - rpm(at)) / rpm(at),
                                        (tokens_ + amount(request) - tpm(at)) / tpm(at));
        return at + 1 + static_cast<std::int64_t>(std::max(minutes, 0.0) * kMinuteUs);
    }
    void send(std::uint32_t request, std::int64_t at) {
        sent_us_[request] = at;
        requests_ += 1;
        tokens_ += amount(request);
        entries_.push_back({at, 1, amount(request), request});
        candidates_.insert({amount(request), request});
    }
    /// The largest request whose place would be free now had it been left out; false: none is
    /// larger than `amount`.
    bool leave_out_larger(double amount) {
        if (candidates_.empty() || std::prev(candidates_.end())->first <= amount) return false;
        const auto largest = std::prev(candidates_.end());
        const std::uint32_t request = largest->second;
        candidates_.erase(largest);
        tokens_ -= this->amount(request);
        requests_ -= 1;
        sent_us_[request] = -1;
        return true;
    }

  private:
    static constexpr std::uint32_t kOther = UINT32_MAX;
    struct Entry {
        std::int64_t at_us;
        double requests, tokens;
        std::uint32_t request;
    };
    void step(std::int64_t at, std::int64_t length) {
        if (is_bucket()) drain(at);
        expire(at);
        const double part = spec_.other_rate(at) * static_cast<double>(length) / kMinuteUs;
        if (part <= 0) return;
        const double requests = part * static_cast<double>(spec_.rpm),
                     tokens = part * static_cast<double>(spec_.tpm);
        requests_ += requests;
        tokens_ += tokens;
        entries_.push_back({at, requests, tokens, kOther});
    }
    void drain(std::int64_t at) {
        const auto passed = static_cast<double>(at - drained_us_);
        drained_us_ = at;
        requests_ = std::max(0.0, requests_ - passed * rpm(at) / kMinuteUs);
        tokens_ = std::max(0.0, tokens_ - passed * tpm(at) / kMinuteUs);
        // Near the full bucket leaving out an earlier request would give back less than it took.
        if (tokens_ <= largest_) candidates_.clear();
    }
    void expire(std::int64_t at) {
        for (; !entries_.empty() && entries_.front().at_us + kMinuteUs <= at;
             entries_.pop_front()) {
            const Entry& entry = entries_.front();
            const bool is_gone = entry.request != kOther && !is_kept(entry.request);
            if (is_bucket() || is_gone) continue;
            requests_ -= entry.requests;
            tokens_ -= entry.tokens;
            if (entry.request != kOther) candidates_.erase({entry.tokens, entry.request});
        }
    }

    const ReplayTrace* trace_;
    ReplayUpstreamSpec spec_;
    std::vector<std::int64_t> sent_us_;
    std::deque<Entry> entries_;
    std::set<std::pair<double, std::uint32_t>> candidates_;
    double requests_ = 0, tokens_ = 0, largest_ = 0;
    std::int64_t at_us_ = 0, drained_us_ = 0;
};

enum class LeaveOut : std::uint8_t { late, largest };

/// See ReplayOracle::schedule and in_order.
ReplaySchedule make_schedule(const ReplayTrace& trace, const ReplayUpstreamSpec& upstream,
                             std::int64_t deadline_us, LeaveOut whom) {
    Ledger ledger(trace, upstream);
    std::int64_t now = 0;
    for (std::uint32_t i = 0; i < trace.requests.size(); ++i) {
        const std::int64_t send_by = trace.requests[i].at_us + deadline_us;
        now = std::max(now, trace.requests[i].at_us);
        ledger.advance(now);
        while (!ledger.fits(i, now)) {
            const std::int64_t next = ledger.next_look_us(i, now);
            if (next > send_by) break;
            now = next;
            ledger.advance(now);
        }
        while (whom == LeaveOut::largest && !ledger.fits(i, now) &&
               ledger.leave_out_larger(ledger.amount(i))) {
        }
        if (ledger.fits(i, now)) ledger.send(i, now);
    }
    ReplaySchedule out;
    out.result.requests = static_cast<std::int64_t>(trace.requests.size());
    for (std::uint32_t i = 0; i < trace.requests.size(); ++i) {
        const ReplayRequest& request = trace.requests[i];
        ++out.result.minute(request.at_us).arrived;
        if (!ledger.is_kept(i)) continue;
        out.sends.emplace_back(ledger.sent_us(i), i);
        ++out.result.served;
        ++out.result.minute(ledger.sent_us(i)).served;
        out.result.served_tokens += request.tokens();
        out.result.waits_us.push_back(ledger.sent_us(i) - request.at_us);
    }
    std::ranges::sort(out.sends);
    out.result.failed = out.result.requests - out.result.served;
    out.result.attempts = out.result.served;
    return out;
}

}  // namespace

ReplayOracle run_oracle(const ReplayTrace& trace, const ReplayUpstreamSpec& upstream,
                        std::int64_t deadline_us) {
    ReplayOracle oracle;
    oracle.schedule = make_schedule(trace, upstream, deadline_us, LeaveOut::largest);
    oracle.in_order = make_schedule(trace, upstream, deadline_us, LeaveOut::late);

    // Strategies send until the deadline, and the way comes on top.
    const std::int64_t counted_within = deadline_us + kWayMinUs + kWayMaxUs;
    const std::int64_t end = trace.span_us() + counted_within + kMinuteUs;
    const Supply requests(upstream, static_cast<double>(upstream.rpm), end);
    const Supply tokens(upstream, static_cast<double>(upstream.tpm), end);
    oracle.served_max = std::min(
        served_max(trace, requests, counted_within, [](const ReplayRequest&) { return 1.0; }),
        served_max(trace, tokens, counted_within, [&upstream](const ReplayRequest& it) {
            return static_cast<double>(upstream.count_of(it.input_tokens, it.output_tokens));
        }));
    return oracle;
}

}  // namespace tg
