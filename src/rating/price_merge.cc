#include "rating/price_merge.h"

#include <algorithm>
#include <map>
#include <set>

namespace tg {
namespace {

using ModelKey = std::pair<std::string, std::string>;
using Windows = std::vector<ModelPrice>;  // of one model, by valid_from

bool covers(const ModelPrice& price, UtcMicros at) {
    return price.valid_from <= at && (!price.valid_to || at < *price.valid_to);
}

std::string label(const ModelKey& key) {
    return key.second.empty() ? key.first : key.second + ": " + key.first;
}

const ModelPrice* in_force(const Windows& windows, UtcMicros at) {
    const auto found =
        std::ranges::find_if(windows, [&](const ModelPrice& w) { return covers(w, at); });
    return found == windows.end() ? nullptr : &*found;
}

/// Takes [from, to) out of the windows of a model.
Windows without(const Windows& windows, UtcMicros from, std::optional<UtcMicros> to) {
    Windows out;
    for (const ModelPrice& window : windows) {
        const bool is_apart =
            (window.valid_to && *window.valid_to <= from) || (to && *to <= window.valid_from);
        if (is_apart) {
            out.push_back(window);
            continue;
        }
        if (window.valid_from < from) {
            out.push_back(window);
            out.back().valid_to = from;
        }
        if (to && (!window.valid_to || *to < *window.valid_to)) {
            out.push_back(window);
            out.back().valid_from = *to;
        }
    }
    return out;
}

/// Refuses to change [from, to) where that was priced and is final.
Status check_open(const Windows& windows, UtcMicros from, std::optional<UtcMicros> to,
                  UtcMicros closed_until) {
    for (const ModelPrice& window : windows) {
        const UtcMicros begin = std::max(window.valid_from, from);
        const bool overlaps =
            (!to || begin < *to) && (!window.valid_to || begin < *window.valid_to);
        if (overlaps && begin < closed_until) {
            return fail(ErrorCode::conflict,
                        "the price of " + label({window.model, window.provider}) +
                            " would change from " + format_rfc3339(begin) +
                            " on, but prices before " + format_rfc3339(closed_until) +
                            " are final; give a later valid_from");
        }
    }
    return {};
}

Status lay_over(Windows& windows, ModelPrice next, const MergeOptions& options) {
    if (!next.valid_to) {
        for (const ModelPrice& window : windows) {
            if (window.valid_from > next.valid_from &&
                (!next.valid_to || window.valid_from < *next.valid_to)) {
                next.valid_to = window.valid_from;
            }
        }
    }
    const ModelPrice* current = in_force(windows, next.valid_from);
    if (current != nullptr && same_terms(*current, next) && current->is_manual == next.is_manual &&
        (!current->valid_to || (next.valid_to && *next.valid_to <= *current->valid_to))) {
        return {};
    }
    TG_CHECK_OK(check_open(windows, next.valid_from, next.valid_to, options.closed_until));
    windows = without(windows, next.valid_from, next.valid_to);
    windows.push_back(std::move(next));
    std::ranges::sort(windows, {}, &ModelPrice::valid_from);
    return {};
}

Status close(Windows& windows, const MergeOptions& options) {
    TG_CHECK_OK(check_open(windows, options.unlisted_at, std::nullopt, options.closed_until));
    windows = without(windows, options.unlisted_at, std::nullopt);
    return {};
}

}  // namespace

Result<MergedBook> merge_prices(std::vector<ModelPrice> book, std::vector<ModelPrice> incoming,
                                const MergeOptions& options) {
    std::map<ModelKey, Windows> models;
    for (ModelPrice& price : book)
        models[{price.model, price.provider}].push_back(std::move(price));
    for (auto& [key, windows] : models) std::ranges::sort(windows, {}, &ModelPrice::valid_from);

    MergedBook out;
    std::set<ModelKey> listed, formerly_listed;
    for (const auto& [key, windows] : models) {
        const ModelPrice* current =
            options.is_whole_list ? in_force(windows, options.unlisted_at) : nullptr;
        if (current != nullptr && !current->is_manual) formerly_listed.insert(key);
    }
    for (ModelPrice& next : incoming) {
        const ModelKey key{next.model, next.provider};
        Windows& windows = models[key];
        const ModelPrice* current = in_force(windows, next.valid_from);
        if (!next.is_manual && current != nullptr && current->is_manual) {
            if (!same_terms(*current, next)) out.kept_manual.push_back(label(key));
            continue;
        }
        listed.insert(key);
        TG_CHECK_OK(lay_over(windows, std::move(next), options));
    }
    out.formerly_listed = formerly_listed.size();
    out.now_listed = listed.size();
    for (const ModelKey& key : formerly_listed) {
        if (listed.contains(key)) continue;
        out.not_listed.push_back(label(key));
        if (options.unlisted == Unlisted::close) TG_CHECK_OK(close(models[key], options));
    }
    for (auto& [key, windows] : models) {
        for (ModelPrice& window : windows) out.prices.push_back(std::move(window));
    }
    return out;
}

}  // namespace tg
