#include "gateway/account_pacer.h"

#include <algorithm>
#include <cmath>

namespace tg {
namespace {

// Tokens of input after which the learned ratio has half its weight, and of the belief in 1 that
// learning starts from.
constexpr double kRatioMemory = 2e6, kRatioPrior = 2e3;

constexpr std::size_t index(LimitMeter meter) {
    return static_cast<std::size_t>(meter);
}

PacerBound bound_of(std::size_t meter) {
    return static_cast<PacerBound>(static_cast<std::size_t>(PacerBound::requests) + meter);
}

}  // namespace

std::string_view name(PacerBound bound) {
    switch (bound) {
        case PacerBound::none:
            return "none";
        case PacerBound::requests:
            return "requests";
        case PacerBound::total_tokens:
            return "total_tokens";
        case PacerBound::input_tokens:
            return "input_tokens";
        case PacerBound::output_tokens:
            return "output_tokens";
        case PacerBound::concurrency:
            return "concurrency";
        case PacerBound::retry_after:
            return "retry_after";
        case PacerBound::exhausted:
            return "exhausted";
        case PacerBound::too_large:
            return "too_large";
    }
    return "unknown";
}

AccountPacer::AccountPacer(const PacerOptions& options)
    : options_(options),
      meters_{PacerMeter(options, options.limits[0]), PacerMeter(options, options.limits[1]),
              PacerMeter(options, options.limits[2]), PacerMeter(options, options.limits[3])},
      ratio_ours_(kRatioPrior),
      ratio_theirs_(kRatioPrior) {}

void AccountPacer::configure(const MinuteLimits& limits) {
    options_.limits = limits;
    for (std::size_t i = 0; i < kLimitMeters; ++i) meters_[i].configure(limits[i]);
}

void AccountPacer::join_fleet() {
    set_fleet_share({}, 0);
}

void AccountPacer::set_fleet_share(const MinuteLimits& share, std::int64_t concurrency) {
    for (std::size_t i = 0; i < kLimitMeters; ++i) meters_[i].set_fleet_share(share[i]);
    fleet_concurrency_ = concurrency;
}

PacerUse AccountPacer::use(std::int64_t now_ns) {
    constexpr std::int64_t kStepNs = 60'000'000'000 / PacerUse::kSteps;
    PacerUse out;
    for (std::size_t i = 0; i < kLimitMeters; ++i) {
        out.limits[i] = meters_[i].shared_limit(now_ns);
        out.used[i] = meters_[i].window_used(now_ns);
        for (int step = 0; step < PacerUse::kSteps; ++step)
            out.leaving[static_cast<std::size_t>(step)][i] =
                meters_[i].used_at(now_ns, now_ns + (step + 1) * kStepNs);
    }
    out.concurrency_max = options_.concurrency_max;
    out.in_flight = in_flight_;
    return out;
}

AccountPacer::Amounts AccountPacer::amounts(const PacerCost& cost) const {
    const auto input = static_cast<double>(cost.input_tokens);
    const auto extra = static_cast<std::int64_t>(std::ceil(input * (input_ratio_ - 1)));
    Amounts out{};
    out[index(LimitMeter::requests)] = cost.requests;
    out[index(LimitMeter::input_tokens)] = std::max<std::int64_t>(cost.input_tokens + extra, 0);
    out[index(LimitMeter::output_tokens)] = cost.output_tokens;
    if (cost.total_tokens > 0)
        out[index(LimitMeter::total_tokens)] = std::max<std::int64_t>(cost.total_tokens + extra, 1);
    return out;
}

PacerStart AccountPacer::earliest_for(std::int64_t now_ns, const Amounts& amounts) {
    PacerStart start{now_ns, PacerBound::none};
    const bool is_blocked = blocked_until_ns_ > now_ns;
    if (is_blocked) {
        start = {blocked_until_ns_,
                 is_exhausted_ ? PacerBound::exhausted : PacerBound::retry_after};
    }
    for (std::size_t i = 0; i < kLimitMeters; ++i) {
        const std::int64_t at = meters_[i].earliest(now_ns, amounts[i]);
        if (at == kNeverNs) return {kNeverNs, PacerBound::too_large};
        // The pause is the reason, though the first call after it is a moment later.
        if (at > start.at_ns) start = {at, is_blocked ? start.bound : bound_of(i)};
    }
    if (fleet_concurrency_ >= 0 && now_ns > fleet_until_ns_) {
        constexpr std::int64_t kAskAgainNs = 50'000'000;
        start = {std::max(start.at_ns, now_ns + kAskAgainNs), PacerBound::requests};
    }
    const std::int64_t slots = fleet_concurrency_ < 0
                                   ? options_.concurrency_max
                                   : std::min(options_.concurrency_max, fleet_concurrency_);
    if (options_.concurrency_max > 0 && in_flight_ >= slots) {
        const auto next_end =
            now_ns + 1 +
            static_cast<std::int64_t>(mean_call_ns_ /
                                      static_cast<double>(std::max<std::int64_t>(in_flight_, 1)));
        start.at_ns = std::max(start.at_ns, next_end);
        start.bound = PacerBound::concurrency;
    }
    return start;
}

PacerStart AccountPacer::earliest_start(std::int64_t now_ns, const PacerCost& cost) {
    return earliest_for(now_ns, amounts(cost));
}

std::optional<PacerTicket> AccountPacer::take(std::int64_t now_ns, const PacerCost& cost) {
    const Amounts taken = amounts(cost);
    const PacerStart start = earliest_for(now_ns, taken);
    if (start.at_ns > now_ns) return std::nullopt;
    PacerTicket ticket;
    ticket.sent_ns = now_ns;
    ticket.input_tokens = cost.input_tokens;
    ticket.output_tokens = cost.output_tokens;
    ticket.is_open = true;
    for (std::size_t i = 0; i < kLimitMeters; ++i)
        ticket.marks[i] = meters_[i].take(now_ns, taken[i]);
    ++in_flight_;
    return ticket;
}

void AccountPacer::on_answer(std::int64_t now_ns, PacerTicket* ticket, const PacerAnswer& answer) {
    const bool is_refused = answer.status == 429;
    for (std::size_t i = 0; i < kLimitMeters; ++i) {
        meters_[i].learn(now_ns, ticket->sent_ns, ticket->marks[i], answer.report.meters[i],
                         !is_refused);
    }
    if (is_refused) {
        on_refusal(now_ns, ticket, answer);
    } else if (answer.status < 400 && ticket->sent_ns > blocked_at_ns_) {
        refusals_in_a_row_ = 0;
        is_exhausted_ = false;
    }
}

void AccountPacer::on_refusal(std::int64_t now_ns, PacerTicket* ticket, const PacerAnswer& answer) {
    ++refusals_;
    std::int64_t pause_ns = answer.report.retry_after_ns;
    if (!answer.can_heal) {
        is_exhausted_ = true;
        pause_ns = std::max(pause_ns, options_.exhausted_pause_ms * 1'000'000);
    } else {
        back_off(now_ns, *ticket, answer);
        // Calls sent before the last refusal was known do not make it worse.
        const bool is_new = ticket->sent_ns > blocked_at_ns_;
        if (is_new) ++refusals_in_a_row_;
        if (pause_ns < 0 && is_new) {
            const int doublings = std::min(refusals_in_a_row_ - 1, 20);
            pause_ns = std::min(options_.backoff_first_ms << doublings, options_.backoff_max_ms) *
                       1'000'000;
        }
    }
    blocked_at_ns_ = now_ns;
    if (pause_ns >= 0) blocked_until_ns_ = std::max(blocked_until_ns_, now_ns + pause_ns);
    for (PacerMeter& meter : meters_) meter.drain_from(std::max(now_ns, blocked_until_ns_), now_ns);
    // It was refused, so its tokens were not counted. The request may have been: "unsuccessful
    // requests contribute to your per-minute limit" (help.openai.com 5955604).
    for (std::size_t i = index(LimitMeter::requests) + 1; i < kLimitMeters; ++i)
        meters_[i].give_back(now_ns, &ticket->marks[i], ticket->marks[i].amount);
}

void AccountPacer::back_off(std::int64_t now_ns, const PacerTicket& ticket,
                            const PacerAnswer& answer) {
    std::size_t suspect = 0;
    double fullest = -1;
    for (std::size_t i = 0; i < kLimitMeters; ++i) {
        if (PacerMeter::explains(answer.report.meters[i], ticket.marks[i])) return;
        const double fill = meters_[i].fill(now_ns, ticket.marks[i]);
        if (fill > fullest) {
            fullest = fill;
            suspect = i;
        }
    }
    if (answer.refused_meter) suspect = index(*answer.refused_meter);
    const MeterReport& report = answer.report.meters[suspect];
    meters_[suspect].back_off(now_ns, ticket.sent_ns, ticket.marks[suspect], report.remaining >= 0);
}

void AccountPacer::learn_ratio(std::int64_t ours, std::int64_t theirs) {
    if (ours <= 0 || theirs < 0) return;
    const auto size = static_cast<double>(ours);
    const double keep = kRatioMemory / (kRatioMemory + size);
    ratio_ours_ = ratio_ours_ * keep + size;
    ratio_theirs_ = ratio_theirs_ * keep + static_cast<double>(theirs);
    input_ratio_ =
        std::clamp(ratio_theirs_ / ratio_ours_, options_.input_ratio_min, options_.input_ratio_max);
}

void AccountPacer::on_end(std::int64_t now_ns, PacerTicket* ticket, const PacerEnd& end) {
    if (!ticket->is_open) return;
    ticket->is_open = false;
    --in_flight_;
    const auto took = static_cast<double>(std::max<std::int64_t>(now_ns - ticket->sent_ns, 0));
    mean_call_ns_ += (took - mean_call_ns_) * 0.05;
    if (!end.has_reached_upstream) {
        for (std::size_t i = 0; i < kLimitMeters; ++i)
            meters_[i].give_back(now_ns, &ticket->marks[i], ticket->marks[i].amount);
        return;
    }
    learn_ratio(ticket->input_tokens, end.input_tokens);
    if (options_.refunds_output && end.output_tokens >= 0) {
        for (const LimitMeter meter : {LimitMeter::output_tokens, LimitMeter::total_tokens}) {
            MeterMark& mark = ticket->marks[index(meter)];
            meters_[index(meter)].give_back(now_ns, &mark,
                                            ticket->output_tokens - end.output_tokens);
        }
    }
}

PacerState AccountPacer::state(std::int64_t now_ns) {
    PacerState out;
    for (std::size_t i = 0; i < kLimitMeters; ++i) {
        PacerMeter& meter = meters_[i];
        out.meters[i] = {
            meter.limit(now_ns),  meter.share(now_ns),           meter.used(now_ns),
            meter.excess(now_ns), meter.remaining_share(now_ns), meter.burst_s(now_ns)};
    }
    out.input_ratio = input_ratio_;
    out.in_flight = in_flight_;
    out.blocked_until_ns = std::max(blocked_until_ns_, now_ns);
    out.refusals = refusals_;
    out.is_exhausted = is_exhausted_ && blocked_until_ns_ > now_ns;
    return out;
}

double AccountPacer::remaining_share(std::int64_t now_ns) {
    double least = blocked_until_ns_ > now_ns ? 0 : 1;
    for (PacerMeter& meter : meters_) least = std::min(least, meter.remaining_share(now_ns));
    if (options_.concurrency_max > 0) {
        const double busy =
            static_cast<double>(in_flight_) / static_cast<double>(options_.concurrency_max);
        least = std::min(least, std::max(1 - busy, 0.0));
    }
    return least;
}

}  // namespace tg
