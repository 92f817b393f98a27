#include "rating/compiled_price.h"

#include <algorithm>

namespace tg {
namespace {

constexpr std::int64_t kMaxTokenNano = 1'000'000'000'000;       // $1,000 per 1M tokens
constexpr std::int64_t kMaxUnitNano = 100'000'000'000'000'000;  // $100 per call, image, ...
constexpr std::int64_t kMaxMultiplierPpm = 100 * 1'000'000;     // 100 times
constexpr std::size_t kMaxBands = 16;
constexpr std::size_t kMaxRegions = 64;
constexpr std::int64_t kMaxThreshold = 1'000'000'000'000;

std::string label(const ModelPrice& price) {
    return "model '" + price.model + "'" +
           (price.provider.empty() ? "" : " of provider '" + price.provider + "'");
}

std::string label(const PriceComponent& component) {
    std::string out = std::string(name(component.meter)) + "/" + std::string(name(component.tier));
    if (component.band) {
        out += component.band->op == BandOperator::greater ? " above " : " from ";
        out += std::to_string(component.band->threshold_tokens);
    }
    return out;
}

std::int64_t above(const PriceBand& band) {
    return band.op == BandOperator::greater ? band.threshold_tokens : band.threshold_tokens - 1;
}

Status check_component(const ModelPrice& price, const PriceComponent& component) {
    const auto refuse = [&](const std::string& why) {
        return fail(ErrorCode::invalid_request,
                    label(price) + ", component " + label(component) + ", price " +
                        format_scaled(component.price.nano, 9, 2) + " " +
                        std::string(code(price.currency)) + " per 1M units: " + why);
    };
    if (static_cast<int>(component.meter) >= kMeterCount ||
        static_cast<int>(component.tier) >= kServiceTierCount) {
        return fail(ErrorCode::invalid_request,
                    label(price) + " has a component with an unknown meter or tier");
    }
    const std::int64_t nano = component.price.nano;
    if (nano < 0) return refuse("a price is never negative");
    if (nano == 0 && !component.is_free) return refuse("zero must be marked as free to be meant");
    if (nano != 0 && component.is_free) return refuse("marked as free, but not zero");
    const bool is_token =
        kind(component.meter) == MeterKind::token || component.meter == Meter::citation;
    std::int64_t bound = is_token ? kMaxTokenNano : kMaxUnitNano;
    if (is_token && price.max_nano_per_m > bound)
        bound = std::min(price.max_nano_per_m, kMaxUnitNano);
    if (nano > bound) {
        return refuse("above the bound of " + format_scaled(bound, 9, 0) +
                      "; check the number, or whitelist the model with its own bound");
    }
    if (component.band && (component.band->threshold_tokens <= 0 ||
                           component.band->threshold_tokens > kMaxThreshold)) {
        return refuse("a band's threshold is between 1 and 10^12 tokens");
    }
    return {};
}

Status check_multipliers(const ModelPrice& price) {
    const auto in_range = [](std::int64_t ppm) { return ppm > 0 && ppm <= kMaxMultiplierPpm; };
    for (int t = 0; t < kServiceTierCount; ++t) {
        const auto& multiplier = price.tier_multiplier_ppm[t];
        if (!multiplier) continue;
        if (t == static_cast<int>(ServiceTier::standard) || !in_range(*multiplier)) {
            return fail(ErrorCode::invalid_request,
                        label(price) + ": multiplier " + std::to_string(*multiplier) +
                            " ppm of tier " + std::string(name(static_cast<ServiceTier>(t))) +
                            " is refused; a multiplier is above 0, at most 100 times, and not for "
                            "the standard tier");
        }
    }
    const auto& regions = price.region_multiplier_ppm;
    if (regions.size() > kMaxRegions) {
        return fail(ErrorCode::invalid_request,
                    label(price) + " has " + std::to_string(regions.size()) +
                        " region multipliers; at most " + std::to_string(kMaxRegions));
    }
    for (std::size_t i = 0; i < regions.size(); ++i) {
        const bool is_repeated =
            std::any_of(regions.begin(), regions.begin() + static_cast<std::ptrdiff_t>(i),
                        [&](const auto& earlier) { return earlier.first == regions[i].first; });
        if (regions[i].first.empty() || is_repeated || !in_range(regions[i].second)) {
            return fail(ErrorCode::invalid_request,
                        label(price) + ": region multiplier '" + regions[i].first + "' of " +
                            std::to_string(regions[i].second) +
                            " ppm is refused; names are unique and not empty, multipliers above 0 "
                            "and at most 100 times");
        }
    }
    return {};
}

}  // namespace

MeterKind kind(Meter meter) {
    if (is_input(meter) || is_output_token(meter)) return MeterKind::token;
    switch (meter) {
        case Meter::training:
        case Meter::image:
        case Meter::audio_ms:
        case Meter::character:
        case Meter::page:
        case Meter::video_ms:
        case Meter::image_in:
        case Meter::pixel:
            return MeterKind::work;
        default:
            return MeterKind::call;
    }
}

/// Builds one CompiledPrice. Cells are first resolved as (base price, tier multiplier) so that the
/// multipliers of tier and region meet in one exact product and one rounding.
class PriceCompiler {
  public:
    PriceCompiler(const ModelPrice& source, PriceVersionId version,
                  std::vector<PriceRounding>& roundings)
        : source_(source), roundings_(roundings) {
        out_.source_ = &source;
        out_.version_ = version;
    }

