#pragma once
#include <string_view>

namespace tg {

/// The shipped price list (data/prices, LiteLLM's format) and its rules, part of the binary.
std::string_view embedded_default_prices();
std::string_view embedded_default_price_rules();

/// File name and date of the shipped list, for the record of its import.
inline constexpr std::string_view kDefaultPricesSource = "litellm_model_prices_2026-07-24.json";

}  // namespace tg
