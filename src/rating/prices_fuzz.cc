// Any text is either refused or imported into a book that builds, rates, and goes out and back
// unchanged.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "rating/litellm_import.h"
#include "rating/price_json.h"
#include "rating/price_merge.h"
#include "rating/price_rules.h"
#include "rating/rate.h"

namespace {

void check_book(const std::vector<tg::ModelPrice>& prices) {
    const auto book = tg::Catalogue::build(tg::PriceVersionId{1}, prices, {});
    if (!book.ok()) return;
    tg::Usage used;
    for (int m = 0; m < tg::kMeterCount; ++m) used[static_cast<tg::Meter>(m)] = INT64_MAX;
    for (const tg::ModelPrice& price : (*book)->prices()) {
        const auto found = (*book)->find(price.model, price.provider, price.valid_from);
        TG_ASSERT(found.ok());
        for (int t = 0; t < tg::kServiceTierCount; ++t) {
            const auto tier = static_cast<tg::ServiceTier>(t);
            const auto rated = tg::rate(used, *found->price, tier, "eu");
            TG_ASSERT(rated.ok() || rated.error().code == tg::ErrorCode::model_unpriced);
            TG_ASSERT(!rated.ok() || rated->total.value >= 0);
            TG_ASSERT(tg::worst_case(INT64_MAX, INT64_MAX, *found->price, tier, "eu").value >= 0);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto rules = tg::parse_price_rules(text);
    (void)rules.ok();
    if (auto report = tg::import_litellm(text, {tg::UtcMicros{1000}, "fuzz", {}}); report.ok()) {
        TG_ASSERT(report->prices.size() + report->skipped.size() ==
                  static_cast<std::size_t>(report->entry_count));
        for (const tg::ModelPrice& price : report->prices) {
            TG_ASSERT(tg::Catalogue::build(tg::PriceVersionId{1}, {price}, {}).ok());
        }
        const auto merged = tg::merge_prices({}, report->prices, {});
        TG_ASSERT(merged.ok() &&
                  tg::Catalogue::build(tg::PriceVersionId{1}, merged->prices, {}).ok());
        check_book(report->prices);
        const std::string exported = tg::export_prices(report->prices);
        const auto back = tg::parse_prices(exported, {});
        TG_ASSERT(back.ok() && *back == report->prices);
    }
    if (const auto prices = tg::parse_prices(text, {}); prices.ok()) {
        check_book(*prices);
        const std::string exported = tg::export_prices(*prices);
        const auto back = tg::parse_prices(exported, {});
        TG_ASSERT(back.ok() && tg::export_prices(*back) == exported);
    }
    return 0;
}
