#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "base/money.h"
#include "base/usage.h"
#include "rating/catalogue.h"
#include "rating/compiled_price.h"

namespace tg {

/// One line of a rated event: quantity x price is exactly the amount.
struct RatedLine {
    Meter meter = Meter::input;
    std::int64_t quantity = 0;
    NanoPerM price;
    Femto amount() const { return quantity * price; }
};

/// An event's exact charge. At most one line a meter, in meter order.
struct RatedEvent {
    std::array<RatedLine, kMeterCount> lines;
    int line_count = 0;
    Femto total;
    Currency currency = Currency::usd;
    PriceVersionId version;
};

/// The exact charge of `usage`: pure, no clock, no allocation, about 100 ns. The long-context band
/// is chosen by the sum of all input meters (facts: uncached + cache read + cache write). Reasoning
/// without a price of its own is priced as output, cache classes without one as input
/// (compiled_price.h has every rule). `region` is the deployment's; one the book does not name has
/// no multiplier. A `request` costs nothing unless the book prices calls. Errors: model_unpriced
/// naming meter, tier and model, when the book has no price for something that was used;
/// invalid_request for a negative quantity.
Result<RatedEvent> rate(const Usage& usage, const CompiledPrice& price, ServiceTier tier,
                        std::string_view region);

/// The same into `event`, of which only the lines that count are written: for those who rate
/// millions. After an error `event` holds nothing of use.
Status rate(const Usage& usage, const CompiledPrice& price, ServiceTier tier,
            std::string_view region, RatedEvent* event);

/// Most a call can cost: all input at the dearest input class, all output at the dearest output
/// class, in the dearest band that this much input can reach, plus the price of one request. For
/// reservations; negative counts are taken as 0. Hosted tools, images, seconds and pages are not in
/// it: what is used of them is only known afterwards.
Femto worst_case(std::int64_t input_tokens, std::int64_t output_tokens, const CompiledPrice& price,
                 ServiceTier tier, std::string_view region);

}  // namespace tg
