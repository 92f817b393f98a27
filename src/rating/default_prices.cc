#include "rating/default_prices.h"

// NOLINTBEGIN(readability-identifier-naming): symbols of default_prices_data.S
extern "C" {
extern const char tg_default_prices[];
extern const char tg_default_prices_end[];
extern const char tg_default_price_rules[];
extern const char tg_default_price_rules_end[];
}
// NOLINTEND(readability-identifier-naming)

namespace tg {

std::string_view embedded_default_prices() {
    return {tg_default_prices, tg_default_prices_end};
}

std::string_view embedded_default_price_rules() {
    return {tg_default_price_rules, tg_default_price_rules_end};
}

}  // namespace tg
