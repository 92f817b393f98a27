#include "billing/internal/event_rater.h"

#include <algorithm>

namespace tg {
namespace {

bool is_plausible(const Usage& usage) {
    return std::ranges::all_of(usage.quantity, [](std::int64_t quantity) {
        return quantity >= 0 && quantity <= EventRater::kQuantityMax;
    });
}

}  // namespace

Result<const Catalogue*> EventRater::catalogue(PriceVersionId version) {
    if (last_ != nullptr && last_version_ == version) return last_;
    auto found = catalogues_.find(version.get());
    if (found == catalogues_.end()) {
        Result<std::shared_ptr<const Catalogue>> loaded = source_(version);
        // Versions are published before they price anything and never removed: one that is not
        // there, such as 0 of a gate without a price book, will not come.
        if (!loaded.ok() && loaded.error().code != ErrorCode::not_found)
            return fail(std::move(loaded).error());
        found =
            catalogues_.emplace(version.get(), loaded.ok() ? std::move(*loaded) : nullptr).first;
    }
    last_ = found->second.get();
    last_version_ = version;
    return last_;
}

void EventRater::count_tokens(const Usage& usage) {
    rated_.input_tokens = usage.input_tokens();
    rated_.cached_tokens = usage[Meter::cache_read] + usage[Meter::input_audio_cached] +
                           usage[Meter::input_image_cached];
    rated_.output_tokens = usage.output_tokens();
    rated_.reasoning_tokens = usage[Meter::reasoning];
}

void EventRater::mark_unpriced(const Usage& usage) {
    rated_.is_priced = false;
    rated_.flags |= kEventUnpriced;
    rated_.event.line_count = 0;
    rated_.event.total = Femto{};
    rated_.event.currency = Currency::usd;
    for (int i = 0; i < kMeterCount; ++i) {
        const auto meter = static_cast<Meter>(i);
        if (usage[meter] == 0) continue;
        rated_.event.lines[static_cast<std::size_t>(rated_.event.line_count++)] = {
            meter, usage[meter], kUnpriced};
    }
}

Result<const Rated*> EventRater::rate(const UsageEvent& event) {
    constexpr auto kFound = static_cast<std::uint16_t>(kEventUnpriced | kEventFallbackPrice);
    rated_.is_priced = true;
    rated_.flags = static_cast<std::uint16_t>(event.flags & ~kFound);
    rated_.input_tokens = rated_.cached_tokens = 0;
    rated_.output_tokens = rated_.reasoning_tokens = 0;
    rated_.event.line_count = 0;
    rated_.event.total = Femto{};
    rated_.event.currency = Currency::usd;
    rated_.event.version = event.price_version;
    if (event.usage.is_empty()) return &rated_;
    if (!is_plausible(event.usage)) {
        mark_unpriced(Usage{});
        return &rated_;
    }
    count_tokens(event.usage);
    TG_TRY(const Catalogue* book, catalogue(event.price_version));
    if (book == nullptr) {
        mark_unpriced(event.usage);
        return &rated_;
    }
    const Result<Catalogue::Found> found =
        book->find(event.model, event.provider, event.started_at);
    if (found.ok()) {
        const Status rated =
            tg::rate(event.usage, *found->price, event.tier, event.region, &rated_.event);
        if (rated.ok() && rated_.event.total <= kChargeMax) {
            if (found->is_fallback) rated_.flags |= kEventFallbackPrice;
            return &rated_;
        }
    }
    mark_unpriced(event.usage);
    return &rated_;
}

}  // namespace tg
