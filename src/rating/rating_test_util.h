#pragma once
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "rating/catalogue.h"
#include "rating/rate.h"

namespace tg::test {

inline std::string read_price_file(const std::string& name) {
    std::ifstream file(std::string(TG_PRICES_DIR) + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// "2.50" dollars per million tokens.
inline NanoPerM per_m(std::string_view text) {
    return {static_cast<std::int64_t>(*parse_scaled(text, 9))};
}

inline PriceComponent component(Meter meter, std::string_view price_per_m,
                                ServiceTier tier = ServiceTier::standard,
                                std::optional<PriceBand> band = std::nullopt) {
    return {meter, per_m(price_per_m), tier, band};
}

inline ModelPrice model_price(std::string model, std::vector<PriceComponent> components) {
    ModelPrice price;
    price.model = std::move(model);
    price.provider = "acme";
    price.components = std::move(components);
    return price;
}

inline std::shared_ptr<const Catalogue> catalogue(std::vector<ModelPrice> prices,
                                                  UnknownModelRule unknown = {}) {
    auto built = Catalogue::build(PriceVersionId{7}, std::move(prices), std::move(unknown));
    if (!built.ok()) ADD_FAILURE() << built.error().text();
    return std::move(built).value();
}

inline Usage usage(std::initializer_list<std::pair<Meter, std::int64_t>> quantities) {
    Usage out;
    for (const auto& [meter, quantity] : quantities) out[meter] = quantity;
    return out;
}

inline constexpr UtcMicros kNow{1'790'000'000'000'000};

}  // namespace tg::test
