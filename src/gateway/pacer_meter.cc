#include "gateway/pacer_meter.h"

#include <algorithm>
#include <cmath>

namespace tg {
namespace {

constexpr double kMinuteNs = 60e9, kSecondNs = 1e9;

constexpr double kClimbPerSecond = 0.01;  // of a limit that the headers say has risen

// The excess: quick enough to see another consumer's burst before the reserve of 1 % is gone, slow
// enough not to follow single requests.
constexpr double kExcessUpNs = 0.05e9, kExcessDownNs = 3e9;
// Without news it fades: others' use leaves the provider's minute too.
constexpr double kExcessFadeNs = 20e9;
// Answers to calls sent long before the newest one known tell of the past.
constexpr std::int64_t kStaleNs = 1'000'000'000;

// No call had to wait for so long: there is no backlog any more.
constexpr std::int64_t kBacklogGoneNs = 5'000'000'000;
// What may be sent at one moment while there is one, in seconds of the peak rate.
constexpr double kBacklogPeakSeconds = 0.1;

// Where others use the account too, or count differently, a little more is left to them.
constexpr double kDoubtOfExcess = 0.25, kDoubtMax = 0.01;

constexpr double kShareFall = 0.93, kShareMin = 0.05, kAgainSeconds = 30;
// Seconds from a fall until the share is back where it failed (CUBIC's K).
constexpr double kShareBackSeconds = 90;
constexpr double kBurstFall = 0.6, kBurstMinSeconds = 0.2, kBurstBackSeconds = 3600;
// A share of a fleet's that is too small for a call may be larger by then.
constexpr std::int64_t kAskAgainNs = 50'000'000;

// A 429 below this part of the minute's limit speaks of a shorter period than the minute.
constexpr double kMinuteIsFull = 0.8;

std::int64_t later(std::int64_t now_ns, double wait_ns) {
    constexpr double kLongest = 1e18;
    return now_ns + static_cast<std::int64_t>(std::ceil(std::clamp(wait_ns, 0.0, kLongest)));
}

double seconds_since(std::int64_t then_ns, std::int64_t now_ns) {
    return static_cast<double>(std::max<std::int64_t>(now_ns - then_ns, 0)) / kSecondNs;
}

}  // namespace

double LeakyLevel::at(std::int64_t now_ns, double per_ns) const {
    if (now_ns <= at_ns_) return level_;
    return std::max(0.0, level_ - static_cast<double>(now_ns - at_ns_) * per_ns);
}

void LeakyLevel::add(std::int64_t now_ns, double amount, double per_ns) {
    level_ = std::max(0.0, at(now_ns, per_ns) + amount);
    at_ns_ = std::max(at_ns_, now_ns);
}

std::int64_t LeakyLevel::earliest(std::int64_t now_ns, double amount, double depth,
                                  double per_ns) const {
    // A level is a sum of doubles: what is short by a millionth of a unit is enough.
    constexpr double kSlack = 1e-6;
    const double over = at(now_ns, per_ns) - std::max(depth - amount, 0.0);
    if (over <= kSlack) return now_ns;
    return later(std::max(now_ns, at_ns_), over / per_ns);
}

void LeakyLevel::fill_until(std::int64_t until_ns, double depth) {
    level_ = depth;
    at_ns_ = std::max(at_ns_, until_ns);
}

PacerMeter::PacerMeter(const PacerOptions& options, std::int64_t configured_limit)
    : options_(options),
      configured_(configured_limit),
      window_(60'000'000'000 + options.count_jitter_ms * 1'000'000),
      burst_low_s_(options.burst_s) {}

double PacerMeter::told_limit(std::int64_t now_ns) const {
    const auto target = static_cast<double>(told_target_);
    if (told_from_ >= target) return target;
    return std::min(target,
                    told_from_ + target * kClimbPerSecond * seconds_since(told_at_ns_, now_ns));
}

double PacerMeter::base_limit(std::int64_t now_ns) const {
    if (told_target_ == 0) return static_cast<double>(configured_);
    const double told = told_limit(now_ns);
    return configured_ > 0 ? std::min(told, static_cast<double>(configured_)) : told;
}

double PacerMeter::share(std::int64_t now_ns) const {
    if (fell_at_ns_ < 0) return 1;
    const double past = seconds_since(fell_at_ns_, now_ns) / kShareBackSeconds - 1;
    return std::min(1.0, share_top_ + (share_top_ - share_low_) * past * past * past);
}

double PacerMeter::burst_s(std::int64_t now_ns) const {
    const double back = std::min(1.0, seconds_since(burst_fell_at_ns_, now_ns) / kBurstBackSeconds);
    return burst_low_s_ + (options_.burst_s - burst_low_s_) * back;
}

double PacerMeter::limit(std::int64_t now_ns) const {
    return base_limit(now_ns) * share(now_ns);
}

double PacerMeter::whole(double units) {
    // Whole units; small limits are rounded up to them, so that 3 a minute are 3 and not 2.
    constexpr double kSmall = 20;
    return std::max(1.0, std::floor(units < kSmall ? units + 0.5 : units));
}

double PacerMeter::own_limit(std::int64_t now_ns) const {
    const double all = limit(now_ns);
    return fleet_share_ == kNoFleet ? all : std::min(all, static_cast<double>(fleet_share_));
}

double PacerMeter::cap(std::int64_t now_ns) const {
    if (fleet_share_ == 0) return 0;
    return whole(own_limit(now_ns) * options_.target_share);
}

double PacerMeter::account_cap(std::int64_t now_ns) const {
    if (told_target_ == 0) return cap(now_ns);
    const double believed = told_limit(now_ns) * share(now_ns);
    const double doubt = std::min(kDoubtOfExcess * excess(now_ns), kDoubtMax * believed);
    return whole(believed * options_.target_share - doubt);
}

double PacerMeter::rate_per_ns(std::int64_t now_ns) const {
    return own_limit(now_ns) * options_.target_share / kMinuteNs;
}

double PacerMeter::excess(std::int64_t now_ns) const {
    if (excess_ <= 0) return 0;
    return excess_ *
           std::exp(-static_cast<double>(std::max<std::int64_t>(now_ns - excess_at_ns_, 0)) /
                    kExcessFadeNs);
}

bool PacerMeter::is_too_large(std::int64_t now_ns, std::int64_t amount) const {
    return is_limited() && static_cast<double>(amount) > base_limit(now_ns);
}

double PacerMeter::peak_factor() const {
    return is_backlogged_ ? std::min(options_.catch_up_factor, options_.peak_factor)
                          : options_.peak_factor;
}

std::int64_t PacerMeter::used(std::int64_t now_ns) {
    if (!is_bucket()) return window_.used(now_ns);
    return static_cast<std::int64_t>(std::ceil(burst_.at(now_ns, rate_per_ns(now_ns))));
}

std::int64_t PacerMeter::earliest_in_minute(std::int64_t now_ns, double amount) {
    const double own = cap(now_ns) - amount, account = account_cap(now_ns) - amount;
    const double others = own > 0 && account > 0 ? excess(now_ns) : 0;
    // Where not even an empty minute makes room, what others use must fade from our memory first.
    const double fade_ns = others > account ? kExcessFadeNs * std::log(others / account) : 0;
    const double target = std::max(std::min(account - others, own), 0.0);
    const std::int64_t free =
        is_bucket() ? burst_.earliest(now_ns, 0, target, rate_per_ns(now_ns))
                    : window_.earliest_below(now_ns, static_cast<std::int64_t>(target));
    return std::max(later(now_ns, fade_ns), free);
}

double PacerMeter::remaining_share(std::int64_t now_ns) {
    if (!is_limited()) return 1;
    const double taken = static_cast<double>(used(now_ns));
    const double own = cap(now_ns), left = account_cap(now_ns) - excess(now_ns) - taken;
    if (own <= 0) return 0;
    return std::clamp(std::min(own - taken, left) / own, 0.0, 1.0);
}

std::int64_t PacerMeter::earliest(std::int64_t now_ns, std::int64_t amount) {
    if (!is_limited() || amount == 0) return now_ns;
    if (is_too_large(now_ns, amount)) return kNeverNs;
    if (is_backlogged_ && now_ns - waits_until_ns_ > kBacklogGoneNs) is_backlogged_ = false;
    const auto size = static_cast<double>(amount);
    if (fleet_share_ != kNoFleet && size > cap(now_ns)) return now_ns + kAskAgainNs;
    const double per_ns = rate_per_ns(now_ns), per_second = per_ns * kSecondNs;
    const double depth_s = burst_s(now_ns);
    const std::int64_t in_minute = earliest_in_minute(now_ns, size);
    const std::int64_t in_burst = burst_.earliest(now_ns, size, depth_s * per_second, per_ns);
    if (!is_bucket() && in_minute > std::max(in_burst, now_ns)) is_backlogged_ = true;
    const double factor = peak_factor();
    const double peak_s = factor * (is_backlogged_ ? kBacklogPeakSeconds : 1.0);
    const std::int64_t in_peak =
        peak_.earliest(now_ns, size, std::min(peak_s, depth_s) * per_second, per_ns * factor);
    const std::int64_t start = std::max({in_minute, in_burst, in_peak});
    if (start > now_ns) waits_until_ns_ = std::max(waits_until_ns_, start);
    return start;
}

MeterMark PacerMeter::take(std::int64_t now_ns, std::int64_t amount) {
    MeterMark mark;
    if (amount == 0) return mark;
    mark.amount = amount;
    mark.slot = window_.add(now_ns, amount);
    // Without a limit nothing drains; one that is told later begins with an empty bucket.
    if (!is_limited()) {
        mark.used_after = is_bucket() ? 0 : used(now_ns);
        return mark;
    }
    const double per_ns = rate_per_ns(now_ns);
    if (per_ns <= 0) {  // nothing is left to us; only a caller that did not ask comes here
        mark.used_after = used(now_ns);
        return mark;
    }
    burst_.add(now_ns, static_cast<double>(amount), per_ns);
    peak_.add(now_ns, static_cast<double>(amount), per_ns * peak_factor());
    mark.used_after = used(now_ns);
    return mark;
}

void PacerMeter::give_back(std::int64_t now_ns, MeterMark* mark, std::int64_t amount) {
    amount = std::min(amount, mark->amount);
    if (amount <= 0) return;
    window_.subtract(now_ns, mark->slot, amount);
    if (is_limited()) burst_.add(now_ns, -static_cast<double>(amount), rate_per_ns(now_ns));
    mark->amount -= amount;
}

void PacerMeter::learn_limit(std::int64_t now_ns, std::int64_t sent_ns, std::int64_t told) {
    if (told == told_target_) {
        told_sent_ns_ = std::max(told_sent_ns_, sent_ns);
        return;
    }
    // Answers come in another order than calls were counted in. A higher limit is believed from
    // calls that were sent after the lower one was known, a lower one from all but older calls.
    const bool is_higher = told_target_ > 0 && told > told_target_;
    if (is_higher ? sent_ns <= told_at_ns_ : sent_ns < told_sent_ns_) return;
    const double known = told_target_ > 0 ? told_limit(now_ns) : kLimitMax;
    told_from_ = std::min(known, static_cast<double>(told));
    told_target_ = told;
    told_at_ns_ = now_ns;
    told_sent_ns_ = sent_ns;
}

void PacerMeter::learn(std::int64_t now_ns, std::int64_t sent_ns, const MeterMark& mark,
                       const MeterReport& report, bool was_counted) {
    if (sent_ns + kStaleNs < newest_sent_ns_) return;
    newest_sent_ns_ = std::max(newest_sent_ns_, sent_ns);
    if (report.limit > 0) learn_limit(now_ns, sent_ns, report.limit);
    if (report.remaining < 0 || told_target_ == 0) return;
    const auto told = static_cast<double>(told_target_);
    const double theirs = told - static_cast<double>(report.remaining);
    const double ours =
        static_cast<double>(was_counted ? mark.used_after : mark.used_after - mark.amount);
    // Calls overtake each other on the way: that much difference means nothing.
    const double noise = told * static_cast<double>(options_.count_jitter_ms) / 60e3;
    const double more = theirs - ours;
    const double seen = more > noise ? std::min(more, told) : 0.0;
    const double before = excess(now_ns);
    const auto passed = static_cast<double>(now_ns - excess_at_ns_);
    const double weight = passed / (passed + (seen > before ? kExcessUpNs : kExcessDownNs));
    excess_ = before + (seen - before) * std::clamp(weight, 0.0, 1.0);
    if (!was_counted) excess_ = std::max(excess_, seen);
    excess_at_ns_ = std::max(excess_at_ns_, now_ns);
}

double PacerMeter::fill(std::int64_t now_ns, const MeterMark& mark) const {
    if (!is_limited() || mark.amount == 0) return 0;
    return static_cast<double>(mark.used_after) / std::max(cap(now_ns), 1.0);
}

void PacerMeter::back_off(std::int64_t now_ns, std::int64_t sent_ns, const MeterMark& mark,
                          bool has_headroom_told) {
    // Calls that were under way when something fell say nothing new.
    if (sent_ns <= std::max(fell_at_ns_, burst_fell_at_ns_)) return;
    const bool is_minute_full = fill(now_ns, mark) >= kMinuteIsFull;
    // After a refusal there is no burst for a while, so a second one soon is not about bursts.
    const bool is_again =
        burst_fell_at_ns_ >= 0 && seconds_since(burst_fell_at_ns_, now_ns) < kAgainSeconds;
    if (!is_minute_full || has_headroom_told) {
        burst_low_s_ = std::max(kBurstMinSeconds, burst_s(now_ns) * kBurstFall);
        burst_fell_at_ns_ = now_ns;
        if (has_headroom_told || !is_again) return;
    }
    share_top_ = share(now_ns);
    share_low_ = std::max(kShareMin, share_top_ * kShareFall);
    fell_at_ns_ = now_ns;
}

void PacerMeter::drain_from(std::int64_t until_ns, std::int64_t now_ns) {
    if (!is_limited()) return;
    burst_.fill_until(until_ns, burst_s(now_ns) * rate_per_ns(now_ns) * kSecondNs);
}

}  // namespace tg
