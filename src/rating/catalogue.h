#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/money.h"
#include "base/strong.h"
#include "base/usage.h"

namespace tg {

enum class BandOperator : std::uint8_t { greater, greater_or_equal };

/// Prices that hold when the call's whole input is past a threshold; they re-price the whole
/// request.
struct PriceBand {
    std::int64_t threshold_tokens = 0;
    BandOperator op = BandOperator::greater;
    friend bool operator==(const PriceBand&, const PriceBand&) = default;
};

/// What one meter costs under one condition. The most specific matching component wins; two equally
/// specific ones are refused when the price book is published. Bounds: 0 < price <= $1,000 per 1M
/// tokens and $100 per call or other unit.
struct PriceComponent {
    Meter meter = Meter::input;
    NanoPerM price;
    ServiceTier tier = ServiceTier::standard;
    std::optional<PriceBand> band{};  ///< none: base price
    bool is_free =
        false;  ///< a price of zero is meant; without it zero is refused as a hole in the book
    friend bool operator==(const PriceComponent&, const PriceComponent&) = default;
};

/// The price of one model with one provider during [from, to).
struct ModelPrice {
    std::string model;
    std::string provider;  ///< "" matches any
    Currency currency = Currency::usd;
    UtcMicros valid_from;
    std::optional<UtcMicros> valid_to;
    PriceVersionId version;  ///< publication that brought it
    std::vector<PriceComponent> components;
    /// How a combination the book has no component for is priced: parts per million of the standard
    /// price of the same meter in the same band. Absent: such usage is unpriced (an error), never
    /// silently the base price. Not for `standard` itself.
    std::optional<std::int64_t> tier_multiplier_ppm[kServiceTierCount];
    /// Parts per million by region ("eu" 1,100,000), applied to every token price of the call.
    std::vector<std::pair<std::string, std::int64_t>> region_multiplier_ppm;
    std::int64_t max_input_tokens = 0, max_output_tokens = 0;  ///< 0: not stated
    std::string mode;                                          ///< "chat", "embedding", ...
    std::string source;                                        ///< where the price came from
    std::int64_t max_nano_per_m =
        0;  ///< whitelists a token price above the usual bound up to this; 0: the usual bound
    bool is_manual = false;  ///< set by hand: an import leaves it alone
    friend bool operator==(const ModelPrice&, const ModelPrice&) = default;
};

/// A price after tier and region multipliers that is no whole number of nano-units per million,
/// rounded half-up once when the book was compiled.
struct PriceRounding {
    std::string model, provider, region;
    Meter meter = Meter::input;
    ServiceTier tier = ServiceTier::standard;
    std::optional<PriceBand> band;
    std::string exact;  ///< nano-units per million, decimal
    NanoPerM rounded;
};

/// What to do with a model the price book does not know (B1).
struct UnknownModelRule {
    enum class Action : std::uint8_t { refuse, price_as } action = Action::refuse;
    std::string price_as_model;  ///< for price_as: a model in the book; events are flagged
};

/// All prices as of one publication. Immutable; a request takes it once and keeps it to its end.
/// Reads no clock.
class Catalogue {
  public:
    /// Errors: invalid_request naming model and component for overlapping validity, ambiguous or
    /// out-of-range prices.
    static Result<std::shared_ptr<const Catalogue>> build(PriceVersionId version,
                                                          std::vector<ModelPrice> prices,
                                                          UnknownModelRule unknown);
    ~Catalogue();

    struct Found {
        const class CompiledPrice* price = nullptr;
        bool is_fallback = false;  ///< by UnknownModelRule
    };
    /// The price of `model` with `provider` in force at `at`. Exact name first, then the
    /// provider-prefixed name
    /// ("azure/gpt-4o"), then the name without a date suffix ("gpt-4o-2024-08-06" -> "gpt-4o") when
    /// that is how the book lists it. A price of another provider is never taken; `provider` ""
    /// takes the only provider that lists the exact name. No allocation unless it fails.
    /// Thread-safe. Errors: model_unknown naming the model and how to add a price.
    Result<Found> find(std::string_view model, std::string_view provider, UtcMicros at) const;

    PriceVersionId version() const;
    std::size_t size() const;
    const std::vector<ModelPrice>& prices() const;
    /// Every effective price that had to be rounded.
    std::span<const PriceRounding> roundings() const;

  private:
    Catalogue();
    struct Tables;
    std::unique_ptr<Tables> tables_;
};

}  // namespace tg
