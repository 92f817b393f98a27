#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/money.h"
#include "base/strong.h"
#include "base/usage.h"

namespace tg {

enum class BandOperator : std::uint8_t { greater, greater_or_equal };

/// Prices that hold when the call's whole input is past a threshold; they re-price the whole request.
struct PriceBand {
    std::int64_t threshold_tokens = 0;
    BandOperator op = BandOperator::greater;
};

/// What one meter costs under one condition. The most specific matching component wins; two equally specific ones are
/// refused when the price book is published.
struct PriceComponent {
    Meter meter = Meter::input;
    NanoPerM price;
    ServiceTier tier = ServiceTier::standard;
    std::optional<PriceBand> band;  ///< none: base price
};

/// The price of one model with one provider during [from, to).
struct ModelPrice {
    std::string model;
    std::string provider;  ///< "" matches any
    Currency currency = Currency::usd;
    UtcMicros valid_from;
    std::optional<UtcMicros> valid_to;
    PriceVersionId version;
    std::vector<PriceComponent> components;
    /// How a combination the book has no component for is priced: parts per million of the standard, unbanded price of the same
    /// meter. Absent: such usage is unpriced (an error), never silently the base price.
    std::optional<std::int64_t> tier_multiplier_ppm[kServiceTierCount];
    /// Parts per million by region ("eu" 1,100,000), applied to every token price of the call.
    std::vector<std::pair<std::string, std::int64_t>> region_multiplier_ppm;
    std::int64_t max_input_tokens = 0, max_output_tokens = 0;  ///< 0: not stated
    std::string mode;                                          ///< "chat", "embedding", ...
    std::string source;                                        ///< where the price came from
};

/// What to do with a model the price book does not know (B1).
struct UnknownModelRule {
    enum class Action : std::uint8_t { refuse, price_as } action = Action::refuse;
    std::string price_as_model;  ///< for price_as: a model in the book; events are flagged
};

/// All prices as of one publication. Immutable; a request takes it once and keeps it to its end. Reads no clock.
class Catalogue {
  public:
    /// Errors: invalid_request naming model and component for overlapping validity, ambiguous or out-of-range prices.
    static Result<std::shared_ptr<const Catalogue>> build(PriceVersionId version, std::vector<ModelPrice> prices,
                                                          UnknownModelRule unknown);
    ~Catalogue();

    struct Found {
        const class CompiledPrice* price = nullptr;
        bool is_fallback = false;  ///< by UnknownModelRule
    };
    /// The price of `model` with `provider` in force at `at`. Exact name first, then the provider-prefixed name
    /// ("azure/gpt-4o"), then the name without a date suffix ("gpt-4o-2024-08-06" -> "gpt-4o") when that is how the book lists it.
    /// Errors: model_unknown naming the model and how to add a price.
    Result<Found> find(std::string_view model, std::string_view provider, UtcMicros at) const;

    PriceVersionId version() const;
    std::size_t size() const;
    const std::vector<ModelPrice>& prices() const;

  private:
    Catalogue();
    struct Tables;
    std::unique_ptr<Tables> tables_;
};

}  // namespace tg
