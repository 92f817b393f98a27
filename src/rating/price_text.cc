#include "rating/price_text.h"

namespace tg {
namespace {

/// nano-units per million = value in the unit of price_unit() x 10^scale.
int scale_of(Meter meter) {
    const std::string_view unit = price_unit(meter);
    if (unit == "1M") return 9;
    return unit == "second" ? 12 : 15;
}

}  // namespace

std::string_view price_unit(Meter meter) {
    if (is_input(meter) || is_output_token(meter)) return "1M";
    switch (meter) {
        case Meter::training:
        case Meter::citation:
        case Meter::character:
        case Meter::pixel:
            return "1M";
        case Meter::audio_ms:
        case Meter::video_ms:
            return "second";
        default:
            return "1";
    }
}

Result<NanoPerM> parse_price(Meter meter, std::string_view text) {
    TG_TRY(const int128 nano, parse_scaled(text, scale_of(meter)));
    if (nano < 0 || nano > INT64_MAX) {
        return fail(ErrorCode::invalid_request, "price '" + std::string(text.substr(0, 40)) +
                                                    "' of " + std::string(name(meter)) +
                                                    " is out of range");
    }
    return NanoPerM{static_cast<std::int64_t>(nano)};
}

std::string format_price(Meter meter, NanoPerM price) {
    return format_scaled(price.nano, scale_of(meter), 2);
}

std::string describe(Meter meter, ServiceTier tier, const std::optional<PriceBand>& band) {
    std::string out(name(meter));
    if (tier != ServiceTier::standard) out += " in tier " + std::string(name(tier));
    if (band) {
        out += band->op == BandOperator::greater ? " above " : " from ";
        out += std::to_string(band->threshold_tokens) + " tokens";
    }
    return out;
}

std::string format_change(std::int64_t from, std::int64_t to) {
    TG_ASSERT(from != 0);
    const int128 change = (int128{to} - from) * 100;
    const int128 magnitude = change < 0 ? -change : change;
    const int128 base = from < 0 ? -int128{from} : int128{from};
    const std::string sign = change < 0 ? "-" : "+";
    int128 whole = magnitude / base, rest = magnitude % base;
    if (rest == 0) return sign + to_string(whole) + " %";
    int128 a = base, b = rest;
    while (b != 0) {
        const int128 remainder = a % b;
        a = b;
        b = remainder;
    }
    const int128 numerator = rest / a, denominator = base / a;
    for (int decimals = 1; decimals <= 6; ++decimals) {
        int128 power = 1;
        for (int i = 0; i < decimals; ++i) power *= 10;
        if (power % denominator == 0) {
            return sign +
                   format_scaled(whole * power + numerator * (power / denominator), decimals, 0) +
                   " %";
        }
    }
    return sign + (whole == 0 ? "" : to_string(whole) + " ") + to_string(numerator) + "/" +
           to_string(denominator) + " %";
}

}  // namespace tg
