#include "rating/price_diff.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "rating/price_text.h"

namespace tg {
namespace {

using ModelKey = std::pair<std::string, std::string>;
using InForce = std::map<ModelKey, const ModelPrice*>;

std::string label(const ModelKey& key) {
    return key.second.empty() ? key.first : key.second + ": " + key.first;
}

InForce in_force(std::span<const ModelPrice> prices, UtcMicros at) {
    InForce out;
    for (const ModelPrice& price : prices) {
        if (price.valid_from <= at && (!price.valid_to || at < *price.valid_to))
            out[{price.model, price.provider}] = &price;
    }
    return out;
}

bool is_above_a_fifth(std::int64_t from, std::int64_t to) {
    const int128 difference = int128{to} - from;
    return (difference < 0 ? -difference : difference) * 5 > from;
}

/// One number of a price, under the words that name it.
struct Figure {
    std::int64_t value = 0;
    std::string text;
};
using Figures = std::map<std::string, Figure>;

Figures figures(const ModelPrice& price) {
    Figures out;
    for (const PriceComponent& c : price.components) {
        out[describe(c.meter, c.tier, c.band)] = {c.price.nano, format_price(c.meter, c.price)};
    }
    for (int t = 0; t < kServiceTierCount; ++t) {
        if (const auto& ppm = price.tier_multiplier_ppm[t]) {
            out["multiplier of tier " + std::string(name(static_cast<ServiceTier>(t)))] = {
                *ppm, format_scaled(*ppm, 6, 0)};
        }
    }
    for (const auto& [region, ppm] : price.region_multiplier_ppm) {
        out["multiplier of region " + region] = {ppm, format_scaled(ppm, 6, 0)};
    }
    return out;
}

PriceChange compare(const Figure* from, const Figure* to) {
    PriceChange change;
    change.kind = from == nullptr ? PriceChange::Kind::added
                  : to == nullptr ? PriceChange::Kind::removed
                                  : PriceChange::Kind::changed;
    if (from != nullptr) change.old_value = from->text;
    if (to != nullptr) change.new_value = to->text;
    if (to == nullptr) {
        change.approval_reason = "no longer priced";
    } else if (from != nullptr && from->value != 0) {
        change.change = format_change(from->value, to->value);
        if (to->value == 0) {
            change.approval_reason = "becomes free";
        } else if (is_above_a_fifth(from->value, to->value)) {
            change.approval_reason = "changes by more than 20 %";
        }
    } else if (from != nullptr) {
        change.approval_reason = "was free";
    }
    return change;
}

void diff_model(const ModelKey& key, const ModelPrice& from, const ModelPrice& to,
                PriceDiff& diff) {
    const auto push = [&](PriceChange change, std::string what) {
        change.model = key.first;
        change.provider = key.second;
        change.what = std::move(what);
        diff.changes.push_back(std::move(change));
    };
    if (from.currency != to.currency) {
        PriceChange change;
        change.old_value = code(from.currency);
        change.new_value = code(to.currency);
        change.approval_reason = "changes its currency";
        push(std::move(change), "currency");
    }
    const Figures before = figures(from), after = figures(to);
    for (const auto& [what, figure] : before) {
        const auto now = after.find(what);
        if (now == after.end()) {
            push(compare(&figure, nullptr), what);
        } else if (now->second.value != figure.value) {
            push(compare(&figure, &now->second), what);
        }
    }
    for (const auto& [what, figure] : after) {
        if (!before.contains(what)) push(compare(nullptr, &figure), what);
    }
}

auto by_condition(const PriceComponent& c) {
    return std::tuple(c.tier, c.band ? c.band->threshold_tokens : 0,
                      c.band ? c.band->op : BandOperator::greater, c.meter, c.price, c.is_free);
}

}  // namespace

bool PriceDiff::needs_approval() const {
    return !shrink_reason.empty() || !removed.empty() ||
           std::ranges::any_of(
               changes, [](const PriceChange& change) { return !change.approval_reason.empty(); });
}

std::string PriceDiff::approval_text(std::size_t limit) const {
    std::vector<std::string> reasons;
    if (!shrink_reason.empty()) reasons.push_back(shrink_reason);
    for (const std::string& model : removed) reasons.push_back(model + " leaves the book");
    for (const PriceChange& change : changes) {
        if (change.approval_reason.empty()) continue;
        std::string text = label({change.model, change.provider}) + " " + change.what + " " +
                           change.approval_reason;
        if (!change.old_value.empty())
            text += " (" + change.old_value + " -> " +
                    (change.new_value.empty() ? "none" : change.new_value);
        if (!change.old_value.empty())
            text += change.change.empty() ? ")" : ", " + change.change + ")";
        reasons.push_back(std::move(text));
    }
    std::string out;
    for (std::size_t i = 0; i < reasons.size() && i < limit; ++i)
        out += (i == 0 ? "" : "; ") + reasons[i];
    if (reasons.size() > limit) out += "; and " + std::to_string(reasons.size() - limit) + " more";
    return out;
}

PriceDiff diff_prices(std::span<const ModelPrice> from, std::span<const ModelPrice> to,
                      UtcMicros at) {
    const InForce before = in_force(from, at), after = in_force(to, at);
    PriceDiff diff;
    diff.old_count = before.size();
    diff.new_count = after.size();
    for (const auto& [key, price] : before) {
        const auto now = after.find(key);
        if (now == after.end()) {
            diff.removed.push_back(label(key));
        } else {
            diff_model(key, *price, *now->second, diff);
        }
    }
    for (const auto& [key, price] : after) {
        if (!before.contains(key)) diff.added.push_back(label(key));
    }
    note_shrink(diff, before.size(), after.size());
    return diff;
}

void note_shrink(PriceDiff& diff, std::size_t formerly_listed, std::size_t now_listed) {
    if (now_listed * 10 >= formerly_listed * 9) return;
    diff.shrink_reason = "the list shrinks from " + std::to_string(formerly_listed) + " to " +
                         std::to_string(now_listed) + " models, by more than 10 %";
}

bool same_terms(const ModelPrice& a, const ModelPrice& b) {
    const auto sorted = [](std::vector<PriceComponent> components) {
        std::ranges::sort(components, {}, by_condition);
        return components;
    };
    const auto regions = [](std::vector<std::pair<std::string, std::int64_t>> list) {
        std::ranges::sort(list);
        return list;
    };
    return a.currency == b.currency && a.mode == b.mode &&
           a.max_input_tokens == b.max_input_tokens && a.max_output_tokens == b.max_output_tokens &&
           a.max_nano_per_m == b.max_nano_per_m &&
           std::ranges::equal(a.tier_multiplier_ppm, b.tier_multiplier_ppm) &&
           sorted(a.components) == sorted(b.components) &&
           regions(a.region_multiplier_ppm) == regions(b.region_multiplier_ppm);
}

}  // namespace tg
