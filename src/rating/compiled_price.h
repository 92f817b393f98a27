#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "rating/catalogue.h"

namespace tg {

/// What a meter counts, which decides what re-prices it.
enum class MeterKind : std::uint8_t {
    token,  ///< input and output tokens: bands, tiers and regions re-price them
    work,  ///< images, seconds, characters, pages, training: tiers re-price them, bands and regions
           ///< do not
    call,  ///< requests and hosted tools: the same in every tier, band and region unless a
           ///< component says otherwise
};
MeterKind kind(Meter meter);

/// The dense price table of one ModelPrice: every tier x band x region resolved to a price or to
/// "unpriced".
///
/// The price of meter m in tier t and band b is, first that applies:
///  1. m's own component for (t, b); for work and call meters also for (t, no band), for call
///  meters also (standard, no band);
///  2. the price of the class m belongs to, when m has no component of its own, or none that
///  differs from that class:
///     reasoning -> output; cache_read, cache_write, input_image -> input; input_audio_cached ->
///     input_audio; input_image_cached -> cache_read when image tokens cost what text does, else
///     input_image; cache_write_long -> input, unless cache_write has its own price;
///  3. the tier's multiplier times m's standard price in band b;
///  4. none: using it is an error.
/// Tier and region multipliers are applied together and rounded half-up once, here.
class CompiledPrice {
  public:
    static constexpr std::int64_t kUnpriced = -1;
    using Row = std::array<std::int64_t, kMeterCount>;  ///< nano-units per million, or kUnpriced

    /// `source` must outlive the result. Roundings are appended. Errors: invalid_request naming
    /// model and component.
    static Result<CompiledPrice> compile(const ModelPrice& source, PriceVersionId version,
                                         std::vector<PriceRounding>& roundings);

    const ModelPrice& source() const { return *source_; }
    PriceVersionId version() const { return version_; }
    Currency currency() const { return source_->currency; }
    std::int64_t max_input_tokens() const { return source_->max_input_tokens; }
    std::int64_t max_output_tokens() const { return source_->max_output_tokens; }

    /// 0 is the base price; otherwise the highest band that `input_tokens` is past.
    int band_of(int128 input_tokens) const {
        int band = 0;
        for (const std::int64_t above : above_) band += input_tokens > above ? 1 : 0;
        return band;
    }
    int band_count() const { return static_cast<int>(above_.size()) + 1; }
    const PriceBand& band(int index) const {
        return bands_[static_cast<std::size_t>(index - 1)];
    }  ///< index >= 1

    const Row& row(ServiceTier tier, int band, std::string_view region) const {
        return rows_[combination(tier, band, region).row];
    }
    /// The dearest input token, output token and request price of this band and every lower one.
    struct Worst {
        std::int64_t input = 0, output = 0, request = 0;
    };
    Worst worst(ServiceTier tier, int band, std::string_view region) const {
        return combination(tier, band, region).worst;
    }

  private:
    friend class PriceCompiler;
    struct Combination {
        std::uint32_t row = 0;
        Worst worst;
    };
    const Combination& combination(ServiceTier tier, int band, std::string_view region) const {
        std::size_t region_index = 0;
        const auto& regions = source_->region_multiplier_ppm;
        for (std::size_t i = 0; i < regions.size(); ++i)
            region_index = regions[i].first == region ? i + 1 : region_index;
        const std::size_t tier_index =
            region_index * kServiceTierCount + static_cast<std::size_t>(tier);
        return combinations_[tier_index * static_cast<std::size_t>(band_count()) +
                             static_cast<std::size_t>(band)];
    }

    const ModelPrice* source_ = nullptr;
    PriceVersionId version_;
    std::vector<std::int64_t> above_;  ///< ascending; `>= n` is held as `> n - 1`
    std::vector<PriceBand> bands_;
    std::vector<Combination> combinations_;  ///< [region][tier][band]
    std::vector<Row> rows_;                  ///< distinct rows
};

}  // namespace tg
