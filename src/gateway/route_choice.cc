#include "gateway/route_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tg {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view value) {
    return !value.empty() && std::ranges::find(list, value) != list.end();
}

/// Filters that pass with time; LeftOut::none when it can be used.
RouteRefusal availability(std::int64_t now_ns, const RoutePolicy& policy,
                          const RouteOption& option) {
    if (option.was_tried) return {0, LeftOut::already_tried, 0};
    if (option.start.bound == PacerBound::too_large) return {0, LeftOut::too_large, 0};
    if (!option.breaker_allows) return {0, LeftOut::breaker_open, option.breaker_until_ns};
    if (option.start.at_ns > now_ns + policy.wait_max_ns) {
        const bool is_exhausted = option.start.bound == PacerBound::exhausted;
        return {0, is_exhausted ? LeftOut::exhausted : LeftOut::limit, option.start.at_ns};
    }
    return {};
}

double uniform(Rng* rng) {
    return (static_cast<double>(rng->next() >> 11) + 1) / 9007199254740993.0;  // in (0, 1)
}

/// The smaller the better.
double key_of(RouteOrder order, const RouteOption& option, Rng* rng) {
    switch (order) {
        case RouteOrder::ordered:
            return option.rank;
        case RouteOrder::latency:
            return option.load_ns;
        case RouteOrder::weight:
            // Smallest of exponential draws: a weighted shuffle (Efraimidis and Spirakis 2006).
            return option.weight > 0 ? -std::log(uniform(rng)) / option.weight
                                     : std::numeric_limits<double>::infinity();
        case RouteOrder::price:
            return static_cast<double>(option.price_nano_per_mtok);
        case RouteOrder::remaining:
            return -option.remaining_share;
    }
    return 0;
}

/// Brings the better of two at random to the front of candidates that can start now.
void apply_two_choices(std::size_t startable, Rng* rng, RouteChoice* out) {
    if (startable < 3) return;  // the sorted order already is the better of two
    const std::size_t a = rng->below(startable);
    std::size_t b = rng->below(startable - 1);
    if (b >= a) ++b;
    // They are sorted, so the lower position is the better one.
    const auto chosen = out->candidates.begin() + static_cast<std::ptrdiff_t>(std::min(a, b));
    std::rotate(out->candidates.begin(), chosen, chosen + 1);
}

}  // namespace

std::string_view name(RouteOrder order) {
    switch (order) {
        case RouteOrder::ordered:
            return "ordered";
        case RouteOrder::latency:
            return "latency";
        case RouteOrder::weight:
            return "weight";
        case RouteOrder::price:
            return "price";
        case RouteOrder::remaining:
            return "remaining";
    }
    return "unknown";
}

std::string_view name(LeftOut reason) {
    switch (reason) {
        case LeftOut::none:
            return "none";
        case LeftOut::region:
            return "region not allowed";
        case LeftOut::zero_retention:
            return "not covered by zero retention";
        case LeftOut::pool:
            return "belongs to another pool";
        case LeftOut::provider:
            return "provider not allowed";
        case LeftOut::already_tried:
            return "failed for this request";
        case LeftOut::too_large:
            return "the request is larger than its limit";
        case LeftOut::breaker_open:
            return "failing";
        case LeftOut::limit:
            return "limit reached";
        case LeftOut::exhausted:
            return "quota used up";
    }
    return "unknown";
}

LeftOut permits(const RoutePolicy& policy, const DeploymentTraits& traits) {
    if (policy.regions && !contains(*policy.regions, traits.region)) return LeftOut::region;
    if (policy.requires_zero_retention && !traits.is_zero_retention_covered)
        return LeftOut::zero_retention;
    if (policy.pool != traits.pool) return LeftOut::pool;
    if (policy.providers && !contains(*policy.providers, traits.provider)) return LeftOut::provider;
    return LeftOut::none;
}

void choose_route(std::int64_t now_ns, const RoutePolicy& policy,
                  std::span<const RouteOption> options, Rng* rng, RouteChoice* out) {
    out->candidates.clear();
    out->left_out.clear();
    out->keys.clear();
    out->soonest_ns = kNeverNs;
    std::size_t startable = 0;
    for (std::uint32_t i = 0; i < options.size(); ++i) {
        const RouteOption& option = options[i];
        out->keys.push_back(0);
        RouteRefusal refusal{i, permits(policy, *option.traits), 0};
        if (refusal.reason == LeftOut::none) {
            refusal = availability(now_ns, policy, option);
            refusal.option = i;
        }
        if (refusal.reason != LeftOut::none) {
            out->left_out.push_back(refusal);
            if (refusal.until_ns > 0) out->soonest_ns = std::min(out->soonest_ns, refusal.until_ns);
            continue;
        }
        out->keys[i] = key_of(policy.order, option, rng);
        const bool is_last_resort = option.is_ejected || option.is_unhealthy;
        const std::int64_t start = std::max(option.start.at_ns, now_ns);
        if (!is_last_resort && start == now_ns) ++startable;
        out->candidates.push_back({i, start, is_last_resort});
    }
    std::ranges::sort(out->candidates, [&](const RouteCandidate& a, const RouteCandidate& b) {
        if (a.is_last_resort != b.is_last_resort) return b.is_last_resort;
        if (a.start_ns != b.start_ns) return a.start_ns < b.start_ns;
        const double key_a = out->keys[a.option], key_b = out->keys[b.option];
        if (key_a != key_b) return key_a < key_b;
        const RouteOption &left = options[a.option], &right = options[b.option];
        if (left.load_ns != right.load_ns) return left.load_ns < right.load_ns;
        return left.rank != right.rank ? left.rank < right.rank : a.option < b.option;
    });
    const bool has_choice =
        policy.order == RouteOrder::latency || policy.order == RouteOrder::remaining;
    if (policy.scan == RouteScan::two_choices && has_choice) apply_two_choices(startable, rng, out);
}

std::string describe_left_out(std::int64_t now_ns, const RouteChoice& choice,
                              std::span<const RouteOption> options) {
    std::string text;
    for (const RouteRefusal& refusal : choice.left_out) {
        if (!text.empty()) text.append("; ");
        text.append(options[refusal.option].traits->name).append(": ").append(name(refusal.reason));
        if (refusal.until_ns > now_ns && refusal.until_ns != kNeverNs) {
            const std::int64_t seconds = (refusal.until_ns - now_ns + 999'999'999) / 1'000'000'000;
            text.append(", free in ").append(std::to_string(seconds)).append(" s");
        }
    }
    return text;
}

}  // namespace tg
