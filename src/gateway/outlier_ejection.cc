#include "gateway/outlier_ejection.h"

#include <algorithm>

namespace tg {
namespace {

constexpr std::int64_t kMs = 1'000'000;

/// `values` in any order; the lower one of two middle values: with two peers the better one counts.
double median(std::vector<double>* values) {
    const auto middle = values->begin() + static_cast<std::ptrdiff_t>((values->size() - 1) / 2);
    std::nth_element(values->begin(), middle, values->end());
    return *middle;
}

}  // namespace

OutlierEjection::OutlierEjection(const OutlierOptions& options, std::size_t members)
    : options_(options), members_(members) {
    scratch_.reserve(members);
}

void OutlierEjection::observe(std::int64_t now_ns, std::size_t member, CallVerdict verdict,
                              std::optional<std::int64_t> first_byte_ns) {
    if (now_ns >= next_judgement_ns_) judge(now_ns);
    if (verdict == CallVerdict::neutral) return;
    Member& each = members_[member];
    ++each.calls;
    if (verdict == CallVerdict::failure) ++each.failures;
    if (first_byte_ns) {
        ++each.timed;
        each.first_byte_sum_ns += static_cast<double>(*first_byte_ns);
    }
}

bool OutlierEjection::is_ejected(std::int64_t now_ns, std::size_t member) {
    if (now_ns >= next_judgement_ns_) judge(now_ns);
    return members_[member].until_ns > now_ns;
}

std::size_t OutlierEjection::ejected_count(std::int64_t now_ns) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        members_, [now_ns](const Member& each) { return each.until_ns > now_ns; }));
}

std::size_t OutlierEjection::ejected_max() const {
    // A hair more than the product, so that half of four is two whatever the rounding.
    const double most = static_cast<double>(members_.size()) * options_.ejected_share_max + 1e-9;
    return std::min(static_cast<std::size_t>(std::max(most, 0.0)), members_.size());
}

bool OutlierEjection::is_failing(std::size_t member) {
    scratch_.clear();
    for (std::size_t i = 0; i < members_.size(); ++i) {
        if (i != member && members_[i].calls >= options_.calls_min)
            scratch_.push_back(members_[i].failure_share());
    }
    if (scratch_.empty() || members_[member].calls < options_.calls_min) return false;
    const double peers = median(&scratch_), own = members_[member].failure_share();
    return own > peers + options_.failure_share_over_peers &&
           own > peers * options_.failure_times_peers;
}

bool OutlierEjection::is_slow(std::size_t member) {
    scratch_.clear();
    for (std::size_t i = 0; i < members_.size(); ++i) {
        if (i != member && members_[i].timed >= options_.calls_min)
            scratch_.push_back(members_[i].mean_ns());
    }
    if (options_.latency_times_peers <= 0 || scratch_.empty()) return false;
    if (members_[member].timed < options_.calls_min) return false;
    const double peers = median(&scratch_), own = members_[member].mean_ns();
    return own > peers * options_.latency_times_peers &&
           own > peers + static_cast<double>(options_.latency_over_peers_ms * kMs);
}

OutlierReason OutlierEjection::verdict(std::size_t member) {
    if (is_failing(member)) return OutlierReason::failures;
    return is_slow(member) ? OutlierReason::latency : OutlierReason::none;
}

void OutlierEjection::eject(std::int64_t now_ns, std::size_t member, OutlierReason reason) {
    Member& each = members_[member];
    ++each.ejections_in_a_row;
    each.reason = reason;
    each.until_ns = now_ns + std::min(options_.ejection_first_ms * each.ejections_in_a_row,
                                      options_.ejection_max_ms) *
                                 kMs;
}

void OutlierEjection::judge(std::int64_t now_ns) {
    next_judgement_ns_ = now_ns + options_.interval_ms * kMs;
    std::size_t places = ejected_max() - std::min(ejected_max(), ejected_count(now_ns));
    // The worst goes first, for there may not be a place for all.
    while (places > 0) {
        std::optional<std::size_t> worst;
        OutlierReason why = OutlierReason::none;
        for (std::size_t i = 0; i < members_.size(); ++i) {
            if (members_[i].until_ns > now_ns) continue;
            const OutlierReason reason = verdict(i);
            if (reason == OutlierReason::none) continue;
            const auto badness = [this](std::size_t member) {
                const Member& each = members_[member];
                return std::pair(each.failure_share(), each.timed > 0 ? each.mean_ns() : 0);
            };
            if (worst && badness(i) <= badness(*worst)) continue;
            worst = i;
            why = reason;
        }
        if (!worst) break;
        eject(now_ns, *worst, why);
        --places;
    }
    for (Member& each : members_) {
        // An interval with enough calls and no ejection forgives one.
        if (each.until_ns <= now_ns && each.calls >= options_.calls_min) {
            each.ejections_in_a_row = std::max(each.ejections_in_a_row - 1, 0);
            each.reason = OutlierReason::none;
        }
        each.calls = each.failures = each.timed = 0;
        each.first_byte_sum_ns = 0;
    }
}

}  // namespace tg