    Result<CompiledPrice> run() {
        if (source_.components.empty())
            return fail(ErrorCode::invalid_request, label(source_) + " has no price at all");
        TG_CHECK_OK(check_multipliers(source_));
        for (const PriceComponent& component : source_.components)
            TG_CHECK_OK(check_component(source_, component));
        TG_CHECK_OK(collect_bands());
        TG_CHECK_OK(place_components());
        for (int t = 0; t < kServiceTierCount; ++t) {
            for (int b = 0; b < out_.band_count(); ++b) {
                for (int m = 0; m < kMeterCount; ++m) {
                    cell(resolved_, t, b, static_cast<Meter>(m)) =
                        resolve(t, b, static_cast<Meter>(m));
                }
            }
        }
        TG_CHECK_OK(emit());
        return std::move(out_);
    }

  private:
    struct Cell {
        std::int64_t nano = CompiledPrice::kUnpriced;
        std::int64_t tier_ppm = 1'000'000;
        bool is_priced() const { return nano != CompiledPrice::kUnpriced; }
        friend bool operator==(const Cell&, const Cell&) = default;
    };
    using Cells = std::vector<Cell>;  // [tier][band][meter]

    Cell& cell(Cells& cells, int tier, int band, Meter meter) const {
        const auto bands = static_cast<std::size_t>(out_.band_count());
        const std::size_t row =
            static_cast<std::size_t>(tier) * bands + static_cast<std::size_t>(band);
        return cells[row * kMeterCount + static_cast<std::size_t>(meter)];
    }

    Status collect_bands() {
        std::vector<PriceBand> bands;
        for (const PriceComponent& component : source_.components) {
            if (component.band && std::ranges::find(bands, *component.band) == bands.end())
                bands.push_back(*component.band);
        }
        std::ranges::sort(bands, {}, [](const PriceBand& band) { return above(band); });
        const auto twin = std::ranges::adjacent_find(
            bands, {}, [](const PriceBand& band) { return above(band); });
        if (twin != bands.end()) {
            return fail(ErrorCode::invalid_request,
                        label(source_) + " names one band in two ways: above " +
                            std::to_string(above(*twin)) + " and from " +
                            std::to_string(above(*twin) + 1) + " tokens; use one of them");
        }
        if (bands.size() > kMaxBands) {
            return fail(ErrorCode::invalid_request,
                        label(source_) + " has " + std::to_string(bands.size()) +
                            " bands; at most " + std::to_string(kMaxBands));
        }
        for (const PriceBand& band : bands) out_.above_.push_back(above(band));
        out_.bands_ = std::move(bands);
        const std::size_t count =
            static_cast<std::size_t>(out_.band_count()) * kServiceTierCount * kMeterCount;
        own_.resize(count);
        resolved_.resize(count);
        return {};
    }

    Status place_components() {
        for (const PriceComponent& component : source_.components) {
            int band = 0;
            if (component.band) {
                band = static_cast<int>(std::ranges::find(out_.bands_, *component.band) -
                                        out_.bands_.begin()) +
                       1;
            }
            Cell& own = cell(own_, static_cast<int>(component.tier), band, component.meter);
            if (own.is_priced()) {
                return fail(ErrorCode::invalid_request,
                            label(source_) + " has two prices for " + label(component) + ": " +
                                format_scaled(own.nano, 9, 2) + " and " +
                                format_scaled(component.price.nano, 9, 2) + " per 1M; remove one");
            }
            own.nano = component.price.nano;
        }
        return {};
    }

    bool has_own(Meter meter) {
        return std::ranges::any_of(source_.components,
                                   [&](const PriceComponent& c) { return c.meter == meter; });
    }

    std::optional<Meter> class_of(Meter meter) {
        switch (meter) {
            case Meter::reasoning:
                return Meter::output;
            case Meter::cache_read:
            case Meter::cache_write:
            case Meter::input_image:
                return Meter::input;
            case Meter::cache_write_long:
                if (has_own(Meter::cache_write)) return std::nullopt;
                return Meter::input;
            case Meter::input_audio_cached:
                return Meter::input_audio;
            case Meter::input_image_cached:
                return has_own(Meter::input_image) ? Meter::input_image : Meter::cache_read;
            default:
                return std::nullopt;
        }
    }

