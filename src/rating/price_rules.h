#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rating/catalogue.h"

namespace tg {

/// What an imported price list does not say itself, stated with its source. Empty fields match
/// anything; later rules override earlier ones field by field.
struct PriceRule {
    std::string provider, model, mode;
    std::optional<BandOperator>
        band_operator;            ///< of long-context thresholds; without a rule: greater
    std::optional<bool> is_free;  ///< prices of zero are meant
    std::optional<std::int64_t> max_nano_per_m;
    std::optional<std::int64_t> tier_multiplier_ppm[kServiceTierCount];
    std::string source;

    bool matches(const ModelPrice& price) const;
};

struct PriceRules {
    std::vector<PriceRule> rules;
};

/// Reads rules.json: {"rules":[{"provider":"xai","band_operator":">=","source":"..."}]}. Unknown
/// fields are refused. Errors: invalid_request naming the rule and the field.
Result<PriceRules> parse_price_rules(std::string_view json);

}  // namespace tg
