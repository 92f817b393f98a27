#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "rating/catalogue.h"

namespace tg {

/// How people write the price of a meter: tokens, characters and pixels per million, audio and
/// video per second, the rest per piece.
std::string_view price_unit(Meter meter);  ///< "1M", "second" or "1"

/// "2.50" dollars a million tokens, "0.01" a search, "0.0001" a second of audio -> nano-units per
/// million. Exact. Errors: invalid_request when it is no decimal, negative, too large, or finer
/// than 10^-15 a unit.
Result<NanoPerM> parse_price(Meter meter, std::string_view text);
std::string format_price(Meter meter,
                         NanoPerM price);  ///< the reverse, without the unit; two decimals at least

/// "input", "output in tier batch above 200000 tokens".
std::string describe(Meter meter, ServiceTier tier, const std::optional<PriceBand>& band);

/// The change from `from` to `to` in per cent, exactly: "+25 %", "-33 1/3 %", "-0.5 %". `from` must
/// not be zero.
std::string format_change(std::int64_t from, std::int64_t to);

}  // namespace tg