    /// The price of a meter's class may stand in for its own only where the book never tells the
    /// two apart.
    bool is_priced_as(Meter meter, Meter as) {
        for (int t = 0; t < kServiceTierCount; ++t) {
            for (int b = 0; b < out_.band_count(); ++b) {
                const Cell& own = cell(own_, t, b, meter);
                if (own.is_priced() && own != resolve(t, b, as)) return false;
            }
        }
        return true;
    }

    Cell resolve(int tier, int band, Meter meter) {
        const auto standard = static_cast<int>(ServiceTier::standard);
        const MeterKind meter_kind = kind(meter);
        if (const Cell& own = cell(own_, tier, band, meter); own.is_priced()) return own;
        if (meter_kind != MeterKind::token) {
            if (const Cell& unbanded = cell(own_, tier, 0, meter); unbanded.is_priced())
                return unbanded;
        }
        if (meter_kind == MeterKind::call) {
            if (const Cell& in_band = cell(own_, standard, band, meter); in_band.is_priced())
                return in_band;
            return cell(own_, standard, 0, meter);
        }
        if (const auto as = class_of(meter); as && is_priced_as(meter, *as)) {
            const Cell priced = resolve(tier, band, *as);
            if (priced.is_priced()) return priced;
        }
        const auto& multiplier = source_.tier_multiplier_ppm[tier];
        if (tier == standard || !multiplier) return {};
        Cell scaled = resolve(standard, band, meter);
        scaled.tier_ppm = *multiplier;
        return scaled;
    }

    Result<std::int64_t> effective(const Cell& base, int tier, int band, Meter meter,
                                   std::size_t region) {
        const std::int64_t region_ppm = region == 0 || kind(meter) != MeterKind::token
                                            ? 1'000'000
                                            : source_.region_multiplier_ppm[region - 1].second;
        constexpr int128 kScale = int128{1'000'000} * 1'000'000;
        const int128 product = int128{base.nano} * base.tier_ppm * region_ppm;
        const int128 nano = divide(product, kScale, Rounding::half_up);
        if (nano > kMaxUnitNano || (nano == 0 && base.nano != 0)) {
            return fail(ErrorCode::invalid_request,
                        label(source_) + ": the price of " + std::string(name(meter)) +
                            " in tier " + std::string(name(static_cast<ServiceTier>(tier))) +
                            " after multipliers, " + format_scaled(product, 21, 0) +
                            " per 1M, is out of range; correct the multiplier");
        }
        if (product % kScale != 0) {
            PriceRounding& note = roundings_.emplace_back();
            note.model = source_.model;
            note.provider = source_.provider;
            if (region > 0) note.region = source_.region_multiplier_ppm[region - 1].first;
            note.meter = meter;
            note.tier = static_cast<ServiceTier>(tier);
            if (band > 0) note.band = out_.band(band);
            note.exact = format_scaled(product, 12, 0);
            note.rounded = {static_cast<std::int64_t>(nano)};
        }
        return static_cast<std::int64_t>(nano);
    }

    static void raise(CompiledPrice::Worst& worst, const CompiledPrice::Row& row) {
        for (int m = 0; m < kMeterCount; ++m) {
            const auto meter = static_cast<Meter>(m);
            const std::int64_t nano = row[static_cast<std::size_t>(m)];
            if (is_input(meter)) worst.input = std::max(worst.input, nano);
            if (is_output_token(meter)) worst.output = std::max(worst.output, nano);
            if (meter == Meter::request) worst.request = std::max(worst.request, nano);
        }
    }

    Status emit() {
        for (std::size_t region = 0; region <= source_.region_multiplier_ppm.size(); ++region) {
            for (int t = 0; t < kServiceTierCount; ++t) {
                CompiledPrice::Worst worst;
                for (int b = 0; b < out_.band_count(); ++b) {
                    CompiledPrice::Row row;
                    for (int m = 0; m < kMeterCount; ++m) {
                        const auto meter = static_cast<Meter>(m);
                        const Cell& base = cell(resolved_, t, b, meter);
                        row[static_cast<std::size_t>(m)] = CompiledPrice::kUnpriced;
                        if (!base.is_priced()) continue;
                        TG_TRY(row[static_cast<std::size_t>(m)],
                               effective(base, t, b, meter, region));
                    }
                    raise(worst, row);
                    auto known = std::ranges::find(out_.rows_, row);
                    if (known == out_.rows_.end()) known = out_.rows_.insert(known, row);
                    out_.combinations_.push_back(
                        {static_cast<std::uint32_t>(known - out_.rows_.begin()), worst});
                }
            }
        }
        return {};
    }

    const ModelPrice& source_;
    std::vector<PriceRounding>& roundings_;
    CompiledPrice out_;
    Cells own_, resolved_;
};

Result<CompiledPrice> CompiledPrice::compile(const ModelPrice& source, PriceVersionId version,
                                             std::vector<PriceRounding>& roundings) {
    return PriceCompiler(source, version, roundings).run();
}

}  // namespace tg
