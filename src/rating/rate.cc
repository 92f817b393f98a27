#include "rating/rate.h"

namespace tg {
namespace {

std::unexpected<Error> unpriced(const CompiledPrice& price, Meter meter, ServiceTier tier,
                                int band) {
    const ModelPrice& source = price.source();
    std::string where = "model '" + source.model + "'";
    if (!source.provider.empty()) where += " of provider '" + source.provider + "'";
    where +=
        " has no price for " + std::string(name(meter)) + " in tier " + std::string(name(tier));
    if (band > 0) {
        const PriceBand& past = price.band(band);
        where += std::string(past.op == BandOperator::greater ? " above " : " from ") +
                 std::to_string(past.threshold_tokens) + " input tokens on";
    }
    return fail(ErrorCode::model_unpriced,
                where + " (price book version " + std::to_string(price.version().get()) +
                    "); add that price or a multiplier for the tier to the price book");
}

std::unexpected<Error> negative(const CompiledPrice& price, Meter meter, std::int64_t quantity) {
    return fail(ErrorCode::invalid_request,
                "usage of model '" + price.source().model + "' has " + std::to_string(quantity) +
                    " of " + std::string(name(meter)) + "; quantities are never negative");
}

}  // namespace

Status rate(const Usage& usage, const CompiledPrice& price, ServiceTier tier,
            std::string_view region, RatedEvent* event) {
    int128 input = 0;
    for (std::size_t i = 0; i < kMeterCount; ++i) {
        if (usage.quantity[i] < 0) return negative(price, static_cast<Meter>(i), usage.quantity[i]);
        if (is_input(static_cast<Meter>(i))) input += usage.quantity[i];
    }
    const int band = price.band_of(input);
    const CompiledPrice::Row& row = price.row(tier, band, region);

    event->currency = price.currency();
    event->version = price.version();
    event->line_count = 0;
    event->total = Femto{};
    for (std::size_t i = 0; i < kMeterCount; ++i) {
        const std::int64_t quantity = usage.quantity[i];
        if (quantity == 0) continue;
        const auto meter = static_cast<Meter>(i);
        if (row[i] == CompiledPrice::kUnpriced) {
            if (meter == Meter::request)
                continue;  // every call is one; most models charge nothing for it
            return unpriced(price, meter, tier, band);
        }
        RatedLine& line = event->lines[static_cast<std::size_t>(event->line_count++)];
        line = {meter, quantity, NanoPerM{row[i]}};
        event->total += line.amount();
    }
    return {};
}

Result<RatedEvent> rate(const Usage& usage, const CompiledPrice& price, ServiceTier tier,
                        std::string_view region) {
    Result<RatedEvent> result{RatedEvent{}};
    TG_CHECK_OK(rate(usage, price, tier, region, &result.value()));
    return result;
}

Femto worst_case(std::int64_t input_tokens, std::int64_t output_tokens, const CompiledPrice& price,
                 ServiceTier tier, std::string_view region) {
    const std::int64_t input = std::max<std::int64_t>(input_tokens, 0);
    const std::int64_t output = std::max<std::int64_t>(output_tokens, 0);
    const CompiledPrice::Worst worst = price.worst(tier, price.band_of(input), region);
    return input * NanoPerM{worst.input} + output * NanoPerM{worst.output} +
           1 * NanoPerM{worst.request};
}

}  // namespace tg
